"""The target's jaw: what is about the lower face moves, and nothing else."""

import numpy as np
import people
import pytest

from doublecast.film import outline, shape
from doublecast.types import F32, MESH, U8, Patch
from doublecast.video import composite

CHIN, FOREHEAD, EYE, JAW = 152, 10, 33, 172
SIDE = 360


def shapes(longer: float = 0.0) -> tuple[shape.Shape, shape.Shape]:
    """An actor, and a target whose chin is so much lower, in canonical units."""
    actor = shape.learn(people.face(people.head(yaw)) for yaw in (-8, 0, 8))
    low = np.clip(actor.neutral[:, 1], 0, None)
    target = actor.neutral.copy()
    target[:, 1] += longer * low / low.max()
    return actor, shape.Shape(target)


def drawn() -> Patch:
    """A face that was drawn as it was."""
    return Patch(100, 100, np.full((40, 40, 3), 90, np.uint8), np.zeros((40, 40), np.bool_))


def lines() -> U8:
    """A picture of a brightness that grows downwards, so that a pixel's value says where it came from."""
    rows = np.linspace(0, 255, SIDE, dtype=np.float32)[:, None]
    return np.repeat(np.broadcast_to(rows, (SIDE, SIDE))[..., None], 3, axis=2).astype(np.uint8)


def moved(step: F32, points: F32, frame: U8, patch: Patch | None = None) -> U8:
    patch = patch or drawn()
    over = outline.moved(frame, [patch], points[:MESH], step, people.face(points).size)
    return composite(frame, [patch] if over is None else [patch, over])


def test_a_longer_chin_goes_down_and_eyes_and_forehead_stay() -> None:
    points = people.head()
    step = outline.steps(people.face(points), *shapes(0.1))
    assert step.shape == (MESH, 2) and step.dtype == np.float32
    assert step[CHIN, 1] > 4 and abs(step[CHIN, 0]) < 0.5
    assert not step[[FOREHEAD, EYE]].any()
    assert 0 < step[JAW, 1] < step[CHIN, 1]
    assert np.abs(outline.steps(people.face(points), *shapes())).max() < 1e-4


def test_it_turns_with_the_head() -> None:
    points = people.head()
    lying = points.copy()
    lying[:, 0], lying[:, 1] = SIDE - points[:, 1], points[:, 0]
    upright, turned = (outline.steps(people.face(p), *shapes(0.1)) for p in (points, lying))
    assert turned[CHIN, 0] == pytest.approx(-upright[CHIN, 1], abs=0.1) and abs(turned[CHIN, 1]) < 0.5


def test_no_chin_goes_further_than_a_part_of_the_face() -> None:
    face = people.face(people.head())
    step = outline.steps(face, *shapes(3.0))
    assert np.linalg.norm(step, axis=1).max() == pytest.approx(shape.FURTHEST * face.size, rel=1e-3)


def test_the_frame_moves_with_the_chin_and_less_further_away() -> None:
    points = people.head()
    step = outline.steps(people.face(points), *shapes(0.1))
    frame = lines()
    out = moved(step, points, frame)
    x, y = (points[CHIN, :2] + step[CHIN]).round().astype(int)
    size = people.face(points).size
    by = (frame[:, x, 0].astype(int) - out[:, x, 0]) * (SIDE - 1) / 255
    assert by[y] == pytest.approx(step[CHIN, 1], abs=2.5)
    beyond = by[y:]
    assert (np.diff(beyond) <= 2).all() and not beyond[round(outline.FADES * size) + 2 :].any()
    eyes = round(float(points[EYE, 1]))
    assert np.array_equal(out[: eyes + 1], frame[: eyes + 1])


def test_what_was_drawn_moves_along() -> None:
    points = people.head()
    step = outline.steps(people.face(points), *shapes(0.1))
    x, y = points[CHIN, :2].round().astype(int)
    mark = Patch(x - 3, y - 3, np.full((7, 7, 3), 255, np.uint8), np.ones((7, 7), np.bool_))
    out = moved(step, points, np.zeros((SIDE, SIDE, 3), np.uint8), mark)
    rows = np.nonzero(out[:, x, 0] > 128)[0]
    assert rows.mean() == pytest.approx(y + step[CHIN, 1], abs=1.5)


def test_nothing_moves_for_the_same_jaw() -> None:
    points = people.head()
    assert outline.moved(lines(), [], points[:MESH], np.zeros((MESH, 2), np.float32), 100) is None


@pytest.mark.parametrize(
    ("to", "seen"),
    [
        ((0, 0), True),
        ((350, 250), True),
        ((-30, 120), True),
        ((120, 330), True),
        ((180, -60), True),
        ((180, 700), False),
        ((-900, -900), False),
        ((4000, 0), False),
    ],
)
def test_faces_at_the_frame_s_edge_and_beyond(to: tuple[int, int], seen: bool) -> None:
    points = people.head(centre=to)
    step = outline.steps(people.face(points), *shapes(0.1))
    over = outline.moved(lines(), [], points[:MESH], step, people.face(points).size)
    assert (over is not None) == seen
    if over is not None:
        assert over.x >= 0 and over.y >= 0
        assert over.x + over.mask.shape[1] <= SIDE and over.y + over.mask.shape[0] <= SIDE


def test_a_chin_that_leaves_the_frame_moves_the_rest_all_the_same() -> None:
    points = people.head()
    step = outline.steps(people.face(points), *shapes(0.1))
    whole = moved(step, points, lines())
    cut = round(float(points[CHIN, 1])) - 10
    assert np.abs(moved(step, points, lines()[:cut])[: cut - 12].astype(int) - whole[: cut - 12]).max() <= 1


def test_what_is_about_a_head_that_hardly_moves_hardly_moves() -> None:
    """By less than the head itself, with no steps of pixels or of the grid."""
    points = people.head(scale=110)
    face = people.face(points)
    step = outline.steps(face, *shapes(0.1))
    found = []
    for k in range(8):
        shift = np.array([0.37, 0.53], np.float32) * k
        corner, (across, down) = outline._movements(points[:MESH, :2] + step + shift, step, face.size)
        assert corner - shift == pytest.approx(outline._movements(points[:MESH, :2] + step, step, face.size)[0])
        found.append(np.stack([across, down]))
    assert np.std(found, axis=0).max() < 0.01
    x, y = (points[CHIN, :2] + step[CHIN] + (0, 8)).round().astype(int)
    wave = np.rint(120 + 100 * np.sin(np.arange(SIDE) / 12))[:, None, None].astype(np.uint8)
    frame = np.broadcast_to(wave, (SIDE, SIDE, 3)).copy()
    moving = []
    for k in range(8):
        patch = outline.moved(frame, [], points[:MESH, :2] + np.array([0.37, 0], np.float32) * k, step, face.size)
        assert patch is not None
        moving.append(float(patch.pixels[y - patch.y, x - patch.x, 0]))
    assert np.ptp(moving) <= 3, "a head that moves to the side leaves a picture of rows as it is"
