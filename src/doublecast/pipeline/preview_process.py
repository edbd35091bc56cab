"""The preview in a process of its own: who asks holds no network, and survives what that process does not."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self, TypeAlias

from doublecast import errors
from doublecast.errors import DoublecastError
from doublecast.pipeline.framing import receive, send

IDLE = 90.0  #: seconds without a question after which the process ends
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from doublecast.pipeline.preview_child import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])
Answer: TypeAlias = tuple[dict[str, Any], bytes, bytes]
_Message: TypeAlias = tuple[dict[str, Any], list[bytes]]


class PreviewProcess:
    """A `FilmPreview` behind pipes. Started for the first question, and again after it ended; any thread may ask.

    Questions are answered one after the other. size, device: see `FilmPreview`. idle: seconds without a question after
    which the process ends by itself. A context manager; it also ends with the process that asks.
    """

    def __init__(
        self, folder: Path | str, *, size: int | None = None, device: str = "auto", idle: float = IDLE
    ) -> None:
        self.folder = Path(folder).absolute()
        self._options = {"folder": str(self.folder), "size": size, "device": device, "idle": idle}
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: Queue[_Message | None] = Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the process is there now."""
        process = self._process
        return process is not None and process.poll() is None

    def ask(self, request: Mapping[str, Any], timeout: float = 60.0) -> Answer:
        """The answer, and before and after as JPEG (b"" where there are none).

        {"do": "takes"}: {"takes": [{"key", "name", "frames", "fps", "width", "height"}, ...]}.

        {"do": "pair", "take": content key, "index": frame, "look": {...}, "label": {...}, "width": 1280}:
        {"seconds", "width", "height", "faces", "checkpoint", "newer"} and both pictures, at most ``width`` wide. look,
        label: values that differ from the defaults of `Look` and `Label`. Another frame than the last one is drawn by
        the newest checkpoint; the same one by the same checkpoint, and newer tells that there is another by now:
        ask again with "newest": true (some 2 s).

        timeout: seconds; the first question takes some 8, or as long as the machine is busy.
        Raises the errors of `FilmPreview`; DoublecastError where the process ended or took too long: just ask again.
        """
        with self._lock:
            answer = self._asked(request, timeout)
            if answer is None and self._stop(wait=1.0) == 0:  # it had just ended by itself
                answer = self._asked(request, timeout)
            if answer is None:
                self._stop()
                raise DoublecastError(f"the preview of {self.folder} broke off; ask for it again")
        document, blobs = answer
        if "error" in document:
            raise _error(str(document.get("kind")), str(document["error"]))
        before, after = blobs or (b"", b"")
        return document, before, after

    def close(self) -> None:
        """End the process, if there is one, also while somebody waits for it. Another question starts it again."""
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._stop()

    def _asked(self, request: Mapping[str, Any], timeout: float) -> _Message | None:
        """The answer; None where the process ended."""
        process = self._process
        if process is None or process.poll() is not None:
            self._stop()
            process = self._start()
        assert process.stdin is not None
        try:
            send(process.stdin, request)
            return self._answers.get(timeout=timeout)
        except OSError:
            return None
        except Empty:
            self._stop()
            raise DoublecastError(f"the preview takes longer than {timeout:g} seconds; ask for it again") from None

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, _ROOT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._process, self._answers = process, Queue()
        assert process.stdin is not None
        with suppress(OSError):  # told by the answer that does not come
            send(process.stdin, self._options)
        Thread(target=_listen, args=(process, self._answers), daemon=True).start()
        return process

    def _stop(self, *, wait: float = 0.0) -> int | None:
        """End the process, which has so many seconds to end by itself; its exit code, None where there was none."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError, ValueError):  # what could not be written any more; what is being read
                if pipe is not None:
                    pipe.close()
        return code


def _listen(process: "subprocess.Popen[bytes]", answers: "Queue[_Message | None]") -> None:
    assert process.stdout is not None
    try:
        while (message := receive(process.stdout)) is not None:
            answers.put(message)
    except (OSError, ValueError, EOFError):  # it broke off, or was closed while it was read
        pass
    answers.put(None)
    with suppress(subprocess.TimeoutExpired):  # so that nothing is left of it in the system's list
        process.wait(10)


def _error(kind: str, text: str) -> DoublecastError:
    """The error that was raised in the other process."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, DoublecastError):
        return found(text)
    return DoublecastError(text)
