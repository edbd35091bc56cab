"""Single frames of a take in any order, as `Reader` numbers them: for looking at, not for films."""

import sys
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import av

from doublecast.errors import InputError
from doublecast.types import Frame
from doublecast.video.colour import Converter
from doublecast.video.container import open_container
from doublecast.video.pictures import read_picture
from doublecast.video.read import PICTURE_TIME, Reader, picture_streams
from doublecast.video.takes import Take

NEAR = 24  #: so many frames ahead are reached by going on


class FrameAccess:
    """Any frame of a take by its index; a context manager, for one thread.

    A video is entered at the key frame before, found through the times of its packets; where those do not tell which
    frame is which (damaged files, streams without times), frames are counted from the beginning, which takes longer.
    Raises InputError where the take cannot be opened.
    """

    def __init__(self, take: Take) -> None:
        self.take = take
        self._container: Any = None
        self._reader: Reader | None = None  # counts from the beginning
        self._counted: Iterator[Frame] = iter(())
        self._at = -1  # index of the last frame that was decoded, by whichever way
        with Reader(take) as reader:
            self.info = reader.info
        self._times = _times(take) if take.kind == "video" else []
        if self._times:
            self._open()

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
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def frame(self, index: int) -> Frame:
        """The frame of this index, as `Reader` gives it. Raises InputError where there is none, or it is damaged."""
        found: Frame | None
        if self.take.kind == "pictures":
            found = self._picture(index)
        elif self._times:
            found = self._sought(index)
        else:
            found = self._count(index)
        if found is None:
            raise InputError(f"{self.take.files[0]}: frame {index} cannot be read; the take has no such frame")
        return found

    def distrust(self) -> None:
        """From now on count the frames: somebody knows better which frame is which."""
        self._times, self._at = [], -1

    def seconds(self, index: int) -> float | None:
        """When a frame is shown, by the file's own clock; None where frames are counted, or there is none."""
        times = self._times
        return float(times[index] * self.info.time_base) if 0 <= index < len(times) else None

    def _picture(self, index: int) -> Frame | None:
        if not 0 <= index < len(self.take.files):
            return None
        pixels = read_picture(self.take.files[index])
        return None if pixels is None else Frame(pixels, index, index, PICTURE_TIME)

    def _count(self, index: int) -> Frame | None:
        if self._reader is None or index <= self._at:
            if self._reader is not None:
                self._reader.close()
            self._reader = Reader(self.take, start=index)
            self._counted = iter(self._reader)
        for frame in self._counted:
            self._at = frame.index
            if frame.index == index:
                return frame
        self._at = sys.maxsize  # at the end: whatever comes next begins anew
        return None

    # by the packets' times

    def _open(self) -> None:
        self._container = open_container(self.take.files[0])
        self._stream = picture_streams(self._container)[0]
        self._stream.thread_type = "AUTO"
        info = self.info
        stored = (info.height, info.width) if info.orientation.sideways else (info.width, info.height)
        self._converter = Converter(info.colour, *stored)
        self._frames: Iterator[Any] = iter(())

    def _sought(self, index: int) -> Frame | None:
        if not 0 <= index < len(self._times):
            return None
        wanted = self._times[index]
        if not self._at < index <= self._at + NEAR:
            self._enter(wanted)
        frame = self._decoded(wanted)
        if frame is None:  # entered too late, as at open groups of pictures
            self._enter(self._times[max(0, index - 300)])
            frame = self._decoded(wanted)
        if frame is None:
            self.distrust()
            return self._count(index)
        self._at = index
        native = self._converter.planes(frame)
        native.pts = frame.pts
        pixels = self._converter.rgb(native)
        if self.info.orientation.matrix is not None:
            pixels = self.info.orientation.upright(pixels)
        return Frame(pixels, index, wanted, self.info.time_base, native)

    def _enter(self, time: int) -> None:
        self._container.seek(time, stream=self._stream, backward=True)
        self._wanted = time
        self._frames = self._pictures()

    def _decoded(self, wanted: int) -> Any:
        """The picture of this time, None where a later one comes first."""
        self._wanted = wanted
        try:
            for frame in self._frames:
                if frame.pts is None or frame.pts > wanted:
                    break
                if frame.pts == wanted:
                    return frame
        except av.FFmpegError:
            pass
        self._at = -1
        return None

    def _pictures(self) -> Iterator[Any]:
        """Pictures from the place that was entered on; those before the wanted one that no other needs are left out."""
        context = self._stream.codec_context
        for packet in self._container.demux(self._stream):
            context.skip_frame = "NONREF" if packet.pts is not None and packet.pts < self._wanted else "DEFAULT"
            yield from packet.decode()


def _times(take: Take) -> list[int]:
    """Presentation times of all frames in order, in units of the time base; none where they do not tell."""
    try:
        with open_container(take.files[0]) as container:
            stream = picture_streams(container)[0]
            packets = [(packet.pts, packet.is_discard) for packet in container.demux(stream) if packet.size]
    except av.FFmpegError:
        return []
    times = sorted(pts for pts, discard in packets if pts is not None and not discard)
    whole = len(times) + sum(discard for _, discard in packets) == len(packets)
    unique = all(a < b for a, b in pairwise(times))
    return times if whole and unique else []
