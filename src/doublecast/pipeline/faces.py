"""Single faces of a production, as they lie in their takes: looking at one closely, and correcting its points by hand.

All of it may be done while the production is being worked on: a correction is one step under the store's own lock, it
reads again what it changes, and neither appending faces nor removing those of a forgotten take touches it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from doublecast.errors import InputError, ProductionError
from doublecast.events import Listener, ignore
from doublecast.faces import quality
from doublecast.faces.drag import HANDLES, moved
from doublecast.faces.geometry import OVAL, pose
from doublecast.faceset import FaceStore, StoredFace, cut
from doublecast.faceset.exchange import picture_key
from doublecast.faceset.identity import overlap
from doublecast.faceset.store import IMPORTED
from doublecast.pipeline.takes import stored_take
from doublecast.production import Production, Side
from doublecast.types import F32, F64, MESH, POINTS, U8, Bool, Crop, Face, Frame
from doublecast.video import FrameAccess, Take, read_picture

if TYPE_CHECKING:
    from doublecast.faces import Embedder

__all__ = ["HANDLES", "LargeFace", "correct", "frame_of", "large", "moved", "points_of", "reset"]

WIDEST = 1280  #: pixels of the picture that `large` gives
AROUND = 0.6  #: room on each side of the face there, as part of its size
SMALLEST = 16  #: pixels that a corrected face has at least
SAME_PLACE = 0.2  #: intersection over union that the boxes of a face as found and as corrected have at least


@dataclass(frozen=True, slots=True, eq=False)
class LargeFace:
    """A face and what is around it, to look at and to correct. All coordinates are frame pixels (x, y).

    pixels: uint8 (h, w, 3) RGB, a part of the frame. offset, scale: a frame's (x, y) lies at (x - offset[0]) * scale,
    (y - offset[1]) * scale of these pixels, counted from the middle of the first one; see `to_picture`.
    points: float32 (478, 3). quad: float32 (4, 2), corners of the crop in the frame, clockwise from its top left one.
    oval: float32 (36, 2), the outline of the face. covered: bool (468,), mesh points that a hand, hair or spectacles
    hide; None where that was not asked for. crop: what is trained on. facts: numbers and texts, ready for JSON.
    """

    pixels: U8
    offset: tuple[int, int]
    scale: float
    points: F32
    quad: F32
    oval: F32
    covered: Bool | None
    crop: Crop
    facts: dict[str, Any]

    def to_picture(self, xy: F32) -> F32:
        """Frame pixels (n, 2) as pixels of this picture."""
        return np.asarray((xy + 0.5 - np.array(self.offset)) * self.scale - 0.5, np.float32)


def frame_of(folder: Path, side: Side, face: int) -> Frame:
    """The frame that a face was found in, from its take; quick in the middle of a long video, too.

    Raises InputError (no such face, or its take is gone or was changed), ProductionError.
    """
    job, store = _opened(folder, side)
    return _frame(job, side, store, _load(store, side, face, crops=False))


def points_of(folder: Path, side: Side, face: int) -> F32:
    """The points of a face as they are now, float32 (478, 3), frame pixels. Raises InputError, ProductionError."""
    _, store = _opened(folder, side)
    return _load(store, side, face, crops=False).face.points


def large(folder: Path, side: Side, face: int, *, covered: bool = False) -> LargeFace:
    """A face in its frame, with all that is known of it. covered: also look for what hides it (loads a network: 2 s at
    first). Raises InputError and ProductionError like `frame_of`."""
    job, store = _opened(folder, side)
    found = _load(store, side, face, crops=True)
    if found.crop is None:
        raise ValueError(f"face {face} was loaded without its crop")
    pixels = _frame(job, side, store, found).pixels
    points, alignment = found.face.points, found.crop.alignment
    room = AROUND * found.face.size
    quad = _quad(alignment.matrix, alignment.size)
    corners = np.concatenate([points[:MESH, :2].min(0)[None] - room, points[:MESH, :2].max(0)[None] + room, quad])
    low = np.clip(np.floor(corners.min(0)), 0, np.array(pixels.shape[1::-1]) - 1).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 1, low + 1, pixels.shape[1::-1]).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    scale = min(1.0, WIDEST / part.shape[1])
    if scale < 1:
        size = (WIDEST, max(1, round(part.shape[0] * scale)))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return LargeFace(
        pixels=np.ascontiguousarray(part),
        offset=(int(low[0]), int(low[1])),
        scale=scale,
        points=points,
        quad=quad,
        oval=points[OVAL, :2],
        covered=_covered(found.crop, points) if covered else None,
        crop=found.crop,
        facts=_facts(store, found),
    )


def correct(folder: Path, side: Side, face: int, points: F32, *, on_event: Listener = ignore) -> StoredFace:
    """Give a face other points, and all that follows from them: pose, eyes, mouth, sharpness, tone, crop, and the
    identity vector where it had one. A curation step ("corrected face N") that undo, revert and `reset` take back.

    points: float32 (478, 3), frame pixels; see `moved`. Safe while the production is being worked on, also while this
    side is extracted; a training that runs goes on with the faces as they were when it began.
    The face must stay where it was found: points of somebody else in the frame would be used without that person's
    consent.
    Raises InputError (no such face, its take is gone, or the points are no face in this frame), ProductionError (the
    store is busy), OutputError (disk full), WeightsError.
    """
    job, store = _opened(folder, side)
    before = _load(store, side, face, crops=False)
    frame = _frame(job, side, store, before)
    _check(points, frame.pixels, face)
    _check_place(points, store.found(face).face.points, face)
    vector = None
    if before.face.vector is not None:
        vector = _embedder(on_event).embed([(frame.pixels, points)])[0]
    own = Face(
        points=points,
        track=before.face.track,
        presence=before.face.presence,
        pose=pose(points),
        eyes=quality.eyes(points),
        mouth=quality.mouth(points),
        sharpness=quality.sharpness(frame.pixels, points),
        vector=vector,
    )
    crop = cut(frame.pixels, points)
    fresh = StoredFace(face, before.take, before.index, before.pts, before.time_base, own, crop)
    with _named(folder, side, face):
        store.correct(fresh)
    return _load(store, side, face, crops=True)


def reset(folder: Path, side: Side, face: int) -> StoredFace:
    """Put a corrected face back to what was found, also where its take is gone; nothing happens to one that was not
    corrected. Raises InputError (no such face), ProductionError, OutputError."""
    _, store = _opened(folder, side)
    _load(store, side, face, crops=False)
    store.reset(face)
    return _load(store, side, face, crops=True)


def _opened(folder: Path, side: Side) -> tuple[Production, FaceStore]:
    """The production, to look at, and the store of a side. Raises ProductionError where there is none."""
    job = Production(folder, create=False, lock=False)
    if not (job.side(side) / "takes.json").exists():
        command = f"doublecast extract TAKE... --to {folder} --side {side}"
        raise ProductionError(f"{folder} has no faces of the {side} yet; run: {command}")
    return job, FaceStore(job.side(side))


@contextmanager
def _named(folder: Path, side: Side, face: int) -> Iterator[None]:
    """Turn the store's KeyError into an InputError."""
    try:
        yield
    except KeyError as error:
        see = f"see: doublecast faces sheet {folder} --side {side}"
        raise InputError(f"{folder} has no face {face} of the {side}; {see}") from error


def _load(store: FaceStore, side: Side, face: int, *, crops: bool) -> StoredFace:
    with _named(store.folder.parent, side, face):
        return store.load([face], crops=crops)[0]


def _frame(job: Production, side: Side, store: FaceStore, face: StoredFace) -> Frame:
    """The frame of a face. Raises InputError where its take is gone, was changed, or left the production."""
    given = next((take for take in job.record.inputs.get(side, []) if take.key == face.take), None)
    if given is not None:
        return _sought(stored_take(given), face)
    record = next(record for record in store.takes() if record.key == face.take)
    path = Path(record.files[0])
    if record.kind != IMPORTED:
        raise InputError(f"{path} is no take of {job.folder} any more; its faces cannot be looked at in their frames")
    pixels = read_picture(path) if path.is_file() else None
    if pixels is None:
        raise InputError(f"{path} is gone or cannot be read; put it back to see this face in its frame")
    if picture_key(path) != face.take:
        raise InputError(f"{path} was changed since it was imported; import it again")
    return Frame(pixels, face.index, face.pts, face.time_base)


def _sought(take: Take, face: StoredFace) -> Frame:
    """The frame of this number and time. Raises InputError where the take has none."""
    with FrameAccess(take) as access:
        frame = access.frame(face.index)
        if frame.pts != face.pts:  # the file's times do not tell which frame is which
            access.distrust()
            frame = access.frame(face.index)
    if frame.pts != face.pts:
        raise InputError(f"{take.files[0]}: frame {face.index} is not the one in which face {face.id} was found")
    return frame


def _check(points: F32, pixels: U8, face: int) -> None:
    """Raise InputError where points cannot be a face of this frame."""
    if points.shape != (POINTS, 3) or points.dtype != np.float32:
        raise InputError(f"face {face}: points must be float32 {POINTS}x3, got {points.dtype} {points.shape}")
    if not np.isfinite(points).all():
        raise InputError(f"face {face}: points must be finite numbers")
    height, width = pixels.shape[:2]
    low, high = points[:MESH, :2].min(0), points[:MESH, :2].max(0)
    centre = (low + high) / 2
    if not (0 <= centre[0] < width and 0 <= centre[1] < height):
        raise InputError(f"face {face}: the points lie outside the frame, which is {width} x {height} pixels")
    if (high - low).min() < SMALLEST or (high - low).max() > 2 * max(width, height):
        wide, tall = high - low
        raise InputError(f"face {face}: the points span {wide:.0f} x {tall:.0f} pixels; that is no face of this frame")


def _check_place(points: F32, found: F32, face: int) -> None:
    """Raise InputError where corrected points are not about where the face was found."""
    a, b = (np.concatenate([p[:MESH, :2].min(0), p[:MESH, :2].max(0)]) for p in (points, found))
    if overlap(a, b) < SAME_PLACE:
        raise InputError(
            f"face {face}: the points lie elsewhere than the face that was found there; a correction stays with its "
            "face. Set this one aside instead"
        )


@cache
def _network() -> "Embedder":
    from doublecast.faces import Embedder

    return Embedder()


def _embedder(on_event: Listener) -> "Embedder":
    from doublecast.weights import ensure

    ensure("dlib_resnet", on_event=on_event)  # says so where it has to be fetched
    return _network()


def _quad(matrix: F64, size: int) -> F32:
    """Corners of a crop in the frame, float32 (4, 2), clockwise from the top left one."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]]) - 0.5
    return np.asarray(corners @ inverse[:, :2].T + inverse[:, 2], np.float32)


def _covered(crop: Crop, points: F32) -> Bool:
    """Mesh points that something hides, bool (468,): not those that the head itself hides."""
    import torch

    from doublecast.model import occlusion
    from doublecast.model.exposure import unwrap_developed
    from doublecast.model.space import layout

    texture, visible, _ = unwrap_developed(crop.pixels, crop.alignment.apply(points), occlusion.SIDE)
    pictures = torch.from_numpy(texture).permute(2, 0, 1)[None].contiguous()
    hidden = occlusion.coverage(pictures, torch.from_numpy(visible)[None, None])[0, 0].numpy()
    at = np.clip((layout().uv * occlusion.SIDE).astype(int), 0, occlusion.SIDE - 1)
    return np.asarray(hidden[at[:, 1], at[:, 0]] > 127, np.bool_)


def _facts(store: FaceStore, found: StoredFace) -> dict[str, Any]:
    """What is known of a face, ready for JSON."""
    table = store.table()
    row = table.where(np.flatnonzero(table.id == found.id))
    takes = store.takes()
    take, face = takes[int(row.take[0])], found.face
    return {
        "id": str(found.id),
        "take": take.name,
        "file": take.files[0] if len(take.files) == 1 else take.files[min(found.index, len(take.files) - 1)],
        "index": found.index,
        "seconds": round(found.seconds, 3),
        "track": face.track,
        "frame": [take.width, take.height],
        "size": round(face.size, 1),
        "crop": None if found.crop is None else found.crop.alignment.size,
        "yaw": round(face.pose.yaw, 1),
        "pitch": round(face.pose.pitch, 1),
        "roll": round(face.pose.roll, 1),
        "eyes": [round(opening, 3) for opening in face.eyes],
        "mouth": round(face.mouth, 3),
        "sharpness": round(face.sharpness, 3),
        "presence": round(face.presence, 3),
        "recognised": face.vector is not None,
        "person": int(row.person[0]),
        "reason": str(row.reason[0]),
        "manual": int(row.manual[0]),
        "corrected": bool(np.isin(found.id, store.corrected())),
    }
