"""The nouns that travel the pipeline: Frame -> Face -> Crop. Frozen, and checked where they are made.

Coordinates are (x, y) in pixels with the centre of the top left pixel at (0, 0); x grows right, y down, z away from
the camera in the same unit as x. Pictures are uint8 RGB, layout HWC, upright (rotation metadata applied).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

U8: TypeAlias = npt.NDArray[np.uint8]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
C64: TypeAlias = npt.NDArray[np.complex64]
C128: TypeAlias = npt.NDArray[np.complex128]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
Bool: TypeAlias = npt.NDArray[np.bool_]

POINTS = 478  #: landmarks per face: 468 of the face mesh, then 2 x 5 of the irises
MESH = 468  #: landmarks of the face mesh without the irises
VECTOR = 128  #: length of an identity vector


def check(name: str, array: npt.NDArray[Any], shape: tuple[int | None, ...], dtype: type) -> None:
    """Raise ValueError unless ``array`` has this dtype and shape (None: any length)."""
    fits = array.ndim == len(shape) and all(w is None or n == w for n, w in zip(array.shape, shape, strict=False))
    if not fits or array.dtype != dtype:
        want = "x".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must be {np.dtype(dtype).name} {want}, got {array.dtype} {array.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a take.

    pixels: uint8 (H, W, 3) RGB, upright. index: running number from 0. pts: presentation time in units of time_base.
    native: the decoded frame before colour conversion and rotation (None for pictures).
    """

    pixels: U8
    index: int
    pts: int
    time_base: Fraction
    native: "av.VideoFrame | None" = None

    def __post_init__(self) -> None:
        check("Frame.pixels", self.pixels, (None, None, 3), np.uint8)

    @property
    def seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose in degrees: yaw (positive: the head turns to the image's right), pitch (positive: down), roll."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face in one frame.

    points: float32 (478, 3), frame pixels. track: number of the track within its take. presence: 0-1, the mesh
    model's own certainty. eyes: aperture (height / width) of the image-left and image-right eye, about .25-.4 open,
    < .12 closed. mouth: inner-lip gap / mouth width, 0 closed. sharpness: see `faces.quality.sharpness`.
    vector: float32 (128,) identity vector or None where it was not computed (it is, every few frames of a track).
    """

    points: F32
    track: int
    presence: float
    pose: Pose
    eyes: tuple[float, float]
    mouth: float
    sharpness: float
    vector: F32 | None = None

    def __post_init__(self) -> None:
        check("Face.points", self.points, (POINTS, 3), np.float32)
        if self.vector is not None:
            check("Face.vector", self.vector, (VECTOR,), np.float32)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the mesh points in frame pixels."""
        low, high = self.points[:MESH, :2].min(0), self.points[:MESH, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size(self) -> float:
        """The longer side of `box` in frame pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Similarity transform from frame pixels to crop pixels: ``crop = matrix[:, :2] @ xy + matrix[:, 2]``.

    matrix: float64 (2, 3). size: side of the square crop in pixels.
    """

    matrix: F64
    size: int

    def __post_init__(self) -> None:
        check("Alignment.matrix", self.matrix, (2, 3), np.float64)

    def apply(self, points: npt.NDArray[np.floating[Any]]) -> F32:
        """Frame points (N, 2) or (N, 3) to crop points; z is scaled with x and y."""
        moved = points.astype(np.float32).copy()
        moved[:, :2] = points[:, :2] @ self.matrix[:, :2].T + self.matrix[:, 2]
        if points.shape[1] == 3:
            moved[:, 2] = points[:, 2] * np.sqrt(abs(np.linalg.det(self.matrix[:, :2])))
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """The aligned picture of a face. pixels: uint8 (S, S, 3) RGB with S = alignment.size."""

    pixels: U8
    alignment: Alignment

    def __post_init__(self) -> None:
        check("Crop.pixels", self.pixels, (self.alignment.size, self.alignment.size, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Pixels to put into a frame at (x, y), upright frame coordinates.

    pixels: uint8 (h, w, 3) RGB; mask: bool (h, w), only True pixels are replaced.
    """

    x: int
    y: int
    pixels: U8
    mask: Bool

    def __post_init__(self) -> None:
        check("Patch.pixels", self.pixels, (None, None, 3), np.uint8)
        check("Patch.mask", self.mask, self.pixels.shape[:2], np.bool_)
