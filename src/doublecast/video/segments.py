"""H.264 in finished segments on disk, so that a render that was killed goes on where it stopped.

A segment is a file of H.264 packets (Annex B, one after another) and a JSON file with their sizes, times and kinds. The
JSON file is written last: where it lies, the segment is complete.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from doublecast.disk import atomic_write, refuse_link
from doublecast.video.colour import Colour

LENGTH = 240  #: frames per segment
PLACING = "placing"  #: file that lies beside the parts from when the output is put in place
GLOBAL_HEADER = 1 << 22  #: AV_CODEC_FLAG_GLOBAL_HEADER


@dataclass(frozen=True)
class Picture:
    """Everything about the coded film that its H.264 header depends on. width and height are even."""

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    colour: Colour
    crf: float
    preset: str

    def configure(self, context: VideoCodecContext) -> None:
        """Set up a libx264 encoder; the same settings always give the same header."""
        context.width, context.height, context.pix_fmt = self.width, self.height, "yuv420p"
        context.time_base, context.framerate = self.time_base, self.rate
        context.sample_aspect_ratio = self.aspect
        context.gop_size = LENGTH
        context.flags |= GLOBAL_HEADER
        context.color_range, context.colorspace = self.colour.range, self.colour.space
        context.color_primaries, context.color_trc = self.colour.primaries, self.colour.transfer
        context.options = {"crf": f"{self.crf:g}", "preset": self.preset}


@dataclass(frozen=True)
class Segment:
    """A finished segment. first: index of its first frame. next: the index to go on with. delay: frames reordered."""

    path: Path
    first: int
    next: int
    delay: int


@dataclass(frozen=True)
class Packets:
    """Packets of a segment in coding order. pts in units of the film's time base. duration: of the last frame shown."""

    sizes: list[int]
    pts: list[int]
    keys: list[bool]
    duration: int


class SegmentStore:
    """The folder of one render. What one with another ``identity`` left there is ignored, and gone after `claim`.

    Raises OSError for a link in the place of the folder: what is there would be deleted.
    """

    def __init__(self, folder: Path, identity: dict[str, str]) -> None:
        refuse_link(folder)
        self.folder, self.identity = folder, identity
        self._ledger, self._placing = folder / "film.json", folder / PLACING
        self.ours = _load(self._ledger) == identity
        self.segments = list(self._finished()) if self.ours else []
        self.placing = self.ours and self._placing.exists()  #: killed while the finished film was put in place

    def claim(self) -> None:
        """Make the folder this render's own."""
        if not self.ours:
            self.folder.mkdir(parents=True, exist_ok=True)
            for pattern in ("*.json", "*.h264", "*.png", PLACING):
                for path in self.folder.glob(pattern):
                    path.unlink()
            atomic_write(self._ledger, json.dumps(self.identity, indent=1).encode())
            self.ours = True

    def place(self) -> None:
        """Note that from here on the output may be there already, made by this render."""
        atomic_write(self._placing, b"")

    @property
    def resume_index(self) -> int:
        """Index of the first frame that is not on disk yet."""
        return self.segments[-1].next if self.segments else 0

    def _finished(self) -> Iterator[Segment]:
        for path in sorted(self.folder.glob("[0-9]*.json")):
            entry, data = _load(path), path.with_suffix(".h264")
            if entry is None or data.is_symlink() or not data.exists() or data.stat().st_size != sum(entry["sizes"]):
                return
            yield Segment(data, entry["first"], entry["next"], entry["delay"])

    def add(self, data: Path, first: int, end: int, packets: Packets) -> None:
        """Make a written file of packets the next segment."""
        path = self.folder / f"{first:08d}.h264"
        data.replace(path)
        ranks = {pts: rank for rank, pts in enumerate(sorted(packets.pts))}
        delay = max(index - ranks[pts] for index, pts in enumerate(packets.pts))
        entry = {"first": first, "next": end, "delay": delay, **vars(packets)}
        atomic_write(path.with_suffix(".json"), json.dumps(entry).encode())
        self.segments.append(Segment(path, first, end, delay))

    def remove(self) -> None:
        """Delete the folder and everything in it; the note of `place` goes last, so that a kill leaves no doubt."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path != self._placing:
                    path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


class SegmentWriter:
    """Encodes frames into segments of `LENGTH` frames. Raises OSError where the disk does."""

    def __init__(self, store: SegmentStore, picture: Picture) -> None:
        self._store, self._picture = store, picture
        self._context: VideoCodecContext | None = None
        self._file: BinaryIO | None = None
        self._temporary = store.folder / "segment.part"

    def write(self, frame: av.VideoFrame, index: int, duration: int) -> None:
        """Append one frame of the film's size; its pts must be larger than all before."""
        if self._context is None or self._file is None:
            self._context = av.CodecContext.create("libx264", "w")
            self._picture.configure(self._context)
            self._temporary.unlink(missing_ok=True)  # perhaps a link to any file, in a production from elsewhere
            self._file = self._temporary.open("xb")
            self._first, self._count, self._packets = index, 0, Packets([], [], [], duration)
        self._append(self._context.encode(frame))
        self._count, self._next, self._duration = self._count + 1, index + 1, duration
        if self._count == LENGTH:
            self.finish()

    def finish(self) -> None:
        """End the segment that is being written, if any, and put it safely on the disk."""
        if self._context is None or self._file is None:
            return
        self._append(self._context.encode(None))
        self._file.flush()
        os.fsync(self._file.fileno())
        packets = Packets(self._packets.sizes, self._packets.pts, self._packets.keys, self._duration)
        self._drop()
        self._store.add(self._temporary, self._first, self._next, packets)

    def abort(self) -> None:
        """Throw the unfinished segment away; finished ones stay. Raises nothing, so that it can follow any error."""
        with suppress(OSError):
            self._drop()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _drop(self) -> None:
        file, self._file, self._context = self._file, None, None
        if file is not None:
            file.close()

    def _append(self, packets: "list[Packet[Any]]") -> None:
        for packet in packets:
            if self._file is not None and packet.pts is not None:
                self._file.write(bytes(packet))
                self._packets.sizes.append(packet.size)
                self._packets.pts.append(packet.pts)
                self._packets.keys.append(packet.is_keyframe)


def read_packets(segments: list[Segment]) -> Iterator[tuple[bytes, int, int, bool, int]]:
    """(data, pts, dts, key, duration) of all segments in coding order.

    dts is the presentation time of the frame ``delay`` places earlier, so it grows and never passes pts, whatever the
    frame rate does between segments.
    """
    delay = max((segment.delay for segment in segments), default=0)
    times: list[int] = []
    for place, segment in enumerate(segments):
        packets = _packets(segment)
        shown = sorted(packets.pts)
        if place == 0:
            step = shown[1] - shown[0] if len(shown) > 1 else max(1, packets.duration)
            times = [shown[0] - step * back for back in range(delay, 0, -1)]
        following = (
            min(_packets(segments[place + 1]).pts) if place + 1 < len(segments) else shown[-1] + packets.duration
        )
        length = {pts: after - pts for pts, after in zip(shown, [*shown[1:], following], strict=True)}
        times += shown
        with segment.path.open("rb") as file:
            for index, size in enumerate(packets.sizes):
                pts = packets.pts[index]
                yield file.read(size), pts, times[index], packets.keys[index], length[pts]
        times = times[len(packets.sizes) :]


def _packets(segment: Segment) -> Packets:
    entry = json.loads(segment.path.with_suffix(".json").read_bytes())
    return Packets(entry["sizes"], entry["pts"], entry["keys"], entry["duration"])


def _load(path: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None
