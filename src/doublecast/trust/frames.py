"""Pictures of any file, a bounded number of them: windows spread over a film, or the picture itself.

Files may be hostile: `verify` runs this in a process of its own (see `sandbox`). Only formats of
`video.container` are opened, and no file names another one or a network address.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from doublecast.types import U8
from doublecast.video import PICTURES, read_picture, read_png_text
from doublecast.video.container import open_container
from doublecast.video.orient import orientation_of
from doublecast.video.takes import natural

MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"RIFF")  #: how pictures begin (RIFF: WebP)
LARGEST = 1 << 27  #: pixels of a picture
HEAVIEST = 500_000_000  #: bytes of a picture file
WHOLE = 40.0  #: seconds of a film that is looked at from end to end
WINDOWS, WINDOW = 16, 2.2  #: of a longer film: so many stretches of so many seconds
MOST = 4000  #: frames that are decoded at all
BUDGET = 60.0  #: seconds of work for decoding and what is done with the frames
SERIES = 32  #: pictures of a folder that are looked at


@dataclass(frozen=True)
class Facts:
    """What a file is. kind: film, picture, pictures (a folder) or "" for neither. size: width, height in pixels.

    seconds: length of a film as far as it is known. comment: what its header says in words.
    """

    kind: str
    size: tuple[int, int] = (0, 0)
    seconds: float | None = None
    comment: str = ""


class Samples:
    """Frames of a file: iterate over (picture, seconds); it is uint8 (H, W, 3) RGB, about once a second of film, else
    (H, W) luma; upright. facts: what the file is."""

    def __init__(self, path: Path) -> None:
        self._end = time.monotonic() + BUDGET
        self._files: list[Path] = []
        self._container: Any = None
        self._shapes = {shape: VideoReformatter() for shape in ("rgb24", "gray")}
        if path.is_dir():
            found = pictures_of(path)
            chosen = np.linspace(0, len(found) - 1, min(SERIES, len(found))).round().astype(int)
            self._files = [found[index] for index in np.unique(chosen)]
            self.facts = replace(self._open_picture(self._files[0]), kind="pictures") if found else Facts("")
        elif _is_picture(path):
            self._files = [path]
            self.facts = self._open_picture(path)
        else:
            self.facts = self._open_film(path)

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()

    def __iter__(self) -> Iterator[tuple[U8, float]]:
        if self._container is not None:
            yield from self._film()
        for number, path in enumerate(self._files):
            pixels = _decoded(path) if time.monotonic() < self._end else None
            if pixels is not None:
                yield pixels, number / 25

    def _open_picture(self, path: Path) -> Facts:
        pixels, comment = _decoded(path), ""
        if pixels is None:
            return Facts("")
        if path.suffix.lower() == ".png":
            with suppress(ValueError, IndexError):  # a damaged chunk
                comment = read_png_text(path).get("Comment", "")
        return Facts("picture", (pixels.shape[1], pixels.shape[0]), None, comment)

    def _open_film(self, path: Path) -> Facts:
        try:
            self._container = open_container(path)
            stream = next(s for s in self._container.streams.video if s.codec_context is not None)
        except (av.FFmpegError, OSError, StopIteration, ValueError):
            self.close()
            self._container = None
            return Facts("")
        self._stream = stream
        seconds = float(self._container.duration / av.time_base) if self._container.duration else None
        context = stream.codec_context
        if not 0 < context.width * context.height <= LARGEST:
            return Facts("")
        comment = str(self._container.metadata.get("comment", "") or self._container.metadata.get("COMMENT", ""))
        return Facts("film", (context.width, context.height), seconds, comment)

    def _film(self) -> Iterator[tuple[U8, float]]:
        length = self.facts.seconds
        starts = [0.0] if length is None or length <= WHOLE else np.linspace(0, length - WINDOW, WINDOWS).tolist()
        left = MOST
        for start in starts:
            until = start + WINDOW if len(starts) > 1 else float("inf")
            for pixels, seconds in self._window(start, until):
                left -= 1
                yield pixels, seconds
                if left <= 0 or time.monotonic() > self._end:
                    return

    def _window(self, start: float, until: float) -> Iterator[tuple[U8, float]]:
        last = -1.0
        with suppress(av.FFmpegError):  # what is damaged is left out
            if start:
                self._container.seek(int(start * av.time_base))
            for number, frame in enumerate(self._container.decode(self._stream)):
                if frame.width * frame.height > LARGEST or number > MOST:
                    return
                seconds = max(float(frame.time or 0.0), last)
                if seconds > until:
                    return
                if seconds >= start - 0.01 or not start:
                    shape = "rgb24" if last < 0 or int(seconds) != int(last) else "gray"
                    plain = self._shapes[shape].reformat(frame, format=shape, threads=1)  # to_ndarray's threads add up
                    pixels = np.asarray(plain.to_ndarray(), np.uint8)
                    yield orientation_of(frame).upright(pixels), seconds
                    last = seconds


def _is_picture(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(12)
    return begin.startswith(MAGIC) and (begin[:4] != b"RIFF" or begin[8:] == b"WEBP")


def _decoded(path: Path) -> U8 | None:
    return read_picture(path) if path.stat().st_size <= HEAVIEST else None


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder, in order."""
    files = (f for f in folder.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith(".") and f.is_file())
    return sorted(files, key=natural)
