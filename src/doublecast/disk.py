"""What is written to the disk is there whole or not at all, and a full disk is told as such."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO

from doublecast.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT) if sys.platform != "win32" else (errno.ENOSPC,)


def key_of(*parts: object) -> str:
    """Hash of the parts' text: 32 hex digits. Use plain values (str, int, float, bool, None, tuples of them) only."""
    return blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def fingerprint(path: Path) -> str:
    """Size and time of a file or of a folder's files, to see whether it was changed; "" where nothing is."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return key_of(*((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)) if files else ""
    if not path.exists():
        return ""
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that after a crash either the old or the new content is there, never a part.

    Write to a temporary name, fsync, rename, fsync the folder. durable: False leaves out both fsyncs, for what may be
    lost in a power cut. Raises OutputError on a full disk or missing rights.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(disk_message(path, error)) from error


def open_own(path: Path) -> IO[bytes]:
    """A file of ours to read and append to, made where it is not there; OSError where a link stands in its place.

    For locks and logs, which are written in place: a production from another machine may hold links to any file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a+b")


def refuse_link(path: Path) -> None:
    """OSError where a link stands in the place of ``path``, for what is read or deleted: see `open_own`."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a link stands in the place of this file or folder", str(path))


def sync_file(path: Path) -> None:
    """Make what was written to a file durable (opened for writing, as Windows wants it)."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable (nothing to do on Windows)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: OSError) -> bool:
    """Whether an OSError means a full disk; Lance's have no errno, only its text."""
    return error.errno in _FULL or "os error 28" in str(error) or "No space left" in str(error)


def disk_message(path: Path, error: OSError) -> str:
    """What to tell about an OSError while writing ``path``."""
    if is_disk_full(error):
        return f"{path}: the disk is full; make room and run the same command again, what is finished is kept"
    return f"{path}: cannot be written ({error.strerror or error})"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk below ``path`` into an OutputError; other errors pass."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise OutputError(disk_message(path, error)) from error
        raise
