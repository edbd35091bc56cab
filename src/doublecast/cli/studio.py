"""`doublecast studio`: the whole job in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doublecast.cli.common import errors

if TYPE_CHECKING:
    from doublecast.studio.server import Studio


def studio(
    folder: Annotated[
        Path, typer.Argument(metavar="[PRODUCTIONS_DIR]", help="Where productions lie and are made.")
    ] = Path(),
    host: Annotated[str, typer.Option(help="Address to listen on; others than loopback need --token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 0,
    token: Annotated[
        str | None,
        typer.Option(envvar="DOUBLECAST_STUDIO_TOKEN", help="Own password, 12 characters or more, instead of a link."),
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Takes may be chosen from here, too; repeatable.")
    ] = None,
    headless: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
) -> None:
    """Open the studio: make and watch productions in the browser. Ctrl-C ends it; jobs that run go on."""
    from doublecast.studio.config import StudioConfig
    from doublecast.studio.server import serve

    config = StudioConfig(folder.absolute(), host=host, port=port, token=token, roots=tuple(root or ()))
    console = errors()
    if not config.loopback:
        text = f"[yellow]warning:[/] {host} can be reached from other machines, and the connection is not encrypted; "
        console.print(text + "whoever has the password can use this studio", highlight=False, soft_wrap=True)

    def ready(url: str, _: "Studio") -> None:
        console.print(f"studio: {url}", highlight=False, soft_wrap=True, markup=False)
        if not headless:
            import webbrowser

            webbrowser.open(url)

    serve(config, ready)
