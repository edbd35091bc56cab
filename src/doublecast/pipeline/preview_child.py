"""The process that draws previews: one question at a time, see `PreviewProcess.ask`."""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from io import RawIOBase
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

from doublecast.errors import DoublecastError, InputError
from doublecast.film.look import PLAIN, Look
from doublecast.pipeline.framing import receive, send
from doublecast.pipeline.preview import FilmPreview, Pair
from doublecast.pipeline.shots import film_takes
from doublecast.trust import Label
from doublecast.video import encode_jpeg

QUALITY = 90  #: of JPEG
WIDEST = 1280  #: pixels, unless asked for otherwise


def main() -> None:
    """Answer until the input ends, or nobody has asked for long."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    requests: Queue[dict[str, Any] | None] = Queue()
    pipe = os.fdopen(os.dup(0), "rb", buffering=0)  # no lock that a thread could hold at the end
    Thread(target=_listen, args=(pipe, requests), daemon=True).start()
    options = requests.get()
    if options is None:
        return
    server = _Server(Path(options["folder"]), options["size"], options["device"])
    while True:
        try:
            request = requests.get(timeout=options["idle"])
        except Empty:
            return
        if request is None:
            return
        send(answers, *server.answer(request))


def _listen(pipe: IO[bytes] | RawIOBase, requests: "Queue[dict[str, Any] | None]") -> None:
    try:
        while (message := receive(pipe)) is not None:
            requests.put(message[0])
    except (OSError, ValueError, EOFError):
        pass
    requests.put(None)


class _Server:
    """Holds the preview, which is made for the first question."""

    def __init__(self, folder: Path, size: int | None, device: str) -> None:
        self._folder, self._size, self._device = folder, size, device
        self._preview: FilmPreview | None = None
        self._last: tuple[str, int] | None = None
        self._before: tuple[int, bytes] | None = None  # width, JPEG of the last frame

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """What was asked for, or {"error": text, "kind": name of the class}."""
        try:
            if request.get("do") == "takes":
                return {"takes": [asdict(take) for take in film_takes(self._folder)]}, []
            if request.get("do") == "pair":
                return self._pair(request)
            raise InputError(f"a preview can be asked for 'takes' or a 'pair', not for {request.get('do')!r}")
        except DoublecastError as error:
            return {"error": str(error), "kind": type(error).__name__}, []

    def _ready(self) -> FilmPreview:
        if self._preview is None:
            self._preview = FilmPreview(self._folder, size=self._size, device=self._device)
        return self._preview

    def _pair(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        begin = time.perf_counter()
        take, index, width, look, label = _wanted(request)
        preview, newer = self._ready(), False
        if (take, index) != self._last or request.get("newest"):
            preview.refresh()
            self._last = self._before = None
        else:
            newer = preview.stale()
        pair = preview.pair(take, index, look, label)
        self._last = take, index
        if self._before is None or self._before[0] != width:
            self._before = width, encode_jpeg(pair.before, QUALITY, width=width)
        pictures = [self._before[1], encode_jpeg(pair.after, QUALITY, width=width)]
        return {**self._told(preview, pair), "newer": newer, "seconds": time.perf_counter() - begin}, pictures

    @staticmethod
    def _told(preview: FilmPreview, pair: Pair) -> dict[str, Any]:
        height, width = pair.after.shape[:2]
        return {"width": width, "height": height, "faces": pair.faces, "checkpoint": preview.checkpoint.name}


def _wanted(request: Mapping[str, Any]) -> tuple[str, int, int, Look, Label]:
    """Take, index, width, look and label of a question. Raises InputError for any that cannot be."""
    take, index, width = request.get("take"), request.get("index"), request.get("width", WIDEST)
    if not isinstance(take, str) or type(index) is not int or type(width) is not int or width < 16:
        raise InputError(f"a preview needs a take, a frame and a width, got {take!r}, {index!r} and {width!r}")
    return take, index, width, PLAIN.changed(request.get("look", {})), _label(request.get("label", {}))


def _label(values: Mapping[str, Any]) -> Label:
    font = values.get("font")
    try:
        return Label(**{**values, "font": None if font is None else Path(font)})
    except (TypeError, ValueError) as error:
        raise InputError(f"there is no such label: {error}") from error
