"""The takes that films are made of, and their shots, which are found once and kept (`actor/shots.json`)."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from doublecast.disk import atomic_write, disk_message
from doublecast.errors import OutputError
from doublecast.events import Listener, Progress, ignore
from doublecast.faces.cuts import CutDetector
from doublecast.faceset import FaceStore
from doublecast.lock import FileLock
from doublecast.pipeline.flow import Flow, depth_for
from doublecast.pipeline.takes import actor_take, stored_take
from doublecast.production import Production
from doublecast.types import I64
from doublecast.video import Reader, Take, probe

FOUND = 1  #: raise it when cuts would be found elsewhere
FILE, LOCK = "shots.json", "shots.lock"
EVERY = 25  #: frames between two reports


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames of a take from one cut to the next, end exclusive. faces: in how many of them the actor is seen."""

    start: int
    end: int
    faces: int


@dataclass(frozen=True, slots=True)
class FilmTake:
    """A take of the actor. key: content key; frames, fps: None where nobody knows."""

    key: str
    name: str
    frames: int | None
    fps: float | None
    width: int
    height: int


def film_takes(folder: Path | str) -> list[FilmTake]:
    """The takes that films are made of. Raises InputError where one is gone or was changed, ProductionError."""
    job = Production(folder, create=False, lock=False)
    found, done = [], dict[str, int]()
    if (job.side("actor") / "takes.json").exists():
        done = {r.key: r.frames_done for r in FaceStore(job.side("actor")).takes() if r.finished}
    for given in job.inputs("actor"):
        info = probe(stored_take(given))
        frames, fps = done.get(given.key, info.frames), None if info.rate is None else float(info.rate)
        found.append(FilmTake(given.key, given.name, frames, fps, info.width, info.height))
    return found


def shots(folder: Path | str, take: str, *, on_event: Listener = ignore) -> tuple[Shot, ...]:
    """The shots of the actor's take of this content key, in order; together they are the whole take.

    The first call decodes it (3 s for a minute at 720p); it may run beside any other work in the production.
    Raises InputError (no such take, or it is gone or was changed), ProductionError, OutputError.
    """
    job = Production(folder, create=False, lock=False)
    given = actor_take(job, take)
    path = job.side("actor") / FILE
    bounds = _read(path).get(take)
    if bounds is None:
        bounds = _bounds(stored_take(given), on_event)
        _keep(path, take, bounds)
    index = _replaced(job.side("actor"), take)
    pairs = pairwise(bounds)
    return tuple(Shot(start, end, int(((index >= start) & (index < end)).sum())) for start, end in pairs)


def _bounds(take: Take, on_event: Listener) -> list[int]:
    """The first frame of every shot, and the end of the last."""
    info, cuts = probe(take), CutDetector()
    begins, end = list[int](), 0
    with Reader(take, exact=False) as reader, Flow(depth=depth_for(info.width, info.height)) as flow:
        for frame in flow.ahead(reader, name="decode"):
            if cuts.step(frame.pixels):
                begins.append(frame.index)
            end = frame.index + 1
            if not frame.index % EVERY:
                total = None if info.frames is None else float(max(info.frames, end))
                on_event(Progress("shots", end, total, "frames", take.name))
    on_event(Progress("shots", end, end, "frames", take.name))
    return [0, *begins[1:], end]


def _keep(path: Path, take: str, bounds: list[int]) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(disk_message(path.parent, error)) from error
    with FileLock(path.with_name(LOCK)):
        document = {"found": FOUND, "takes": {**_read(path), take: bounds}}
        atomic_write(path, json.dumps(document).encode())


def _replaced(side: Path, take: str) -> I64:
    """Indices of the frames in which the main person is."""
    if not (side / "takes.json").exists():
        return np.zeros(0, np.int64)
    store = FaceStore(side)
    try:
        number = store.take_number(take)
    except KeyError:  # no faces yet
        return np.zeros(0, np.int64)
    table = store.table()
    return np.unique(table.index[(table.take == number) & (table.person == 0)])


def _read(path: Path) -> dict[str, list[int]]:
    """Bounds by content key; none where the file is not there, damaged, or of another version."""
    try:
        data = json.loads(path.read_text("utf-8"))
        takes = dict(data["takes"]) if data["found"] == FOUND else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {key: bounds for key, bounds in takes.items() if _ordered(bounds)}


def _ordered(bounds: object) -> bool:
    if not isinstance(bounds, list) or len(bounds) < 2 or not all(type(n) is int for n in bounds):
        return False
    return bounds[0] == 0 and all(a < b for a, b in pairwise(bounds))
