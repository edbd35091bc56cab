"""The actor's own eyes, between the target's lids and with irises of the target's colour.

In a texture an eye is some twenty texels wide: a network draws it dull, without the light that is mirrored in it, and
looks nearly where the actor looks. The frame has all of that. What is the person's of an eye, lids and brows aside, is
the colour of the iris.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import cv2
import numpy as np

from doublecast.faces.geometry import EYES
from doublecast.film.colour import white
from doublecast.film.shape import LIDS
from doublecast.film.spectacles import SIDE, Seen
from doublecast.model.space import EYE_RINGS, Drawing, filled, places, sample
from doublecast.types import F32, F64, U8, Bool

PUPIL = 0.25  #: part of the iris's radius within which it is surely black
DARK = 15.0  #: percentile of the pupil's brightness that is its own, as light is mirrored in it
COLOURED = (0.45, 0.85)  #: part of the radius at which an iris's colour is looked for: not the pupil, not its edge
WHITE = 1.25  #: the same, from which an eye is white
WITHIN = 2  #: texels from the lids in which no colour is looked for
TEXELS, FACES = 8, 8  #: of each colour in an eye, and eyes of a person, that must be seen at least
FLOOR = 0.02  #: of brightness, 0-1, below which footage tells nothing
OPEN = 0.14  #: distance of the lids, as part of the eye's width, from which an eye counts as open
TINY, LARGE = 4.0, 9.0  #: radius in pixels of the target's irises from which their tint counts, and fully: colour in
# footage is coarse, and skin around makes small ones red
LARGEST = 1.4  #: log ratio by which an iris is changed at most
EDGE = (0.9, 1.1)  #: part of the iris's radius at which a change begins to end, and ends
BLACK = (0.3, 0.5)  #: the same, at which a pupil ends
MIRRORED = (0.6, 0.8)  #: brightness, as part of the white's, from which a pixel may be a reflection, of dark and light
# irises
LIGHTER = 1.25  #: times as bright as the iris that it must be besides, as far as there is room
SURELY = 0.2  #: how much brighter still, as part of the white's, it surely is one
FLAT = 0.05  #: least distance of a lid from the line between the corners, as part of the eye's width
STRETCHED = 1.6  #: times as tall an eye is made at most, to fill lids that are further apart
SHADE = 0.12  #: reach of light and shade in an eye, as part of its width
SHADES = (0.5, 1.6)  #: how far they change a pixel at most
NOISE = 4.0  #: of 255, added to both, as what is black has no shade
SOFT, SOFTEST = 0.04, 0.7  #: blur of the eye's edge, as part of its width, and at least, in pixels

#: rows and columns of a drawing, pixels float32 (h, w, 3) 0-255 that are the actor's there, and how much they count,
#: float32 (h, w) 0-1
Piece: TypeAlias = tuple[tuple[slice, slice], F32, F32]


@dataclass(frozen=True, slots=True, eq=False)
class Irises:
    """change: what the actor's irises are multiplied with, in log, float32 (3,), to be the target's. colour: what the
    actor's are now, as part of the white's, float32 (3,), mostly 0-1."""

    change: F32
    colour: F32

    def tinted(self, share: float) -> Self:
        """With only this share of the tints, 0-1, and all of the brightness."""
        change, colour = (x.mean() + np.float32(share) * (x - x.mean()) for x in (self.change, self.colour))
        return type(self)(change, colour)


def learn(actor: Sequence[Seen], target: Sequence[Seen]) -> Irises | None:
    """How the actor's irises become the target's, by some faces of both in the pixels of their footage; None where too
    little is seen of either."""
    own, other = _usual(actor), _usual(target)
    if own is None or other is None:
        return None
    black, iris, whites = own
    wanted = black.min() + (whites - black.min()) * _lightness(*other)
    change = np.clip(np.log((wanted + FLOOR) / (iris + FLOOR)), -LARGEST, LARGEST).astype(np.float32)
    found = Irises(change, (iris / np.maximum(whites, FLOOR)).astype(np.float32))
    wide = float(np.median([_disc(face.points, eye)[1] for face, _, _ in target for eye in (0, 1)]))
    return found.tinted(float(np.clip((wide - TINY) / (LARGE - TINY), 0, 1)))


def _lightness(black: F32, iris: F32, whites: F32) -> F32:
    """How light an iris is between pupil and white, float32 (3,) 0-1: in soft or hazy footage all three come nearer to
    each other, and lids that shade an eye shade all of it. What colour a pupil has is the iris's."""
    return np.asarray(np.clip((iris - black.min()) / np.maximum(whites - black.min(), FLOOR), 0, 1), np.float32)


def _usual(faces: Sequence[Seen]) -> F32 | None:
    """The usual colours of somebody's pupils, irises and whites, float32 (3, 3) 0-1; None where too little is seen."""
    insides = [filled([ring], SIDE, -WITHIN) > 0 for ring in EYE_RINGS]
    found = []
    for face, texture, visible in faces:
        where = places(face.points, SIDE)
        for eye, inside in enumerate(insides):
            lids = _Eye.of(face.points, eye)
            if lids.above + lids.below < OPEN:
                continue
            centre, radius = _disc(face.points, eye)
            seen = inside & (visible > 128)
            away, colours = (
                np.linalg.norm(where[seen] - centre, axis=1) / radius,
                texture[seen].astype(np.float32) / 255,
            )
            parts = away < PUPIL, (away > COLOURED[0]) & (away < COLOURED[1]), away > WHITE
            pupil, iris, rest = (colours[part] for part in parts)
            if min(len(pupil), len(iris), len(rest)) >= TEXELS:
                found.append([np.percentile(pupil, DARK, axis=0), np.median(iris, axis=0), white(rest)])
    return np.median(found, axis=0).astype(np.float32) if len(found) >= FACES else None


def drawn(frame: U8, drawing: Drawing, texture: F32, points: F32, irises: Irises, eye: int) -> Piece | None:
    """The image-left (0) or image-right (1) eye of a face where a drawing has it; None outside the drawing.

    An eye is moved and turned as a whole, as large as the distance of its corners, and the lids of the drawing cut it
    off: irises stay round. Only lids that are further apart than the actor's make it taller.
    Light and shade of it are the new face's, whose lids hang over it in their own way: of texture, float32 (S, S, 3)
    0-1. points: the actor's, float32 (478, 3), frame pixels.
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
    across *= np.clip(min(here.above / there.above, here.below / there.below), 1 / STRETCHED, 1)
    where = here.middle + here.width * (along[..., None] * here.axis + across[..., None] * here.down)
    x, y = np.ascontiguousarray(where[..., 0], np.float32), np.ascontiguousarray(where[..., 1], np.float32)
    pixels = np.asarray(cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)
    inside = _within(points[ring, :2], x, y, max(SOFT * here.width, SOFTEST))
    inside *= (x >= 0) & (x <= frame.shape[1] - 1) & (y >= 0) & (y <= frame.shape[0] - 1)
    if irises.change.any():
        centre, radius = _disc(points, eye)
        away = np.asarray(np.hypot(x - centre[0], y - centre[1]) / radius, np.float32)
        pixels = _recoloured(pixels, away, inside > 0.5, irises, max(SOFT * radius, 0.5))
    part = slice(top, bottom), slice(left, right)
    new = sample(texture, drawing.uv[part]) * np.float32(255)
    return part, _shaded(pixels, new, inside, max(SHADE * there.width, SOFTEST)), inside


def _shaded(pixels: F32, new: F32, inside: F32, reach: float) -> F32:
    """Pixels of an eye, float32 (h, w, 3) 0-255, in the light and shade of another there, averaged with weights float32
    (h, w) over ``reach`` pixels."""
    have, want = (cv2.GaussianBlur(x * inside[..., None], (0, 0), reach) + np.float32(NOISE) for x in (pixels, new))
    return np.asarray(np.clip(pixels * np.clip(want / have, *SHADES), 0, 255), np.float32)


def _disc(points: F32, eye: int) -> tuple[F32, float]:
    """Centre, float32 (2,), and radius of an iris of a face's points (478, 3)."""
    iris = EYES[eye][0]
    centre, ring = points[iris, :2], points[iris + 1 : iris + 5, :2]
    return centre, max(float(np.linalg.norm(ring - centre, axis=1).mean()), 0.5)


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
    def of(cls, points: F32, eye: int) -> Self:
        """Of a mesh (>= 468, 2 or 3)."""
        upper, lower, _ = (lid[3] for lid in LIDS[eye])
        left, right, above, below = points[[*EYES[eye][1:], upper, lower], :2].astype(np.float64)
        width = max(float(np.linalg.norm(right - left)), 1e-3)
        axis, middle = (right - left) / width, (left + right) / 2
        down = np.array([-axis[1], axis[0]])
        apart = (max(float(d @ down) / width, FLAT) for d in (middle - above, below - middle))
        return cls(middle, axis, down, width, *apart)


def _within(ring: F32, x: F32, y: F32, soft: float) -> F32:
    """How far places x and y of a frame, float32 (h, w) each, lie between lids, float32 (n, 2): float32 (h, w) 0-1.
    soft: width of the edge, in pixels."""
    low = np.floor(ring.min(0)) - 2
    size = np.ceil(ring.max(0) - low).astype(int) + 3
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [np.round((ring - low) * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    blurred = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft, borderType=cv2.BORDER_CONSTANT), np.float32)
    found = cv2.remap(blurred, x - low[0], y - low[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(np.clip(2 * found - 1, 0, 1), np.float32)


def _recoloured(pixels: F32, away: F32, inside: Bool, irises: Irises, soft: float) -> F32:
    """Pixels float32 (h, w, 3) 0-255 of an eye with an iris of another colour.

    away: how far from the middle of the iris, in radii, float32 (h, w). inside: between the lids, bool (h, w). soft:
    blur of what changes, in pixels. What is mirrored in an eye lies over its colour: a darker iris takes nothing of it,
    and what makes one lighter is added, but for the pupil.
    """
    plain = pixels[inside & (away > EDGE[1])]
    if len(plain) < TEXELS:
        plain = pixels.reshape(-1, 3)
    whites = np.maximum(white(plain), 1)
    begin = np.clip(LIGHTER * irises.colour.mean(), *MIRRORED)
    mirrored = np.clip((pixels.mean(2) / whites.mean() - begin) / SURELY, 0, 1)
    disc = np.clip((EDGE[1] - away) / (EDGE[1] - EDGE[0]), 0, 1)
    ring = disc * np.clip((away - BLACK[0]) / (BLACK[1] - BLACK[0]), 0, 1)
    darker, lighter = (
        cv2.GaussianBlur(part.astype(np.float32), (0, 0), soft)[..., None] for part in (disc * (1 - mirrored), ring)
    )
    added = np.expm1(np.maximum(irises.change, 0)) * irises.colour * whites
    return np.asarray(
        np.clip(pixels * np.exp(darker * np.minimum(irises.change, 0)) + lighter * added, 0, 255), np.float32
    )
