"""The command line: the only part that prints and exits. Nothing heavy is imported before a command runs."""

import os
import sys
import tempfile
import traceback
from types import TracebackType

from doublecast.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line of this process. Exit codes: 0 done, 1 a bug, 2 the user can mend it, 130 interrupted."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
    else:
        sys.excepthook = _unexpected
    app()


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A bug: one line for the user, everything else into a file."""
    text = "".join(traceback.format_exception(kind, error, trace))
    try:
        handle, log = tempfile.mkstemp(prefix="doublecast-", suffix="-error.txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        where = f"details are in {log}, or give --debug"
    except OSError:
        where = "give --debug for details"
    print(f"error: unexpected {kind.__name__}: {error}; {where}. Please report it.", file=sys.stderr)
