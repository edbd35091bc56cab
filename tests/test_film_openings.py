"""What stays the actor's between lips and lids."""

import numpy as np
import people
import pytest

from doublecast.film import openings, shape
from doublecast.film.composite import blend
from doublecast.film.openings import Openings
from doublecast.model.space import Drawing, draw, fade, places
from doublecast.types import F32, U8

OPEN = people.head(mouth=0.12)
NOTHING: F32 = np.zeros((128, 128), np.float32)


def rest() -> shape.Shape:
    return shape.learn([people.face(people.head(yaw)) for yaw in (-5, 0, 5)])


def drawing_of(points: F32) -> Drawing:
    drawing = draw(points, (256, 256))
    assert drawing is not None
    return drawing


def shut(points: F32, lids: int) -> F32:
    """With one pair of lids closed."""
    closed = points.copy()
    upper, lower, _ = shape.LIDS[lids]
    closed[upper, 1] = closed[lower, 1]
    return closed


def test_a_closed_mouth_and_open_eyes_leave_nothing() -> None:
    face = people.face(people.head(), mouth=0.0)
    found = openings.openings(face, rest())
    assert found == Openings(0, 0, 0)
    noise: U8 = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    assert openings.own(noise, drawing_of(face.points), face.points, found, NOTHING) is None


@pytest.mark.parametrize("side", [0, 1])
def test_each_eye_closes_alone(side: int) -> None:
    found = openings.openings(people.face(shut(people.head(), side)), rest())
    eyes = (found.left, found.right)
    assert eyes[side] == 1 and eyes[1 - side] == 0


def test_teeth_come_in_as_the_mouth_opens() -> None:
    shares = [openings.openings(people.face(OPEN, mouth=gap), rest()).mouth for gap in (0.02, 0.06, 0.08, 0.3)]
    assert shares == sorted(shares) and shares[0] == 0 and 0.2 < shares[1] < 0.8 and shares[-1] == 1


def test_the_mouth_shows_the_frame_where_the_lips_are_now() -> None:
    """The lips of the drawing lie 9 px lower than the actor's: so do the teeth."""
    frame = people.picture(OPEN, people.skin(1))
    x, y = round(float(OPEN[13, 0])), round(float(OPEN[13, 1])) + 2
    frame[y - 3 : y + 4, x - 3 : x + 4] = [250, 250, 240]
    moved = OPEN + np.array([0, 9, 0], np.float32)
    drawing = drawing_of(moved)
    found = openings.own(frame, drawing, OPEN, Openings(1, 0, 0), NOTHING)
    assert found is not None
    pixels, weight = found
    x, y = x - drawing.x, y - drawing.y
    assert weight[y + 9, x] > 0.9 and pixels[y + 9, x].min() > 230
    assert pixels[y - 4, x].max() < 230, "not where the actor's were"
    patch = blend(frame, drawing, people.skin(2), fade(128), own=found)
    assert patch is not None and patch.pixels[y + 9, x].min() > 220
    plain = blend(frame, drawing, people.skin(2), fade(128))
    assert plain is not None and plain.pixels[y + 9, x].max() < 220
    assert np.array_equal(plain.pixels[:40], patch.pixels[:40]), "nothing else changes"


def test_a_hand_before_the_mouth_is_not_drawn_a_second_time() -> None:
    frame = people.picture(OPEN, people.skin(1))
    found = openings.own(frame, drawing_of(OPEN), OPEN, Openings(1, 0, 0), np.ones_like(NOTHING))
    assert found is None


def test_a_mouth_outside_of_the_frame_does_no_harm() -> None:
    points = people.head(mouth=0.12, centre=(128, 240))
    frame = people.picture(points, people.skin(1))
    drawing = drawing_of(points)
    found = openings.own(frame, drawing, points, Openings(1, 1, 1), NOTHING)
    assert found is None or np.isfinite(found[0]).all()


def test_places_are_where_the_mesh_says() -> None:
    points = people.head()
    where = places(points, 128)
    assert where.shape == (128, 128, 2) and where.dtype == np.float32
    low, high = points[:468, :2].min(0), points[:468, :2].max(0)
    middle = where[30:90, 40:90]
    assert (middle >= low).all() and (middle <= high).all()
    assert np.allclose(places(points + np.array([5, 7, 0], np.float32), 128) - where, [5, 7], atol=1e-3)
