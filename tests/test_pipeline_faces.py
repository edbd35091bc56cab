"""Single faces: in their frames, and corrected by hand, from Python and from the command line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from faceset_faces import vector
from people import head, picture, skin
from pipeline_clips import write
from typer.testing import CliRunner, Result

from doublecast.cli import app
from doublecast.errors import InputError, ProductionError
from doublecast.faces import quality
from doublecast.faces.geometry import OVAL, pose
from doublecast.faceset import FaceStore, StoredFace, cut, face_id, import_faces
from doublecast.pipeline import faces
from doublecast.production import Production, TakeInput
from doublecast.types import F32, U8, Face, Frame
from doublecast.video import Reader, Take, probe

COUNT, SIDE = 12, 256


def pose_at(index: int) -> F32:
    """Points of the person in a frame of the clip."""
    return head(yaw=2 * index, centre=(118 + index, 128), scale=60)


def face_of(frame: Frame, points: F32, known: F32 | None) -> Face:
    sharp = quality.sharpness(frame.pixels, points)
    return Face(points, 3, 0.9, pose(points), quality.eyes(points), quality.mouth(points), sharp, known)


@dataclass(frozen=True)
class Job:
    """A production with one take of a drawn person, every fourth face recognised."""

    folder: Path
    clip: Path

    @property
    def store(self) -> FaceStore:
        return FaceStore(self.folder / "actor")

    def id(self, index: int) -> int:
        return face_id(0, index, 0)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    clip = write(tmp_path / "actor.mp4", (picture(pose_at(n), skin(3), SIDE) for n in range(COUNT)))
    take = Take("actor", (clip,), "video")
    made = Job(tmp_path / "film.production", clip)
    with Production(made.folder) as production:
        production.set_inputs("actor", [TakeInput("actor", take.key(), "video", (str(clip),))])
    store, found = made.store, []
    store.begin_take(take, probe(take))
    with Reader(take) as reader:
        frames = list(reader)
    for n, frame in enumerate(frames):
        own = face_of(frame, pose_at(n), vector(1, n) if n % 4 == 0 else None)
        cropped = cut(frame.pixels, own.points)
        found.append(StoredFace(made.id(n), take.key(), n, frame.pts, frame.time_base, own, cropped))
    store.append(found, take=take.key(), frames_done=COUNT)
    store.finish_take(take.key())
    store.assign(store.table().id, np.zeros(COUNT, np.int32), [""] * COUNT, "curated")
    return made


class Eye:
    """Stands for the network that makes identity vectors."""

    def embed(self, given: list[tuple[U8, F32]]) -> F32:
        return np.stack([np.full(128, points[0, 0], np.float32) for _, points in given])


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "_embedder", lambda on_event: Eye())


def test_nothing_heavy_is_loaded() -> None:
    import subprocess
    import sys

    from pipeline_clips import environment

    code = (
        "import sys, doublecast.pipeline.faces, doublecast.faceset.browse\n"
        "assert not {'torch', 'ai_edge_litert', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_the_frame_of_a_face(job: Job) -> None:
    frame = faces.frame_of(job.folder, "actor", job.id(7))
    assert frame.index == 7 and np.abs(frame.pixels.astype(int) - picture(pose_at(7), skin(3), SIDE)).mean() < 4


def test_a_face_at_large(job: Job) -> None:
    found = faces.large(job.folder, "actor", job.id(5))
    (stored,) = job.store.load([job.id(5)])
    assert found.scale == 1 and found.covered is None and stored.crop is not None
    x, y = found.offset
    frame = faces.frame_of(job.folder, "actor", job.id(5))
    height, width = found.pixels.shape[:2]
    np.testing.assert_array_equal(found.pixels, frame.pixels[y : y + height, x : x + width])
    np.testing.assert_array_equal(found.oval, stored.face.points[OVAL, :2])
    np.testing.assert_allclose(found.to_picture(found.oval), found.oval - [x, y], atol=1e-3)
    size = stored.crop.alignment.size
    corners = stored.crop.alignment.apply(found.quad)
    np.testing.assert_allclose(corners, np.array([[0, 0], [size, 0], [size, size], [0, size]]) - 0.5, atol=0.01)
    facts = json.loads(json.dumps(found.facts))
    assert (facts["id"], facts["index"], facts["take"], facts["person"], facts["corrected"]) == (
        str(job.id(5)), 5, "actor", 0, False)  # fmt: skip
    assert facts["yaw"] == pytest.approx(10, abs=1) and facts["frame"] == [SIDE, SIDE]


def test_a_large_face_is_brought_to_a_width(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "WIDEST", 100)
    found = faces.large(job.folder, "actor", job.id(5))
    assert found.pixels.shape[1] == 100 and found.scale < 1
    at = found.to_picture(found.points[:1, :2])[0]
    expected = (found.points[0, :2] + 0.5 - found.offset) * found.scale - 0.5
    assert at == pytest.approx(expected) and 0 < at[0] < 100


def test_what_covers_a_face(job: Job) -> None:
    covered = faces.large(job.folder, "actor", job.id(0), covered=True).covered
    assert covered is not None and covered.shape == (468,) and covered.dtype == np.bool_


@pytest.mark.parametrize("index", [4, 5])
def test_a_correction_and_what_follows_from_it(job: Job, index: int) -> None:
    store, number = job.store, job.id(index)
    (before,) = store.load([number])
    tones, version = store.tones(np.array([number])), store.version()
    wanted = head(yaw=2 * index + 8, centre=(122 + index, 131), scale=63, mouth=0.08)
    after = faces.correct(job.folder, "actor", number, wanted)
    frame = faces.frame_of(job.folder, "actor", number)
    expected = face_of(frame, wanted, None)
    np.testing.assert_array_equal(after.face.points, wanted)
    assert after.face.pose.yaw == pytest.approx(expected.pose.yaw, abs=1e-3)
    assert after.face.eyes == pytest.approx(expected.eyes) and after.face.mouth == pytest.approx(expected.mouth)
    assert after.face.sharpness == pytest.approx(expected.sharpness)
    assert after.face.track == 3 and after.face.presence == pytest.approx(0.9)
    assert (after.take, after.index, after.pts, after.time_base) == (before.take, index, before.pts, before.time_base)
    assert (after.face.vector is None) == (before.face.vector is None)
    assert after.face.vector is None or (after.face.vector == wanted[0, 0]).all()
    crop = cut(frame.pixels, wanted)
    assert after.crop is not None and after.crop.alignment.size == crop.alignment.size
    assert np.abs(after.crop.pixels.astype(int) - crop.pixels).mean() < 2
    assert not np.array_equal(store.tones(np.array([number])), tones)
    assert store.version() == version + 1 and store.history(1)[0].text == f"corrected face {number}"
    assert faces.large(job.folder, "actor", number).facts["corrected"]
    back = faces.reset(job.folder, "actor", number)
    np.testing.assert_array_equal(back.face.points, before.face.points)
    assert back.crop is not None and before.crop is not None
    np.testing.assert_array_equal(back.crop.pixels, before.crop.pixels)


def test_corrections_do_not_wait_for_a_job_that_runs(job: Job) -> None:
    with Production(job.folder):
        faces.correct(job.folder, "actor", job.id(1), pose_at(1) + np.float32(2))
    assert job.store.corrected().tolist() == [job.id(1)]


def infinite(points: F32) -> F32:
    points[7, 1] = np.nan
    return points


@pytest.mark.parametrize(
    ("points", "text"),
    [
        (lambda p: p[:468], "must be float32 478x3, got float32"),
        (lambda p: p.astype(np.float64), "got float64"),
        (infinite, "finite"),
        (lambda p: p + np.float32(400), "outside the frame, which is 256 x 256"),
        (lambda p: (p - p.mean(0)) * np.float32(0.05) + p.mean(0), "span 5 x"),
        (lambda p: p + np.array([80, 0, 0], np.float32), "a correction stays with its face"),
    ],
)
def test_points_that_cannot_be(job: Job, points: Callable[[F32], F32], text: str) -> None:
    version = job.store.version()
    with pytest.raises(InputError, match=text):
        faces.correct(job.folder, "actor", job.id(2), points(pose_at(2)))
    assert job.store.version() == version


def test_a_face_cannot_wander_off_in_steps(job: Job) -> None:
    faces.correct(job.folder, "actor", job.id(2), pose_at(2) + np.array([45, 0, 0], np.float32))
    with pytest.raises(InputError, match="a correction stays with its face"):
        faces.correct(job.folder, "actor", job.id(2), pose_at(2) + np.array([80, 0, 0], np.float32))


def gone(job: Job) -> None:
    job.clip.unlink()


def changed(job: Job) -> None:
    write(job.clip, (picture(pose_at(n), skin(4), SIDE) for n in range(COUNT)))


def left(job: Job) -> None:
    with Production(job.folder) as production:
        production.record.inputs.clear()
        production.save()


@pytest.mark.parametrize(
    ("change", "text"), [(gone, "is gone"), (changed, "was changed since"), (left, "is no take of .* any more")]
)
def test_a_take_that_is_not_there(job: Job, change: Callable[[Job], None], text: str) -> None:
    faces.correct(job.folder, "actor", job.id(2), pose_at(2) + np.float32(2))
    change(job)
    for call in (faces.frame_of, faces.large):
        with pytest.raises(InputError, match=text):
            call(job.folder, "actor", job.id(2))
    with pytest.raises(InputError, match=text):
        faces.correct(job.folder, "actor", job.id(2), pose_at(2))
    back = faces.reset(job.folder, "actor", job.id(2))
    np.testing.assert_array_equal(back.face.points, pose_at(2))


def test_faces_that_are_not_there(job: Job) -> None:
    for call in (faces.frame_of, faces.large, faces.reset, faces.points_of):
        with pytest.raises(InputError, match="no face 99 of the actor; see: doublecast faces sheet"):
            call(job.folder, "actor", 99)
        with pytest.raises(ProductionError, match="no faces of the target yet"):
            call(job.folder, "target", 99)
    with pytest.raises(ProductionError, match="not a production"):
        faces.large(job.clip.parent, "actor", 1)


def test_imported_pictures(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    path = folder / "a.png"
    cv2.imwrite(str(path), picture(pose_at(3), skin(3), SIDE)[..., ::-1])

    class Finder:
        def step(self, frame: Frame) -> list[Face]:
            return [face_of(frame, pose_at(3), vector(1))]

    import_faces(job.store, folder, tracker=Finder)
    number = face_id(1, 0, 0)
    assert faces.large(job.folder, "actor", number).facts["file"] == str(path)
    faces.correct(job.folder, "actor", number, pose_at(3) + np.float32(1))
    path.write_bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    with pytest.raises(InputError, match="was changed since it was imported"):
        faces.frame_of(job.folder, "actor", number)
    path.unlink()
    with pytest.raises(InputError, match="is gone or cannot be read"):
        faces.frame_of(job.folder, "actor", number)


# -- from the command line ------------------------------------------------------------------------------------------


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result


def test_correct_and_reset(job: Job, tmp_path: Path) -> None:
    points, path, face = pose_at(6), tmp_path / "points.json", ["faces", "correct", job.folder, job.id(6)]
    path.write_text(json.dumps({"13": [float(points[13, 0]), float(points[13, 1]) - 5], "468": [100, 110.5]}))
    done = json.loads(run(*face, "--side", "actor", "--points", path, "--json").stdout)
    (after,) = job.store.load([job.id(6)])
    assert done["version"] == job.store.version() == 3 and done["face"] == job.id(6)
    assert after.face.points[468, :2] == pytest.approx([100, 110.5])
    assert after.face.points[13, 1] == pytest.approx(points[13, 1] - 5) and after.face.points[0, 1] < points[0, 1] - 1
    assert after.face.mouth > quality.mouth(points)
    assert "as it was found" in run(*face, "--side", "actor", "--reset").stdout
    np.testing.assert_array_equal(job.store.load([job.id(6)])[0].face.points, points)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{}", "at least one landmark"),
        ('{"500": [1, 2]}', "numbered 0 to 477"),
        ('{"nose": [1, 2]}', "is expected"),
        ('{"1": [1]}', "is expected"),
        ("[1, 2]", "is expected"),
        ("{", "is expected"),
        (None, "cannot be read"),
    ],
)
def test_files_of_another_kind(job: Job, tmp_path: Path, content: str | None, text: str) -> None:
    path = tmp_path / "points.json"
    if content is not None:
        path.write_text(content)
    assert text in run("faces", "correct", job.folder, job.id(6), "--side", "actor", "--points", path, code=2).stderr


def test_either_points_or_reset(job: Job) -> None:
    assert "either" in run("faces", "correct", job.folder, job.id(6), "--side", "actor", code=2).stderr


def test_curation_does_not_wait_for_a_job_that_runs(job: Job) -> None:
    side = ["--side", "actor"]
    with Production(job.folder):
        assert json.loads(run("faces", "drop", job.folder, job.id(1), *side, "--json").stdout)["kept"] == COUNT - 1
        assert json.loads(run("faces", "drop", job.folder, job.id(2), *side, "--json").stdout)["version"] == 4
        run("faces", "undo", job.folder, *side, "--step", 3)
        assert job.store.table().reason.tolist()[:4] == ["", "", "dropped", ""]
        assert "Nothing is left of step 3" in run("faces", "undo", job.folder, *side, "--step", 3, code=2).stderr
        run("faces", "restore", job.folder, job.id(2), *side)
        run("faces", "undo", job.folder, *side)
    assert job.store.table().reason.tolist()[:4] == ["", "", "dropped", ""]
