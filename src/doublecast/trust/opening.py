"""Whether a file that somebody sent is a take at all, found out by decoding it in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from doublecast.errors import InputError
from doublecast.trust.sandbox import Sandbox

SECONDS = 60.0  #: that decoding the first frames may take


@dataclass(frozen=True, slots=True)
class Opened:
    """A take that can be read. kind: video or pictures. width, height: upright pixels. seconds: None where unknown."""

    kind: str
    width: int
    height: int
    seconds: float | None


class Opener:
    """Decodes the first frames of files that may be hostile, one after the other; a context manager."""

    def __init__(self) -> None:
        self._lock, self._sandbox = Lock(), Sandbox()

    def __enter__(self) -> "Opener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, files: Sequence[Path]) -> Opened:
        """What the take of these files is. Raises InputError in the reader's words where it cannot be read."""
        with self._lock:
            request = {"do": "take", "files": [str(path.absolute()) for path in files]}
            found = self._sandbox.ask(request, seconds=SECONDS)
        if "refused" in found:
            raise InputError(found["refused"])
        if "error" in found:
            raise InputError(f"{files[0]}: cannot be read as a video or picture ({found['error']})")
        return Opened(found["kind"], found["width"], found["height"], found["seconds"])

    def close(self) -> None:
        """End the process, where there is one; `open` starts another."""
        with self._lock:
            self._sandbox.stop()
