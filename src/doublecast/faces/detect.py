"""Face detection: BlazeFace "back" on the whole frame, "full range" on tiles for small faces.

BlazeFace (Bazarevsky et al. 2019) with its anchors and weighted non-maximum suppression, as in MediaPipe.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from doublecast.faces.network import Network, sigmoid
from doublecast.types import F32, F64, U8
from doublecast.weights import ensure

OVERLAP_SAME = 0.3  #: boxes that overlap more are the same face
TILE_PIXELS = 400  #: smallest side of a tile
TILE_PART = 0.4  #: side of a tile as part of the frame's longer side
TILE_OVERLAP = 0.2  #: how much neighbouring tiles share


@dataclass(frozen=True, slots=True)
class _Kind:
    weights: str
    side: int
    layers: tuple[tuple[int, int], ...]  # (cells per side, anchors per cell)


_KINDS = {
    "back": _Kind("face_detection_back", 256, ((16, 2), (8, 6))),
    "full": _Kind("face_detection_full", 192, ((48, 1),)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One detected face. points: float64 (8, 2) frame pixels: the box's top left and bottom right corner, then
    image-left eye, image-right eye, nose tip, mouth, image-left and image-right ear. score: 0-1."""

    points: F64
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in frame pixels."""
        (left, top), (right, bottom) = self.points[:2].tolist()
        return left, top, right, bottom


class Detector:
    """BlazeFace. ``back`` sees faces from about 1/25 of the longer side (10 ms), ``full`` is meant for tiles (9 ms)."""

    def __init__(self, kind: Literal["back", "full"] = "back", *, threads: int = 1, folder: Path | None = None) -> None:
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
        self._kind = _KINDS[kind]
        self._network = Network(ensure(self._kind.weights, folder=folder), threads=threads)
        self._anchors = anchors(self._kind.layers)

    def __call__(self, pixels: U8, *, threshold: float = 0.5) -> list[Detection]:
        """Faces in a frame, best first. pixels: uint8 (H, W, 3) RGB."""
        return _detections(*suppress(*self._raw(pixels, threshold)))

    def tiles(self, pixels: U8, *, threshold: float = 0.5) -> list[Detection]:
        """Faces found in overlapping square tiles; boxes cut by an inner edge of a tile are left to the neighbour."""
        height, width = pixels.shape[:2]
        points, scores = [], []
        for x0, y0, x1, y1 in tile_grid(width, height):
            p, c = suppress(*self._raw(pixels[y0:y1, x0:x1], threshold))
            box, edge = p[:, :2].reshape(-1, 4), 2.0
            whole = (box[:, 0] > edge) | (x0 == 0)
            whole &= (box[:, 1] > edge) | (y0 == 0)
            whole &= (box[:, 2] < x1 - x0 - edge) | (x1 == width)
            whole &= (box[:, 3] < y1 - y0 - edge) | (y1 == height)
            points.append(p[whole] + np.array([x0, y0]))
            scores.append(c[whole])
        return _detections(*suppress(np.concatenate(points), np.concatenate(scores)))

    def _raw(self, pixels: U8, threshold: float) -> tuple[F64, F32]:
        """Everything above the threshold: points float64 (N, 8, 2) in pixels of the picture, scores (N,)."""
        height, width = pixels.shape[:2]
        side = self._kind.side
        scale = side / max(height, width)
        small_w, small_h = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        left, top = (side - small_w) // 2, (side - small_h) // 2
        # BlazeFace is trained with black borders; -1 is black
        x = np.full((1, side, side, 3), -1, np.float32)
        small = cv2.resize(pixels, (small_w, small_h), interpolation=method)
        inside = x[0, top : top + small_h, left : left + small_w]
        np.multiply(small, np.float32(1 / 127.5), out=inside, dtype=np.float32)
        inside -= 1
        boxes, logits = self._network(x)
        scores = sigmoid(logits.reshape(-1))
        keep = np.flatnonzero(scores > threshold)
        raw = boxes.reshape(-1, 8, 2)[keep].astype(np.float64) / side
        anchor = self._anchors[keep][:, None]
        centre, half = raw[:, :1] + anchor, raw[:, 1:2] / 2
        points = np.concatenate([centre - half, centre + half, raw[:, 2:] + anchor], 1) * side
        # network pixels count from the corner, ours from the centre of the first pixel
        points = (points - np.array([left, top])) * np.array([width / small_w, height / small_h]) - 0.5
        return points, scores[keep]


def _detections(points: F64, scores: F32) -> list[Detection]:
    return [Detection(p, float(c)) for p, c in zip(points, scores, strict=True)]


def anchors(layers: tuple[tuple[int, int], ...]) -> F64:
    """Anchor centres as parts of the side: float64 (N, 2). layers: (cells per side, anchors per cell)."""
    rows = []
    for cells, each in layers:
        y, x = np.mgrid[:cells, :cells]
        rows.append(np.repeat((np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells, each, 0))
    return np.concatenate(rows).astype(np.float64)


def overlap(box: F64, boxes: F64) -> F64:
    """Intersection over union of one box (4,) with boxes (N, 4), each left, top, right, bottom."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), 1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    return np.asarray(shared / (np.prod(box[2:] - box[:2]) + areas - shared + 1e-9), np.float64)


def suppress(points: F64, scores: F32) -> tuple[F64, F32]:
    """Weighted non-maximum suppression: overlapping boxes are averaged by score. Points (N, 8, 2), scores (N,)."""
    order = np.argsort(-scores)
    boxes = points[:, :2].reshape(-1, 4)
    kept_points, kept_scores = [], []
    while len(order):
        same = overlap(boxes[order[0]], boxes[order]) > OVERLAP_SAME
        same[0] = True
        group = order[same]
        weight = scores[group].astype(np.float64)
        kept_points.append((points[group] * weight[:, None, None]).sum(0) / weight.sum())
        kept_scores.append(scores[order[0]])
        order = order[~same]
    return np.array(kept_points, np.float64).reshape(-1, 8, 2), np.array(kept_scores, np.float32)


def tile_grid(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Square tiles (left, top, right, bottom) that cover the frame, at most twelve of them."""
    side = max(TILE_PIXELS, round(TILE_PART * max(width, height)))

    def starts(length: int) -> list[int]:
        if length <= side:
            return [0]
        count = int(np.ceil((length - side * TILE_OVERLAP) / (side * (1 - TILE_OVERLAP))))
        return [round(k * (length - side) / (count - 1)) for k in range(count)]

    return [(x, y, min(width, x + side), min(height, y + side)) for y in starts(height) for x in starts(width)]
