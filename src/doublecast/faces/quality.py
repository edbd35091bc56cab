"""Cheap measures of one face: how open eyes and mouth are, and how sharp the picture of it is."""

import cv2
import numpy as np

from doublecast.types import F32, MESH, U8

SIDE = 112  #: side to which a face is brought before its sharpness is measured

# corner, corner, three upper and three lower points of each opening
_EYES = ((33, 133, (159, 158, 160), (145, 153, 144)), (263, 362, (386, 385, 387), (374, 380, 373)))
_MOUTH = (78, 308, (13, 82, 312), (14, 87, 317))


def _aperture(points: F32, opening: tuple[int, int, tuple[int, ...], tuple[int, ...]]) -> float:
    a, b, upper, lower = opening
    gap = np.linalg.norm(points[list(upper), :2] - points[list(lower), :2], axis=1).mean()
    return float(gap / (np.linalg.norm(points[a, :2] - points[b, :2]) + 1e-9))


def eyes(points: F32) -> tuple[float, float]:
    """Height / width of the image-left and image-right eye: about .25-.4 open, < .12 closed. points: (478, 3)."""
    return _aperture(points, _EYES[0]), _aperture(points, _EYES[1])


def mouth(points: F32) -> float:
    """Gap between the inner lips / width of the mouth: 0 closed. points: (478, 3)."""
    return _aperture(points, _MOUTH)


def sharpness(pixels: U8, points: F32) -> float:
    """Variance of the Laplacian over the variance of the grey values, the face brought to 112 px.

    About .02 blurred, .1-.5 sharp. Because the face is brought to one size, a tiny face counts as soft. 0 where less
    than 8 px of the face lie in the frame. pixels: uint8 (H, W, 3) RGB. points: (478, 3) frame pixels.
    """
    height, width = pixels.shape[:2]
    low, high = points[:MESH, :2].min(0), points[:MESH, :2].max(0)
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(width, int(high[0]) + 1), min(height, int(high[1]) + 1)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return 0.0
    method = cv2.INTER_AREA if y1 - y0 > SIDE else cv2.INTER_LINEAR
    small = cv2.resize(pixels[y0:y1, x0:x1], (SIDE, SIDE), interpolation=method)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    _, detail = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    _, contrast = cv2.meanStdDev(grey)
    return float(detail[0, 0] ** 2 / (contrast[0, 0] ** 2 + 1.0))
