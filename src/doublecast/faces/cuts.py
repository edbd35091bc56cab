"""Cuts: the picture changes all over from one frame to the next, far more than it did in the frames before."""

from collections import deque

import cv2
import numpy as np

from doublecast.types import U8

ROWS = 24  #: rows of the small picture that is compared
LEAST = 14.0  #: mean difference (0-255) below which nothing is a cut
TIMES = 3.0  #: how many times the recent median difference a cut has to be
RECENT = 9  #: frames that make the median
LITTLE = 3  #: with fewer frames than this before, a cut has to be twice as clear


class CutDetector:
    """Tells hard cuts in a stream of frames, about .1 ms a frame.

    Mean absolute difference of small pictures against a threshold that follows the motion of the shot (the idea of
    PySceneDetect's AdaptiveDetector, without looking ahead). A flash may count as a cut; a dissolve does not.
    """

    def __init__(self) -> None:
        self._last: U8 | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def step(self, pixels: U8) -> bool:
        """True if ``pixels``, uint8 (H, W, 3), begin a new shot; True for the first frame."""
        small = self._small(pixels)
        last, self._last = self._last, small
        if last is None or last.shape != small.shape:
            return True
        change = float(cv2.absdiff(small, last).mean())
        usual = float(np.median(self._recent)) if self._recent else 0.0
        least = LEAST if len(self._recent) >= LITTLE else 2 * LEAST
        self._recent.append(change)  # a cut as well: it hardly moves the median, while lasting fast motion does
        return change > max(least, TIMES * usual)

    @staticmethod
    def _small(pixels: U8) -> U8:
        height, width = pixels.shape[:2]
        step = max(1, min(height, width) // (4 * ROWS))
        columns = max(1, round(ROWS * width / height))
        sparse = np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step])
        return np.asarray(cv2.resize(sparse, (columns, ROWS), interpolation=cv2.INTER_AREA), np.uint8)
