"""Takes -> faces on disk: decode, track, cut, store; each in its own thread, resumable at frame boundaries."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from doublecast.disk import disk_errors, key_of
from doublecast.errors import InputError, NoFaceError, RefusedError
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faces.track import FaceTracker
from doublecast.faceset import FaceStore, StoredFace, TakeRecord, cut, face_id
from doublecast.faceset.store import IMPORTED
from doublecast.pipeline.activity import working
from doublecast.pipeline.consent import bind_takes, require, state
from doublecast.pipeline.flow import Flow, depth_for
from doublecast.pipeline.guard import begun, guard_side, mark_passed, passed
from doublecast.production import Production, Side, TakeInput, opened
from doublecast.trust.guard import Guard
from doublecast.types import Face, Frame
from doublecast.video import Reader, Take, find_takes, probe
from doublecast.weights import fetch_all

EXTRACTOR = 1  #: raise it when stored faces would come out differently: productions are then extracted again
BATCH_FACES = 250  #: faces per transaction
BATCH_SECONDS = 20.0  #: and at the latest after this time, so that little is lost


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one side's takes gave. problems: what could not be used of them, with the file's name."""

    takes: int
    frames: int
    faces: int
    problems: tuple[str, ...]


def extract(
    takes: str | Path | Sequence[str | Path],
    production: Production | Path | str,
    *,
    side: Side,
    consent: str | None = None,
    on_event: Listener = ignore,
) -> Extraction:
    """Store every face of the takes in the production (made if it does not exist); finished takes are not done twice.

    takes: files, folders or globs; all of them show one identity (other people may be in shot).
    consent: on what basis the person's face is used (see `trust.Basis.parse`); needed where none is recorded yet.
    Raises InputError (unreadable), NoFaceError (nobody in any of them), ProductionError (folder of another job),
    ConsentError (no basis, or not for these people), RefusedError (sexual imagery).
    """
    given = [takes] if isinstance(takes, str | Path) else list(takes)
    found = find_takes(given)
    basis = require(production, side, consent, option="--consent")
    with opened(production, create=True) as job, working(job, "extract", on_event) as tell, disk_errors(job.folder):
        state(job, side, basis, tell)
        return extract_side(job, side, found, on_event=tell)


def extract_side(job: Production, side: Side, takes: Sequence[Take], *, on_event: Listener = ignore) -> Extraction:
    """`extract` for takes that were found already and an open production."""
    keys = _unique(takes, on_event)
    before = job.record.inputs.get(side, [])
    inputs = [
        TakeInput(t.name, key, t.kind, tuple(str(f.absolute()) for f in t.files), t.sha256()) for key, t in keys.items()
    ]
    job.set_inputs(side, inputs)
    bind_takes(job, side)
    store = FaceStore(job.side(side))
    _forget_others(store, set(keys))
    key = key_of("extract", EXTRACTOR, *sorted(keys))
    done = {record.key for record in store.takes() if record.finished}
    if not job.finished(f"extract {side}", key) or not done.issuperset(keys):
        fetch_all(on_event)
        job.record.stages.pop(f"curate {side}", None)  # it was of other faces
        with job.timed(f"extract {side}", key), _forgotten_if_refused(job, side, before):
            for take in keys.values():
                _extract_take(job, store, take, side, on_event)
    with _forgotten_if_refused(job, side, before):
        guard_side(job, side, keys.values(), on_event)
    records = store.takes()
    mine = [record for record in records if record.key in keys]
    problems = tuple(f"{Path(r.files[0]).name}: {text}" for r in mine for text in r.problems)
    faces = len(store)
    if not faces:
        names = ", ".join(Path(r.files[0]).name for r in mine)
        raise NoFaceError(f"No face was found in {names} ({side}); give a take in which the {side}'s face can be seen")
    return Extraction(len(mine), sum(r.frames_done for r in mine), faces, problems)


def _unique(takes: Sequence[Take], on_event: Listener) -> dict[str, Take]:
    """Takes by content key; a copy of a take that was given already is left out."""
    keys: dict[str, Take] = {}
    for take in takes:
        key = take.key()
        if key in keys:
            text = f"{take.files[0]} has the same content as {keys[key].files[0]}; it is used once"
            on_event(Note("extract", text, "warning"))
        keys.setdefault(key, take)
    return keys


def _forget_others(store: FaceStore, keys: set[str]) -> None:
    """Faces of takes that no longer belong to the job must not be trained on."""
    for record in store.takes():
        if record.key not in keys and record.frames_done and record.kind != IMPORTED:
            store.forget_take(record.key)


@contextmanager
def _forgotten_if_refused(job: Production, side: Side, before: list[TakeInput]) -> Iterator[None]:
    """Nothing is kept of takes that the guard refuses: neither faces nor their place in the record."""
    try:
        yield
    except RefusedError:
        store = FaceStore(job.side(side))
        for record in store.takes():
            if record.kind != IMPORTED and not passed(job, record.key):
                store.forget_take(record.key)
        job.record.stages.pop(f"extract {side}", None)
        job.record.inputs.pop(side, None)
        if before:
            job.record.inputs[side] = before
        job.save()
        raise


def _extract_take(job: Production, store: FaceStore, take: Take, side: Side, on_event: Listener) -> None:
    info = probe(take)
    record = store.begin_take(take, info)
    if record.finished:
        return
    stage, start = f"extract {side}", record.frames_done
    total = None if info.frames is None else float(info.frames)
    number = store.take_number(record.key)
    guard, whole = Guard(take.files, pictures=take.kind == "pictures"), begun(job, record.key, start=start)
    tracker = FaceTracker(first_track=_next_track(store, number), pictures=take.kind == "pictures")
    with Reader(take, start=start) as reader, Flow(depth=depth_for(info.width, info.height)) as flow:
        frames = flow.ahead(reader, name="decode")
        checked = flow.ahead(guard.watch(frames), name="guard")
        tracked = flow.ahead(((frame, tracker.step(frame)) for frame in checked), name="track")
        stored = flow.ahead((_cut(frame, faces, record, number) for frame, faces in tracked), name="cut")
        done = _store(store, record, stored, stage=stage, total=total, on_event=on_event)
        problems = list(reader.problems)
    if done == 0:
        raise InputError(f"{take.files[0]}: no frame could be decoded; convert it with ffmpeg, or leave it out")
    if whole:
        mark_passed(job, record.key, guard.seconds)
    store.finish_take(record.key, problems)
    on_event(Progress(stage, done, done, "frames", take.name))
    for text in problems:
        on_event(Note(stage, f"{take.files[0]}: {text}", "warning"))


def _next_track(store: FaceStore, number: int) -> int:
    table = store.table()
    tracks = table.track[table.take == number]
    return int(tracks.max()) + 1 if len(tracks) else 0


def _cut(frame: Frame, faces: Iterable[Face], record: TakeRecord, number: int) -> tuple[int, list[StoredFace]]:
    cuts = [
        StoredFace(
            id=face_id(number, frame.index, n),
            take=record.key,
            index=frame.index,
            pts=frame.pts,
            time_base=frame.time_base,
            face=face,
            crop=cut(frame.pixels, face.points),
        )
        for n, face in enumerate(faces)
        if n < 256
    ]
    return frame.index, cuts


def _store(
    store: FaceStore,
    record: TakeRecord,
    frames: Iterator[tuple[int, list[StoredFace]]],
    *,
    stage: str,
    total: float | None,
    on_event: Listener,
) -> int:
    """Append batches of whole frames; returns the number of frames of the take that are done."""
    waiting: list[StoredFace] = []
    done = saved = record.frames_done
    last = time.monotonic()
    for index, faces in frames:
        waiting += faces
        done = index + 1
        on_event(Progress(stage, done, None if total is None else max(total, done), "frames", record.name))
        if len(waiting) >= BATCH_FACES or time.monotonic() - last > BATCH_SECONDS:
            store.append(waiting, take=record.key, frames_done=done)
            waiting, saved, last = [], done, time.monotonic()
    if done > saved:
        store.append(waiting, take=record.key, frames_done=done)
    return done
