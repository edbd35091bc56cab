"""Metrics on made-up faces with known answers, and the floor of the rendered performers."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from doublecast import fidelity, metrics
from doublecast.faces import geometry
from doublecast.faces.geometry import align, canonical, pose
from doublecast.metrics import Measure, Sample, Truth
from doublecast.types import F32, F64, MESH, POINTS, U8, VECTOR, Crop, Face


def turn(yaw: float, pitch: float, roll: float) -> F64:
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float64)


def head(
    *,
    angles: tuple[float, float, float] = (0, 0, 0),
    size: float = 90,
    jaw: float = 0,
    look: float = 0,
    wide: float = 1,
) -> F32:
    """Points (478, 3): ``jaw`` moves the lower inner lip down, ``look`` the irises to the right, in own units."""
    shape = np.zeros((POINTS, 3))
    shape[:MESH] = canonical() * [wide, 1, 1]
    shape[[14, 87, 317, 88, 178, 318, 402, 95, 324], 1] += jaw
    for iris, left, right in ((468, 33, 133), (473, 362, 263)):
        shape[iris : iris + 5] = (shape[left] + shape[right]) / 2
        shape[iris : iris + 5] += look * (shape[right] - shape[left])
    return (size * shape @ turn(*angles).T + [128, 140, 5]).astype(np.float32)


def face(points: F32, *, vector: F32 | None = None, eyes: float = 0.3, sharpness: float = 0.3) -> Face:
    return Face(points, 0, 1.0, pose(points), (eyes, eyes), 0.0, sharpness, vector)


def vectors(seed: int, n: int, *, spread: float = 0.02) -> F32:
    """A cluster of ``n`` identity vectors of unit length."""
    centre = np.random.default_rng(seed).normal(size=VECTOR)
    cloud = centre / np.linalg.norm(centre) + spread * np.random.default_rng(seed + 100).normal(size=(n, VECTOR))
    return cloud.astype(np.float32)


def noise(seed: int, side: int = 64) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def crop(points: F32, pixels: U8) -> Crop:
    return Crop(pixels, align(points, size=pixels.shape[0]))


def film_of(n: int, *, seed: int, vector: F32 | None, pixels: Callable[[int], U8]) -> list[Sample]:
    out: list[Sample] = []
    for k in range(n):
        points = head(angles=(3 * k, 0, 0), jaw=0.02 * (k % 3))
        out.append((face(points, vector=None if vector is None else vector[k]), crop(points, pixels(seed + k))))
    return out


# ---------------------------------------------------------------------------------------------------- identity
def test_gallery_distance_is_the_mean_distance() -> None:
    gallery = np.zeros((2, VECTOR), np.float32)
    gallery[0, 0], gallery[1, 1] = 3, 4
    assert metrics.gallery_distance(np.zeros((1, VECTOR), np.float32), gallery) == pytest.approx([3.5])
    assert metrics.gallery_distance(gallery, gallery, leave_out=True) == pytest.approx([5, 5])
    assert metrics.gallery_distance(gallery, gallery) == pytest.approx([2.5, 2.5])


@pytest.mark.parametrize(
    ("shape", "dtype", "gallery", "leave_out", "message"),
    [
        ((3, 64), np.float32, 2, False, "float32 anyx128"),
        ((3, VECTOR), np.float64, 2, False, "float32"),
        ((3, VECTOR), np.float32, 0, False, "a gallery needs a vector"),
        ((3, VECTOR), np.float32, 3, True, "pass the same array twice"),
    ],
)
def test_gallery_distance_refuses(
    shape: tuple[int, int], dtype: type, gallery: int, leave_out: bool, message: str
) -> None:
    other = np.zeros((gallery, VECTOR), np.float32)
    with pytest.raises(ValueError, match=message):
        metrics.gallery_distance(np.zeros(shape, dtype), other, leave_out=leave_out)


def test_one_vector_cannot_be_left_out() -> None:
    alone = vectors(1, 1)
    with pytest.raises(ValueError, match="two vectors"):
        metrics.gallery_distance(alone, alone, leave_out=True)


def test_nearer_rate() -> None:
    assert metrics.nearer_rate(np.array([0.1, 0.5]), np.array([0.5, 0.1])) == 0.5
    for bad in (np.zeros(0), np.zeros(3)):
        with pytest.raises(ValueError, match="same faces"):
            metrics.nearer_rate(bad, np.zeros(0))


# ------------------------------------------------------------------------------------- expression, pose and gaze
@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (-20, 12, 8), (0, -25, -15)])
@pytest.mark.parametrize("size", [40, 220])
def test_pose_and_size_are_no_expression(angles: tuple[float, float, float], size: float) -> None:
    still, moved = face(head(jaw=0.05)), face(head(angles=angles, size=size, jaw=0.05))
    assert metrics.expression_error(still, moved) < 1e-3
    assert metrics.normalise(moved.points) == pytest.approx(canonical(), abs=0.06)


def test_expression_error_grows_with_the_movement() -> None:
    errors = [metrics.expression_error(face(head()), face(head(jaw=jaw, angles=(10, 5, 0)))) for jaw in (0, 0.05, 0.1)]
    moved, every = 9, len(metrics.EXPRESSIVE)
    assert errors == pytest.approx([0, 0.05 * moved / every, 0.1 * moved / every], abs=1e-4)


def test_another_shape_is_no_expression_when_rest_is_known() -> None:
    mine = [face(head(jaw=jaw)) for jaw in (0.0, 0.0, 0.1)]
    broad = [face(head(jaw=jaw, wide=1.15)) for jaw in (0.0, 0.0, 0.1)]
    rests = metrics.rest_shape(mine), metrics.rest_shape(broad)
    assert metrics.expression_error(mine[0], broad[0]) > 0.02
    assert metrics.expression_error(mine[0], broad[0], rest=rests[0], other_rest=rests[1]) == pytest.approx(0, abs=1e-6)
    assert metrics.expression_error(mine[2], broad[2], rest=rests[0], other_rest=rests[1]) < 0.005
    with pytest.raises(ValueError, match="both faces or of neither"):
        metrics.expression_error(mine[0], broad[0], rest=rests[0])
    with pytest.raises(ValueError, match="at least one face"):
        metrics.rest_shape([])


@pytest.mark.parametrize(
    ("angles", "degrees"), [((0, 0, 0), 0), ((20, 0, 0), 20), ((0, -15, 0), 15), ((0, 0, 7), 7), ((90, 0, 0), 90)]
)
def test_pose_error_is_the_angle_between(angles: tuple[float, float, float], degrees: float) -> None:
    assert metrics.pose_error(face(head()), face(head(angles=angles))) == pytest.approx(degrees, abs=0.05)


def test_pose_errors_take_the_constant_part_out() -> None:
    poses: list[tuple[float, float, float]] = [(-20, 0, 0), (0, 5, 0), (25, 0, 5), (10, -10, 0)]
    actor = [face(head(angles=angles)) for angles in poses]
    nodding = head().astype(np.float64) @ turn(0, 6, 0).T
    film = [face((nodding @ turn(*angles).T).astype(np.float32)) for angles in poses]
    errors, offset = metrics.pose_errors(film, actor)
    assert offset == pytest.approx(6, abs=0.05)
    assert errors == pytest.approx(np.zeros(4), abs=0.05)
    shaken = [face(head(angles=(yaw + 3 * (-1) ** k, pitch, roll))) for k, (yaw, pitch, roll) in enumerate(poses)]
    assert metrics.pose_errors(shaken, actor)[0].mean() == pytest.approx(3, abs=0.2)
    for bad in ([], actor[:2]):
        with pytest.raises(ValueError, match="same frames"):
            metrics.pose_errors(bad, actor if bad else [])


@pytest.mark.parametrize("angles", [(0, 0, 0), (0, 0, 25)])
def test_gaze(angles: tuple[float, float, float]) -> None:
    ahead, aside = face(head(angles=angles)), face(head(angles=angles, look=0.15))
    assert geometry.gaze(ahead.points) == pytest.approx(np.zeros((2, 2)), abs=1e-4)
    assert geometry.gaze(aside.points)[:, 0] == pytest.approx([0.15, 0.15], abs=1e-3)
    errors, constant = metrics.gaze_errors([aside, aside, ahead], [ahead, ahead, ahead])
    assert constant == pytest.approx(0.15, abs=1e-3)
    assert errors == pytest.approx([0, 0, 0.15], abs=1e-3)
    assert len(metrics.gaze_errors([ahead], [face(head(), eyes=0.05)])[0]) == 0


def test_landmarks_of_another_shape_are_refused() -> None:
    for function in (geometry.gaze, metrics.normalise):
        with pytest.raises(ValueError, match="478x3"):
            function(np.zeros((MESH, 3), np.float32))


# ---------------------------------------------------------------------------------------------------- pictures
def test_restlessness_needs_three_frames_in_a_row() -> None:
    points = head()
    ramp = [crop(points, np.full((64, 64, 3), 40 + 5 * k, np.uint8)) for k in range(6)]
    blink = [crop(points, np.full((64, 64, 3), 40 + 10 * (k % 2), np.uint8)) for k in range(6)]
    assert metrics.restlessness(ramp) == pytest.approx(0)  # steady change is no flicker
    assert metrics.restlessness(blink) == pytest.approx(20)
    assert metrics.restlessness(blink, [0, 1, 5, 6, 10, 11]) is None
    assert metrics.restlessness(blink[:2]) is None
    with pytest.raises(ValueError, match="as many frame numbers"):
        metrics.restlessness(blink, [0, 1])


def test_psnr_and_ssim_of_known_pairs() -> None:
    picture, mask = noise(1), np.zeros((64, 64), np.bool_)
    mask[8:40, 8:40] = True
    assert fidelity.psnr(picture, picture, mask) == float("inf")
    assert fidelity.ssim(picture, picture, mask) == pytest.approx(1)
    grey = np.full((64, 64, 3), 100, np.uint8)
    assert fidelity.psnr(grey, grey + np.uint8(5), mask) == pytest.approx(20 * np.log10(255 / 5))
    outside = picture.copy()
    outside[50:] = 0  # beyond the reach of the window, so it does not count
    assert fidelity.psnr(outside, picture, mask) == float("inf")
    assert fidelity.ssim(outside, picture, mask) == pytest.approx(1)
    assert fidelity.ssim(noise(2), picture, mask) < 0.1
    constant = (2 * 100 * 105 + 6.5025) / (100**2 + 105**2 + 6.5025)  # no variance: only the luminance term is left
    assert fidelity.ssim(grey, grey + np.uint8(5), mask) == pytest.approx(constant)


@pytest.mark.parametrize(
    ("truth", "mask", "message"),
    [
        (np.zeros((64, 32, 3), np.uint8), np.ones((64, 64), np.bool_), "truth must be"),
        (np.zeros((64, 64, 3), np.float32), np.ones((64, 64), np.bool_), "truth must be"),
        (np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.uint8), "mask must be bool"),
        (np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.bool_), "mask is empty"),
    ],
)
def test_pictures_that_cannot_be_compared(
    truth: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], message: str
) -> None:
    for function in (fidelity.psnr, fidelity.ssim):
        with pytest.raises(ValueError, match=message):
            function(noise(1), truth, mask)


# ---------------------------------------------------------------------------------------------------- whole films
def by_name(found: list[Measure]) -> dict[str, Measure]:
    assert len({m.name for m in found}) == len(found)
    return {m.name: m for m in found}


def test_a_perfect_film_reaches_the_ceiling() -> None:
    n, target, own = 8, vectors(2, 12), vectors(1, 8)
    actor = film_of(n, seed=10, vector=own, pixels=noise)
    film = film_of(n, seed=50, vector=target[:n], pixels=noise)
    truth = Truth(film, [np.ones((64, 64), np.bool_)] * n)
    found = by_name(metrics.measure_film(film, actor, target, target=film, truth=truth))
    near = found["identity: nearer to the target"]
    assert (near.value, near.floor, near.ceiling) == (100, 0, 100)
    distance = found["identity: distance to the target"]
    assert distance.floor is not None and distance.value < 0.5 < distance.floor
    for name in ("expression error", "pose error", "gaze error"):
        assert found[name].value == pytest.approx(0, abs=1e-5), name
    assert found["flicker"].value == pytest.approx(1, abs=0.1)
    assert found["flicker"].ceiling == pytest.approx(found["flicker"].value)
    assert found["sharpness"].value == 1
    assert found["SSIM against the truth"].value == pytest.approx(1)
    floor = found["SSIM against the truth"].floor
    assert floor is not None and floor < 0.1


@pytest.mark.parametrize("side", [11, 32, 96, 200])
def test_ms_ssim(side: int) -> None:
    picture = noise(1, side)
    mask = np.zeros((side, side), np.bool_)
    mask[side // 4 : -side // 4, side // 4 : -side // 4] = True
    assert fidelity.ms_ssim(picture, picture, mask) == pytest.approx(1)
    outside = picture.copy()
    outside[:2] = 0
    if side > 32:
        assert fidelity.ms_ssim(outside, picture, mask) > 0.95  # coarse windows reach over the edge
    assert fidelity.ms_ssim(noise(2, side), picture, mask) < 0.3


def test_ms_ssim_forgives_a_shift_more_than_ssim() -> None:
    ramp = np.kron(np.random.default_rng(3).integers(0, 256, (25, 25)), np.ones((8, 8)))
    picture = np.repeat(ramp[..., None], 3, 2).astype(np.uint8)
    mask, moved = np.ones((200, 200), np.bool_), np.roll(picture, 1, 1)
    assert fidelity.ms_ssim(moved, picture, mask) > fidelity.ssim(moved, picture, mask)


def test_the_unswapped_actor_is_the_floor() -> None:
    own = vectors(1, 8)
    actor = film_of(8, seed=10, vector=own, pixels=noise)
    found = by_name(metrics.measure_film(actor, actor, vectors(2, 12)))
    for name in ("identity: nearer to the target", "identity: distance to the target", "flicker", "sharpness"):
        assert found[name].value == found[name].floor, name
    assert found["flicker"].ceiling is None
    assert "SSIM against the truth" not in found


def test_measures_without_material_are_left_out() -> None:
    film = film_of(2, seed=1, vector=None, pixels=noise)
    for target in (None, vectors(2, 5), np.zeros((0, VECTOR), np.float32)):
        names = set(by_name(metrics.measure_film(film, film, target)))
        assert names == {"expression error", "pose error", "gaze error", "sharpness"}
    shut = [(face(f.points, eyes=0.01), c) for f, c in film]
    assert "gaze error" not in by_name(metrics.measure_film(shut, film, None))


def test_film_and_actor_must_match() -> None:
    film = film_of(3, seed=1, vector=None, pixels=noise)
    small = film_of(3, seed=1, vector=None, pixels=lambda seed: noise(seed, 48))
    mask = np.ones((64, 64), np.bool_)
    cases: list[tuple[list[Sample], list[Sample], Truth | None, str]] = [
        ([], [], None, "same frames"),
        (film, film[:2], None, "same frames"),
        (film, small, None, "actor's alignments"),
        (film, film, Truth(film[:2], [mask] * 2), "must have 3 frames"),
        (film, film, Truth(film, [mask] * 2), "must have 3 frames"),
    ]
    for one, other, truth, message in cases:
        with pytest.raises(ValueError, match=message):
            metrics.measure_film(one, other, None, truth=truth)


def _first_frames(path: Path, count: int) -> list[U8]:
    with av.open(str(path)) as film:
        frames = film.decode(video=0)
        return [np.asarray(next(frames).to_ndarray(format="rgb24"), np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("pair", "floor"), [(1, 22.7), (2, 18.8), (3, 21.2), (4, 14.9)])
def test_floor_of_the_performers(shared: Path, pair: int, floor: float) -> None:
    """The renderer's README gives these figures for whole films; thirty frames come within 1.5 dB of them."""
    clips = shared / "performers" / "clips"
    actor, truth = (_first_frames(clips / f"pair{pair}_perf1_{side}.mp4", 30) for side in ("A", "swap"))
    with np.load(clips / f"pair{pair}_perf1_swap.npz", allow_pickle=False) as data:
        packed = data["mask"][:30]
    scores = []
    for k in range(0, 30, 5):
        mask = np.unpackbits(packed[k])[: 512 * 512].reshape(512, 512).astype(np.bool_)
        scores.append(fidelity.psnr(actor[k], truth[k], mask))
    assert np.mean(scores) == pytest.approx(floor, abs=1.5)
