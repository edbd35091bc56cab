"""What the Train page shows and does: models, log, previews, evaluation, snapshots; and the routes for it."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi import Path as PathParam
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from doublecast.errors import DoublecastError, InputError, words
from doublecast.model.standing import newest
from doublecast.pipeline import queue, snapshots
from doublecast.pipeline.activity import read_activity
from doublecast.pipeline.evaluation import read_evaluation
from doublecast.pipeline.log import LOG, PREVIEWS
from doublecast.pipeline.material import material, noted_size
from doublecast.pipeline.options import checked
from doublecast.production import Production
from doublecast.studio.curve import Axis, Curve, Curves

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

_STARTING = Lock()  # held while it is decided whether a training is begun: of two clicks, one begins it
USUAL: Mapping[str, Any] = {"minutes": 10.0, "size": 128, "prior": True, "device": "auto"}
MEANING = {
    "identity: distance to the target": "How far the film's faces are from the target's own, for a face recogniser.",
    "identity: distance to the actor": "How far they are from the actor's own.",
    "identity: nearer to the target": "How many faces a recogniser takes for the target rather than for the actor.",
    "expression error": "How far lips, lids and brows are from what the actor did.",
    "pose error": "How far the heads are turned away from how the actor held it.",
    "gaze error": "How far the eyes look past where the actor looked.",
    "flicker": "How much the faces change from frame to frame, beside the actor's own change.",
    "sharpness": "How fine the faces are drawn, beside the actor's own.",
    "SSIM against the truth": "How like the true picture each face is, in structure.",
    "MS-SSIM against the truth": "How like the true picture each face is, in structure, coarse and fine.",
    "PSNR against the truth": "How near each pixel is to the true picture's.",
}  #: measures in plain words


class Training(BaseModel):
    """A training that is asked for; minutes over all runs."""

    minutes: float = USUAL["minutes"]
    size: int | None = None
    prior: bool = USUAL["prior"]
    device: str = USUAL["device"]


class Named(BaseModel):
    """A snapshot to save, restore or remove."""

    name: Annotated[str, Field(max_length=200)]
    model: Annotated[str | None, Field(max_length=200)] = None
    note: Annotated[str, Field(max_length=1000)] = ""


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the routes."""
    curves, config = Curves(), studio.config

    @app.get("/api/p/{name}/train")
    def look(name: str, model: str | None = None) -> dict[str, Any]:
        return state(config.production(name), curves, model)

    @app.post("/api/p/{name}/train/start")
    def start(name: str, asked: Training) -> dict[str, Any]:
        return asdict(begin(config.production(name), asked.model_dump()))

    @app.get("/api/p/{name}/train/{model}/log")
    def log(
        name: str, model: str, axis: Axis = "seconds", points: Annotated[int, Query(ge=10, le=2000)] = 400
    ) -> dict[str, Any]:
        return curves.of(model_of(config.production(name), model) / LOG).thinned(axis, points)

    @app.get("/api/p/{name}/train/{model}/previews/{step}.png")
    def preview(name: str, model: str, step: Annotated[int, PathParam(ge=0, lt=10**12)]) -> Response:
        path = model_of(config.production(name), model) / PREVIEWS / f"{step:08d}.png"
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{model} has no preview of step {step}")
        return FileResponse(path, media_type="image/png", headers={"cache-control": "private, max-age=86400"})

    @app.post("/api/p/{name}/train/snapshots/{action}")
    def change(name: str, action: Literal["save", "restore", "remove"], asked: Named) -> dict[str, Any]:
        folder = config.production(name)
        if action == "save":
            return asdict(snapshots.save(folder, asked.name, model=asked.model, note=asked.note))
        if action == "restore":
            return asdict(snapshots.restore(folder, asked.name))
        snapshots.remove(folder, asked.name)
        return {"removed": asked.name}


def model_of(folder: Path, model: str) -> Path:
    """Folder of a model. Raises InputError where the production has none of this name."""
    models = Production(folder, create=False, lock=False).record.models
    if model not in models:
        raise InputError(f"{folder.name} has no model {model!r}; there are: {', '.join(models) or 'none'}")
    return folder / model


def state(folder: Path, curves: Curves, model: str | None = None) -> dict[str, Any]:
    """Everything but the log. problem: why nothing can be trained, in the command line's words, "" where it can.

    model: to show; by default the one that is trained now, or the one that films are made with.
    """
    job = Production(folder, create=False, lock=False)
    materials, problem = {}, ""
    try:
        materials = _materials(job)
    except DoublecastError as error:
        problem = words(error)
    models = [_model(job, name, materials) for name in job.record.models]
    trained = [found["name"] for found in models if found["step"] or (folder / found["name"] / LOG).exists()]
    shown = model if model in trained else _shown(job, trained)
    return {
        "problem": problem,
        "usual": {**USUAL, "size": _sizes(job, materials)[True]},
        "models": models,
        "shown": shown,
        "used": job.record.options.get("model"),
        "previews": [] if shown is None else previews(folder / shown, curves.of(folder / shown / LOG)),
        "evaluation": evaluation(folder),
        "report": job.report.is_file(),
        "snapshots": [asdict(snapshot) for snapshot in snapshots.snapshots(folder)],
    }


def _model(job: Production, name: str, materials: Mapping[str, bool]) -> dict[str, Any]:
    """prior: None where the model is of other takes or people than the production has now."""
    record, found = job.record.models[name], newest(job.folder / name)
    spent = {"step": 0, "seconds": 0.0} if found is None else {"step": found[1].step, "seconds": found[1].seconds}
    return {"name": name, "size": record.size, "prior": materials.get(record.material), **spent}


def _shown(job: Production, trained: list[str]) -> str | None:
    """The model that is written to now, else the one that films are made with, else the one that was trained last."""
    activity = read_activity(job.folder)
    used = job.record.options.get("model")
    if used in trained and not (activity is not None and activity.state == "running" and activity.stage == "train"):
        return str(used)
    ages = {}
    for name in trained:
        with suppress(OSError):
            ages[name] = (job.folder / name / LOG).stat().st_mtime_ns
    return max(ages, key=lambda name: ages[name]) if ages else next(iter(trained), None)


def previews(model: Path, curve: Curve) -> list[dict[str, Any]]:
    """The preview sheets of a model in order: step, training seconds, losses about then, and a mark of the file."""
    found = []
    for path in sorted((model / PREVIEWS).glob("[0-9]*.png")):
        if path.stem.isdecimal():
            seconds, losses = curve.at(int(path.stem))
            with suppress(OSError):
                mark = path.stat().st_mtime_ns
                found.append({"step": int(path.stem), "seconds": seconds, "losses": losses, "mark": str(mark)})
    return found


def evaluation(folder: Path) -> dict[str, Any] | None:
    """The measures of the last film, each with what it means."""
    found = read_evaluation(folder)
    if found is None:
        return None
    rows = []
    for measure in found.measures:
        row = {name: _finite(value) for name, value in asdict(measure).items()}
        rows.append({**row, "meaning": MEANING.get(measure.name, "")})
    return {"film": found.film.name, "model": found.model, "step": found.step, "made": found.made, "measures": rows}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def begin(folder: Path, options: Mapping[str, Any]) -> queue.Job:
    """Start a training, or go on with it.

    A job of exactly these options that waits or runs is it, one that was paused goes on; paused or failed ones of the
    same model with another budget are given up for the new one, which goes on from the same checkpoint.
    Raises InputError.
    """
    plain = checked("train", options)
    with _STARTING:
        going = [job for job in queue.jobs(folder) if job.kind == "train" and job.state in ("waiting", "running")]
        job = next((job for job in going if dict(job.options) == plain), None) or _begun(folder, plain)
    queue.start_worker(folder)
    return job


def _begun(folder: Path, plain: Mapping[str, Any]) -> queue.Job:
    record, materials = Production(folder, create=False, lock=False), {}
    with suppress(DoublecastError):  # a side is not ready
        materials = _materials(record)
    sizes = _sizes(record, materials)
    old = [job for job in queue.jobs(folder) if job.state in ("paused", "failed") and _same_model(job, plain, sizes)]
    again = next((job for job in reversed(old) if dict(job.options) == plain), None)
    job = queue.add(folder, "train", plain) if again is None else queue.resume(folder, again.id)
    for other in old:
        if other.id != job.id:
            with suppress(InputError):  # it ended meanwhile
                queue.cancel(folder, other.id)
    return job


def _same_model(job: queue.Job, options: Mapping[str, Any], sizes: Mapping[bool, int]) -> bool:
    """sizes: see `_sizes`."""

    def model(asked: Mapping[str, Any]) -> tuple[int, bool]:
        prior = asked.get("prior", USUAL["prior"])
        return asked.get("size", sizes[prior]), prior

    return job.kind == "train" and model(job.options) == model(options)


def _materials(job: Production) -> dict[str, bool]:
    """What models are trained on, and whether with the prior. Raises ProductionError where a side is not ready."""
    return {material(job, prior=prior): prior for prior in (True, False)}


def _sizes(job: Production, materials: Mapping[str, bool]) -> dict[bool, int]:
    """The size of a model for which none is said, with the prior and without: as it was chosen, or may be."""
    noted = {prior: noted_size(job, used) for used, prior in materials.items()}
    return {prior: noted.get(prior) or USUAL["size"] for prior in (True, False)}
