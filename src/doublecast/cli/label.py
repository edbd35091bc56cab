"""Options of the visible label, for every command that makes films."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from doublecast.trust import Label


class Style(StrEnum):
    """How the label is shown."""

    corner, bar, first_seconds, none = "corner", "bar", "first-seconds", "none"


class Corner(StrEnum):
    """Where it is shown."""

    bottom_left, bottom_right = "bottom-left", "bottom-right"
    top_left, top_right = "top-left", "top-right"


LabelStyle: TypeAlias = Annotated[
    Style,
    typer.Option(
        "--label",
        help="The label in the picture: a corner, a bar across it, or large for the first 3 seconds and small "
        "afterwards. none: for compositing; credentials and watermark stay, and say that there is none.",
    ),
]
LabelCorner: TypeAlias = Annotated[
    Corner | None, typer.Option(help="Where (a bar: top or bottom); otherwise where no face comes, bottom left first.")
]
LabelLanguage: TypeAlias = Annotated[
    str | None, typer.Option(metavar="LANGUAGE", help="Its language, such as de, fr, pl, uk; otherwise English.")
]
LabelText: TypeAlias = Annotated[str | None, typer.Option(metavar="TEXT", help="Your own words instead.")]
LabelFont: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A .ttf or .otf file, for scripts that the own font lacks.")
]


def label_of(style: Style, corner: Corner | None, language: str | None, text: str | None, font: Path | None) -> "Label":
    """The label that is asked for. Raises InputError for words that cannot be drawn."""
    from doublecast.trust import Label

    return Label(style.value, None if corner is None else corner.value, text, language, font)
