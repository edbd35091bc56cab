"""What lies between lips and lids stays the actor's: teeth and tongue while they speak, lashes of eyes that are closed.

In texture space an open mouth is a few texels high, so a network draws teeth as one white patch, and the line between
lids that touch glitters where it never saw an eye closed. Both belong to the performance more than to the person.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.film.shape import LIDS, Shape, lids_apart, upright
from doublecast.model.space import EYE_RINGS, MOUTH_INSIDE, Drawing, filled, places, sample
from doublecast.types import F32, U8, Face

SIDE = 512  #: of the texture in which the openings are cut out
LIPS_OPEN = (0.03, 0.10)  #: gap of the lips, of the mouth's width, at which teeth begin to be the actor's, and are
LIDS_SHUT, LIDS_OPEN = 0.12, 0.4  #: share of an eye's usual opening at which it is the actor's, and not at all
PROFILE = (45.0, 65.0)  #: degrees of yaw from which the actor's pixels, seen aslant, count less, and not at all
LOWER_LIP, UPPER_LIP, CORNERS = 14, 13, (61, 291)  #: mesh points
INSET, LASHES = 1 / 512, 4 / 512  #: how far within the lips, and beyond the lids, as part of the texture's side
SOFT = 0.004  #: blur of the openings' edge, as part of the texture's side


@dataclass(frozen=True, slots=True)
class Openings:
    """How much of the actor shows between the lips, and between the lids of the image-left and image-right eye, 0-1."""

    mouth: float
    left: float
    right: float


@cache
def _cut_out() -> tuple[F32, F32, F32]:
    """The inside of the lips and of both lids in the texture, float32 (`SIDE`, `SIDE`) 0-1 each."""

    def cut(ring: list[int], reach: float) -> F32:
        mask = filled([ring], SIDE, round(reach * SIDE))
        return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT * SIDE), np.float32)

    return cut(MOUTH_INSIDE, -INSET), cut(EYE_RINGS[0], LASHES), cut(EYE_RINGS[1], LASHES)


def openings(face: Face, actor: Shape) -> Openings:
    """What of a face is left as the camera saw it. actor: at rest, for how far the eyes are open as a rule."""
    now = upright(face)

    def closed(upper: list[int], lower: list[int]) -> float:
        apart = float(lids_apart(now, actor.neutral, upper, lower).mean())
        return float(np.clip((LIDS_OPEN - apart) / (LIDS_OPEN - LIDS_SHUT), 0, 1))

    gap = (now[LOWER_LIP, 1] - now[UPPER_LIP, 1]) / max(float(np.linalg.norm(now[CORNERS[1]] - now[CORNERS[0]])), 1e-3)
    mouth = float(np.clip((gap - LIPS_OPEN[0]) / (LIPS_OPEN[1] - LIPS_OPEN[0]), 0, 1))
    frontal = float(np.clip((PROFILE[1] - abs(face.pose.yaw)) / (PROFILE[1] - PROFILE[0]), 0, 1))
    left, right = (closed(upper, lower) for upper, lower, _ in LIDS)
    return Openings(frontal * mouth, frontal * left, frontal * right)


def actors_pixels(frame: U8, drawing: Drawing, points: F32, shares: Openings, covered: F32) -> tuple[F32, F32] | None:
    """The frame's own pixels at the places of a drawing, float32 (h, w, 3) 0-255, and how much they count, float32
    (h, w); None where nothing is open.

    points: the actor's mesh (>= 468, 3), which moves these pixels to where the drawing has its lips and lids. covered:
    float32 (S, S) 0-1, what lies before the face and is none of it.
    """
    weights = (shares.mouth, shares.left, shares.right)
    if not any(weights):
        return None
    mask = np.max([share * part for share, part in zip(weights, _cut_out(), strict=True) if share], axis=0)
    weight = sample(mask, drawing.uv) * (drawing.cover > 0) * (1 - sample(covered, drawing.uv))
    weight[weight < 1 / 255] = 0
    rows, columns = np.nonzero(weight)
    if not len(rows):
        return None
    pixels = np.zeros((*weight.shape, 3), np.float32)
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    where = sample(places(points, SIDE // 4), drawing.uv[part])
    x, y = np.ascontiguousarray(where[..., 0]), np.ascontiguousarray(where[..., 1])
    height, width = frame.shape[:2]
    weight[part] *= (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    pixels[part] = cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return pixels, weight
