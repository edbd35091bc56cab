"""Dragged landmarks: they go where they are put, their neighbourhood follows, the rest stays."""

import numpy as np
import pytest
from people import LOWER_LIP, UPPER_LIP, head

from doublecast.faces.drag import HANDLES, moved
from doublecast.faces.geometry import OVAL
from doublecast.types import F32, MESH


def shift(points: F32, *dragged: int, by: tuple[float, float] = (6, -4)) -> F32:
    """How far each landmark moves, float32 (478, 2), when some are dragged."""
    handles = {n: (float(points[n, 0] + by[0]), float(points[n, 1] + by[1])) for n in dragged}
    return np.asarray((moved(points, handles) - points)[:, :2], np.float32)


@pytest.mark.parametrize("n", [n for n in HANDLES if n < MESH])
def test_a_handle_goes_where_it_is_put_and_its_surroundings_follow(n: int) -> None:
    points = head(yaw=12, mouth=0.05)
    found = shift(points, n)
    assert found[n] == pytest.approx([6, -4], abs=1e-3)
    strength = found[:, 0] / 6
    assert strength.min() > -1e-3 and strength.max() < 1 + 1e-3
    away = np.linalg.norm(points[:MESH] - points[n], axis=1) / 90
    assert strength[:MESH][away > 0.5].max() < 0.1 and not strength[:MESH][away > 1.65].any()
    assert (strength[:MESH][away < 0.2] > 0.2).sum() >= 2
    assert np.array_equal(moved(points, {})[:, 2], points[:, 2])


def test_all_handles_together_move_the_face() -> None:
    points = head()
    found = shift(points, *HANDLES)
    assert found[:, 0].mean() > 4.8 and found[[33, 13, 152, 468, 471], 0] == pytest.approx(6, 1e-3)
    assert found[:, 0].min() > 1 and found[:, 0].max() < 7


def test_lips_and_lids_part() -> None:
    points = head(mouth=0.02)
    upper = np.abs(shift(points, 13, by=(0, -5))[:, 1])
    assert upper[UPPER_LIP].mean() > 2 and upper[LOWER_LIP].mean() < 0.6
    lids = np.abs(shift(points, 159, by=(0, -5))[:, 1])
    assert lids[[160, 158]].min() > 2 and lids[[145, 144, 153]].max() < 0.5
    opened = moved(points, {13: (128, float(points[13, 1]) - 4), 14: (128, float(points[14, 1]) + 6)})
    assert (opened - points)[[13, 14], 1] == pytest.approx([-4, 6], abs=1e-3)


def test_irises() -> None:
    points = head()
    alone = shift(points, 468)
    assert alone[468:473] == pytest.approx(np.tile([6, -4], (5, 1))) and not np.delete(alone, range(468, 473), 0).any()
    with_eye = shift(points, 33, 133, 159, 145)
    assert with_eye[468:473] == pytest.approx(np.tile([6, -4], (5, 1)), abs=1e-3) and with_eye[473:, 0].max() < 1
    assert np.abs(shift(points, 159)[468:473]).max() < 1.5
    rim = shift(points, 470)
    assert rim[470] == pytest.approx([6, -4]) and np.count_nonzero(rim.any(1)) == 1


def test_handles_are_landmarks() -> None:
    assert len(set(HANDLES)) == len(HANDLES) == 35 and set(HANDLES) & set(OVAL.tolist())
    for wrong in (-1, 478):
        with pytest.raises(ValueError, match=f"no landmark {wrong}"):
            moved(head(), {wrong: (0, 0)})
