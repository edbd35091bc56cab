"""A lock of the operating system on a file that also says which process holds it. A killed process frees it."""

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from doublecast.disk import disk_message, open_own
from doublecast.errors import InUseError, OutputError

_PAUSE = 0.02  #: seconds between two attempts


class OwnedLock:
    """Held from construction to `release` (or as a context manager), by one process and one object only."""

    def __init__(self, path: Path, *, wait: float = 0.5) -> None:
        """path: a file that is made for it, and stays. wait: seconds for which it is asked again (whoever only looks,
        see `holder_of`, has it for an instant).

        Raises InUseError, OSError where the file cannot be written.
        """
        self._file = open_own(path)
        end = time.monotonic() + wait
        while not _try(self._file):
            if time.monotonic() >= end:
                self._file.close()
                owner = holder_of(path)
                raise InUseError(
                    f"{path.parent} is in use by another process{f' ({owner})' if owner else ''}; wait for it"
                )
            time.sleep(_PAUSE)
        try:
            self._say(f" {os.getpid()}".encode())
        except OSError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give it back; harmless if it was given back before."""
        if not self._file.closed:
            try:
                self._say(b"")
            finally:
                self._file.close()

    def _say(self, text: bytes) -> None:
        """Who holds it; the file's first byte is not for reading where locks bind (Windows)."""
        self._file.truncate(0)
        self._file.write(text)
        self._file.flush()


class FileLock:
    """A lock of the operating system for short pieces of work, between processes and threads (context manager).

    Who comes later waits; the thread that holds it may take it again. A killed process frees it. Of two objects on one
    file, also in one thread, only one can hold it.
    """

    def __init__(self, path: Path, *, wait: float = 10.0) -> None:
        """path: a file that is made for it, and stays. wait: seconds until InUseError."""
        self.path, self.wait = path, wait
        self._mine = threading.RLock()
        self._depth = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        end = time.monotonic() + self.wait
        if not self._mine.acquire(timeout=self.wait):
            raise self._busy()
        try:
            if not self._depth:
                self._file = self._taken(end)
            self._depth += 1
        except BaseException:
            self._mine.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth and self._file is not None:
            self._file.close()
            self._file = None
        self._mine.release()

    def _taken(self, end: float) -> IO[bytes]:
        try:
            file = open_own(self.path)
        except OSError as error:
            raise OutputError(disk_message(self.path, error)) from error
        while not _try(file):
            if time.monotonic() > end:
                file.close()
                raise self._busy()
            time.sleep(_PAUSE)
        return file

    def _busy(self) -> InUseError:
        return InUseError(
            f"{self.path.parent} was being changed by another process for {self.wait:g} seconds; try again"
        )


def holder_of(path: Path) -> int | None:
    """Number of the process that holds the lock on this file (0 where it does not say), None where nobody does.

    Only looks: whoever wants the lock in the same instant asks again (see `OwnedLock`).
    """
    for attempt in range(10):
        try:
            with path.open("rb") as file:
                if _try(file, shared=True):
                    return None
                file.seek(1)
                owner = file.read(20).strip()
        except FileNotFoundError:
            return None
        if owner.isdigit() and alive(int(owner)):
            return int(owner)
        if attempt < 9:  # it was taken just now, and the number of who had it before is there, or none
            time.sleep(_PAUSE)
    return 0


if sys.platform == "win32":
    import ctypes
    import msvcrt

    def _try(file: IO[bytes], *, shared: bool = False) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        if shared:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        return True

    def alive(process: int) -> bool:
        """Whether a process of this number runs."""
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # PROCESS_QUERY_LIMITED_INFORMATION
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
else:
    import fcntl

    def _try(file: IO[bytes], *, shared: bool = False) -> bool:
        try:
            fcntl.flock(file.fileno(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def alive(process: int) -> bool:
        """Whether a process of this number runs."""
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
