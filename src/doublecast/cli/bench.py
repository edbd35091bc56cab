"""`doublecast bench`: figures of this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doublecast.cli.common import Json, errors, show
from doublecast.cli.progress import Display
from doublecast.errors import InputError

GOALS = {True: "reached", False: "missed", None: ""}

bench = typer.Typer(name="bench", invoke_without_command=True)


@bench.callback()
def speeds(context: typer.Context, json: Json = False) -> None:
    """Time every stage on this machine beside the field's baselines (about two minutes on two cores).

    The comparison with dlib's detector needs the extra `bench`. `doublecast bench quality` measures what training
    reaches in so many minutes.
    """
    if context.invoked_subcommand is not None:
        return
    from doublecast.bench.speed import Result, speed

    def line(result: Result) -> str:
        goal = "" if result.goal is None else f"{'at most' if result.lower_is_better else 'at least'} {result.goal:g}"
        return f"{result.name:<55} {result.value:>8.1f} {result.unit:<9} {goal:<14} {GOALS[result.met]}".rstrip()

    with Display(errors()) as display:
        results = speed(on_event=display)
    show({"results": [{**asdict(r), "met": r.met} for r in results]}, [line(r) for r in results], as_json=json)
    if any(result.met is False for result in results):
        raise typer.Exit(1)


@bench.command()
def quality(
    work: Annotated[Path, typer.Argument(metavar="WORK", help="Folder for everything; the same one resumes.")],
    data: Annotated[Path, typer.Option(help="Folder with performers/ and footage/.")] = Path("../shared"),
    pairs: Annotated[str, typer.Option(help="Names with commas between. [default: all]")] = "",
    contestants: Annotated[str, typer.Option(help="Names with commas between. [default: all]")] = "",
    minutes: Annotated[str, typer.Option(help="Minutes of training to measure after.")] = "1,2,5,10,20,60",
    threads: Annotated[int | None, typer.Option(min=1, help="Of training. [default: as many as cores]")] = None,
    json: Json = False,
) -> None:
    """Train every contestant on every pair and measure it on frames never trained on (hours). Resumes."""
    from doublecast.bench.goals import goals
    from doublecast.bench.page import write_results
    from doublecast.bench.quality import quality as run

    budgets = _numbers(minutes)
    with Display(errors()) as display:
        results = run(
            work, data, pairs=_names(pairs), contestants=_names(contestants), minutes=budgets, threads=threads,
            on_event=display,
        )  # fmt: skip
    ours = default_contestant()
    written, page = write_results(work, results, ours)
    lines = [
        f"{p.pair:<20} {p.contestant:<26} {p.minutes:>6g} min  score {p.score:5.1f}  found {100 * p.found:3.0f} %"
        for p in results.points
    ]
    table = goals(results.points, ours)
    lines += [f"{goal.at_least:<13} {goal.moonshot:<13} {goal.name}" for goal in table]
    lines += [f"results: {written}", f"page:    {page}"]
    result = {"points": [asdict(p) for p in results.points], "goals": [asdict(g) for g in table]}
    show({**result, "results": written, "page": page}, lines, as_json=json)


def default_contestant() -> str:
    """The contestant that is what `doublecast swap` does by default."""
    from doublecast.model.train import TrainConfig

    return f"doublecast {TrainConfig().size} px"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in _names(text)]
    except ValueError as error:
        raise InputError(f"--minutes {text!r}: give numbers with commas between, such as 1,2,5,10") from error
