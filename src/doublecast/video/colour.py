"""Between Y'CbCr and R'G'B': matrices, ranges and the tags that say which.

Numbers of tags are those of ITU-T H.273, as FFmpeg uses them. The matrix equations are those of BT.601, BT.709 and
BT.2020 (non-constant luminance); only matrix and range are undone, never the transfer curve, so HDR keeps its
code values.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

from doublecast.types import F32, U8

Matrix: TypeAlias = Literal["bt601", "bt709", "bt2020", "smpte240m", "fcc"]
WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}  #: share of red and of blue in luma
TAGS: dict[int, Matrix] = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
SWSCALE: dict[Matrix, int] = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
UNSPECIFIED, LIMITED, FULL = 2, 1, 2
PLANAR = frozenset({"yuv420p", "yuvj420p"})  #: 8 bits, 4:2:0, three planes: what the encoder takes


@dataclass(frozen=True)
class Colour:
    """How the picture's Y'CbCr is meant.

    matrix and full: what is used. space, primaries, transfer, range: the H.273 numbers that the film carries
    (2, 2, 2, 0: none).
    """

    matrix: Matrix
    full: bool
    space: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    range: int = 0

    def to_ycc(self) -> F32:
        """float32 (3, 4): (Y, Cb, Cr) = M @ (R, G, B, 1), all in 0-255."""
        red, blue = WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        rows = np.stack(
            [luma, (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)), (np.array([1, 0, 0]) - luma) / (2 * (1 - red))]
        )
        scale, offset = ([1, 1, 1], [0, 128, 128]) if self.full else ([219 / 255, 224 / 255, 224 / 255], [16, 128, 128])
        return np.hstack([rows * np.array(scale)[:, None], np.array(offset)[:, None]]).astype(np.float32)


def colour_of(frame: av.VideoFrame) -> Colour:
    """Colour of a decoded frame. Without a tag: BT.601 below 720 lines, else BT.709; limited range.

    Grey is full range unless tagged, as in FFmpeg. RGB material is tagged with the matrix that is chosen for the film.
    """
    guess: Matrix = "bt709" if frame.height >= 720 else "bt601"
    name = frame.format.name
    if is_rgb(frame):
        space = 1 if guess == "bt709" else 6
        return Colour(guess, False, space, int(frame.color_primaries), int(frame.color_trc), LIMITED)
    grey = name.startswith(("gray", "ya"))
    full = frame.color_range == FULL or name.startswith("yuvj") or (grey and frame.color_range != LIMITED)
    return Colour(
        TAGS.get(int(frame.colorspace), guess),
        full,
        int(frame.colorspace) if int(frame.colorspace) in TAGS else UNSPECIFIED,
        int(frame.color_primaries),
        int(frame.color_trc),
        FULL if full else int(frame.color_range),
    )


def is_rgb(frame: av.VideoFrame) -> bool:
    """Whether the frame is RGB (packed, planar or with a palette)."""
    return frame.format.is_rgb or frame.format.name == "pal8"


def plane(frame: av.VideoFrame, index: int) -> U8:
    """One plane of an 8-bit planar frame as a writable view, uint8 (rows, columns)."""
    data = frame.planes[index]
    return _rows(data)[:, : data.width]


def _rows(data: VideoPlane) -> U8:
    rows: U8 = np.frombuffer(cast(memoryview, data), np.uint8)[: data.height * data.line_size]
    return rows.reshape(data.height, data.line_size)


class Converter:
    """Turns decoded frames into 8-bit 4:2:0 planes and those into RGB; keeps FFmpeg's scalers between frames.

    exact: RGB is right to half a step (3-4 ms at 720p), otherwise to 3 steps and up to 1.4 too dark (0.3 ms).
    Chroma is repeated, not interpolated, so that RGB goes back into the same planes.
    """

    def __init__(self, colour: Colour, width: int, height: int, *, exact: bool = True) -> None:
        self.colour, self.width, self.height = colour, width, height
        self._flags = Interpolation.POINT
        if exact:
            self._flags |= Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        self._planes, self._rgb = VideoReformatter(), VideoReformatter()

    def planes(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame in yuv420p, 8 bits, of the take's size; itself if it is so already. Alpha is dropped."""
        fits = (frame.width, frame.height) == (self.width, self.height)
        if frame.format.name in PLANAR and fits:
            return frame
        if fits and frame.format.name.startswith(("gray", "ya")):
            return self._grey(frame)
        space, range_ = SWSCALE[self.colour.matrix], FULL if self.colour.full else LIMITED
        return self._planes.reformat(
            frame,
            width=self.width,
            height=self.height,
            format="yuv420p",
            src_colorspace=space,
            dst_colorspace=space,
            src_color_range=FULL if is_rgb(frame) else range_,
            dst_color_range=range_,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
            threads=1,
        )

    def _grey(self, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.format.name != "gray":
            frame = self._planes.reformat(frame, format="gray", src_color_range=FULL, dst_color_range=FULL, threads=1)
        out = av.VideoFrame(self.width, self.height, "yuv420p")
        plane(out, 0)[:] = plane(frame, 0)
        plane(out, 1)[:] = plane(out, 2)[:] = 128
        out.pts, out.time_base, out.duration = frame.pts, frame.time_base, frame.duration
        return out

    def rgb(self, frame: av.VideoFrame) -> U8:
        """RGB of a frame that `planes` returned: uint8 (H, W, 3), not rotated."""
        space = SWSCALE[self.colour.matrix]
        out = self._rgb.reformat(
            frame,
            format="rgb24",
            src_colorspace=space,
            dst_colorspace=space,
            src_color_range=FULL if self.colour.full else LIMITED,
            dst_color_range=FULL,
            interpolation=self._flags,
            threads=1,
        )
        rows = _rows(out.planes[0])[:, : 3 * self.width]
        return np.ascontiguousarray(rows).reshape(self.height, self.width, 3)

    def from_rgb(self, pixels: U8) -> av.VideoFrame:
        """uint8 (H, W, 3) RGB as yuv420p in this colour."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return self.planes(frame)
