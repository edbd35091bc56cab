"""What all commands share: errors and Ctrl-C to exit codes, results as text or JSON."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from doublecast.errors import DoublecastError, words

INTERRUPTED = 130
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout, nothing else.")]


class Commands(TyperGroup):
    """Commands whose errors become a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; 2 for what the user can mend, 3 for what is refused, 130 for Ctrl-C (or SIGTERM).

        Commands leave with codes of their own: `verify` with 1 and 2, `bench` with 1 where a limit is missed.
        """
        try:
            if hasattr(signal, "SIGTERM"):
                signal.signal(signal.SIGTERM, _interrupt)
            return super().invoke(ctx)
        except (DoublecastError, PermissionError) as error:
            errors().print(f"[red]error:[/] {escape(words(error))}", highlight=False, soft_wrap=True)
            code = error.exit_code if isinstance(error, DoublecastError) else DoublecastError.exit_code
            raise typer.Exit(code) from error
        except KeyboardInterrupt as error:
            errors().print("stopped; run the same command to go on", highlight=False, soft_wrap=True)
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError:  # the reader of our stdout has gone, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def errors() -> Console:
    """Console for everything that is not the result."""
    return Console(stderr=True)


def show(result: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print a command's result: the JSON object or the lines."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=1, default=str, ensure_ascii=True) + "\n")
    else:
        console = Console()
        for line in lines:
            console.print(escape(line), highlight=False, soft_wrap=True)
