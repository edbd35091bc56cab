"""Faces from the dark, developed: as bright as faces in ordinary light.

What the networks know of faces they learned in light that shows them. Below it skin counts as hair, and decoders draw
hardly more than its mean. So a texture whose skin is darker than any in ordinary light is multiplied, and what was made
of it is divided again.
"""

import cv2
import numpy as np

from doublecast.model.space import importance, inside
from doublecast.types import U8

DIM = 0.28  #: brightness of skin, 0-1, below which no skin is in ordinary light
MOST = 8.0  #: largest factor: with more, footage of eight bits has nothing but steps


def exposure(texture: U8, visible: U8) -> float:
    """What a texture must be multiplied with to be seen well, 1-`MOST`; 1 where its skin is bright enough or hidden.

    texture: uint8 (S, S, 3); visible: uint8 (S, S). The median brightness of its skin decides.
    """
    skin = (importance(texture.shape[0]) < 1.05) & (inside(texture.shape[0]) > 0) & (visible > 128)
    if not skin.any():
        return 1.0
    bright = float(np.median(texture[skin].mean(1))) / 255
    return float(np.clip(DIM / max(bright, 1e-3), 1, MOST))


def developed(texture: U8, visible: U8) -> tuple[U8, float]:
    """A texture as bright as it must be to be seen well, uint8 (S, S, 3), and what it was multiplied with."""
    factor = exposure(texture, visible)
    return (texture if factor == 1 else multiplied(texture, factor)), factor


def multiplied(picture: U8, factor: float) -> U8:
    """A picture uint8 (..., 3) times a factor."""
    return np.asarray(cv2.convertScaleAbs(picture, alpha=factor), np.uint8)
