"""What happens to films on their way: compression, scaling, cutting, turning, other tones."""

import io
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import av
import cv2
import numpy as np

from doublecast.types import U8
from doublecast.video.colour import plane

Planes: TypeAlias = tuple[U8, U8, U8]  #: Y' (H, W), Cb and Cr (H/2, W/2) of one picture; sides are even
Clip: TypeAlias = list[Planes]
RATE = 25  #: frames per second
CRF = 23  #: of the compression that follows every change of the picture


def planes(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> Planes:
    """Copies of a frame's planes as yuv420p, scaled to (width, height) where that is given."""
    width, height = size or (frame.width - frame.width % 2, frame.height - frame.height % 2)
    if frame.format.name != "yuv420p" or (frame.width, frame.height) != (width, height):
        frame = frame.reformat(width, height, "yuv420p", interpolation="BICUBIC")
    return plane(frame, 0).copy(), plane(frame, 1).copy(), plane(frame, 2).copy()


def compressed(clip: Iterable[Planes], crf: int, *, codec: str = "libx264", rate: int = RATE) -> Clip:
    """What comes back after H.264 ('veryfast') or HEVC ('superfast') at this constant quality."""
    return list(decoded(encoded(clip, crf, codec=codec, rate=rate)))


def encoded(clip: Iterable[Planes], crf: int, *, codec: str = "libx264", rate: int = RATE) -> io.BytesIO:
    """The compressed clip as a Matroska file in memory."""
    data = io.BytesIO()
    options = {"crf": str(crf), "preset": "veryfast"}
    if codec == "libx265":
        options |= {"preset": "superfast", "x265-params": "log-level=none"}
    with av.open(data, mode="w", format="matroska") as film:
        stream: Any = film.add_stream(codec, rate=rate, options=options)
        for number, picture in enumerate(clip):
            height, width = picture[0].shape
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            frame = av.VideoFrame(width, height, "yuv420p")
            for k in range(3):
                plane(frame, k)[:] = picture[k]
            frame.pts, frame.time_base = number, Fraction(1, rate)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    data.seek(0)
    return data


def decoded(data: io.BytesIO) -> Iterable[Planes]:
    """The pictures of a file in memory."""
    with av.open(data, mode="r") as film:
        for frame in film.decode(video=0):
            yield planes(frame)


def changed(clip: Sequence[Planes], change: Callable[[U8, int], U8]) -> Clip:
    """Every plane changed; the second argument says how many times coarser the plane is (1 for Y', else 2)."""
    return [(change(y, 1), change(cb, 2), change(cr, 2)) for y, cb, cr in clip]


def scaled(clip: Sequence[Planes], width: float, height: float) -> Clip:
    """Scaled to (width, height), rounded to even sides."""
    across, down = 2 * round(width / 2), 2 * round(height / 2)
    way = cv2.INTER_AREA if across * down < clip[0][0].size else cv2.INTER_CUBIC

    def change(values: U8, coarse: int) -> U8:
        return np.asarray(cv2.resize(values, (across // coarse, down // coarse), interpolation=way), np.uint8)

    return changed(clip, change)


def times(clip: Sequence[Planes], width: float, height: float) -> Clip:
    """Scaled by these factors."""
    tall, wide = clip[0][0].shape
    return scaled(clip, wide * width, tall * height)


def cropped(clip: Sequence[Planes], share: float) -> Clip:
    """Without this share of the picture on each side."""
    tall, wide = clip[0][0].shape
    y, x = 2 * round(share * tall / 2), 2 * round(share * wide / 2)
    return changed(clip, lambda p, n: np.ascontiguousarray(p[y // n : (tall - y) // n, x // n : (wide - x) // n]))


def turned(clip: Sequence[Planes], degrees: float) -> Clip:
    """Turned about the middle; the corners become black."""

    def change(values: U8, coarse: int) -> U8:
        height, width = values.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
        black = 16 if coarse == 1 else 128
        return np.asarray(
            cv2.warpAffine(values, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=black), np.uint8
        )

    return changed(clip, change)


def toned(
    clip: Sequence[Planes],
    *,
    brightness: float = 0.0,
    contrast: float = 1.0,
    gamma: float = 1.0,
    saturation: float = 1.0,
) -> Clip:
    """Other tones, on limited-range Y'CbCr: brightness and contrast as in y * contrast + brightness (0-1 for y)."""
    light = (np.arange(256) - 16) / 219
    light = np.clip((light - 0.5) * contrast + 0.5 + brightness, 0, 1) ** gamma
    curves = light * 219 + 16, np.clip((np.arange(256) - 128) * saturation + 128, 0, 255)
    tables = [np.rint(curve).astype(np.uint8) for curve in curves]
    return changed(clip, lambda p, n: tables[n - 1][p])


def faster(clip: Sequence[Planes], old: int, new: int) -> Clip:
    """From ``old`` to ``new`` frames per second by showing some pictures twice."""
    return [clip[number * old // new] for number in range(len(clip) * new // old)]


def messenger(clip: Sequence[Planes]) -> Clip:
    """Made smaller to 480 lines (848x480 for 16:9) and compressed at CRF 28, twice."""
    tall, wide = clip[0][0].shape
    factor = 480 / min(tall, wide)
    return compressed(compressed(scaled(clip, wide * factor, tall * factor), 28), 28)


def and_back(clip: Sequence[Planes]) -> Clip:
    """Half the size, compressed, and enlarged to the size that it had."""
    tall, wide = clip[0][0].shape
    return scaled(compressed(times(clip, 0.5, 0.5), CRF), wide, tall)


ATTACKS: dict[str, Callable[[Clip], Clip]] = {
    **{f"H.264 CRF {crf}": lambda c, crf=crf: compressed(c, crf) for crf in (18, 23, 28, 32)},  # type: ignore[misc]
    "HEVC CRF 28": lambda c: compressed(c, 28, codec="libx265"),
    "half size": lambda c: compressed(times(c, 0.5, 0.5), CRF),
    "half size and back": lambda c: compressed(and_back(c), CRF),
    "1.5 times the size": lambda c: compressed(times(c, 1.5, 1.5), CRF),
    "crop of 10 % per side": lambda c: compressed(cropped(c, 0.1), CRF),
    "brightness": lambda c: compressed(toned(c, brightness=0.12), CRF),
    "contrast": lambda c: compressed(toned(c, contrast=0.7), CRF),
    "gamma": lambda c: compressed(toned(c, gamma=1.4), CRF),
    "saturation": lambda c: compressed(toned(c, saturation=1.6), CRF),
    "25 to 30 fps": lambda c: compressed(faster(c, 25, 30), CRF, rate=30),
    "turned by 2 degrees": lambda c: compressed(turned(c, 2), CRF),
    "stretched to 4:3": lambda c: compressed(times(c, 0.75, 1), CRF),
    "messenger": messenger,
}  #: by name; each gets the film as it was decoded
