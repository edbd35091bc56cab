"""Named states of training that stay: a checkpoint with its log and previews, in ``MODEL/snapshots/NAME/``.

A snapshot's files are hard links where the disk has them, so it takes no room while its checkpoint is there, too; both
are only ever written whole and never changed.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from doublecast.disk import atomic_write, disk_message, refuse_link, sync_folder
from doublecast.errors import InputError, ModelError, OutputError, ProductionError
from doublecast.model.standing import FILES, Standing, checkpoints, newest, read_standing
from doublecast.pipeline.activity import utc
from doublecast.pipeline.log import LOG, PREVIEWS, log_text, read_log
from doublecast.production import Production

SNAPSHOTS = "snapshots"  #: folder in a model's folder
RECORD = "snapshot.json"  #: file in a snapshot
LONGEST = 60  #: characters of a name
_PARTIAL = ".partial"
_FORBIDDEN = frozenset('/\\:*?"<>|')
_OLD = 3600.0  #: seconds after which an unfinished snapshot is nobody's any more
_TRIES = 5  #: how often a checkpoint may be dropped by the training while it is copied


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A kept state. model: name of its folder. step, seconds: of training. made: UTC, ISO 8601."""

    name: str
    model: str
    step: int
    seconds: float
    made: str
    note: str = ""


def snapshots(folder: Path | str) -> list[Snapshot]:
    """All snapshots of a production, oldest first; only looks. Raises ProductionError where it is none."""
    return [snapshot for snapshot, _ in _found(Production(folder, create=False, lock=False))]


def save(folder: Path | str, name: str, *, model: str | None = None, note: str = "") -> Snapshot:
    """Keep the newest checkpoint under a name, also while training runs.

    model: name of the model's folder, by default the one that was trained last.
    Raises InputError (the name), ModelError (nothing trained yet), OutputError (exists already, or disk full).
    """
    return _save(Production(folder, create=False, lock=False), check_name(name), model, note)


def restore(folder: Path | str, name: str) -> Snapshot:
    """Make a snapshot the newest checkpoint of its model, and that model the one that films are made with.

    Training goes on from there. What was newest is kept first, as the snapshot "before NAME".
    Raises InUseError while a process works there, InputError where there is no such snapshot, OutputError.
    """
    with Production(folder, create=False) as job:
        snapshot, kept = _one(job, name)
        model, log = job.folder / snapshot.model, kept / LOG
        with _told(model):
            refuse_link(log)
            refuse_link(kept / PREVIEWS)
        if newest(model) is not None:
            _save(job, _free(job, f"before {snapshot.name}"), snapshot.model, f"before {snapshot.name} was restored")
        with _told(model), _whole(model / f"checkpoint-{snapshot.step:08d}", replaces=True) as partial:
            for file in FILES:
                _link(kept / file, partial / file)
        for later in reversed(checkpoints(model)):
            if later.name > f"checkpoint-{snapshot.step:08d}":
                shutil.rmtree(later, ignore_errors=True)
        atomic_write(model / LOG, log.read_bytes() if log.exists() else b"")
        with _told(model), _whole(model / PREVIEWS, replaces=True) as partial:
            for picture in sorted((kept / PREVIEWS).glob("*.png")):
                _link(picture, partial / picture.name)
        job.record.options["model"] = snapshot.model
        job.save()
        return snapshot


def remove(folder: Path | str, name: str) -> None:
    """Delete a snapshot. Raises InputError where there is none of this name."""
    _, kept = _one(Production(folder, create=False, lock=False), name)
    with _told(kept):
        gone = kept.with_name(f".checkpoint-{secrets.token_hex(6)}{_PARTIAL}")
        kept.rename(gone)  # at once, so that nobody sees a part of it
        shutil.rmtree(gone, ignore_errors=True)


def check_name(name: str) -> str:
    """The name, if it can be one. Raises InputError that says what is valid."""
    plain = name.isprintable() and not _FORBIDDEN.intersection(name) and name == name.strip()
    if not (1 <= len(name) <= LONGEST and plain and not name.startswith(".") and not name.endswith(".")):
        raise InputError(
            f"a snapshot cannot be called {name!r}; a name has 1 to {LONGEST} characters, none of them "
            f"{' '.join(sorted(_FORBIDDEN))}, and neither a space nor a full stop at its ends"
        )
    return name


def trained_last(job: Production) -> str | None:
    """Name of the model whose newest checkpoint was written last, None where nothing was trained yet."""
    ages = {name: found[0].stat().st_mtime_ns for name in job.record.models if (found := newest(job.folder / name))}
    return max(ages, key=lambda name: ages[name]) if ages else None


def _found(job: Production) -> list[tuple[Snapshot, Path]]:
    found = [
        (snapshot, path)
        for model in job.record.models
        for path in (job.folder / model / SNAPSHOTS).glob("[!.]*")
        if not path.is_symlink() and (snapshot := _read(path, model)) is not None
    ]
    return sorted(found, key=lambda pair: (pair[0].made, pair[0].name))


def _read(path: Path, model: str) -> Snapshot | None:
    """None for what is no whole snapshot."""
    try:
        standing = read_standing(path)
        raw = json.loads((path / RECORD).read_text(encoding="utf-8"))
        return Snapshot(path.name, model, standing.step, standing.seconds, str(raw["made"]), str(raw["note"]))
    except (OSError, ValueError, KeyError, TypeError, ModelError):
        return None


def _one(job: Production, name: str) -> tuple[Snapshot, Path]:
    found = _found(job)
    for snapshot, path in found:
        if snapshot.name == name:
            return snapshot, path
    names = ", ".join(snapshot.name for snapshot, _ in found) or "none"
    raise InputError(f"{job.folder} has no snapshot {name!r}; there are: {names}")


def _free(job: Production, name: str) -> str:
    """The name, or with a number where it is taken."""
    taken, number, free = _names(job), 1, name[:LONGEST].rstrip(" .")
    while free.casefold() in taken:
        number += 1
        free = f"{name[: LONGEST - 5].rstrip(' .')} {number}"
    return free


def _names(job: Production) -> set[str]:
    """What lies where snapshots lie, without regard to case."""
    return {p.name.casefold() for model in job.record.models for p in (job.folder / model / SNAPSHOTS).glob("*")}


def _save(job: Production, name: str, model: str | None, note: str) -> Snapshot:
    chosen = trained_last(job) if model is None else model
    if chosen is None:
        raise ProductionError(f"{job.folder} has no model yet; run: doublecast train {job.folder}")
    if chosen not in job.record.models:
        raise InputError(f"{job.folder} has no model {chosen!r}; there are: {', '.join(job.record.models) or 'none'}")
    if name.casefold() in _names(job):
        raise OutputError(f"{job.folder} has a snapshot {name!r} already; choose another name, or remove that one")
    place = job.folder / chosen / SNAPSHOTS / name
    with _told(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        for _ in range(_TRIES):
            try:
                return _take(place, note)
            except _DroppedError:
                continue
    raise ModelError(f"{job.folder / chosen}: the newest checkpoint was replaced each time it was copied; try again")


class _DroppedError(Exception):
    """The training dropped or replaced the checkpoint that was being copied."""


def _take(place: Path, note: str) -> Snapshot:
    """Make the snapshot of the checkpoint that is the newest now."""
    model = place.parent.parent
    found = newest(model)
    if found is None:
        raise ModelError(f"{model} has no checkpoint yet; training writes the first one after a minute")
    checkpoint, standing = found
    with _whole(place) as partial:
        if not _copied(checkpoint, partial, standing):
            raise _DroppedError
        _keep_log(model, partial, standing.step)
        snapshot = Snapshot(place.name, model.name, standing.step, standing.seconds, utc(), note)
        atomic_write(partial / RECORD, json.dumps(asdict(snapshot), indent=1).encode())
    return snapshot


def _sweep(folder: Path) -> None:
    """Remove what killed processes left."""
    for left in folder.glob(f".*{_PARTIAL}"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left, ignore_errors=True)


def _copied(checkpoint: Path, to: Path, standing: Standing) -> bool:
    """Link or copy a checkpoint's files; False where it was replaced or dropped meanwhile, so parts may be missing."""
    try:
        before = checkpoint.stat()
        for file in FILES:
            _link(checkpoint / file, to / file)
        after = checkpoint.stat()
        same = (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
        return same and read_standing(to) == standing
    except (FileNotFoundError, ModelError):
        return False


def _keep_log(model: Path, to: Path, step: int) -> None:
    """The log and the previews up to a step."""
    steps = [line for line in read_log(model) if line.step <= step]
    (to / LOG).write_text(log_text(steps), encoding="utf-8")
    (to / PREVIEWS).mkdir()
    for picture in sorted((model / PREVIEWS).glob("*.png")):
        if picture.stem.isdecimal() and int(picture.stem) <= step:
            _link(picture, to / PREVIEWS / picture.name)


def _link(source: Path, to: Path) -> None:
    refuse_link(source)
    try:
        os.link(source, to)
    except FileNotFoundError:
        raise
    except OSError:  # a disk without hard links
        shutil.copy2(source, to)


@contextmanager
def _whole(place: Path, *, replaces: bool = False) -> Iterator[Path]:
    """A folder to fill, which is at ``place`` when the block ends, whole; nothing where it ends with an error.

    What a killed process leaves has the name of an unfinished checkpoint: training removes it.
    """
    partial = place.with_name(f".checkpoint-{secrets.token_hex(6)}{_PARTIAL}")
    try:
        partial.mkdir()
        yield partial
        sync_folder(partial)
        if replaces:
            shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
        sync_folder(place.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """Turn the disk's refusals into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(disk_message(place, error)) from error
