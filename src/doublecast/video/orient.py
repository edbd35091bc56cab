"""The display matrix of a stream: how stored pictures are turned to stand upright."""

from dataclasses import dataclass
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)
ONE = 1 << 16  #: 1.0 in the matrix's 16.16 fixed point


@dataclass(frozen=True)
class Orientation:
    """Upright = stored picture, mirrored left to right if ``mirror``, then turned ``turns`` quarters counterclockwise.

    matrix: the nine numbers as stored (FFmpeg's AV_PKT_DATA_DISPLAYMATRIX), None if there are none.
    """

    turns: int = 0
    mirror: bool = False
    matrix: tuple[int, ...] | None = None

    @property
    def rotation(self) -> int:
        """Degrees clockwise: 0, 90, 180 or 270."""
        return -self.turns % 4 * 90

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def upright(self, picture: npt.NDArray[T]) -> npt.NDArray[T]:
        """Stored (H, W, ...) to upright; contiguous."""
        if self.mirror:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture, self.turns))

    def stored(self, picture: npt.NDArray[T]) -> npt.NDArray[T]:
        """Upright (H, W, ...) to stored; contiguous."""
        picture = np.rot90(picture, -self.turns)
        return np.ascontiguousarray(picture[:, ::-1] if self.mirror else picture)

    def stored_corner(self, x: int, y: int, size: tuple[int, int], upright: tuple[int, int]) -> tuple[int, int]:
        """Top left corner, in the stored picture, of a box of ``size`` (width, height) at (x, y) of the upright one."""
        (w, h), (width, height) = size, upright
        for _ in range(self.turns % 4):
            x, y, w, h, width, height = height - y - h, x, h, w, height, width
        return (width - x - w if self.mirror else x), y


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Orientation from the frame's display matrix; angles are rounded to quarter turns."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    numbers = np.frombuffer(bytes(data), np.int32)
    if len(numbers) != 9:
        return Orientation()
    linear = np.array([[numbers[0], numbers[1]], [numbers[3], numbers[4]]], np.float64) / ONE
    mirror = bool(np.linalg.det(linear) < 0)
    if mirror:
        linear[0] *= -1
    turns = round(-np.degrees(np.arctan2(linear[0, 1], linear[0, 0])) / 90) % 4
    if turns == 0 and not mirror:
        return Orientation()
    return Orientation(turns, mirror, tuple(int(n) for n in numbers))
