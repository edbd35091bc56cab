"""FaceTracker on clips and on sequences made from them."""

from fractions import Fraction
from pathlib import Path

import cv2
import faces_clips as clips
import numpy as np
import pytest

from doublecast.faces import FaceTracker
from doublecast.faces import __all__ as names
from doublecast.faces.cuts import CutDetector
from doublecast.faces.embed import distance
from doublecast.types import U8, Face, Frame


@pytest.fixture(scope="module")
def man(shared: Path) -> list[U8]:
    clips.require_weights()
    return clips.pictures(shared / clips.MAN, 40)


@pytest.fixture(scope="module")
def woman(shared: Path) -> list[U8]:
    clips.require_weights()
    return clips.pictures(shared / clips.GRID_WOMAN, 40)


def run(pixels: list[U8], tracker: FaceTracker) -> list[list[Face]]:
    return [tracker.step(frame) for frame in clips.stream(pixels)]


def test_public_names() -> None:
    import doublecast.faces as package

    assert all(getattr(package, name) for name in names)
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


def test_one_face_is_one_track_with_vectors_now_and_then(man: list[U8]) -> None:
    tracker = FaceTracker(first_track=7)
    found = run(man, tracker)
    assert all(len(faces) == 1 and faces[0].track == 7 for faces in found)
    assert [k for k, faces in enumerate(found) if faces[0].vector is not None] == [0, 2, 15, 30]
    assert tracker.cuts == [0]
    face = found[20][0]
    assert face.presence > 0.95 and face.sharpness > 0.02 and abs(face.pose.yaw) < 30
    assert 150 < face.size < 230 and 0 <= face.mouth < 1 and all(0 < eye < 0.6 for eye in face.eyes)


def test_tracking_agrees_with_detecting_every_frame(man: list[U8]) -> None:
    followed = run(man[:12], FaceTracker(embed_every=0))
    fresh = run(man[:12], FaceTracker(embed_every=0, pictures=True))
    for (a,), (b,) in zip(followed, fresh, strict=True):
        across = np.linalg.norm(a.points[33, :2] - a.points[263, :2])
        assert np.linalg.norm((a.points - b.points)[:, :2], axis=1).mean() < 0.03 * across


def test_a_cut_ends_the_tracks_at_once(man: list[U8], woman: list[U8]) -> None:
    a, b = [clips.fit(p, 400, 400) for p in man[:10]], [clips.fit(p, 400, 400) for p in woman[:6]]
    tracker = FaceTracker()
    found = run(a + b, tracker)
    assert tracker.cuts == [0, 10]
    assert [{face.track for face in faces} for faces in found] == [{0}] * 10 + [{1}] * 6
    alone = run(b, FaceTracker())
    assert np.abs(found[10][0].points - alone[0][0].points).max() < 1.5
    assert found[10][0].vector is not None


def test_another_person_after_a_dissolve_is_another_track(man: list[U8], woman: list[U8]) -> None:
    a, b = [clips.fit(p, 400, 400) for p in man[:9]], [clips.fit(p, 400, 400) for p in woman[:40]]
    mixed = [np.asarray(cv2.addWeighted(a[8], 1 - k / 8, b[0], k / 8, 0), np.uint8) for k in range(1, 8)]
    found = run(a + mixed + b, FaceTracker())
    assert found[0][0].track not in {face.track for face in found[-1]}


def test_a_face_that_leaves_and_comes_back(man: list[U8]) -> None:
    empty = np.full_like(man[0], 128)
    found = run(man[:5] + [empty] * 4 + man[5:10], FaceTracker())
    assert [len(faces) for faces in found] == [1] * 5 + [0] * 4 + [1] * 5
    assert found[4][0].track != found[-1][0].track


def test_slow_fade_ends_the_track(man: list[U8]) -> None:
    fade = [np.asarray(man[0] * (1 - k / 15) + 8.0 * k, np.uint8) for k in range(16)]
    found = run(fade + [fade[-1]] * 20, FaceTracker())
    assert found[0] and not found[-1]


def test_two_people_keep_their_numbers(man: list[U8], woman: list[U8]) -> None:
    pairs = zip(man[:32], woman[:32], strict=True)
    frames = [np.hstack([clips.fit(a, 320, 320), clips.fit(b, 320, 320)]) for a, b in pairs]
    found = run(frames, FaceTracker())
    assert all(len(faces) == 2 for faces in found)
    for faces in found:
        left, right = sorted(faces, key=lambda face: face.box[0])
        first_left, first_right = sorted(found[0], key=lambda face: face.box[0])
        assert (left.track, right.track) == (first_left.track, first_right.track)
    a, b = found[0][0].vector, found[0][1].vector
    assert a is not None and b is not None and distance(a, b) > 0.6


@pytest.mark.parametrize(("small_faces", "expected"), [(True, 1), (False, 0)])
def test_small_faces_by_tiles(small_faces: bool, expected: int, man: list[U8]) -> None:
    tiny = [clips.fit(p, 1280, 720, scale=22 / 190) for p in man[:4]]
    found = run(tiny, FaceTracker(small_faces=small_faces, embed_every=0))
    assert [len(faces) for faces in found] == [expected] * 4


def test_a_small_face_beside_a_large_one(man: list[U8], woman: list[U8]) -> None:
    frame = clips.fit(man[0], 1280, 720)
    frame[300:460, 60:260] = cv2.resize(woman[0], (200, 160), interpolation=cv2.INTER_AREA)
    (faces,) = run([frame], FaceTracker())
    assert len(faces) == 2


def test_pictures_are_independent(man: list[U8]) -> None:
    found = run([man[0], man[0], man[1]], FaceTracker(pictures=True))
    assert [faces[0].track for faces in found] == [0, 1, 2]
    assert all(faces[0].vector is not None for faces in found)


@pytest.mark.parametrize("size", [(64, 64), (65, 37), (1, 1), (2160, 3840)])
def test_any_size_of_frame(size: tuple[int, int]) -> None:
    clips.require_weights()
    frame = Frame(np.full((*size, 3), 60, np.uint8), 0, 0, Fraction(1, 25))
    assert FaceTracker().step(frame) == []


def test_64_pixel_clip(man: list[U8]) -> None:
    tiny = [clips.fit(p, 64, 64) for p in man[:5]]
    assert [len(faces) for faces in run(tiny, FaceTracker())] == [1] * 5


def test_frame_size_may_change(man: list[U8]) -> None:
    sizes = [man[0], clips.fit(man[1], 200, 300), clips.fit(man[2], 500, 300)]
    assert [len(faces) for faces in run(sizes, FaceTracker())] == [1, 1, 1]


@pytest.mark.parametrize("options", [{"redetect_every": 0}, {"embed_every": -1}])
def test_options_are_checked(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        FaceTracker(**options)  # type: ignore[arg-type]


def texture(seed: int) -> U8:
    """A smooth random picture larger than the frame that wanders over it."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 20, 3), np.uint8)
    return np.asarray(cv2.resize(small, (800, 500), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("speed", [0, 2, 8])
def test_motion_is_no_cut_and_a_cut_is(speed: int) -> None:
    detector, found = CutDetector(), []
    for k in range(40):
        scene = texture(k // 20)
        x = speed * (k % 20)
        found.append(detector.step(np.ascontiguousarray(scene[20:380, x : x + 640])))
    assert [k for k, cut in enumerate(found) if cut] == [0, 20]
