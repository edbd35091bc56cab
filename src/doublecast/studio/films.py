"""The finished films of a production, as pages list them: only those that its record names, and that are unchanged."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from doublecast.disk import fingerprint, key_of
from doublecast.errors import InputError
from doublecast.pipeline import queue
from doublecast.pipeline.options import LABEL, label_of
from doublecast.pipeline.takes import outputs, take_of
from doublecast.production import Production
from doublecast.studio.config import FORBIDDEN, StudioConfig
from doublecast.trust import check_output

FOLDER = "films"  #: in a production: where the studio has films made
FORMATS: Mapping[str, str] = {"mp4": ".mp4", "mov": ".mov", "mkv": ".mkv", "png": ""}  #: suffix of what is made
PLAYED: Mapping[str, str] = {".mp4": "video/mp4", ".mov": "video/mp4"}  #: what browsers play, and as what
OTHERS: Mapping[str, str] = {".mkv": "video/x-matroska"}
LONGEST = 80  #: characters of a film's name
WINDOWS = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True, slots=True)
class Film:
    """A film that was made here. id: stands for its path in addresses. made: UTC, ISO 8601, "" where it is gone.

    pictures: of a folder of PNGs, 0 for a film. playable: whether browsers play it. problem: why it cannot be shown,
    "" for nothing.
    """

    id: str
    name: str
    path: str
    bytes: int
    made: str
    pictures: int
    playable: bool
    problem: str


def films(folder: Path) -> list[Film]:
    """The finished films, the newest first. Raises ProductionError for a damaged record."""
    record = Production(folder, create=False, lock=False).record
    found = [_film(Path(path), made.after) for path, made in record.films.items() if made.after]
    return sorted(found, key=lambda film: film.made, reverse=True)


def film_of(folder: Path, id: str) -> tuple[Film, Path]:
    """A film and where it lies. Raises InputError where the record names none with this id, or it cannot be shown."""
    for film in films(folder):
        if film.id == id:
            if film.problem:
                raise InputError(film.problem)
            return film, Path(film.path)
    raise InputError(f"{folder.name} has no film {id!r}")


def media(path: Path) -> str:
    """Media type of a film's file."""
    return {**PLAYED, **OTHERS}[path.suffix.lower()]


def _film(path: Path, after: str) -> Film:
    """A film as it is now. after: fingerprint of the finished one."""
    suffix, size, made, pictures, problem = path.suffix.lower(), 0, "", 0, ""
    try:
        now = fingerprint(path)
        if not now:
            problem = f"{path} is gone; it can be made again under the same name"
        elif now != after:
            problem = f"{path} was changed since it was made here; it is not shown"
        elif path.is_dir():
            files = [file for file in path.iterdir() if file.suffix.lower() == ".png"]
            pictures, size = len(files), sum(file.stat().st_size for file in files)
        elif suffix in PLAYED or suffix in OTHERS:
            size = path.stat().st_size
        else:
            problem = f"{path} is no film"
        if now:
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror})"
    playable = suffix in PLAYED and not pictures and not problem
    return Film(key_of("film", str(path))[:16], path.name, str(path), size, made, pictures, playable, problem)


def zipped(folder: Path) -> Iterator[bytes]:
    """The pictures of a folder as one ZIP archive, piece by piece; nothing is written to the disk."""
    out = _Pieces()
    with zipfile.ZipFile(cast(IO[bytes], out), "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for path in sorted(path for path in folder.iterdir() if path.suffix.lower() == ".png" and path.is_file()):
            with path.open("rb") as source, archive.open(f"{folder.name}/{path.name}", "w", force_zip64=True) as entry:
                while block := source.read(1 << 20):
                    entry.write(block)
                    yield out.taken()
    yield out.taken()


class _Pieces:
    """A file that can only be written to, whose bytes are taken away."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data


def output_of(folder: Path, name: str, format: str) -> Path:
    """Where a film of this name is made. Raises InputError for a name that is none, or leads elsewhere."""
    if format not in FORMATS:
        raise InputError(f"a film can be made as {', '.join(FORMATS)}, not as {format!r}")
    odd = name != name.strip() or name.startswith(".") or name.endswith(".")
    odd = odd or any(ord(c) < 32 or c in FORBIDDEN for c in name) or name.partition(".")[0].lower() in WINDOWS
    if odd or not 1 <= len(name) <= LONGEST:
        raise InputError(
            f"{name!r} cannot name a film: 1 to {LONGEST} characters, no dot or space at its ends, none of {FORBIDDEN}"
        )
    if format == "png" and "." in name:
        raise InputError(f"{name!r} cannot name a folder of pictures: leave out the dot")
    place = folder / FOLDER
    if place.resolve().parent != folder.resolve():
        raise InputError(f"{place} leads out of the production; remove it")
    return place / f"{name}{FORMATS[format]}"


def render(
    config: StudioConfig, folder: Path, *, name: str, format: str, label: Mapping[str, str | None], overwrite: bool
) -> queue.Job:
    """Have the film made, with the production's looks: a job of the queue, which is begun.

    Raises InputError (name, format, label), OutputError (there is a film of this name already, and ``overwrite`` is
    false), ProductionError.
    """
    from doublecast.studio.pages.jobs_panel import start

    output = output_of(folder, name, format)
    chosen = label_values(label)
    takes = [take_of(given) for given in Production(folder, create=False, lock=False).inputs("actor")]
    for take, film in zip(takes, outputs(takes, output), strict=True):
        check_output(film, take, overwrite=overwrite)
    options: dict[str, Any] = {"output": str(output), "label": chosen or None, "overwrite": overwrite}
    return start(config, folder, "convert", options)


def label_values(label: Mapping[str, Any]) -> dict[str, str]:
    """What was said of a label; empty values are left out. Raises InputError for a label that cannot be."""
    chosen = {name: value for name, value in label.items() if value}
    if not all(name in LABEL and isinstance(value, str) for name, value in chosen.items()):
        raise InputError(f"a label is told by texts, of {', '.join(LABEL)}; got {dict(label)!r}")
    label_of(chosen)
    return chosen


def told(film: Film) -> dict[str, Any]:
    """A film as JSON."""
    return asdict(film)
