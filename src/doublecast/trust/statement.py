"""What a file says about itself in its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

PREFIX = "AI-altered: "  #: how every statement begins


def software() -> str:
    """Name and version of this package."""
    try:
        return f"doublecast {version('doublecast')}"
    except PackageNotFoundError:
        return "doublecast"


@dataclass(frozen=True)
class Statement:
    """What was done to the pictures, in one sentence for people.

    text: without the words "AI-altered", which are put before it.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a statement must say what was altered, for example 'faces replaced'")

    @property
    def comment(self) -> str:
        """The sentence as it stands in the file."""
        return f"{PREFIX}{self.text.strip().removeprefix(PREFIX)}"

    def metadata(self) -> Mapping[str, str]:
        """Header fields of a film."""
        return {"comment": f"{self.comment} ({software()})", "encoder": software()}

    def png_text(self) -> Mapping[str, str]:
        """Text chunks of a PNG picture, by the keywords of the PNG standard."""
        return {"Comment": f"{self.comment} ({software()})", "Software": software()}
