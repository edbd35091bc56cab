"""Facesets -> checkpoints, under the production's record; steps and previews are kept for the report."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from doublecast.disk import disk_errors, key_of, open_own
from doublecast.errors import ModelError, ProductionError
from doublecast.events import Event, Listener, Saved, Step, ignore
from doublecast.faceset import FaceStore
from doublecast.model.checkpoint import latest, read_state
from doublecast.model.train import TrainConfig
from doublecast.model.train import train as train_model
from doublecast.pipeline.activity import working
from doublecast.pipeline.consent import check_consent
from doublecast.pipeline.curate import usual_sizes
from doublecast.pipeline.guard import check_guard
from doublecast.pipeline.log import LOG, PREVIEWS, log_text
from doublecast.pipeline.material import material, note_size, noted_size
from doublecast.production import SIDES, Production, opened
from doublecast.trust import Label, Statement, save_picture

USUAL, LARGER = 128, 192  #: sizes of models
CLOSE = 250.0  #: pixels that both people's faces are high, from which the larger one shows more of them
ENOUGH = 5.0  #: minutes from which it has seen enough of them
PREVIEW = Statement("a preview of training; the pictures of each pair's right side are made by a network")


def train(
    production: Production | Path | str,
    *,
    config: TrainConfig | None = None,
    minutes: float = 10.0,
    size: int | None = None,
    device: str = "auto",
    prior: bool = True,
    on_event: Listener = ignore,
) -> Path:
    """Train, or go on training, until the budget is spent over all runs; returns the newest checkpoint.

    config: everything that can be chosen; without it one is made of minutes, size (96, 128, 192 or 256, by default
    `fitting_size`), device and prior (see `TrainConfig`). Each size, with prior or without, has a model folder of its
    own; a larger budget continues the model that is there.
    Raises ProductionError (a side has no faces yet), NoFaceError (too few), ModelError (checkpoint does not fit),
    ConsentError (see `pipeline.consent`), RefusedError (sexual imagery in a take that was not checked yet).
    """
    chosen = config is not None or size is not None
    config = config or TrainConfig(size=USUAL if size is None else size, minutes=minutes, device=device, prior=prior)  # type: ignore[arg-type]  # it checks
    with opened(production) as job, working(job, "train", on_event) as tell, disk_errors(job.folder):
        used = material(job, prior=config.prior)
        if not chosen:
            config = replace(config, size=fitting_size(job, used, config.minutes))
        check_consent(job, tell)
        check_guard(job, tell)
        folder = job.model(config.size, used)
        checkpoint = latest(folder)
        if checkpoint is None or not is_spent(checkpoint, config):
            actor, target = (FaceStore(job.side(side)) for side in SIDES)
            stage = job.timed(f"train {folder.name}", key_of("train", folder.name))
            with stage, closing(train_model(actor, target, folder, config)) as events:
                for event in events:
                    _keep(folder, event)
                    tell(event)
            checkpoint = latest(folder)
        if checkpoint is None:
            raise ModelError(f"{folder}: training left no checkpoint; train for longer (--minutes)")
        job.record.options["model"] = folder.name
        job.save()
        return checkpoint


def fitting_size(job: Production, used: str, minutes: float) -> int:
    """The size of a model for which nobody chose one, the same for all time once it is known.

    192 where a budget of so many minutes is enough for it and the faces of both people are close-ups, else 128. Where a
    model of this material (``used``) is there already, its size, that of the one trained last.
    """
    known = noted_size(job, used)
    if known is not None:
        return known
    models, last = job.record.models, job.record.options.get("model")
    there = [name for name in (last, *reversed(models)) if isinstance(name, str) and name in models]
    sizes = [models[name].size for name in there if models[name].material == used]
    size = sizes[0] if sizes else _fitting(job, minutes)
    note_size(job, used, size)
    return size


def _fitting(job: Production, minutes: float) -> int:
    return LARGER if minutes >= ENOUGH and min(usual_sizes(job)) >= CLOSE else USUAL


def is_spent(checkpoint: Path, config: TrainConfig) -> bool:
    """Whether a checkpoint has had all the training that is asked for."""
    state = read_state(checkpoint)
    return config.done(state.step, state.seconds) >= 1


def model_folder(job: Production, size: int | None = None) -> Path:
    """The folder of the model trained last, or of the newest one of this size, with the prior or without; only looks.

    Raises ProductionError where there is none, and ModelError where the one trained last is of other takes or people
    than the production has now: it would show faces that today's consent records are not about.
    """
    name, models = job.record.options.get("model"), job.record.models
    again = f"run: doublecast train {job.folder}"
    if size is None and (not isinstance(name, str) or name not in models):
        raise ProductionError(f"{job.folder} has no model yet; {again}")
    now = {material(job, prior=True), material(job, prior=False)}
    if size is None:
        if models[str(name)].material not in now:
            raise ModelError(f"{job.folder}: its model {name} was trained on other takes or people; {again}")
        return job.folder / str(name)
    folders = [job.folder / n for n, model in models.items() if model.size == size and model.material in now]
    ages = {folder: path.stat().st_mtime_ns for folder in folders if (path := latest(folder)) is not None}
    if not ages:
        raise ProductionError(f"{job.folder} has no model of this size for its takes and people yet; {again}")
    return max(ages, key=lambda folder: (folder.name == name, ages[folder]))


def _keep(folder: Path, event: Event) -> None:
    if isinstance(event, Step):
        folder.mkdir(parents=True, exist_ok=True)
        with open_own(folder / LOG) as file:
            file.write(log_text([event]).encode())
    elif isinstance(event, Saved):
        path = folder / PREVIEWS / f"{event.step:08d}.png"
        save_picture(path, event.preview, label=Label(), statement=PREVIEW)
