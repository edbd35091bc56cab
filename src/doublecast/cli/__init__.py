"""The command line: the only part that prints and exits. Nothing heavy is imported before a command runs."""

import os
import sys
import tempfile
import traceback

from doublecast.cli.app import app

__all__ = ["app", "main"]

BUG_IN_VERIFY = 70  #: exit code (EX_SOFTWARE of sysexits.h); its 1 says something about the file


def main() -> None:
    """Run the command line of this process.

    Exit codes: 0 done; 1 a bug, or nobody reads the output any more; 2 the user can mend it; 3 refused (sexual
    imagery); 130 interrupted. Of `verify`: 1 nothing of doublecast was found, 2 also changed since, 70 a bug. Of
    `bench`: 1 also a limit that was missed.
    """
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except Exception as error:  # not by sys.excepthook: typer sets its own
        if debug:
            raise
        _unexpected(error)
        raise SystemExit(BUG_IN_VERIFY if sys.argv[1:2] == ["verify"] else 1) from None


def _unexpected(error: Exception) -> None:
    """A bug: one line for the user, everything else into a file."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, log = tempfile.mkstemp(prefix="doublecast-", suffix="-error.txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        where = f"details are in {log}, or give --debug"
    except OSError:
        where = "give --debug for details"
    print(f"error: unexpected {type(error).__name__}: {error}; {where}. Please report it.", file=sys.stderr)
