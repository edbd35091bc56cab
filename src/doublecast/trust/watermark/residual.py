"""What a picture shows is taken out, so that what is left is comparable to the mark."""

import cv2
import numpy as np

from doublecast.types import F32, U8

SHORT, LONG = 360, 1000  #: pictures are made smaller until they have at most these sides, in pixels
HIGH_PASS = 2.2  #: pixels: standard deviation of the blur that is taken off
WINDOW = 13  #: pixels: side of the square over which the rest is brought to the same strength everywhere
FAINT = 0.2  #: grey levels: below this strength it fades instead
CLIP = 1.5  #: times the local strength: larger values are edges


def luma_of(picture: U8) -> U8:
    """The luma of a picture: uint8 (H, W) as it is, or of (H, W, 3) RGB (BT.601 weights; the mark is in all three)."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ValueError(f"a picture must be uint8 (H, W) or (H, W, 3), got {picture.dtype} {picture.shape}")
    if picture.ndim == 2:
        return picture
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def residual(picture: U8) -> F32:
    """float32 (h, w), about -CLIP to CLIP: the fine structure of a picture, equally strong everywhere, made smaller."""
    luma = luma_of(picture)
    height, width = luma.shape
    factor = min(1.0, SHORT / min(height, width), LONG / max(height, width))
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    values = luma.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), HIGH_PASS)
    strength = np.sqrt(np.maximum(cv2.blur(fine * fine, (WINDOW, WINDOW)), 0)) + np.float32(FAINT)
    out: F32 = np.clip(fine / strength, -CLIP, CLIP)
    return out
