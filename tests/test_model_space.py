"""Texture space: what is unwrapped can be drawn back, and hidden skin neither trains nor paints."""

import cv2
import numpy as np
import people
import pytest

from doublecast.faces.geometry import OVAL
from doublecast.model.space import draw, fade, importance, inside, layout, places, rasterise, sample, unwrap
from doublecast.types import MESH


def test_layout_is_symmetric_and_has_no_folded_triangle() -> None:
    assert people.symmetric()
    uv, triangles = layout().uv, layout().triangles
    a, b, c = (uv[triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all()
    assert uv.min() >= 0 and uv.max() <= 1
    assert set(OVAL.tolist()) <= set(np.unique(triangles).tolist()) <= set(range(MESH))


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-25, 10), (0, -20)])
@pytest.mark.parametrize("size", [96, 192])
def test_what_is_drawn_can_be_unwrapped_again(yaw: float, pitch: float, size: int) -> None:
    truth = people.skin(1, size)
    points = people.head(yaw, pitch)
    texture, visible = unwrap(people.picture(points, truth), points, size)
    seen = (visible > 250) & (fade(size) > 0.5)
    error = np.abs(texture / 255 - truth)[seen]
    assert seen.mean() > 0.25
    assert error.mean() < 0.015


def test_the_far_cheek_of_a_turned_head_is_hidden() -> None:
    size = 96
    _, visible = unwrap(np.zeros((256, 256, 3), np.uint8), people.head(55), size)
    left, right = visible[:, : size // 4], visible[:, -size // 4 :]
    shares = sorted([(left > 128).sum() / (inside(size)[:, : size // 4] > 0).sum(), (right > 128).mean()])
    assert shares[0] < 0.1 < shares[1]


def test_texels_outside_the_picture_are_hidden() -> None:
    _, whole = unwrap(np.zeros((256, 256, 3), np.uint8), people.head(), 96)
    _, half = unwrap(np.zeros((256, 256, 3), np.uint8), people.head(centre=(0, 128)), 96)
    assert (whole[:, :40] > 128).sum() > 500
    assert (half[:, :40] > 128).sum() == 0
    assert (half[:, 56:] > 128).sum() > 500


@pytest.mark.parametrize("centre", [(-400.0, 128.0), (128.0, 900.0)])
def test_a_mesh_outside_the_frame_is_not_drawn(centre: tuple[float, float]) -> None:
    assert draw(people.head(centre=centre), (256, 256)) is None


def test_a_large_mesh_is_drawn_at_full_size() -> None:
    drawing = draw(people.head(scale=400, centre=(500, 500)), (1000, 1000), resolution=200)
    assert drawing is not None
    assert drawing.uv.shape[:2] == drawing.cover.shape
    assert max(drawing.cover.shape) > 600
    nose = drawing.uv[500 - drawing.y, 500 - drawing.x]
    assert np.abs(nose - layout().uv[[1, 4, 5, 195]].mean(0)).max() < 0.1


@pytest.mark.parametrize("yaw", [0, 30])
def test_no_line_is_drawn_along_the_outline_of_a_large_face(yaw: float) -> None:
    """Where a mesh ends, texture coordinates are those of its edge, where a face has faded out."""
    drawing = draw(people.head(yaw=yaw, scale=400, centre=(500, 500)), (1000, 1000), resolution=200)
    assert drawing is not None
    outline = (drawing.cover > 0.02) & (cv2.erode((drawing.cover > 0).astype(np.uint8), np.ones((5, 5))) == 0)
    assert outline.sum() > 1000
    alpha = sample(fade(128), drawing.uv) * drawing.cover
    assert alpha.max() == pytest.approx(1, abs=0.01)
    assert alpha[outline].mean() < 0.02 and np.quantile(alpha[outline], 0.9) < 0.01


@pytest.mark.parametrize("scale", [40, 130])
def test_the_outline_of_a_turned_head_is_no_stair(scale: float) -> None:
    drawing = draw(people.head(yaw=30, scale=scale, centre=(250, 250)), (500, 500))
    assert drawing is not None
    alpha = sample(fade(128), drawing.uv) * drawing.cover
    assert np.abs(np.diff(alpha[len(alpha) // 4 : -len(alpha) // 4], axis=1)).max() < 0.6


@pytest.mark.parametrize("yaw", [20, 30, 40])
def test_little_shines_through_the_outline_of_a_turned_head(yaw: float) -> None:
    drawing = draw(people.head(yaw=yaw, scale=200, centre=(250, 250)), (500, 500))
    assert drawing is not None
    far = drawing.cover[len(drawing.cover) // 4 : -len(drawing.cover) // 4, : drawing.cover.shape[1] // 2]
    width = ((far > 0.05) & (far < 0.8)).sum(1).mean()
    assert 1.5 < width < 6, "pixels: 8 to 12 by the angles alone"


def test_later_triangles_win() -> None:
    points = np.array([[0, 0], [9, 0], [0, 9], [9, 9]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 1, 3]], np.int32)
    first = rasterise(points, triangles, np.array([0, 1], np.int32), (10, 10))
    second = rasterise(points, triangles, np.array([1, 0], np.int32), (10, 10))
    assert first[1, 5] == 1 and second[1, 5] == 0


def test_importance_and_fade_end_at_the_oval() -> None:
    size = 96
    assert importance(size).max() > 2.5 and (importance(size)[inside(size) == 0] == 0).all()
    rim = np.round(layout().uv[OVAL] * size - 0.5).astype(int).clip(0, size - 1)
    assert fade(size)[rim[:, 1], rim[:, 0]].max() < 0.05
    assert fade(size)[size // 2, size // 2] == 1


def test_places_are_where_the_mesh_says() -> None:
    points = people.head(20)
    where = places(points, 512)
    assert where.shape == (512, 512, 2) and where.dtype == np.float32
    uv = layout().uv
    for corner in (4, 17, 33, 61, 152, 195, 263):
        x, y = np.clip((uv[corner] * 512 - 0.5).round().astype(int), 0, 511)
        if inside(512)[y, x]:
            assert np.abs(where[y, x] - points[corner, :2]).max() < 0.5
    assert np.allclose(places(points + np.array([5, 7, 0], np.float32), 512) - where, [5, 7], atol=1e-3)
