"""What a studio is started with, and which folders its pages may touch."""

import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from doublecast.errors import InputError
from doublecast.production import RECORD

LONGEST_TOKEN, SHORTEST_TOKEN = 200, 12  #: characters of a token that the user chooses
LONGEST_NAME, LONGEST_BYTES = 100, 200  #: of a production's name: characters, and bytes in UTF-8
LONGEST_PATH = 4096  #: characters
DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{name}{n}" for name in ("COM", "LPT") for n in range(10))}
)  #: names that Windows keeps for itself
FORBIDDEN = '/\\:*?"<>|'  #: characters that not every system has in names of files
GIB = 1 << 30


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # gone meanwhile, or not ours to read
        return []


@dataclass(frozen=True, slots=True)
class StudioConfig:
    """Options of `serve`.

    folder: where productions lie and are made. host: address to listen on. port: 0 for any free one. token: a password
    of the user's own, needed for other addresses than loopback; without it a link with a one-time token is made.
    roots: folders on this machine whose files may be chosen as takes; the productions' folder is always one.
    upload_limit: largest upload in bytes.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    roots: tuple[Path, ...] = field(default_factory=tuple)
    upload_limit: int = 64 * GIB

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise InputError(f"--port must be from 0 to 65535, got {self.port}")
        if self.token is not None and not SHORTEST_TOKEN <= len(self.token) <= LONGEST_TOKEN:
            raise InputError(f"--token must have {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters, got {len(self.token)}")
        if self.token is not None and not self.token.isprintable():
            raise InputError("--token must be of characters that can be typed")
        if self.upload_limit < 1:
            raise InputError(f"the largest upload must be 1 byte or more, got {self.upload_limit}")
        if not self.loopback and self.token is None:
            raise InputError(
                f"--host {self.host} can be reached from other machines: choose a password with --token, or leave "
                "--host out to listen on this machine only"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; name the folder in which productions lie")
        for root in self.roots:
            if not root.is_dir():
                raise InputError(f"--root {root}: there is no such folder")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def places(self) -> tuple[Path, ...]:
        """The real paths of the folders whose files may be chosen, the productions' own first; each once."""
        return tuple(dict.fromkeys(place.resolve() for place in (self.folder, *self.roots)))

    def allowed(self, path: Path | str) -> Path:
        """The real path (symbolic links followed) of a file or folder that a client named.

        Raises InputError outside the allowed folders, whether or not there is anything, and for what is no path.
        """
        text = str(path)
        if not text.strip() or "\0" in text or len(text) > LONGEST_PATH:
            raise InputError(f"{text[:80]!r} is no path: name a file or folder of this machine")
        try:
            found = Path(text).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a ring, ~nobody
            raise InputError(f"{text[:80]}: cannot be read ({error})") from error
        if not any(found.is_relative_to(place) for place in self.places):
            raise InputError(
                f"{text}: outside the folders of this studio; start it with --root FOLDER to allow another"
            )
        return found

    def existing(self, path: Path | str) -> Path:
        """Like `allowed`, of something that is there. Raises InputError where nothing is."""
        found = self.allowed(path)
        try:
            found.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
        return found

    def production(self, name: str) -> Path:
        """Folder of the production of this name. Raises InputError where there is none."""
        folder = self.place(name)
        if not (folder / RECORD).is_file():
            raise InputError(f"there is no production {name!r} in {self.folder}")
        wrong = self.links_out(folder)
        if wrong:
            raise InputError(wrong)
        return folder

    def links_out(self, folder: Path) -> str:
        """What is wrong with a production that holds a link out of the folders of this studio, "" for nothing.

        It may come from another machine, and what lies in it is read, sent and changed. Entries of the production and
        of its folders are looked at, not what lies deeper.
        """
        for place in (folder, *(Path(entry) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))):
            for entry in _entries(place):
                if entry.is_symlink() and not self._leads_inside(entry.path):
                    return (
                        f"{Path(entry).relative_to(folder)} in the production {folder.name!r} is a link that leads out "
                        "of the folders of this studio; remove it, or start the studio with --root to allow that folder"
                    )
        return ""

    def _leads_inside(self, path: str) -> bool:
        try:
            self.allowed(path)
        except InputError:
            return False
        return True

    def place(self, name: str) -> Path:
        """Where a production of this name lies or would lie. Raises InputError for a name that leads elsewhere."""
        odd = name != name.strip() or name.startswith(".") or name.endswith(".")
        odd = odd or not name.isprintable() or any(c in FORBIDDEN for c in name)
        size = len(name.encode("utf-8", "replace"))
        if odd or not 1 <= len(name) <= LONGEST_NAME or size > LONGEST_BYTES or name.split(".")[0].upper() in DEVICES:
            raise InputError(
                f"{name[:120]!r} cannot name a production: 1 to {LONGEST_NAME} characters, no dot or space at either "
                f"end, none of {FORBIDDEN}"
            )
        folder = self.folder / name
        if folder.is_symlink():
            raise InputError(f"{name!r} is a link, which could lead out of {self.folder}")
        return folder

    def productions(self) -> list[Path]:
        """Folders of all productions, the one that was used last first."""
        found = []
        with suppress(OSError):  # no folder yet, or taken away
            for path in self.folder.iterdir():
                with suppress(OSError):  # removed meanwhile
                    if not path.name.startswith(".") and not path.is_symlink() and (path / RECORD).is_file():
                        found.append(((path / RECORD).stat().st_mtime, path))
        return [path for _, path in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def file(self, folder: Path, path: Path | str) -> Path:
        """The real path of a file in a production's folder that its record or a client names, relative or absolute.

        Records may come from another machine, and hold links and paths that lead anywhere: raises InputError for what
        is no file, or outside the production and of the folders of this studio.
        """
        found = self.existing(folder / path)
        if not found.is_file():
            raise InputError(f"{path} is no file")
        return found
