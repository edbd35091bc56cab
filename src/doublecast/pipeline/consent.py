"""Consent over a production: asked for before work, bound after curation, checked before training and before films."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from doublecast.errors import ConsentError
from doublecast.events import Listener, Note, ignore
from doublecast.faceset import FaceStore, FaceTable
from doublecast.faceset.identity import track_codes
from doublecast.faceset.store import IMPORTED
from doublecast.pipeline.claims import sha256_of
from doublecast.production import RECORD, SIDES, Production, Side
from doublecast.trust.basis import Basis, how_to
from doublecast.trust.consent import BoundTake, ConsentRecord, Faces, add, bind, check_faces, load, refuse_revoked
from doublecast.types import F32, I64

ID = "id"  #: option of the production's record that holds its random id
RESTORED = 2  #: `FaceTable.manual` of faces that the user kept by hand


def recorded(production: Path | str, side: Side) -> ConsentRecord | None:
    """The record in force of a side of a production that may not exist yet. Raises ConsentError if it does not hold."""
    folder = Path(production)
    if not (folder / RECORD).exists():
        return None
    job = Production(folder, create=False, lock=False)
    return load(folder, side, id=str(job.record.options.get(ID, "")))


def require(production: Production | Path | str, side: Side, text: str | None, *, option: str) -> Basis | None:
    """The basis to record for a side, or None where the one that is recorded stays. Reads no take and writes nothing.

    text: BASIS or BASIS:DETAIL as the user gave it, or None. option: of the command line, for the message.
    Raises ConsentError: neither given nor recorded, no basis, or revoked.
    """
    folder = production.folder if isinstance(production, Production) else Path(production)
    basis = None if text is None else Basis.parse(text)
    record = recorded(folder, side)
    if record is not None:
        refuse_revoked(folder, record)
        return None if basis is None or basis == record.basis else basis
    if basis is None:
        raise ConsentError(
            f"on what basis is the face of the {side} used? Nothing is recorded yet in {folder}: "
            f"give {option} BASIS, once. {how_to(option)}"
        )
    return basis


def state(job: Production, side: Side, basis: Basis | None, on_event: Listener = ignore) -> None:
    """Record a basis that `require` returned."""
    if basis is None:
        return
    before = load(job.folder, side, id=identity(job))
    if before is not None:
        text = f"the basis of the {side} was {before.basis}, now it is {basis}"
        on_event(Note("consent", text, "warning"))
    add(job.folder, side, basis, id=identity(job))


def identity(job: Production) -> str:
    """The production's random id, made on first use."""
    known = job.record.options.get(ID)
    if isinstance(known, str) and known:
        return known
    job.record.options[ID] = fresh = secrets.token_hex(8)
    job.save()
    return fresh


def bind_takes(job: Production, side: Side) -> None:
    """Write the takes into a record that is not complete, before their faces are found; nothing where there is none."""
    record = load(job.folder, side, id=identity(job))
    if record is not None and not record.revoked and not record.complete:
        bind(job.folder, record, _takes(job, side, record), None)


def bind_faces(job: Production, side: Side, on_event: Listener = ignore) -> None:
    """After curation: complete a record, where there is one, with the face. Raises ConsentError like `check_side`."""
    if load(job.folder, side, id=identity(job)) is not None:
        check_side(job, side, on_event)


def check_consent(job: Production, on_event: Listener = ignore) -> tuple[ConsentRecord, ...]:
    """Before training and before films: raise ConsentError unless both sides' records hold for what will be used.

    Returns the actor's record and the target's.
    """
    records = tuple(check_side(job, side, on_event) for side in SIDES)
    for side, record in zip(SIDES, records, strict=True):
        if not record.signed_by_user:
            text = f"the record of the {side}'s consent is signed with another key than yours ({record.public_key[:8]})"
            on_event(Note("consent", text, "warning"))
    return records


def check_side(job: Production, side: Side, on_event: Listener = ignore) -> ConsentRecord:
    """A side's record, valid and not revoked, that covers all its takes, and whose face is theirs.

    A record that lacks its face, or further takes of the same person, is completed.
    """
    record = _in_force(job, side, load(job.folder, side, id=identity(job)))
    return bind(job.folder, record, _takes(job, side, record), _compared(job, side))


def look_consent(job: Production) -> None:
    """`check_consent` for who only looks, beside a process that works in the production: nothing is completed, so a
    record that lacks takes or its face does not hold yet. Raises ConsentError."""
    for side in SIDES:
        record = _in_force(job, side, recorded(job.folder, side))
        missing = {take.key for take in job.record.inputs.get(side, [])} - {take.key for take in record.takes}
        if missing or not record.complete:
            raise ConsentError(
                f"{job.folder}: the record of the {side}'s consent does not cover all takes yet; "
                f"run: doublecast train {job.folder}"
            )
        check_faces(job.folder, record, _compared(job, side))


def refuse_revoked_sides(folder: Path) -> None:
    """The quick part of `look_consent`: raise ConsentError where a side's consent is not in force (any more)."""
    job = Production(folder, create=False, lock=False)
    for side in SIDES:
        _in_force(job, side, recorded(folder, side))


def _in_force(job: Production, side: Side, record: ConsentRecord | None) -> ConsentRecord:
    if record is None:
        command = f"doublecast consent add {job.folder} BASIS --side {side}"
        raise ConsentError(f"{job.folder}: no basis is recorded for the {side}; run: {command}. {how_to()}")
    refuse_revoked(job.folder, record)
    return record


def _compared(job: Production, side: Side) -> Faces:
    faces = faces_of(FaceStore(job.side(side)))
    if faces is None:
        raise ConsentError(f"{job.folder}: no face of the {side} could be compared with the record; give more footage")
    return faces


def _takes(job: Production, side: Side, record: ConsentRecord) -> list[BoundTake]:
    """The takes of a side; those that the record has already are not hashed again."""
    known = {take.key: take for take in record.takes}
    inputs = job.record.inputs.get(side, [])
    return [known.get(t.key) or BoundTake(t.key, sha256_of(t)) for t in inputs]


def faces_of(store: FaceStore) -> Faces | None:
    """The main person's identity vectors, by take and, where the user chose by hand, by face; None if none."""
    table, (ids, vectors) = store.table(), store.vectors()
    if not len(ids):
        return None
    row = np.searchsorted(table.id, ids)
    mine = table.person[row] == 0
    kept = mine & table.kept[row]
    chosen = kept if kept.any() else mine
    if not chosen.any():
        return None
    takes = store.takes()
    number = np.array([-1 if take.kind == IMPORTED else n for n, take in enumerate(takes)], np.int64)[table.take[row]]
    groups: dict[str, F32] = {}
    for n in np.unique(number[mine]):
        name = "the imported pictures" if n < 0 else Path(takes[n].files[0]).name
        own = chosen & (number == n)
        groups[name] = vectors[own if own.any() else mine & (number == n)]
    return Faces(vectors[chosen], groups, _by_hand(table, row, vectors, [take.name for take in takes]))


def _by_hand(table: FaceTable, row: I64, vectors: F32, names: Sequence[str]) -> Mapping[str, F32]:
    """Mean vector of the track of each face that the user kept by hand, by a name for the message."""
    code = track_codes(table)
    found: dict[str, F32] = {}
    for track in np.unique(code[(table.manual == RESTORED) & (table.person == 0)]):
        own = vectors[code[row] == track]
        if len(own):
            face = int(table.id[np.flatnonzero((code == track) & (table.manual == RESTORED))[0]])
            found[f"face {face} of {names[face >> 40]}"] = own.mean(0)
    return found
