"""What a long stage tells while it runs. The command line draws these, tests and the report collect them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from doublecast.types import U8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: ``done`` of ``total`` (None when unknown), counted in ``unit``."""

    stage: str
    done: float
    total: float | None
    unit: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should read, once."""

    stage: str
    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Step:
    """One reported training step; ``faces_seen`` counts both sides, ``seconds`` is training time over all runs."""

    step: int
    faces_seen: int
    seconds: float
    faces_per_second: float
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A checkpoint is safely on disk. preview: uint8 (H, W, 3) RGB sheet drawn from it, without a label: it may only be
    written to a file through `doublecast.trust`."""

    step: int
    checkpoint: Path
    preview: U8


Event: TypeAlias = Progress | Note | Step | Saved
Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listener that drops every event."""
