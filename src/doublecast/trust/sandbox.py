"""Files that may be hostile are read in a process of its own, with bounded time and memory (see `child`).

A decoder that crashes, hangs or eats memory takes that process down, not the one that asks. Its Python does not look
for modules in the current folder (``-P``): that may be where the hostile file lies, with a ``json.py`` beside it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from doublecast.trust.child import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])


class Sandbox:
    """A child process that answers requests, started for the first one, and again after it died. A context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: Queue[str] = Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """The answer, or {"error": ...} where the process died or took longer than ``seconds``."""
        process = self._process or self._start()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = self._answers.get(timeout=seconds)
        except OSError:
            line = ""
        except Empty:
            self.stop()
            return {"error": f"it takes longer than {seconds:.0f} seconds"}
        if not line:
            self.stop()
            return {"error": "reading it broke off"}
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):  # what could not be written any more; what is being read
                    if pipe is not None:
                        pipe.close()

    def _start(self) -> "subprocess.Popen[str]":
        environment = {**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": str(1 << 27), "PYTHONIOENCODING": "utf-8"}
        environment.setdefault("OMP_NUM_THREADS", "2")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, _ROOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=environment,
        )  # fmt: skip
        self._answers = Queue()
        assert self._process.stdout is not None
        Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True).start()
        return self._process


def _listen(pipe: IO[str], answers: "Queue[str]") -> None:
    try:
        for line in pipe:
            answers.put(line)
    except ValueError:  # closed while it was read
        pass
    answers.put("")
