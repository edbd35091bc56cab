"""The visible label: small, legible, in a corner of every picture that was altered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np

from doublecast.types import F32, U8, Patch
from doublecast.video import composite

Corner: TypeAlias = Literal["bottom-left", "bottom-right", "top-left", "top-right"]
FONT = cv2.FONT_HERSHEY_SIMPLEX
DRAWN = 64  #: capital height in pixels at which the text is drawn before it is made small
SMALLEST = 10  #: least capital height in a picture, in pixels, as long as the text fits
DARK = 0.6  #: how much of the picture behind the text is darkened
WIDEST = 0.9  #: share of the picture's width that the label may take


@dataclass(frozen=True)
class Label:
    """White text on a translucent dark box.

    text: ASCII. corner: where. height: of a capital letter as a share of the picture's height; never under 10 pixels
    unless the picture is too narrow for that.
    """

    text: str = "AI-altered"
    corner: Corner = "bottom-left"
    height: float = 0.025

    def __post_init__(self) -> None:
        if self.corner not in get_args(Corner):
            raise ValueError(f"corner must be one of {', '.join(get_args(Corner))}, got {self.corner!r}")
        if not self.text.strip() or not self.text.isascii() or not self.text.isprintable():
            raise ValueError(f"the label's text must be printable ASCII, got {self.text!r}")
        if not 0.01 <= self.height <= 0.2:
            raise ValueError(f"the label's height must be from 0.01 to 0.2 of the picture's, got {self.height}")

    def patch(self, pixels: U8, patches: Sequence[Patch] = ()) -> Patch:
        """The label for a picture, uint8 (H, W, 3), in which ``patches`` will have been put before it."""
        height, width = pixels.shape[:2]
        ink = _ink(self.text, self.height, width, height)
        x = _margin(height) if self.corner.endswith("left") else width - ink.shape[1] - _margin(height)
        y = _margin(height) if self.corner.startswith("top") else height - ink.shape[0] - _margin(height)
        x, y = max(0, min(x, width - ink.shape[1])), max(0, min(y, height - ink.shape[0]))
        behind = pixels[y : y + ink.shape[0], x : x + ink.shape[1]]
        moved = [Patch(patch.x - x, patch.y - y, patch.pixels, patch.mask) for patch in patches]
        box = composite(behind, moved).astype(np.float32) * (1 - DARK)
        out: U8 = np.rint(box + (255 - box) * ink[:, :, None]).astype(np.uint8)
        return Patch(x, y, out, np.ones(out.shape[:2], np.bool_))


def _margin(height: int) -> int:
    return round(0.012 * height)


@lru_cache(maxsize=16)
def _ink(text: str, share: float, width: int, height: int) -> F32:
    """Coverage of the text in its box: float32 (h, w), 0-1, not larger than the picture."""
    scale = cv2.getFontScaleFromHeight(FONT, DRAWN, 5)
    (wide, _), below = cv2.getTextSize(text, FONT, scale, 7)
    side, rise = DRAWN // 2, DRAWN // 2
    canvas = np.zeros((DRAWN + below + 2 * rise, wide + 2 * side), np.uint8)
    cv2.putText(canvas, text, (side, rise + DRAWN), FONT, scale, 255, 7, cv2.LINE_AA)
    factor = max(share * height, SMALLEST) / DRAWN
    factor = min(factor, WIDEST * width / canvas.shape[1], height / canvas.shape[0])
    size = max(1, int(canvas.shape[1] * factor)), max(1, int(canvas.shape[0] * factor))
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)
