"""The process that reads files which may be hostile: one JSON request a line in, one JSON answer a line out."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doublecast.trust.inspection import Credentials

MEMORY = 3 << 30  #: bytes of address space (POSIX)
FOLDER_TIME = 300.0  #: seconds for the credentials of a folder's pictures
FIRST_FRAMES = 3  #: frames that are decoded to see whether a take can be read
BAD = 20  #: names of pictures that are told


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    _limit()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, or {"error": ...}; whatever a file makes the libraries do, as long as they return."""
    from doublecast.trust.reading import read_pictures

    try:
        if request["do"] == "take":
            return _take([Path(name) for name in request["files"]])
        path = Path(request["path"])
        if request["do"] == "pictures":
            return asdict(read_pictures(path, request["said"], marks=request.get("marks", True)))
        return _folder(path) if path.is_dir() else asdict(_credentials(path))
    except MemoryError:
        return {"error": "it needs too much memory"}
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except Exception as error:  # the file is told unreadable, whatever it is that fails
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}


def _take(files: list[Path]) -> dict[str, Any]:
    """What a take of these files is, after its first frames were decoded; {"refused": ...} in the reader's words."""
    from doublecast.errors import InputError
    from doublecast.video import Reader, find_takes

    try:
        take = find_takes(files)[0]
        with Reader(take) as reader:
            frames = sum(1 for _ in islice(reader, FIRST_FRAMES))
            info = reader.info
    except InputError as error:
        return {"refused": str(error)}
    if not frames:
        return {"refused": f"{files[0]}: no frame could be decoded; convert it with ffmpeg, or leave it out"}
    return {"kind": take.kind, "width": info.width, "height": info.height, "seconds": info.seconds}


def _credentials(path: Path) -> "Credentials":
    """As `read_credentials`, but a record that is too damaged to be read is ours where it still has our name in it."""
    from doublecast.trust.credentials import ASSERTION, sidecar
    from doublecast.trust.inspection import HEAD, TAIL, read_credentials

    found = read_credentials(path)
    if found.state == "tampered" and not found.generator:
        place = sidecar(path) if found.place == "sidecar" else path
        with place.open("rb") as file:
            begin = file.read(HEAD)
            file.seek(max(len(begin), place.stat().st_size - TAIL))
            if ASSERTION.encode() in begin or ASSERTION.encode() in file.read(TAIL):
                return replace(found, ours=True)
    return found


def _folder(folder: Path) -> dict[str, Any]:
    """Credentials of the first picture whose state is the worst, of ours where there is one, with numbers of pictures.

    looked: read at all. ours: valid and of doublecast. traces: something of doublecast is in the record, in any state.
    """
    from doublecast.trust.frames import pictures_of
    from doublecast.trust.inspection import Credentials

    order = ("tampered", "expired", "absent", "valid")
    worst: tuple[int, bool] | None = None
    shown = Credentials("absent")
    states: Counter[str] = Counter()
    films: set[str] = set()
    bad: list[str] = []
    end = time.monotonic() + FOLDER_TIME
    files = pictures_of(folder)
    for path in files:
        if time.monotonic() > end:
            break
        try:
            one = _credentials(path)
        except OSError:
            if len(bad) < BAD:
                bad.append(path.name)
            continue
        traces = one.ours or one.within
        states.update({one.state: 1, "looked": 1, "traces": traces, "ours": one.ours and one.state == "valid"})
        if one.state != "valid" and len(bad) < BAD:
            bad.append(path.name)
        if one.claim is not None:
            films.add(str(one.claim.get("watermark", "")))
        this = (order.index(one.state), not traces)
        if worst is None or this < worst:
            worst, shown = this, one
    counts = {"looked": 0, "ours": 0, "traces": 0, **states}
    return {**asdict(shown), "folder": {"pictures": len(files), "films": len(films), "bad": bad, **counts}}


def _limit() -> None:
    """Bound this process's memory, where the system can, and leave no core file."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limits; somebody's may be lower already
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
