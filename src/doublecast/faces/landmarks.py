"""478 landmarks of one face: a rotated square of the frame into the attention mesh, its points back into the frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from doublecast.faces.attention import load_split, region_matrix, sample_regions
from doublecast.faces.network import Network, sigmoid
from doublecast.faces.sampling import sample
from doublecast.types import F32, F64, MESH, POINTS, U8

SIDE = 192  #: side of the crop that the mesh network sees
MARGIN = 1.5  #: side of the region in face sizes (MediaPipe's own)
FEATURES = 48  #: side of the feature map that the refinement samples
FOLLOW = 0.08  #: motion, in region sizes, that the region follows at once
LEAST = 0.1  #: part of the way that it goes in any case
IRIS = 5  #: points per iris


@dataclass(frozen=True, slots=True)
class Roi:
    """The square that the mesh network looks at: centre (frame pixels), side (pixels) and roll (radians)."""

    x: float
    y: float
    size: float
    angle: float

    def matrix(self, side: int) -> F64:
        """Frame pixel centres to crop pixel centres: float64 (2, 3), crop of ``side`` pixels."""
        k = side / self.size
        c, s = np.cos(self.angle) * k, np.sin(self.angle) * k
        middle = side / 2 - 0.5
        return np.array(
            [[c, s, middle - c * self.x - s * self.y], [-s, c, middle + s * self.x - c * self.y]], np.float64
        )

    def follow(self, new: "Roi") -> "Roi":
        """The region of the next frame, given the one that this frame's landmarks ask for: small motion is followed
        slowly, motion of `FOLLOW` region sizes or more at once. The network's answer depends a little on where the
        face lies in its crop, so this lowers the jitter of still heads (by 5-14 %) and, unlike a dead zone, which
        jumps when it is left, does not raise that of moving ones."""
        turn = (new.angle - self.angle + np.pi) % (2 * np.pi) - np.pi
        dx, dy, growth = new.x - self.x, new.y - self.y, new.size - self.size
        motion = max(abs(dx), abs(dy), abs(growth)) / self.size
        part = float(np.clip(max(motion, abs(turn) / 1.5) / FOLLOW, LEAST, 1))
        return Roi(self.x + part * dx, self.y + part * dy, self.size + part * growth, self.angle + part * turn)

    @classmethod
    def of_points(cls, points: F32) -> "Roi":
        """The region for the next frame, from landmarks (478, 3)."""
        low, high = points[:MESH, :2].min(0), points[:MESH, :2].max(0)
        x, y = ((low + high) / 2).tolist()
        dx, dy = (points[263, :2] - points[33, :2]).tolist()
        return cls(x, y, MARGIN * float((high - low).max()), float(np.arctan2(dy, dx)))

    @classmethod
    def of_detection(cls, points: F64) -> "Roi":
        """The region of a detected face: points float64 (8, 2) as in `detect.Detection.points`."""
        x, y = points[:2].mean(0).tolist()
        dx, dy = (points[3] - points[2]).tolist()
        return cls(x, y, MARGIN * float((points[1] - points[0]).max()), float(np.arctan2(dy, dx)))


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """What the mesh network says. points: float32 (478, 3) frame pixels. presence: 0-1, is this a face.
    crop: uint8 (192, 192, 3) RGB, what it looked at."""

    points: F32
    presence: float
    crop: U8


class Landmarker:
    """The attention mesh on LiteRT: 3.5 ms a face on one core."""

    def __init__(self, *, threads: int = 1, folder: Path | None = None) -> None:
        parts = load_split(folder=folder)
        self._first = Network(parts.first, threads=threads)
        self._second = Network(parts.second, threads=threads)
        self._regions = parts.regions
        # outputs of the second model: lips, eye, iris, eye, iris; the irises lie in the regions of their eyes
        irises = [np.arange(MESH, MESH + IRIS), np.arange(MESH + IRIS, POINTS)]
        lips, left, right = (region.points for region in self._regions)
        self._refined = [(0, lips), (1, left), (1, irises[0]), (2, right), (2, irises[1])]

    def __call__(self, pixels: U8, roi: Roi) -> Mesh:
        """Landmarks of the face in ``roi``. pixels: uint8 (H, W, 3) RGB."""
        matrix = roi.matrix(SIDE)
        crop = sample(pixels, matrix, SIDE)
        features, mesh, flag = self._first(np.multiply(crop, np.float32(1 / 255), dtype=np.float32)[None])
        points = np.zeros((POINTS, 3), np.float32)
        points[:MESH] = mesh.reshape(-1, 3)
        self._refine(points, features[0])
        # the network counts from the corner of the first pixel, not from its centre
        linear = np.linalg.inv(matrix[:, :2])
        points[:, :2] = (points[:, :2] - (0.5 + matrix[:, 2])) @ linear.T
        points[:, 2] *= roi.size / SIDE
        return Mesh(points, float(sigmoid(flag).item()), crop)

    def _refine(self, points: F32, features: F32) -> None:
        """Replace lips and eyes by their refined places and add the irises, in place, crop coordinates."""
        zoom = SIDE / FEATURES
        mesh = points[:MESH] / np.float32(zoom)
        matrices = np.stack([region_matrix(mesh, region) for region in self._regions])
        grids = sample_regions(features, matrices, self._regions[0].size)
        outputs = self._second(*(grid[None] for grid in grids))
        for (number, targets), xy in zip(self._refined, outputs, strict=True):
            matrix = matrices[number]
            # the model counts in quarters of a grid pixel, as the mesh counts in quarters of a feature pixel
            points[targets, :2] = xy[0] @ matrix[:, :2].T + matrix[:, 2] * np.float32(zoom)
        for eye, first in ((self._regions[1], MESH), (self._regions[2], MESH + IRIS)):
            points[first : first + IRIS, 2] = points[eye.points[:16], 2].mean()
