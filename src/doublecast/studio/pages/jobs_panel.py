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
from doublecast.studio.films import FOLDER
from doublecast.studio.making import leads_to_file
from doublecast.studio.places import takes_of

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

Action = Literal["cancel", "pause", "resume"]
TAKES = ("actor", "target", "takes")  #: options that name takes
BASES = ("actor_consent", "target_consent", "consent")  #: options that may name a file of evidence
MADE = {".mp4", ".mov", ".mkv"}  #: suffixes of films


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

    Raises InputError: an unknown kind, a path outside the folders of this studio, or a film outside the production.
    """
    if kind not in KINDS:
        raise InputError(f"there is no job of kind {kind!r}; kinds are: {', '.join(KINDS)}")
    job = queue.add(folder, kind, checked(config, folder, options))
    queue.start_worker(folder)
    return job


def checked(config: StudioConfig, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a job with the real paths of files they name. Raises InputError, see `StudioConfig.allowed`."""
    found = dict(options)
    for name in TAKES:
        value = found.get(name)
        if value is not None:
            given = value if isinstance(value, list) else [value]
            found[name] = [str(config.existing(str(path))) for path in given]  # no patterns, and no links to elsewhere
            takes_of(config, found[name])
    if found.get("output") is not None:
        found["output"] = str(_output(config, folder, str(found["output"])))
    for name in BASES:
        kind, colon, detail = str(found.get(name) or "").partition(":")
        if colon and found[name] is not None:
            found[name] = _basis(config, kind.strip().lower(), detail.strip().strip("\"'").strip())
    return found


def _output(config: StudioConfig, folder: Path, text: str) -> Path:
    """Where a film is made: in the production, so that no page writes over footage or another production."""
    path, root = config.allowed(text), folder.resolve()
    if path.parent == root / FOLDER or (path.parent == root and path.suffix.lower() in MADE):
        return path
    raise InputError(f"{text}: the studio makes films in {folder / FOLDER}; the command line makes them anywhere")


def _basis(config: StudioConfig, kind: str, detail: str) -> str:
    """A basis as `trust.basis` reads it: what it would take for a file must lie in the folders of this studio."""
    if kind == "release" or (kind == "licensed" and leads_to_file(detail)):
        return f"{kind}:{config.allowed(detail)}"
    return f"{kind}:{detail}"
