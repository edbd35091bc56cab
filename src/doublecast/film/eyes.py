"""The actor's own eyes, between the target's lids and with irises of the target's colour.

In a texture an eye is some twenty texels wide: a network draws it dull, without the light that is mirrored in it, and
looks nearly where the actor looks. The frame has all of that. What is the person's of an eye, lids and brows aside, is
the colour of the iris.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from doublecast.faces.geometry import EYES
from doublecast.film.colour import white
from doublecast.film.spectacles import SIDE
from doublecast.model.space import EYE_RINGS, Drawing, filled, places
from doublecast.types import F32, F64, U8, Face

PUPIL = 0.25  #: part of the iris's radius within which it is surely black
DARK = 15.0  #: percentile of the pupil's brightness that is its own, as light is mirrored in it
COLOURED = (0.45, 0.85)  #: part of the radius at which an iris's colour is looked for: not the pupil, not its edge
WHITE = 1.25  #: the same, from which an eye is white
FEWEST = 8  #: texels of each in an eye, and eyes of a person, from which a colour is known
FLOOR = 0.02  #: of brightness, 0-1, below which footage tells nothing
OPEN = 0.14  #: distance of the lids, as part of the eye's width, from which an eye counts as open
LARGEST = 1.4  #: log ratio by which an iris is changed at most
EDGE = (1.0, 1.3)  #: part of the iris's radius at which a change begins to end, and ends
RING, BLACK = (0.8, 1.1), (0.3, 0.5)  #: the same, of what makes an iris lighter, and for the pupil
BRIGHT = 90.0  #: percentile of an eye's pixels that is its white
MIRRORED = 0.6  #: brightness, as part of the white's, from which a pixel may be a reflection and no iris
LIGHTER = 1.25  #: times as bright as the iris that it must be besides
SURELY = 0.3  #: how much brighter still, as part of the white's, it surely is one
CORNERS = ((33, 133, 159, 145), (362, 263, 386, 374))  #: mesh points: image-left, image-right corner, upper, lower lid
FLAT = 0.02  #: least distance of a lid from the line between the corners, as part of the eye's width
TALLEST = 0.6  #: one over how far an eye is stretched at most, to fill lids that are further apart
SOFT = 0.04  #: blur of the eye's edge, as part of its width
ABOUT = 2.5  #: radii of the iris about its centre in which some of the white is seen

Seen: TypeAlias = tuple[Face, U8, U8]  #: a face, its texture and visibility, see `spectacles.looked_at`


@dataclass(frozen=True, slots=True, eq=False)
class Irises:
    """change: what the actor's irises are multiplied with, in log, float32 (3,), to be the target's. colour: what the
    actor's are now, as part of the white's, float32 (3,)."""

    change: F32
    colour: F32

    def in_shot(self, colourful: float) -> "Irises":
        """Of a shot with only this share of the target's colours, 0-1, see `colour.saturation`."""
        bright = self.change.mean()
        return Irises((bright + np.float32(colourful) * (self.change - bright)).astype(np.float32), self.colour)


SAME = Irises(np.zeros(3, np.float32), np.ones(3, np.float32))  #: irises stay as they are


def _irises(points: F32) -> Iterator[tuple[F32, float]]:
    """Centre, float32 (2,), and radius of both irises of a face's points (478, 3)."""
    for iris, _, _ in EYES:
        centre, ring = points[iris, :2], points[iris + 1 : iris + 5, :2]
        yield centre, max(float(np.linalg.norm(ring - centre, axis=1).mean()), 0.5)


def irises(actor: Sequence[Seen], target: Sequence[Seen]) -> Irises:
    """How the actor's irises become the target's, by some faces of both; `SAME` where too little is seen of either."""
    own, other = _usual(actor), _usual(target)
    if own is None or other is None:
        return SAME
    black, iris, white = own
    wanted = black.min() + (white - black.min()) * _lightness(*other)
    change = np.clip(np.log((wanted + FLOOR) / (iris + FLOOR)), -LARGEST, LARGEST)
    return Irises(change.astype(np.float32), (iris / np.maximum(white, FLOOR)).astype(np.float32))


def _lightness(black: F32, iris: F32, white: F32) -> F32:
    """How light an iris is between pupil and white, float32 (3,) 0-1: in soft or hazy footage all three come nearer to
    each other, and lids that shade an eye shade all of it. What colour a pupil has is the iris's."""
    return np.asarray(np.clip((iris - black.min()) / np.maximum(white - black.min(), FLOOR), 0, 1), np.float32)


def _usual(faces: Sequence[Seen]) -> F32 | None:
    """The usual colours of somebody's pupils, irises and whites, float32 (3, 3) 0-1; None where too little is seen."""
    found = []
    for face, texture, visible in faces:
        where = places(face.points, SIDE)
        for eye, (ring, (centre, radius)) in enumerate(zip(EYE_RINGS, _irises(face.points), strict=True)):
            lids = _Eye.of(face.points, eye)
            if lids.above + lids.below < OPEN:
                continue
            away = np.linalg.norm(where - centre, axis=2) / radius
            inside = (filled([ring], SIDE, -2) > 0) & (visible > 128)
            parts = away < PUPIL, (away > COLOURED[0]) & (away < COLOURED[1]), away > WHITE
            pupil, iris, rest = (texture[inside & part].astype(np.float32) / 255 for part in parts)
            if min(len(pupil), len(iris), len(rest)) >= FEWEST:
                found.append([np.percentile(pupil, DARK, axis=0), np.median(iris, axis=0), white(rest)])
    return np.median(found, axis=0).astype(np.float32) if len(found) >= FEWEST else None


def drawn(
    frame: U8, drawing: Drawing, points: F32, irises: Irises, eye: int
) -> tuple[tuple[slice, slice], F32, F32] | None:
    """The image-left (0) or image-right (1) eye of a face where a drawing has it: rows and columns of the drawing,
    pixels float32 (h, w, 3) 0-255, and where these are of the eye, float32 (h, w) 0-1; None outside the frame.

    Irises stay round: an eye is moved and turned as a whole, as large as the distance of its corners, and the lids of
    the drawing cut it off. Lids that are further apart than the actor's stretch it as far as they must.
    points: the actor's, (478, 3). irises: see there.
    """
    ring = EYE_RINGS[eye]
    low = np.floor(drawing.points[ring, :2].min(0)).astype(int) - 2 - (drawing.x, drawing.y)
    high = np.ceil(drawing.points[ring, :2].max(0)).astype(int) + 3 - (drawing.x, drawing.y)
    height, width = drawing.cover.shape
    (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(high, (width, height))
    if right <= left or bottom <= top:
        return None
    there, here = _Eye.of(drawing.points, eye), _Eye.of(points, eye)
    x, y = np.meshgrid(np.arange(left, right) + drawing.x, np.arange(top, bottom) + drawing.y)
    off = np.stack([x, y], 2) - there.middle
    along, across = off @ there.axis / there.width, off @ there.down / there.width
    across *= np.clip(min(here.above / there.above, here.below / there.below), TALLEST, 1)
    where = here.middle + here.width * (along[..., None] * here.axis + across[..., None] * here.down)
    x, y = np.ascontiguousarray(where[..., 0], np.float32), np.ascontiguousarray(where[..., 1], np.float32)
    pixels = np.asarray(cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)
    if irises.change.any():
        pixels = _recoloured(pixels, x, y, points, irises, eye)
    inside = _within(points[ring, :2], x, y, here.width)
    inside *= (x >= 0) & (x <= frame.shape[1] - 1) & (y >= 0) & (y <= frame.shape[0] - 1)
    return (slice(top, bottom), slice(left, right)), pixels, inside


@dataclass(frozen=True, slots=True)
class _Eye:
    """An eye in a picture: between its corners, and how far lids are above and below, as part of its width."""

    middle: F64
    axis: F64
    down: F64
    width: float
    above: float
    below: float

    @classmethod
    def of(cls, points: F32, eye: int) -> "_Eye":
        """Of a mesh (>= 468, 2 or 3)."""
        left, right, upper, lower = points[list(CORNERS[eye]), :2].astype(np.float64)
        width = max(float(np.linalg.norm(right - left)), 1e-3)
        axis, middle = (right - left) / width, (left + right) / 2
        down = np.array([-axis[1], axis[0]])
        above, below = (max(float(d @ down) / width, FLAT) for d in (middle - upper, lower - middle))
        return cls(middle, axis, down, width, above, below)


def _within(ring: F32, x: F32, y: F32, width: float) -> F32:
    """How far places x and y of a frame, float32 (h, w) each, lie between lids, float32 (n, 2): float32 (h, w) 0-1."""
    low = np.floor(ring.min(0)) - 2
    size = np.ceil(ring.max(0) - low).astype(int) + 3
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [np.round((ring - low) * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), SOFT * width, borderType=cv2.BORDER_CONSTANT), np.float32)
    found = cv2.remap(soft, x - low[0], y - low[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(np.clip(2 * found - 1, 0, 1), np.float32)


def _recoloured(pixels: F32, x: F32, y: F32, points: F32, irises: Irises, eye: int) -> F32:
    """Pixels float32 (h, w, 3) 0-255 of a frame, from its places x and y, float32 (h, w) each, with an iris of another
    colour.

    What is mirrored in an eye lies over its colour: a darker iris takes nothing of it, and what makes one lighter is
    added, but for the pupil.
    """
    centre, radius = list(_irises(points))[eye]
    away = np.hypot(x - centre[0], y - centre[1]) / radius
    near = away < ABOUT
    if not near.any():
        return pixels
    white = np.maximum(np.percentile(pixels[near], BRIGHT, axis=0), 1.0).astype(np.float32)
    mirrored = max(MIRRORED, LIGHTER * float(irises.colour.mean()))
    plain = np.clip((mirrored - pixels.mean(2) / white.mean()) / SURELY + 1, 0, 1)
    disc = np.clip((EDGE[1] - away) / (EDGE[1] - EDGE[0]), 0, 1)
    ring = np.clip((RING[1] - away) / (RING[1] - RING[0]), 0, 1) * np.clip(
        (away - BLACK[0]) / (BLACK[1] - BLACK[0]), 0, 1
    )
    share, lit = (
        cv2.GaussianBlur(part.astype(np.float32), (0, 0), max(SOFT * radius, 0.5))[..., None]
        for part in (disc * plain, ring)
    )
    added = np.expm1(np.maximum(irises.change, 0)) * irises.colour * white
    return np.asarray(np.clip(pixels * np.exp(share * np.minimum(irises.change, 0)) + lit * added, 0, 255), np.float32)
