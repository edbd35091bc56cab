"""Facesets as folders of pictures: out, changed by the user, and back in."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make, vector
from people import head, picture, skin

from doublecast.errors import InputError, OutputError
from doublecast.events import Event, Note
from doublecast.faces.geometry import pose
from doublecast.faceset import FaceStore, cut, export_faces, import_faces
from doublecast.types import U8, Face, Frame

TAKE = FakeTake("shot one")


class FakeTracker:
    """Finds a head in the middle of every picture that is not black; ``person`` is who it is."""

    made = 0

    def __init__(self, person: int = 1) -> None:
        FakeTracker.made += 1
        self.person = person

    def step(self, frame: Frame) -> list[Face]:
        if frame.pixels.mean() < 20:
            return []
        small, large = (head(centre=(x, 128), scale=s) for x, s in ((40, 15), (150, 50)))
        return [Face(p, 0, 1.0, pose(p), (0.3, 0.3), 0.0, 0.2, vector(self.person)) for p in (small, large)]


def save(path: Path, pixels: U8) -> None:
    assert cv2.imwrite(str(path), pixels[..., ::-1])


@pytest.fixture
def store(tmp_path: Path) -> FaceStore:
    """Ten faces of the main person, the last two set aside."""
    made = FaceStore(tmp_path / "actor")
    points = [head(yaw=i, scale=60) for i in range(10)]
    fill(made, [make(p, i, picture(p, skin(1)), take=TAKE, person=1) for i, p in enumerate(points)], TAKE)
    ids = made.table().id
    made.assign(ids, np.zeros(10, np.int32), [""] * 8 + ["blurred"] * 2, "curated")
    return made


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_export(store: FaceStore, tmp_path: Path, suffix: str) -> None:
    folder, events = tmp_path / "out", list[Event]()
    assert export_faces(store, folder, suffix=suffix, on_event=events.append) == 8  # type: ignore[arg-type]
    lines = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    assert sorted(p.name for p in folder.iterdir()) == sorted(["faces.jsonl", *(line["file"] for line in lines)])
    face = store.load([lines[3]["id"]])[0]
    assert face.crop is not None and face.index == lines[3]["index"] == 3
    assert lines[3]["file"] == f"shot one_000003_{face.id:012x}.{suffix}"
    shown = cv2.imread(str(folder / lines[3]["file"]))
    assert shown is not None
    assert np.abs(shown[..., ::-1].astype(int) - face.crop.pixels).mean() < (0.1 if suffix == "png" else 2)
    expected = face.crop.alignment.apply(face.face.points)[:, :2]
    np.testing.assert_allclose(lines[3]["landmarks"], expected, atol=0.06)
    assert len(events) == 8


def test_export_of_chosen_faces(store: FaceStore, tmp_path: Path) -> None:
    table = store.table()
    assert export_faces(store, tmp_path / "bad", ids=table.id[table.reason == "blurred"]) == 2
    assert '"reason": "blurred"' in (tmp_path / "bad" / "faces.jsonl").read_text()


def test_export_refuses(store: FaceStore, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for folder in ("full", "file"):
        with pytest.raises(OutputError, match="not an empty folder"):
            export_faces(store, tmp_path / folder)
    with pytest.raises(OutputError, match="Cannot export"):
        export_faces(store, tmp_path / "file" / "below")
    with pytest.raises(InputError, match="no kept faces"):
        export_faces(FaceStore(tmp_path / "empty"), tmp_path / "out")
    assert (tmp_path / "full" / "x").read_text() == "mine"


def test_deleted_pictures_are_set_aside(store: FaceStore, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export_faces(store, folder)
    for path in sorted(folder.glob("*.png"))[2:4]:
        path.unlink()
    for expected in (2, 0):
        done = import_faces(store, folder, tracker=FakeTracker)
        assert (done.set_aside, done.added, done.without_face) == (expected, 0, ())
    table = store.table()
    assert table.reason.tolist()[:5] == ["", "", "deleted from the folder", "deleted from the folder", ""]
    store.undo()
    assert store.table().kept.sum() == 8


def test_new_pictures_are_added(store: FaceStore, tmp_path: Path) -> None:
    folder, before = tmp_path / "out", FakeTracker.made
    export_faces(store, folder)
    shown = picture(head(centre=(150, 128), scale=50), skin(1))
    save(folder / "holiday é.jpg", shown)
    save(folder / "black.png", np.zeros((50, 60, 3), np.uint8))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    for added in (1, 0):
        done = import_faces(store, folder, tracker=FakeTracker)
        assert (done.set_aside, done.added) == (0, added)
        assert sorted(done.without_face) == ["black.png", "broken.png", "empty.png"]
    assert FakeTracker.made == before + 1, "nothing is looked at twice"
    table = store.table()
    assert len(table) == 11 and (table.person[-1], table.reason[-1], table.manual[-1]) == (0, "", 2)
    face = store.load(table.id[-1:])[0]
    assert face.face.points[:468, 0].mean() == pytest.approx(150, abs=3), "the largest face"
    assert face.crop is not None
    assert np.abs(face.crop.pixels.astype(int) - cut(shown, face.face.points).pixels).mean() < 6
    assert [take.kind for take in store.takes()] == ["video", "imported", "imported"]


def test_an_interrupted_import_is_finished_by_the_next(
    store: FaceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    for n in range(2):
        save(folder / f"{n}.png", picture(head(yaw=n, centre=(150, 128), scale=50), skin(1)))
    with monkeypatch.context() as patched:
        patched.setattr(FaceStore, "bring_back", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_faces(store, folder, tracker=FakeTracker)
    assert import_faces(store, folder, tracker=FakeTracker).added == 2
    assert len(store) == 12 and store.table().person.tolist() == [0] * 12


def test_imported_strangers_are_reported(store: FaceStore, tmp_path: Path) -> None:
    folder, events = tmp_path / "more", list[Event]()
    folder.mkdir()
    save(folder / "x.png", picture(head(), skin(2)))
    import_faces(store, folder, tracker=lambda: FakeTracker(person=2), on_event=events.append)
    assert [e.text for e in events if isinstance(e, Note)] == [
        "1 of 1 imported faces look like somebody else; drop them if they do."
    ]


def test_import_refuses(store: FaceStore, tmp_path: Path) -> None:
    folder, other = tmp_path / "out", FaceStore(tmp_path / "other")
    export_faces(store, folder)
    with pytest.raises(InputError, match="exported elsewhere"):
        import_faces(other, folder)
    with pytest.raises(InputError, match="not a folder"):
        import_faces(store, tmp_path / "nowhere")
    for path in folder.glob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match="no pictures"):
        import_faces(store, folder)
    save(folder / "x.png", np.zeros((40, 40, 3), np.uint8))
    (folder / "faces.jsonl").write_text("{broken")
    with pytest.raises(InputError, match="damaged"):
        import_faces(store, folder)
    assert store.table().kept.sum() == 8
