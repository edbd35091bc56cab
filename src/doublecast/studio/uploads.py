"""Files that come in through the browser: streamed to the disk, bounded, looked into, and kept until they are used."""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

from doublecast.disk import disk_message
from doublecast.errors import DoublecastError, InputError, OutputError
from doublecast.studio.config import DEVICES, FORBIDDEN, StudioConfig
from doublecast.trust.opening import Opened, Opener
from doublecast.video.takes import PICTURES

Purpose: TypeAlias = Literal["take", "evidence", "verify"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
HIDDEN = ".uploads"  #: folder, in that of the productions, in which uploads wait
AT_ONCE = 4  #: uploads that run at the same time
SPARE = 256 << 20  #: bytes of the disk that uploads leave free
BLOCK = 1 << 20  #: bytes that are written at a time
KEPT = 24 * 3600.0  #: seconds after which an upload that nobody used is removed, when the studio starts
LONGEST = 120  #: bytes of a name
MOST = 20_000  #: pictures of one series
PART = ".part"  #: suffix of a file that is not complete
SILENCE = 60.0  #: seconds without a byte after which an upload is broken off
IDLE = 30.0  #: seconds after which the process that looks into files is ended


class TooLargeError(DoublecastError):
    """An upload that is larger than the limit, or than the free space of the disk."""


class BusyError(DoublecastError):
    """Too many uploads run already."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A finished upload. id: of its folder, which several pictures share. info: None where it was not decoded."""

    id: str
    path: Path
    size: int
    info: Opened | None


class Uploads:
    """The uploads of one studio, each in a folder of a random name."""

    def __init__(self, config: StudioConfig) -> None:
        self._config, self._folder = config, config.folder / HIDDEN
        self._opener = Opener()
        self._promised: dict[object, int] = {}  # bytes that running uploads may still write, by upload
        self._last = 0.0

    # -- receiving -----------------------------------------------------------------------------------------------

    async def receive(
        self, body: AsyncIterator[bytes], name: str, purpose: Purpose, *, size: int | None = None, group: str = ""
    ) -> Upload:
        """Write a body to the disk and look into it; whatever goes wrong, nothing of it stays.

        name: as the client calls the file. size: as declared; where it is too large nothing is read. group: id of an
        earlier upload, a picture, to whose series this one belongs.
        Raises TooLargeError, BusyError, InputError (not what it should be), OutputError (disk full).
        """
        if purpose not in PURPOSES:
            raise InputError(f"an upload is for one of {', '.join(PURPOSES)}, got {purpose!r}")
        with self._running(size) as ticket:
            folder = self.folder(group) if group else self._folder / secrets.token_hex(16)
            part = await asyncio.to_thread(_part, folder, safe_name(name))
            path = part.with_name(part.name[1 : -len(PART)])
            try:
                written = await self._write(body, part, ticket)
                if size is not None and written != size:
                    raise InputError(f"{path.name}: {written} of {size} bytes arrived; send it again")
                part.replace(path)
                info = await asyncio.to_thread(self._check, path, group) if purpose == "take" else None
            except BaseException:
                _remove(part, path)
                raise
        return Upload(folder.name, path, written, info)

    @contextmanager
    def _running(self, size: int | None) -> Iterator[object]:
        """A place among the uploads that run; nothing between the checks and the promise lets another one in."""
        limit = self._config.upload_limit
        if len(self._promised) >= AT_ONCE:
            raise BusyError(f"{AT_ONCE} uploads run already; send this one when one of them has ended")
        if size is not None and size > limit:
            raise TooLargeError(f"the file has {_size(size)}; an upload may have {_size(limit)}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._left(size or 0)
        except OSError as error:
            raise OutputError(disk_message(self._folder, error)) from error
        ticket = object()
        self._promised[ticket] = size or 0
        try:
            yield ticket
        finally:
            del self._promised[ticket]

    def _left(self, more: int) -> None:
        free = shutil.disk_usage(self._folder).free - SPARE - sum(self._promised.values())
        if more > free:
            raise TooLargeError(f"the file needs {_size(more)}, and the disk has {_size(max(free, 0))} to spare")

    async def _write(self, body: AsyncIterator[bytes], path: Path, ticket: object) -> int:
        """Bytes written. The limit counts here, too, for bodies of undeclared length."""
        limit, written, waiting = self._config.upload_limit, 0, bytearray()
        declared = self._promised[ticket] > 0
        try:
            with await asyncio.to_thread(path.open, "wb") as file:
                async for data in _spoken(body):
                    waiting += data
                    written += len(data)
                    if written > limit:
                        raise TooLargeError(f"{path.name[1 : -len(PART)]}: an upload may have {_size(limit)}")
                    if len(waiting) >= BLOCK:
                        waiting = await self._flush(file, waiting, ticket, declared=declared)
                await self._flush(file, waiting, ticket, declared=declared)
        except OSError as error:
            raise OutputError(disk_message(path.parent, error)) from error
        return written

    async def _flush(self, file: BinaryIO, waiting: bytearray, ticket: object, *, declared: bool) -> bytearray:
        if not declared:
            self._left(len(waiting))
        await asyncio.to_thread(file.write, waiting)
        self._promised[ticket] = max(0, self._promised[ticket] - len(waiting))
        return bytearray()

    def _check(self, path: Path, group: str) -> Opened:
        """What was uploaded, decoded in another process. Raises InputError in the reader's words."""
        if group and path.suffix.lower() not in PICTURES:
            raise InputError(f"{path.name}: only pictures can be sent as one series")
        if not path.stat().st_size:
            raise InputError(f"{path.name}: the file is empty. Copy it again from where it came.")
        try:
            return self.look([path])
        except InputError as error:
            raise InputError(str(error).replace(str(path.absolute()), path.name)) from error

    def look(self, files: Sequence[Path]) -> Opened:
        """What a take of these files is; its first frames are decoded in another process. Raises InputError."""
        self._last = time.monotonic()
        return self._opener.open(files)

    # -- what is there -------------------------------------------------------------------------------------------

    def folder(self, id: str) -> Path:
        """The folder of an upload. Raises InputError for an id that is none, or of an upload that is gone."""
        if not re.fullmatch(r"[0-9a-f]{32}", id) or not (self._folder / id).is_dir():
            raise InputError("that upload is gone; send the file again")
        return self._folder / id

    def files(self, id: str) -> list[Path]:
        """The finished files of an upload. Raises InputError where there is none."""
        found = sorted(path for path in self.folder(id).iterdir() if not path.name.startswith("."))
        if not found:
            raise InputError("that upload is gone; send the file again")
        return found

    def remove(self, id: str) -> None:
        """Remove an upload; nothing where it is gone already."""
        with suppress(InputError):
            shutil.rmtree(self.folder(id), ignore_errors=True)

    def sweep(self, *, older: float = KEPT) -> int:
        """Remove uploads that nobody used, and what a killed studio left of them; returns how many."""
        removed = 0
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            with suppress(OSError):
                newest = max([folder.stat().st_mtime, *(path.stat().st_mtime for path in folder.iterdir())])
                if time.time() - newest > older:
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def close(self) -> None:
        """End the process that looks into files."""
        self._opener.close()

    def rest(self) -> None:
        """End the process that looks into files, where it was not needed for `IDLE` seconds; sweep."""
        self.sweep()
        if time.monotonic() - self._last >= IDLE:
            self._opener.close()


async def _spoken(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts of a body, for as long as they come: a sender that is gone without a word keeps no place."""
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                part = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise InputError(f"nothing came for {SILENCE:g} seconds; send the file again") from error
        yield part


def safe_name(name: str) -> str:
    """A plain name of at most `LONGEST` bytes for what a client calls a file: no folders, no odd characters."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(c if c.isprintable() and c not in FORBIDDEN else "_" for c in last).strip(" .")
    stem, dot, suffix = plain.rpartition(".") if "." in plain else (plain, "", "")
    if len(suffix.encode()) > 12:
        stem, dot, suffix = plain, "", ""
    room = LONGEST - len((dot + suffix).encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").strip(" .") or "upload"
    return ("_" if stem.split(".")[0].upper() in DEVICES else "") + stem + dot + suffix


def free_name(folder: Path, name: str) -> Path:
    """A path in ``folder`` that nothing has, with a number behind the name where that is needed."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path


def _part(folder: Path, name: str) -> Path:
    """A new, empty file for what is not complete yet; its name is taken from then on."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if sum(1 for _ in folder.iterdir()) >= MOST:
        raise InputError(f"a series may have {MOST} pictures; send the rest as another take")
    while True:
        name = free_name(folder, name).name
        part = folder / f".{name}{PART}"
        try:
            part.touch(exist_ok=False)
        except FileExistsError:  # another upload of the same name
            name = f"{Path(name).stem}-2{Path(name).suffix}"
        else:
            return part


def _remove(part: Path, path: Path) -> None:
    for file in (part, path):
        with suppress(OSError):
            file.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()  # unless other pictures of the series are in it


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
