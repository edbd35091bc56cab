"""The guard over a production: which takes passed it, and looking at those that did not yet."""

from collections.abc import Iterable
from pathlib import Path

from doublecast.disk import key_of
from doublecast.errors import ProductionError
from doublecast.events import Listener, Progress, ignore
from doublecast.faceset import FaceStore, Imported, import_faces
from doublecast.faceset.exchange import new_pictures, picture_key
from doublecast.faceset.store import IMPORTED
from doublecast.pipeline.flow import Flow, depth_for
from doublecast.pipeline.takes import stored_take
from doublecast.production import SIDES, Production, Side, StageRecord
from doublecast.trust.guard import GUARD, Guard, check_picture
from doublecast.video import Reader, Take, probe, read_picture


def passed(job: Production, key: str) -> bool:
    """Whether the take of this content key was looked at from beginning to end, and passed."""
    return job.finished(_stage(key), _key(key))


def mark_passed(job: Production, key: str, seconds: float) -> None:
    """Record that a take passed. seconds: time spent on looking."""
    job.finish(_stage(key), _key(key), seconds)


def import_checked(job: Production, store: FaceStore, folder: Path, on_event: Listener = ignore) -> Imported:
    """`faceset.import_faces` after a look at every new picture. Raises RefusedError: then nothing is added."""
    keys = []
    for path in new_pictures(store, folder):
        key = picture_key(path)
        if not passed(job, key):
            pixels = read_picture(path)
            if pixels is not None:
                check_picture(path, pixels)
            keys.append(key)
    done = import_faces(store, folder, on_event=on_event)
    job.record.stages |= {_stage(key): StageRecord(_key(key)) for key in keys}
    job.save()
    return done


def begun(job: Production, key: str, *, start: int) -> bool:
    """Whether frames before ``start`` were looked at when they were extracted; notes that looking begins at 0."""
    if start == 0 and _stage(key) not in job.record.stages:
        job.record.stages[_stage(key)] = StageRecord("")
        job.save()
    return _stage(key) in job.record.stages


def check_guard(job: Production, on_event: Listener = ignore) -> None:
    """Before training and before films: every take of both sides has passed, or does now. Raises RefusedError, and
    InputError where one that did not pass yet is gone or has changed."""
    for side in SIDES:
        takes = (stored_take(given) for given in job.inputs(side) if not passed(job, given.key))
        guard_side(job, side, takes, on_event)


def look_guard(job: Production) -> None:
    """`check_guard` for who only looks, beside a process that works in the production: raises ProductionError where
    something was not looked at yet."""
    keys = [given.key for side in SIDES for given in job.inputs(side)]
    for side in SIDES:
        keys += [r.key for r in FaceStore(job.side(side)).takes() if r.kind == IMPORTED and r.finished]
    if not all(passed(job, key) for key in keys):
        raise ProductionError(
            f"{job.folder}: some takes were not checked for sexual imagery yet; run: doublecast train {job.folder}"
        )


def guard_side(job: Production, side: Side, takes: Iterable[Take], on_event: Listener = ignore) -> None:
    """Look at the takes that have not passed yet, with a decode of its own, and at the faces of pictures that were
    imported by an older version, as they are stored. Raises RefusedError."""
    for take in takes:
        if not passed(job, take.key()):
            look_at(job, take, on_event)
    if not (job.side(side) / "takes.json").exists():
        return
    store = FaceStore(job.side(side))
    for record in store.takes():
        if record.kind == IMPORTED and record.finished and not passed(job, record.key):
            for face in store.scan(take=record.key, crops=True):
                if face.crop is not None:
                    check_picture(Path(record.files[0]), face.crop.pixels)
            mark_passed(job, record.key, 0.0)


def look_at(job: Production, take: Take, on_event: Listener = ignore) -> None:
    """Decode a take for the guard alone. Raises RefusedError."""
    info = probe(take)
    guard = Guard(take.files, pictures=take.kind == "pictures")
    with Reader(take, exact=False) as reader, Flow(depth=depth_for(info.width, info.height)) as flow:
        for frame in guard.watch(flow.ahead(reader, name="decode")):
            total = None if info.frames is None else float(max(info.frames, frame.index + 1))
            on_event(Progress("guard", frame.index + 1, total, "frames", take.name))
    mark_passed(job, take.key(), guard.seconds)


def _stage(key: str) -> str:
    return f"guard {key}"


def _key(key: str) -> str:
    return key_of("guard", GUARD, key)
