"""How many may wait for what takes long: each who waits holds one of the few threads that answer all pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from doublecast.studio.uploads import BusyError

MOST = 8  #: who may be inside; the thread pool that answers has 40


class Turns:
    """Lets so many in, whether they work or wait, and sends away who comes then. Any thread may use it."""

    def __init__(self, what: str, *, most: int = MOST) -> None:
        """what: is asked for too often, in the plural."""
        self._what, self._places = what, BoundedSemaphore(most)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for as long as the block lasts. Raises BusyError where there is none."""
        if not self._places.acquire(blocking=False):
            raise BusyError(f"too many {self._what} are asked for at once; try again in a moment")
        try:
            yield
        finally:
            self._places.release()
