"""What a report is made of. Plain frozen values: whoever runs the stages fills them in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from doublecast.events import Note, Step
from doublecast.metrics import Measure
from doublecast.types import I64, U8, check

Picture: TypeAlias = U8 | Path  #: uint8 (H, W, 3) RGB, or a PNG or JPEG file
Option: TypeAlias = str | int | float | bool | None


def check_picture(name: str, picture: Picture | None) -> None:
    """Raise ValueError unless this is a path or a uint8 (H, W, 3) picture that is not empty."""
    if isinstance(picture, np.ndarray):
        check(name, picture, (None, None, 3), np.uint8)
        if not picture.size:
            raise ValueError(f"{name} is empty: {picture.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class PoseMap:
    """How many kept faces look where: int64 (rows, columns), rows from looking up to looking down, columns from the
    image's left to its right. The bins divide the ranges (degrees) evenly. words: what is missing, for people."""

    counts: I64
    yaw: tuple[float, float] = (-60.0, 60.0)
    pitch: tuple[float, float] = (-40.0, 40.0)
    words: str = ""

    def __post_init__(self) -> None:
        check("PoseMap.counts", self.counts, (None, None), np.int64)
        if not self.counts.size or self.counts.min() < 0:
            raise ValueError(f"PoseMap.counts must be counts in at least one bin, got shape {self.counts.shape}")
        if not (self.yaw[0] < self.yaw[1] and self.pitch[0] < self.pitch[1]):
            raise ValueError(f"PoseMap ranges must grow, got yaw {self.yaw} and pitch {self.pitch}")


@dataclass(frozen=True, slots=True, eq=False)
class FacesetPart:
    """One side at a glance. faces: all that were found; kept: those that are used; set_aside: reason -> number.

    sheet: contact sheet of kept faces. people: how many different people were seen.
    """

    side: str
    takes: Sequence[str]
    faces: int
    kept: int
    people: int = 1
    set_aside: Mapping[str, int] = field(default_factory=dict)
    sheet: Picture | None = None
    coverage: PoseMap | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.kept <= self.faces:
            raise ValueError(f"{self.side}: {self.kept} kept of {self.faces} faces cannot be")
        check_picture(f"contact sheet of the {self.side}", self.sheet)


@dataclass(frozen=True, slots=True)
class FilmPart:
    """One finished film. swapped: how many of its frames have a replaced face. sound: in words, such as "copied".

    labelled: whether the visible label is in its picture.
    """

    path: Path
    width: int
    height: int
    frames: int
    seconds: float
    swapped: int
    sound: str = ""
    labelled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A preview sheet of the training at this step. The picture carries the AI-altered label already."""

    step: int
    seconds: float
    picture: Picture

    def __post_init__(self) -> None:
        check_picture(f"preview of step {self.step}", self.picture)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The same frame before and after. ``after`` carries the AI-altered label already (it comes out of the film)."""

    seconds: float
    before: Picture
    after: Picture

    def __post_init__(self) -> None:
        check_picture("frame before", self.before)
        check_picture("frame after", self.after)


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took and what it did in that time; amount None where nothing is counted."""

    stage: str
    seconds: float
    amount: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that `write_report` shows; a section without content is left out.

    Every picture in which a face has been replaced (previews, ``Comparison.after``) must come in with the visible label
    burnt in, also where the film has none: the report adds none and cannot see whether one is there.
    """

    films: Sequence[FilmPart]
    actor: FacesetPart
    target: FacesetPart
    made: str
    steps: Sequence[Step] = ()
    previews: Sequence[Preview] = ()
    comparisons: Sequence[Comparison] = ()
    measures: Sequence[Measure] = ()
    stages: Sequence[StageTime] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    title: str = "doublecast report"
