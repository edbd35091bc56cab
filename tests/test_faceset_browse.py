"""What pages read of a faceset of many faces."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make
from faceset_many import many_faces, many_production
from people import head

from doublecast.faceset import FaceStore
from doublecast.faceset.browse import columns, expression_distance, similarity, thumbnails
from doublecast.production import SIDES, Production

FACES = 8400  #: so many that every take has a track of another person


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> FaceStore:
    return many_faces(tmp_path_factory.mktemp("many") / "actor", FACES)


def test_columns(many: FaceStore) -> None:
    table, found = many.table(), json.loads(json.dumps(columns(many), allow_nan=False))
    assert {len(column) for column in found.values()} == {FACES}
    assert [int(number) for number in found["id"]] == table.id.tolist() and max(table.id) > 1 << 40
    assert found["reason"] == table.reason.tolist() and found["person"] == table.person.tolist()
    for name in ("yaw", "pitch", "roll", "mouth", "sharpness", "seconds"):
        assert np.abs(np.array(found[name]) - getattr(table, name)).max() <= 0.06
    assert found["eyes"] == pytest.approx(((table.eye_left + table.eye_right) / 2).tolist(), abs=1e-3)
    assert all(isinstance(size, int) for size in found["size"]) and not any(found["corrected"])
    names = "id take index seconds track yaw pitch roll mouth eyes sharpness size person reason manual"
    assert list(found) == [*names.split(), "corrected", "revision"]


def test_columns_of_strange_numbers(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    assert set(map(len, columns(store).values())) == {0}
    take = FakeTake("a")
    pixels = np.full((256, 256, 3), 90, np.uint8)
    fill(store, [make(head(), n, pixels, sharpness=float("nan") if n else 0.5) for n in range(2)], take)
    store.correct(store.load(store.table().id[1:])[0])
    found = columns(store)
    assert found["sharpness"] == [0.5, None] and found["corrected"] == [False, True]


@pytest.mark.parametrize("side", [40, 80, 112, 500])
def test_thumbnails(many: FaceStore, side: int) -> None:
    ids = many.table().id[[2500, 3, 1200]]
    for data, face in zip(thumbnails(many, ids, side=side), many.load(ids), strict=True):
        small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert small is not None and face.crop is not None
        shown = min(side, face.crop.alignment.size)
        assert small.shape == (shown, shown, 3)
        expected = cv2.resize(face.crop.pixels, (shown, shown), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 6
    assert thumbnails(many, []) == []
    with pytest.raises(KeyError, match="no face 77777"):
        thumbnails(many, [77777])


def test_similarity(many: FaceStore) -> None:
    table = many.table()
    found = similarity(many, int(table.id[0]))
    person = table.track % 8 == 7
    assert found.shape == (FACES,) and found[0] == 0 and found.dtype == np.float32
    assert not np.isnan(found).any() and found[~person].max() < 0.5 < 0.6 < found[person].min()
    assert similarity(many, int(table.id[1]))[2] == 0, "both take the mean of their track"


def test_similarity_of_faces_that_nothing_is_known_of(tmp_path: Path) -> None:
    store, pixels = FaceStore(tmp_path), np.full((256, 256, 3), 90, np.uint8)
    faces = [make(head(), n, pixels, track=n // 2, person=1 if n == 0 else None) for n in range(4)]
    fill(store, faces, FakeTake("a"))
    ids = store.table().id
    assert np.isnan(similarity(store, int(ids[0]))).tolist() == [False, False, True, True]
    assert np.isnan(similarity(store, int(ids[3]))).all()
    fill(store, [make(head(), 0, pixels, take=FakeTake("b"), number=1)], FakeTake("b"))
    for distance in (similarity, expression_distance):
        assert distance(store, int(ids[0])).shape == (5,)
        with pytest.raises(KeyError, match="no face 5 "):
            distance(store, 5)


def test_expression_distance(many: FaceStore) -> None:
    table = many.table()
    found = expression_distance(many, int(table.id[8]))
    assert found[8] == 0 and found.dtype == np.float32
    far = int(np.abs(table.mouth - table.mouth[8]).argmax())
    near = int(np.argsort(np.abs(table.mouth - table.mouth[8]))[1])
    assert found[far] > 3 > 1 > found[near]


def test_ten_thousand_faces_are_read_quickly(tmp_path: Path) -> None:
    """Limits of the Faces page, three times over because this machine may be busy; the least of some runs counts."""
    folder = many_production(tmp_path / "film.production", 10_000)
    assert [len(Production(folder, lock=False).inputs(side)) for side in SIDES] == [4, 4]
    store = FaceStore(folder / "actor")
    ids = np.random.default_rng(0).choice(store.table().id, 64, replace=False)
    work: list[tuple[Callable[[], object], float]] = [
        (lambda: columns(store), 0.45),
        (lambda: thumbnails(store, ids), 0.36),
    ]
    for call, limit in work:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        assert min(times) < limit
