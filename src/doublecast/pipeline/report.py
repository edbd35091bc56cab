"""Everything known about a job, measured and put into one HTML file."""

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from doublecast import __version__
from doublecast.disk import fingerprint, key_of
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faceset import FaceStore, FaceTable
from doublecast.faceset.coverage import coverage, gaps, missing
from doublecast.faceset.sheet import contact_sheet
from doublecast.model.checkpoint import latest, read_state
from doublecast.pipeline.activity import utc
from doublecast.pipeline.convert import placed
from doublecast.pipeline.evaluation import FILE as EVALUATION
from doublecast.pipeline.evaluation import Evaluation, write_evaluation
from doublecast.pipeline.log import PREVIEWS, read_log
from doublecast.pipeline.measure import compare
from doublecast.pipeline.train import model_folder
from doublecast.production import SIDES, Production, Side, TakeInput
from doublecast.report import FacesetPart, FilmPart, PoseMap, Preview, Report, StageTime
from doublecast.report import write_report as write_html
from doublecast.report.content import Option
from doublecast.trust import Label
from doublecast.types import U8

REPORTER = 2  #: raise it when the report would come out differently
PORTRAITS = 30  #: faces on a side's contact sheet
PACKAGES = ("torch", "numpy", "av", "opencv-python-headless", "ai-edge-litert", "pylance")


def write_report(job: Production, films: Sequence[Path], *, label: Label, on_event: Listener = ignore) -> Path:
    """Measure the films (one per take of the actor, in order) and write the job's report; returns its path.

    label: of the films; where they have none, the report's pictures of them get one.
    """
    stores = {side: FaceStore(job.side(side)) for side in SIDES}
    curated = [store.version() for store in stores.values()]
    key = key_of("report", REPORTER, *((str(film), fingerprint(film)) for film in films), *curated)
    if job.report.exists() and (job.folder / EVALUATION).exists() and job.finished("report", key):
        return job.report
    with job.timed("report", key):
        on_event(Progress("report", 0, None, "frames", "measuring"))
        inputs = job.inputs("actor")
        burnt = placed(label.for_pictures(), stores["actor"], inputs[0]) if label.style == "none" else None
        found = compare(inputs[0], films[0], stores["actor"], stores["target"], label=burnt, on_event=on_event)
        folder = model_folder(job)
        steps = read_log(folder)
        report = Report(
            films=[_film(stores["actor"], take, film, label) for take, film in zip(inputs, films, strict=True)],
            actor=_faceset(job, stores, "actor"),
            target=_faceset(job, stores, "target"),
            made=f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z} by doublecast {__version__}",
            steps=steps,
            previews=list(_previews(folder, {step.step: step.seconds for step in steps})),
            comparisons=found.comparisons,
            measures=found.measures,
            stages=list(_stages(job, stores)),
            options=_options(job, folder),
            versions=_versions(),
            notes=list(_problems(stores)),
            title=f"doublecast: {films[0].name}",
        )
        write_html(job.report, report)
        checkpoint = latest(folder)
        step = 0 if checkpoint is None else read_state(checkpoint).step
        write_evaluation(job.folder, Evaluation(films[0], folder.name, step, utc(), tuple(found.measures)))
    return job.report


def _film(store: FaceStore, take: TakeInput, film: Path, label: Label) -> FilmPart:
    number = store.take_number(take.key)
    record, table = store.takes()[number], store.table()
    mine = table.where((table.take == number) & (table.person == 0))
    return FilmPart(
        path=film,
        width=record.width,
        height=record.height,
        frames=record.frames_done,
        seconds=record.seconds or (float(table.seconds.max()) if len(table) else 0.0),
        swapped=len(np.unique(mine.index)),
        labelled=label.style != "none",
    )


def _faceset(job: Production, stores: Mapping[Side, FaceStore], side: Side) -> FacesetPart:
    store = stores[side]
    table = store.table()
    poses = coverage(table)
    words = gaps(poses)
    if side == "target":
        words += missing(poses, coverage(stores["actor"].table()))
    return FacesetPart(
        side=side,
        takes=[Path(take.files[0]).name for take in job.inputs(side)],
        faces=len(table),
        kept=int((table.kept & (table.person == 0)).sum()),
        people=len(np.unique(table.person[table.person >= 0])),
        set_aside=dict(Counter(str(reason) for reason in table.reason if reason)),
        sheet=_sheet(store, table),
        coverage=PoseMap(poses.counts, words="; ".join(words)),
    )


def _sheet(store: FaceStore, table: FaceTable) -> U8 | None:
    ids = table.id[table.kept & (table.person == 0)]
    chosen = ids[np.unique(np.linspace(0, len(ids) - 1, min(len(ids), PORTRAITS)).round().astype(int))]
    return contact_sheet(store.load(chosen)) if len(chosen) else None


def _previews(folder: Path, seconds: Mapping[int, float]) -> Iterator[Preview]:
    for path in sorted((folder / PREVIEWS).glob("*.png")):
        step = int(path.stem) if path.stem.isdecimal() else 0
        before = [time for number, time in seconds.items() if number <= step]
        yield Preview(step, max(before, default=0.0), path)


def _stages(job: Production, stores: Mapping[Side, FaceStore]) -> Iterator[StageTime]:
    frames = {f"extract {side}": sum(take.frames_done for take in store.takes()) for side, store in stores.items()}
    frames |= {f"convert {t.name}": t.frames_done for t in stores["actor"].takes()}
    for name, stage in job.record.stages.items():
        if name == "report" or name.startswith("guard "):  # the guard looks while frames are extracted
            continue
        amount = frames.get(name)
        yield StageTime(name, stage.seconds, amount, "frames" if amount is not None else "")


def _options(job: Production, folder: Path) -> dict[str, Option]:
    checkpoint = latest(folder)
    run = read_state(checkpoint).run if checkpoint is not None else {}
    plain = {name: value for name, value in run.items() if isinstance(value, str | int | float | bool | None)}
    return {**job.record.options, **plain}


def _versions() -> dict[str, str]:
    found = {"doublecast": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _problems(stores: Mapping[Side, FaceStore]) -> Iterator[Note]:
    for side, store in stores.items():
        for take in store.takes():
            for problem in take.problems:
                yield Note(f"extract {side}", f"{Path(take.files[0]).name}: {problem}", "warning")
