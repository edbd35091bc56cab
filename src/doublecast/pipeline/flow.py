"""Read -> process -> write over bounded queues.

::

    with Flow() as flow:
        frames = flow.ahead(reader)                     # decoded in its own thread, at most `depth` ahead
        faces = flow.ahead(map(tracker.step, frames))   # and this in another
        for face in faces:                              # the caller's thread writes
            ...

An exception in any thread comes out of the loop in the caller's thread. Leaving the block, by whatever way, stops every
thread and waits for it, so Ctrl-C is clean: KeyboardInterrupt is raised in the caller's thread and ends the block.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
MEMORY = 150_000_000  #: bytes of frames that wait between two threads, at most (one frame may be larger)
_POLL = 0.5  #: seconds; a waiting main thread looks for Ctrl-C this often where locks cannot be interrupted (Windows)


class StoppedError(Exception):
    """Raised inside a stage whose flow has ended; never seen by callers."""


def depth_for(width: int, height: int, *, most: int = 8) -> int:
    """How many frames of this size may wait between two threads: RGB and the decoded planes, `MEMORY` in all."""
    return max(1, min(most, int(MEMORY / (4.5 * width * height))))


class Flow:
    """Owns the threads of one stage. depth: items that wait between two threads, at most."""

    def __init__(self, *, depth: int = 8) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self._depth = depth
        self._channels: list[_Channel[object]] = []
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels:
            channel.stop()
        for thread in self._threads:
            thread.join()

    def ahead(self, items: Iterable[T], *, depth: int | None = None, name: str = "stage") -> Iterator[T]:
        """Iterate over ``items`` in a thread of its own, ``depth`` of them ahead of the caller, in order."""
        channel: _Channel[T] = _Channel(depth or self._depth)
        thread = Thread(target=_run, args=(items, channel), name=f"doublecast-{name}", daemon=True)
        self._channels.append(channel)  # type: ignore[arg-type]  # only stop() is called through this list
        self._threads.append(thread)
        thread.start()
        return iter(channel)


class _Channel(Generic[T]):
    """A bounded queue with an end, an error and a stop."""

    def __init__(self, depth: int) -> None:
        self._items: deque[T] = deque()
        self._depth = depth
        self._changed = Condition()
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        with self._changed:
            while len(self._items) >= self._depth and not self._stopped:
                self._changed.wait(_POLL)
            if self._stopped:
                raise StoppedError
            self._items.append(item)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                while not (self._items or self._ended or self._stopped):
                    self._changed.wait(_POLL)
                if self._stopped:
                    raise StoppedError
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def _run(items: Iterable[T], channel: _Channel[T]) -> None:
    try:
        for item in items:
            channel.put(item)
    except StoppedError:
        channel.end()
    except BaseException as error:  # handed to the caller's thread, whatever it is
        channel.end(error)
    else:
        channel.end()
