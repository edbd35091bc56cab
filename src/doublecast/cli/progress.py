"""Draws what stages tell: bars with rate and time left on a terminal, a line every few seconds elsewhere."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from doublecast.events import Event, Note, Progress, Saved, Step
from doublecast.pipeline.pace import Pace

EVERY = 5.0  #: seconds between lines where there is no terminal


@dataclass(slots=True)
class _Stage:
    """A stage's bar, and when a line was told of it last."""

    task: TaskID
    pace: Pace = field(default_factory=Pace)
    told: float = 0.0


class Display:
    """A listener (see `doublecast.events`) and context manager. console: where to draw; normally stderr."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bars = Bars(
            TextColumn("{task.description:<15}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            disable=not self._live,
        )
        self._stages: dict[str, _Stage] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, Note):
            colour = "yellow" if event.level == "warning" else "default"
            label = "warning: " if event.level == "warning" else ""
            self._console.print(f"[{colour}]{label}{escape(event.text)}[/]", highlight=False, soft_wrap=True)
        elif isinstance(event, Step):
            self._stage("train").pace.step(event)
        elif isinstance(event, Saved) and not self._live:
            self._console.print(f"train: saved {event.checkpoint.name}", highlight=False, soft_wrap=True)

    def _stage(self, name: str) -> _Stage:
        if name not in self._stages:
            self._stages[name] = _Stage(self._bars.add_task(name, total=None, numbers="", detail=""))
        return self._stages[name]

    def _progress(self, event: Progress) -> None:
        stage, now = self._stage(event.stage), time.monotonic()
        complete = event.total is not None and event.done >= event.total
        last = stage.pace.last
        again = last is not None and (last.done, last.total) == (event.done, event.total)
        stage.pace.add(event, now)
        if self._live:
            self._bars.update(
                stage.task,
                completed=event.done,
                total=event.total,
                numbers=escape(stage.pace.numbers()),
                detail=escape(event.detail),
            )
        elif now - stage.told >= EVERY or (complete and not again):
            stage.told = now
            detail = f"  {event.detail}" if event.detail else ""
            self._console.print(
                escape(f"{event.stage}: {stage.pace.numbers()}{detail}"), highlight=False, soft_wrap=True
            )
