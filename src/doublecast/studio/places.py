"""What of this machine's folders a page may show, and which files of them can be takes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

from doublecast.errors import InputError
from doublecast.production import RECORD
from doublecast.studio.config import StudioConfig
from doublecast.video import Take, find_takes
from doublecast.video.takes import PICTURES, VIDEOS, natural

Wanted: TypeAlias = Literal["takes", "any"]
MOST = 2000  #: entries of a folder that are shown


def listing(config: StudioConfig, path: str = "", *, wanted: Wanted = "takes") -> dict[str, Any]:
    """Folders and files of an allowed folder, or, without a path, the allowed folders themselves.

    {"path", "crumbs": [{"name", "path"}], "entries": [{"name", "path", "kind", "size"}], "pictures", "more"}. kind:
    folder, production, video, picture or file. pictures: how many pictures lie here. more: entries that are left out.
    Hidden entries, and links that lead out of the allowed folders, are not there. Raises InputError.
    """
    if not path:
        tops = [_entry(place, str(place), "folder") for place in config.places if place.is_dir()]
        return {"path": "", "crumbs": [], "entries": tops, "pictures": 0, "more": 0}
    folder = config.existing(path)
    if not folder.is_dir():
        raise InputError(f"{path} is no folder")
    try:
        found = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror}).") from error
    entries = [entry for one in found if (entry := _shown(config, one, wanted)) is not None]
    entries.sort(key=lambda entry: entry["kind"] not in ("folder", "production"))
    pictures = sum(entry["kind"] == "picture" for entry in entries)
    return {
        "path": str(folder), "crumbs": _crumbs(config, folder), "entries": entries[:MOST], "pictures": pictures,
        "more": max(0, len(entries) - MOST),
    }  # fmt: skip


def _shown(config: StudioConfig, path: Path, wanted: Wanted) -> dict[str, Any] | None:
    with suppress(OSError, InputError):
        real = config.existing(path)
        if real.is_dir():
            return _entry(real, path.name, "production" if (real / RECORD).is_file() else "folder")
        suffix = path.suffix.lower()
        kind = "video" if suffix in VIDEOS else "picture" if suffix in PICTURES else "file"
        if real.is_file() and (kind != "file" or wanted == "any"):
            return _entry(real, path.name, kind)
    return None


def _entry(path: Path, name: str, kind: str) -> dict[str, Any]:
    size = path.stat().st_size if kind not in ("folder", "production") else None
    return {"name": name, "path": str(path), "kind": kind, "size": size}


def _crumbs(config: StudioConfig, folder: Path) -> list[dict[str, str]]:
    top = max((place for place in config.places if folder.is_relative_to(place)), key=lambda place: -len(place.parts))
    steps = [folder, *folder.parents][: len(folder.parts) - len(top.parts) + 1]
    return [{"name": str(top) if step == top else step.name, "path": str(step)} for step in reversed(steps)]


def takes_of(config: StudioConfig, paths: Sequence[Path | str]) -> list[Take]:
    """The takes of files and folders (no patterns) that a client named. Raises InputError.

    Every single file must lie in the allowed folders, also where a folder holds links that lead out of them.
    """
    takes = find_takes([config.existing(path) for path in paths])
    for take in takes:
        for file in take.files:
            config.existing(file)
    return takes
