"""Square crops of a frame for the networks, without aliasing."""

import cv2
import numpy as np

from doublecast.types import F64, U8

SHRINK = 2.5  #: frame pixels per crop pixel from which the frame is averaged down first


def sample(pixels: U8, matrix: F64, size: int) -> U8:
    """Cut a square crop: uint8 (size, size, 3) from a frame (H, W, 3), edges repeated outside the frame.

    matrix: float64 (2, 3), frame pixel centres to crop pixel centres (a similarity). Bilinear; where the crop is much
    smaller than its part of the frame, that part is first averaged over whole pixels.
    """
    step = 1 / np.sqrt(max(abs(float(np.linalg.det(matrix[:, :2]))), 1e-12))
    if step >= SHRINK:
        pixels, matrix = _shrink(pixels, matrix, size, int(step / SHRINK) + 1)
    return np.asarray(
        cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _shrink(pixels: U8, matrix: F64, size: int, factor: int) -> tuple[U8, F64]:
    """The part of the frame under the crop averaged over factor x factor pixels, and the matrix that then holds."""
    height, width = pixels.shape[:2]
    inverse = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[0, 0], [size, 0], [0, size], [size, size]]) - matrix[:, 2]) @ inverse.T
    low = np.floor(corners.min(0)).astype(int) - factor
    high = np.ceil(corners.max(0)).astype(int) + factor
    x0, y0 = max(0, min(int(low[0]), width - factor)), max(0, min(int(low[1]), height - factor))
    columns = (min(width, max(int(high[0]), x0 + factor)) - x0) // factor
    rows = (min(height, max(int(high[1]), y0 + factor)) - y0) // factor
    if columns < 1 or rows < 1:
        return pixels, matrix
    part = pixels[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
    small = np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    # small pixel centre u lies at frame pixel centre x0 + (u + .5) * factor - .5
    offset = np.array([x0, y0]) + (factor - 1) / 2
    return small, np.hstack([matrix[:, :2] * factor, (matrix[:, :2] @ offset + matrix[:, 2])[:, None]])
