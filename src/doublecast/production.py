"""The folder of one job, its record `production.toml`, and the lock on it.

::

    film.production/
      production.toml     format version, takes with their content keys, finished stages, models, films
      lock                held through the operating system while a process works here
      actor/  target/     one FaceStore each
      model-128/          checkpoints of one network size
      renders/            finished segments of films that are being made
      activity.json       what the process that works here says of itself (see `pipeline.activity`)
      jobs/               what is to be done in the background, and the worker's lock and log (see `pipeline.queue`)
      evaluation.json     measures of the last film
      report.html
"""

import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from doublecast.disk import atomic_write
from doublecast.errors import InUseError, OutputError, ProductionError
from doublecast.lock import OwnedLock, holder_of

FORMAT = 1  #: version of the production folder's layout
RECORD = "production.toml"
LOCK = "lock"  #: file in the folder that is locked while a process works there
Side: TypeAlias = Literal["actor", "target"]
SIDES: tuple[Side, Side] = ("actor", "target")


@dataclass(frozen=True, slots=True)
class TakeInput:
    """One take as it was given: its name, content key, kind (video or pictures), absolute paths, and SHA-256 (see
    `video.Take.sha256`; "" in productions of before it was noted)."""

    name: str
    key: str
    kind: str
    files: tuple[str, ...]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A finished stage. key: hash of everything that its result depends on. seconds: time it took, all runs."""

    key: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model folder. material: hash of the takes and people it is trained on."""

    size: int
    material: str


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """A film made here. job: hash of takes and options as asked for. key: hash of all that the film depends on.

    before: fingerprint of the file that was there when rendering began ("" for none).
    after: fingerprint of the finished film ("" while it is not finished).
    film: the name that its invisible mark carries, 10 hex digits ("" for films made before there was one).
    """

    job: str
    key: str
    before: str = ""
    after: str = ""
    film: str = ""


@dataclass(slots=True)
class Record:
    """What `production.toml` holds."""

    inputs: dict[Side, list[TakeInput]] = field(default_factory=dict)
    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    stages: dict[str, StageRecord] = field(default_factory=dict)
    models: dict[str, ModelRecord] = field(default_factory=dict)
    films: dict[str, FilmRecord] = field(default_factory=dict)


class Production:
    """One job's folder, locked against other processes while it is open (context manager, or `close`).

    The lock belongs to the operating system, so a killed process frees it.
    """

    def __init__(self, folder: Path | str, *, create: bool = True, lock: bool = True) -> None:
        """Open the folder, or make it where it does not exist and ``create`` is true.

        lock: False to look only, while another process may be working; nothing may be written then.
        Raises ProductionError: not a production, another format version, damaged record, or in use.
        """
        self.folder = Path(folder).absolute()
        self.command = ""  #: what is being done in it, see `pipeline.activity.working`
        self._lock: OwnedLock | None = None
        _check_folder(self.folder, create and lock)
        if lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = OwnedLock(self.folder / LOCK)
            except InUseError as error:
                raise InUseError(f"{error} or choose another --work") from error
            except OSError as error:
                message = f"{self.folder}: cannot be written ({error.strerror}); choose another --work"
                raise ProductionError(message) from error
        try:
            self.record = _load(self.folder / RECORD)
            if not (self.folder / RECORD).exists():
                self.save()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()

    @property
    def report(self) -> Path:
        """Where the HTML report lies."""
        return self.folder / "report.html"

    def side(self, side: Side) -> Path:
        """Folder of one side's FaceStore."""
        return self.folder / side

    def renders(self, film: Path, key: str) -> Path:
        """Folder of the finished segments of ``film``, apart for every ``key``.

        Raises ProductionError for a link in the place of the folder of all renders: what is there would be deleted.
        """
        place = self.folder / "renders"
        if place.is_symlink():
            raise ProductionError(f"{place} is a link, and films are rendered within the production; remove it")
        return place / f"{film.name}-{key[:12]}"

    def save(self) -> None:
        """Write `production.toml` atomically. Raises OutputError on a full disk."""
        atomic_write(self.folder / RECORD, _dump(self.record).encode("utf-8", "replace"))

    def finished(self, stage: str, key: str) -> bool:
        """Whether ``stage`` is recorded as finished for exactly this ``key``."""
        record = self.record.stages.get(stage)
        return record is not None and record.key == key

    def finish(self, stage: str, key: str, seconds: float) -> None:
        """Record ``stage`` as finished; time adds up over runs with the same key."""
        before = self.record.stages.get(stage)
        total = seconds + (before.seconds if before and before.key in (key, "") else 0.0)
        self.record.stages[stage] = StageRecord(key, round(total, 3))
        self.save()

    @contextmanager
    def timed(self, stage: str, key: str) -> Iterator[None]:
        """Run a stage's body: its time is kept even when it is interrupted, it is finished when the body is."""
        begin = time.monotonic()
        try:
            yield
        except BaseException:
            before = self.record.stages.get(stage)
            if before is None or before.key in (key, ""):
                spent = time.monotonic() - begin + (before.seconds if before else 0.0)
                self.record.stages[stage] = StageRecord("", round(spent, 3))
                with suppress(OutputError):  # the first error is the one to tell
                    self.save()
            raise
        self.finish(stage, key, time.monotonic() - begin)

    def set_inputs(self, side: Side, takes: Sequence[TakeInput]) -> None:
        """Record the takes of one side.

        Raises ProductionError if the folder was made of other takes, that is, if none of the takes recorded for
        this side is among ``takes``, by content or by path.
        """
        old = self.record.inputs.get(side, [])
        known = {take.key for take in old} | {file for take in old for file in take.files}
        if old and not any(take.key in known or known.intersection(take.files) for take in takes):
            names = ", ".join(Path(file).name for take in old for file in take.files[:1])
            raise ProductionError(
                f"{self.folder} belongs to another job (its {side} is {names}); "
                "choose another --work, or remove that folder if it is no longer needed"
            )
        if list(takes) != old:
            self.record.inputs[side] = list(takes)
            self.save()

    def inputs(self, side: Side) -> list[TakeInput]:
        """The takes of one side. Raises ProductionError if there are none yet."""
        takes = self.record.inputs.get(side, [])
        if not takes:
            raise ProductionError(
                f"{self.folder} has no takes of the {side} yet; "
                f"run: doublecast extract TAKE... --to {self.folder} --side {side}"
            )
        return takes

    def model(self, size: int, material: str) -> Path:
        """Folder of the model of this size and ``material``; a changed material gets a folder of its own."""
        for name, model in self.record.models.items():
            if (model.size, model.material) == (size, material):
                return self.folder / name
        name, number = f"model-{size}", 1
        while name in self.record.models:
            number += 1
            name = f"model-{size}-{number}"
        self.record.models[name] = ModelRecord(size, material)
        self.save()
        return self.folder / name


@contextmanager
def opened(production: "Production | Path | str", *, create: bool = False) -> Iterator[Production]:
    """The production itself when it is open already, else opened here and closed at the end."""
    if isinstance(production, Production):
        yield production
    else:
        with Production(production, create=create) as mine:
            yield mine


def holder(folder: Path | str) -> int | None:
    """Number of the process that has this production open for writing (0 where it cannot be read), None if none has."""
    return holder_of(Path(folder) / LOCK)


def _check_folder(folder: Path, create: bool) -> None:
    """Raise ProductionError where ``folder`` is something else than a production or free space for one."""
    if folder.exists() and not folder.is_dir():
        raise ProductionError(f"{folder} is a file; a production is a folder: choose another --work")
    if folder.is_dir() and not (folder / RECORD).exists():
        others = [n.name for n in folder.iterdir() if n.name != LOCK and not n.name.startswith(f".{RECORD}.")]
        if others:
            raise ProductionError(
                f"{folder} holds other files and is not a production ({RECORD} is missing); choose another --work"
            )
    if not create and not (folder / RECORD).exists():
        raise ProductionError(
            f"{folder} is not a production: there is no {RECORD} in it; make one with doublecast extract"
        )


def _load(path: Path) -> Record:
    if not path.exists():
        return Record()
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProductionError(
            f"{path} is damaged ({error}); restore it from a backup or choose another --work"
        ) from error
    if data.get("format") != FORMAT:
        raise ProductionError(
            f"{path.parent} was made by doublecast {data.get('doublecast', '?')} in format {data.get('format')}, this "
            f"version reads format {FORMAT}; use that version or choose another --work"
        )
    try:
        return Record(
            inputs={
                side: [_take(values) for values in data["inputs"][side]]
                for side in SIDES
                if side in data.get("inputs", {})
            },
            options=dict(data.get("options", {})),
            stages={name: StageRecord(**stage) for name, stage in data.get("stages", {}).items()},
            models={_plain(name): ModelRecord(**model) for name, model in data.get("models", {}).items()},
            films={name: _film(values) for name, values in data.get("films", {}).items()},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProductionError(
            f"{path} is damaged ({error}); restore it from a backup or choose another --work"
        ) from error


def _take(values: dict[str, Any]) -> TakeInput:
    """A take as it is recorded; ValueError for one that `video.Take` or a film's credentials would not have."""
    name, kind, files, sha256 = _plain(values["name"]), values["kind"], values["files"], values.get("sha256", "")
    _texts(values["key"], sha256, *files)
    if kind not in ("video", "pictures") or not isinstance(files, list) or not files:
        raise ValueError(f"the take {name!r} is no video and no series of pictures")
    if kind == "video" and len(files) != 1:
        raise ValueError(f"the video {name!r} has {len(files)} files")
    if not re.fullmatch(r"([0-9a-f]{64})?", sha256):
        raise ValueError(f"the sha256 of {name!r} must be 64 hex digits, got {sha256!r}")
    return TakeInput(name, values["key"], kind, tuple(files), sha256)


def _film(values: dict[str, Any]) -> FilmRecord:
    """A film as it is recorded; ValueError for one whose mark could not be made."""
    film = FilmRecord(**values)
    _texts(film.job, film.key, film.before, film.after, film.film)
    if not re.fullmatch(r"([0-9a-f]{10})?", film.film):
        raise ValueError(f"the film's name in its mark must be 10 hex digits, got {film.film!r}")
    return film


def _texts(*values: Any) -> None:
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"text was expected, got {value!r}")


def _plain(name: str) -> str:
    """A name that becomes part of a path here: ValueError for one that would lead elsewhere (the record may come from
    another machine)."""
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"{name!r} is no plain name")
    return name


def _dump(record: Record) -> str:
    lines = [f"format = {FORMAT}", f"doublecast = {_value(_version())}"]
    for side, takes in record.inputs.items():
        for take in takes:
            lines += ["", f"[[inputs.{side}]]", *_items(asdict(take))]
    if record.options:
        lines += ["", "[options]", *_items(record.options)]
    tables: dict[str, Any] = {"stages": record.stages, "models": record.models, "films": record.films}
    for table, records in tables.items():
        for name, entry in records.items():
            lines += ["", f"[{table}.{_value(name)}]", *_items(asdict(entry))]
    return "\n".join(lines) + "\n"


def _items(values: dict[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in values.items()]


def _value(value: str | int | float | bool | Sequence[str]) -> str:
    """A TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
    return "[" + ", ".join(_value(item) for item in value) + "]"


def _version() -> str:
    from doublecast import __version__

    return __version__
