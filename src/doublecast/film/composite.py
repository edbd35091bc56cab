"""Putting a decoded texture into the light of the shot and drawing it there."""

from functools import cache

import cv2
import numpy as np

from doublecast.model.space import Drawing, fade, importance, inside, sample
from doublecast.types import F32, U8, Patch

WIDE, NARROW = 0.2, 0.05  #: reach of the colour match, as part of the texture's side: inside the face, at its edge
BRIGHTEST = 3.0  #: largest gain, and one over the smallest
DARK = 0.04  #: added where nothing can be compared, so that the gain goes to 1
FOREIGN = 0.1  #: difference from the actor's own reconstruction, in 0-1, beyond which a texel is not the face
PATCH = 0.09  #: diameter of the smallest thing before the face, as part of the texture's side
ODD = 0.2  #: difference from the usual difference, in 0-1, beyond which a texel hardly counts


@cache
def _skin(size: int) -> F32:
    """Where colour is compared, float32 (size, size): skin, not eyes, brows or mouth."""
    plain = (importance(size) < 1.05) & (inside(size) > 0)
    return cv2.erode(plain.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)


def _blur(x: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)


def colour_gain(decoded: F32, seen: U8, visible: U8) -> F32:
    """What the decoded texture must be multiplied with so that its light is the shot's, float32 (S, S, 3).

    decoded: float32 (S, S, 3) 0-1; seen: the actor's own texture uint8 (S, S, 3) and visible (S, S). The ratio of the
    two, averaged widely inside the face (light, skin tone) and narrowly towards its edge (no seam), over skin only.
    A gain and not an offset: light multiplies, so dark brows stay dark and keep no tint of what the skin lost.
    """
    size = decoded.shape[0]
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    weight = (_skin(size) * (visible / 255) + 1e-4 * (inside(size) > 0)).astype(np.float32)
    plain = weight > 0.5
    if plain.any():  # spectacles, hair and beards are no light: what differs unlike the rest of the skin counts less
        difference = shot - decoded
        odd = np.abs(difference - np.median(difference[plain], axis=0)).max(2)
        weight *= np.exp(-np.square(odd / ODD))
    levels = []
    for reach in (WIDE, NARROW):
        have, want = (_blur(x * weight[..., None] + DARK * 1e-4, reach * size) for x in (decoded, shot))
        levels.append(want / have)
    edge = (1 - fade(size))[..., None]
    return np.clip(levels[0] * (1 - edge) + levels[1] * edge, 1 / BRIGHTEST, BRIGHTEST).astype(np.float32)


def unoccluded(own: F32, seen: U8, visible: U8) -> F32:
    """Where the actor's skin is what the camera sees, float32 (S, S): 0 where a hand or the like lies before the face.

    own: the actor's face as the actor's own decoder makes it, float32 (S, S, 3) in 0-1; seen and visible as in
    `colour_gain`. Faces that something covered were not trained on, so the decoder does not know how to make
    it: solid patches that differ from what it makes are not the face.
    """
    size = own.shape[0]
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    differs = _blur(np.abs(shot - own).mean(2) * (visible > 64), size / 48) > FOREIGN
    solid, grown = (2 * round(share * size / 2) + 1 for share in (PATCH, PATCH * 1.4))
    patch = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, _disc(solid))
    return np.asarray(1 - _blur(cv2.dilate(patch, _disc(grown)).astype(np.float32), size / 40), np.float32)


def _disc(diameter: int) -> U8:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)), np.uint8)


def _fine(texture: F32) -> F32:
    """The detail of a texture float32 (S, S, 3) that is finer than about two texels."""
    return texture - np.asarray(cv2.GaussianBlur(texture, (0, 0), 1.0), np.float32)


def sharpness_difference(decoded: F32, seen: U8, visible: U8) -> float:
    """How much of its own fine detail the decoded texture lacks (positive) or has too much, to be as sharp as the shot.

    Arguments as in `colour_gain`. Between -0.7 (the shot is blurred) and 0.9 (more would bring out noise).
    """
    weight = (visible > 128) & (fade(decoded.shape[0]) > 0.5)
    if not weight.any():
        return 0.0
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    have, want = (float(np.abs(_fine(x))[weight].mean()) for x in (decoded, shot))
    return float(np.clip(want / max(have, 1e-4) - 1, -0.7, 0.9))


def sharpen(texture: F32, amount: float) -> F32:
    """Add ``amount`` times its own fine detail to a texture float32 (S, S, 3); less than 0 softens."""
    return np.clip(texture + amount * _fine(texture), 0, 1).astype(np.float32)


def blend(frame: U8, drawing: Drawing, texture: F32, opacity: F32) -> Patch | None:
    """Draw a texture float32 (S, S, 3) 0-1 with opacity float32 (S, S) 0-1 over the frame; None where nothing shows."""
    alpha = sample(opacity, drawing.uv) * drawing.cover
    height, width = alpha.shape
    under = frame[drawing.y : drawing.y + height, drawing.x : drawing.x + width]
    over = sample(texture, drawing.uv, interpolation=cv2.INTER_CUBIC) * 255
    a = alpha[..., None]
    pixels = np.clip(under * (1 - a) + over * a + 0.5, 0, 255).astype(np.uint8)
    mask = alpha > 1 / 255
    return Patch(drawing.x, drawing.y, pixels, mask) if mask.any() else None
