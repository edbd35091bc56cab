"""`doublecast jobs`: what is done in the background, and `doublecast snapshots`: states of training that are kept."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doublecast.cli.common import Json, errors, show
from doublecast.cli.progress import Display

if TYPE_CHECKING:
    from doublecast.pipeline.activity import Activity
    from doublecast.pipeline.queue import Job

jobs = typer.Typer(no_args_is_help=True, help="Jobs in the background: one after the other, stoppable and resumable.")
snapshots = typer.Typer(no_args_is_help=True, help="States of training that are kept under a name.")

Folder = Annotated[Path, typer.Argument(metavar="PRODUCTION", help="The job's folder, such as film.production.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Number of the job, see: doublecast jobs list.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the snapshot.")]


@jobs.command("list")
def list_(production: Folder, json: Json = False) -> None:
    """Show the jobs, and what is being done now."""
    from doublecast.pipeline.activity import read_activity
    from doublecast.pipeline.queue import jobs as read
    from doublecast.production import Production

    Production(production, create=False, lock=False)
    with Display(errors()) as display:
        found, activity = read(production, display), read_activity(production)
    lines = [_line(job) for job in found] or ["no jobs"]
    if activity is not None:
        lines.append(_now(activity))
    result = {"jobs": [asdict(job) for job in found], "activity": None if activity is None else asdict(activity)}
    show(result, lines, as_json=json)


@jobs.command()
def add(
    production: Folder,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="swap, extract, curate, train or convert.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="OPTION=VALUE...", help='Such as minutes=20, or label=\'{"style": "bar"}\' (JSON).'),
    ] = None,
    json: Json = False,
) -> None:
    """Put a job at the end, and have it done in the background."""
    from doublecast.pipeline.queue import add as put
    from doublecast.pipeline.queue import start_worker

    job = put(production, kind, _options(options or []))  # type: ignore[arg-type]  # it checks
    start_worker(production)
    show(asdict(job), [_line(job)], as_json=json)


@jobs.command()
def run(production: Folder) -> None:
    """Do what waits, here, until nothing does."""
    from doublecast.pipeline.queue import work

    with Display(errors()) as display:
        work(production, display)


@jobs.command()
def pause(production: Folder, id: Id, json: Json = False) -> None:
    """Stop a job until it is resumed; it keeps its place."""
    from doublecast.pipeline.queue import pause as change

    job = change(production, id)
    show(asdict(job), [_line(job)], as_json=json)


@jobs.command()
def resume(production: Folder, id: Id, json: Json = False) -> None:
    """Go on with a job that is paused or has failed."""
    from doublecast.pipeline.queue import resume as change
    from doublecast.pipeline.queue import start_worker

    job = change(production, id)
    start_worker(production)
    show(asdict(job), [_line(job)], as_json=json)


@jobs.command()
def cancel(production: Folder, id: Id, json: Json = False) -> None:
    """Stop a job for good; what it did is kept."""
    from doublecast.pipeline.queue import cancel as change

    job = change(production, id)
    show(asdict(job), [_line(job)], as_json=json)


@jobs.command()
def stop(production: Folder, json: Json = False) -> None:
    """Stop whatever works on the production, in the background or in another terminal, as Ctrl-C there would."""
    from doublecast.pipeline.activity import stop as ask
    from doublecast.production import Production

    Production(production, create=False, lock=False)
    asked = ask(production)
    show({"stopped": asked}, ["asked to stop" if asked else "nothing is being done there"], as_json=json)


@snapshots.command("list")
def list_snapshots(production: Folder, json: Json = False) -> None:
    """Show the snapshots, oldest first."""
    from doublecast.pipeline.snapshots import snapshots as read

    found = read(production)
    lines = [
        f"{s.name:30} {s.model:12} step {s.step:6}  {s.seconds / 60:6.1f} minutes  {s.made[:16]}  {s.note}".rstrip()
        for s in found
    ]
    show({"snapshots": [asdict(s) for s in found]}, lines or ["no snapshots"], as_json=json)


@snapshots.command()
def save(
    production: Folder,
    name: Name,
    model: Annotated[str | None, typer.Option(help="Folder of the model. [default: trained last]")] = None,
    json: Json = False,
) -> None:
    """Keep the newest checkpoint under a name, also while it is trained on."""
    from doublecast.pipeline.snapshots import save as keep

    made = keep(production, name, model=model)
    show(asdict(made), [f"{made.name}: {made.model} at step {made.step}"], as_json=json)


@snapshots.command()
def restore(production: Folder, name: Name, json: Json = False) -> None:
    """Go back to a snapshot; what is there now is kept as another one."""
    from doublecast.pipeline.snapshots import restore as back

    made = back(production, name)
    show(asdict(made), [f"{made.model} is at step {made.step} again"], as_json=json)


@snapshots.command()
def remove(production: Folder, name: Name) -> None:
    """Delete a snapshot."""
    from doublecast.pipeline.snapshots import remove as delete

    delete(production, name)


def _options(given: Sequence[str]) -> dict[str, Any]:
    """Values are JSON where they can be, else text. Raises InputError for what is no OPTION=VALUE."""
    from doublecast.errors import InputError

    options: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is no option; write OPTION=VALUE, such as minutes=20")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _line(job: "Job") -> str:
    what = "  ".join(f"{name}={value}" for name, value in job.options.items() if not name.endswith("consent"))
    return f"{job.id}  {job.state:9}  {job.kind:8}  {job.error or what}".rstrip()


def _now(activity: "Activity") -> str:
    of = "" if activity.total is None else f"/{activity.total:.4g}"
    done = f"  {activity.stage}: {activity.done:.4g}{of} {activity.unit}" if activity.stage else ""
    words = {"running": "now", "killed": "was killed"}.get(activity.state, activity.state)
    return f"{words}: {activity.command} (process {activity.pid}){done}  {activity.error or activity.detail}".rstrip()
