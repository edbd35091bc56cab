"""What lies between lips and lids stays the actor's: teeth and tongue, eyes, and the lashes of closed ones.

In texture space an open mouth is a few texels high, so a network draws teeth as one white patch, and the line between
lids that touch glitters where it never saw an eye closed. All of it belongs to the performance more than to the person;
for the colour of eyes see `film.eyes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.film import eyes
from doublecast.film.eyes import Irises, Piece
from doublecast.film.shape import LIDS, Shape, lids_apart, upright
from doublecast.model.space import EYE_RINGS, MOUTH_INSIDE, Drawing, filled, places, sample
from doublecast.types import F32, U8, Face

SIDE = 512  #: of the texture in which the openings are cut out
LIPS_OPEN = (0.03, 0.10)  #: gap of the lips, of the mouth's width, at which teeth begin to be the actor's, and are
LIDS_SHUT, LIDS_OPEN = 0.12, 0.4  #: share of an eye's usual opening at which it is the actor's, and not at all
PROFILE = (45.0, 65.0)  #: degrees of yaw from which the actor's pixels, seen aslant, count less, and not at all
LOWER_LIP, UPPER_LIP, CORNERS = 14, 13, (61, 291)  #: mesh points
INSET, LASHES = 1 / 512, 4 / 512  #: how far within lips and lids, and beyond closed lids, as part of the texture's side
SOFT = 0.004  #: blur of the openings' edge, as part of the texture's side


@dataclass(frozen=True, slots=True)
class Openings:
    """How much of the actor shows between the lips, between the open lids of the image-left and image-right eye, and
    along their closed ones, 0-1."""

    mouth: float
    eyes: tuple[float, float]
    lashes: tuple[float, float]


@cache
def _cut_out() -> tuple[F32, F32, F32, F32]:
    """The inside of the lips, both eyes with their lashes, and both without, in the texture, float32 (`SIDE`, `SIDE`)
    0-1 each."""

    def cut(rings: Sequence[list[int]], reach: float) -> F32:
        mask = filled(rings, SIDE, round(reach * SIDE))
        return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT * SIDE), np.float32)

    left, right = (cut([ring], LASHES) for ring in EYE_RINGS)
    return cut([MOUTH_INSIDE], -INSET), left, right, cut(EYE_RINGS, -INSET)


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
    return Openings(frontal * mouth, (frontal * (1 - left), frontal * (1 - right)), (frontal * left, frontal * right))


def actors_pixels(
    frame: U8,
    drawing: Drawing,
    texture: F32,
    points: F32,
    shares: Openings,
    covered: F32,
    irises: Irises | None = None,
) -> tuple[F32, F32] | None:
    """The frame's own pixels at the places of a drawing, float32 (h, w, 3) 0-255, and how much they count, float32
    (h, w); None where nothing is open.

    texture: what is drawn there, float32 (S, S, 3) 0-1. points: the actor's, float32 (478, 3), frame pixels, whose mesh
    moves these pixels to where the drawing has its lips and lids. covered: float32 (S, S) 0-1, what lies before the
    face and is none of it. irises: how the actor's become the target's; None: no open eyes are the actor's.
    """
    *closed, open_eyes = _cut_out()
    found = []
    if any(weights := (shares.mouth, *shares.lashes)):
        mask = np.max([share * part for share, part in zip(weights, closed, strict=True) if share], axis=0)
        found.append(_through_the_mesh(frame, drawing, points, mask))
    for eye, share in enumerate(shares.eyes):
        if share and irises is not None and (new := eyes.drawn(frame, drawing, texture, points, irises, eye)):
            part, own, inside = new
            found.append((part, own, share * inside * sample(open_eyes, drawing.uv[part])))
    pixels, weight = np.zeros((*drawing.cover.shape, 3), np.float32), np.zeros_like(drawing.cover)
    for part, own, inside in filter(None, found):
        more = inside * (drawing.cover[part] > 0) * (1 - sample(covered, drawing.uv[part]))
        both = weight[part] + more
        pixels[part] += (more / np.maximum(both, 1e-6))[..., None] * (own - pixels[part])
        weight[part] = np.minimum(both, 1)
    return (pixels, weight) if weight.any() else None


def _through_the_mesh(frame: U8, drawing: Drawing, points: F32, mask: F32) -> Piece | None:
    """The frame's own pixels where a texture's mask float32 (`SIDE`, `SIDE`) 0-1 is; None where it is nowhere."""
    inside = sample(mask, drawing.uv)
    rows, columns = np.nonzero(inside >= 1 / 255)
    if not len(rows):
        return None
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    where = sample(places(points, SIDE // 4), drawing.uv[part])
    x, y = np.ascontiguousarray(where[..., 0]), np.ascontiguousarray(where[..., 1])
    height, width = frame.shape[:2]
    weight = inside[part] * ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
    pixels = cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return part, np.asarray(pixels, np.float32), np.asarray(weight, np.float32)
