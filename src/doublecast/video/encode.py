"""The film file: H.264 with the take's own planes, times, geometry, colour tags and sound; or PNG pictures.

Only `doublecast.trust.writer` may open one, so that no film leaves without its label.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av

from doublecast.disk import atomic_write, disk_message, sync_file, sync_folder
from doublecast.errors import OutputError
from doublecast.types import U8, Frame, Patch
from doublecast.video.colour import Converter
from doublecast.video.mux import FORMATS, assemble
from doublecast.video.pictures import encode_png
from doublecast.video.planes import change_luma, composite, padded_copy, put
from doublecast.video.read import TakeInfo
from doublecast.video.segments import Picture, SegmentStore, SegmentWriter
from doublecast.video.takes import Take

PRESET = "veryfast"
Finish: TypeAlias = Callable[[Path, Path, int | None], None]  #: see `FilmEncoder`


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk or FFmpeg says into an OutputError that names ``path`` and what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(disk_message(path, error)) from error
    except av.FFmpegError as error:
        raise OutputError(f"{path}: FFmpeg cannot write it ({error.strerror}). Try another kind of file.") from error


def is_film(path: Path) -> bool:
    """Whether an output of this name is a film file (otherwise it is a folder of pictures, or one picture)."""
    return path.suffix.lower() in FORMATS


def check_path(path: Path, take: Take) -> None:
    """Raise OutputError if the name's suffix does not fit, or does not fit this take."""
    suffix = path.suffix.lower()
    if suffix not in {*FORMATS, "", ".png"}:
        raise OutputError(f"{path}: cannot write {suffix}. Use {', '.join(FORMATS)}, or a folder for pictures.")
    if suffix == ".png" and (take.kind == "video" or len(take.files) != 1):
        raise OutputError(f"{path}: one picture cannot hold a series. Name a folder or a .mp4 file.")


def picture_names(take: Take) -> list[str]:
    """File names of a picture take's pictures in a folder of PNGs: the take's own, in order, none of them twice."""
    names: list[str] = []
    used: set[str] = set()
    for index, path in enumerate(take.files):
        name = path.stem if path.stem.casefold() not in used else f"{path.stem}_{index:06d}"
        used.add(name.casefold())
        names.append(f"{name}.png")
    return names


class FilmEncoder:
    """Writes one film, or one folder of PNG pictures where ``path`` has no suffix.

    Film: mp4, m4v, mov or mkv by suffix; H.264, yuv420p, 8 bits, constant quality ``crf``. The planes of Frame.native
    go to the encoder as they are; only samples under a patch's mask change. pts and time base are the take's (mkv
    keeps milliseconds), and so are pixel aspect, display matrix, colour tags and sound. Odd sizes are padded to even
    ones by repeating the last row and column, since 4:2:0 cannot hold them. Pictures are shown for 1/25 s each.
    Folder: PNGs named as the take's pictures, or frame_000000.png; upright. One ``.png`` for a take of one picture.

    parts: folder of finished segments; with the same take, settings and ``job`` a later encoder goes on at
    `resume_index`. metadata: for the film's header (for PNG: text chunks). mark: changes every picture after its
    patches: of a film the upright luma plane, uint8 (H, W), of pictures RGB, uint8 (H, W, 3). finish: called with every
    finished file before it gets its name, with that name, and with the frame's index where it is a picture; may change
    the file. problems: what was wrong with the sound.
    Raises OutputError if anything cannot be written; finished segments stay.
    """

    def __init__(
        self,
        path: Path,
        take: Take,
        info: TakeInfo,
        *,
        crf: float = 16,
        parts: Path | None = None,
        metadata: Mapping[str, str] | None = None,
        job: str = "",
        preset: str = PRESET,
        finish: Finish | None = None,
        mark: Callable[[U8], U8] | None = None,
    ) -> None:
        self._finish = finish
        self.path, self.take, self.info, self.problems = path, take, info, list[str]()
        self.parts = parts or path.with_name(f".{path.name}.parts")
        self._metadata, self._closed, self._mark = dict(metadata or {}), False, mark
        film = is_film(path)
        check_path(path, take)
        stored = (info.height, info.width) if info.orientation.sideways else (info.width, info.height)
        self._picture = Picture(
            stored[0] + stored[0] % 2,
            stored[1] + stored[1] % 2,
            info.time_base,
            info.rate or Fraction(25),
            info.aspect,
            info.colour,
            crf,
            preset,
        )
        self._converter = Converter(info.colour, *stored)
        identity = {
            "format": "1",
            "take": take.key(),
            "picture": repr(self._picture),
            "kind": "film" if film else "pictures",
            "ffmpeg": str(av.library_versions["libavcodec"]),
            "job": job,
        }
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store = SegmentStore(self.parts, identity)
        self._writer = SegmentWriter(self._store, self._picture) if film else None
        self._next = self._store.resume_index if film else self._pictures_done()

    @property
    def resume_index(self) -> int:
        """Index of the first frame that must still be written."""
        return self._next

    @property
    def placing(self) -> bool:
        """Whether the same render was stopped while it put its output in place, so that what lies there is its own."""
        return self._store.placing

    def write(self, frame: Frame, patches: Sequence[Patch]) -> None:
        """Append the next frame with these patches in it, later ones on top. Its index must not be one that is done."""
        if frame.index < self._next:
            raise ValueError(f"frame {frame.index} is written already; the next is {self._next}")
        with writing(self.path):
            self._store.claim()
        if self._writer is None:
            pixels = composite(frame.pixels, patches)
            data = encode_png(pixels if self._mark is None else self._mark(pixels), self._metadata)
            with writing(self.path):
                atomic_write(self.parts / f"{frame.index:08d}.png", data)
        else:
            picture = self._planes(frame, patches)
            duration = getattr(frame.native, "duration", 0) or round(1 / (self._picture.rate * frame.time_base)) or 1
            try:
                with writing(self.path):
                    self._writer.write(picture, frame.index, duration)
            except OutputError:
                self.abort()
                raise
        self._next = frame.index + 1

    def close(self) -> None:
        """Finish: put the film (or the pictures) in place at once, then remove the parts. Safe to call twice."""
        if self._closed:
            return
        with writing(self.path):
            self._store.claim()
            if self._writer is None:
                self._place_pictures()
            else:
                self._writer.finish()
                self._place_film()
        self._store.remove()
        self._closed = True

    def abort(self) -> None:
        """Stop without a film. Finished segments stay for the next time."""
        if self._writer is not None:
            self._writer.abort()

    def _planes(self, frame: Frame, patches: Sequence[Patch]) -> av.VideoFrame:
        upright = (self.info.width, self.info.height)
        if (frame.pixels.shape[1], frame.pixels.shape[0]) != upright:
            size = f"{frame.pixels.shape[1]}x{frame.pixels.shape[0]}"
            raise OutputError(
                f"{self.path}: picture {frame.index} is {size}, the first one {upright[0]}x{upright[1]}. "
                "A film has one size; name a folder to write pictures."
            )
        if frame.native is None:
            picture = padded_copy(self._converter.from_rgb(composite(frame.pixels, patches)))
        else:
            picture = padded_copy(self._converter.planes(frame.native))
            for patch in patches:
                put(picture, patch, self.info.colour, self.info.orientation, upright)
        if self._mark is not None:
            change_luma(picture, self._mark, self.info.orientation, upright)
        picture.pts, picture.time_base = frame.pts, frame.time_base
        return picture

    def _place_film(self) -> None:
        if not self._store.segments:
            raise OutputError(f"{self.path}: there was no frame to write, so no film was made.")
        temporary = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        try:
            self.problems += assemble(
                temporary,
                FORMATS[self.path.suffix.lower()],
                self._picture,
                self._store.segments,
                orientation=self.info.orientation,
                sound=self.take.files[0] if self.info.audio else None,
                start=self.info.start,
                metadata=self._metadata,
            )
            if self._finish is not None:
                self._finish(temporary, self.path, None)
            sync_file(temporary)
            self._store.place()
            temporary.replace(self.path)
            sync_folder(self.path.parent)  # before the parts go
        finally:
            temporary.unlink(missing_ok=True)

    def _pictures_done(self) -> int:
        names = [path.stem for path in self.parts.glob("[0-9]*.png")] if self._store.ours else []
        return max((int(name) + 1 for name in names), default=0)

    def _place_pictures(self) -> None:
        done = sorted(self.parts.glob("[0-9]*.png"))
        if not done:
            raise OutputError(f"{self.path}: there was no frame to write, so no picture was made.")
        self._store.place()
        if self.path.suffix:
            atomic_write(self.path, self._finished(done[0], self.path))
            return
        self.path.mkdir(exist_ok=True)
        names = picture_names(self.take) if self.take.kind == "pictures" else []
        for part in done:
            index = int(part.stem)
            name = names[index] if names else f"frame_{index:06d}.png"
            atomic_write(self.path / name, self._finished(part, self.path / name))

    def _finished(self, part: Path, final: Path) -> bytes:
        """What becomes of a picture; its part stays as it is, for the case that this is broken off."""
        if self._finish is None:
            return part.read_bytes()
        temporary = self.parts / "picture.part"
        shutil.copyfile(part, temporary)
        self._finish(temporary, final, int(part.stem))
        return temporary.read_bytes()
