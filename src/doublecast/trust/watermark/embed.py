"""Puts the mark into pictures: where it is hidden by what the picture shows, and fainter where it is not."""

from functools import lru_cache

import cv2
import numpy as np

from doublecast.trust.watermark.carriers import period, tile
from doublecast.trust.watermark.payload import FilmId
from doublecast.types import F32, U8, check

COARSE = 4  #: strength is worked out on a picture this many times smaller
FLAT, STRONGEST = 0.55, 3.2  #: root mean square of the mark, in grey levels: in flat areas, and at most
BUSY = 0.7  #: added strength per grey level of local activity
QUIET = 0.3  #: grey levels of activity that count as flat
BLACK, SHADE = 8.0, 64.0  #: from this luma on the mark grows, up to this one
IN_BLACK = 0.35  #: share of strength that is left in black
PSNR = 43.4  #: no picture is changed by more than this, in dB (the goal is 43)
ROUNDING = 1 / 12  #: mean square of rounding to whole grey levels


class Marker:
    """The mark of one film, for pictures of one upright size; see `carriers` for the pattern.

    The strength in grey levels follows the picture: local activity (mean absolute deviation from the local mean) hides
    the mark, near black it fades. Every picture keeps a PSNR of `PSNR` dB or better. Not for several threads at once.
    """

    def __init__(self, film: FilmId, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise ValueError(f"a picture has at least 1x1 pixels, got {width}x{height}")
        self.film, self.width, self.height = film, width, height
        self._buffer = np.empty((height, width), np.float32)  # getting new memory for every picture costs 3 ms at 720p

    def delta(self, luma: U8) -> F32:
        """What to add to the upright luma plane, uint8 (H, W): float32 (H, W), grey levels."""
        return self._delta(luma).copy()

    def _delta(self, luma: U8) -> F32:
        """`delta` in the buffer, which the next call overwrites."""
        check("luma", luma, (self.height, self.width), np.uint8)
        size = self.width, self.height
        cv2.resize(_strength(luma), size, dst=self._buffer, interpolation=cv2.INTER_LINEAR)
        cv2.multiply(self._buffer, _pattern(self.film, *size), dst=self._buffer)
        return self._buffer

    def mark_luma(self, luma: U8) -> U8:
        """The upright luma plane, uint8 (H, W), with the mark."""
        return np.asarray(cv2.add(luma, self._delta(luma), dtype=cv2.CV_8U), np.uint8)

    def mark_rgb(self, pixels: U8) -> U8:
        """A still, uint8 (H, W, 3) RGB, with the mark: red, green and blue change alike, so only luma does."""
        check("pixels", pixels, (self.height, self.width, 3), np.uint8)
        delta = self._delta(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8))
        return np.asarray(cv2.add(pixels, cv2.merge([delta, delta, delta]), dtype=cv2.CV_8U), np.uint8)

    def mark(self, picture: U8) -> U8:
        """`mark_luma` or `mark_rgb`, by shape; a picture of another size gets the mark for its own size."""
        height, width = picture.shape[:2]
        same = (width, height) == (self.width, self.height)
        marker = self if same else Marker(self.film, width, height)
        return marker.mark_luma(picture) if picture.ndim == 2 else marker.mark_rgb(picture)


@lru_cache(maxsize=4)
def _pattern(film: FilmId, width: int, height: int) -> F32:
    side = period(width, height)
    copies = -(-height // side), -(-width // side)
    return np.ascontiguousarray(np.tile(tile(film, side), copies)[:height, :width])


def _strength(luma: U8) -> F32:
    """Root mean square of the mark, grey levels: float32, COARSE times smaller than the picture."""
    height, width = luma.shape
    size = max(1, width // COARSE), max(1, height // COARSE)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    activity = cv2.blur(cv2.absdiff(small, cv2.blur(small, (3, 3))), (3, 3))
    activity = cv2.blur(cv2.erode(activity, np.ones((3, 3), np.uint8)), (3, 3))  # flat next to an edge is flat
    strength = np.clip(FLAT + BUSY * (activity - QUIET), FLAT, STRONGEST)
    strength *= np.clip((small - BLACK) / (SHADE - BLACK), IN_BLACK, 1)
    most = 255.0**2 / 10 ** (PSNR / 10) - ROUNDING
    strength *= min(1.0, float(np.sqrt(most / np.square(strength).mean())))
    return np.asarray(strength, np.float32)
