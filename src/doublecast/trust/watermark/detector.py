"""Finds the mark in films and stills: which film, how surely, and where in time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from doublecast.trust.watermark.evidence import CHANCE, Count
from doublecast.trust.watermark.payload import FilmId
from doublecast.trust.watermark.reading import Reading, read
from doublecast.trust.watermark.residual import residual
from doublecast.types import F32, U8

State: TypeAlias = Literal["found", "damaged", "absent"]
WINDOW = 2.0  #: seconds of film that are read together
FRAMES = 16  #: of a window that are looked at, at most; more add little, since the mark stands still
POOL = 5  #: windows without a payload that are read together once more
BUDGET = 120.0  #: seconds, decoding included, after which nothing more is looked at


@dataclass(frozen=True)
class Found:
    """What is known about a stretch of film.

    state: "found": film is its name. "damaged": a mark is there whose payload cannot be read, or one of another
    version (then version tells which). "absent": no mark can be told from chance.
    confidence: 0-1, one minus the bound of the probability that chance alone does this for all that was tried in this
    film (see `evidence`); 0 where absent. z: of the payload (found, absent) or of the pilots (damaged).
    start, end: seconds in the film; equal for a still.
    """

    film: FilmId | None
    confidence: float
    z: float
    version: int | None
    start: float
    end: float
    state: State


@dataclass(frozen=True, eq=False)
class _Span:
    """Windows with the same answer. total: sum of residuals, kept only where nothing was found."""

    start: float
    end: float
    reading: Reading
    total: F32 | None = None


class Detector:
    """Takes the frames of a film one by one, in order of time, and tells what mark they carry.

    Memory does not grow with frames, and hardly with time (a few hundred bytes for every window). At most ``frames``
    pictures of every ``window`` seconds are looked at, spread evenly; windows in which no payload is found are read
    again together. With ``length`` (of the film, seconds) windows are left out evenly to stay within ``budget``
    seconds by the clock; without it, whatever comes after the budget is not looked at (see `complete`).
    Not for several threads at once.
    """

    def __init__(
        self, *, window: float = WINDOW, frames: int = FRAMES, length: float | None = None, budget: float = BUDGET
    ) -> None:
        if window <= 0 or frames < 1 or budget <= 0:
            raise ValueError(f"window, frames and budget must be positive, got {window}, {frames}, {budget}")
        self._window, self._every, self._length, self._budget = window, window / frames, length, budget
        self._total: F32 | None = None
        self._start = self._end = self._next = self._opens = 0.0
        self._begun: float | None = None
        self._spans: list[_Span] = []
        self._pool: list[_Span] = []
        self._known: Reading | None = None
        self._searched_wide = False
        self.count = Count()  #: what was tried
        self.complete = True  #: whether no part of the film was left out
        self._clock: float | None = None

    @property
    def spent(self) -> float:
        """Seconds since the first frame came, by the clock: work here and the caller's decoding."""
        return 0.0 if self._clock is None else time.perf_counter() - self._clock

    def add(self, picture: U8, seconds: float) -> None:
        """The next frame: uint8 luma (H, W) or RGB (H, W, 3), upright, and its time in the film."""
        if self._clock is None:
            self._clock = time.perf_counter()
        if self._begun is None:
            self._begun = self._opens = seconds
        if self._total is not None and seconds >= self._start + self._window - 1e-6:
            self._close()
        if self._total is None and not self._may_open(seconds):
            return
        if self._total is None or seconds >= self._next - 1e-6:
            fine = residual(picture)
            if self._total is not None and fine.shape != self._total.shape:
                self._close()
            if self._total is None:
                self._total, self._start, self._next = fine, seconds, seconds
            else:
                self._total += fine
            self._next += self._every
        self._end = seconds

    def result(self) -> list[Found]:
        """What the film says, stretch by stretch in order of time; one "absent" for a film without a mark.

        Stretches with the same answer that follow each other are one. May be called at any time, and again.
        """
        if self._total is not None:
            self._close()
        self._read_pool()
        found: list[Found] = []
        for span in self._spans:
            now = self._found(span)
            if found and (found[-1].state, found[-1].film, found[-1].version) == (now.state, now.film, now.version):
                best = max(found[-1], now, key=lambda one: one.z)
                now = Found(best.film, best.confidence, best.z, best.version, found[-1].start, now.end, best.state)
                found.pop()
            found.append(now)
        return found or [Found(None, 0.0, 0.0, None, 0.0, 0.0, "absent")]

    def _may_open(self, seconds: float) -> bool:
        """Whether a window may begin here: within the budget, and not faster than the film's length allows."""
        if self.spent < self._budget and seconds >= self._opens - 1e-6:
            return True
        self.complete = False
        return False

    def _close(self) -> None:
        """Read the open window."""
        assert self._total is not None
        total, self._total = self._total, None
        reading = read(total, self.count, known=self._known)
        span = _Span(self._start, max(self._end, self._start), reading, total)
        if reading.film is None and reading.version is None:
            if self._pool and self._pool[-1].total is not None and self._pool[-1].total.shape != total.shape:
                self._read_pool()
            self._pool.append(span)
            if len(self._pool) >= POOL:
                self._read_pool()
        else:
            self._read_pool()
            self._known = reading
            self._spans.append(_Span(span.start, span.end, reading))
        self._opens = self._pace()

    def _pace(self) -> float:
        """Time in the film at which the next window may begin."""
        if self._length is None or self._begun is None:
            return 0.0
        gone = self._end - self._begun
        share = (self.spent + 1e-9) / self._budget  # of the budget, against the share of the film that has gone by
        return self._begun + share * self._length if share * self._length > gone + self._window else 0.0

    def _read_pool(self) -> None:
        """Read what was left unread together; before anything is known once also for pictures that were turned."""
        pool, self._pool = self._pool, []
        totals = [span.total for span in pool if span.total is not None]
        if not totals:
            return
        reading = max((span.reading for span in pool), key=lambda one: one.pilots)
        wide = self._known is None and not self._searched_wide
        if (len(totals) > 1 or wide) and self.spent < self._budget:
            self._searched_wide = True
            again = read(np.sum(totals, axis=0), self.count, known=self._known, wide=wide)
            if again.film is not None or again.version is not None:
                self._known = reading = again
            elif again.pilots > reading.pilots:
                reading = again
        self._spans.append(_Span(pool[0].start, pool[-1].end, reading))

    def _found(self, span: _Span) -> Found:
        reading = span.reading
        if reading.film is not None or reading.version is not None:
            state: State = "damaged" if reading.film is None else "found"
            sure = 1 - self.count.payload_chance(reading.z)
            return Found(reading.film, sure, reading.z, reading.version, span.start, span.end, state)
        chance = self.count.pilots_chance(reading.pilots)
        if chance <= CHANCE / 2:
            return Found(None, 1 - chance, reading.pilots, None, span.start, span.end, "damaged")
        return Found(None, 0.0, reading.z, None, span.start, span.end, "absent")


def detect(
    frames: Iterable[tuple[U8, float]],
    *,
    window: float = WINDOW,
    per_window: int = FRAMES,
    length: float | None = None,
    budget: float = BUDGET,
) -> list[Found]:
    """What mark a film carries, stretch by stretch (see `Detector`).

    frames: upright luma, uint8 (H, W), or RGB, with its time in seconds, in order. It stops reading them where the
    budget is spent.
    """
    detector = Detector(window=window, frames=per_window, length=length, budget=budget)
    for picture, seconds in frames:
        detector.add(picture, seconds)
        if detector.spent >= budget:
            break
    return detector.result()


def detect_picture(pixels: U8) -> Found:
    """What mark a still carries: uint8 (H, W, 3) RGB or (H, W) luma, upright."""
    return detect([(pixels, 0.0)])[0]
