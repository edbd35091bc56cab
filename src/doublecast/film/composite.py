"""Drawing a decoded texture into the shot: what lies before the face stays, sharpness follows."""

import itertools
from functools import cache

import cv2
import numpy as np

from doublecast.film.colour import blurred
from doublecast.model.space import (
    BROW_RINGS,
    EYE_RINGS,
    JUMP,
    MOUTH_RING,
    Drawing,
    draw,
    fade,
    filled,
    jumps,
    layout,
    sample,
)
from doublecast.types import F32, U8, Patch

FOREIGN = 0.1  #: difference from the actor's own reconstruction, in 0-1, beyond which a texel is not the face
HOLES = 0.08  #: diameter of holes in what covers a face that are none, as part of the texture's side
RIMS = 0.07  #: width of what is not thin, as part of the texture's side
NOSE_TIP = 4  #: mesh point
PIXELS = 6.0  #: times the usual distance of pixels in the texture, that a jump is at least, so in small faces, too
LENS = 0.8  #: blur of edges within a face, in pixels
PATCH = 0.09  #: diameter of the smallest thing before the face, as part of the texture's side


def covered(own: F32, seen: U8, bare: U8, foreign: U8) -> F32:
    """Where something lies before the actor's face, float32 (S, S) 0-1.

    foreign: uint8 (S, S), what the occlusion network finds; bare: the rest, see `occlusion.look`. Besides, solid
    patches that differ from what the actor's own decoder makes of the face, own: float32 (S, S, 3) in 0-1, are not the
    face, whatever they are: it never learned to make what is covered. seen: the actor's texture uint8 (S, S, 3).
    Thin lines about the eyes do not count: rims of spectacles are found here and there, and pieces of them are worse
    than none.
    """
    size = own.shape[0]
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    differs = blurred(np.abs(shot - own).mean(2) * (bare > 64), size / 48) > FOREIGN
    solid, grown = (2 * round(share * size / 2) + 1 for share in (PATCH, PATCH * 1.4))
    patch = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, _disc(solid))
    strange = blurred(cv2.dilate(patch, _disc(grown)).astype(np.float32), size / 40)
    return np.asarray(np.maximum(strange, _without_rims(foreign) / 255), np.float32)


def _without_rims(foreign: U8) -> F32:
    """What covers a face, float32 (S, S) 0-255, without thin lines about the eyes that hang together with nothing solid
    and with nothing above the brows, as hair does. Small holes in what is left are closed."""
    size = foreign.shape[0]
    solid = cv2.morphologyEx(foreign, cv2.MORPH_OPEN, _disc(2 * round(RIMS * size / 2) + 1))
    about = _about_eyes(size)
    top = int(np.nonzero(about.max(1) > 0.5)[0][0])
    _, labels = cv2.connectedComponents((foreign > 64).astype(np.uint8))
    holds = solid > 64
    holds[:top] |= foreign[:top] > 64
    held = np.isin(labels, labels[holds])  # holds lies within what is labelled, as opening takes away alone
    away = about * ~held
    left = np.asarray(solid * away + foreign * (1 - away), np.uint8)
    closed = cv2.morphologyEx(left, cv2.MORPH_CLOSE, _disc(2 * round(HOLES * size / 2) + 1))
    return np.asarray(closed, np.float32)


@cache
def _about_eyes(size: int) -> F32:
    """Where spectacles sit, float32 (size, size) 0-1: from the brows to the tip of the nose, as wide as the face."""
    rows = (layout().uv[[*itertools.chain(*BROW_RINGS), NOSE_TIP], 1] * size).round().astype(int)
    band: F32 = np.zeros((size, size), np.float32)
    band[rows.min() : rows.max()] = 1
    return np.asarray(cv2.GaussianBlur(band, (0, 0), size / 64), np.float32)


def lying_before(
    drawing: Drawing, points: F32, frame_shape: tuple[int, int], covered: F32, opacity: F32 | None = None
) -> F32 | None:
    """Coverage of the actor's face, float32 (S, S), at a drawing's pixels, float32 (h, w); None where there is none.

    points: the actor's own mesh, not the one that is drawn: what lies before the face stays where the camera saw it.
    opacity: float32 (S, S), where the face is drawn at all, by default `fade`.
    """
    if not (covered * (fade(covered.shape[0]) if opacity is None else opacity) > 1 / 16).any():
        return None
    mine = draw(points, frame_shape)
    kept: F32 = np.zeros_like(drawing.cover)
    both = None if mine is None else drawing.overlap(mine)
    if mine is not None and both is not None:
        where, part = both
        kept[where] = sample(covered, mine.uv[part]) * (mine.cover[part] > 0)
    return kept


def _disc(diameter: int) -> U8:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)), np.uint8)


def _fine(texture: F32, reach: float = 1.0) -> F32:
    """The detail of a texture float32 (S, S) or (S, S, 3) that is finer than about two texels, or twice ``reach``."""
    return texture - np.asarray(cv2.GaussianBlur(texture, (0, 0), reach), np.float32)


def sharpness_difference(decoded: F32, seen: U8, visible: U8) -> float:
    """How much of its own fine detail the decoded texture lacks (positive) or has too much, to be as sharp as the shot.

    Arguments as in `colour_gain`. Between -0.7 (the shot is blurred) and 0.9 (more would bring out noise).
    """
    weight = (visible > 128) & (fade(decoded.shape[0]) > 0.5)
    if not weight.any():
        return 0.0
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    have, want = (float(np.abs(_fine(x.mean(2)))[weight].mean()) for x in (decoded, shot))
    return float(np.clip(want / max(have, 1e-4) - 1, -0.7, 0.9))


def sharpen(texture: F32, amount: float, reach: float = 1.0) -> F32:
    """Add ``amount`` times its own detail finer than twice ``reach`` texels to a texture float32 (S, S, 3); less than 0
    softens. It adds brightness alone: colour in footage is coarse, and its blocks and fringes are no detail."""
    fine = _fine(texture, reach) if amount < 0 else _fine(texture.mean(2), reach)[..., None]
    return np.clip(texture + amount * fine, 0, 1).astype(np.float32)


@cache
def _opens() -> U8:
    """Mouth and eyes with their rims, uint8 (128, 128) 0 or 1: closed, their two sides lie far apart in the texture."""
    return filled([MOUTH_RING, *EYE_RINGS], 128, 4)


def _smooth_edges(pixels: F32, drawing: Drawing) -> F32:
    """Pixels float32 (h, w, 3) as drawn, smooth where one part of the face hides another, as a nose does a cheek: each
    pixel there is of the one or of the other, and a lens sees both. In place. Not between lips or lids."""
    limit = max(JUMP, PIXELS / max(drawing.cover.shape))
    edge = (jumps(drawing.uv) > limit) & (cv2.erode(drawing.cover, np.ones((3, 3), np.uint8)) > 0)
    opens = _opens()
    edge[edge] = opens[tuple((drawing.uv[edge][:, ::-1] * (len(opens) - 1)).astype(int).T)] == 0
    rows, columns = np.nonzero(edge)
    if not len(rows):
        return pixels
    around = tuple(slice(max(int(n.min()) - 3, 0), int(n.max()) + 4) for n in (rows, columns))
    soft = cv2.GaussianBlur(pixels[around], (0, 0), LENS)
    share = np.minimum(1.5 * cv2.GaussianBlur(edge[around].astype(np.float32), (3, 3), 0), 1)
    pixels[around] += share[..., None] * (soft - pixels[around])
    return pixels


def blend(
    frame: U8,
    drawing: Drawing,
    texture: F32,
    opacity: F32,
    *,
    kept: F32 | None = None,
    own: tuple[F32, F32] | None = None,
    lines: tuple[slice, slice, F32] | None = None,
) -> Patch | None:
    """Draw a texture float32 (S, S, 3) 0-1 with opacity float32 (S, S) 0-1 over the frame; None where nothing shows.

    kept: float32 (h, w), how much of each of the drawing's pixels stays the frame's. own: pixels float32 (h, w, 3)
    0-255 that are drawn instead of the texture's, and how much, float32 (h, w), see `openings.actors_pixels`.
    lines: what some pixels are multiplied with besides, see `rims.seen`.
    """
    alpha = sample(opacity, drawing.uv) * drawing.cover
    if kept is not None:
        alpha = alpha * (1 - kept)
    height, width = alpha.shape
    under = frame[drawing.y : drawing.y + height, drawing.x : drawing.x + width]
    over = _smooth_edges(sample(texture, drawing.uv, interpolation=cv2.INTER_CUBIC) * 255, drawing)
    if own is not None:
        over += own[1][..., None] * (own[0] - over)
    if lines is not None:
        over[lines[0], lines[1]] *= lines[2]
    a = alpha[..., None]
    pixels = np.clip(under * (1 - a) + over * a + 0.5, 0, 255).astype(np.uint8)
    mask = alpha > 1 / 255
    return Patch(drawing.x, drawing.y, pixels, mask) if mask.any() else None
