"""What the page of faces loads and changes: columns, small pictures, single faces, curation, corrections."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse, Response

from doublecast.disk import key_of
from doublecast.errors import InputError
from doublecast.faces.drag import recipe
from doublecast.faces.geometry import OVAL
from doublecast.faceset import FaceStore, browse
from doublecast.faceset.coverage import ENOUGH, PITCH, YAW, Coverage, coverage, gaps, missing
from doublecast.pipeline import faces as single
from doublecast.pipeline import queue
from doublecast.production import SIDES, Production, Side
from doublecast.studio.face_process import FaceProcess
from doublecast.types import F32, POINTS
from doublecast.video import encode_jpeg

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

Document: TypeAlias = Annotated[Any, Body()]  #: the JSON of a request
THUMBS, MARKED = 200, 200_000  #: most faces of one request for pictures, and of one step of curation
SMALLEST, LARGEST = 32, 256  #: pixels of a small picture
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}  #: the address names the state of every face
FRAME_QUALITY = 88  #: JPEG quality of a part of a frame


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the routes."""
    _reading(studio, app)
    _one_face(studio, app, FaceProcess())
    _curating(studio, app)


def _reading(studio: "Studio", app: FastAPI) -> None:
    @app.get("/api/p/{name}/faces/{side}/columns")
    def columns(name: str, side: str, since: str = "") -> Response:
        """Everything that the page sorts by. since: the "state" of an earlier answer; unchanged: only says so."""
        folder, which = studio.config.production(name), _side(side)
        store = _store(folder, which)
        if store is None:
            return _json({"state": "none", "version": 0, "takes": [], "material": "", "columns": {"id": []}})
        state = _state(store)
        if since == state:
            return _json({"state": state, "unchanged": True})
        told = {"state": state, "version": store.version(), "material": _material(folder, store)}
        return _json({**told, "takes": [take.name for take in store.takes()], "columns": browse.columns(store)})

    @app.get("/api/p/{name}/faces/{side}/thumbs")
    def thumbs(name: str, side: str, ids: str, state: str = "", pixels: int = 112) -> Response:
        """Pictures of faces one after the other: four bytes of length (little endian), a JPEG. state: any text, part
        of what the browser remembers the answer by."""
        store, wanted = _some(studio, name, side), _ids(ids.split(","), THUMBS)
        if not SMALLEST <= pixels <= LARGEST:
            raise InputError(f"pixels must be from {SMALLEST} to {LARGEST}, got {pixels}")
        with _known(name, side):
            pictures = browse.thumbnails(store, wanted, side=pixels)
        body = b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
        return Response(body, media_type="application/octet-stream", headers=FOREVER if state else None)

    @app.get("/api/p/{name}/faces/{side}/crop")
    def crop(name: str, side: str, face: str, state: str = "") -> Response:
        """The whole crop of one face, as JPEG. state: as for many."""
        store, wanted = _some(studio, name, side), _ids([face], 1)
        with _known(name, side):
            data = next(store.pictures(wanted))[0]
        return Response(data, media_type="image/jpeg", headers=FOREVER if state else None)

    @app.get("/api/p/{name}/faces/{side}/alike")
    def alike(name: str, side: str, face: str, by: str = "identity") -> Response:
        """How unlike every face is to one, in the order of the columns; null where that is not known."""
        store, (number,) = _some(studio, name, side), _ids([face], 1)
        measure = {"identity": browse.similarity, "expression": browse.expression_distance}.get(by)
        if measure is None:
            raise InputError(f"faces can be alike by identity or expression, not by {by!r}")
        with _known(name, side):
            return _json({"state": _state(store), "distance": _numbers(measure(store, number), 3)})

    @app.get("/api/p/{name}/faces/{side}/history")
    def history(name: str, side: str, limit: int = 50) -> Response:
        """The newest steps of curation, newest first."""
        steps = _some(studio, name, side).history(min(max(limit, 1), 500))
        return _json([{**asdict(step), "when": step.when.isoformat()} for step in reversed(steps)])

    @app.get("/api/p/{name}/poses")
    def poses(name: str) -> Response:
        """Which poses both sides show, and what is missing, in words."""
        folder = studio.config.production(name)
        found = {side: _coverage(folder, side) for side in SIDES}
        lacks = missing(found["target"], found["actor"]) if found["target"].faces else []
        return _json(
            {
                "yaw": YAW.tolist(), "pitch": PITCH.tolist(), "enough": ENOUGH,
                "counts": {side: cover.counts.tolist() for side, cover in found.items()},
                "gaps": {side: gaps(cover) for side, cover in found.items()}, "missing": lacks,
            }
        )  # fmt: skip


def _one_face(studio: "Studio", app: FastAPI, process: FaceProcess) -> None:
    @app.get("/api/faces/handles")
    def handles() -> Response:
        """Landmarks that can be dragged, and how they take others along; see `drag.recipe`."""
        return _json(recipe())

    @app.get("/api/p/{name}/faces/{side}/face")
    def face(name: str, side: str, face: str) -> Response:
        """A face in its frame: four bytes of length (little endian), JSON, and the picture as JPEG."""
        folder, which, number = *_place(studio, name, side), _ids([face], 1)[0]
        found = single.large(folder, which, number)
        store = FaceStore(folder / which)
        told = {
            "facts": found.facts, "offset": found.offset, "scale": found.scale,
            "points": _numbers(found.points[:, :2].reshape(-1), 2), "quad": found.quad.tolist(),
            "oval": OVAL.tolist(),
            "revision": int(store.revisions(np.array([number]))[0]), "state": _state(store),
        }  # fmt: skip
        head = json.dumps(told).encode()
        body = struct.pack("<I", len(head)) + head + encode_jpeg(found.pixels, FRAME_QUALITY)
        return Response(body, media_type="application/octet-stream", headers={"cache-control": "no-store"})

    @app.get("/api/p/{name}/faces/{side}/covered")
    def covered(name: str, side: str, face: str) -> Response:
        """Mesh points of a face that something hides."""
        folder, which = _place(studio, name, side)
        request = {"do": "covered", "folder": str(folder), "side": which, "face": _ids([face], 1)[0]}
        return _json(process.ask(request))

    @app.post("/api/p/{name}/faces/{side}/correct")
    def correct(name: str, side: str, body: Document) -> Response:
        """Put landmarks elsewhere. body: face, revision (of the face that was shown), handles {landmark: [x, y]}."""
        folder, which = _place(studio, name, side)
        number, revision, dragged = _ids([_field(body, "face")], 1)[0], _field(body, "revision"), _handles(body)
        with _known(name, side):
            before = FaceStore(folder / which)
            recognised = before.load([number], crops=False)[0].face.vector is not None
        if int(before.revisions(np.array([number]))[0]) != revision:
            raise InputError("this face was corrected by somebody else meanwhile: look at it again before you save")
        if recognised:  # its identity vector needs a network
            process.ask({"do": "correct", "folder": str(folder), "side": which, "face": number, "handles": dragged})
        else:
            points = single.moved(single.points_of(folder, which, number), dragged)
            single.correct(folder, which, number, points)
        return _json({"version": FaceStore(folder / which).version()})

    @app.post("/api/p/{name}/faces/{side}/reset")
    def reset(name: str, side: str, body: Document) -> Response:
        """Bring back the landmarks that were found."""
        folder, which = _place(studio, name, side)
        single.reset(folder, which, _ids([_field(body, "face")], 1)[0])
        return _json({"version": FaceStore(folder / which).version()})


def _curating(studio: "Studio", app: FastAPI) -> None:
    @app.post("/api/p/{name}/faces/{side}/set-aside")
    def set_aside(name: str, side: str, body: Document) -> Response:
        """body: ids, and a reason where it is not "dropped"."""
        store, ids = _some(studio, name, side), _ids(_field(body, "ids"), MARKED)
        reason = body.get("reason", "dropped")
        if not isinstance(reason, str) or not reason.isprintable() or not 1 <= len(reason.strip()) <= 40:
            raise InputError("a reason is a text of 1 to 40 characters")
        with _known(name, side):
            return _json({"version": store.set_aside(ids, reason.strip())})

    @app.post("/api/p/{name}/faces/{side}/bring-back")
    def bring_back(name: str, side: str, body: Document) -> Response:
        """body: ids. The faces are the main person's from then on."""
        store, ids = _some(studio, name, side), _ids(_field(body, "ids"), MARKED)
        with _known(name, side):
            return _json({"version": store.bring_back(ids)})

    @app.post("/api/p/{name}/faces/{side}/revert")
    def revert(name: str, side: str, body: Document) -> Response:
        """body: number of the step to take back."""
        store, number = _some(studio, name, side), _field(body, "number")
        if type(number) is not int or not 0 <= number < 1 << 31:
            raise InputError(f"a step has a whole number, got {number!r}")
        return _json({"version": store.revert(number)})

    @app.post("/api/p/{name}/faces/{side}/main-person")
    def main_person(name: str, side: str, body: Document) -> Response:
        """Curate again with another person as the main one: a job. body: person, as the columns number them."""
        folder, which, person = *_place(studio, name, side), _field(body, "person")
        store = _some(studio, name, side)
        people = sorted({int(n) for n in store.table().person if n >= 0})
        if type(person) is not int or person not in people:
            raise InputError(f"there is no person {person!r}; there are {', '.join(map(str, people)) or 'none'}")
        job = queue.add(folder, "curate", {"side": which, "face": _by_screen_time(folder, which, person)})
        queue.start_worker(folder)
        return _json({"job": job.id})


def _by_screen_time(folder: Path, side: Side, person: int) -> int:
    """The number that curation knows a person by: the one chosen before had traded places with number 0."""
    chosen = Production(folder, create=False, lock=False).record.options.get(f"{side}_face", 0)
    return {0: int(chosen), int(chosen): 0}.get(person, person)


# -- what requests name ------------------------------------------------------------------------------------------


def _side(text: str) -> Side:
    for side in SIDES:
        if text == side:
            return side
    raise InputError(f"the sides of a production are {' and '.join(SIDES)}, not {text!r}")


def _place(studio: "Studio", name: str, side: str) -> tuple[Path, Side]:
    return studio.config.production(name), _side(side)


def _store(folder: Path, side: Side) -> FaceStore | None:
    """The store of a side; None where there is none yet: looking does not make one."""
    return FaceStore(folder / side) if (folder / side / "takes.json").exists() else None


def _some(studio: "Studio", name: str, side: str) -> FaceStore:
    folder, which = _place(studio, name, side)
    store = _store(folder, which)
    if store is None:
        raise InputError(f"{name} has no faces of the {which} yet")
    return store


def _state(store: FaceStore) -> str:
    """Changes whenever the columns do."""
    return f"{store.version()}-" + "-".join(f"{take.frames_done}{'f' * take.finished}" for take in store.takes())


def _material(folder: Path, store: FaceStore) -> str:
    """Tells productions of one name apart, where one was deleted and another made: numbers of faces come again."""
    own = Production(folder, create=False, lock=False).record.options.get("id", "")
    return key_of("thumbs", own, [take.key for take in store.takes()])[:12]


def _coverage(folder: Path, side: Side) -> Coverage:
    store = _store(folder, side)
    return Coverage(np.zeros((len(PITCH) - 1, len(YAW) - 1), np.int64)) if store is None else coverage(store.table())


def _field(body: Any, key: str) -> Any:
    if not isinstance(body, dict) or key not in body:
        raise InputError(f"the request lacks {key!r}")
    return body[key]


def _ids(texts: Any, most: int) -> list[int]:
    """Numbers of faces, which come as texts because they exceed 2^53."""
    if not isinstance(texts, list) or not texts:
        raise InputError("the request names no face")
    if len(texts) > most:
        raise InputError(f"at most {most} faces at a time, got {len(texts)}")
    for text in texts:
        if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 1 << 63):
            raise InputError(f"{str(text)[:40]!r} is no number of a face")
    return list(dict.fromkeys(int(text) for text in texts))


def _handles(body: Any) -> dict[int, tuple[float, float]]:
    given = _field(body, "handles")
    if not isinstance(given, dict) or not 0 < len(given) <= POINTS:
        raise InputError("no landmark was moved")
    found = {}
    for key, place in given.items():
        sound = isinstance(place, list) and len(place) == 2 and all(type(v) in (int, float) for v in place)
        if not (sound and key.isascii() and key.isdigit() and int(key) < POINTS and np.isfinite(place).all()):
            raise InputError(f"landmark {str(key)[:20]!r} cannot be put to {str(place)[:60]}")
        found[int(key)] = (float(place[0]), float(place[1]))
    return found


@contextmanager
def _known(name: str, side: str) -> Iterator[None]:
    """Turns the store's KeyError into what the user can do about it."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{name}, {side}: {error.args[0]}; load the page again") from error


# -- what is answered --------------------------------------------------------------------------------------------


def _json(told: Any) -> Response:
    return JSONResponse(told, headers={"cache-control": "no-store"})


def _numbers(column: F32, digits: int) -> list[float | None]:
    known = np.isfinite(column)
    rounded = np.round(column.astype(np.float64), digits)
    return [float(value) if ok else None for value, ok in zip(rounded.tolist(), known.tolist(), strict=True)]
