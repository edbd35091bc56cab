"""What the film page loads and changes: takes, shots, looks, previews, finished films, and the order to make one."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from doublecast.errors import DoublecastError, InputError
from doublecast.faceset import FaceStore
from doublecast.film.look import PLAIN, Look, settings
from doublecast.pipeline.consent import refuse_revoked_sides
from doublecast.pipeline.looks import Looks, read_looks, set_shot, set_usual
from doublecast.pipeline.overview import overview
from doublecast.pipeline.shots import film_takes, shots
from doublecast.pipeline.takes import actor_take
from doublecast.production import Production
from doublecast.studio.films import FORMATS, film_of, films, label_values, media, render, told, zipped
from doublecast.studio.plain import PlainJSON
from doublecast.studio.previews import Previews
from doublecast.trust.label import CORNERS, STYLES
from doublecast.trust.lettering import WORDS

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

TITLES = {
    "grow": "Mask size", "feather": "Soft edge", "colour": "Colour match", "sharpness": "Sharpness",
    "mouth": "Actor's teeth", "eyes": "Actor's eyes", "spectacles": "Spectacles", "jaw": "Target's jaw",
    "blend": "Opacity",
}  # fmt: skip
Changes = Annotated[dict[str, float], Field(max_length=20)]
KEPT = {"cache-control": "private, max-age=86400, immutable"}  #: a take's key names its content


class Usual(BaseModel):
    """Values of the usual look that change."""

    changes: Changes


class OfShot(BaseModel):
    """Values of the look of some frames that change; None: back to the usual look."""

    take: str
    start: int
    end: int
    changes: Changes | None


class Order(BaseModel):
    """A film that is to be made."""

    name: str
    format: str = "mp4"
    label: Annotated[dict[str, str | None], Field(max_length=10)] = {}
    overwrite: bool = False


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the routes."""
    previews, config = Previews(), studio.config
    app.router.on_shutdown.append(previews.close)

    @app.get("/api/p/{name}/film")
    def look_at_all(name: str) -> dict[str, Any]:
        return state(config.production(name))

    @app.get("/api/p/{name}/looks")
    def looks(name: str) -> dict[str, Any]:
        return looks_as_json(read_looks(config.production(name)))

    @app.put("/api/p/{name}/looks")
    def usual(name: str, body: Usual) -> dict[str, Any]:
        return looks_as_json(set_usual(config.production(name), body.changes))

    @app.put("/api/p/{name}/looks/shot")
    def of_shot(name: str, body: OfShot) -> dict[str, Any]:
        return looks_as_json(set_shot(config.production(name), body.take, body.start, body.end, body.changes))

    @app.get("/api/p/{name}/shots")
    def cuts(name: str, take: str) -> dict[str, Any]:
        folder = config.production(name)
        return {"shots": [asdict(shot) for shot in shots(folder, take)], "faces": presence(folder, take)}

    @app.get("/api/p/{name}/frame")
    def frame(name: str, take: str, index: int, width: int = 320) -> Response:
        data = previews.frame(config.production(name), take, index, width)
        return Response(data, media_type="image/jpeg", headers=KEPT)

    @app.get("/api/p/{name}/preview")
    def preview(
        name: str, take: str, index: int, look: str = "{}", label: str = "{}", width: int = 1280, newest: bool = False,
        before: bool = True, client: Annotated[str, Query(max_length=40)] = "", number: int = 0,
    ) -> Response:  # fmt: skip
        request = question(take, index, look, label, width, newest)
        try:
            answer = previews.pair(config.production(name), request, client=f"{name}/{client}", number=number)
        except DoublecastError as error:
            return PlainJSON({"error": str(error), "kind": type(error).__name__}, 400)
        if answer is None:
            return Response(status_code=204)
        document, old, new = answer
        first = old if before else b""
        headers = {"x-preview": json.dumps({**document, "before": len(first)}), "cache-control": "no-store"}
        return Response(first + new, media_type="application/octet-stream", headers=headers)

    @app.get("/api/p/{name}/films")
    def finished(name: str) -> dict[str, Any]:
        folder = config.production(name)
        report = (folder / "report.html").is_file()
        return {"films": [told(film) for film in films(folder)], "report": report}

    @app.get("/api/p/{name}/films/{id}")
    def film(name: str, id: str, download: bool = False) -> Response:
        found, path = film_of(config.production(name), id)
        if found.pictures:
            headers = {"content-disposition": f'attachment; filename="{id}.zip"', "cache-control": "no-store"}
            return StreamingResponse(zipped(path), media_type="application/zip", headers=headers)
        kind = "attachment" if download else "inline"
        return FileResponse(path, media_type=media(path), filename=found.name, content_disposition_type=kind)

    @app.post("/api/p/{name}/render")
    def order(name: str, body: Order) -> dict[str, Any]:
        folder = config.production(name)
        return asdict(
            render(config, folder, name=body.name, format=body.format, label=body.label, overwrite=body.overwrite)
        )


def state(folder: Path) -> dict[str, Any]:
    """All that the page begins with. takes_problem, consent_problem: in the command line's words, "" for none."""
    seen = overview(folder)
    takes, takes_problem, consent_problem = [], "", ""
    try:
        takes = film_takes(folder) if seen.actor else []
    except DoublecastError as error:
        takes_problem = str(error)
    try:
        refuse_revoked_sides(folder)
    except DoublecastError as error:
        consent_problem = str(error)
    return {
        "stage": seen.stage,
        "model": seen.model if seen.trained_seconds > 0 else None,
        "takes": [asdict(take) for take in takes],
        "takes_problem": takes_problem,
        "consent_problem": consent_problem,
        "problems": seen.problems,
        "settings": [{**asdict(setting), "title": TITLES[setting.name]} for setting in settings()],
        "looks": looks_as_json(read_looks(folder)),
        "label": {"styles": STYLES, "corners": CORNERS, "languages": WORDS},
        "formats": list(FORMATS),
    }


def looks_as_json(looks: Looks) -> dict[str, Any]:
    """The looks of a production as the page reads them."""
    shots = [{"take": s.take, "start": s.start, "end": s.end, "look": s.look.values()} for s in looks.shots]
    return {"usual": looks.usual.values(), "shots": shots, "revision": looks.revision}


def presence(folder: Path, take: str) -> list[tuple[int, int]]:
    """Where the actor is seen in a take: runs of frames, end exclusive, gaps of a few frames closed.

    Raises InputError where there is no such take.
    """
    job = Production(folder, create=False, lock=False)
    actor_take(job, take)
    if not (job.side("actor") / "takes.json").exists():
        return []
    store = FaceStore(job.side("actor"))
    try:
        number = store.take_number(take)
    except KeyError:  # no faces yet
        return []
    table = store.table()
    runs: list[tuple[int, int]] = []
    for index in sorted({int(i) for i in table.index[(table.take == number) & (table.person == 0)]}):
        if runs and index <= runs[-1][1] + 2:
            runs[-1] = runs[-1][0], index + 1
        else:
            runs.append((index, index + 1))
    return runs


def question(take: str, index: int, look: str, label: str, width: int, newest: bool) -> dict[str, Any]:
    """The question for a preview process. Raises InputError for a look or a label that cannot be."""
    values, words = _object(look, "look"), _object(label, "label")
    shown: Look = PLAIN.changed(values)
    if not 64 <= width <= 1920:
        raise InputError(f"a preview can be 64 to 1920 pixels wide, got {width}")
    wanted = label_values(words)
    return {
        "take": take, "index": index, "look": shown.values(), "label": wanted, "width": width, "newest": newest
    }  # fmt: skip


def _object(text: str, what: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the {what} must be JSON, got {text[:80]!r}") from error
    if not isinstance(values, dict):
        raise InputError(f"the {what} must be a JSON object, got {text[:80]!r}")
    return values
