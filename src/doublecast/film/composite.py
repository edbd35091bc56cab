"""Putting a decoded texture into the light of the shot and drawing it there."""

from functools import cache

import cv2
import numpy as np

from doublecast.model.space import Drawing, fade, importance, inside, sample
from doublecast.types import F32, U8, Patch

WIDE, NARROW = 0.2, 0.05  #: reach of the colour match, as part of the texture's side: inside the face, at its edge
ODD = 0.2  #: difference from the usual difference, in 0-1, beyond which a texel hardly counts


@cache
def _skin(size: int) -> F32:
    """Where colour is compared, float32 (size, size): skin, not eyes, brows or mouth."""
    plain = (importance(size) < 1.05) & (inside(size) > 0)
    return cv2.erode(plain.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)


def _blur(x: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)


def colour_difference(decoded: F32, seen: U8, visible: U8) -> F32:
    """What must be added to the decoded texture so that its light is the shot's, float32 (S, S, 3), in 0-1.

    decoded: float32 (S, S, 3) 0-1; seen: the actor's own texture uint8 (S, S, 3) and visible (S, S). The difference of
    the two, averaged widely inside the face (light, skin tone) and narrowly towards its edge (no seam), over skin only.
    """
    size = decoded.shape[0]
    difference = seen.astype(np.float32) / 255 - decoded
    weight = (_skin(size) * (visible / 255) + 1e-4 * (inside(size) > 0)).astype(np.float32)
    plain = weight > 0.5
    if plain.any():  # spectacles, hair and beards are no light: what differs unlike the rest of the skin counts less
        odd = np.abs(difference - np.median(difference[plain], axis=0)).max(2)
        weight *= np.exp(-np.square(odd / ODD))
    levels = []
    for reach in (WIDE, NARROW):
        mass = _blur(weight, reach * size)[..., None] + 1e-6
        levels.append(_blur((difference * weight[..., None]).astype(np.float32), reach * size) / mass)
    edge = (1 - fade(size))[..., None]
    matched: F32 = np.clip(levels[0] * (1 - edge) + levels[1] * edge, -0.5, 0.5)
    return matched


def _fine(texture: F32) -> F32:
    """The detail of a texture float32 (S, S, 3) that is finer than about two texels."""
    return texture - np.asarray(cv2.GaussianBlur(texture, (0, 0), 1.0), np.float32)


def sharpness_difference(decoded: F32, seen: U8, visible: U8) -> float:
    """How much of its own fine detail the decoded texture lacks (positive) or has too much, to be as sharp as the shot.

    Arguments as in `colour_difference`. Between -0.7 (the shot is blurred) and 0.9 (more would bring out noise).
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
