"""The actor's eyes between the target's lids."""

from dataclasses import replace

import cv2
import numpy as np
import people
import pytest

from doublecast.film import eyes, openings
from doublecast.film.eyes import Irises
from doublecast.film.openings import Openings
from doublecast.film.shape import LIDS
from doublecast.film.spectacles import SIDE, Seen
from doublecast.model.space import EYE_RINGS, Drawing, draw, unwrap
from doublecast.types import F32, U8

BROWN, BLUE = (70, 45, 30), (90, 120, 170)
LOOKING = Openings(0, (1, 1), (0, 0))
SAME = Irises(np.zeros(3, np.float32), np.full(3, 0.3, np.float32))  # irises stay as they are
NOTHING: F32 = np.zeros((128, 128), np.float32)


def opened(points: F32, factor: float = 1.0) -> F32:
    """With all lids so many times as far from the middle of the eye."""
    points = points.copy()
    for ring in EYE_RINGS:
        middle = points[[ring[0], ring[8]], 1].mean()
        points[ring, 1] = middle + factor * (points[ring, 1] - middle)
    return points


def with_irises(points: F32, radius: float = 9, aside: float = 0) -> F32:
    points = points.copy()
    for iris, (left, right) in ((468, (33, 133)), (473, (362, 263))):
        centre = points[[left, right], :2].mean(0) + np.array([aside, 0])
        points[iris, :2] = centre
        points[iris + 1 : iris + 5, :2] = centre + radius * np.array([[1, 0], [0, -1], [-1, 0], [0, 1]])
    return points


def picture(points: F32, colour: tuple[int, int, int], *, mirrored: bool = False, scale: int = 512) -> U8:
    """A frame with white eyes, irises of that colour with a pupil, and something bright mirrored in them."""
    frame = people.picture(points, people.skin(1), scale)
    for ring, iris in zip(EYE_RINGS, (468, 473), strict=True):
        mask: U8 = np.zeros(frame.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(points[ring, :2]).astype(np.int32)], 1)
        y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
        away = np.hypot(x - points[iris, 0], y - points[iris, 1]) / np.linalg.norm(points[iris + 1] - points[iris])
        frame[mask > 0] = 225
        frame[(mask > 0) & (away <= 1)] = colour
        frame[(mask > 0) & (away <= 0.35)] = 5
        if mirrored:
            x, y = (round(float(v)) for v in points[iris, :2])
            frame[y - 2 : y + 3, x + 2 : x + 7] = 255
    return frame


def head(factor: float = 1.6, **kwargs: float) -> F32:
    return with_irises(opened(people.head(centre=(256, 256), scale=180), factor), **kwargs)


def drawing_of(points: F32) -> Drawing:
    drawing = draw(points, (512, 512))
    assert drawing is not None
    return drawing


def texture_of(frame: U8, points: F32) -> F32:
    return unwrap(frame, points, 256)[0].astype(np.float32) / np.float32(255)


def looked(
    points: F32,
    frame: U8,
    moved: F32,
    irises: Irises = SAME,
    *,
    shares: Openings = LOOKING,
    new: U8 | None = None,
) -> tuple[F32, F32]:
    """Pixels of the frame's size, and how much they count. new: the face that is drawn, by default the actor's own."""
    drawing = drawing_of(moved)
    texture = texture_of(frame if new is None else new, points)
    found = openings.actors_pixels(frame, drawing, texture, points, shares, NOTHING, irises)
    assert found is not None
    pixels, weight = np.zeros((512, 512, 3), np.float32), np.zeros((512, 512), np.float32)
    box = slice(drawing.y, drawing.y + found[1].shape[0]), slice(drawing.x, drawing.x + found[1].shape[1])
    pixels[box], weight[box] = found
    return pixels, weight


def at(points: F32, mesh_point: int, aside: int = 0) -> tuple[int, int]:
    x, y = points[mesh_point, :2]
    return round(float(y)), round(float(x)) + aside


@pytest.mark.parametrize("iris", [468, 473])
def test_eyes_look_out_of_the_new_lids_where_the_actor_looks(iris: int) -> None:
    points = head(aside=8)
    shift = np.array([5, 9, 0], np.float32)
    pixels, weight = looked(points, picture(points, BROWN), points + shift)
    y, x = at(points + shift, iris)
    assert weight[y, x] > 0.9 and pixels[y, x].max() < 15
    assert weight[y, x - 6] > 0.9 and np.abs(pixels[y, x - 6] - BROWN).max() < 15
    assert weight[y, x - 14] > 0.5 and pixels[y, x - 14].min() > 200, "the white is beside it"


def test_nothing_but_eyes_is_the_actors() -> None:
    points = head()
    _, weight = looked(points, picture(points, BROWN), points)
    around = cv2.dilate((weight > 0.02).astype(np.uint8), np.ones((3, 3), np.uint8))
    ring = cv2.boundingRect(np.round(points[EYE_RINGS[0], :2]).astype(np.int32))
    left = np.nonzero(around[:, :256])
    assert left[1].min() >= ring[0] - 3 and left[0].min() >= ring[1] - 3
    assert left[1].max() <= ring[0] + ring[2] + 3 and left[0].max() <= ring[1] + ring[3] + 3


def test_irises_stay_round_between_narrow_lids_and_are_cut_off_by_them() -> None:
    points = head(factor=2.0)
    narrow = opened(points, 0.5)
    pixels, weight = looked(points, picture(points, BROWN), narrow)
    y, x = at(points, 468)
    row, column = pixels[y, :, 2], weight[:, x]
    wide = int(((row < 120) & (weight[y] > 0.5))[: x + 40].sum())
    assert wide == pytest.approx(18, abs=2), "as wide as it was"
    seen = np.nonzero(column > 0.5)[0]
    assert (pixels[seen, x, 2] < 120).all(), "no lid shows more than the iris"
    lid = narrow[LIDS[0][0][3], 1], narrow[LIDS[0][1][3], 1]
    assert seen.min() >= lid[0] - 2 and seen.max() <= lid[1] + 2


def test_lids_that_are_further_apart_show_no_skin_of_the_actor() -> None:
    points = head(factor=1.2)
    frame = picture(points, BROWN)
    mask: U8 = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points[ring, :2]).astype(np.int32) for ring in EYE_RINGS], 1)
    frame[mask == 0] = [0, 255, 0]
    pixels, weight = looked(points, frame, opened(points, 1.4))
    green = pixels[..., 1] - pixels[..., [0, 2]].max(2)
    assert green[weight > 0.5].mean() < 10 and np.percentile(green[weight > 0.5], 95) < 80
    tall = (weight[:, at(points, 468)[1]] > 0.5).sum()
    assert tall > 1.1 * (points[LIDS[0][1][3], 1] - points[LIDS[0][0][3], 1])


def test_what_hangs_before_an_eye_is_no_eye() -> None:
    points = head()
    covered: F32 = np.ones_like(NOTHING)
    frame = picture(points, BROWN)
    texture = texture_of(frame, points)
    assert openings.actors_pixels(frame, drawing_of(points), texture, points, LOOKING, covered, SAME) is None


def test_a_closing_eye_gives_way_to_its_lashes() -> None:
    """They come through the mesh, which closes further where the new lids do."""
    points = head()
    frame, narrow = picture(points, BROWN), opened(points, 0.5)
    left = slice(None, 256)
    shown = [
        looked(points, frame, narrow, shares=Openings(0, *shares))
        for shares in (((0, 1), (1, 0)), ((0, 0), (1, 0)), ((1, 1), (0, 0)), ((0.5, 1), (0.5, 0)))
    ]
    assert np.array_equal(shown[0][0][:, left], shown[1][0][:, left])
    assert not np.allclose(shown[0][0][:, left], shown[2][0][:, left], atol=30)
    y, x = at(narrow, 468, 8)
    shut, wide, between = (shown[k][0][y, x] for k in (0, 2, 3))
    assert np.abs(between - (shut + wide) / 2).max() < 5
    assert shown[3][1].max() <= 1


def test_no_more_than_all_of_a_pixel_is_the_actors() -> None:
    points = head()
    _, weight = looked(points, picture(points, BROWN), points, shares=Openings(1, (1, 1), (1, 1)))
    assert 0.99 < weight.max() <= 1


def test_an_eye_outside_the_frame_is_not_drawn() -> None:
    """The image-left one of the actor lies outside, the other within."""
    points = head()
    drawing = drawing_of(points)
    away = points - np.array([250, 0, 0], np.float32)
    frame = picture(points, BROWN)
    found = openings.actors_pixels(frame, drawing, texture_of(frame, points), away, LOOKING, NOTHING, SAME)
    assert found is not None and away[EYE_RINGS[0], 0].max() < 0 < away[EYE_RINGS[1], 0].min()
    y, x = at(points, 468)
    assert found[1][y - drawing.y, x - drawing.x] == 0
    y, x = at(points, 473)
    assert found[1][y - drawing.y, x - drawing.x] > 0.9


def seen(colour: tuple[int, int, int], count: int = 6, *, factor: float = 1.6) -> list[Seen]:
    found = []
    for k in range(count):
        points = head(factor, aside=k - 3)
        texture, visible = unwrap(picture(points, colour), points, SIDE)
        found.append((people.face(points), texture, visible))
    return found


def learned(actor: tuple[int, int, int], target: tuple[int, int, int]) -> Irises:
    found = eyes.learn(seen(actor), seen(target))
    assert found is not None
    return found


def test_irises_take_the_targets_colour_and_pupils_stay_black() -> None:
    irises = learned(BROWN, BLUE)
    log = np.log(np.array(BLUE) / np.array(BROWN))
    assert np.abs(irises.change - np.clip(log, -eyes.LARGEST, eyes.LARGEST)).max() < 0.35
    points = head()
    frame = picture(points, BROWN)
    before, weight = looked(points, frame, points)
    after, _ = looked(points, frame, points, irises, new=picture(points, BLUE))
    y, x = at(points, 473)
    assert after[y, x - 6, 2] > 2 * before[y, x - 6, 2] and after[y, x - 6, 2] > after[y, x - 6, 0]
    assert after[y, x].max() < 20
    white = (before.min(2) > 200) & (weight > 0.5)
    assert np.abs(after - before)[white].mean() < 8


@pytest.mark.parametrize("light", [BLUE, (110, 140, 120), (150, 190, 170)])
def test_what_is_mirrored_in_light_irises_stays_when_they_become_dark(light: tuple[int, int, int]) -> None:
    """The lightest iris is nearly as bright as the white, and no reflection."""
    points = head()
    frame = picture(points, light, mirrored=True)
    before, weight = looked(points, frame, points)
    after, _ = looked(points, frame, points, learned(light, BROWN), new=picture(points, BROWN, mirrored=True))
    y, x = at(points, 473)
    assert np.abs(after[y, x - 6] - BROWN).max() < 30
    assert after[y, x + 4].min() > 235, "a reflection is of the light"
    away = np.hypot(*(np.mgrid[:512, :512] - points[473, 1::-1, None, None])) / 9
    white = (away > 1.15) & (away < 2) & (weight > 0.9) & (before.min(2) > 215)
    assert white.sum() > 20 and np.abs(after - before)[white].max() < 25


def test_a_shaded_white_has_no_dark_rim() -> None:
    points = head()
    frame = picture(points, BLUE)
    y, x = at(points, 473)
    new = picture(points, BROWN)
    for shaded in (frame, new):
        shaded[:, x:] = (shaded[:, x:] * 0.7).astype(np.uint8)
    before, weight = looked(points, frame, points)
    after, _ = looked(points, frame, points, learned(BLUE, BROWN), new=new)
    beside = slice(x + 11, x + 15)
    assert (weight[y, beside] > 0.5).all() and np.abs(after - before)[y, beside].max() < 15


def test_light_and_shade_of_an_eye_are_the_new_faces() -> None:
    """Its lids hang over it in their own way; what is fine stays the actor's."""
    points = head()
    frame = picture(points, BROWN)
    new = frame.copy()
    y, x = at(points, 468)
    new[:y] = (new[:y] * 0.6).astype(np.uint8)
    before, weight = looked(points, frame, points)
    after, _ = looked(points, frame, points, new=new)
    column, seen = x - 16, weight[:, x - 16] > 0.5
    rows = np.nonzero(seen)[0]
    above, below = (after[rows[k], column].mean() / before[rows[k], column].mean() for k in (2, -3))
    assert above < 0.75 and below > 0.82
    assert after[y, x].max() < 20 and np.abs(after[y + 6, x] - before[y + 6, x]).max() < 25


def test_a_grey_shot_has_grey_irises() -> None:
    grey = learned(BROWN, BLUE).tinted(0.0)
    assert grey.change.mean() == pytest.approx(learned(BROWN, BLUE).change.mean(), abs=1e-5), "as light as it would be"
    points = head()
    frame = picture(points, BROWN)
    frame[:] = frame.mean(2, keepdims=True).astype(np.uint8)
    for irises in (grey, learned(BLUE, BROWN).tinted(0.0)):
        pixels, weight = looked(points, frame, points, irises)
        assert np.ptp(pixels, axis=2)[weight > 0.5].max() < 2


def test_small_irises_have_no_tint_of_their_own() -> None:
    """Colour in footage is coarse: it is that of the skin around."""
    small = [(replace(face, points=face.points * np.float32(0.3)), x, v) for face, x, v in seen(BLUE)]
    irises = eyes.learn(seen(BROWN), small)
    assert irises is not None and np.ptp(irises.change) < 1e-5 and irises.change.mean() > 0.3


def test_eyes_of_one_colour_stay_as_they_are() -> None:
    assert not learned(BROWN, BROWN).change.any()
    shaded = [(face, (texture * 0.5).astype(np.uint8), visible) for face, texture, visible in seen(BROWN)]
    irises = eyes.learn(seen(BROWN), shaded)
    assert irises is not None and np.abs(irises.change).max() < 0.05, "a dark shot has the same eyes"


@pytest.mark.parametrize("actor, target", [(0, 6), (6, 0), (6, 2), (2, 6)])
def test_too_few_eyes_tell_nothing(actor: int, target: int) -> None:
    assert eyes.learn(seen(BROWN, actor), seen(BLUE, target)) is None


def test_closed_and_hidden_eyes_tell_nothing() -> None:
    assert eyes.learn(seen(BROWN, factor=0.05), seen(BLUE)) is None
    hidden = [(face, texture, np.zeros_like(visible)) for face, texture, visible in seen(BLUE)]
    assert eyes.learn(seen(BROWN), hidden) is None
