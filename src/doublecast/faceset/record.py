"""What the store holds: one row per face, one record per take, and the small columns of all faces as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from doublecast.faces.geometry import align
from doublecast.types import F32, F64, I32, I64, MESH, POINTS, U8, VECTOR, Alignment, Crop, Face, Pose

Objects = npt.NDArray[np.object_]
QUALITY = 95  #: JPEG quality of stored crops, without chroma subsampling

SCHEMA = pa.schema(
    [(name, pa.int64()) for name in ("id", "take", "index", "pts", "time_num", "time_den", "track")]
    + [("seconds", pa.float64())]
    + [(n, pa.float32()) for n in ("presence", "yaw", "pitch", "roll", "eye_left", "eye_right", "mouth", "sharpness")]
    + [("box", pa.list_(pa.float32(), 4)), ("points", pa.list_(pa.float32(), POINTS * 3))]
    + [("vector", pa.list_(pa.float32(), VECTOR)), ("tone", pa.list_(pa.uint8(), MESH * 3))]
    + [("matrix", pa.list_(pa.float64(), 6)), ("crop_size", pa.int64()), ("crop", pa.binary())]
)  #: columns of faces.lance


def face_id(take_number: int, index: int, n: int) -> int:
    """The id of the ``n``-th face (0-255) of frame ``index`` (below 2^32) in take number ``take_number`` of a store."""
    if not (0 <= take_number < 1 << 23 and 0 <= index < 1 << 32 and 0 <= n < 256):
        raise ValueError(f"no face id for take {take_number}, frame {index}, face {n}")
    return take_number << 40 | index << 8 | n


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """A face as the store keeps it.

    id: see `face_id`. take: the take's content key. index: frame number in the take. pts: presentation time in units
    of time_base. crop: the aligned picture, None where it was not asked for.
    """

    id: int
    take: str
    index: int
    pts: int
    time_base: Fraction
    face: Face
    crop: Crop | None = None

    @property
    def seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class TakeRecord:
    """One line of the ledger (`takes.json`).

    key: content key. files: absolute paths. width, height: upright pixels. frames_done: frames whose faces are safely
    stored; extraction goes on there. seconds: length as far as it is known. problems: what the reader could not use.
    """

    key: str
    name: str
    files: tuple[str, ...]
    kind: str
    width: int
    height: int
    seconds: float | None = None
    frames_done: int = 0
    finished: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FaceTable:
    """The small columns of all faces, in frame order take by take; every array has length n.

    take: number of the take in `FaceStore.takes`. yaw, pitch, roll: degrees. size: longer side of the face's box in
    frame pixels; box: float32 (n, 4) left, top, right, bottom. person: -1 where nobody was recognised. reason: why
    the face is set aside, "" for kept faces. manual: 1 set aside by the user, 2 kept by the user, 0 neither.
    """

    id: I64
    take: I64
    index: I64
    seconds: F64
    track: I64
    yaw: F32
    pitch: F32
    roll: F32
    eye_left: F32
    eye_right: F32
    mouth: F32
    sharpness: F32
    presence: F32
    box: F32
    size: F32
    person: I32
    reason: Objects
    manual: I32

    def __len__(self) -> int:
        return len(self.id)

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Bool (n,): not set aside."""
        return np.asarray(self.reason == "", dtype=np.bool_)

    def where(self, rows: npt.NDArray[np.bool_] | I64) -> "FaceTable":
        """The same table with these rows only (mask or positions)."""
        return FaceTable(*(getattr(self, field.name)[rows] for field in fields(self)))


def cut(pixels: U8, points: F32, *, cap: int = 512) -> Crop:
    """The aligned crop of a face: native resolution up to ``cap``; beyond the frame's edge the edge is repeated.

    pixels: uint8 (H, W, 3) RGB. points: float32 (478, 3), frame pixels.
    """
    alignment = align(points, cap=cap)
    matrix, size = alignment.matrix, alignment.size
    shrink = int(1 / max(float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))), 1e-3))
    if shrink >= 2:  # warpAffine samples without averaging: average the part around the face first
        inverse = cv2.invertAffineTransform(matrix)
        corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ inverse[:, :2].T + inverse[:, 2]
        low = np.maximum(np.floor(corners.min(0)).astype(int) - shrink, 0)
        high = np.ceil(corners.max(0)).astype(int) + shrink
        part = pixels[low[1] : high[1], low[0] : high[0]]
        wide, tall = part.shape[1] // shrink, part.shape[0] // shrink
        if min(wide, tall) > 0:
            part = part[: tall * shrink, : wide * shrink]
            pixels = np.asarray(cv2.resize(part, (wide, tall), interpolation=cv2.INTER_AREA), dtype=np.uint8)
            shift = matrix[:, :2] @ (low + (shrink - 1) / 2) + matrix[:, 2]
            matrix = np.hstack([matrix[:, :2] * shrink, shift[:, None]])
    warped = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Crop(np.asarray(warped, dtype=np.uint8), alignment)


def tone(crop: Crop, points: F32) -> U8:
    """Colour of the face under each mesh point, uint8 (468, 3) RGB, from a 64 px version of the crop.

    It is registered by the mesh, so it hardly changes with pose: the signal for occlusion and near-duplicates.
    """
    small = cv2.resize(crop.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    scale = 64 / crop.alignment.size
    xy = (crop.alignment.apply(points[:MESH, :2]) + 0.5) * scale - 0.5
    x, y = (xy[:, k, None].astype(np.float32) for k in (0, 1))
    sampled = cv2.remap(small, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.uint8).reshape(MESH, 3)


def encode(pixels: U8) -> bytes:
    """uint8 (H, W, 3) RGB as JPEG, quality `QUALITY`, 4:4:4."""
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


def decode(data: bytes) -> U8:
    """A stored JPEG as uint8 (H, W, 3) RGB."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)


def _lists(values: list[npt.NDArray[Any]], width: int, kind: Any) -> Any:
    flat = np.concatenate([v.reshape(-1) for v in values])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, kind), width)


def to_arrow(faces: Sequence[StoredFace], number: int) -> Any:
    """Faces as an arrow table of `SCHEMA`. ValueError for a face without its crop. number: the take's number."""
    crops = [f.crop for f in faces if f.crop is not None]
    if len(crops) < len(faces):
        raise ValueError("a face can only be stored with its crop")
    own = [f.face for f in faces]
    blank = np.zeros(VECTOR, np.float32)
    vectors = np.concatenate([blank if f.vector is None else f.vector for f in own])
    missing = pa.array([f.vector is None for f in own])
    columns: dict[str, Any] = {
        "id": [f.id for f in faces],
        "take": [number] * len(faces),
        "index": [f.index for f in faces],
        "pts": [f.pts for f in faces],
        "time_num": [f.time_base.numerator for f in faces],
        "time_den": [f.time_base.denominator for f in faces],
        "track": [f.track for f in own],
        "seconds": [f.seconds for f in faces],
        "presence": [f.presence for f in own],
        "yaw": [f.pose.yaw for f in own],
        "pitch": [f.pose.pitch for f in own],
        "roll": [f.pose.roll for f in own],
        "eye_left": [f.eyes[0] for f in own],
        "eye_right": [f.eyes[1] for f in own],
        "mouth": [f.mouth for f in own],
        "sharpness": [f.sharpness for f in own],
        "box": _lists([np.array(f.box, np.float32) for f in own], 4, pa.float32()),
        "points": _lists([f.points for f in own], POINTS * 3, pa.float32()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors, pa.float32()), VECTOR, mask=missing),
        "tone": _lists([tone(c, f.points) for c, f in zip(crops, own, strict=True)], MESH * 3, pa.uint8()),
        "matrix": _lists([c.alignment.matrix for c in crops], 6, pa.float64()),
        "crop_size": [c.alignment.size for c in crops],
        "crop": [encode(c.pixels) for c in crops],
    }
    arrays = [columns[f.name] if isinstance(columns[f.name], pa.Array) else pa.array(columns[f.name], f.type)
              for f in SCHEMA]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def values(table: Any, name: str) -> npt.NDArray[Any]:
    """A column as numpy: (n,) or, for fixed-size lists without nulls, (n, width)."""
    column = table[name].combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), column.type.list_size)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def from_arrow(table: Any, keys: Sequence[str]) -> list[StoredFace]:
    """Rows of an arrow table as faces; crops only where the column was read. keys: take keys by number."""
    if not table.num_rows:
        return []
    small = {n: table[n].to_pylist() for n in SCHEMA.names if n not in ("points", "vector", "tone", "matrix", "crop")
             and n in table.column_names}  # fmt: skip
    points = values(table, "points").reshape(-1, POINTS, 3).astype(np.float32)
    vectors = table["vector"].combine_chunks()
    held = np.asarray(vectors.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    known = iter(np.asarray(vectors.flatten().to_numpy(zero_copy_only=False)).reshape(-1, VECTOR).astype(np.float32))
    pictures = table["crop"].to_pylist() if "crop" in table.column_names else None
    matrices = values(table, "matrix").reshape(-1, 2, 3).astype(np.float64) if pictures else None
    found = []
    for i in range(table.num_rows):
        face = Face(
            points=points[i],
            track=small["track"][i],
            presence=small["presence"][i],
            pose=Pose(small["yaw"][i], small["pitch"][i], small["roll"][i]),
            eyes=(small["eye_left"][i], small["eye_right"][i]),
            mouth=small["mouth"][i],
            sharpness=small["sharpness"][i],
            vector=next(known) if held[i] else None,
        )
        crop = None
        if pictures is not None and matrices is not None:
            crop = Crop(decode(pictures[i]), Alignment(matrices[i], small["crop_size"][i]))
        base = Fraction(small["time_num"][i], small["time_den"][i])
        found.append(
            StoredFace(small["id"][i], keys[small["take"][i]], small["index"][i], small["pts"][i], base, face, crop)
        )
    return found
