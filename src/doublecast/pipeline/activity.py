"""What the process that works on a production says of itself, in `activity.json`: seen by everybody who looks.

Whoever works wraps its events (`working`); whoever looks on calls `read_activity`, and `stop` to end it like Ctrl-C.
"""

import json
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from doublecast.disk import atomic_write
from doublecast.errors import OutputError, words
from doublecast.events import Event, Listener, Note, Progress, Step
from doublecast.pipeline.pace import Pace
from doublecast.production import Production, holder

FILE = "activity.json"
NOTES = 50  #: so many of the last notes are kept
_EVERY = 0.5  #: seconds between two writes within a stage
Working: TypeAlias = Literal["running", "finished", "stopped", "failed", "killed"]


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process does, or did last.

    done, total: of the stage, counted in unit. rate: units per second. seconds_left: of the stage. started, updated:
    UTC, ISO 8601. notes: level, stage and text of the last `NOTES`. error: why it failed, in the command line's words.
    """

    pid: int
    command: str
    state: Working
    stage: str = ""
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    detail: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    started: str = ""
    updated: str = ""
    notes: tuple[tuple[str, str, str], ...] = ()
    error: str = ""


def utc() -> str:
    """Now, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def working(job: Production, command: str, on_event: Listener) -> Iterator[Listener]:
    """Tell of the work in an open production until the block ends; yields the listener to give to the stages.

    Inside another block of the same production it does nothing: the outermost command is what is told.
    """
    if job.command:
        yield on_event
        return
    job.command, teller = command, _Teller(job.folder, command, on_event)
    try:
        teller.write("running")
        yield teller
    except (KeyboardInterrupt, GeneratorExit):
        teller.write("stopped")
        raise
    except BaseException as error:
        teller.write("failed", words(error))
        raise
    else:
        teller.write("finished")
    finally:
        job.command = ""


@dataclass(slots=True)
class _Teller:
    """A listener that writes down what it hears, and passes it on."""

    folder: Path
    command: str
    on_event: Listener
    stage: str = ""
    pace: Pace = field(default_factory=Pace)
    notes: deque[tuple[str, str, str]] = field(default_factory=lambda: deque(maxlen=NOTES))
    started: str = field(default_factory=utc)
    written: float = 0.0

    def __call__(self, event: Event) -> None:
        now, new = time.monotonic(), False
        if isinstance(event, Progress):
            new = event.stage != self.stage
            if new:
                self.stage, self.pace = event.stage, Pace()
            self.pace.add(event, now)
        elif isinstance(event, Step):
            self.pace.step(event)
        elif isinstance(event, Note):
            self.notes.append((event.level, event.stage, event.text))
        if new or now - self.written >= _EVERY:
            self.write("running")
        self.on_event(event)

    def write(self, state: Working, error: str = "") -> None:
        """Write it; a disk that refuses does not end the work, which will tell of it where it matters."""
        self.written = time.monotonic()
        pace, last = self.pace, self.pace.last
        activity = Activity(
            pid=os.getpid(),
            command=self.command,
            state=state,
            stage=self.stage,
            done=0.0 if last is None else last.done,
            total=None if last is None else last.total,
            unit="" if last is None else last.unit,
            detail=pace.extra or ("" if last is None else last.detail),
            rate=pace.rate(),
            seconds_left=pace.seconds_left() if state == "running" else None,
            started=self.started,
            updated=utc(),
            notes=tuple(self.notes),
            error=error,
        )
        with suppress(OutputError):
            atomic_write(self.folder / FILE, json.dumps(asdict(activity)).encode(), durable=False)


def read_activity(folder: Path | str) -> Activity | None:
    """What the process that works on a production says, or said last; None where none ever did, or it is unreadable.

    "running" only while that process holds the production's lock; one that ended without a word was "killed".
    """
    folder = Path(folder)
    told = _read(folder / FILE)
    if told is None or told["state"] != "running" or holder(folder) == told["pid"]:
        return None if told is None else Activity(**told)
    again = _read(folder / FILE)  # it may have ended, or begun, between the two looks
    if again is not None and again["state"] == "running" and holder(folder) != again["pid"]:
        again |= {"state": "killed", "rate": None, "seconds_left": None}
    return None if again is None else Activity(**again)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        told["notes"] = tuple((str(level), str(stage), str(text)) for level, stage, text in told["notes"])
        if told["state"] not in get_args(Working) or not isinstance(told["pid"], int):
            return None
        return asdict(Activity(**told))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop(folder: Path | str) -> bool:
    """Ask the process that works on a production to stop, as Ctrl-C does: what it did is kept, and can be resumed.

    Returns whether one was asked: the process that holds the production's lock and says that it works; never this one.
    It takes some seconds until it has ended (training writes a checkpoint first). On Windows it is ended at once.
    """
    activity = read_activity(folder)
    if activity is None or activity.state != "running" or activity.pid == os.getpid():
        return False
    return ask_to_stop(activity.pid)


def ask_to_stop(process: int) -> bool:
    """Send SIGTERM, which the command line takes for Ctrl-C. False where the process is gone or is not ours."""
    if process <= 0:  # would mean a group of processes
        return False
    try:
        os.kill(process, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return False
    return True
