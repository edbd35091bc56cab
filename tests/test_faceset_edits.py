"""Several users at one faceset: changes at the same moment, single steps undone, points corrected by hand."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from faceset_faces import FakeTake, fill, make
from people import head

from doublecast.errors import ProductionError
from doublecast.faceset import FaceStore, StoredFace
from doublecast.faceset.versions import Versions
from doublecast.lock import FileLock
from doublecast.types import U8

TAKE, OTHER = FakeTake("a"), FakeTake("b")
NOISE = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> FaceStore:
    """Ten faces of one person in two takes, curated."""
    made = FaceStore(tmp_path / "actor")
    for number, take in enumerate((TAKE, OTHER)):
        faces = [make(head(yaw=3 * i, scale=60), i, NOISE, take=take, number=number, person=1) for i in range(5)]
        fill(made, faces, take)
    ids = made.table().id
    made.assign(ids, np.zeros(10, np.int32), [""] * 10, "curated")
    return made


def dropped(store: FaceStore) -> list[int]:
    """Positions of the faces that are set aside."""
    return np.flatnonzero(~store.table().kept).tolist()


# -- single steps ---------------------------------------------------------------------------------------------------

Play = Callable[[FaceStore], object]


def drop(*rows: int, reason: str = "dropped") -> Play:
    return lambda store: store.set_aside(store.table().id[list(rows)], reason)


def keep(*rows: int) -> Play:
    return lambda store: store.bring_back(store.table().id[list(rows)])


def back(step: int) -> Play:
    return lambda store: store.revert(step)


def again(*reasons: str) -> Play:
    def curate(store: FaceStore) -> None:
        ids = store.table().id
        given = [*reasons, *[""] * (len(ids) - len(reasons))]
        store.assign(ids, np.zeros(len(ids), np.int32), given, "curated again")

    return curate


@pytest.mark.parametrize(
    ("steps", "left"),
    [  # step 2 is the first curation, so the first of each list is number 3
        ([drop(1), back(3)], []),
        ([drop(1, 2), drop(5), back(3)], [5]),
        ([drop(1), drop(5), back(4)], [1]),
        ([drop(1), back(3), back(4)], [1]),
        ([drop(1), back(3), back(4), back(5)], []),
        ([drop(1), back(3), back(4), back(3)], []),
        ([drop(1, 2), keep(2), back(3)], []),
        ([drop(1, 2), drop(2, 3), back(3)], [2, 3]),
        ([drop(1, 2), drop(2, 3), back(4)], [1, 2]),
        ([drop(1, 2), drop(2, 3), back(4), back(3)], []),
        ([drop(1, 2), drop(2, 3), back(3), back(4)], [2]),
        ([drop(1), keep(1), drop(1), back(3)], "Nothing is left of step 3"),
        ([drop(1), keep(1), back(4), back(3)], []),
        ([drop(1), keep(1), back(4), back(5), back(4)], [1]),
        ([drop(1), back(3), back(3)], "it was undone"),
        ([drop(1), keep(1), back(3)], "its faces were changed again"),
        ([drop(1), lambda store: store.undo(), back(3)], "Nothing is left"),
        ([drop(1), lambda store: store.undo(), back(4)], [1]),
        ([drop(1), drop(2), back(3), lambda store: store.undo()], [1, 2]),
        ([drop(1), again("blurred"), back(3)], [0]),
        ([drop(1), again("blurred"), back(4)], [1]),
        ([again("", "blurred"), keep(1), back(3)], "Nothing is left"),
        ([drop(1), back(9)], "no curation step 9 to undo; there are 2 to 3"),
        ([drop(1), back(1)], "no curation step 1"),
        ([drop(1), back(0)], "no curation step 0"),
        ([drop(1), back(2)], "first curation is needed"),
    ],
)
def test_one_step_is_undone_and_the_others_stay(store: FaceStore, steps: list[Play], left: list[int] | str) -> None:
    for step in steps[:-1]:
        step(store)
    if isinstance(left, str):
        before = store.version()
        with pytest.raises(ProductionError, match=left):
            steps[-1](store)
        assert store.version() == before
    else:
        steps[-1](store)
        assert dropped(store) == left


def test_history_tells_what_steps_changed(store: FaceStore) -> None:
    drop(1, 2)(store)
    store.revert(3)
    store.revert(4)
    store.revert(5)
    told = [(step.number, step.text, step.changed, step.kept) for step in store.history(4)]
    text = "set aside 2 faces: dropped"
    assert told == [(3, text, 2, 8), (4, f"undone: {text}", 2, 10), (5, f"redone: {text}", 2, 8),
                    (6, f"undone: {text}", 2, 10)]  # fmt: skip
    assert store.history(100) == store.versions() and [v.number for v in store.versions()] == list(range(1, 7))
    assert (store.version(), store.versions()[1].changed) == (6, 10)


def test_steps_of_before_they_were_noted(store: FaceStore) -> None:
    """Curation written by an earlier version has neither revisions nor the number of the step that marked a face."""
    ids = store.table().id
    path = str(store.folder / "curation.lance")
    for row in (1, 2):
        reason = ["dropped" if i == 1 or i == row else "" for i in range(10)]
        facts = {"text": f"old {row}", "step": "old", "parent": "2", "kept": "9", "when": "2026-01-01T00:00:00+00:00"}
        table = pa.table({"id": ids, "person": pa.array([0] * 10, pa.int32()), "reason": reason,
                          "manual": pa.array([0] * 10, pa.int32())}).replace_schema_metadata(facts)  # fmt: skip
        lance.write_dataset(table, path, mode="overwrite")
    assert dropped(store) == [1, 2] and [step.changed for step in store.history(2)] == [1, 1]
    store.revert(3)
    assert dropped(store) == [2]
    store.revert(5)
    store.revert(4)
    assert dropped(store) == [1]


# -- at the same moment ---------------------------------------------------------------------------------------------

EDITOR = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from doublecast.faceset import FaceStore

    store = FaceStore(Path(sys.argv[1]))
    ids = store.table().id[int(sys.argv[2])::2]
    print("ready", flush=True)
    sys.stdin.readline()
    for face in ids:
        store.set_aside([face], f"process {sys.argv[2]}")
    """
)


def process(code: str, *arguments: object) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parent / 'src'}{os.pathsep}{here}"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_processes_at_the_same_moment(store: FaceStore) -> None:
    with process(EDITOR, store.folder, 0) as one, process(EDITOR, store.folder, 1) as two:
        for editor in (one, two):
            assert editor.stdout is not None and editor.stdout.readline() == "ready\n"
        for editor in (one, two):
            assert editor.stdin is not None
            editor.stdin.write("go\n")
            editor.stdin.flush()
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert store.table().reason.tolist() == ["process 0", "process 1"] * 5
    assert store.version() == 12


def test_curation_while_faces_are_stored(store: FaceStore) -> None:
    fresh = FakeTake("c")
    writer = FaceStore(store.folder)
    writer.begin_take(fresh, fresh)
    for i in range(3):
        writer.append([make(head(scale=60), i, NOISE, take=fresh, number=2)], take=fresh.key(), frames_done=i + 1)
        store.set_aside(store.table().id[[i]])
    writer.finish_take(fresh.key())
    assert len(store) == 13 and dropped(store) == [0, 1, 2]


def test_a_curation_keeps_what_it_did_not_know(store: FaceStore) -> None:
    ids = store.table().id
    fresh = FakeTake("picture", kind="imported")
    fill(store, [make(head(scale=60), 0, NOISE, take=fresh, number=2)], fresh)
    store.bring_back(store.table().id[-1:])
    store.assign(ids[::-1], np.arange(10, dtype=np.int32), ["blurred"] + [""] * 9, "curated again")
    assert store.table().manual[-1] == 2 and dropped(store) == [9]
    assert store.table().person.tolist() == [*range(9, -1, -1), 0]


def test_a_store_that_stays_busy_is_told_as_such(store: FaceStore) -> None:
    store._lock.wait = 0.1
    with (
        FileLock(store.folder / "store.lock"),
        pytest.raises(ProductionError, match=r"actor was being changed .* 0.1 seconds; try again"),
    ):
        store.set_aside(store.table().id[:1])
    store.set_aside(store.table().id[:1])
    assert dropped(store) == [0]


# -- corrected points -----------------------------------------------------------------------------------------------


def shifted(face: StoredFace, by: float, pixels: U8 = NOISE) -> StoredFace:
    """The same face, corrected."""
    fresh = make(face.face.points + np.float32(by), face.index, pixels, take=TAKE, person=face.index)
    return replace(fresh, id=face.id)


def same(a: StoredFace, b: StoredFace) -> bool:
    assert a.crop is not None and b.crop is not None
    one, two = (np.zeros(1, np.float32) if face.face.vector is None else face.face.vector for face in (a, b))
    return bool(
        np.array_equal(a.face.points, b.face.points)
        and np.allclose(a.crop.alignment.matrix, b.crop.alignment.matrix)
        and np.abs(a.crop.pixels.astype(int) - b.crop.pixels).mean() < 8
        and np.array_equal(one, two)
        and (a.index, a.pts, a.take) == (b.index, b.pts, b.take)
    )


def test_a_correction_and_all_ways_back(store: FaceStore) -> None:
    ids = store.table().id
    found = store.load(ids)
    one, two = shifted(found[3], 4), shifted(found[3], 9)
    first = store.correct(one)
    assert same(store.load([ids[3]])[0], one) and store.corrected().tolist() == [ids[3]]
    assert store.history(1)[0].text == f"corrected face {ids[3]}" and store.version() == first
    second = store.correct(two)
    assert same(store.load([ids[3]])[0], two) and same(store.found(int(ids[3])), found[3])
    others = [n for n in range(10) if n != 3]
    assert all(same(a, found[n]) for a, n in zip(store.load(ids[others]), others, strict=True))
    assert store.table().id.tolist() == ids.tolist(), "the order stays"
    store.undo()
    assert same(store.load([ids[3]])[0], one)
    store.undo()
    assert same(store.load([ids[3]])[0], found[3]) and not len(store.corrected())
    store.revert(store.version())
    assert same(store.load([ids[3]])[0], one)
    store.set_aside(ids[3:4])
    with pytest.raises(ProductionError, match="Nothing is left"):
        store.revert(second)
    reset = store.reset(int(ids[3]))
    assert same(store.load([ids[3]])[0], found[3]) and dropped(store) == [3]
    assert store.reset(int(ids[3])) == reset == store.version(), "nothing more to reset"
    store.revert(reset)
    assert same(store.load([ids[3]])[0], one) and dropped(store) == [3]
    assert store.tones(ids[3:4]).shape == (1, 468, 3) and len(store) == 10


def test_many_corrections_leave_few_files(store: FaceStore) -> None:
    found = store.load(store.table().id[:1])[0]
    for n in range(40):
        store.correct(shifted(found, n / 4))
    assert len(lance.dataset(str(store.folder / "faces.lance")).get_fragments()) < 35
    assert same(store.load([found.id])[0], shifted(found, 39 / 4))
    store.reset(found.id)
    assert same(store.load([found.id])[0], found)


def test_corrections_of_faces_that_are_not_there(store: FaceStore) -> None:
    face = store.load(store.table().id[:1])[0]
    with pytest.raises(KeyError, match="no face 99"):
        store.correct(replace(face, id=99))
    with pytest.raises(KeyError, match="no face 99"):
        store.reset(99)
    assert not (store.folder / "corrections.lance").exists()


def test_a_forgotten_take_takes_its_corrections_along(store: FaceStore) -> None:
    ids = store.table().id
    mine, others = store.load(ids[[1, 6]])
    store.correct(shifted(mine, 5))
    step = store.correct(replace(shifted(others, 5), take=OTHER.key()))
    store.forget_take(TAKE.key())
    assert store.corrected().tolist() == [others.id] and len(store) == 5
    assert lance.dataset(str(store.folder / "corrections.lance")).to_table(columns=["take"])["take"].to_pylist() == [
        1,
        1,
    ]
    fill(store, [make(head(yaw=3 * i, scale=60), i, NOISE, take=TAKE, person=1) for i in range(5)], TAKE)
    assert same(store.load([mine.id])[0], mine)
    with pytest.raises(ProductionError):
        store.revert(step - 1)
    store.revert(step)
    assert same(store.load([others.id])[0], others)


CORRECTOR = textwrap.dedent(
    """
    import os, signal, sys
    from dataclasses import replace
    from pathlib import Path
    import numpy as np
    import doublecast.faceset.corrections as corrections
    from doublecast.faceset import FaceStore
    from doublecast.faceset.versions import Versions
    from faceset_faces import make
    from test_faceset_edits import shifted

    def killed(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def first(call):
        def both(*arguments, **options):
            call(*arguments, **options)
            killed()
        return both

    store = FaceStore(Path(sys.argv[1]))
    face = store.load(store.table().id[:1])[0]
    owner, name = {
        "add": (corrections.Corrections, "add"), "begin": (corrections.Corrections, "begin"),
        "follow": (corrections.Corrections, "follow"), "write": (Versions, "write"),
        "done": (corrections.Corrections, "done"),
    }[sys.argv[2]]
    setattr(owner, name, first(getattr(owner, name)) if sys.argv[3] == "after" else killed)
    store.correct(shifted(face, 6))
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(
    ("part", "when", "corrected"),
    [
        ("add", "after", False),
        ("begin", "after", False),
        ("follow", "after", False),
        ("write", "before", False),
        ("write", "after", True),
        ("done", "before", True),
    ],
)
def test_killed_between_the_parts_of_a_correction(store: FaceStore, part: str, when: str, corrected: bool) -> None:
    ids = store.table().id
    (found,) = store.load(ids[:1])
    with process(CORRECTOR, store.folder, part, when) as corrector:
        assert corrector.wait(60) == -signal.SIGKILL
    (held,) = store.load(ids[:1])
    assert same(held, found) or same(held, shifted(found, 6)), "never none, also before anything is mended"
    opened = FaceStore(store.folder)
    assert same(opened.load(ids[:1])[0], shifted(found, 6) if corrected else found)
    assert (len(opened.corrected()), opened.version()) == ((1, 3) if corrected else (0, 2)), "row and step agree"
    assert not (store.folder / "corrections.pending").exists() and len(opened) == 10
    opened.correct(shifted(found, 8))
    assert same(opened.load(ids[:1])[0], shifted(found, 8))
    opened.reset(found.id)
    assert same(opened.load(ids[:1])[0], found)


def test_full_disk_in_the_middle_of_a_correction(store: FaceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = store.load(store.table().id[:1])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Versions, "write", full)
        with pytest.raises(OSError, match="No space"):
            store.correct(shifted(found, 6))
    assert same(store.load([found.id])[0], found) and not (store.folder / "corrections.pending").exists()
