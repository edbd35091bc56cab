"""Consent records: on what basis each identity of a production is used, signed, and bound to takes and to a face.

A record says that somebody with the user's key stated, at this time, that the face of one side of one production may
be used on this basis. It is evidence, not a lock. It does not prove that the statement is true, that a release is
genuine, or who holds the key: whoever controls the computer can delete the records, state something untrue, or change
this program. What is there, however, can be held against takes and faces, shows every change, and goes by hash into
the films' credentials.

Files: PRODUCTION/consent/actor.json and target.json hold the record in force; actor-0001.json and so on hold every
record that was ever complete, in order, that one included. The one with the highest number counts, so putting an old
file back changes nothing; a file that does not verify stops everything.

Form: JSON objects of the fields of `ConsentRecord`. What is signed is the canonical form without ``signature``: keys
sorted, no white space, UTF-8 without escapes of what is not ASCII, vectors rounded to `DIGITS` decimals; the signature
is Ed25519 (RFC 8032) in hex. `record_hash` is the SHA-256 of the canonical form with the signature.

Life: the basis has to be known before work begins, the face only after extraction and curation. So a record is made
with the basis alone (`add`), gets the takes before their faces are found, and is completed with the face's vector right
after curation (`bind`), each time signed again; until then it is not in the history and allows no training and no film.
Further takes of the same person are added by `bind`; faces of somebody else are refused, and need a record of their own
(`add`). Faces are compared by the distance of mean identity vectors (`SAME`); measured: takes of one person lie up to
.26 from each other, different people from .42 on, mostly .5 to .9. Look-alikes nearer than that are not told apart.

Keys: a good signature of another key is accepted, since productions move between colleagues; `signed_by_user` tells it
apart, and `doublecast consent show` says so. Whoever changes a record signs the change with the own key.

Privacy: `pseudonym` is random and means nothing outside the production. Basis details, evidence names and vectors stay
in the record; credentials get `claimed` only. The vector is biometric data: keep the production like the footage.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from doublecast.disk import atomic_write, disk_message
from doublecast.errors import ConsentError, OutputError
from doublecast.trust.basis import Basis
from doublecast.trust.claim import ROLES, ClaimedIdentity, Role
from doublecast.trust.keys import personal_key, public_text, verified
from doublecast.types import F32, VECTOR

FORMAT = 1  #: version of the record
FOLDER = "consent"  #: in the production
LARGEST = 10_000_000  #: bytes of a record
DIGITS = 4  #: decimals of a recorded vector

SAME = 0.35  #: distance of mean identity vectors below which faces are the recorded person's
ENOUGH = 5  #: vectors that make such a mean; with fewer, single faces are too noisy for it, and `FEW` holds
FEW = 0.5
ALONE = 0.6  #: the same for single faces that the user chose by hand


@dataclass(frozen=True, slots=True)
class BoundTake:
    """A take that a record covers. key: `video.Take.key`. sha256: `video.Take.sha256`."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces that are used. vectors: float32 (n, 128), the person's identity vectors; groups: the same by take, by
    a name for messages; alone: float32 (128,) of faces that the user chose by hand."""

    vectors: F32
    groups: Mapping[str, F32] = field(default_factory=dict)
    alone: Mapping[str, F32] = field(default_factory=dict)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean vector as it is recorded."""
        return tuple(round(float(value), DIGITS) for value in self.vectors.mean(0, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One state of one identity's record.

    production: the production's own random id. pseudonym: of the identity, 8 hex digits, the same in all its records.
    number: place in the history, from 1; 0 while it is not complete. vector: mean identity vector of the person,
    empty while it is not known. made: when the basis was stated; revoked: when it was taken back ("" if it was not),
    both UTC, ISO 8601. previous: `record_hash` of the record before. public_key, signature: hex.
    """

    production: str
    role: Role
    pseudonym: str
    basis: Basis
    made: str
    takes: tuple[BoundTake, ...] = ()
    vector: tuple[float, ...] = ()
    number: int = 0
    revoked: str = ""
    reason: str = ""
    previous: str = ""
    public_key: str = ""
    signature: str = ""

    @property
    def complete(self) -> bool:
        """Whether takes and face are known."""
        return bool(self.takes and self.vector)

    @property
    def signed_by_user(self) -> bool:
        """Whether the signature is of this user's key, not of another one."""
        return self.public_key == public_text(personal_key().public_key())


def canonical(values: Mapping[str, Any]) -> bytes:
    """The form that is signed and hashed (see the module)."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def record_hash(record: ConsentRecord) -> str:
    """SHA-256 of a record, 64 hex digits."""
    return sha256(canonical(_values(record))).hexdigest()


def add(production: Path, role: Role, basis: Basis, *, id: str) -> ConsentRecord:
    """State a basis; what was stated before is superseded and stays in the history.

    production: the folder. id: the production's own. The new record is not complete: `bind` it.
    Raises ConsentError (the records there do not hold), OutputError (cannot be written), KeysError.
    """
    before = load(production, role, id=id)
    pseudonym = secrets.token_hex(4) if before is None else before.pseudonym
    previous = "" if before is None else before.previous if not before.number else record_hash(before)
    return _write(production, ConsentRecord(id, role, pseudonym, basis, _now(), previous=previous))


def load(production: Path, role: Role, *, id: str | None = None) -> ConsentRecord | None:
    """The record in force of one side of the production in this folder, or None where there is none.

    id: the production's own; None to leave it unchecked. Raises ConsentError where any record of that side is damaged,
    was edited, is of the other side, or of another production.
    """
    folder = production / FOLDER
    found = [*history(production, role, id=id)]
    newest = found[-1].number if found else 0
    path = folder / f"{role}.json"
    if path.exists():
        now = _read(path, role, id)
        if now.number > newest or (not now.complete and (not found or now.previous == record_hash(found[-1]))):
            return now
    return found[-1] if found else None


def history(production: Path, role: Role, *, id: str | None = None) -> tuple[ConsentRecord, ...]:
    """Every complete record there was of this side, oldest first. Raises like `load`."""
    records = []
    for path in sorted((production / FOLDER).glob(f"{role}-[0-9][0-9][0-9][0-9].json")):
        record = _read(path, role, id)
        if record.number != int(path.stem.rpartition("-")[2]):
            raise ConsentError(f"{path} was renamed: it holds record {record.number}. {_MEND}")
        records.append(record)
    return tuple(records)


def find(production: Path, hash: str) -> ConsentRecord | None:
    """The record of either side with this `record_hash`, superseded and revoked ones included. Raises like `load`."""
    records = (record for role in ROLES for record in history(production, role))
    return next((record for record in records if record_hash(record) == hash), None)


def claimed(records: Sequence[ConsentRecord]) -> tuple[ClaimedIdentity, ...]:
    """What may go into credentials: of the records of both sides no more than pseudonym, kind of basis and hash.

    Raises ConsentError unless there is one of each side, complete and not revoked.
    """
    if sorted(r.role for r in records if r.complete and not r.revoked) != sorted(ROLES):
        raise ConsentError(
            "credentials need the records of both actor and target, complete and not revoked: doublecast consent list"
        )
    return tuple(ClaimedIdentity(r.role, r.pseudonym, r.basis.kind, record_hash(r)) for r in records)


def bind(production: Path, record: ConsentRecord, takes: Sequence[BoundTake], faces: Faces | None) -> ConsentRecord:
    """Complete a record with takes and face, or add takes to it; returns the record in force.

    faces: of all its takes; None before they are known: then an incomplete record gets the takes alone.
    A record that supersedes one of another face gets a pseudonym of its own. Nothing is written where nothing changes.
    Raises ConsentError where the record is revoked, or the faces are not the recorded person's.
    """
    refuse_revoked(production, record)
    kept = record.takes if record.complete else ()  # until then takes may still come and go
    known = {take.key for take in kept}
    covered = kept + tuple(take for take in takes if take.key not in known)
    if faces is None:
        fresh = covered != record.takes and not record.complete
        return _write(production, replace(record, takes=covered)) if fresh else record
    fixed = replace(record, takes=covered, vector=record.vector or faces.mean)
    check_faces(production, fixed, faces)
    if record.complete and covered == record.takes:
        return record
    if not record.complete:
        last = history(production, record.role)[-1:]
        if last and last[0].vector and _distance(last[0], np.asarray(fixed.vector)) >= SAME:
            fixed = replace(fixed, pseudonym=secrets.token_hex(4))
    return _append(production, record, fixed)


def revoke(production: Path, role: Role, *, id: str, reason: str = "") -> ConsentRecord:
    """Take a basis back: no more training and no more films; films that were made can still be verified.

    Raises ConsentError where there is nothing to revoke, or it is revoked already.
    """
    record = load(production, role, id=id)
    if record is None:
        raise ConsentError(f"{production}: there is no record of the {role} to revoke")
    refuse_revoked(production, record)
    return _append(production, record, replace(record, revoked=_now(), reason=reason))


def refuse_revoked(production: Path, record: ConsentRecord) -> None:
    """Raise ConsentError where the record was revoked."""
    if record.revoked:
        raise ConsentError(
            f"{production}: the consent of the {record.role} was revoked on {record.revoked[:10]}; if there is a new "
            f"one, record it: doublecast consent add {production} BASIS --side {record.role}"
        )


def check_faces(production: Path, record: ConsentRecord, faces: Faces) -> None:
    """Raise ConsentError where faces are not those of the person of a record with a vector."""
    found = [(f"the {record.role}'s takes", faces.vectors), *faces.groups.items()]
    limits = [(name, vectors.mean(0), SAME if len(vectors) >= ENOUGH else FEW) for name, vectors in found]
    for name, vector, limit in [*limits, *((name, vector, ALONE) for name, vector in faces.alone.items())]:
        distance = _distance(record, vector)
        if not distance < limit:
            raise ConsentError(
                f"{production}: {name} shows another person than the one whose consent is recorded for the "
                f"{record.role} (distance {distance:.2f}, the same person is below {limit}); a record made for one "
                "person does not cover another. Leave that out, or choose the recorded person, or record the basis "
                f"for this one: doublecast consent add {production} BASIS --side {record.role}"
            )


def _distance(record: ConsentRecord, vector: npt.NDArray[np.floating[Any]]) -> float:
    return float(np.linalg.norm(np.asarray(record.vector) - vector))


def _append(production: Path, before: ConsentRecord, record: ConsentRecord) -> ConsentRecord:
    """Write a record that follows ``before`` into the history."""
    last = history(production, record.role)[-1:]
    number = last[0].number + 1 if last else 1
    previous = record_hash(before) if before.number else before.previous
    return _write(production, replace(record, number=number, previous=previous))


_MEND = "Put the file back from a backup, or move the consent folder away and record the basis anew."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _values(record: ConsentRecord) -> dict[str, Any]:
    return {"format": FORMAT, **asdict(record)}


def _write(production: Path, record: ConsentRecord) -> ConsentRecord:
    """Sign and write a record: into the history first where it is complete or revoked."""
    key = personal_key()
    record = replace(record, public_key=public_text(key.public_key()), signature="")
    unsigned = {name: value for name, value in _values(record).items() if name != "signature"}
    record = replace(record, signature=key.sign(canonical(unsigned)).hex())
    folder = production / FOLDER
    data = json.dumps(_values(record), sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(disk_message(folder, error)) from error
    if record.number:
        atomic_write(folder / f"{record.role}-{record.number:04d}.json", data)
    atomic_write(folder / f"{record.role}.json", data)
    return record


def _read(path: Path, role: Role, id: str | None) -> ConsentRecord:
    """A record whose signature is good. Raises ConsentError."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        values = json.loads(path.read_bytes())
        record = _parsed(values)
        unsigned = {name: value for name, value in values.items() if name != "signature"}
        good = verified(record.public_key, record.signature, canonical(unsigned))
    except OSError as error:
        raise ConsentError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ConsentError) as error:
        raise ConsentError(f"{path} is no consent record of this version, or damaged ({error}). {_MEND}") from error
    if not good:
        raise ConsentError(f"{path} was changed after it was signed. {_MEND}")
    if record.role != role:
        raise ConsentError(f"{path} is a record of the {record.role}, put in the place of the {role}'s. {_MEND}")
    if id is not None and record.production != id:
        raise ConsentError(f"{path} is a record of another production. {_MEND}")
    return record


def _parsed(values: Any) -> ConsentRecord:
    """The record that these JSON values hold. Raises ValueError and the like where they hold none."""
    fields = dict(values)
    if fields.pop("format") != FORMAT:
        raise ValueError(f"format {values['format']}, this version reads {FORMAT}")
    basis = Basis(**fields.pop("basis"))
    takes = tuple(BoundTake(**take) for take in fields.pop("takes"))
    vector = tuple(float(value) for value in fields.pop("vector"))
    if vector and (len(vector) != VECTOR or not np.isfinite(vector).all()):
        raise ValueError(f"a vector of {len(vector)} numbers")
    number = fields.pop("number")
    if not isinstance(number, int) or fields["role"] not in ROLES:
        raise ValueError("fields of the wrong kind")
    texts = [*fields.values(), *(text for take in takes for text in (take.key, take.sha256)), basis.detail]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("fields of the wrong kind")
    return ConsentRecord(basis=basis, takes=takes, vector=vector, number=number, **fields)
