"""Automatic curation: who is who, who is meant, and which faces are set aside. Nothing is deleted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from doublecast.errors import AmbiguousFaceError, InputError, NoFaceError
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faceset.identity import persons, screen_seconds, track_codes
from doublecast.faceset.record import FaceTable, Objects
from doublecast.faceset.screening import Limits, Shapes, duplicates, reasons, scores, shape_of
from doublecast.faceset.sheet import person_sheet, save_sheet
from doublecast.faceset.store import FaceStore
from doublecast.types import F64, I32, I64, Bool

RIVAL = 0.7  #: a second person with this part of the first one's screen time makes the choice the user's
PORTRAITS = 6  #: faces shown per person
OTHER, UNKNOWN, DUPLICATE = "other person", "unknown person", "near-duplicate"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the footage. number: as stored, 0 is the main person. seconds: good screen time. portraits: ids of
    good faces, to show."""

    number: int
    seconds: float
    faces: int
    portraits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Curation:
    """What a curation did. version: its number. persons: main person first. kept: faces kept of the main person.
    reasons: set-aside faces per reason, over all persons."""

    version: int
    persons: tuple[Person, ...]
    faces: int
    kept: int
    reasons: dict[str, int]


def _portraits(table: FaceTable, rows: I64) -> tuple[int, ...]:
    """Good faces of one person spread over time: of each stretch, the sharp one turned least."""
    merit = np.log(table.sharpness + 1e-6) - np.abs(table.yaw) / 20 - np.abs(table.pitch) / 40
    return tuple(int(table.id[part[np.argmax(merit[part])]]) for part in np.array_split(rows, PORTRAITS) if len(part))


def _ranked(table: FaceTable, person: I32, good: Bool) -> tuple[I32, F64]:
    """Persons renumbered by good screen time, and that time in seconds."""
    seconds = screen_seconds(table, person, good)
    order = np.argsort(-seconds, kind="stable")
    rank = np.empty(len(order) + 1, np.int32)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return rank[person], seconds[order]


def _choose(
    store: FaceStore, people: Sequence[Person], person: int | None, sheet: Path | None, option: str, side: str
) -> int:
    """The number of the person who is meant. AmbiguousFaceError when only the user can tell."""
    if person is not None:
        if not 0 <= person < len(people):
            raise InputError(f"{option} {person}: there are {len(people)} persons in {side}, 0 to {len(people) - 1}.")
        return person
    rivals = [p for p in people if p.seconds >= RIVAL * people[0].seconds]
    if len(rivals) < 2:
        return 0
    shown = ""
    if sheet is not None:
        titles = [(f"{option} {p.number}   {p.seconds:.1f} s on screen", store.load(p.portraits)) for p in people[:12]]
        shown = f" {save_sheet(sheet, person_sheet(titles))} shows them."
    times = ", ".join(f"person {p.number} for {p.seconds:.1f} s" for p in rivals)
    raise AmbiguousFaceError(
        f"Several people are about equally present in {side}: {times}.{shown} "
        f"Say who is meant with {option} {rivals[0].number} or {option} {rivals[1].number}."
    )


def _screen(store: FaceStore, table: FaceTable, track: I64, limits: Limits, on_event: Listener) -> Objects:
    """Reasons of one person's faces, object (n,), in the order of ``table``."""
    shapes = []
    for done, face in enumerate(store.each(table.id), 1):
        shapes.append(shape_of(face.face.points))
        if done % 500 == 0:
            on_event(Progress("curate", done, len(table), "faces"))
    known = Shapes(np.array([rigid for rigid, _ in shapes]), np.array([gaze for _, gaze in shapes]))
    tones = store.tones(table.id)
    sizes = np.array([(take.width, take.height) for take in store.takes()], np.int64)
    reason = reasons(scores(table, known, tones, sizes[table.take], limits), limits)
    reason[table.manual == 1] = "dropped"
    usable = np.asarray(reason == "", dtype=np.bool_)
    reason[duplicates(table, known.gaze, tones, track, usable, limits)] = DUPLICATE
    return reason


def curate(
    store: FaceStore,
    *,
    person: int | None = None,
    sheet: Path | None = None,
    option: str = "--actor-face",
    side: str = "the footage",
    limits: Limits | None = None,
    on_event: Listener = ignore,
) -> Curation:
    """Find the persons, choose the main one, set unusable faces aside with the reason; written as one version.

    Persons are numbered by good screen time; the one chosen with ``person`` trades places with number 0. Faces that
    the user dropped or restored by hand stay so. sheet: where to draw a contact sheet, ``option`` the command-line
    option to name and ``side`` the material, when the choice is the user's.

    Raises AmbiguousFaceError (a second person has at least 70 % of the first one's screen time), NoFaceError (no face
    stayed long enough to be recognised), InputError (no such person).
    """
    table = store.table()
    rank = persons(table, *store.vectors()) if len(table) else np.zeros(0, np.int32)
    if not (rank >= 0).any():
        raise NoFaceError(
            f"No face is long enough in {side} to be recognised ({len(table)} faces in {len(store.takes())} takes). "
            "Give takes that show the face, larger or for longer."
        )
    good = (table.size >= 32) & (np.abs(table.yaw) < 75) & (table.presence >= 0.6)
    rank, seconds = _ranked(table, rank, np.asarray(good, np.bool_))
    people = []
    for n in range(len(seconds)):
        rows = np.flatnonzero(rank == n)
        best = rows[good[rows]] if good[rows].any() else rows
        people.append(Person(n, float(seconds[n]), len(rows), _portraits(table, best)))
    chosen = _choose(store, people, person, sheet, option, side)
    trade = np.append(np.arange(len(people), dtype=np.int32), -1)
    trade[[0, chosen]] = trade[[chosen, 0]]
    number = trade[rank]

    reason = np.where(number < 0, UNKNOWN, OTHER).astype(object)
    mine = np.flatnonzero(number == 0)
    reason[mine] = _screen(store, table.where(mine), track_codes(table)[mine], limits or Limits(), on_event)
    text = f"curated {len(table)} faces of {len(people)} persons"
    version = store.assign(table.id, np.asarray(number, np.int32), reason.tolist(), text)
    return _summary(store, version, [people[n] for n in np.argsort(trade[:-1], kind="stable")], on_event)


def _summary(store: FaceStore, version: int, people: Sequence[Person], on_event: Listener) -> Curation:
    table = store.table()
    counts = dict(Counter(str(r) for r in table.reason if r).most_common())
    kept = int((table.kept & (table.person == 0)).sum())
    listed = tuple(Person(n, p.seconds, p.faces, p.portraits) for n, p in enumerate(people))
    on_event(Progress("curate", len(table), len(table), "faces"))
    if len(listed) > 1:
        others = ", ".join(f"person {p.number} {p.seconds:.1f} s" for p in listed[1:5])
        on_event(Note("curate", f"Main person {listed[0].seconds:.1f} s on screen; also seen: {others}."))
    return Curation(version, listed, len(table), kept, counts)
