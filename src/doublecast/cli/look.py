"""`doublecast look`: how the faces of a production's films are put into the shot, for all of it or shot by shot."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doublecast.cli.common import Json, show
from doublecast.cli.faces import Job
from doublecast.film.look import settings

if TYPE_CHECKING:
    from doublecast.pipeline.looks import Looks

look = typer.Typer(no_args_is_help=True, help="How faces are put into the shot: edge, colour, teeth and more.")
_SETTINGS = {setting.name: setting for setting in settings()}


def _option(name: str) -> Any:
    setting = _SETTINGS[name]
    help = f"{setting.help} Usually {setting.default:g}."
    return typer.Option(f"--{name}", min=setting.low, max=setting.high, help=help, show_default=False)


Take = Annotated[str | None, typer.Option("--take", metavar="NAME", help="Only frames of this take of the actor.")]
From = Annotated[int | None, typer.Option("--from", min=0, metavar="FRAME", help="First frame. [default: of the take]")]
To = Annotated[
    int | None, typer.Option("--to", min=1, metavar="FRAME", help="Frame after the last. [default: of the take]")
]


@look.command("show")
def show_(production: Job, json: Json = False) -> None:
    """The usual look, and the frames that have one of their own."""
    from doublecast.pipeline.looks import read_looks

    _print(production, read_looks(production), as_json=json)


@look.command("set")
def set_(
    production: Job,
    take: Take = None,
    start: From = None,
    end: To = None,
    grow: Annotated[float | None, _option("grow")] = None,
    feather: Annotated[float | None, _option("feather")] = None,
    colour: Annotated[float | None, _option("colour")] = None,
    sharpness: Annotated[float | None, _option("sharpness")] = None,
    mouth: Annotated[float | None, _option("mouth")] = None,
    eyes: Annotated[float | None, _option("eyes")] = None,
    spectacles: Annotated[float | None, _option("spectacles")] = None,
    jaw: Annotated[float | None, _option("jaw")] = None,
    blend: Annotated[float | None, _option("blend")] = None,
    json: Json = False,
) -> None:
    """Change values of the usual look, or with --take those of some frames; the next convert makes the film anew."""
    from doublecast.errors import InputError
    from doublecast.pipeline.looks import set_shot, set_usual

    given = {
        "grow": grow, "feather": feather, "colour": colour, "sharpness": sharpness, "mouth": mouth,
        "eyes": eyes, "spectacles": spectacles, "jaw": jaw, "blend": blend,
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError(f"nothing to change; give at least one of {', '.join(f'--{name}' for name in given)}")
    where = _frames(production, take, start, end)
    looks = set_usual(production, changes) if where is None else set_shot(production, *where, changes)
    _print(production, looks, as_json=json)


@look.command("reset")
def reset_(production: Job, take: Take = None, start: From = None, end: To = None, json: Json = False) -> None:
    """Back to the look that films have without any; with --take, back to the usual one in those frames."""
    from doublecast.pipeline.looks import reset, set_shot

    where = _frames(production, take, start, end)
    looks = reset(production) if where is None else set_shot(production, *where, None)
    _print(production, looks, as_json=json)


def _names(production: Path) -> Mapping[str, str]:
    """Names of the actor's takes by content key."""
    from doublecast.production import Production

    job = Production(production, create=False, lock=False)
    return {given.key: given.name for given in job.record.inputs.get("actor", [])}


def _frames(production: Path, take: str | None, start: int | None, end: int | None) -> tuple[str, int, int] | None:
    """Content key, first frame and end of what was named; None for the whole production."""
    from doublecast.errors import InputError
    from doublecast.pipeline.looks import MOST

    if take is None:
        if start is not None or end is not None:
            raise InputError("--from and --to are frames of a take: name it with --take")
        return None
    names = _names(production)
    for key, name in names.items():
        if name == take:
            return key, start or 0, MOST if end is None else end
    raise InputError(f"the actor has no take {take!r}; there are {', '.join(names.values()) or 'none yet'}")


def _print(production: Path, looks: "Looks", *, as_json: bool) -> None:
    from doublecast.pipeline.looks import MOST

    names = _names(production)
    shots = [
        {"take": names.get(s.take, s.take), "from": s.start, "to": None if s.end == MOST else s.end, **s.look.values()}
        for s in looks.shots
    ]
    lines = [f"usual: {_line(looks.usual.values())}"]
    for shot, own in zip(shots, looks.shots, strict=True):
        to = "its end" if shot["to"] is None else shot["to"]
        lines.append(f"{shot['take']}, frames {shot['from']} to {to}: {_line(own.look.values())}")
    show({"usual": looks.usual.values(), "shots": shots, "revision": looks.revision}, lines, as_json=as_json)


def _line(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
