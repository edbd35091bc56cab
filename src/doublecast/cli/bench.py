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


@bench.command()
def watermark(
    data: Annotated[Path, typer.Option(help="Folder with performers/ and footage/.")] = Path("../shared"),
    clips: Annotated[str, typer.Option(help="Parts of clips' names with commas between. [default: all]")] = "",
    json: Json = False,
) -> None:
    """Mark real footage, attack it, and read the mark again (some minutes)."""
    from doublecast.bench.watermark import LEAST_PSNR, MOST_MILLISECONDS
    from doublecast.bench.watermark import watermark as run

    with Display(errors()) as display:
        outcome = run(data, clips=_names(clips), on_event=display)
    lines = [
        f"{row.clip:<24} {row.attack:<24} {'exact' if row.exact else row.state:<12} z {row.z:4.1f} "
        f"{GOALS[row.exact] if row.goal else ''}".rstrip()
        for row in outcome.rows
    ]
    lines += [f"{clip:<24} {'PSNR, least':<24} {value:.1f} dB (at least {LEAST_PSNR:g}) {GOALS[value >= LEAST_PSNR]}"
              for clip, value in outcome.psnr.items()]  # fmt: skip
    if (spent := outcome.milliseconds) is not None:
        lines.append(f"to mark a 720p picture: {spent:.1f} ms (at most {MOST_MILLISECONDS:g}), one thread")
    if outcome.unmarked:
        lines.append(f"unmarked clips: {outcome.unmarked}, alarms: {len(outcome.alarms)}")
    lines.append(
        f"false positives: under {outcome.chance:g} a film (theory): a payload counts from z {outcome.threshold:.2f}, "
        f"for up to {outcome.most_decoded:,} places decoded"
    )
    lines += [f"missed: {what}" for what in outcome.missed]
    show({**asdict(outcome), "missed": outcome.missed}, lines, as_json=json)
    if outcome.missed:
        raise typer.Exit(1)


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
