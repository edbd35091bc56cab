"""Short clips of real and composed people for the tests of whole jobs."""

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

import doublecast
from doublecast.types import U8

ACTOR = "footage/grid/s1/bbaf2n.mpg"
ACTOR_AGAIN = "footage/grid/s1/bbaf3s.mpg"
TARGET = "footage/grid/other/sbia1a.mpg"
BASIS = "research:GRID corpus, CC BY 4.0"
CONSENT = ["--consent", BASIS]  #: of one side, for `doublecast extract`
CONSENTS = ["--actor-consent", BASIS, "--target-consent", BASIS]  #: of both, for `doublecast swap`


def environment() -> dict[str, str]:
    """Environment in which another process finds the package under test."""
    return {**os.environ, "PYTHONPATH": str(Path(doublecast.__file__).parents[1])}


def frames(path: Path, count: int = 1000) -> Iterator[U8]:
    """The first frames of a clip."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == count:
                return
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def write(
    path: Path, pictures: Iterable[U8], *, pix_fmt: str = "yuv420p", codec: str = "libx264", rotation: int = 0
) -> Path:
    """Write pictures as a clip of 25 frames a second; rotation: of the display matrix, degrees anticlockwise."""
    with av.open(str(path), "w") as out:
        stream: Any = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = out.add_stream(codec, rate=Fraction(25))
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], pix_fmt
                if codec == "libx264":
                    stream.options = {"crf": "12", "preset": "ultrafast"}
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame.reformat(format=pix_fmt)))
        out.mux(stream.encode(None))
    return path


def empty_room(count: int, size: tuple[int, int] = (240, 320)) -> Iterator[U8]:
    """Pictures without anybody."""
    ramp = np.linspace(40, 160, size[0] * size[1]).reshape(size)
    for number in range(count):
        yield np.repeat(np.roll(ramp, number, 1)[..., None], 3, 2).astype(np.uint8)


def count_frames(path: Path) -> int:
    """Frames that can be decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
