"""What needs a network for a single face, in a process of its own: the server itself never loads one."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from doublecast import errors
from doublecast.errors import DoublecastError

IDLE = 90.0  #: seconds without a question after which the process is ended
LONGEST = 120.0  #: seconds that one answer may take, with loading the networks
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from doublecast.studio.face_process import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])


class FaceProcess:
    """A process behind pipes, started for the first question, and again after it ended; any thread may ask.

    Questions are JSON, a line each, answered one after the other; see `answer`. It ends with the process that asks.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._end: Timer | None = None

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises the DoublecastError that was raised there, or one where the process broke off."""
        with self._lock:
            if self._end is not None:
                self._end.cancel()
            process = self._process
            if process is None or process.poll() is not None:
                process = self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _CODE, _ROOT],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                    encoding="utf-8",
                )  # fmt: skip
            watch = Timer(LONGEST, process.kill)
            watch.daemon = True
            watch.start()
            try:
                line = _exchange(process, json.dumps(request))
            finally:
                watch.cancel()
            self._end = Timer(IDLE, self.close)
            self._end.daemon = True
            self._end.start()
        if not line:
            self.close()
            raise DoublecastError("the process that looks at faces broke off or took too long; try again")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            kind = getattr(errors, str(told.get("kind")), DoublecastError)
            raise (kind if issubclass(kind, DoublecastError) else DoublecastError)(told["error"])
        return told

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    if pipe is not None:
                        pipe.close()


def _exchange(process: "subprocess.Popen[str]", text: str) -> str:
    """One line there and one back; "" where the process is gone."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):
        return ""


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What is answered to a question, with "folder", "side" and "face" (a number) in each.

    {"do": "covered"}: {"covered": mesh points that something
    hides}. {"do": "correct", "handles": {landmark: [x, y]}}: nothing, see `pipeline.faces.correct`.
    """
    from doublecast.pipeline import faces

    place = Path(request["folder"]), request["side"], int(request["face"])
    if request["do"] == "covered":
        covered = faces.large(*place, covered=True).covered
        return {"covered": [] if covered is None else covered.nonzero()[0].tolist()}
    points = faces.moved(faces.points_of(*place), {int(n): (x, y) for n, (x, y) in request["handles"].items()})
    faces.correct(*place, points)
    return {}


def main() -> None:
    """Answer until the pipe is closed."""
    for line in sys.stdin:
        try:
            told = answer(json.loads(line))
        except DoublecastError as error:
            told = {"error": str(error), "kind": type(error).__name__}
        except Exception as error:  # what went wrong is told where it was asked for, and the next question is answered
            told = {"error": f"the face cannot be looked at: {error}"}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
