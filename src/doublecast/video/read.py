"""Frames of a take, in order, with their exact times."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from doublecast.errors import InputError
from doublecast.types import Frame
from doublecast.video.colour import Colour, Converter, colour_of
from doublecast.video.container import open_container
from doublecast.video.orient import Orientation, orientation_of
from doublecast.video.pictures import read_picture
from doublecast.video.takes import Take

PICTURE_TIME = Fraction(1, 25)  #: pictures of a series are shown for this long, in seconds
FASTEST = 1000  #: frames per second; what claims more does not mean it
REENTRIES = 16  #: attempts to go on behind a place where the container is damaged


@dataclass(frozen=True)
class TakeInfo:
    """What a take is. width, height: upright, in pixels. time_base: unit of pts in seconds.

    rate: frames per second, a hint only (None: unknown). frames: best estimate (None: unknown). seconds: length.
    colour: how its Y'CbCr is meant. audio: whether there is sound. bit_depth: per component as stored.
    aspect: width / height of one pixel. orientation: how the stored picture is turned upright.
    start: seconds by which the container's clock is ahead of zero (MPEG streams), taken off in a film made of it.
    first: presentation time of the first frame in seconds, by the container's clock.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None
    frames: int | None
    seconds: float | None
    colour: Colour
    audio: bool
    bit_depth: int
    codec: str
    aspect: Fraction = Fraction(1)
    orientation: Orientation = field(default_factory=Orientation)
    start: Fraction = Fraction(0)
    first: Fraction = Fraction(0)

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the stored picture is turned to stand upright: 0, 90, 180 or 270."""
        return self.orientation.rotation


def probe(take: Take) -> TakeInfo:
    """Look at the beginning of a take. Raises InputError if nothing in it can be decoded."""
    with Reader(take) as reader:
        return reader.info


class Reader:
    """Frames of a take, in order of presentation; a context manager and an iterable that can be used once.

    start: leave out this many frames (decoded, not converted). exact: see `colour.Converter`.
    decoded: frames met so far, the left-out ones included. problems: what was wrong with the file, known at the end.
    A picture's index is its number among the take's files, so an unreadable one leaves a gap.
    Frame.native holds the stored picture as yuv420p, 8 bits (None for pictures). Pictures of another size within
    a video are scaled to the first one's. Damaged files give what can be decoded; InputError only if that is nothing.
    """

    def __init__(self, take: Take, *, start: int = 0, exact: bool = True) -> None:
        self.take, self.decoded, self.problems = take, 0, list[str]()
        self._start, self._exact = start, exact
        self._container: Any = None
        if take.kind == "pictures":
            self.info = self._open_pictures()
        else:
            try:
                self.info = self._open_video()
            except InputError:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        return self._pictures() if self.take.kind == "pictures" else self._video()

    # pictures

    def _open_pictures(self) -> TakeInfo:
        for path in self.take.files:
            first = read_picture(path)
            if first is not None:
                break
        else:
            where = self.take.files[0] if len(self.take.files) == 1 else self.take.files[0].parent
            raise InputError(f"{where}: none of {len(self.take.files)} pictures can be read. Are they damaged?")
        (height, width), count = first.shape[:2], len(self.take.files)
        matrix = Colour("bt709", False, 1, 1, 1, 1) if height >= 720 else Colour("bt601", False, 6, 2, 2, 1)
        rate, codec = 1 / PICTURE_TIME, path.suffix[1:].lower()
        return TakeInfo(width, height, PICTURE_TIME, rate, count, count / float(rate), matrix, False, 8, codec)

    def _pictures(self) -> Iterator[Frame]:
        self.decoded = min(self._start, len(self.take.files))
        for index in range(self._start, len(self.take.files)):
            path = self.take.files[index]
            pixels = read_picture(path)
            if pixels is None:
                self.problems.append(f"{path.name}: cannot be read as a picture; left out.")
                continue
            self.decoded += 1
            yield Frame(pixels, index, index, PICTURE_TIME)

    # video

    def _open_video(self) -> TakeInfo:
        path = self.take.files[0]
        try:
            self._container = open_container(path)
        except (av.FFmpegError, OSError) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{path}: cannot be opened as a video ({what}). Is it complete?") from error
        streams = picture_streams(self._container)
        if not streams:
            raise InputError(f"{path}: there is no picture in this file, only sound or data.")
        self._stream = streams[0]
        if self._stream.codec_context is None:
            raise InputError(f"{path}: no decoder for this video's codec. Convert it with another tool first.")
        self._stream.thread_type = "AUTO"
        self._damaged = self._errors = 0
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            raise InputError(f"{path}: not one frame can be decoded. The file is damaged; copy it again.")
        self._first: av.VideoFrame | None = first
        return self._describe(first)

    def _describe(self, first: av.VideoFrame) -> TakeInfo:
        stream, container = self._stream, self._container
        time_base = stream.time_base or first.time_base or Fraction(1, 90000)
        rate = next(
            (r for r in (stream.average_rate, stream.guessed_rate, stream.base_rate) if r and r < FASTEST), None
        )
        length = self._length(time_base)
        frames = stream.frames or (round(length * rate) if length and rate else None)
        turned = orientation_of(first)
        width, height = (first.height, first.width) if turned.sideways else (first.width, first.height)
        streaming = container.format.name in {"mpeg", "mpegts", "mpegvideo"} and container.start_time
        return TakeInfo(
            width,
            height,
            time_base,
            Fraction(rate) if rate else None,
            frames,
            float(length) if length else None,
            colour_of(first),
            bool(container.streams.audio),
            first.format.components[0].bits,
            stream.codec_context.name,
            stream.sample_aspect_ratio or Fraction(1),
            turned,
            round(Fraction(container.start_time, av.time_base) / time_base) * time_base if streaming else Fraction(0),
            (first.pts if first.pts is not None else first.dts or 0) * time_base,
        )

    def _length(self, time_base: Fraction) -> Fraction | None:
        """Seconds that the file says its picture lasts."""
        stream, container = self._stream, self._container
        if stream.duration:
            return Fraction(stream.duration * time_base)
        told = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
        if told:
            return int(told[1]) * 3600 + int(told[2]) * 60 + Fraction(told[3])
        return Fraction(container.duration, av.time_base) if container.duration else None

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Everything that decodes; counts what does not."""
        for _ in range(REENTRIES):
            packets = self._container.demux(self._stream)
            try:
                for packet in packets:
                    try:
                        yield from packet.decode()
                    except av.FFmpegError:
                        self._errors += 1
                return
            except av.FFmpegError:
                self._errors += 1
        try:
            yield from self._stream.decode(None)
        except av.FFmpegError:
            self._errors += 1

    def _video(self) -> Iterator[Frame]:
        if self._first is None:
            raise ValueError("the frames of a Reader can be read once; open another")
        info, turned = self.info, self.info.orientation
        first = last = None
        end = 0.0
        stored = (self._first.width, self._first.height)
        converter = Converter(info.colour, *stored, exact=self._exact)
        frame: av.VideoFrame | None = self._first
        self._first = None
        while frame is not None:
            index, self.decoded = self.decoded, self.decoded + 1
            self._damaged += frame.is_corrupt
            pts = last = self._pts(frame, last)
            first = pts if first is None else first
            end = float((pts + (frame.duration or self._step)) * info.time_base)
            if index >= self._start:
                native = converter.planes(frame)
                native.pts = pts
                pixels = converter.rgb(native)
                if turned.matrix is not None:
                    pixels = turned.upright(pixels)
                yield Frame(pixels, index, pts, info.time_base, native)
            frame = next(self._frames, None)
        self._report(float((last - first) * info.time_base) if first is not None and last is not None else 0.0, end)

    def _pts(self, frame: av.VideoFrame, last: int | None) -> int:
        """The frame's time; where it is missing or does not grow, the next that does."""
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            return 0 if last is None else last + self._step
        return pts if last is None or pts > last else last + 1

    @property
    def _step(self) -> int:
        """Usual time from frame to frame, in units of the time base."""
        return max(1, round(1 / (self.info.rate * self.info.time_base))) if self.info.rate else 1

    def _report(self, shown: float, end: float) -> None:
        """shown: seconds from the first frame to the last one. end: time at which the last one ends."""
        slack = 1.0  # a container may last as long as its sound
        if "DURATION" in self._stream.metadata:  # Matroska: when the picture itself ends
            shown, slack = end, 0.1
        expected = self._stream.frames or 0
        if expected - self.decoded > max(2, expected // 100):
            share = f"{self.decoded} of {expected} frames ({self.decoded / expected:.0%})"
            self.problems.append(f"only {share} can be decoded; the file is cut off or damaged.")
        elif not expected and shown < 0.98 * (self.info.seconds or 0) - slack:
            self.problems.append(f"the picture ends after {shown:.1f} of {self.info.seconds:.1f} seconds.")
        elif self._errors:
            self.problems.append(f"{self._errors} damaged places; {self.decoded} frames can be decoded.")
        if self._damaged:
            self.problems.append(f"{self._damaged} of {self.decoded} frames have damaged areas.")


def picture_streams(container: Any) -> list[Any]:
    """The streams of an open container that move, in order: no cover pictures."""
    return [s for s in container.streams.video if not np.bitwise_and(int(s.disposition), 0x400)]
