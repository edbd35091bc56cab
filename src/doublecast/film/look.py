"""How the decoded face is put into the shot: what the user may set, each with its range and what it does."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self, cast

from doublecast.errors import InputError


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a `Look`: from low to high, in steps of ``step`` on a slider. help: what it does, in plain words."""

    name: str
    low: float
    high: float
    step: float
    default: float
    help: str


def _setting(default: float, low: float, high: float, step: float, help: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "step": step, "help": help})


@dataclass(frozen=True, slots=True)
class Look:
    """How the decoded face is put into the shot; the defaults are what films have without any.

    grow: where the edge of the face lies, outwards (+) or inwards (-), as a share of the texture's side; there is no
    face beyond its own outline, so outwards the soft edge gets narrower there. feather: width of the soft edge, times
    the usual. colour: how far light and colour follow the shot (0: as decoded). sharpness: added to what follows the
    shot. mouth: how much of the actor's teeth and tongue is seen between the lips, else the model's. eyes: how much of
    the actor's eyes between open lids, with irises of the target's colour, else the model's. spectacles: how much is
    seen of the rims that the target wears, else of those of the actor. jaw: how far the shot about the lower face is
    moved to where the target's jaw is. blend: opacity of the whole face; at 0 the actor is seen (and the film is
    labelled all the same).

    `settings` has their ranges. Raises InputError for a value out of its range.
    """

    grow: float = _setting(
        0.0, -0.15, 0.15, 0.005, "Edge of the face outwards (+) or inwards (-), as a share of the face's texture."
    )
    feather: float = _setting(1.0, 0.25, 3.0, 0.05, "Width of the soft edge, times the usual.")
    colour: float = _setting(1.0, 0.0, 1.0, 0.05, "How far light and colour follow the shot; 0: as the model made it.")
    sharpness: float = _setting(0.0, -1.0, 1.0, 0.05, "Sharper (+) or softer (-) than the shot.")
    mouth: float = _setting(1.0, 0.0, 1.0, 0.05, "The actor's own teeth and tongue between the lips; 0: the model's.")
    eyes: float = _setting(
        1.0, 0.0, 1.0, 0.05, "The actor's own eyes between the new lids, in the target's colour; 0: the model's."
    )
    spectacles: float = _setting(
        1.0, 0.0, 1.0, 0.05, "Spectacles before the new face: the target's, else the actor's own; 0: none."
    )
    jaw: float = _setting(1.0, 0.0, 1.0, 0.05, "The target's jaw, to which the shot is moved; 0: the actor's own.")
    blend: float = _setting(1.0, 0.0, 1.0, 0.05, "Opacity of the new face; 0 shows the actor's own.")

    def __post_init__(self) -> None:
        for one in settings():
            value = getattr(self, one.name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not one.low <= value <= one.high:
                raise InputError(f"{one.name} must be from {one.low:g} to {one.high:g}, got {value!r}. {one.help}")
            object.__setattr__(self, one.name, float(value))

    def changed(self, changes: Mapping[str, float]) -> Self:
        """With some values replaced. Raises InputError for a name there is none of, or a value out of its range."""
        known = [one.name for one in settings()]
        for name in changes:
            if name not in known:
                raise InputError(f"there is no {name!r} in a look; there are {', '.join(known)}")
        return replace(self, **changes)

    def values(self) -> dict[str, float]:
        """All values by name."""
        return asdict(self)


def settings() -> tuple[Setting, ...]:
    """The values of a `Look` in order: command line options and sliders are made of them."""
    return tuple(Setting(name=f.name, default=cast(float, f.default), **f.metadata) for f in fields(Look))


PLAIN = Look()  #: what films have without any
