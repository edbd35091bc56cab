"""Consent records: what a basis is, and everything that must not pass for one."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from doublecast.errors import ConsentError
from doublecast.trust import keys
from doublecast.trust.basis import Basis
from doublecast.trust.claim import ClaimedIdentity, Role
from doublecast.trust.consent import (
    FOLDER,
    BoundTake,
    Faces,
    add,
    bind,
    canonical,
    claimed,
    find,
    history,
    load,
    record_hash,
    revoke,
)
from doublecast.types import F32

ID = "1234567890abcdef"
TAKE, MORE = BoundTake("k1", "a" * 64), BoundTake("k2", "b" * 64)
SELF = Basis("self")


def person(seed: int, count: int = 20, noise: float = 0.15) -> F32:
    """Identity vectors of a made-up person: of different seeds about .7 apart."""
    mean = np.random.default_rng(seed).normal(0, 0.5 / 128**0.5, 128)
    away = np.random.default_rng(seed + 100).normal(0, noise / 128**0.5, (count, 128))
    return np.asarray(mean + away, np.float32)


ALICE, BOB = person(1), person(2)


def made(folder: Path, role: Role = "actor", vectors: F32 = ALICE, basis: Basis = SELF, id: str = ID) -> None:
    """A complete record."""
    bind(folder, add(folder, role, basis, id=id), [TAKE], Faces(vectors))


# the basis


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ("self", "self", ""),
        (" Synthetic ", "synthetic", ""),
        ("synthetic: rendered by us", "synthetic", "rendered by us"),
        ('licensed:"Pexels licence, https://www.pexels.com/license"', "licensed",
         "Pexels licence, https://www.pexels.com/license"),
        ("public-domain:film of 1921", "public-domain", "film of 1921"),
        ("research:GRID corpus, CC BY 4.0", "research", "GRID corpus, CC BY 4.0"),
    ],
)  # fmt: skip
def test_a_basis_is_read(text: str, kind: str, detail: str) -> None:
    basis = Basis.parse(text)
    assert (basis.kind, basis.detail, basis.evidence_sha256) == (kind, detail, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no basis"),
        ("friend", "'friend' is no basis"),
        ("yes: I asked", "is no basis"),
        ("selfie", "is no basis"),
        ("release", "without a detail"),
        ("licensed", "without a detail"),
        ("licensed:", "after the colon"),
        ("public-domain", "without a detail"),
        ("research: ", "after the colon"),
        ("self:", "after the colon"),
        ("release:nowhere.pdf", "no such file"),
        ("release:.", "no such file"),
        ("research:" + "x" * 3000, "2000 characters"),
    ],
)
def test_what_is_no_basis(text: str, words: str) -> None:
    with pytest.raises(ConsentError, match=words) as error:
        Basis.parse(text)
    if words == "is no basis":
        assert "public-domain:DETAIL" in str(error.value) and "for example self" in str(error.value)


def test_evidence_is_hashed_where_it_lies(tmp_path: Path) -> None:
    paper = tmp_path / "release of Alice.pdf"
    paper.write_bytes(b"I agree")
    for kind in ("release", "licensed"):
        basis = Basis.parse(f"{kind}:{paper}")
        assert basis.evidence_sha256 == hashlib.sha256(b"I agree").hexdigest()
        assert basis.detail == paper.name
    paper.write_bytes(b"")
    with pytest.raises(ConsentError, match="empty"):
        Basis.parse(f"release:{paper}")


# the record


def test_a_record_is_made_completed_and_found_again(tmp_path: Path) -> None:
    stated = add(tmp_path, "actor", SELF, id=ID)
    assert not stated.complete and load(tmp_path, "actor", id=ID) == stated
    known = bind(tmp_path, stated, [TAKE], None)
    assert known.takes == (TAKE,) and not known.complete and not history(tmp_path, "actor")
    done = bind(tmp_path, known, [TAKE], Faces(ALICE))
    assert done.complete and done.number == 1 and done.pseudonym == stated.pseudonym
    assert load(tmp_path, "actor", id=ID) == done == find(tmp_path, record_hash(done))
    assert load(tmp_path, "target", id=ID) is None
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / FOLDER).iterdir())
    assert bind(tmp_path, done, [TAKE], Faces(ALICE)) == done  # nothing to do, nothing written
    assert before == sorted(path.stat().st_mtime_ns for path in (tmp_path / FOLDER).iterdir())


def test_record_is_signed_over_its_canonical_form(tmp_path: Path) -> None:
    made(tmp_path, basis=Basis("licensed", "Lizenz für 人"))
    values = json.loads((tmp_path / FOLDER / "actor.json").read_text("utf-8"))
    signature, public = values.pop("signature"), values["public_key"]
    assert keys.verified(public, signature, canonical(values))
    assert canonical({"b": 1, "a": ["ü", 0.5]}) == '{"a":["ü",0.5],"b":1}'.encode()
    record = load(tmp_path, "actor")
    assert record is not None and record.signed_by_user
    assert record_hash(record) == hashlib.sha256(canonical({**values, "signature": signature})).hexdigest()


def test_further_takes_of_the_same_person_are_covered_and_others_refused(tmp_path: Path) -> None:
    made(tmp_path)
    first = load(tmp_path, "actor")
    assert first is not None
    again = person(1, 12, 0.2)
    done = bind(tmp_path, first, [TAKE, MORE], Faces(np.vstack([ALICE, again]), {"more": again}))
    assert done.takes == (TAKE, MORE) and done.number == 2 and done.vector == first.vector
    assert done.previous == record_hash(first) == record_hash(history(tmp_path, "actor")[0])
    for faces in (
        Faces(BOB),
        Faces(ALICE, {"b.mp4": BOB}),
        Faces(ALICE, {"b.mp4": BOB[:1]}),
        Faces(ALICE, {}, {"face 7": BOB[0]}),
        Faces(np.vstack([ALICE, BOB, BOB, BOB])),
    ):
        with pytest.raises(ConsentError, match="another person") as error:
            bind(tmp_path, done, [TAKE], faces)
        assert "doublecast consent add" in str(error.value)
    assert load(tmp_path, "actor") == done


def test_two_people_in_one_side_are_refused_from_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConsentError, match="another person"):
        bind(tmp_path, add(tmp_path, "actor", SELF, id=ID), [TAKE], Faces(ALICE, {"a.mp4": ALICE, "b.mp4": BOB}))


def test_revoked_and_superseded_records_stay(tmp_path: Path) -> None:
    made(tmp_path)
    first = load(tmp_path, "actor")
    assert first is not None
    gone = revoke(tmp_path, "actor", id=ID, reason="she asked")
    assert gone.revoked and load(tmp_path, "actor") == gone
    with pytest.raises(ConsentError, match=r"was revoked on .*doublecast consent add"):
        bind(tmp_path, gone, [TAKE], Faces(ALICE))
    with pytest.raises(ConsentError, match="revoked"):
        revoke(tmp_path, "actor", id=ID)
    made(tmp_path)
    again = load(tmp_path, "actor")
    assert again is not None and again.number == 3 and again.pseudonym == first.pseudonym
    assert [record.revoked != "" for record in history(tmp_path, "actor")] == [False, True, False]
    assert find(tmp_path, record_hash(first)) == first and find(tmp_path, record_hash(gone)) == gone
    with pytest.raises(ConsentError, match="no record"):
        revoke(tmp_path, "target", id=ID)


def test_another_person_gets_another_pseudonym(tmp_path: Path) -> None:
    made(tmp_path)
    made(tmp_path, vectors=BOB, basis=Basis("synthetic"))
    assert len({record.pseudonym for record in history(tmp_path, "actor")}) == 2


def test_record_revoked_before_it_was_complete(tmp_path: Path) -> None:
    add(tmp_path, "actor", SELF, id=ID)
    assert revoke(tmp_path, "actor", id=ID).number == 1
    assert add(tmp_path, "actor", SELF, id=ID) == load(tmp_path, "actor", id=ID)


# what must not pass


def _edited(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for path in folder.glob("actor*.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def _flipped(folder: Path) -> None:
    data = bytearray((folder / "actor.json").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "actor.json").write_bytes(bytes(data))


def _targets(folder: Path) -> None:
    made(folder.parent, "target", BOB)
    shutil.copy(folder / "target.json", folder / "actor.json")


def _targets_history(folder: Path) -> None:
    made(folder.parent, "target", BOB)
    shutil.copy(folder / "target-0001.json", folder / "actor-0001.json")
    (folder / "actor.json").unlink()


def _of_another_production(folder: Path) -> None:
    other = folder.parent / "other"
    made(other, id="fedcba0987654321")
    for path in (other / FOLDER).iterdir():
        shutil.copy(path, folder / path.name)


def _renamed(folder: Path) -> None:
    (folder / "actor-0001.json").rename(folder / "actor-0009.json")


def _content(text: str) -> Callable[[Path], None]:
    def replace_all(folder: Path) -> None:
        for path in folder.glob("actor*.json"):
            path.write_text(text)

    return replace_all


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(_edited(basis={"kind": "synthetic", "detail": "", "evidence_sha256": ""}), "changed", id="basis"),
        pytest.param(_edited(takes=[{"key": "k9", "sha256": "c" * 64}]), "changed", id="takes"),
        pytest.param(_edited(vector=[0.0] * 128), "changed", id="vector"),
        pytest.param(_edited(pseudonym="00000000"), "changed", id="pseudonym"),
        pytest.param(_edited(role="target"), "changed", id="role"),
        pytest.param(_edited(production="fedc"), "changed", id="production"),
        pytest.param(_edited(signature="00" * 64), "changed", id="signature"),
        pytest.param(_edited(public_key="00" * 32), "changed", id="key"),
        pytest.param(_edited(more=1), "no consent record", id="another field"),
        pytest.param(_edited(format=2), "format 2", id="format"),
        pytest.param(_edited(vector=[0.0] * 5), "5 numbers", id="short vector"),
        pytest.param(_edited(vector=[10**400] * 128), "no consent record", id="huge vector"),
        pytest.param(_edited(made=5), "wrong kind", id="kind of field"),
        pytest.param(_edited(number="1"), "wrong kind", id="number"),
        pytest.param(_edited(takes=7), "no consent record", id="takes are none"),
        pytest.param(_edited(basis={"kind": "friend"}), "no consent record", id="no basis"),
        pytest.param(_flipped, "changed|no consent record", id="one bit"),
        pytest.param(_targets, "record of the target", id="target's in the actor's place"),
        pytest.param(_targets_history, "record of the target", id="target's in the actor's history"),
        pytest.param(_of_another_production, "another production", id="another production's"),
        pytest.param(_renamed, "renamed", id="renamed"),
        pytest.param(_content(""), "no consent record", id="empty"),
        pytest.param(_content("[" * 100000), "no consent record", id="nested"),
        pytest.param(_content('{"format": NaN}'), "no consent record", id="NaN"),
        pytest.param(_content("[]"), "no consent record", id="list"),
        pytest.param(_content('"\\ud800"'), "no consent record", id="surrogate"),
        pytest.param(_content("null"), "no consent record", id="null"),
    ],
)
def test_spoilt_records_are_refused(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    made(tmp_path)
    spoil(tmp_path / FOLDER)
    with pytest.raises(ConsentError, match=words) as error:
        load(tmp_path, "actor", id=ID)
    assert str(tmp_path / FOLDER / "actor") in str(error.value)
    with pytest.raises(ConsentError):
        add(tmp_path, "actor", SELF, id=ID)


def test_putting_an_old_record_back_changes_nothing(tmp_path: Path) -> None:
    add(tmp_path, "actor", SELF, id=ID)
    stated = (tmp_path / FOLDER / "actor.json").read_bytes()
    made(tmp_path)
    complete = (tmp_path / FOLDER / "actor.json").read_bytes()
    gone = revoke(tmp_path, "actor", id=ID)
    for old in (stated, complete):
        (tmp_path / FOLDER / "actor.json").write_bytes(old)
        assert load(tmp_path, "actor", id=ID) == gone
    (tmp_path / FOLDER / "actor.json").unlink()
    assert load(tmp_path, "actor", id=ID) == gone


def test_another_key_is_accepted_and_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(keys.FOLDER, str(tmp_path / "colleague"))
        made(tmp_path)
    record = load(tmp_path, "actor", id=ID)
    assert record is not None and not record.signed_by_user
    mine = bind(tmp_path, record, [TAKE, MORE], Faces(ALICE))
    assert mine.signed_by_user and mine.previous == record_hash(record)


def test_nothing_of_the_person_is_claimed(tmp_path: Path) -> None:
    paper = tmp_path / "Alice Smith.pdf"
    paper.write_bytes(b"I, Alice Smith")
    made(tmp_path, basis=Basis.parse(f"release:{paper}"))
    made(tmp_path, "target", BOB)
    record, other = load(tmp_path, "actor"), load(tmp_path, "target")
    assert record is not None and other is not None
    told = repr(claimed([record, other]))
    assert "Alice" not in told and record.basis.evidence_sha256 not in told and str(record.vector[0]) not in told
    assert replace(record, pseudonym="x") != record and record.pseudonym in told and other.pseudonym in told


def test_only_both_records_in_force_are_claimed(tmp_path: Path) -> None:
    stated = add(tmp_path, "actor", SELF, id=ID)
    known = bind(tmp_path, stated, [TAKE], None)
    done = bind(tmp_path, known, [TAKE], Faces(ALICE))
    made(tmp_path, "target", BOB, Basis("synthetic"))
    other = load(tmp_path, "target", id=ID)
    assert other is not None and claimed([done, other]) == (
        ClaimedIdentity("actor", done.pseudonym, "self", record_hash(done)),
        ClaimedIdentity("target", other.pseudonym, "synthetic", record_hash(other)),
    )
    gone = revoke(tmp_path, "actor", id=ID)
    for records in ([], [done], [other], [done, done], [done, other, other], [stated, other], [known, other],
                    [gone, other]):  # fmt: skip
        with pytest.raises(ConsentError, match="both actor and target"):
            claimed(records)
