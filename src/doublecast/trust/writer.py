"""The only way out to a file that shows an altered face: label, statement, claim and signer are required."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from doublecast.disk import atomic_write, disk_message
from doublecast.errors import OutputError, RefusedError
from doublecast.trust.certificates import Signer
from doublecast.trust.claim import Claim
from doublecast.trust.credentials import embeds, sidecar, sign
from doublecast.trust.guard import Guard
from doublecast.trust.label import Label, labelled
from doublecast.trust.statement import Statement
from doublecast.trust.watermark import FilmId, Marker
from doublecast.types import U8, Frame, Patch
from doublecast.video import FilmEncoder, Take, TakeInfo, check_path, encode_png, is_film


def check_output(path: Path, take: Take, *, overwrite: bool = False) -> None:
    """Raise OutputError if a film of this take cannot or must not be written here; ask before hours of work.

    A file, its sidecar, or a folder that is not empty is refused without ``overwrite`` (but not a sidecar alone that
    a killed render left, see `credentials.sign`); the take's own files are always refused.
    """
    check_path(path, take)
    _check_place(path)
    sources = {source.resolve() for source in take.files}
    if path.resolve() in sources or (path.is_dir() and path.resolve() in {source.parent for source in sources}):
        raise OutputError(f"{path}: this is the input itself. Name another output.")
    if (path.is_dir() and path.suffix) or (path.is_file() and not path.suffix):
        other = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise OutputError(f"{path}: is {other[0]}, but the name asks for {other[1]}. Name another output.")
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not overwrite:
        raise OutputError(f"{path}: exists already. Name another output, or allow it with --overwrite.")
    unfinished = path.with_name(f".{path.stem}.part{path.suffix}")  # what `FilmEncoder` had there when it was killed
    if _beside(path) and sidecar(path).exists() and not overwrite and not unfinished.exists():
        raise OutputError(
            f"{sidecar(path)}: exists already, and would be replaced by the film's record. Name another output, or "
            "allow it with --overwrite."
        )


def _beside(path: Path) -> bool:
    """Whether credentials of a film of this name lie beside it."""
    return is_film(path) and not embeds(path)


def _check_place(path: Path) -> None:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise OutputError(f"{path}: {folder} is not a folder. Name another output.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} cannot be written to. Name another output.")


class FilmWriter:
    """Writes a film (or a folder of pictures) of a take, every frame labelled and marked, and signs it.

    Formats: see `video.FilmEncoder`. claim: what the credentials say (label and film are added here); signer: who signs
    (see `credentials.sign`).

    A context manager: on an exception the film is not made, but finished parts stay, and a later writer with the same
    take, settings, label, film and ``job`` goes on at `resume_index`. film: the name that the invisible mark carries.
    job: names whatever else the pictures depend on.
    Raises OutputError where the output exists (see `check_output`) or cannot be written, and RefusedError where the
    film would show sexual imagery (see `trust.guard`): then the parts do not stay.
    """

    def __init__(
        self,
        path: Path,
        take: Take,
        info: TakeInfo,
        *,
        label: Label,
        statement: Statement,
        claim: Claim,
        signer: Signer,
        film: FilmId,
        parts: Path,
        overwrite: bool = False,
        crf: float = 16,
        job: str = "",
    ) -> None:
        self._path, self._label, self._first, self._take = path, label, info.first, take
        self._guard = Guard([path], pictures=take.kind == "pictures")
        self._claim, self._signer = replace(claim, film=film.text, label=label.declared()), signer
        self._encoder = FilmEncoder(
            path,
            take,
            info,
            crf=crf,
            parts=parts,
            metadata=statement.metadata() if is_film(path) else statement.png_text(),
            finish=self._sign,
            job=f"{job} {label.key} {film.text}",
            mark=Marker(film, info.width, info.height).mark,
        )
        check_output(path, take, overwrite=overwrite or self._encoder.placing)

    @property
    def resume_index(self) -> int:
        """Index of the first frame that must still be written."""
        return self._encoder.resume_index

    @property
    def problems(self) -> list[str]:
        """What was wrong with the take's sound; known after `close`."""
        return self._encoder.problems

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            (self._drop if isinstance(error, RefusedError) else self.abort)()

    def write(self, frame: Frame, patches: Sequence[Patch]) -> None:
        """Append the next frame with these patches and the label on top of them."""
        since = float(frame.pts * frame.time_base - self._first)
        label = self._label.patch(frame.pixels, patches, seconds=since)
        self._guard.step(frame, patches)
        self._encoder.write(frame, [*patches, *([] if label is None else [label])])

    def _sign(self, made: Path, final: Path, index: int | None) -> None:
        files = self._take.files
        source = files[0] if self._take.kind == "video" else files[index] if index is not None else None
        sign(made, final, self._claim, self._signer, source=source)

    def close(self) -> None:
        """Finish the film, sign it and put it in place. Safe to call twice."""
        try:
            self._guard.close()
        except RefusedError:
            self._drop()
            raise
        try:
            self._encoder.close()
        except BaseException:
            if _beside(self._path) and not self._path.exists():  # no record of a film that is not there
                sidecar(self._path).unlink(missing_ok=True)
            raise

    def abort(self) -> None:
        """Stop without a film; finished parts stay."""
        self._encoder.abort()

    def _drop(self) -> None:
        """Stop without a film, and without its parts."""
        self._encoder.abort()
        shutil.rmtree(self._encoder.parts, ignore_errors=True)


def save_picture(path: Path, pixels: U8, *, label: Label, statement: Statement) -> None:
    """Write a still that shows altered faces as PNG, labelled, at once or not at all; replaces what is there.

    pixels: uint8 (H, W, 3) RGB. A label of style "none" is for films: stills have one (see `Label.for_pictures`).
    Raises OutputError if it cannot be written.
    """
    data = encode_png(labelled(pixels, label), statement.png_text())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(disk_message(path, error)) from error
    atomic_write(path, data)
