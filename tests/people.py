"""Generated people for tests: the canonical head, posed, with a painted skin. Nobody is downloaded, nobody is real."""

from fractions import Fraction

import cv2
import numpy as np

from doublecast.faces.geometry import align, canonical, mirror, pose
from doublecast.faceset import StoredFace
from doublecast.film.composite import blend
from doublecast.model.space import draw, inside
from doublecast.types import F32, MESH, POINTS, U8, Crop, Face

UPPER_LIP = [191, 80, 81, 82, 13, 312, 311, 310, 415]
LOWER_LIP = [95, 88, 178, 87, 14, 317, 402, 318, 324]


def head(
    yaw: float = 0,
    pitch: float = 0,
    *,
    centre: tuple[float, float] = (128, 128),
    scale: float = 90,
    mouth: float = 0,
    wide: float = 1,
) -> F32:
    """Points (478, 3) of a posed head; scale: pixels between the outer eye corners. mouth: lower lip moved down."""
    shape = canonical() * [wide, 1, 1]
    shape[LOWER_LIP, 1] += mouth
    y, p = np.radians([yaw, pitch])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_p = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    points: F32 = np.zeros((POINTS, 3), np.float32)
    points[:MESH] = scale * shape @ (turn_y @ turn_p).T + [*centre, 0]
    for k, ring in ((468, (33, 133)), (473, (263, 362))):
        points[k : k + 5] = points[list(ring)].mean(0)
    return points


def skin(seed: int, size: int = 128) -> F32:
    """A smooth random texture, float32 (size, size, 3) in 0-1, left-right symmetric in its coarse parts."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((7, 7, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(0.25 + 0.5 * coarse, 0, 1), np.float32)


def picture(points: F32, texture: F32, size: int = 256) -> U8:
    """uint8 (size, size, 3): the textured head over grey."""
    frame = np.full((size, size, 3), 110, np.uint8)
    drawing = draw(points, (size, size))
    assert drawing is not None
    patch = blend(frame, drawing, texture, (inside(texture.shape[0]) > 0).astype(np.float32))
    assert patch is not None
    h, w = patch.mask.shape
    frame[patch.y : patch.y + h, patch.x : patch.x + w][patch.mask] = patch.pixels[patch.mask]
    return frame


def face(points: F32, *, track: int = 0, eyes: float = 0.3, mouth: float = 0.0, sharpness: float = 1.0) -> Face:
    return Face(points, track, 1.0, pose(points), (eyes, eyes), mouth, sharpness)


def stored(points: F32, index: int, *, track: int = 0, pixels: U8 | None = None, mouth: float = 0.0) -> StoredFace:
    crop = None
    if pixels is not None:
        alignment = align(points)
        size = (alignment.size, alignment.size)
        crop = Crop(np.asarray(cv2.warpAffine(pixels, alignment.matrix, size), np.uint8), alignment)
    return StoredFace(index, "take", index, index, Fraction(1, 25), face(points, track=track, mouth=mouth), crop)


def symmetric() -> bool:
    """Whether the canonical head is its own mirror image (it is; the tests of the layout rely on it)."""
    return bool(np.allclose(canonical(), canonical()[mirror()] * [-1, 1, 1], atol=1e-4))
