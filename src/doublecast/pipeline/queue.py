"""Jobs of a production, done one after the other by a worker process that survives whoever started it.

::

    PRODUCTION/jobs/
      0001.json     one job each; changed under the lock, replaced whole
      lock          held while jobs are changed, for an instant
      worker.lock   held by the worker as long as it runs
      worker.log    what it tells

`add` a job, then `start_worker`. The worker takes what waits, oldest first, and ends when nothing does. Pausing or
cancelling the job that runs asks the worker to stop, as Ctrl-C does; everything that was done is kept. What waits is
signed with the user's key: a production that came from somebody else may bring jobs that write anywhere, so theirs are
paused until the user resumes them.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, Literal, TypeAlias, get_args

from doublecast.disk import atomic_write, disk_message, open_own
from doublecast.errors import InputError, KeysError, OutputError
from doublecast.events import Listener, Note, ignore
from doublecast.lock import OwnedLock, holder_of
from doublecast.pipeline.activity import ask_to_stop, utc
from doublecast.pipeline.options import KINDS, Kind, checked_in
from doublecast.production import RECORD, Production

FOLDER = "jobs"  #: folder in a production
FORMAT = 1  #: version of a job's file
LOG = "worker.log"
State: TypeAlias = Literal["waiting", "running", "paused", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
_KEPT = 200  #: so many of the ended jobs are remembered
_LOG_BYTES = 1_000_000  #: a longer log is begun anew with the next worker


@dataclass(frozen=True, slots=True)
class Job:
    """One job. id: four digits or more, in the order in which they were added. options: see `pipeline.options`.

    created, started, ended: UTC, ISO 8601, "" for not yet. error: why it failed, in the command line's words. results:
    paths of what it made.
    """

    id: str
    kind: Kind
    options: Mapping[str, Any]
    state: State
    created: str
    started: str = ""
    ended: str = ""
    error: str = ""
    results: tuple[str, ...] = ()


def add(folder: Path | str, kind: Kind, options: Mapping[str, Any]) -> Job:
    """Put a job at the end of the queue; `start_worker` begins it. A swap or an extraction makes the production.

    Raises InputError (options, or a take that is not there; it lists what is valid) and ConsentError before anything is
    written, ProductionError where there is no production, OutputError.
    """
    folder = Path(folder).absolute()
    plain = checked_in(folder, kind, options)
    if kind in ("swap", "extract") and not (folder / RECORD).exists():
        Production(folder).close()
    Production(folder, create=False, lock=False)
    with editing(folder) as place:
        files = sorted(place.glob("*.json"))
        number = 1 + max((int(file.stem) for file in files if file.stem.isdecimal()), default=0)
        job = Job(f"{number:04d}", kind, plain, "waiting", utc())
        write(folder, job)
        ended = [file for file in files if (old := read(file)) is not None and old.state in ENDED]
        for file in ended[:-_KEPT]:
            file.unlink(missing_ok=True)
    return job


def jobs(folder: Path | str, on_event: Listener = ignore) -> list[Job]:
    """All jobs, oldest first; only looks. One that was running when its worker was killed is shown as paused.

    on_event: is told of files that are damaged; they are passed over.
    """
    folder = Path(folder)
    found = stored(folder, on_event)
    if any(job.state == "running" for job in found) and worker(folder) is None:
        # the worker may have ended, its job done, between the two looks
        return [replace(job, state="paused") if job.state == "running" else job for job in stored(folder)]
    return found


def worker(folder: Path | str) -> int | None:
    """Number of the production's worker process, None where none runs."""
    return holder_of(Path(folder) / FOLDER / "worker.lock")


def pause(folder: Path | str, id: str) -> Job:
    """Stop a job, or let it not begin, until `resume`; it keeps its place. Raises InputError where it has ended."""
    return _end(folder, id, "paused")


def cancel(folder: Path | str, id: str) -> Job:
    """Stop a job for good, or give up one that failed; what was done is kept. Raises InputError where it has ended."""
    return _end(folder, id, "cancelled")


def resume(folder: Path | str, id: str) -> Job:
    """Let a paused or failed job go on, at its place in the queue; `start_worker` begins it.

    Raises InputError where it was cancelled or is done.
    """
    folder = Path(folder).absolute()
    with editing(folder):
        job = _job(folder, id)
        if job.state == "waiting" or (job.state == "running" and worker(folder) is not None):
            return job
        if job.state in ("done", "cancelled"):
            raise InputError(f"job {job.id} is {job.state}; only a job that is paused or has failed can go on")
        job = replace(job, state="waiting", ended="", error="")
        write(folder, job)
        return job


def _end(folder: Path | str, id: str, state: Literal["paused", "cancelled"]) -> Job:
    folder = Path(folder).absolute()
    with editing(folder):
        job = _job(folder, id)
        if job.state == state:
            return job
        if job.state in ENDED and (job.state, state) != ("failed", "cancelled"):
            raise InputError(f"job {job.id} has ended already ({job.state})")
        runs = job.state == "running"
        job = replace(job, state=state, ended=utc() if state == "cancelled" else "")
        write(folder, job)
        process = worker(folder) if runs else None
        if process and process != os.getpid():
            ask_to_stop(process)  # still under the lock: the worker is told before it can look
        return job


def start_worker(folder: Path | str) -> None:
    """Start the worker if something waits and none runs; harmless if called twice. It ends by itself."""
    folder = Path(folder).absolute()
    if worker(folder) is not None or not any(job.state == "waiting" for job in stored(folder)):
        return
    log = folder / FOLDER / LOG
    command = [sys.executable, "-P", "-m", "doublecast", "jobs", "run", str(folder)]
    flags = 0x00000208 if sys.platform == "win32" else 0  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    try:
        with open_own(log) as out:
            if out.tell() > _LOG_BYTES:
                out.truncate(0)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, creationflags=flags
            )
    except OSError as error:
        raise OutputError(disk_message(log, error)) from error
    Thread(target=process.wait, daemon=True).start()  # so that it does not stay as a zombie of ours


def work(folder: Path | str, on_event: Listener = ignore) -> None:
    """Be the worker: do what waits, and end when nothing does, or at once where another worker runs.

    Ctrl-C or SIGTERM pauses the job that runs and ends the worker (KeyboardInterrupt). Raises ProductionError.
    """
    from doublecast.pipeline.worker import work as loop

    folder = Path(folder).absolute()
    Production(folder, create=False, lock=False)
    loop(folder, on_event)


@contextmanager
def editing(folder: Path) -> Iterator[Path]:
    """The folder of jobs, locked while they are changed. Raises InputError where there is no production."""
    if not (folder / RECORD).exists():
        raise InputError(f"{folder} is not a production, so it has no jobs")
    place = folder / FOLDER
    try:
        place.mkdir(exist_ok=True)
        lock = OwnedLock(place / "lock", wait=10.0)
    except OSError as error:
        raise OutputError(disk_message(place, error)) from error
    with lock:
        yield place


def stored(folder: Path, on_event: Listener = ignore) -> list[Job]:
    """The jobs as they are in their files, oldest first."""
    found = []
    for file in sorted((folder / FOLDER).glob("*.json"), key=lambda file: (len(file.stem), file.stem)):
        job = read(file)
        if job is not None:
            found.append(job)
        elif file.exists():
            on_event(Note("jobs", f"{file} is damaged and passed over; delete it", "warning"))
    return found


def read(file: Path) -> Job | None:
    """The job of a file, None where it is damaged or gone."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            return None
        signature = raw.pop("signature", "")
        job = Job(**{**raw, "results": tuple(raw["results"])})
        texts = (job.id, job.kind, job.state, job.created, job.started, job.ended, job.error, *job.results)
        known = job.kind in KINDS and job.state in get_args(State) and isinstance(job.options, dict)
        if not known or job.id != file.stem or not all(isinstance(text, str) for text in texts):
            return None
        foreign = job.state == "waiting" and not _ours(file.parent.parent, job, signature)
        return replace(job, state="paused") if foreign else job
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(folder: Path, job: Job) -> None:
    """Replace a job's file, signed as ordered by this user; only while `editing`. Raises KeysError."""
    from doublecast.trust.keys import personal_key

    signature = personal_key().sign(_order(folder, job)).hex()
    text = json.dumps({"format": FORMAT, "signature": signature, **asdict(job)}, indent=1)
    atomic_write(folder / FOLDER / f"{job.id}.json", text.encode("utf-8", "replace"))


def _order(folder: Path, job: Job) -> bytes:
    """What a job's signature is about: this job, of this production."""
    return json.dumps([str(folder.resolve()), job.id, job.kind, job.options], sort_keys=True).encode("utf-8", "replace")


def _ours(folder: Path, job: Job, signature: object) -> bool:
    """Whether this user ordered the job."""
    from doublecast.trust.keys import personal_key, public_text, verified

    try:
        public = public_text(personal_key().public_key())
    except KeysError:
        return False
    return isinstance(signature, str) and verified(public, signature, _order(folder, job))


def _job(folder: Path, id: str) -> Job:
    """The job of this number. Raises InputError that lists the numbers there are."""
    number = id.strip()
    job = read(folder / FOLDER / f"{int(number):04d}.json") if re.fullmatch(r"[0-9]{1,9}", number) else None
    if job is None:
        known = ", ".join(job.id for job in stored(folder)) or "none"
        raise InputError(f"{folder} has no job {id!r}; there are: {known}")
    return job
