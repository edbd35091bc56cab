"""`doublecast bench`: figures of this machine."""

from dataclasses import asdict

import typer

from doublecast.cli.common import Json, errors, show
from doublecast.cli.progress import Display

GOALS = {True: "reached", False: "missed", None: ""}


def bench(json: Json = False) -> None:
    """Time every stage on this machine beside the field's baselines (about two minutes on two cores).

    The comparison with dlib's detector needs the extra `bench`.
    """
    from doublecast.bench.speed import Result, speed

    def line(result: Result) -> str:
        goal = "" if result.goal is None else f"{'at most' if result.lower_is_better else 'at least'} {result.goal:g}"
        return f"{result.name:<55} {result.value:>8.1f} {result.unit:<9} {goal:<14} {GOALS[result.met]}".rstrip()

    with Display(errors()) as display:
        results = speed(on_event=display)
    show({"results": [{**asdict(r), "met": r.met} for r in results]}, [line(r) for r in results], as_json=json)
    if any(result.met is False for result in results):
        raise typer.Exit(1)
