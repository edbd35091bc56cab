"""What goes in: videos, folders of pictures and globs become takes."""

import glob
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from doublecast.errors import InputError

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".tif", ".tiff", ".webp"})  #: suffixes of pictures
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".vob", ".wmv"}
    | {".flv", ".ogv", ".mxf", ".3gp", ".dv", ".gif", ".nut", ".y4m", ".h264", ".hevc", ".asf", ".f4v"}
)  #: suffixes that are looked for in folders; a file named by itself may have any other


@dataclass(frozen=True)
class Take:
    """One video, or a series of pictures in order, that goes in.

    name: unique among the takes of one `find_takes` call and safe as a file name. files: the video, or the pictures.
    """

    name: str
    files: tuple[Path, ...]
    kind: Literal["video", "pictures"]

    def __post_init__(self) -> None:
        if not self.files or (self.kind == "video" and len(self.files) != 1):
            raise ValueError(f"a take of kind {self.kind} cannot have {len(self.files)} files")

    def key(self) -> str:
        """BLAKE2b of the names, order and contents of the files: 32 hex digits. Reads every byte, once.

        Raises InputError if a file cannot be read.
        """
        return self._digest(_hash)

    def sha256(self) -> str:
        """SHA-256 of the file: 64 hex digits, as `sha256sum` prints it. Of several files: of the lines that `sha256sum`
        prints of them in this order, with bare names ("HASH  NAME" and a line feed each). Reads every byte, once.

        Raises InputError if a file cannot be read.
        """
        return self._digest(_sha256)

    def _digest(self, of: Callable[[tuple[tuple[Path, int, int], ...]], str]) -> str:
        try:
            states = [path.stat() for path in self.files]
            return of(tuple((p, s.st_size, s.st_mtime_ns) for p, s in zip(self.files, states, strict=True)))
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read ({error.strerror}). Is the disk connected?") from error


@lru_cache(maxsize=64)
def _sha256(states: tuple[tuple[Path, int, int], ...]) -> str:
    digests = [(file_sha256(path), path.name) for path, _, _ in states]
    lines = (f"{digest}  {name}\n".encode("utf-8", "surrogateescape") for digest, name in digests)
    return digests[0][0] if len(digests) == 1 else hashlib.sha256(b"".join(lines)).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file: 64 hex digits; read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _hash(states: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path, size, _ in states:
        digest.update(f"{path.name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key by which ``frame2`` comes before ``frame10``."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def find_takes(arguments: Sequence[str | Path]) -> list[Take]:
    """Takes of files, folders and globs, in the order given; a file that is named twice counts once.

    A video is a take. The pictures of a folder or glob are one take, in natural order; single pictures of the same
    folder are one take too. Folders are not searched below their first level, hidden files are left out.
    Raises InputError for an argument that leads to nothing.
    """
    videos: list[list[Path]] = []
    seen: set[Path] = set()
    for argument in arguments:
        found = [path for path in _expand(argument) if path.resolve() not in seen]
        seen.update(path.resolve() for path in found)
        pictures = [path for path in found if path.suffix.lower() in PICTURES]
        videos += [[path] for path in found if path.suffix.lower() not in PICTURES]
        single = len(found) == 1 and Path(argument).is_file()
        last = videos[-1][-1] if videos else None
        if single and pictures and last and last.suffix.lower() in PICTURES and last.parent == found[0].parent:
            videos[-1] += pictures
        elif pictures:
            videos.append(pictures)
    if not videos:
        raise InputError("no take was given. Name at least one video, folder of pictures, or glob.")
    return _named(videos)


def _named(groups: Iterable[list[Path]]) -> list[Take]:
    takes: list[Take] = []
    used: set[str] = set()
    for files in groups:
        series = files[0].suffix.lower() in PICTURES
        stem = files[0].resolve().parent.name if series and len(files) > 1 else files[0].stem
        base = re.sub(r"[^\w.-]+", "_", stem).strip("._")[:80] or "take"
        name, number = base, 1
        while name.casefold() in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name.casefold())
        takes.append(Take(name, tuple(files), "pictures" if series else "video"))
    return takes


def _expand(argument: str | Path) -> list[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        return _inside(path)
    if path.exists():
        if path.stat().st_size == 0 and path.is_file():
            raise InputError(f"{path}: the file is empty. Copy it again from where it came.")
        return [path]
    if glob.has_magic(str(path)):
        hits = [Path(hit) for hit in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - absolute patterns too
        files = sorted((hit for hit in hits if _usable(hit)), key=natural)
        if not files:
            raise InputError(f"{path}: no video and no picture matches this pattern ({len(hits)} matches).")
        return files
    near = [other.name for other in sorted(path.parent.glob(f"{path.stem}.*"))][:3] if path.parent.is_dir() else []
    hint = f" Did you mean {', '.join(near)}?" if near else " Check the spelling and the folder."
    raise InputError(f"{path}: there is no such file or folder.{hint}")


def _usable(path: Path) -> bool:
    known = not path.name.startswith(".") and path.suffix.lower() in PICTURES | VIDEOS
    return known and path.is_file() and path.stat().st_size > 0


def _inside(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=natural)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror}).") from error
    files = [path for path in entries if _usable(path)]
    if files:
        return files
    below = [entry.name for entry in entries if entry.is_dir()]
    hint = f" Name one of its folders: {', '.join(below[:5])}." if below else " Put a video or pictures into it."
    raise InputError(f"{folder}: no video and no picture in this folder ({len(entries)} entries).{hint}")
