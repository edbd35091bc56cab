"""What pages need of a faceset, quickly: columns ready for JSON, small pictures, and how alike faces are."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from doublecast.faceset.identity import track_codes
from doublecast.faceset.record import FaceTable
from doublecast.faceset.store import FaceStore
from doublecast.types import F32, F64, I64

QUALITY = 82  #: JPEG quality of thumbnails
_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


def columns(store: FaceStore) -> dict[str, list[Any]]:
    """All faces in frame order, take by take, as lists of one length, rounded, ready for JSON.

    id: as text, because ids exceed 2^53. take: number of the take. index, seconds: of the frame. yaw, pitch, roll:
    degrees. mouth, eyes (mean of both), sharpness: see `Face`. size: frame pixels. person, reason, manual: see
    `FaceTable`. corrected: whether the points were corrected by hand. revision: 0 as found, else another number for
    every correction.
    """
    table = store.table()
    eyes = (table.eye_left + table.eye_right) / 2
    return {
        "id": [str(number) for number in table.id.tolist()],
        "take": table.take.tolist(),
        "index": table.index.tolist(),
        "seconds": _rounded(table.seconds, 2),
        "track": table.track.tolist(),
        "yaw": _rounded(table.yaw, 1),
        "pitch": _rounded(table.pitch, 1),
        "roll": _rounded(table.roll, 1),
        "mouth": _rounded(table.mouth, 3),
        "eyes": _rounded(eyes, 3),
        "sharpness": _rounded(table.sharpness, 3),
        "size": _rounded(table.size, 0),
        "person": table.person.tolist(),
        "reason": table.reason.tolist(),
        "manual": table.manual.tolist(),
        "corrected": np.isin(table.id, store.corrected()).tolist(),
        "revision": store.revisions(table.id).tolist(),
    }


def _rounded(column: F32 | F64, digits: int) -> list[Any]:
    """Numbers with so many digits after the point; JSON has no NaN, so None stands for it."""
    found: list[float] = np.round(column.astype(np.float64), digits).tolist()
    if not np.isfinite(column).all():
        return [number if np.isfinite(number) else None for number in found]
    return found if digits else [int(number) for number in found]


def thumbnails(store: FaceStore, ids: Sequence[int] | I64, *, side: int = 112) -> list[bytes]:
    """Small square JPEG pictures of faces, in the order asked for: ``side`` pixels, fewer where the crop is smaller.

    KeyError for an id that is not there.
    """
    return [_small(data, size, side) for data, size in store.pictures(ids)]


def _small(data: bytes, size: int, side: int) -> bytes:
    """A stored JPEG of ``size`` pixels brought to ``side``; most of the work is left out while it is decoded."""
    flag = next((flag for factor, flag in _REDUCED if size // factor >= side), cv2.IMREAD_COLOR)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if pixels is None:
        raise ValueError("a stored picture cannot be decoded")
    if pixels.shape[0] > side:
        pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    _, small = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return small.tobytes()


def similarity(store: FaceStore, face: int) -> F32:
    """How far each face's identity lies from this one's, float32 (n,) in the order of `FaceStore.table`.

    Under about .55 is the same person. Faces without a vector take the mean of their track's; NaN where that has none
    (everywhere, where it is this face's). KeyError for a face that is not there.
    """
    table = store.table()
    row = _row(table, face)
    ids, vectors = store.vectors()
    own = np.searchsorted(table.id, ids)
    track = track_codes(table)
    sums = np.zeros((int(track.max()) + 1, vectors.shape[1]))
    np.add.at(sums, track[own], vectors)
    counts = np.bincount(track[own], minlength=len(sums))
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.nan)
    known = means[track]
    known[own] = vectors
    return np.asarray(np.linalg.norm(known - known[row], axis=1), np.float32)


def expression_distance(store: FaceStore, face: int) -> F32:
    """How different each face's mouth and eyes are from this one's, float32 (n,) in the order of `FaceStore.table`.

    1 is the usual difference (one standard deviation over all faces) in one of mouth, left eye and right eye. KeyError
    for a face that is not there.
    """
    table = store.table()
    row = _row(table, face)
    known = np.stack([table.mouth, table.eye_left, table.eye_right], 1).astype(np.float64)
    return np.asarray(np.linalg.norm((known - known[row]) / np.maximum(known.std(0), 1e-3), axis=1), np.float32)


def _row(table: FaceTable, face: int) -> int:
    rows = np.flatnonzero(table.id == face)
    if not len(rows):
        raise KeyError(f"no face {face} in the store ({len(table)} faces)")
    return int(rows[0])
