"""`doublecast verify`: what a file is, said plainly."""

from pathlib import Path
from typing import Annotated

import typer

from doublecast.cli.common import Json, show


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Film, picture, sidecar, or folder of pictures.")],
    production: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Hold it against the production that it is said to come from.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what a file is: made by doublecast or not, unchanged or not, signed by whom, from what.

    Exit code: 0 made with doublecast and unchanged; 1 nothing of doublecast was found; 2 made with doublecast, but
    changed, stripped, no longer provable, or not of the production that was named (also: a file, folder or option that
    cannot be used); 70 a bug in doublecast. Nothing is sent anywhere.
    """
    from doublecast.pipeline.verdict import verdict

    found = verdict(file, production)
    lines = [found.sentence, "", *(f"{what + ':':23}{text}".rstrip() for what, text in found.lines)]
    show(found.plain(), lines, as_json=json)
    raise typer.Exit(found.code)
