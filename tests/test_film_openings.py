"""What stays the actor's between lips and lids."""

from dataclasses import replace

import numpy as np
import people
import pytest

from doublecast.film import openings, shape
from doublecast.film.composite import blend
from doublecast.film.openings import Openings
from doublecast.model.space import Drawing, draw, fade
from doublecast.types import F32, U8

OPEN = people.head(mouth=0.12)
NOTHING: F32 = np.zeros((128, 128), np.float32)
PLAIN: F32 = np.full((128, 128, 3), 0.5, np.float32)


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


def test_a_closed_mouth_leaves_nothing_but_the_eyes() -> None:
    face = people.face(people.head(), mouth=0.0)
    found = openings.openings(face, rest())
    assert found == Openings(0, (1, 1), (0, 0))
    found = replace(found, eyes=(0, 0))
    noise: U8 = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    assert openings.actors_pixels(noise, drawing_of(face.points), PLAIN, face.points, found, NOTHING) is None


@pytest.mark.parametrize("side", [0, 1])
def test_each_eye_closes_alone(side: int) -> None:
    found = openings.openings(people.face(shut(people.head(), side)), rest())
    assert found.lashes[side] == 1 and found.lashes[1 - side] == 0
    assert found.eyes[side] == 0 and found.eyes[1 - side] == 1
    turned = openings.openings(people.face(shut(people.head(55), side)), rest())
    assert 0.2 < turned.lashes[side] < 0.8 and turned.eyes[side] == 0, "a closed eye is not open in profile"


def test_teeth_come_in_as_the_mouth_opens() -> None:
    faces = [people.face(people.head(mouth=gap)) for gap in (0.0, 0.02, 0.03, 0.2)]
    shares = [openings.openings(face, rest()).mouth for face in faces]
    assert shares == sorted(shares) and shares[0] == 0 and 0.1 < shares[2] < 0.9 and shares[-1] == 1


def test_a_head_in_profile_keeps_the_models_mouth() -> None:
    shares = [openings.openings(people.face(people.head(yaw, mouth=0.12)), rest()).mouth for yaw in (0, 55, -70)]
    assert shares[0] == 1 and 0.2 < shares[1] < 0.8 and shares[2] == 0
    assert openings.openings(people.face(people.head(-70)), rest()).eyes == (0, 0)
    closed = openings.openings(people.face(people.head(60, mouth=0.005)), rest())
    assert closed.mouth == 0, "a turned mouth is narrower, not more open"


def test_the_mouth_shows_the_frame_where_the_lips_are_now() -> None:
    """The lips of the drawing lie 9 px lower than the actor's: so do the teeth."""
    frame = people.picture(OPEN, people.skin(1))
    x, y = round(float(OPEN[13, 0])), round(float(OPEN[13, 1])) + 2
    frame[y - 3 : y + 4, x - 3 : x + 4] = [250, 250, 240]
    moved = OPEN + np.array([0, 9, 0], np.float32)
    drawing = drawing_of(moved)
    found = openings.actors_pixels(frame, drawing, PLAIN, OPEN, Openings(1, (0, 0), (0, 0)), NOTHING)
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
    found = openings.actors_pixels(
        frame, drawing_of(OPEN), PLAIN, OPEN, Openings(1, (0, 0), (0, 0)), np.ones_like(NOTHING)
    )
    assert found is None


def test_what_the_frame_does_not_show_is_not_drawn() -> None:
    """The actor's mouth lies below the frame; the new one would be in it."""
    points = people.head(mouth=0.12, centre=(128, 225))
    drawing = drawing_of(points + np.array([0, -25, 0], np.float32))
    frame = people.picture(OPEN, people.skin(1))
    shares = Openings(1, (0, 0), (0, 0))
    assert (
        openings.actors_pixels(frame, drawing, PLAIN, OPEN + np.array([0, 72, 0], np.float32), shares, NOTHING)
        is not None
    )
    found = openings.actors_pixels(frame, drawing, PLAIN, points, shares, NOTHING)
    assert found is None or not found[1].any()
