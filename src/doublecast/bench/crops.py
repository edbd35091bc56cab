"""Aligned crops as the field's tools cut them, the masks they draw, and how they put a face back into the frame.

The tools find 68 landmarks (Sagonas et al. 2013); here the nearest points of our mesh take their place, so that all
contestants see the same detections. Crop pixels are (x, y) with the centre of the first pixel at (0, 0).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
from torch import Tensor

from doublecast.errors import NoFaceError
from doublecast.faces.geometry import CROP_FACE, OVAL, align, canonical, similarity
from doublecast.faceset import FaceStore
from doublecast.model.material import FEWEST, MEMORY, rarity, spread
from doublecast.model.space import BROW_RINGS, EYE_RINGS, MOUTH_RING
from doublecast.types import F32, F64, U8, Alignment, Bool, Face, Frame, Patch

LANDMARKS = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
        *(168, 197, 5, 4, 75, 97, 2, 326, 305),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
    ]
)  #: the mesh point nearest to each of the 68 landmarks: jaw 0-16, brows 17-26, nose -35, eyes -47, mouth -67
BROWS, UNDER_BROWS = range(17, 27), (36, 36, 37, 38, 39, 42, 43, 44, 45, 45)
BROW_SPAN, BROW_TOP = 0.98, 0.019  #: width and top of the brows in the unit square that both tools align to
FULL_SPAN = 1 / (2 * (0.2109375 * 2**0.5 + 0.5))  #: DeepFaceLab's "full face": unit square as part of the crop's side
FACE_SPAN = 0.5 / 0.875  #: faceswap's "face" centring, padding 50 %, of which the coverage of 87.5 % is used
ALIGNED_FACE = 0.8  #: height of the face oval as part of the side of the crop that our own network is given

Framing = Callable[[F32], Alignment]  #: where a face, float32 (478, 3) in frame pixels, lies in the crop


@cache
def _template() -> F64:
    """Landmarks 17-67 of the frontal mean face in the unit square that both tools align to, float64 (51, 2)."""
    points = canonical()[LANDMARKS[17:], :2]
    placed: F64 = (points - points.min(0)) / np.ptp(points[:10, 0]) * BROW_SPAN + [0, BROW_TOP]
    return placed


def _place(points: F32, span: float, centre: F64 | None, size: int) -> Alignment:
    """Landmarks fitted to the template by a similarity; ``centre``: frame point for the middle of the crop."""
    scale, rotation, shift = similarity(points[LANDMARKS[17:], :2].astype(np.float64), _template())
    linear = scale * rotation
    middle = np.array([0.5, 0.5]) if centre is None else linear @ centre + shift
    unit = span * size
    return Alignment(np.hstack([linear * unit, ((shift - middle) * unit + (size - 1) / 2)[:, None]]), size)


def full_face(points: F32) -> Alignment:
    """DeepFaceLab's full face at 96 px: the unit square in the middle."""
    return _place(points, FULL_SPAN, None, 96)


def face_centred(points: F32) -> Alignment:
    """faceswap's face centring at 64 px and 87.5 % coverage. The middle of the head's oval at the head's own pose
    stands for the shift that faceswap computes from its own pose estimate."""
    inverse = cv2.invertAffineTransform(align(points, size=64).matrix)
    return _place(points, FACE_SPAN, np.asarray(inverse @ [31.5, 31.5, 1.0], np.float64), 64)


def oval_framing(size: int) -> Framing:
    """Our own alignment, tighter: the face oval takes `ALIGNED_FACE` of the side."""

    def framing(points: F32) -> Alignment:
        closer = ALIGNED_FACE / CROP_FACE
        matrix = align(points, size=size).matrix * closer
        matrix[:, 2] += (1 - closer) * (size - 1) / 2
        return Alignment(matrix, size)

    return framing


def cut_out(pixels: U8, matrix: F64, size: int) -> U8:
    """The crop uint8 (size, size, 3) that ``matrix`` float64 (2, 3) takes a picture (H, W, 3) to. Reductions are
    averaged first; beyond the picture its edge is repeated."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.7:
        corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]])
        area = corners @ cv2.invertAffineTransform(matrix).T
        limit = np.array(pixels.shape[1::-1])
        low = np.clip(np.floor(area.min(0)).astype(int) - 2, 0, limit - 2)
        high = np.clip(np.ceil(area.max(0)).astype(int) + 2, low + 2, limit)
        part = pixels[low[1] : high[1], low[0] : high[0]]
        wide, tall = (max(1, round(n * scale)) for n in part.shape[1::-1])
        factor = np.array([part.shape[1] / wide, part.shape[0] / tall])
        pixels = np.asarray(cv2.resize(part, (wide, tall), interpolation=cv2.INTER_AREA), np.uint8)
        shift = matrix[:, :2] @ (low + 0.5 * factor - 0.5) + matrix[:, 2]
        matrix = np.hstack([matrix[:, :2] * factor, shift[:, None]])
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(pixels, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _filled(shapes: Sequence[F32], size: int) -> U8:
    mask = np.zeros((size, size), np.uint8)
    for shape in shapes:
        cv2.fillPoly(mask, [np.round(shape * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def hull(points: F32, size: int) -> U8:
    """Mask of both tools, uint8 (size, size): convex hull of the 68 landmarks, brows raised by half their height over
    the eyes. points: float32 (478, 3) in crop pixels."""
    marks = points[LANDMARKS, :2].copy()
    marks[BROWS] += 0.5 * (marks[BROWS] - marks[list(UNDER_BROWS)])
    return _filled([np.asarray(cv2.convexHull(marks), np.float32)[:, 0]], size)


def features(points: F32, size: int, *, reach: float) -> tuple[U8, U8, U8]:
    """Masks of the eyes, the mouth and the brows, uint8 (size, size) each, grown by ``reach`` sides. points: float32
    (478, 3) in crop pixels."""
    kernel = np.ones((2 * round(reach * size) + 1,) * 2, np.uint8)
    rings: list[Sequence[list[int]]] = [EYE_RINGS, [MOUTH_RING], BROW_RINGS]
    eyes, mouth, brows = (
        np.asarray(cv2.dilate(_filled([points[r, :2] for r in group], size), kernel), np.uint8) for group in rings
    )
    return eyes, mouth, brows


def oval(points: F32, size: int) -> U8:
    """Mask of the face oval of the mesh, uint8 (size, size). points: float32 (478, 3) in crop pixels."""
    return _filled([np.asarray(points[OVAL, :2], np.float32)], size)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One side. pictures: uint8 (N, 3, S, S); masks: uint8 (N, K, S, S); chance: float32 (N,), sums to 1, how often
    our sampler draws each (the tools draw all alike)."""

    pictures: Tensor
    masks: Tensor
    chance: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


def gather(store: FaceStore, side: str, framing: Framing, masks: Callable[[F32, int], Sequence[U8]]) -> Faces:
    """The kept faces of the main identity of a side, as `doublecast.model.material.gather` chooses them, cut anew
    from the stored crops. ``masks`` gets points in crop pixels and the side. Raises NoFaceError for fewer than
    `FEWEST` faces."""
    table = store.table()
    table = table.where((table.person == 0) & table.kept)
    if len(table.id) < FEWEST:
        raise NoFaceError(f"the {side}'s faceset has {len(table.id)} usable faces, at least {FEWEST} are needed.")
    pictures: list[U8] = []
    drawn: list[U8] = []
    size = 0
    for stored in store.each(table.id[:1], crops=True):
        size = framing(stored.face.points).size
    table = table.where(spread(len(table.id), MEMORY // (size * size * 4)))
    for stored in store.each(table.id, crops=True):
        if stored.crop is None:
            raise ValueError(f"face {stored.id} was loaded without its crop")
        wanted = framing(stored.face.points)
        whole = np.vstack([wanted.matrix, [0, 0, 1]]) @ np.linalg.inv(
            np.vstack([stored.crop.alignment.matrix, [0, 0, 1]])
        )
        pictures.append(cut_out(stored.crop.pixels, whole[:2], size).transpose(2, 0, 1))
        drawn.append(np.stack(masks(wanted.apply(stored.face.points), size)))
    return Faces(
        torch.from_numpy(np.stack(pictures)),
        torch.from_numpy(np.stack(drawn)),
        torch.from_numpy(rarity(table).astype(np.float32)),
    )


def paste(frame: U8, alignment: Alignment, face: F32, mask: F32) -> Patch | None:
    """Blend a face float32 (S, S, 3) 0-1 over the frame; None where nothing shows.

    mask: float32 (M, M) 0-1, opacity over the same crop at any resolution.
    """
    size = alignment.size
    corners = np.array([[-0.5, -0.5, 1], [size, -0.5, 1], [-0.5, size, 1], [size, size, 1]])
    area = corners @ cv2.invertAffineTransform(alignment.matrix).T
    limit = np.array(frame.shape[1::-1])
    low = np.clip(np.floor(area.min(0)).astype(int), 0, limit)
    high = np.clip(np.ceil(area.max(0)).astype(int) + 1, 0, limit)
    if (high - low).min() < 2:
        return None
    shape = (int(high[0] - low[0]), int(high[1] - low[1]))
    matrix = alignment.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    factor = mask.shape[0] / size
    finer = matrix * factor
    finer[:, 2] += 0.5 * factor - 0.5
    back = cv2.WARP_INVERSE_MAP
    over = cv2.warpAffine(face, matrix, shape, flags=cv2.INTER_CUBIC | back, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.asarray(cv2.warpAffine(mask, finer, shape, flags=cv2.INTER_LINEAR | back), np.float32)
    under = frame[low[1] : high[1], low[0] : high[0]]
    a = alpha[..., None]
    pixels = np.clip(under * (1 - a) + np.asarray(over) * 255 * a + 0.5, 0, 255).astype(np.uint8)
    shown = alpha > 1 / 255
    return Patch(int(low[0]), int(low[1]), pixels, shown) if shown.any() else None


def reinhard(face: F32, shot: F32, weight: Bool) -> F32:
    """The face with mean and standard deviation of the shot in L*a*b*, where it is compared (Reinhard et al. 2001).

    face, shot: float32 (S, S, 3) 0-1; weight: bool (S, S), what is compared.
    """
    if not weight.any():
        return face
    have, want = (np.asarray(cv2.cvtColor(x, cv2.COLOR_RGB2LAB), np.float32) for x in (face, shot))
    a, b = have[weight], want[weight]
    moved = (have - a.mean(0)) * (b.std(0) / np.maximum(a.std(0), 1e-3)) + b.mean(0)
    moved[..., 0] = np.clip(moved[..., 0], 0, 100)
    moved[..., 1:] = np.clip(moved[..., 1:], -127, 127)
    back = np.asarray(cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB), np.float32)
    return np.clip(back, 0, 1)


class CropConverter:
    """Swaps through an aligned crop. make: from the crop uint8 (S, S, 3) and the face's points in it, the new face
    float32 (S, S, 3) 0-1 and its opacity float32 (M, M) 0-1."""

    def __init__(self, framing: Framing, make: Callable[[U8, F32], tuple[F32, F32]]) -> None:
        self._framing, self._make = framing, make

    def swap(self, frame: Frame, faces: Sequence[Face]) -> list[Patch]:
        """See `doublecast.bench.contestant.Converter`."""
        patches = []
        for face in faces:
            alignment = self._framing(face.points)
            crop = cut_out(frame.pixels, alignment.matrix, alignment.size)
            made, mask = self._make(crop, alignment.apply(face.points))
            patches.append(paste(frame.pixels, alignment, made, mask))
        return [patch for patch in patches if patch is not None]
