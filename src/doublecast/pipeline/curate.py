"""Who is who, and which faces are good enough: curation of both sides under the production's record."""

from pathlib import Path

import numpy as np

from doublecast.disk import disk_errors, key_of
from doublecast.errors import NoFaceError, ProductionError
from doublecast.events import Listener, Note, ignore
from doublecast.faceset import FaceStore
from doublecast.faceset.curate import curate as curate_store
from doublecast.pipeline.activity import working
from doublecast.pipeline.consent import bind_faces
from doublecast.production import SIDES, Production, Side, opened
from doublecast.types import F32

CURATOR = 1  #: raise it when curation would come out differently: it is then done again
SAME_PERSON = 0.35  #: mean vectors nearer than this are most likely of one person
SMALL = 0.5  #: height of the target's faces, as part of the actor's, below which the film's face is soft
FEW = 100  #: usable faces of a side below which the film will suffer


def curate(
    production: Production | Path | str,
    side: Side,
    *,
    face: int | None = None,
    option: str | None = None,
    on_event: Listener = ignore,
) -> None:
    """Find the main person of a side and set aside what should not be trained on (a version that can be undone).

    face: number of the person on the contact sheet; needed where several are about equally present.
    option: how the user says ``face``, for the message.
    What was set aside or restored by hand stays so. A consent record of this side is bound to the person that is found.
    Raises NoFaceError, AmbiguousFaceError, ProductionError, ConsentError.
    """
    with opened(production) as job, working(job, "curate", on_event) as tell, disk_errors(job.folder):
        curate_side(job, side, face=face, option=option, on_event=tell)


def curate_side(
    job: Production,
    side: Side,
    *,
    face: int | None = None,
    option: str | None = None,
    on_event: Listener = ignore,
) -> None:
    """`curate` in an open production; nothing is done where the same was done before."""
    store = FaceStore(job.side(side))
    key = _key(job, side, face)
    if not job.finished(f"curate {side}", key):
        with job.timed(f"curate {side}", key):
            sheet = job.folder / f"{side}-people.png"
            names = ", ".join(Path(take.files[0]).name for take in job.inputs(side))
            curate_store(
                store, person=face, sheet=sheet, option=option or f"--{side}-face", side=names, on_event=on_event
            )
            job.record.options[f"{side}_face"] = 0 if face is None else face
    table = store.table()
    usable = int(((table.person == 0) & table.kept).sum())
    names = ", ".join(Path(take.files[0]).name for take in job.inputs(side))
    if not usable:
        raise NoFaceError(
            f"{names}: none of the {len(table)} faces found is usable for the {side}; "
            f"look at them with: doublecast faces sheet {job.folder} --side {side}"
        )
    if usable < FEW:
        text = f"{names}: only {usable} usable faces of the {side}; the film will be better with more footage"
        on_event(Note(f"curate {side}", text, "warning"))
    bind_faces(job, side, on_event)


def _key(job: Production, side: Side, face: int | None) -> str:
    return key_of("curate", CURATOR, sorted(take.key for take in job.inputs(side)), face)


def check_curated(job: Production, side: Side) -> None:
    """Raise ProductionError unless the takes of a side, as they are recorded now, were extracted and curated."""
    face = job.record.options.get(f"{side}_face")
    chosen = [face, *([None] if face == 0 else [])]
    if face is None or not any(job.finished(f"curate {side}", _key(job, side, n)) for n in chosen):  # type: ignore[arg-type]
        takes = " ".join(f'"{take.files[0]}"' for take in job.inputs(side))
        raise ProductionError(
            f"{job.folder}: the faces of the {side} are not all found and curated; "
            f"run: doublecast extract {takes} --to {job.folder} --side {side}"
        )


def warn_if_same(job: Production, on_event: Listener) -> float | None:
    """Distance between the main persons of both sides; a warning where they look like one person. None: unknown."""
    means = [_mean(FaceStore(job.side(side))) for side in SIDES]
    if means[0] is None or means[1] is None:
        return None
    distance = float(np.linalg.norm(means[0] - means[1]))
    if distance < SAME_PERSON:
        text = (
            f"actor and target look like the same person (distance {distance:.2f}, different people are at about 0.8); "
            "the film will hardly differ from the take"
        )
        on_event(Note("curate", text, "warning"))
    return distance


def warn_if_small(job: Production, on_event: Listener) -> None:
    """A warning where the target's faces are much smaller than the actor's, so that a film cannot be sharp."""
    actor, target = usual_sizes(job)
    if 0 < target < SMALL * actor:
        text = (
            f"the target's faces are {target:.0f} pixels high and the actor's {actor:.0f}; the new face will be softer "
            "than the shot. Footage that shows the target larger makes it sharper"
        )
        on_event(Note("curate", text, "warning"))


def usual_sizes(job: Production) -> tuple[float, float]:
    """How many pixels high the main person's faces are in the actor's and the target's footage, medians of the longer
    sides of their boxes; 0 without any."""
    found = []
    for side in SIDES:
        table = FaceStore(job.side(side)).table()
        mine = table.size[(table.person == 0) & table.kept]
        found.append(float(np.median(mine)) if len(mine) else 0.0)
    return found[0], found[1]


def _mean(store: FaceStore) -> F32 | None:
    """Mean identity vector float32 (128,) of the main person."""
    ids, vectors = store.vectors()
    table = store.table()
    mine = np.isin(ids, table.id[table.person == 0])
    return vectors[mine].mean(0) if mine.any() else None
