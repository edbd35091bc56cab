"""Faces from the dark, developed: as bright as faces in ordinary light.

What the networks know of faces they learned in light that shows them. Below it skin counts as hair, and decoders draw
hardly more than its mean. So a texture whose skin is darker than any in ordinary light is multiplied, and what was made
of it is divided again.
"""

import cv2
import numpy as np

from doublecast.model.space import importance, inside, unwrap
from doublecast.types import F32, U8

DIM = 0.28  #: brightness of skin, 0-1, below which hardly any skin is in ordinary light
LIT = (98.0, 0.95)  #: percentile of the skin's brightest channel, and how bright it may become: what is lit stays whole
FEWEST = 0.02  #: share of the skin that must be seen to go by it alone
MOST = 8.0  #: largest factor: with more, footage of eight bits has nothing but steps


def exposure(texture: U8, visible: U8) -> float:
    """What a texture must be multiplied with to be seen well, 1-`MOST`; 1 where its skin is bright enough.

    texture: uint8 (S, S, 3); visible: uint8 (S, S). The median brightness of its skin decides, if none of it is lit:
    half a face in the shadow is none in the dark.
    """
    plain = (importance(texture.shape[0]) < 1.05) & (inside(texture.shape[0]) > 0)
    seen = plain & (visible > 128)
    skin = texture[seen if seen.sum() >= FEWEST * plain.sum() else plain]
    middle, most = float(np.median(skin.mean(1))), float(np.percentile(skin.max(1), LIT[0]))
    return float(np.clip(min(DIM * 255 / max(middle, 1), LIT[1] * 255 / max(most, 1)), 1, MOST))


def developed(texture: U8, visible: U8) -> tuple[U8, float]:
    """A texture as bright as it must be to be seen well, uint8 (S, S, 3), and what it was multiplied with."""
    factor = exposure(texture, visible)
    return (texture if factor == 1 else np.asarray(cv2.convertScaleAbs(texture, alpha=factor), np.uint8)), factor


def unwrap_developed(pixels: U8, points: F32, size: int) -> tuple[U8, U8, float]:
    """A face's texture `developed`, its visibility (see `space.unwrap`), and what the texture was multiplied with."""
    texture, visible = unwrap(pixels, points, size)
    bright, factor = developed(texture, visible)
    return bright, visible, factor
