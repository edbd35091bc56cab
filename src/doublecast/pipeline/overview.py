"""A production at a glance, for a list of many: it only looks, quickly, and a damaged one is told of, not raised."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from doublecast.errors import DoublecastError, words
from doublecast.events import Event, Note
from doublecast.model.standing import newest
from doublecast.pipeline.activity import FILE, Activity, read_activity
from doublecast.pipeline.queue import FOLDER, Job, jobs
from doublecast.pipeline.snapshots import trained_last
from doublecast.production import RECORD, SIDES, Production, Record, Side

Reached: TypeAlias = Literal["empty", "takes", "faces", "trained", "film"]


@dataclass(frozen=True, slots=True)
class Overview:
    """stage: the furthest that was reached; "faces" means that both sides are curated. actor, target: names of the
    takes' files. films: finished and still there. model: name of the model's folder that films are made with.
    trained_seconds: of it, over all runs. last_used: UTC. problems: what is wrong with the production, "" for nothing.
    """

    folder: Path
    name: str
    stage: Reached
    actor: tuple[str, ...]
    target: tuple[str, ...]
    activity: Activity | None
    jobs: list[Job]
    films: tuple[Path, ...]
    model: str | None
    trained_seconds: float
    last_used: datetime
    problems: str


def overview(folder: Path | str) -> Overview:
    """What there is to know of a production; never raises for a damaged one, or for a folder that is none."""
    folder = Path(folder).absolute()
    problems: list[str] = []
    record, model, seconds = Record(), None, 0.0
    activity: Activity | None = None
    queued: list[Job] = []

    def told(event: Event) -> None:
        if isinstance(event, Note):
            problems.append(event.text)

    try:
        job = Production(folder, create=False, lock=False)
        record = job.record
        chosen = record.options.get("model")
        model = chosen if isinstance(chosen, str) and chosen in record.models else trained_last(job)
        found = None if model is None else newest(folder / model)
        seconds = 0.0 if found is None else found[1].seconds
        activity, queued = read_activity(folder), jobs(folder, told)
    except (DoublecastError, OSError) as error:
        problems.append(words(error))
    films = tuple(Path(film) for film, made in record.films.items() if made.after and _there(Path(film)))
    return Overview(
        folder=folder,
        name=folder.stem if folder.suffix == ".production" else folder.name,
        stage=_stage(record, bool(films), seconds > 0),
        actor=_names(record, "actor"),
        target=_names(record, "target"),
        activity=activity,
        jobs=queued,
        films=films,
        model=model,
        trained_seconds=seconds,
        last_used=_last_used(folder),
        problems="; ".join(problems),
    )


def _stage(record: Record, film: bool, trained: bool) -> Reached:
    if film:
        return "film"
    if trained:
        return "trained"
    if all(record.inputs.get(side) and _finished(record, f"curate {side}") for side in SIDES):
        return "faces"
    return "takes" if any(record.inputs.get(side) for side in SIDES) else "empty"


def _finished(record: Record, stage: str) -> bool:
    done = record.stages.get(stage)
    return done is not None and bool(done.key)


def _names(record: Record, side: Side) -> tuple[str, ...]:
    return tuple(Path(take.files[0]).name for take in record.inputs.get(side, []))


def _there(film: Path) -> bool:
    try:
        return film.exists()
    except OSError:
        return False


def _last_used(folder: Path) -> datetime:
    """When something was last written there, as far as it can be seen from a few files."""
    times = [0.0]
    for path in (folder, folder / RECORD, folder / FILE, folder / FOLDER):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC)
