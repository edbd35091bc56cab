"""The parts of faces: detection, the split attention mesh, sampling, quality, vectors."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import faces_clips as clips
import numpy as np
import pytest
import torch

from doublecast.errors import WeightsError
from doublecast.faces import attention, quality
from doublecast.faces.attention import Region, load_split, region_matrix, sample_regions, split
from doublecast.faces.detect import Detector, anchors, overlap, suppress, tile_grid
from doublecast.faces.embed import DlibResNet, Embedder, chip, chip_matrix, distance
from doublecast.faces.landmarks import Landmarker, Roi
from doublecast.faces.network import sigmoid
from doublecast.faces.sampling import sample
from doublecast.faceset.identity import SAME
from doublecast.types import F32, F64, MESH, POINTS, U8
from doublecast.weights import ensure


def face_points(size: float = 100, x: float = 150, y: float = 120) -> F32:
    """Plausible landmarks: the canonical head at some place."""
    from doublecast.faces.geometry import canonical

    points = np.zeros((POINTS, 3), np.float32)
    points[:MESH] = canonical() * size + [x, y, 0]
    points[MESH:] = points[[33] * 5 + [263] * 5]
    return points


@pytest.mark.parametrize(
    ("width", "height", "most"),
    [(1280, 720, 6), (720, 1280, 6), (64, 64, 1), (400, 400, 1), (540, 960, 6), (3840, 2160, 6), (8192, 300, 12)],
)
def test_tiles_cover_the_frame(width: int, height: int, most: int) -> None:
    tiles = tile_grid(width, height)
    seen = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in tiles:
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        seen[y0:y1, x0:x1] = True
    assert seen.all() and len(tiles) <= most


def test_anchors() -> None:
    found = anchors(((16, 2), (8, 6)))
    assert found.shape == (896, 2) and found.min() == 1 / 32 and found.max() == 31 / 32
    assert (found[0] == found[1]).all() and found[2, 0] > found[1, 0]


def test_overlap_and_suppress() -> None:
    boxes: F64 = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]], np.float64)
    assert overlap(boxes[0], boxes) == pytest.approx([1, 0.5, 0])
    points = np.repeat(boxes.reshape(3, 2, 2), 4, axis=1).reshape(3, 8, 2)
    points[:, :2] = boxes.reshape(3, 2, 2)
    kept, scores = suppress(points, np.array([0.6, 0.9, 0.7], np.float32))
    assert scores == pytest.approx([0.9, 0.7])
    assert kept[0, 1] == pytest.approx([10, (5 * 0.9 + 10 * 0.6) / 1.5])
    empty, none = suppress(np.zeros((0, 8, 2)), np.zeros(0, np.float32))
    assert empty.shape == (0, 8, 2) and none.shape == (0,)


def test_sigmoid_of_huge_values() -> None:
    assert sigmoid(np.array([-1e9, 0, 1e9], np.float32)) == pytest.approx([0, 0.5, 1])


def ramp(height: int, width: int) -> U8:
    """A picture whose red grows by .1 a column and whose green grows by .1 a row."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.stack([x * 0.1, y * 0.1, x * 0], -1).round(), np.uint8)


@pytest.mark.parametrize("step", [0.5, 1, 2.4, 2.6, 4, 7.3, 11])
def test_sample_keeps_places_at_every_scale(step: float) -> None:
    size, origin = 64, np.array([300.5, 420.0])
    matrix = np.array([[1 / step, 0, -origin[0] / step], [0, 1 / step, -origin[1] / step]])
    crop = sample(ramp(1500, 1400), matrix, size)
    middle = size // 2
    assert crop[middle, middle, :2] == pytest.approx((origin + middle * step) * 0.1, abs=1)


@pytest.mark.parametrize("centre", [(-500.0, 50.0), (0.0, 0.0), (5000.0, 5000.0)])
@pytest.mark.parametrize("side", [10.0, 900.0])
def test_sample_outside_the_frame_repeats_the_edge(centre: tuple[float, float], side: float) -> None:
    crop = sample(np.full((60, 80, 3), 7, np.uint8), Roi(*centre, side, 0.3).matrix(96), 96)
    assert crop.shape == (96, 96, 3) and (crop == 7).all()


def test_sample_averages_instead_of_aliasing() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = sample(stripes, Roi(320, 320, 600, 0).matrix(64), 64)
    assert crop.std() < 8 and crop.mean() == pytest.approx(100, abs=4)


def naive_sample(features: F32, matrix: F32, size: int) -> F32:
    """The operator as one would write it in a loop."""
    height, width, channels = features.shape
    out = np.zeros((size, size, channels), np.float32)
    for j in range(size):
        for i in range(size):
            x, y = matrix[:, :2] @ [i + 0.5, j + 0.5] + matrix[:, 2] - 0.5
            if 0 <= x <= width - 1 and 0 <= y <= height - 1:
                x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
                u, v = x - x0, y - y0
                top = features[y0, x0] * (1 - u) + features[y0, x0 + 1] * u
                low = features[y0 + 1, x0] * (1 - u) + features[y0 + 1, x0 + 1] * u
                out[j, i] = top * (1 - v) + low * v
    return out


def test_regions_are_sampled_as_the_operator_does() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(12, 10, 4)).astype(np.float32)
    matrices = np.array([[[0.5, 0.1, 1], [-0.1, 0.6, 2]], [[1, 0, -3], [0, 1, 4]]], np.float32)
    found = sample_regions(features, matrices, 8)
    for k in range(2):
        assert found[k] == pytest.approx(naive_sample(features, matrices[k], 8), abs=1e-4)
    assert (found[1] == 0).any()


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
def test_region_frames_its_points(angle: float) -> None:
    corner = np.array([[-2, -1], [2, -1], [2, 1], [-2, 1], [-2, 0], [2, 0]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mesh = (corner @ turn.T + [20, 30]).astype(np.float32)
    region = Region(np.arange(6), 4, 5, 0.0, (1.5, 2.0), 16)
    matrix = region_matrix(mesh, region)
    middle = matrix[:, :2] @ [8, 8] + matrix[:, 2]
    assert middle == pytest.approx([20, 30], abs=1e-4)
    right = matrix[:, :2] @ [16, 8] + matrix[:, 2] - middle
    assert right == pytest.approx(turn @ [3, 0], abs=1e-4)  # half of 4 wide, times 1.5


@pytest.fixture(scope="module")
def ready() -> None:
    clips.require_weights()


def test_split_is_cached_and_mended(ready: None, tmp_path: Path) -> None:
    first = load_split(folder=tmp_path)
    assert [len(region.points) for region in first.regions] == [80, 71, 71]
    (cached,) = tmp_path.glob("attention-*.npz")
    whole = cached.read_bytes()
    assert load_split(folder=tmp_path).first == first.first
    middle = len(whole) // 3
    broken = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    for damage in (b"", b"rubbish", whole[: len(whole) // 2], broken):
        cached.write_bytes(damage)
        again = load_split(folder=tmp_path)
        assert (again.first, again.second) == (first.first, first.second)
        assert cached.read_bytes() == whole
    assert not list(tmp_path.glob(".attention-*"))


def test_split_without_room_for_the_cache(ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, parts: attention.Split) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attention, "_write", full)
    assert load_split(folder=tmp_path).first


def test_split_refuses_another_model(ready: None) -> None:
    with pytest.raises(WeightsError, match="not the expected file"):
        split(ensure("face_detection_back").read_bytes())


@pytest.fixture(scope="module")
def man(ready: None, shared: Path) -> U8:
    return clips.pictures(shared / clips.MAN, 1)[0]


def test_detects_one_face(man: U8) -> None:
    (found,) = Detector()(man)
    left, top, right, bottom = found.box
    assert found.score > 0.8 and 120 < right - left < 260 and abs((right - left) - (bottom - top)) < 20
    eye_left, eye_right, nose, mouth = found.points[2:6]
    assert eye_left[0] < nose[0] < eye_right[0] and eye_left[1] < nose[1] < mouth[1]


def test_tiles_find_what_the_whole_frame_does_not(man: U8) -> None:
    small = clips.fit(man, 1280, 720, scale=22 / 190)
    assert not [d for d in Detector()(small) if d.score > 0.6]
    (found,) = [d for d in Detector("full").tiles(small) if d.score > 0.6]
    assert np.mean(found.box[::2]) == pytest.approx(640, abs=10)


def test_detector_kinds() -> None:
    with pytest.raises(ValueError, match="back, full"):
        Detector("front")  # type: ignore[arg-type]


def test_landmarks_lie_on_the_face_and_mirror(man: U8) -> None:
    from doublecast.faces.geometry import mirror

    landmarker, detector = Landmarker(), Detector()
    both = []
    for picture in (man, np.ascontiguousarray(man[:, ::-1])):
        mesh = landmarker(picture, Roi.of_detection(detector(picture)[0].points))
        assert mesh.presence > 0.95 and mesh.points.shape == (POINTS, 3) and mesh.crop.shape == (192, 192, 3)
        both.append(landmarker(picture, Roi.of_points(mesh.points)).points)
    flipped = both[1][:MESH][mirror()]
    across = float(np.linalg.norm(both[0][33, :2] - both[0][263, :2]))
    apart = both[0][:MESH, :2] - (flipped[:, :2] * [-1, 1] + [man.shape[1] - 1, 0])
    assert np.linalg.norm(apart, axis=1).mean() < 0.03 * across
    assert abs(apart[:, 0].mean()) < 1.5
    iris = both[0][MESH : MESH + 5, :2].mean(0)
    assert np.linalg.norm(iris - both[0][[33, 133], :2].mean(0)) < 0.15 * across


def test_landmarks_do_not_depend_on_rotation(man: U8) -> None:
    landmarker = Landmarker()
    points = landmarker(man, Roi.of_detection(Detector()(man)[0].points)).points
    roi = Roi.of_points(points)
    turned = np.ascontiguousarray(np.rot90(man))  # counter-clockwise: (x, y) -> (y, width - 1 - x)
    upright = landmarker(man, roi).points
    rolled = landmarker(turned, Roi(roi.y, man.shape[1] - 1 - roi.x, roi.size, roi.angle - np.pi / 2)).points
    back = np.stack([man.shape[1] - 1 - rolled[:, 1], rolled[:, 0]], -1)
    assert np.abs(back - upright[:, :2]).max() < 0.5


def test_nothing_is_no_face(ready: None) -> None:
    grey = np.full((300, 300, 3), 128, np.uint8)
    assert Detector()(grey) == [] and Detector("full").tiles(grey) == []
    assert Landmarker()(grey, Roi(150, 150, 200, 0)).presence < 0.5


def test_roi_follows() -> None:
    old = Roi(100, 100, 200, 3.1)
    far = Roi(150, 90, 220, -3.1)
    followed = old.follow(far)
    assert (followed.x, followed.y, followed.size) == (150, 90, 220)
    assert np.cos(followed.angle) == pytest.approx(np.cos(far.angle))
    near = old.follow(Roi(100.2, 100, 200, 3.1))
    assert 100 < near.x < 100.05


@pytest.mark.parametrize("blur", [0.7, 1.5, 3.0])
def test_sharpness_falls_with_blur(blur: float) -> None:
    rng = np.random.default_rng(2)
    noise = cv2.GaussianBlur(rng.integers(0, 255, (240, 300, 3), np.uint8), (0, 0), 1)
    soft = cv2.GaussianBlur(noise, (0, 0), blur)
    points = face_points()
    assert quality.sharpness(np.asarray(soft, np.uint8), points) < quality.sharpness(
        np.asarray(noise, np.uint8), points
    )


def test_sharpness_ignores_brightness_and_contrast(man: U8) -> None:
    points = Landmarker()(man, Roi.of_detection(Detector()(man)[0].points)).points
    dim = np.asarray(man * 0.5 + 20, np.uint8)
    assert quality.sharpness(dim, points) == pytest.approx(quality.sharpness(man, points), rel=0.1)


@pytest.mark.parametrize(("x", "y"), [(-500, 100), (150, -400), (9000, 9000)])
def test_sharpness_outside_the_frame(x: float, y: float) -> None:
    assert quality.sharpness(np.zeros((240, 300, 3), np.uint8), face_points(x=x, y=y)) == 0


def test_flat_face_is_not_sharp() -> None:
    assert quality.sharpness(np.full((240, 300, 3), 90, np.uint8), face_points()) == 0


def test_openings() -> None:
    points = face_points()
    points[[159, 158, 160], :2] = points[[145, 153, 144], :2]  # image-left lids meet
    left, right = quality.eyes(points)
    assert left == 0 and right > 0.1
    points[[14, 87, 317], :2] = points[[13, 82, 312], :2] + [0, 5]
    width = np.linalg.norm(points[78, :2] - points[308, :2])
    assert quality.mouth(points) == pytest.approx(5 / width, rel=1e-3)


def test_chip_is_upright_and_centred() -> None:
    matrix = chip_matrix(face_points())
    assert matrix[0, 0] == pytest.approx(matrix[1, 1]) and matrix[0, 1] == pytest.approx(-matrix[1, 0])
    eyes = face_points()[[33, 263], :2] @ matrix[:, :2].T + matrix[:, 2]
    assert eyes[:, 0] == pytest.approx([37, 111], abs=8) and eyes[:, 1] == pytest.approx([46, 46], abs=8)


def test_same_person_is_near_and_others_are_far(ready: None, shared: Path) -> None:
    landmarker, detector, embedder = Landmarker(), Detector(), Embedder()
    vectors: list[F32] = []
    for name in (clips.MAN, clips.GRID_MAN, clips.GRID_WOMAN):
        pixels = clips.pictures(shared / name, 31)[::10]
        points = [landmarker(p, Roi.of_detection(detector(p)[0].points)).points for p in pixels]
        vectors.append(embedder.embed(list(zip(pixels, points, strict=True))))
    for v in vectors:
        assert v.shape == (4, 128) and v.dtype == np.float32
        assert max(distance(a, b) for a, b in pairwise(v)) < 0.35
    for k in range(3):
        assert distance(vectors[k].mean(0), vectors[k - 1].mean(0)) > SAME


def test_batches_agree_and_threads_are_given_back(man: U8) -> None:
    threads = torch.get_num_threads()
    points = Landmarker()(man, Roi.of_detection(Detector()(man)[0].points)).points
    chips = [chip(man, points), chip(man, points)[:, ::-1].copy(), chip(man[::-1].copy(), points)]
    assert np.abs(Embedder(batch=2).embed_chips(chips) - Embedder().embed_chips(chips)).max() < 1e-4
    assert Embedder().embed([]).shape == (0, 128)
    assert torch.get_num_threads() == threads


def test_dlib_file_of_another_kind() -> None:
    with pytest.raises(WeightsError, match="not the expected file"):
        DlibResNet(json.dumps({"a": 1}).encode())
