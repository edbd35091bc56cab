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

EVERY = 5.0  #: seconds between lines where there is no terminal
_WINDOW = 20.0  #: seconds over which a rate is measured


@dataclass(slots=True)
class _Stage:
    """What is known of one stage while it runs."""

    task: TaskID
    samples: list[tuple[float, float]] = field(default_factory=list)
    told: float = 0.0
    last: Progress | None = None
    extra: str = ""

    def rate(self) -> float:
        """Units per second of late."""
        if len(self.samples) < 2:
            return 0.0
        (begin, first), (end, done) = self.samples[0], self.samples[-1]
        return (done - first) / (end - begin) if end > begin else 0.0

    def add(self, event: Progress, now: float) -> None:
        if self.last is not None and (event.done < self.last.done or event.detail != self.last.detail):
            self.samples.clear()
        self.last = event
        if not self.samples or now - self.samples[-1][0] > 0.2 or event.done == event.total:
            self.samples.append((now, event.done))
            while len(self.samples) > 2 and now - self.samples[0][0] > _WINDOW:
                self.samples.pop(0)

    def numbers(self) -> str:
        """Such as ``120/353 frames  95 frames/s  0:02 left``."""
        event = self.last
        if event is None:
            return self.extra
        digits = 1 if event.unit == "minutes" else 0
        of = "" if event.total is None else f"/{event.total:.{digits}f}"
        parts = [f"{event.done:.{digits}f}{of} {event.unit}"]
        rate = self.rate()
        if self.extra:
            parts.append(self.extra)
        elif rate > 0 and event.unit != "minutes":
            parts.append(f"{rate:.{0 if rate >= 10 else 1}f} {event.unit}/s")
        if rate > 0 and event.total is not None and event.done < event.total:
            parts.append(f"{clock((event.total - event.done) / rate)} left")
        return "  ".join(parts)


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
            losses = "  ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
            self._stage("train").extra = f"{event.faces_per_second:.0f} faces/s  step {event.step}  {losses}"
        elif isinstance(event, Saved) and not self._live:
            self._console.print(f"train: saved {event.checkpoint.name}", highlight=False, soft_wrap=True)

    def _stage(self, name: str) -> _Stage:
        if name not in self._stages:
            self._stages[name] = _Stage(self._bars.add_task(name, total=None, numbers="", detail=""))
        return self._stages[name]

    def _progress(self, event: Progress) -> None:
        stage, now = self._stage(event.stage), time.monotonic()
        complete = event.total is not None and event.done >= event.total
        again = stage.last is not None and (stage.last.done, stage.last.total) == (event.done, event.total)
        stage.add(event, now)
        if self._live:
            self._bars.update(
                stage.task,
                completed=event.done,
                total=event.total,
                numbers=escape(stage.numbers()),
                detail=escape(event.detail),
            )
        elif now - stage.told >= EVERY or (complete and not again):
            stage.told = now
            detail = f"  {event.detail}" if event.detail else ""
            self._console.print(escape(f"{event.stage}: {stage.numbers()}{detail}"), highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """Such as ``1:02:03`` or ``0:42``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
