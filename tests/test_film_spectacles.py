"""Spectacles: found in all faces together, moved in each frame, drawn over the new face."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import people
import pytest

from doublecast.film import rims, spectacles
from doublecast.film.spectacles import SIDE, Spectacles, fitted, lines, slid
from doublecast.model.space import BROW_RINGS, EYE_RINGS, draw, filled, inside, layout
from doublecast.types import F32, U8, Face, Pose

LENS = np.array([[76.0, 86.0, 40.0, 40.0, 2.6, 26.0]])
SEEN: U8 = np.full((SIDE, SIDE), 255, np.uint8)


def painted(*, worn: bool = True, moved: tuple[int, int] = (0, 0), seed: int = 0, one: bool = False) -> U8:
    """A face's texture, uint8 (`SIDE`, `SIDE`, 3), with dark rims before it."""
    rng = np.random.default_rng(seed)
    texture: U8 = np.asarray(150 + 40 * people.skin(3, SIDE) + rng.normal(0, 3, (SIDE, SIDE, 3)), np.uint8)
    if worn:
        for x, y in spectacles._outlines(LENS, 100)[: 1 if one else 2]:
            points = np.stack([x[0] + moved[0], y[0] + moved[1]], 1)
            cv2.polylines(texture, [np.round(points * 8).astype(np.int32)], True, (40, 30, 20), 2, cv2.LINE_AA, 3)
    return texture


def found(*, worn: bool = True, one: bool = False) -> Spectacles | None:
    return fitted([lines(painted(seed=seed, worn=worn, one=one), SEEN) for seed in range(8)])


def test_rims_are_found_and_bare_faces_have_none() -> None:
    worn = found()
    assert worn is not None
    on, off = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    for x, y in spectacles._outlines(LENS, 100):
        ring = [np.round(np.stack([x[0], y[0]], 1)).astype(np.int32)]
        cv2.polylines(on, ring, True, 1, 1)
        cv2.polylines(off, ring, True, 1, 25)
    assert (worn.band[on > 0] > 0.5).mean() > 0.95
    assert worn.band[(off == 0) & (inside(SIDE) > 0)].max() < 0.01
    assert found(worn=False) is None


def test_hairs_of_brows_do_not_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rim lies before a brow, what is above it is hair."""
    monkeypatch.setattr(f"{__name__}.LENS", LENS + np.array([0, 0, 0, 0, 0, 4.0]))
    worn = found()
    assert worn is not None
    x, y = (np.round(line[0]).astype(int) for line in spectacles._outlines(LENS, 400)[0])
    brow, lowest = filled(BROW_RINGS, SIDE, 4)[y, x] > 0, y == y.max()
    assert brow.sum() > 50
    assert worn.band[y, x][brow].min() > 0.8, "the rim itself does"
    assert worn.band[y - 4, x][brow].max() < 0.3 < 0.6 < worn.band[y + 4, x][lowest].min()


def test_one_lens_is_no_pair() -> None:
    assert found(one=True) is None


def test_nothing_is_found_where_nothing_is_seen() -> None:
    assert fitted([lines(painted(), np.zeros_like(SEEN))]) is None


@pytest.mark.parametrize("moved", [(0, 0), (5, -2), (-8, 3)])
def test_rims_that_slid_are_followed(moved: tuple[int, int]) -> None:
    worn = found()
    assert worn is not None
    x, y, share = slid(worn, painted(moved=moved, seed=9), SEEN)
    assert abs(x * SIDE - moved[0]) <= 1 and abs(y * SIDE - moved[1]) <= 1 and share == 1


def test_a_face_without_them_is_known() -> None:
    """Also where they are worn in some of the footage alone, and brows and eyes are dark lines."""
    shown = [lines(painted(seed=seed, worn=seed % 3 == 0), SEEN) for seed in range(12)]
    worn = fitted(shown)
    assert worn is not None
    assert slid(worn, painted(seed=20), SEEN)[2] > 0.9
    bare = painted(worn=False, seed=21)
    uv = (layout().uv * SIDE).astype(np.int32)
    for ring in (*BROW_RINGS, *EYE_RINGS):
        cv2.polylines(bare, [uv[ring]], True, (20, 15, 10), 3)
    assert slid(worn, bare, SEEN)[2] < 0.1
    np.testing.assert_array_equal(slid(worn, bare, np.zeros_like(SEEN)), 0)


def test_only_rims_come_along() -> None:
    """The ratio to the skin around is taken, so the actor's skin stays away; and what is off the picture is none."""
    worn, points = found(), people.head()
    assert worn is not None
    frame = people.picture(points, (painted() / 255).astype(np.float32))
    drawing = draw(points, (256, 256))
    assert drawing is not None
    still: F32 = np.array([0, 0, 1], np.float32)
    rows, columns, gain = rims.seen(worn, frame, drawing, people.face(points), still, 1) or pytest.fail("no rims")
    assert gain.shape == (rows.stop - rows.start, columns.stop - columns.start, 3)
    uv = drawing.uv[rows, columns]
    x, y = (uv * SIDE - 0.5)[..., 0], (uv * SIDE - 0.5)[..., 1]
    below = (np.abs(x - LENS[0, 0]) < 8) & (np.abs(y - LENS[0, 1] - LENS[0, 3]) < 1.2)
    within = (np.abs(x - LENS[0, 0]) < 20) & (np.abs(y - LENS[0, 1]) < 10)
    assert gain[below].min() < 0.6 and np.abs(gain[within] - 1).max() < 0.05
    bare = people.picture(points, (painted(worn=False) / 255).astype(np.float32))
    nothing = rims.seen(worn, bare, drawing, people.face(points), still, 1)
    assert nothing is not None and np.abs(nothing[2] - 1).mean() < 0.03
    dark = np.asarray(frame / 8 + 0.5, np.uint8)
    pale, strong = (rims.seen(worn, dark, drawing, people.face(points), still, e) for e in (1, 8))
    assert pale is not None and strong is not None
    assert strong[2][below].mean() == pytest.approx(gain[below].mean(), abs=0.05)
    assert pale[2][below].mean() > gain[below].mean() + 0.1
    assert rims.seen(worn, frame, drawing, people.face(points), np.zeros(3, np.float32), 1) is None, "not worn"
    assert rims.seen(worn, frame, drawing, people.face(people.head(centre=(-900, 128))), still, 1) is None
    none = replace(worn, band=np.zeros_like(worn.band))
    assert rims.seen(none, frame, drawing, people.face(points), still, 1) is None


@pytest.mark.parametrize("centre", [(20, 128), (250, 60), (128, 250)])
def test_a_face_that_is_half_out_of_the_picture(centre: tuple[int, int]) -> None:
    worn, points = found(), people.head(centre=centre)
    assert worn is not None
    frame = people.picture(points, (painted() / 255).astype(np.float32))
    drawing = draw(people.head(centre=centre, wide=1.1), (256, 256))
    assert drawing is not None
    part = rims.seen(worn, frame, drawing, people.face(points), np.array([0, 0, 1], np.float32), 1)
    assert part is not None and part[2].min() < 0.7
    assert drawing.uv[part[0], part[1]].shape[:2] == part[2].shape[:2]


def turning() -> list[tuple[Face, U8, U8]]:
    """Faces whose rims slide by half a texel a degree of yaw."""
    face = people.face(people.head())
    return [
        (replace(face, pose=Pose(yaw, 0, 0)), painted(moved=(yaw // 2, 0), seed=20 + yaw), SEEN)
        for yaw in range(-16, 18, 4)
    ]


def soft(texture: U8) -> F32:
    """As a network paints it."""
    return np.asarray(cv2.GaussianBlur(texture.astype(np.float32) / 255, (0, 0), 3), np.float32)


def darkest(texture: F32) -> int:
    """Column of the outer end of the image-left lens, in the row of its centre."""
    row = texture[int(LENS[0, 1]), 10:60].mean(1)
    return 10 + int(np.argmin(row))


def drawn(texture: F32, own: rims.Rims, yaw: float = 0, pitch: float = 0, share: float = 1, **shot: Any) -> F32:
    return rims.drawn(texture, own, Pose(yaw, pitch, 0), share, rims.Shot(**shot))


def test_the_targets_rims_lie_where_they_do_on_a_head_turned_like_this() -> None:
    worn = found()
    assert worn is not None
    own = rims.clearest(turning(), worn)
    assert own is not None
    np.testing.assert_allclose(own.slide[1], [0.5, 0], atol=0.1)
    ghost = soft(painted())
    for yaw in (-20, 0, 20):
        made = drawn(ghost, own, yaw)
        assert made.shape == (SIDE, SIDE, 3)
        assert abs(darkest(made) - (LENS[0, 0] - LENS[0, 2] + yaw / 2)) <= 2
        assert made[int(LENS[0, 1]), darkest(made)].mean() < 0.5 * ghost[int(LENS[0, 1]), 60].mean()
    far = drawn(ghost, own)[150:]
    np.testing.assert_array_equal(far, ghost[150:], "the rest of the face stays")


def test_the_targets_rims_can_be_taken_off_and_lose_their_colours() -> None:
    worn = found()
    assert worn is not None
    own = rims.clearest(turning(), worn)
    assert own is not None
    ghost, bare = soft(painted(seed=3)), soft(painted(seed=3, worn=False))
    on = own.band > 0.9
    off = drawn(ghost, own, share=0)
    assert np.abs(off - bare)[on].mean() < 0.3 * np.abs(ghost - bare)[on].mean()
    tinted = replace(own, ratio=own.ratio * np.array([0.5, 1, 1.5], np.float32))
    colours, grey = (drawn(bare, tinted, colourful=c) for c in (1, 0))
    spread = [float(np.ptp(x[on] / off[on], axis=1).mean()) for x in (colours, grey)]
    assert spread[1] < 0.05 < spread[0]


def test_too_few_faces_show_no_rims() -> None:
    worn = found()
    assert worn is not None
    assert rims.clearest(turning()[:4], worn) is None
    bare = [(face, painted(worn=False), visible) for face, _, visible in turning()]
    assert rims.clearest(bare, worn) is None


def test_rims_that_are_worn_in_less_than_half_of_the_faces_are_none() -> None:
    worn = found()
    assert worn is not None
    bare = [(face, painted(worn=False, seed=40 + n), visible) for n, (face, _, visible) in enumerate(turning())]
    assert rims.clearest(turning() + bare[:8], worn) is not None
    assert rims.clearest(turning() + bare + bare[:1], worn) is None


def test_one_in_ten_faces_does_not_make_bare_ones_wear_any() -> None:
    shown = [lines(painted(seed=seed, worn=seed % 10 == 0), SEEN) for seed in range(40)]
    worn = fitted(shown)
    assert worn is None or slid(worn, painted(worn=False, seed=50), SEEN)[2] < 0.1


def test_the_bridge_is_bare_when_spectacles_are_off() -> None:
    """Where the band is wide nothing but skin further off is left to go by."""
    band = np.zeros((SIDE, SIDE), np.float32)
    band[60:130, 80:176] = 1
    even: F32 = np.full((SIDE, SIDE, 3), 0.6, np.float32)
    own = rims.Rims(np.zeros((SIDE, SIDE, 3), np.float32), band, np.zeros((3, 2)))
    assert np.abs(drawn(even, own, share=0) - 0.6).max() < 0.01


def test_the_clearest_face_is_taken_and_pitch_moves_rims_too() -> None:
    worn = found()
    assert worn is not None
    faces, plain = turning(), painted(worn=False, seed=20)
    dull = [(face, np.asarray(0.9 * texture + 0.1 * plain, np.uint8), v) for face, texture, v in faces]
    alone, mixed = (rims.clearest(shown, worn) for shown in (dull, [*dull[:-1], faces[-1]]))
    assert alone is not None and mixed is not None
    on = alone.band > 0.9
    assert np.abs(mixed.ratio[on]).mean() > 1.15 * np.abs(alone.ratio[on]).mean()
    nodding = replace(mixed, slide=np.array([[0, 0], [0, 0], [0, 0.5]]))
    even = soft(plain)
    below = int(LENS[0, 1] + LENS[0, 3])
    rows = [int(np.argmin(drawn(even, nodding, pitch=p)[below - 12 : below + 13, 76].mean(1))) - 12 for p in (-10, 10)]
    assert abs(rows[1] - rows[0] - 10) <= 2


def test_noise_of_one_face_is_no_rim() -> None:
    """Grain of the clearest face does not come along; its rims do."""
    worn = found()
    assert worn is not None
    rng = np.random.default_rng(3)
    ratios = []
    for noise in (0.0, 0.25):
        grainy = [
            (face, np.clip(texture + 150 * noise * rng.normal(size=texture.shape), 0, 255).astype(np.uint8), v)
            for face, texture, v in turning()
        ]
        made = rims.clearest(grainy, worn)
        assert made is not None
        ratios.append(made.ratio.mean(2))
    beside = (worn.band == 0) & (spectacles.plain_skin() > 0)
    on = worn.band > 0.9
    assert np.abs(ratios[1][beside]).mean() < 0.5 * 0.25 / np.sqrt(3)
    assert np.abs(ratios[1][on]).mean() > 0.6 * np.abs(ratios[0][on]).mean()


def test_rims_in_a_soft_shot_are_soft_and_small_faces_keep_their_own_detail() -> None:
    worn = found()
    assert worn is not None
    own = rims.clearest(turning(), worn)
    assert own is not None
    plain = soft(painted(worn=False, seed=20))
    sharp, dull = (drawn(plain, own, softer=s) for s in (0.0, 0.7))
    assert (1 - dull / plain).max() < 0.92 * (1 - sharp / plain).max()
    small: F32 = np.random.default_rng(0).uniform(0.3, 0.7, (128, 128, 3)).astype(np.float32)
    made = drawn(small, own, large=False)
    assert made.shape == small.shape
    np.testing.assert_array_equal(made[80:], small[80:])
    assert (made - small).min() < -0.1


def test_whose_spectacles_are_seen() -> None:
    wearing = turning()
    bare = [(face, painted(worn=False, seed=60 + n), visible) for n, (face, _, visible) in enumerate(wearing)]
    seldom = [*wearing[:4], *bare, *bare]

    def seen(*people: list[tuple[Face, U8, U8]]) -> tuple[bool, bool]:
        worn, brought = rims.whose(*people)
        return worn is not None, brought is not None

    assert seen(wearing, wearing) == (False, True) and seen(bare, wearing) == (False, True)
    assert seen(wearing, bare) == (True, False) and seen(bare, bare) == (False, False)
    assert seen(wearing, seldom) == (True, False), "or the film would have none"
