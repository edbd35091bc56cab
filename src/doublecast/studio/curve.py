"""The log of a model's training as a curve: read as it grows, thinned for a screen."""

import json
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from doublecast.types import F64

Axis: TypeAlias = Literal["seconds", "step"]
LATE = 30  #: reported steps (about one a second) whose mean is the loss "at" a step
KEPT = 12  #: curves that are remembered


class Curve:
    """The steps of one log: only what was appended since the last look is read; a log that was replaced, anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file, self._offset = 0, 0
        self._clear()

    def _clear(self) -> None:
        self._offset = 0
        self.step, self.seconds, self.rate = array("d"), array("d"), array("d")
        self.losses: dict[str, array[float]] = {}

    def update(self) -> None:
        """Read what is new; nothing where there is no log."""
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    stat = self._path.stat()
                    if stat.st_ino != self._file or stat.st_size < self._offset:
                        self._clear()
                    self._file = stat.st_ino
                    file.seek(self._offset)
                    data = file.read()
            except FileNotFoundError:
                self._clear()
                return
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            raw = json.loads(line)
            step, seconds, rate = float(raw["step"]), float(raw["seconds"]), float(raw["faces_per_second"])
            losses = {str(name): float(value) for name, value in raw["losses"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):  # a line that was cut by a crash
            return
        if self.step and step <= self.step[-1]:  # lost in a crash and trained again: counts once
            first = bisect_left(self.step, step)
            for column in (self.step, self.seconds, self.rate, *self.losses.values()):
                del column[first:]
        before = len(self.step)
        self.step.append(step)
        self.seconds.append(seconds)
        self.rate.append(rate)
        for name in [name for name in losses if name not in self.losses]:
            self.losses[name] = array("d", [np.nan] * before)
        for name, column in self.losses.items():
            column.append(losses.get(name, np.nan))

    def thinned(self, axis: Axis, points: int) -> dict[str, Any]:
        """At most so many points: means over equal stretches of the axis, as JSON has them (None: not a number)."""
        with self._lock:
            columns = {"step": self.step, "seconds": self.seconds, "rate": self.rate, **self.losses}
            names, data = list(columns), np.array([np.frombuffer(c) for c in columns.values()], np.float64)
        count = data.shape[1]
        if not count:
            return {"count": 0, "step": [], "seconds": [], "rate": [], "losses": {}}
        if count > points:
            x = data[names.index(axis)]
            span = max(x[-1] - x[0], 1e-9)
            place = np.minimum(((x - x[0]) / span * points).astype(np.int64), points - 1)
            starts = np.flatnonzero(np.diff(place, prepend=-1))
            last = data[:3, -1].copy()
            data = np.add.reduceat(data, starts, axis=1) / np.diff(starts, append=count)
            data[:3, -1] = last  # the end of the curve is where training stands
        found = {name: _plain(row) for name, row in zip(names, data, strict=True)}
        return {"count": count, **{n: found.pop(n) for n in ("step", "seconds", "rate")}, "losses": found}

    def at(self, step: int) -> tuple[float, dict[str, float]]:
        """Training seconds at a step, and the losses of shortly before it; (0, {}) before the first."""
        with self._lock:
            end = bisect_right(self.step, step)
            if not end:
                return 0.0, {}
            late = {name: float(np.mean(column[max(0, end - LATE) : end])) for name, column in self.losses.items()}
            return self.seconds[end - 1], {name: value for name, value in late.items() if np.isfinite(value)}


def _plain(row: F64) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in row]


class Curves:
    """The curves that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._curves: OrderedDict[Path, Curve] = OrderedDict()

    def of(self, path: Path) -> Curve:
        """The curve of a log, up to date."""
        with self._lock:
            curve = self._curves.setdefault(path, Curve(path))
            self._curves.move_to_end(path)
            while len(self._curves) > KEPT:
                self._curves.popitem(last=False)
        curve.update()
        return curve
