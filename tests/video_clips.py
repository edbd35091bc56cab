"""Small clips made on the spot, with every oddity that real ones have."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from doublecast.types import U8, Patch

ORANGE = (200, 60, 40)


def picture(number: int, width: int = 96, height: int = 64) -> U8:
    """A smooth coloured picture, unlike its mirror image and its turned self, that moves with ``number``."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rgb = np.stack([60 + 120 * x, 200 - 130 * y, 80 + 60 * x * y], -1)
    rgb[: height // 4, : width // 4] = (220, 220, 60)
    rgb[height // 2 :, (number * 4) % (width - 8) :][: height // 4, :8] = (40, 90, 200)
    return cv2.blur(rgb.astype(np.uint8), (3, 3)).astype(np.uint8)


def box(x: int, y: int, width: int, height: int, colour: tuple[int, int, int] = ORANGE) -> Patch:
    """A patch of one colour."""
    return Patch(x, y, np.full((height, width, 3), colour, np.uint8), np.ones((height, width), np.bool_))


def make_clip(
    path: Path,
    *,
    count: int = 12,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    rate: Fraction = Fraction(25),
    matrix: int = 2,
    tags: tuple[int, int] = (2, 2),
    full: int = 0,
    rotation: int = 0,
    mirror: bool = False,
    audio: str | None = None,
    audio_start: float = 0.0,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write a clip of `picture`; matrix, tags and full are H.273 numbers, 2 / 2 / 0 for untagged."""
    times = list(pts) if pts is not None else list(range(count))
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = *size, pix_fmt, time_base
        context = stream.codec_context
        context.time_base = time_base
        context.colorspace, context.color_range = matrix, full
        context.color_primaries, context.color_trc = tags
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if codec.startswith("libx264"):
            stream.options = {"crf": "4", "preset": "ultrafast", **(options or {})}
        if rotation or mirror:
            stream.set_display_rotation(rotation, hflip=mirror)
        sound: Any = out.add_stream(audio, rate=48000, layout="stereo") if audio else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, *size))
            space = {1: 1, 5: 5, 6: 5, 9: 9}.get(matrix, 1 if size[1] >= 720 else 5)
            if pix_fmt not in {"rgb24", "bgr0", "gbrp", "rgba"}:
                frame = frame.reformat(
                    format=pix_fmt, dst_colorspace=space, src_color_range=2, dst_color_range=full or 1
                )
            else:
                frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, time_base
            frame.colorspace, frame.color_range = matrix, full
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            _tone(out, sound, audio_start, float((times[-1] - times[0] + 1) * time_base))
    return path


def _tone(out: Any, stream: Any, start: float, seconds: float) -> None:
    wave = (np.sin(np.arange(int(48000 * seconds)) * 0.06) * 8000).astype(np.int16)
    for at in range(0, len(wave) - 1023, 1024):
        block = np.repeat(wave[at : at + 1024], 2)[None]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), round(start * 48000) + at
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def sound(path: Path) -> tuple[str, float, float, int]:
    """Codec, first time, last time and number of samples of a file's sound."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        frames = [f for f in source.decode(stream) if f.pts is not None]
        return (
            stream.codec_context.name,
            float(frames[0].time or 0),
            float(frames[-1].time or 0),
            sum(frame.samples for frame in frames),
        )
