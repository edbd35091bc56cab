"""Pictures of the film page: previews of which only the newest question is answered, and plain frames of takes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from doublecast.errors import InputError
from doublecast.pipeline.preview_process import PreviewProcess
from doublecast.pipeline.takes import actor_take, stored_take
from doublecast.production import Production
from doublecast.studio.turns import Turns
from doublecast.video import FrameAccess, encode_jpeg

PROCESSES = 2  #: productions that previews are held ready of; each holds a network
TAKES = 3  #: takes that are held open for plain frames
ASKING = 500  #: parts of pages whose last question is remembered
NARROWEST, WIDEST = 32, 1280  #: pixels of a plain frame
QUALITY = 82  #: of its JPEG


class Asked(Protocol):
    """What answers a question: see `PreviewProcess`."""

    def ask(self, request: Mapping[str, Any], timeout: float = ...) -> tuple[dict[str, Any], bytes, bytes]:
        """The answer, and two pictures."""

    def close(self) -> None:
        """End it."""


@dataclass(slots=True)
class _Open:
    """A take that is held open. lock: held by the one who reads."""

    access: FrameAccess
    lock: threading.Lock = field(default_factory=threading.Lock)


class Previews:
    """The preview processes of a studio, one per production, and takes whose frames are read. Any thread may ask."""

    def __init__(self, make: Callable[[Path], Asked] = PreviewProcess) -> None:
        self._make = make
        self._lock, self._turns = threading.Lock(), Turns("previews")
        self._processes: OrderedDict[Path, tuple[Asked, threading.Lock]] = OrderedDict()
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._takes: OrderedDict[tuple[Path, str], _Open] = OrderedDict()

    def pair(
        self, folder: Path, request: Mapping[str, Any], *, client: str, number: int
    ) -> tuple[dict[str, Any], bytes, bytes] | None:
        """Before and after (see `PreviewProcess.ask`); None where the same client has asked something newer meanwhile.

        client: which part of which page asks. number: of its question, going up. Raises the errors of `FilmPreview`,
        BusyError.
        """
        with self._lock:
            self._newest[client] = max(number, self._newest.get(client, number))
            self._newest.move_to_end(client)
            while len(self._newest) > ASKING:
                self._newest.popitem(last=False)
            process, turn = self._process(folder)
        with self._turns.one(), turn:
            if self._newest.get(client, number) > number:
                return None
            return process.ask({"do": "pair", **request}, 120.0)

    def _process(self, folder: Path) -> tuple[Asked, threading.Lock]:
        if folder not in self._processes:
            self._processes[folder] = self._make(folder), threading.Lock()
        self._processes.move_to_end(folder)
        while len(self._processes) > PROCESSES:
            _, (old, _) = self._processes.popitem(last=False)
            threading.Thread(target=old.close, daemon=True).start()  # which may wait for an answer
        return self._processes[folder]

    def frame(self, folder: Path, take: str, index: int, width: int) -> bytes:
        """A frame of the actor's take as it was filmed, JPEG, at most so wide.

        Raises InputError: no such take or frame, a take that is gone or was changed, or a width out of range.
        """
        if not NARROWEST <= width <= WIDEST:
            raise InputError(f"a frame can be {NARROWEST} to {WIDEST} pixels wide, got {width}")
        opened = self._opened(folder, take)
        with opened.lock:
            pixels = opened.access.frame(index).pixels
        return encode_jpeg(pixels, QUALITY, width=width)

    def _opened(self, folder: Path, take: str) -> _Open:
        given = stored_take(actor_take(Production(folder, create=False, lock=False), take))
        with self._lock:
            known = self._takes.get((folder, take))
            if known is not None and known.access.take == given:
                self._takes.move_to_end((folder, take))
                return known
        opened = _Open(FrameAccess(given))
        with self._lock:
            self._takes[folder, take] = opened
            while len(self._takes) > TAKES:
                self._takes.popitem(last=False)  # closed with its last reader
        return opened

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            processes, self._processes = [process for process, _ in self._processes.values()], OrderedDict()
            self._takes.clear()
        for process in processes:
            process.close()
