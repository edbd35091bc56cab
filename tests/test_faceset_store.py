"""The store: rows, ledger, versions; killed processes, other versions, a full disk."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make
from people import head

from doublecast.errors import OutputError, ProductionError
from doublecast.faces.geometry import align
from doublecast.faceset import FaceStore, StoredFace, TakeRecord, cut, face_id
from doublecast.faceset.ledger import Ledger
from doublecast.types import U8, Crop

TAKE, OTHER = FakeTake("a"), FakeTake("b")


@pytest.fixture(scope="module")
def noise() -> U8:
    import cv2

    pixels = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 4), np.uint8)


def row(index: int, noise: U8, **options: Any) -> StoredFace:
    return make(head(yaw=index % 20, centre=(128 + index % 7, 128), scale=60), index, noise, **options)


@pytest.fixture
def store(tmp_path: Path, noise: U8) -> FaceStore:
    """Two takes: 12 frames of person 1 (and one more face in frame 3), 6 frames of another."""
    made = FaceStore(tmp_path / "actor")
    first = [row(i, noise, take=TAKE, person=1 if i % 5 == 0 else None) for i in range(12)]
    first.insert(4, row(3, noise, take=TAKE, n=1, track=1))
    fill(made, first, TAKE)
    fill(made, [row(i, noise, take=OTHER, number=1, person=2) for i in range(6)], OTHER)
    return made


def test_what_goes_in_comes_out(tmp_path: Path, noise: U8) -> None:
    put = row(4, noise, person=3, sharpness=0.25, presence=0.75, mouth=0.5)
    fill(FaceStore(tmp_path), [put, row(5, noise)], TAKE)
    got, without = FaceStore(tmp_path).load([put.id, face_id(0, 5, 0)])
    assert (got.id, got.take, got.index, got.pts, got.time_base) == (put.id, put.take, 4, 8, put.time_base)
    assert got.seconds == pytest.approx(4 / 25)
    np.testing.assert_array_equal(got.face.points, put.face.points)
    assert got.face.vector is not None and put.face.vector is not None
    np.testing.assert_array_equal(got.face.vector, put.face.vector)
    assert without.face.vector is None
    assert (got.face.sharpness, got.face.presence, got.face.mouth) == (0.25, 0.75, 0.5)
    assert got.face.pose.yaw == pytest.approx(put.face.pose.yaw, abs=1e-4)
    assert got.crop is not None and put.crop is not None
    np.testing.assert_array_equal(got.crop.alignment.matrix, put.crop.alignment.matrix)
    assert np.abs(got.crop.pixels.astype(int) - put.crop.pixels).mean() < 1


@pytest.mark.parametrize(
    ("wanted", "frames"),
    [
        ({}, [*range(4), *range(3, 12), *range(6)]),
        ({"take": OTHER.key()}, [*range(6)]),
        ({"take": TAKE.key(), "start": 9}, [9, 10, 11]),
        ({"kept": True}, [0, *range(2, 4), *range(3, 12), *range(6)]),
        ({"person": 0, "kept": True}, [0, *range(2, 4), *range(4, 12)]),
        ({"person": 0}, [*range(12)]),
        ({"person": 7}, []),
    ],
)
def test_scan(store: FaceStore, wanted: dict[str, Any], frames: list[int]) -> None:
    table = store.table()
    person = np.where((table.take == 0) & (table.track == 0), 0, 1).astype(np.int32)
    store.assign(table.id, person, [""] * len(table), "persons")
    store.set_aside([face_id(0, 1, 0)])
    assert [face.index for face in store.scan(**wanted)] == frames
    with_crops = list(store.scan(**wanted, crops=True))
    assert all(face.crop is not None for face in with_crops) and len(with_crops) == len(frames)


def test_table_and_columns(store: FaceStore) -> None:
    table = store.table()
    assert len(table) == len(store) == 19
    assert table.id.tolist() == sorted(table.id.tolist())
    assert table.person.tolist() == [-1] * 19 and table.kept.all()
    ids, vectors = store.vectors()
    assert len(ids) == 9 and vectors.shape == (9, 128) and vectors.dtype == np.float32
    faces = {face.id: face.face for face in store.scan()}
    held = [faces[int(i)].vector for i in ids]
    assert all(own is not None and np.array_equal(own, v) for own, v in zip(held, vectors, strict=True))
    assert [faces[int(i)].size for i in table.id] == pytest.approx(table.size.tolist())
    tones = store.tones(table.id[::-1])
    assert tones.shape == (19, 468, 3) and tones.dtype == np.uint8
    np.testing.assert_array_equal(tones[0], store.tones(table.id[-1:])[0])
    assert store.tones(table.id[:0]).shape == (0, 468, 3)


def test_load_keeps_the_order_and_says_what_is_missing(store: FaceStore) -> None:
    ids = [face_id(1, 2, 0), face_id(0, 7, 0), face_id(0, 3, 1)]
    assert [face.id for face in store.load(ids)] == ids
    assert store.load([]) == []
    with pytest.raises(KeyError, match="no face 99999"):
        store.load([99999])
    with pytest.raises(KeyError, match="not begun"):
        next(store.scan(take="nothing"))


def test_append_refuses_what_does_not_fit(store: FaceStore, noise: U8, tmp_path: Path) -> None:
    fresh = FakeTake("c")
    store.begin_take(fresh, fresh)
    good = row(3, noise, take=fresh, number=2)
    cases: list[tuple[StoredFace, type[Exception], str]] = [
        (row(9, noise, take=fresh, number=2), ValueError, "frame 9"),
        (row(3, noise, take=TAKE), ValueError, "key-of-a"),
        (replace(good, crop=None), ValueError, "crop"),
    ]
    for face, error, text in cases:
        with pytest.raises(error, match=text):
            store.append([face], take=fresh.key(), frames_done=5)
    assert len(store) == 19
    store.append([good], take=fresh.key(), frames_done=5)
    with pytest.raises(ValueError, match="frame 3"):
        store.append([good], take=fresh.key(), frames_done=6)
    with pytest.raises(KeyError):
        store.append([], take="unknown", frames_done=1)


@pytest.mark.parametrize("parts", [(1 << 23, 0, 0), (0, 1 << 32, 0), (0, 0, 256), (-1, 0, 0)])
def test_face_ids_have_limits(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no face id"):
        face_id(*parts)


# -- interruptions --------------------------------------------------------------------------------------------------

WRITER = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from faceset_faces import FakeTake, make
    from people import head
    from doublecast.faceset import FaceStore
    from doublecast.faceset.ledger import Ledger

    folder, between = Path(sys.argv[1]), sys.argv[2] == "between"
    take, noise = FakeTake("a"), np.full((256, 256, 3), 90, np.uint8)
    store = FaceStore(folder)
    start = store.begin_take(take, take).frames_done
    if between:
        Ledger.change = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
    print("ready", flush=True)
    for frame in range(start, 4000, 3):
        faces = [make(head(scale=60), frame + n, noise, take=take) for n in range(3)]
        store.append(faces, take=take.key(), frames_done=frame + 3)
    """
)


def writer(folder: Path, when: str) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parent / 'src'}{os.pathsep}{here}"}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), when], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_killed_between_rows_and_ledger(tmp_path: Path, noise: U8) -> None:
    store = FaceStore(tmp_path)
    store.begin_take(TAKE, TAKE)
    store.append([row(0, noise)], take=TAKE.key(), frames_done=2)
    with writer(tmp_path, "between") as process:
        assert process.wait(20) == -signal.SIGKILL
    assert lance.dataset(str(tmp_path / "faces.lance")).count_rows() == 4
    again = FaceStore(tmp_path)
    assert len(again) == len(store) == 1 and [face.index for face in again.scan()] == [0]
    assert lance.dataset(str(tmp_path / "faces.lance")).count_rows() == 4, "a reader changes nothing"
    record = again.begin_take(TAKE, TAKE)
    assert record.frames_done == 2
    assert lance.dataset(str(tmp_path / "faces.lance")).count_rows() == 1
    again.append([row(2, noise)], take=TAKE.key(), frames_done=3)
    assert [face.index for face in again.scan()] == [0, 2] and again.reconcile() == 0


def test_killed_at_random_moments(tmp_path: Path) -> None:
    done = 0
    for attempt in range(2):
        with writer(tmp_path, "random") as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(random.Random(attempt).uniform(0.1, 0.5))
            store = FaceStore(tmp_path)  # reading while another process writes
            assert [face.index for face in store.scan()][:done] == list(range(done))
            process.kill()
        store = FaceStore(tmp_path)
        (record,) = store.takes()
        assert record.frames_done >= done and not record.finished
        assert [face.index for face in store.scan()] == list(range(record.frames_done))
        done = record.frames_done
    assert done > 0
    assert FaceStore(tmp_path).begin_take(TAKE, TAKE).frames_done == done


def test_readers_see_what_another_store_appends(store: FaceStore, noise: U8) -> None:
    reader, fresh = FaceStore(store.folder), FakeTake("c")
    scanning = reader.scan()
    next(scanning)
    fill(store, [row(i, noise, take=fresh, number=2) for i in range(4)], fresh)
    assert len(list(scanning)) == 18, "a scan stays with what it began on"
    assert len(reader) == 23 and [take.name for take in reader.takes()] == ["a", "b", "c"]


def rename(folder: Path, name: str) -> None:
    content = json.loads((folder / "takes.json").read_text())
    content["takes"][0]["name"] = name
    (folder / "takes.json").write_text(json.dumps(content))


def test_take_with_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/takes/caf\xe9.mp4")
    Ledger(tmp_path / "takes.json").add(TakeRecord("key", "caf_", (odd,), "video", 8, 8))
    assert Ledger(tmp_path / "takes.json").read()[0].files == (odd,)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda f: (f / "takes.json").write_text('{"format": 99, "takes": []}'), "format 99.*reads format 1"),
        (lambda f: (f / "takes.json").write_text('{"format": 1, "tak'), "damaged"),
        (lambda f: (f / "takes.json").write_text('{"format": 1, "takes": [{"key": "x"}]}'), "damaged"),
        (lambda f: (f / "takes.json").write_text("[]"), "damaged"),
        (lambda f: rename(f, "../../elsewhere"), "no plain name"),
        (lambda f: (f / "takes.json").unlink(), "no takes.json"),
        (lambda f: [p.write_bytes(b"x") for p in (f / "faces.lance" / "_versions").iterdir()], "Cannot read"),
        (lambda f: [p.write_bytes(b"x") for p in (f / "curation.lance" / "_versions").iterdir()], "Cannot read"),
    ],
)
def test_folders_of_another_kind(store: FaceStore, damage: Any, text: str) -> None:
    damage(store.folder)
    with pytest.raises(ProductionError, match=text):
        FaceStore(store.folder).table()


def test_other_columns(tmp_path: Path) -> None:
    import pyarrow as pa

    FaceStore(tmp_path)
    lance.write_dataset(pa.table({"id": [1]}), str(tmp_path / "faces.lance"), mode="overwrite")
    with pytest.raises(ProductionError, match="other columns"):
        FaceStore(tmp_path)


def test_full_disk(store: FaceStore, noise: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    fresh = FakeTake("c")
    store.begin_take(fresh, fresh)
    with monkeypatch.context() as patched:
        patched.setattr(lance, "write_dataset", full)
        with pytest.raises(OutputError, match=r"faces\.lance.*No space left"):
            store.append([row(0, noise, take=fresh, number=2)], take=fresh.key(), frames_done=1)
        with pytest.raises(OutputError, match=r"curation\.lance"):
            store.set_aside([face_id(0, 0, 0)])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"takes\.json: the disk is full"):
            store.append([row(0, noise, take=fresh, number=2)], take=fresh.key(), frames_done=1)
    assert len(store) == 19 and not [p for p in store.folder.iterdir() if p.name.endswith(".tmp")]
    assert store.begin_take(fresh, fresh).frames_done == 0
    store.append([row(0, noise, take=fresh, number=2)], take=fresh.key(), frames_done=1)
    assert len(store) == 20


def test_many_small_appends_are_tidied(tmp_path: Path, noise: U8) -> None:
    store = FaceStore(tmp_path)
    store.begin_take(TAKE, TAKE)
    for i in range(34):
        store.append([row(i, noise)], take=TAKE.key(), frames_done=i + 1)
    store.append([], take=TAKE.key(), frames_done=40)
    store.finish_take(TAKE.key(), ["3 frames are damaged"])
    assert len(lance.dataset(str(tmp_path / "faces.lance")).get_fragments()) == 1
    assert [face.index for face in store.scan(crops=True)] == list(range(34))
    (record,) = store.takes()
    assert (record.finished, record.frames_done, record.problems) == (True, 40, ("3 frames are damaged",))
    assert (record.width, record.height, record.seconds) == (256, 256, 4.0)
    assert json.loads((tmp_path / "takes.json").read_text())["format"] == 1


def test_a_forgotten_take_starts_again(store: FaceStore, noise: U8) -> None:
    store.forget_take(TAKE.key())
    assert {face.take for face in store.scan()} == {OTHER.key()} and store.take_number(OTHER.key()) == 1
    record = store.begin_take(TAKE, TAKE)
    assert record.frames_done == 0 and not record.finished
    store.append([row(0, noise)], take=TAKE.key(), frames_done=1)
    assert len(store) == 7
    imported = FakeTake("picture", kind="imported")
    fill(store, [row(0, noise, take=imported, number=2)], imported)
    store.forget_take(imported.key())
    assert len(store) == 8


# -- curation versions ----------------------------------------------------------------------------------------------


def test_versions_and_undo(store: FaceStore) -> None:
    ids = store.table().id
    person = np.zeros(len(ids), np.int32)
    store.assign(ids, person, ["blurred"] * 2 + [""] * (len(ids) - 2), "curated")
    store.set_aside(ids[2:5], "dropped")
    store.bring_back(ids[:1])
    assert store.table().reason.tolist()[:6] == ["", "blurred", "dropped", "dropped", "dropped", ""]
    store.undo()
    assert store.table().reason.tolist()[:2] == ["blurred", "blurred"]
    store.undo()
    assert store.table().kept.sum() == len(ids) - 2
    with pytest.raises(ProductionError, match="first curation"):
        store.undo()
    store.set_aside(ids[5:6])
    store.undo()
    texts = [version.text for version in FaceStore(store.folder).versions()]
    assert texts[:4] == ["empty", "curated", "set aside 3 faces: dropped", "brought back 1 faces"]
    assert texts[4:6] == ["undone: brought back 1 faces", "undone: set aside 3 faces: dropped"]
    numbers = [version.number for version in store.versions()]
    assert numbers == sorted(numbers) and store.versions()[1].kept == len(ids) - 2


def test_undo_of_nothing(store: FaceStore) -> None:
    with pytest.raises(ProductionError, match="no curation step"):
        store.undo()


def test_the_users_marks_survive_a_new_curation(store: FaceStore) -> None:
    ids = store.table().id
    person = np.where(np.arange(len(ids)) < 13, 0, 1).astype(np.int32)
    reason = ["blurred" if i == 1 else "other person" if i >= 13 else "" for i in range(len(ids))]
    store.assign(ids, person, reason, "curated")
    store.set_aside(ids[:1])
    store.bring_back(ids[[1, 15]])
    store.assign(ids, person, reason, "curated again")
    table = store.table()
    assert table.reason.tolist()[:3] == ["dropped", "", ""] and table.manual.tolist()[:3] == [1, 2, 0]
    assert (table.reason[15], table.person[15]) == ("", 0), "a restored face is the main person's"
    assert (table.reason[14], table.person[14]) == ("other person", 1)
    with pytest.raises(KeyError):
        store.set_aside([12345])
    with pytest.raises(ValueError, match="with a reason"):
        store.set_aside(ids[:1], "")


# -- crops ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [60, 300, 700])
def test_crops_of_large_faces_are_averaged_down_in_place(scale: float) -> None:
    size = int(scale * 4)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    pixels = np.stack([x / size * 255, y / size * 255, 128 + 100 * ((x + y) % 2)], -1).astype(np.uint8)
    points = head(yaw=15, centre=(size / 2, size / 2), scale=scale)
    crop = cut(pixels, points)
    expected = align(points)
    assert isinstance(crop, Crop) and crop.alignment.size == expected.size <= 512
    inverse = np.linalg.inv(np.vstack([crop.alignment.matrix, [0, 0, 1]]))
    for at in ((20, 30), (crop.alignment.size - 20, 40), (crop.alignment.size // 2,) * 2):
        source = inverse @ [*at, 1]
        shown = crop.pixels[at[1], at[0]]
        assert shown[:2] == pytest.approx(source[:2] / size * 255, abs=2)
    if scale == 700:
        assert crop.pixels[..., 2].std() < 12, "a fine checkerboard becomes grey, not moire"


def test_crop_beyond_the_edge(noise: U8) -> None:
    crop = cut(noise, head(centre=(10, 10), scale=60))
    assert crop.pixels.shape == (crop.alignment.size, crop.alignment.size, 3)
    np.testing.assert_array_equal(crop.pixels[0], crop.pixels[9], "the edge is repeated")
    assert np.abs(crop.pixels[0, 0].astype(int) - noise[0, 0]).max() <= 1
