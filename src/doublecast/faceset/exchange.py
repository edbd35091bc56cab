"""Facesets as plain folders of pictures: people like to look into them, delete what they dislike and add their own.

An exported folder has one picture per face, its id at the end of the name, and `faces.jsonl` with one line per face
(file, id, take, frame, pose, landmarks in the picture's pixels). Importing the folder compares it with that list.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from doublecast.errors import InputError, OutputError
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faceset.identity import SAME
from doublecast.faceset.record import QUALITY, StoredFace, cut, face_id
from doublecast.faceset.store import IMPORTED, FaceStore
from doublecast.types import F32, I64, U8, Face, Frame
from doublecast.video import read_picture

SIDECAR = "faces.jsonl"  #: list of the exported faces
DELETED = "deleted from the folder"  #: reason of faces whose picture the user removed
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})  #: pictures that are imported


class Tracker(Protocol):
    """What importing needs of `doublecast.faces.FaceTracker`."""

    def step(self, frame: Frame) -> list[Face]:
        """The faces of one picture."""
        ...


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import changed: faces set aside, faces added, and pictures in which nothing could be found or read."""

    set_aside: int
    added: int
    without_face: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture file as a take of one frame."""

    path: Path
    digest: str
    kind: str = IMPORTED

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def key(self) -> str:
        return self.digest


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    height: int
    seconds: float | None = None


def export_faces(
    store: FaceStore,
    folder: Path,
    *,
    ids: Sequence[int] | I64 | None = None,
    suffix: Literal["png", "jpg"] = "png",
    on_event: Listener = ignore,
) -> int:
    """Write faces as pictures into a new or empty folder, and the list beside them; returns how many.

    ids: which (default: the kept faces of the main person). suffix: lossless png or jpg. OutputError when the folder
    holds something already or cannot be written, InputError when there is nothing to export.
    """
    table = store.table()
    chosen = table.id[table.kept & (table.person == 0)] if ids is None else np.asarray(ids, np.int64)
    if not len(chosen):
        raise InputError(f"{store.folder} has no kept faces to export; run the extraction and curation first.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not an empty folder; export into a new one.")
    names = {take.key: take.name for take in store.takes()}
    reasons = dict(zip(table.id.tolist(), table.reason.tolist(), strict=True))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{SIDECAR}.{os.getpid()}.new"
        with fresh.open("w", encoding="utf-8") as file:
            for done, face in enumerate(store.each(chosen, crops=True), 1):
                name = f"{names[face.take]}_{face.index:06d}_{face.id:012x}.{suffix}"
                (folder / name).write_bytes(_encoded(face, suffix))
                file.write(json.dumps(_line(face, name, reasons[face.id])) + "\n")
                on_event(Progress("export", done, len(chosen), "faces"))
        fresh.replace(folder / SIDECAR)
    except OSError as error:
        raise OutputError(f"Cannot export to {folder}: {error.strerror or error}.") from error
    return len(chosen)


def _encoded(face: StoredFace, suffix: str) -> bytes:
    if face.crop is None:
        raise ValueError(f"face {face.id} was loaded without its crop")
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == "jpg" else []
    _, data = cv2.imencode(f".{suffix}", cv2.cvtColor(face.crop.pixels, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def _line(face: StoredFace, name: str, reason: str) -> dict[str, Any]:
    """A face's line in the list; landmarks are (x, y) in the pixels of its picture."""
    if face.crop is None:
        raise ValueError(f"face {face.id} was loaded without its crop")
    pose, points = face.face.pose, face.crop.alignment.apply(face.face.points[:, :2])
    facts = {"file": name, "id": face.id, "take": face.take, "index": face.index, "seconds": round(face.seconds, 4)}
    facts |= {"yaw": round(pose.yaw, 1), "pitch": round(pose.pitch, 1), "roll": round(pose.roll, 1), "reason": reason}
    return facts | {"landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in points]}


def _listed(folder: Path, store: FaceStore) -> dict[str, int]:
    """File name to face id of an exported folder; empty for any other folder. InputError for another store's."""
    path = folder / SIDECAR
    if not path.exists():
        return {}
    takes = {take.key: n for n, take in enumerate(store.takes())}
    known, found = set(store.table().id.tolist()), {}
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                line = json.loads(text)
                if line["id"] not in known or takes.get(line["take"]) != line["id"] >> 40:
                    raise InputError(f"{path} lists faces that are not in {store.folder}: it was exported elsewhere.")
                found[line["file"]] = line["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it to import all pictures as new faces.") from error
    return found


def new_pictures(store: FaceStore, folder: Path) -> list[Path]:
    """The pictures of a folder that `import_faces` would add. InputError as there."""
    listed, pictures = _pictures(store, folder)
    return [path for path in pictures if path.name not in listed]


def picture_key(path: Path) -> str:
    """Content key of a picture that is imported by itself: BLAKE2b of the file, 32 hex digits."""
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _pictures(store: FaceStore, folder: Path) -> tuple[dict[str, int], list[Path]]:
    """What `_listed` tells of the folder, and all its pictures."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder of pictures to import.")
    listed = _listed(folder, store)
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not pictures:
        raise InputError(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}); nothing was changed.")
    return listed, pictures


def import_faces(
    store: FaceStore,
    folder: Path,
    *,
    tracker: Callable[[], Tracker] | None = None,
    on_event: Listener = ignore,
) -> Imported:
    """Take over what the user changed in an exported folder, or any folder of pictures.

    Exported faces whose picture is gone are set aside, other pictures are added: the largest face of each is the main
    person's and kept. Doing it twice changes nothing more. tracker: makes the face finder (default: `FaceTracker`).
    InputError when the folder has no pictures, or was exported from another production.
    """
    listed, pictures = _pictures(store, folder)
    table = store.table()
    left = {path.name for path in pictures}
    kept = set(table.id[table.kept].tolist())
    gone = [number for name, number in listed.items() if name not in left and number in kept]
    added, empty = _add(store, [path for path in pictures if path.name not in listed], tracker, on_event)
    if gone:
        store.set_aside(gone, DELETED)
    if added:
        _warn_strangers(store, added, on_event)
        store.bring_back(added)
    return Imported(len(gone), len(added), tuple(empty))


def _add(
    store: FaceStore, paths: Sequence[Path], make: Callable[[], Tracker] | None, on_event: Listener
) -> tuple[list[int], list[str]]:
    """Store the largest face of each picture; returns ids that the user's mark is still missing on, and failures."""
    finder: Tracker | None = None
    empty = []
    digests = set()
    for done, path in enumerate(paths, 1):
        take = _Picture(path, picture_key(path))
        digests.add(take.digest)
        known = {record.key: record for record in store.takes()}.get(take.digest)
        pixels = read_picture(path) if known is None or not known.finished else None
        if pixels is None:
            empty += [path.name] if known is None or known.problems else []
            continue
        if finder is None:
            finder = make() if make else _face_tracker()
        store.begin_take(take, _Size(pixels.shape[1], pixels.shape[0]))
        faces = finder.step(Frame(pixels, done - 1, done - 1, Fraction(1, 25)))
        stored = [_stored(store, take, pixels, max(faces, key=lambda face: face.size))] if faces else []
        store.append(stored, take=take.digest, frames_done=1)
        store.finish_take(take.digest, [] if faces else ["no face found"])
        empty += [] if faces else [path.name]
        on_event(Progress("import", done, len(paths), "pictures"))
    ours = [n for n, record in enumerate(store.takes()) if record.key in digests]
    table = store.table()
    return table.id[np.isin(table.take, ours) & (table.manual == 0)].tolist(), empty


def _stored(store: FaceStore, take: _Picture, pixels: U8, face: Face) -> StoredFace:
    number = face_id(store.take_number(take.digest), 0, 0)
    return StoredFace(number, take.digest, 0, 0, Fraction(1, 25), face, cut(pixels, face.points))


def _face_tracker() -> Tracker:
    from doublecast.faces import FaceTracker  # loads networks: only when there is a picture to look at

    tracker: Tracker = FaceTracker(pictures=True)
    return tracker


def _warn_strangers(store: FaceStore, added: Sequence[int], on_event: Listener) -> None:
    """Tell the user when imported faces do not look like the main person."""
    ids, vectors = store.vectors()
    table = store.table()
    main = np.isin(ids, table.id[(table.person == 0) & table.kept])
    new: F32 = vectors[np.isin(ids, np.asarray(added, np.int64))]
    if main.any() and len(new):
        strange = int((np.linalg.norm(new - vectors[main].mean(0), axis=1) > SAME).sum())
        if strange:
            text = f"{strange} of {len(added)} imported faces look like somebody else; drop them if they do."
            on_event(Note("import", text, "warning"))
