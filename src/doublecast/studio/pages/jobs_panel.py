"""What runs in a production and what waits, on every page that starts work: a component and its routes."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI
from nicegui import ui
from pydantic import BaseModel, Field

from doublecast.errors import InputError
from doublecast.pipeline import queue
from doublecast.pipeline.activity import read_activity, stop
from doublecast.pipeline.options import KINDS
from doublecast.studio.config import StudioConfig

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

Action = Literal["cancel", "pause", "resume"]
PATHS = ("actor", "target", "takes", "output")  #: options that name files or folders
BASES = ("actor_consent", "target_consent", "consent")  #: options that may name a file after a colon


class JobsPanel(ui.element, component="../components/jobs.js"):
    """Activity and queue of a production, with buttons; follows changes by itself. heading: of the section."""

    def __init__(self, production: str, *, heading: str = "Work") -> None:
        super().__init__()
        self._props["production"] = production
        self._props["heading"] = heading


class NewJob(BaseModel):
    """A job that a page asks for."""

    kind: str
    options: Annotated[dict[str, Any], Field(max_length=40)] = {}


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the routes."""

    @app.get("/api/p/{name}/jobs")
    def look(name: str) -> dict[str, Any]:
        return work(studio.config.production(name))

    @app.post("/api/p/{name}/jobs")
    def begin(name: str, job: NewJob) -> dict[str, Any]:
        return asdict(start(studio.config, studio.config.production(name), job.kind, job.options))

    @app.post("/api/p/{name}/jobs/{id}/{action}")
    def change(name: str, id: str, action: Action) -> dict[str, Any]:
        folder = studio.config.production(name)
        job = {"cancel": queue.cancel, "pause": queue.pause, "resume": queue.resume}[action](folder, id)
        if action == "resume":
            queue.start_worker(folder)
        return asdict(job)

    @app.post("/api/p/{name}/stop")
    def end(name: str) -> dict[str, bool]:
        if not stop(studio.config.production(name)):
            raise InputError(f"nothing runs in {name} that could be paused")
        return {"asked": True}


def work(folder: Path) -> dict[str, Any]:
    """What the page shows: the activity (or None), and all jobs, oldest first."""
    activity = read_activity(folder)
    return {
        "activity": None if activity is None else asdict(activity),
        "jobs": [asdict(job) for job in queue.jobs(folder)],
    }


def start(config: StudioConfig, folder: Path, kind: str, options: Mapping[str, Any]) -> queue.Job:
    """Put a job into the queue and see that somebody works on it.

    Raises InputError: an unknown kind, or a path outside the folders of this studio.
    """
    if kind not in KINDS:
        raise InputError(f"there is no job of kind {kind!r}; kinds are: {', '.join(KINDS)}")
    job = queue.add(folder, kind, checked(config, options))
    queue.start_worker(folder)
    return job


def checked(config: StudioConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a job with the real paths of files they name. Raises InputError, see `StudioConfig.allowed`."""
    found = dict(options)
    for name in PATHS:
        value = found.get(name)
        if isinstance(value, list):
            found[name] = [str(config.allowed(str(path))) for path in value]
        elif value is not None:
            found[name] = str(config.allowed(str(value)))
    for name in BASES:
        kind, colon, detail = str(found.get(name) or "").partition(":")
        if colon and kind.strip().lower() in ("release", "licensed"):
            found[name] = _basis(config, kind.strip().lower(), detail.strip().strip("\"'").strip())
    return found


def _basis(config: StudioConfig, kind: str, detail: str) -> str:
    """A basis whose detail is a file (always for a release, perhaps for a licence), which would be read."""
    try:
        is_file = kind == "release" or Path(detail).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # a text that cannot be a path
        is_file = False
    return f"{kind}:{config.allowed(detail) if is_file else detail}"
