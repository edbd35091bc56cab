"""The options of jobs: plain JSON values with the names of the pipeline functions' arguments, checked before work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from doublecast.errors import InputError
from doublecast.production import SIDES, Side

if TYPE_CHECKING:
    from doublecast.trust import Label

Kind: TypeAlias = Literal["swap", "extract", "curate", "train", "convert"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES = (96, 128, 192, 256)  #: of models, as in `model.networks`, which is costly to load
DEVICES = ("auto", "cpu", "cuda", "mps")
LABEL = ("style", "corner", "language", "text")  #: what can be said of a label


@dataclass(frozen=True, slots=True)
class Option:
    """words: what is valid. fits: whether a value is. path: whether it names files."""

    words: str
    fits: Callable[[Any], bool]
    required: bool = False
    path: bool = False


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _paths(value: Any) -> bool:
    return _text(value) or (isinstance(value, list | tuple) and bool(value) and all(map(_text, value)))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name in LABEL and (v is None or _text(v)) for name, v in value.items())


def _takes() -> Option:
    return Option("a path, or a list of paths, of videos, folders or globs", _paths, required=True, path=True)


_SIDE = Option(" or ".join(SIDES), lambda v: isinstance(v, str) and v in SIDES, required=True)
_OUTPUT = Option("the path of a film, or of a folder for pictures", _text, required=True, path=True)
_MINUTES = Option("a number more than 0", lambda v: _number(v) and 0 < v < inf)
_SIZE = Option(f"one of {', '.join(map(str, SIZES))}", lambda v: isinstance(v, int) and v in SIZES)
_DEVICE = Option(f"one of {', '.join(DEVICES)}", lambda v: isinstance(v, str) and v in DEVICES)
_FLAG = Option("true or false", lambda v: isinstance(v, bool))
_FACE = Option("a whole number from 0", lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0)
_LABEL = Option(f"texts by name, of {', '.join(LABEL)}", _label)
_BASIS = Option("BASIS or BASIS:DETAIL", _text)

OPTIONS: dict[Kind, dict[str, Option]] = {
    "swap": {
        "actor": _takes(), "target": _takes(), "output": _OUTPUT, "minutes": _MINUTES, "size": _SIZE,
        "device": _DEVICE, "prior": _FLAG, "actor_face": _FACE, "target_face": _FACE, "label": _LABEL,
        "actor_consent": _BASIS, "target_consent": _BASIS, "overwrite": _FLAG,
    },
    "extract": {"takes": _takes(), "side": _SIDE, "consent": _BASIS},
    "curate": {"side": _SIDE, "face": _FACE},
    "train": {"minutes": _MINUTES, "size": _SIZE, "device": _DEVICE, "prior": _FLAG},
    "convert": {"output": _OUTPUT, "size": _SIZE, "device": _DEVICE, "label": _LABEL, "overwrite": _FLAG},
}  # fmt: skip


def checked(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are kept: without those that are None, paths absolute (who works is in another folder).

    Raises InputError, which lists what is valid: unknown kind or name, a wrong value, or one that is missing.
    """
    if kind not in KINDS:
        raise InputError(f"there is no job of kind {kind!r}; kinds are: {', '.join(KINDS)}")
    known = OPTIONS[kind]
    given = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in known:
            raise InputError(f"a {kind} job has no option {name!r}; its options are: {', '.join(known)}")
    for name, option in known.items():
        if name not in given and option.required:
            raise InputError(f"a {kind} job needs the option {name}: {option.words}")
        if name in given and not option.fits(given[name]):
            raise InputError(f"the option {name} of a {kind} job must be {option.words}; got {given[name]!r}")
    label_of(given.get("label"))
    return {name: _absolute(value) if known[name].path else value for name, value in given.items()}


def checked_in(folder: Path, kind: Kind, options: Mapping[str, Any]) -> dict[str, Any]:
    """`checked`, and whether the takes are there and each face has a basis, which is asked before anything is written.

    Raises InputError, ConsentError.
    """
    plain = checked(kind, options)
    given: list[tuple[Side, str, str, str]] = []
    if kind == "swap":
        given = [(side, side, f"{side}_consent", f"--{side}-consent") for side in SIDES]
    elif kind == "extract":
        given = [(plain["side"], "takes", "consent", "--consent")]
    if given:
        from doublecast.pipeline.consent import require
        from doublecast.video import find_takes

        for side, takes, basis, option in given:
            find_takes([plain[takes]] if isinstance(plain[takes], str) else plain[takes])
            require(folder, side, plain.get(basis), option=option)
    return plain


def label_of(given: Mapping[str, str | None] | None) -> "Label | None":
    """The label that is asked for, None for the default. Raises InputError for one that cannot be."""
    if given is None:
        return None
    from doublecast.trust import Label

    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return Label(**values)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from error


def _absolute(value: str | list[str]) -> str | list[str]:
    if isinstance(value, str):
        return str(Path(value).expanduser().absolute())
    return [str(Path(path).expanduser().absolute()) for path in value]
