"""What a studio is started with, and which folders its pages may touch."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from doublecast.errors import InputError
from doublecast.production import RECORD

LONGEST_TOKEN, SHORTEST_TOKEN = 200, 12  #: characters of a token that the user chooses
FORBIDDEN = '/\\:*?"<>|'  #: characters that not every system has in names of files
GIB = 1 << 30


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

    def allowed(self, path: Path | str) -> Path:
        """The real path of a file or folder that a client named. Raises InputError outside the allowed folders."""
        text = str(path)
        if "\0" in text:
            raise InputError("a path cannot hold a zero character")
        found = Path(text).expanduser().resolve()
        if not any(found.is_relative_to(root.resolve()) for root in (self.folder, *self.roots)):
            raise InputError(
                f"{text}: outside the folders of this studio; start it with --root FOLDER to allow another"
            )
        return found

    def production(self, name: str) -> Path:
        """Folder of the production of this name. Raises InputError where there is none."""
        folder = self.place(name)
        if not (folder / RECORD).is_file():
            raise InputError(f"there is no production {name!r} in {self.folder}")
        return folder

    def place(self, name: str) -> Path:
        """Where a production of this name lies or would lie. Raises InputError for a name that leads elsewhere."""
        odd = name != name.strip() or name.startswith(".") or any(ord(c) < 32 or c in FORBIDDEN for c in name)
        if odd or not 1 <= len(name) <= 100:
            raise InputError(
                f"{name!r} cannot name a production: 1 to 100 characters, no leading dot or space, none of {FORBIDDEN}"
            )
        folder = self.folder / name
        if folder.resolve().parent != self.folder.resolve():
            raise InputError(f"{name!r} leads out of {self.folder}")
        return folder

    def productions(self) -> list[Path]:
        """Folders of all productions, the one that was used last first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if not path.is_symlink() and (path / RECORD).is_file()]
        return sorted(found, key=lambda path: (path / RECORD).stat().st_mtime, reverse=True)
