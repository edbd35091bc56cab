"""What the first page shows of each production, and the cheap look that tells whether any of it changed."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doublecast.errors import DoublecastError, InputError
from doublecast.faceset import FaceStore
from doublecast.faceset.sheet import row_height
from doublecast.pipeline.overview import Overview, overview
from doublecast.production import RECORD, SIDES, Side
from doublecast.studio.layout import path_of
from doublecast.studio.making import open_question
from doublecast.video import encode_jpeg

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

PORTRAIT = 224  #: pixels of a card's picture
LOOKED = (RECORD, "activity.json", "jobs", "actor/takes.json", "target/takes.json", "actor-people.png")
STORED = ("faces.lance", "curation.lance")  #: a store is only opened when it is all there: opening makes what is not
STAGES = {
    "empty": ("No takes yet", "faces"),
    "takes": ("Takes are there; their faces are not all found", "faces"),
    "faces": ("Faces found; ready to train", "train"),
    "trained": ("Trained; ready to make the film", "film"),
    "film": ("The film is made", "film"),
}  #: stage of `Overview`: how it is told, and the page that makes sense then
COMMANDS = {"extract": "faces", "curate": "faces", "train": "train", "convert": "film", "swap": "train"}


def cards(studio: "Studio") -> list[dict[str, Any]]:
    """One entry for every production, the one that was used last first."""
    found = [_card(studio, overview(folder)) for folder in studio.config.productions()]
    return sorted(found, key=lambda card: card["used"], reverse=True)


def state(studio: "Studio") -> tuple[Any, ...]:
    """Changes when a card does; a few times of change per production."""
    times: list[Any] = []
    for folder in studio.config.productions():
        times.append(folder.name)
        for name in LOOKED:
            with suppress(OSError):
                times.append((folder / name).stat().st_mtime_ns)
    return tuple(times)


def _card(studio: "Studio", seen: Overview) -> dict[str, Any]:
    name, (words, section) = seen.folder.name, STAGES[seen.stage]
    problems = seen.problems
    try:
        studio.config.place(name)
    except InputError as error:  # made by the command line; no address leads to it
        problems = f"{error}. Rename the folder to open it here"
    problems = problems or studio.config.links_out(seen.folder)
    now = seen.activity if seen.activity is not None and seen.activity.state == "running" else None
    if now is not None:
        section = COMMANDS.get(now.command, section)
    waiting = sum(job.state == "waiting" for job in seen.jobs)
    paused = [job for job in seen.jobs if job.state == "paused"]
    last = next((job for job in reversed(seen.jobs) if job.state not in ("cancelled",)), None)
    question = None if problems else open_question(seen.jobs)
    return {
        "name": name, "stage": seen.stage, "words": words, "address": None if problems else path_of(name, section),
        "actor": _side(seen, "actor"), "target": _side(seen, "target"), "used": seen.last_used.timestamp(),
        "running": None if now is None else {k: v for k, v in asdict(now).items() if k not in ("notes", "pid")},
        "waiting": waiting, "paused": len(paused), "trained": seen.trained_seconds, "films": len(seen.films),
        "failed": last.error if last is not None and last.state == "failed" and question is None else "",
        "again": next((job.id for job in (last, *paused) if job and job.state in ("failed", "paused")), None),
        "ask": None if question is None else question[1], "takes": path_of(name, "takes"),
        "person": None if question is None else path_of(name, f"person/{question[1]}"), "problems": problems,
    }  # fmt: skip


def _side(seen: Overview, side: Side) -> dict[str, Any]:
    """Names of a side's takes, and a mark that changes with its picture ("" where there is none)."""
    mark = ""
    for path in (seen.folder / side / "takes.json", seen.folder / side / "curation.lance" / "_versions"):
        with suppress(OSError):
            mark += f"{path.stat().st_mtime_ns:x}"
    return {"takes": list(getattr(seen, side)), "face": mark}


def portrait(folder: Path, side: Side) -> bytes | None:
    """A good face of the side's main person, as it was found in the take: JPEG, at most `PORTRAIT` pixels square.

    None where no face is there yet.
    """
    try:
        if side not in SIDES or not all(any((folder / side / part / "_versions").iterdir()) for part in STORED):
            return None
        store = FaceStore(folder / side)
        table = store.table()
        if not len(table):
            return None
        merit = np.log(table.sharpness + 1e-6) - np.abs(table.yaw) / 20 - np.abs(table.pitch) / 40
        merit = merit + 8.0 * np.minimum(table.eye_left, table.eye_right).clip(0, 0.3)  # open eyes
        merit = merit + 50.0 * ((table.person == 0) & table.kept) + 20.0 * (table.person == 0)
        crop = store.load([int(table.id[np.argmax(merit)])])[0].crop
    except (DoublecastError, OSError, ValueError, KeyError):
        return None
    if crop is None:
        return None
    return encode_jpeg(crop.pixels, 95, width=PORTRAIT)


def people(folder: Path, side: Side) -> dict[str, Any] | None:
    """How many persons the contact sheet of a side shows, and how tall a row of it is; None where there is none."""
    sheet = folder / f"{side}-people.png"
    try:
        with sheet.open("rb") as file:
            head = file.read(24)
        if head[:8] != b"\x89PNG\r\n\x1a\n" or sheet.is_symlink():
            return None
        mark = f"{sheet.stat().st_mtime_ns:x}"
    except OSError:
        return None
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return {"count": height // row_height(), "width": width, "row": row_height(), "mark": mark}
