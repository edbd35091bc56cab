"""The loop of the process that does a production's jobs (see `pipeline.queue`)."""

import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Self

from doublecast.errors import DoublecastError, InUseError, words
from doublecast.events import Listener, Note
from doublecast.lock import OwnedLock
from doublecast.pipeline.activity import utc
from doublecast.pipeline.queue import FOLDER, Job, State, editing, read, stored, write
from doublecast.pipeline.runner import run
from doublecast.production import holder

_POLL = 0.5  #: seconds between two looks whether the production is free


def work(folder: Path, on_event: Listener) -> None:
    """See `queue.work`; ``folder`` is a production, absolute."""
    with _Signals() as signals:
        with editing(folder) as place:
            try:
                mine = OwnedLock(place / "worker.lock", wait=0.2)
            except InUseError:  # another worker does it
                return
            for left in stored(folder, on_event):
                if left.state == "running":  # its worker was killed
                    write(folder, replace(left, state="paused"))
        told = False
        with mine:
            while True:
                signals.obey()
                job, busy = _next(folder, mine)
                if job is not None:
                    told = False
                    _do(folder, job, signals, on_event)
                elif busy is None:
                    return
                else:
                    if not told:
                        on_event(Note("jobs", f"waiting for process {busy}, which works on {folder}"))
                        told = True
                    time.sleep(_POLL)


def _next(folder: Path, mine: OwnedLock) -> tuple[Job | None, int | None]:
    """The oldest job that waits, taken; or the process that has to be waited for; or neither: then ``mine`` is given
    back before anybody can add a job, who then starts another worker."""
    with editing(folder):
        job = next((job for job in stored(folder) if job.state == "waiting"), None)
        if job is None:
            mine.release()
            return None, None
        busy = holder(folder)
        if busy is not None:
            return None, busy
        job = replace(job, state="running", started=utc(), ended="", error="", results=())
        write(folder, job)
        return job, None


def _do(folder: Path, job: Job, signals: "_Signals", on_event: Listener) -> None:
    """Do a job and write down how it ended. Raises KeyboardInterrupt where the worker itself was to stop."""
    state: State = "done"
    error, results = "", tuple[str, ...]()
    try:
        with signals.armed():
            results = run(folder, job.kind, job.options, on_event)
    except KeyboardInterrupt:
        state = "paused"
    except InUseError:  # somebody was quicker
        state = "waiting"
    except Exception as problem:  # a job that fails does not keep the next one from its turn
        state, error = "failed", words(problem)
        expected = isinstance(problem, DoublecastError | PermissionError)
        text = error if expected else "".join(traceback.format_exception(problem))
        on_event(Note("jobs", f"job {job.id} ({job.kind}) failed: {text}", "warning"))
    with editing(folder):
        now = read(folder / FOLDER / f"{job.id}.json")
        asked = now is not None and now.state != "running"  # paused, cancelled or resumed meanwhile by somebody
        if now is not None and (state == "done" or not asked or (state == "failed" and now.state != "cancelled")):
            ended = utc() if state in ("done", "failed") else ""
            write(folder, replace(now, state=state, ended=ended, error=error, results=results))
        if asked:
            signals.forget()
    if state == "paused" and not asked:
        raise KeyboardInterrupt


class _Signals:
    """SIGTERM and Ctrl-C interrupt a job once, so that they do not interrupt the writing of what it did; what comes
    at any other time is kept until `obey`. Outside the main thread there are no signals, and it does nothing."""

    def __init__(self) -> None:
        self._armed = False
        self._came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
        self._came = True

    @contextmanager
    def armed(self) -> Iterator[None]:
        """A block that is interrupted."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def obey(self) -> None:
        """Raise KeyboardInterrupt if one came."""
        if self._came:
            raise KeyboardInterrupt

    def forget(self) -> None:
        """Drop what came, also what is just arriving: it was about the job that has ended."""
        time.sleep(0.05)
        self._came = False
