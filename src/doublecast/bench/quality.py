"""Quality per minute of training: every contestant on every pair, measured after so many minutes.

::

    WORK/pairs/PAIR/        production with the faces of both sides, the same for all contestants
    WORK/points/KEY.json    one finished point (pair, contestant, minutes): settings, score, measures
    WORK/points/KEY.png     its strip of held-out frames, labelled
    WORK/runs/KEY/          a training run that may go on: snapshot and clock
    WORK/quality.json, quality.html
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from doublecast.bench.contestant import Contestant
from doublecast.bench.contestants import build as build_ours
from doublecast.bench.contestants import contestants as known
from doublecast.bench.contestants import stamp
from doublecast.bench.judge import Verdict, ends, judge
from doublecast.bench.pairs import Held, Pair, check_data, held_out, pairs_of, prepare
from doublecast.disk import atomic_write, key_of
from doublecast.errors import InputError
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faceset import FaceStore
from doublecast.metrics import Measure
from doublecast.trust import Label, Statement, save_picture
from doublecast.types import U8, Crop

QUALITY = 2  #: raise it when all points would come out differently: they are then measured again
MINUTES = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
SNAPSHOT = 60.0  #: seconds of training between snapshots
SHOWN = 6  #: held-out frames in a strip
STRIP = 224  #: side of a face in a strip, in pixels
SWAPPED = Statement("faces of held-out frames, replaced by a network that is being measured")
TRUTH = Statement("faces of held-out frames, replaced exactly by rendering")

Build = Callable[..., Contestant]


@dataclass(frozen=True, slots=True)
class Point:
    """One finished measurement. seconds: of training, steps alone. picture: the strip's file name in WORK/points."""

    pair: str
    contestant: str
    minutes: float
    seconds: float
    steps: int
    faces_seen: int
    score: float
    found: float
    parts: dict[str, float]
    measures: list[Measure]
    picture: str = ""

    def value(self, name: str) -> float | None:
        """A measure by name."""
        return next((m.value for m in self.measures if m.name == name), None)


@dataclass(frozen=True, slots=True)
class Ends:
    """Floor and ceiling of a pair: scores and strips (``actor``, ``target``, ``truth``: file names in WORK/points)."""

    pair: str
    floor: float
    ceiling: float | None
    strips: dict[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """All points in the work folder that were made with these settings."""

    points: list[Point]
    ends: list[Ends]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a point depends on besides pair, contestant and minutes."""

    threads: int
    seed: int = 0

    def key(self, *parts: object) -> str:
        """File name of a result."""
        return key_of(QUALITY, self.threads, self.seed, *parts)


def quality(
    work: Path,
    data: Path,
    *,
    pairs: Sequence[str] = (),
    contestants: Sequence[str] = (),
    minutes: Sequence[float] = MINUTES,
    threads: int | None = None,
    build: Build | None = None,
    on_event: Listener = ignore,
) -> Results:
    """Train and measure what is not measured yet; returns every point in ``work``, also of earlier calls.

    data: the folder with performers/ and footage/. contestants: names, see `bench.contestants`; with ``build`` (called
    like `contestants.build`) names of its own. Raises InputError for missing data, unknown names and bad minutes.
    """
    wanted = sorted(set(minutes))
    if not wanted or not all(math.isfinite(m) and m > 0 for m in wanted):
        raise InputError(f"--minutes must be numbers above 0, such as 1,2,5,10; got {list(minutes)}")
    chosen = pairs_of(pairs)
    check_data(chosen, data)
    if build is None:
        build, contestants = build_ours, known(contestants)
    before = torch.get_num_threads()
    settings = Settings(threads or before)
    work = work.absolute()
    (work / "points").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    try:
        for pair in chosen:
            _pair(work, data, pair, list(contestants), wanted, settings, build, on_event)
    finally:
        torch.set_num_threads(before)
    return collect(work, settings)


def _pair(
    work: Path, data: Path, pair: Pair, names: Sequence[str], minutes: Sequence[float], settings: Settings,
    build: Build, on_event: Listener,
) -> None:  # fmt: skip
    end = work / "points" / f"{settings.key(pair.name)}.ends.json"
    if end.exists() and all(_file(work, settings, pair, n, m).exists() for n in names for m in minutes):
        return
    folder = work / "pairs" / pair.name.replace(" ", "-")
    stores = prepare(pair, folder, data, on_event=on_event)
    held = held_out(pair, folder, data, stores, on_event=on_event)
    if not end.exists():
        _write_ends(end, pair, held)
    for name in names:
        left = [m for m in minutes if not _file(work, settings, pair, name, m).exists()]
        if left:
            Bout(work, pair, name, settings, stores, held, build, on_event).run(left)


def _file(work: Path, settings: Settings, pair: Pair, name: str, minutes: float) -> Path:
    return work / "points" / _name(settings, pair.name, name, minutes)


def _name(settings: Settings, pair: str, contestant: str, minutes: float) -> str:
    return f"{settings.key(pair, contestant, float(minutes), *stamp(contestant))}.json"


@dataclass(frozen=True, slots=True, eq=False)
class Bout:
    """One contestant on one pair."""

    work: Path
    pair: Pair
    name: str
    settings: Settings
    stores: tuple[FaceStore, FaceStore]
    held: Held
    build: Build
    on_event: Listener

    def run(self, minutes: Sequence[float]) -> None:
        """Measure at these minutes: one run, also of later calls, for those that do not anneal, else one for each."""
        stops = sorted(minutes)
        folder = self._folder(stops[0])
        first = self._built(stops[0], folder)
        if not first.anneals:
            self._train(first, self._begun(stops[0]), stops)
            return
        self._train(first, folder, stops[:1])
        for budget in stops[1:]:
            folder = self._folder(budget)
            self._train(self._built(budget, folder), folder, [budget])

    def _folder(self, budget: float) -> Path:
        return self.work / "runs" / self.settings.key(self.pair.name, self.name, budget, *stamp(self.name))

    def _begun(self, stop: float) -> Path:
        """Where the run that serves all points goes on; where it is past this one, a run of its own begins."""
        common, alone = self._folder(0), self._folder(stop)
        for folder in (common, alone):
            clock = _clock(folder)
            if clock.seconds - clock.last < 60 * stop:  # its last step led to this point at most
                return folder
        shutil.rmtree(alone)
        return alone

    def _built(self, minutes: float, folder: Path) -> Contestant:
        own = folder / "own"
        own.mkdir(parents=True, exist_ok=True)
        return self.build(self.name, *self.stores, minutes=minutes, seed=self.settings.seed, folder=own)

    def _train(self, contestant: Contestant, folder: Path, stops: Sequence[float]) -> None:
        clock = _restore(contestant, folder)
        saved = clock.seconds
        what = f"{self.pair.name}, {self.name}"
        for stop in stops:
            while clock.seconds < stop * 60:
                begin = time.perf_counter()
                clock.faces += contestant.advance()
                clock.last = time.perf_counter() - begin
                clock.seconds += clock.last
                clock.steps += 1
                self.on_event(Progress("bench train", min(clock.seconds / 60, stop), stop, "minutes", what))
                if clock.seconds - saved >= SNAPSHOT:
                    _save(contestant, clock, folder)
                    saved = clock.seconds
            _save(contestant, clock, folder)
            self._measure(contestant, clock, stop)
        if contestant.anneals:
            shutil.rmtree(folder, ignore_errors=True)

    def _measure(self, contestant: Contestant, clock: "_Clock", stop: float) -> None:
        what = f"{self.pair.name}, {self.name}, {stop:g} minutes"
        found = judge(contestant.converter(), self.held, on_event=self.on_event, detail=what)
        path = _file(self.work, self.settings, self.pair, self.name, stop)
        picture = path.with_suffix(".png")
        save_picture(picture, strip(found.crops), label=Label(), statement=SWAPPED)
        point = Point(
            self.pair.name, self.name, float(stop), round(clock.seconds, 3), clock.steps, clock.faces,
            found.score, found.found, dict(found.parts), list(found.measures), picture.name,
        )  # fmt: skip
        settings = {"version": QUALITY, **asdict(self.settings)}
        atomic_write(path, json.dumps({"settings": settings, **asdict(point)}, indent=1).encode())
        self.on_event(Note("bench", f"{what}: score {found.score:.1f}"))


@dataclass(slots=True)
class _Clock:
    """Training so far, over all runs. last: seconds of the last step."""

    seconds: float = 0.0
    steps: int = 0
    faces: int = 0
    last: float = 0.0


def _snapshot(folder: Path) -> Path | None:
    """The last snapshot of a run: the folder "snapshot" or, killed while it was put in place, "before"."""
    places = (folder / name for name in ("snapshot", "before"))
    return next((place for place in places if (place / "clock.json").exists()), None)


def _clock(folder: Path) -> _Clock:
    """How far a run is."""
    place = _snapshot(folder)
    return _Clock() if place is None else _Clock(**json.loads((place / "clock.json").read_text("utf-8")))


def _restore(contestant: Contestant, folder: Path) -> _Clock:
    """Go on where a snapshot was made."""
    place = _snapshot(folder)
    if place is not None:
        contestant.restore(place / "state")
    return _clock(folder)


def _save(contestant: Contestant, clock: _Clock, folder: Path) -> None:
    """Make a snapshot: written aside, the clock last, then put in place, so that there is always a whole one."""
    new, place, old = (folder / name for name in ("new", "snapshot", "before"))
    shutil.rmtree(new, ignore_errors=True)
    (new / "state").mkdir(parents=True)
    contestant.save(new / "state")
    atomic_write(new / "clock.json", json.dumps(asdict(clock)).encode())
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def strip(crops: Sequence[Crop]) -> U8:
    """Some of the crops, evenly spread, side by side: uint8 (`STRIP`, n * `STRIP`, 3) RGB."""
    chosen = np.unique(np.linspace(0, len(crops) - 1, min(len(crops), SHOWN)).round().astype(int))
    small = [cv2.resize(crops[k].pixels, (STRIP, STRIP), interpolation=cv2.INTER_AREA) for k in chosen]
    return np.ascontiguousarray(np.hstack(small), np.uint8)


def _write_ends(path: Path, pair: Pair, held: Held) -> None:
    floor, ceiling = ends(held)
    strips: dict[str, str] = {}
    shown = {"actor": [c for _, c in held.actor], "target": [c for _, c in held.target]}
    if held.truth is not None:
        shown["truth"] = [c for _, c in held.truth.samples]
    for name, crops in shown.items():
        picture = path.with_name(path.name.replace(".ends.json", f".{name}.png"))
        if name == "truth":
            save_picture(picture, strip(crops), label=Label(), statement=TRUTH)
        else:
            _, png = cv2.imencode(".png", cv2.cvtColor(strip(crops), cv2.COLOR_RGB2BGR))
            atomic_write(picture, png.tobytes())
        strips[name] = picture.name
    found = Ends(pair.name, floor.score, None if ceiling is None else ceiling.score, strips)
    result = {"ends": asdict(found), "floor": _plain(floor), "ceiling": None if ceiling is None else _plain(ceiling)}
    atomic_write(path, json.dumps(result, indent=1).encode())


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {"score": verdict.score, "parts": dict(verdict.parts), "measures": [asdict(m) for m in verdict.measures]}


def collect(work: Path, settings: Settings) -> Results:
    """Every point of the work folder with these settings, by pair, contestant and minutes."""
    points, found = [], []
    for path in sorted((work / "points").glob("*.json")):
        with suppress(ValueError, TypeError, KeyError):  # a file of an older version does not count
            data = json.loads(path.read_text("utf-8"))
            if path.name == f"{settings.key(data['ends']['pair'])}.ends.json" if "ends" in data else False:
                found.append(Ends(**data["ends"]))
            elif "ends" not in data and data.pop("settings") == {"version": QUALITY, **asdict(settings)}:
                measures = [Measure(**m) for m in data.pop("measures")]
                point = Point(**data, measures=measures)
                if path.name == _name(settings, point.pair, point.contestant, point.minutes):
                    points.append(point)
    points.sort(key=lambda p: (p.pair, p.contestant, p.minutes))
    return Results(points, sorted(found, key=lambda e: e.pair), {"version": QUALITY, **asdict(settings)})
