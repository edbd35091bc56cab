"""Smoothing, shape and compositing."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import people
import pytest

from doublecast.errors import NoFaceError
from doublecast.faces.geometry import OVAL
from doublecast.film import detail, shape
from doublecast.film.colour import (
    Apart,
    Tone,
    colour_gain,
    desaturate,
    feature_gain,
    greys,
    in_light,
    matte,
    regions,
    saturation,
)
from doublecast.film.composite import blend, covered, lying_before, sharpen, sharpness_difference
from doublecast.film.smooth import smooth
from doublecast.film.swap import Swapper
from doublecast.model.space import draw, fade, importance, inside, sample, unwrap
from doublecast.types import F32, MESH, U8, Bool, Frame


def shake(points: Sequence[F32]) -> float:
    """Mean second difference over time: what the eye sees as shimmer."""
    return float(np.abs(np.diff(np.stack(points)[:, :MESH, :2], n=2, axis=0)).mean())


def test_a_still_head_stops_shimmering() -> None:
    rng = np.random.default_rng(0)
    noisy = [people.head() + rng.normal(0, 0.4, (478, 3)).astype(np.float32) for _ in range(30)]
    calm = [f.face.points for f in smooth(people.stored(p, k) for k, p in enumerate(noisy))]
    assert shake(calm) < 0.45 * shake(noisy)


def test_a_moving_head_does_not_lag_and_a_blink_survives() -> None:
    path = [people.head(centre=(60 + 5 * k, 128)) for k in range(20)]
    smoothed = [f.face.points for f in smooth(people.stored(p, k) for k, p in enumerate(path))]
    assert np.abs(np.stack(smoothed)[4:-4] - np.stack(path)[4:-4]).max() < 0.3
    blink = [people.head() for _ in range(15)]
    blink[7][159, 1] += 8
    smoothed = [f.face.points for f in smooth(people.stored(p, k) for k, p in enumerate(blink))]
    assert smoothed[7][159, 1] - smoothed[0][159, 1] > 7


def test_order_is_kept_and_tracks_do_not_mix() -> None:
    faces = [people.stored(people.head(centre=(80 + 90 * t, 128)), k, track=t) for k in range(12) for t in (0, 1)]
    done = list(smooth(iter(faces)))
    assert [(f.index, f.face.track) for f in done] == [(f.index, f.face.track) for f in faces]
    assert np.abs(done[6].face.points - faces[6].face.points).max() < 0.01


def test_a_lone_face_and_no_face_pass() -> None:
    assert list(smooth(iter([]))) == []
    lone = people.stored(people.head(), 5)
    assert [f.index for f in smooth(iter([lone]))] == [5]


def people_of(wide: float) -> list[F32]:
    return [people.head(yaw, wide=wide) for yaw in (-10, -5, 0, 5, 10)]


def test_the_same_shape_leaves_the_mesh_where_it_is() -> None:
    one = shape.learn(people.face(p) for p in people_of(1))
    points = people.head(8, 4)
    moved = shape.reshape(people.face(points), one, one)
    assert np.abs(moved - points[:MESH]).max() < 0.6


def test_another_shape_moves_the_inside_and_keeps_the_oval() -> None:
    one, other = (shape.learn(people.face(p) for p in people_of(wide)) for wide in (1.0, 0.9))
    points = people.head()
    moved = shape.reshape(people.face(points), one, other)
    assert np.abs(moved[OVAL] - points[OVAL]).max() < 1e-3
    mouth, before = np.ptp(moved[[61, 291], 0]), np.ptp(points[[61, 291], 0])
    assert mouth < 0.97 * before


def test_a_settled_shape_lies_where_the_actor_is() -> None:
    """A head that was fitted too low and too large loses both, and keeps what makes it another one."""
    actor = shape.learn(people.face(p) for p in people_of(1.0))
    low = shape.Shape(1.1 * actor.neutral + [0, 3.0, 0])
    assert np.abs(shape.settle(low, actor).neutral - actor.neutral).max() < 1e-6
    narrow = actor.neutral.copy()
    narrow[[61, 291], 0] *= 0.8
    settled = shape.settle(shape.Shape(narrow), actor).neutral
    assert np.ptp(settled[[61, 291], 0]) < 0.85 * np.ptp(actor.neutral[[61, 291], 0])


def test_open_mouths_stay_open_and_closed_eyes_close() -> None:
    one, other = (shape.learn(people.face(p) for p in people_of(wide)) for wide in (1.0, 0.92))
    points = people.head(mouth=0.12)
    for upper, lower, _ in shape.LIDS:
        points[upper] = points[lower]
    moved = shape.reshape(people.face(points, mouth=0.4, eyes=0.0), one, other)
    gap = points[14, 1] - points[13, 1]
    assert moved[14, 1] - moved[13, 1] > 0.85 * gap
    for upper, lower, _ in shape.LIDS:
        assert np.abs(moved[lower, 1] - moved[upper, 1]).max() < 1.5


def test_no_faces_have_no_shape() -> None:
    with pytest.raises(NoFaceError):
        shape.learn([])


@pytest.mark.parametrize(("yaw", "least", "most"), [(0, 0.4, 0.6), (20, -0.01, 0.01), (-5, 0.15, 0.35)])
def test_footage_of_one_side_makes_nobody_crooked(yaw: float, least: float, most: float) -> None:
    """The mesh of a turned head is wrong on one side: what is uneven counts less, the more all of it is turned."""
    heads = [people.head(yaw + more) for more in (-4, 0, 4)]
    even = shape.learn(people.face(points) for points in heads)
    faces = []
    for points in heads:
        crooked = people.face(points)
        crooked.points[61, :2] += (0, 6)  # a corner of the mouth
        faces.append(crooked)
    found = shape.learn(faces).neutral - even.neutral
    uneven = (found - shape.mirrored(found)) / 2
    pixel = float(np.linalg.norm(even.neutral[33] - even.neutral[263])) / 90  # in canonical units
    whole = 6 * pixel / 2  # half of it is even
    assert least < uneven[61, 1] / whole < most


def test_the_colour_match_brings_the_light_of_the_shot() -> None:
    size, points = 96, people.head()
    truth, decoded = people.skin(1, size), np.clip(people.skin(1, size) * 0.6 + 0.05, 0, 1).astype(np.float32)
    seen, visible = unwrap(people.picture(points, truth), points, size)
    lit = decoded * colour_gain(decoded, seen, visible)
    inner = fade(size) > 0.9
    assert np.abs(lit - truth)[inner].mean() < 0.35 * np.abs(decoded - truth)[inner].mean()


def test_the_light_of_the_shot_leaves_a_beard_at_the_chin_dark() -> None:
    """The match is narrow at the face's edge, where skin meets skin; a beard that meets skin is no light."""
    size = 96
    chin = np.zeros((size, size), bool)
    chin[round(0.78 * size) :] = True
    decoded = np.full((size, size, 3), 0.6, np.float32)
    decoded[chin] = 0.3
    shot = np.full((size, size, 3), 153, np.uint8)
    everything = np.full((size, size), 255, np.uint8)
    gain = colour_gain(decoded, shot, everything)
    edge = (inside(size) > 0) & (fade(size) < 0.5)
    assert np.median((decoded * gain)[edge & chin]) < 0.4
    shaded = shot.copy()
    shaded[chin] = 76
    even = np.full_like(decoded, 0.6)
    met = np.median((even * colour_gain(even, shaded, everything))[edge & chin])
    assert met < 0.4, "a shadow of the shot is met"


def test_dark_skin_is_lit_with_its_beard_left_dark_and_its_lit_side_no_brighter_than_the_shot() -> None:
    size = 96
    shot, everything = np.full((size, size, 3), 158, np.uint8), np.full((size, size), 255, np.uint8)
    bearded = np.full((size, size, 3), 0.28, np.float32)
    bearded[round(0.78 * size) :] = 0.07
    edge = (inside(size) > 0) & (fade(size) < 0.5) & (np.arange(size)[:, None] > 0.8 * size)
    lit = bearded * colour_gain(bearded, shot, everything)
    assert np.median(lit[edge]) < 0.3 and lit[size // 2, size // 2].mean() == pytest.approx(0.62, abs=0.05)
    sided = np.full((size, size, 3), 0.2, np.float32)
    sided[:, : round(0.4 * size)] = 0.3
    lit = sided * colour_gain(sided, shot, everything)
    assert np.median(lit[20:76, 15:34]) < 0.69


def test_grey_hair_takes_the_tint_of_light_and_not_that_of_another_skin() -> None:
    size = 96
    ours, theirs = (tone(c, LIPS) for c in ((178, 127, 80), SKIN))
    texture = np.full((size, size, 3), SKIN, np.float32) / np.float32(255)
    texture[80:] = 0.5
    light = np.array([0.7, 0.8, 1.1], np.float32)
    gain = np.broadcast_to(light * ours.skin / theirs.skin, texture.shape)
    made, plain = in_light(texture, gain, greys(ours, theirs)), np.clip(texture * gain, 0, 1)
    assert np.allclose(made[:70], plain[:70], atol=0.01), "skin takes all of it"
    tint, wanted, before = (x / x.mean() for x in (made[90, 48], light, plain[90, 48]))
    assert np.abs(tint - wanted).max() < 0.03 < np.abs(before - wanted).max()
    orange = Tone(np.array([0.9, 0.5, 0.15], np.float32), np.zeros(3, np.float32))
    assert not greys(orange, theirs).any(), "footage in light of another colour"


def test_colourless_footage_has_no_grey_hair_here_and_there() -> None:
    rng = np.random.default_rng(0)
    texture = np.clip(0.5 + rng.normal(0, 0.004, (96, 96, 3)), 0, 1).astype(np.float32)
    gain = np.ones_like(texture)
    made = in_light(texture, gain, np.array([0.2, 0.0, -0.2], np.float32))
    assert (made - texture)[10:-10, 10:-10].std((0, 1)).max() < 0.004


def test_a_hand_before_the_face_stays_even_where_the_network_misses_it() -> None:
    size = 96
    own = people.skin(1, size)
    visible = np.full((size, size), 255, np.uint8)
    clean, nothing = (own * 255).astype(np.uint8), np.zeros((size, size), np.uint8)
    assert covered(own, clean, visible, nothing).max() < 0.01
    thin = clean.copy()
    thin[40:42] = 0
    assert covered(own, thin, visible, nothing).max() < 0.01
    hand = clean.copy()
    hand[50:, 20:60] = (clean[50:, 20:60].astype(int) + 128) % 256
    found = covered(own, hand, visible, nothing)
    assert found[60:90, 25:55].min() > 0.9 and found[:34].max() < 0.05


def test_what_the_network_finds_covered_counts() -> None:
    size = 96
    own = people.skin(1, size)
    foreign = np.zeros((size, size), np.uint8)
    foreign[:30] = 255
    found = covered(own, (own * 255).astype(np.uint8), 255 - foreign, foreign)
    assert found[:30].min() > 0.95 and found[30:].max() < 0.05


@pytest.mark.parametrize("size", [96, 128, 256])
def test_rims_of_spectacles_are_drawn_over_and_a_hand_before_the_eyes_is_not(size: int) -> None:
    scale = size / 128

    def at(*edges: int) -> list[int]:
        return [round(edge * scale) for edge in edges]

    own = people.skin(1, size)
    seen, nothing = (own * 255).astype(np.uint8), np.zeros((size, size), np.uint8)
    rim, hand = nothing.copy(), nothing.copy()
    top, bottom, left, right = at(36, 39, 20, 110)
    rim[top:bottom, left:right] = 255
    top, bottom, left, right = at(20, 60, 20, 60)
    hand[top:bottom, left:right] = 255
    assert covered(own, seen, 255 - rim, rim).max() < 0.05
    assert covered(own, seen, 255 - hand, hand)[at(30)[0] : at(50)[0], at(28)[0] : at(52)[0]].min() > 0.95
    strand = nothing.copy()
    top, bottom, left, right = at(6, 60, 60, 63)
    strand[top:bottom, left:right] = 255
    assert covered(own, seen, 255 - strand, strand)[at(40)[0], at(61)[0]] > 0.9, "hair that hangs over an eye stays"


def test_what_lies_before_the_face_stays_where_the_camera_saw_it() -> None:
    """The drawn mesh is wider than the actor's own; the pixels that stay are those under the actor's."""
    own, other = people.head(), people.head(wide=1.15)
    drawing = draw(other, (256, 256))
    assert drawing is not None
    band = np.zeros((128, 128), np.float32)
    band[:, :50] = 1
    kept = lying_before(drawing, own, (256, 256), band)
    mine = draw(own, (256, 256))
    assert kept is not None and mine is not None and kept.shape == drawing.cover.shape
    whole = np.zeros((256, 256), np.float32)
    whole[drawing.y : drawing.y + kept.shape[0], drawing.x : drawing.x + kept.shape[1]] = kept
    inner = (mine.cover > 0.5) & (mine.uv[..., 0] > 0.1) & (mine.uv[..., 0] < 0.9)
    left = whole[mine.y : mine.y + inner.shape[0], mine.x : mine.x + inner.shape[1]]
    assert left[inner & (mine.uv[..., 0] < 0.36)].min() > 0.9
    assert left[inner & (mine.uv[..., 0] > 0.42)].max() < 0.1
    assert lying_before(drawing, own, (256, 256), np.zeros((128, 128), np.float32)) is None
    away = lying_before(drawing, people.head(centre=(-500, 128)), (256, 256), band)
    assert away is not None and not away.any()
    patch = blend(np.zeros((256, 256, 3), np.uint8), drawing, people.skin(2), fade(128), kept=np.ones_like(kept))
    assert patch is None


ALIKE = Apart(0.0, 0.0)


def test_eyes_and_teeth_do_not_glow_when_skin_is_brightened() -> None:
    size = 128
    shot = np.full((size, size, 3), 140, np.uint8)
    visible = np.full((size, size), 255, np.uint8)
    bright = feature_gain(np.full((size, size, 3), 0.95, np.float32), shot, visible, ALIKE)
    assert bright.min() < 0.65 and bright.max() < 1.01
    same = feature_gain(np.full((size, size, 3), 140 / 255, np.float32), shot, visible, Apart(1.0, 0.0))
    assert np.abs(same - 1).max() < 0.01
    hidden = feature_gain(np.full((size, size, 3), 0.95, np.float32), shot, np.zeros_like(visible), Apart(1.0, 0.0))
    assert np.abs(hidden - 1).max() < 1e-6, "nothing can be compared"


@pytest.mark.parametrize(("tone", "least", "most"), [(0.0, 0.0, 0.01), (0.9, 0.1, 0.75)])
def test_lips_follow_the_actor_only_between_different_skins(tone: float, least: float, most: float) -> None:
    size = 128
    visible = np.full((size, size), 255, np.uint8)
    lit = np.full((size, size, 3), 0.5, np.float32)
    shot = np.full((size, size, 3), 127, np.uint8)
    shot[regions(size)["lips"]] = [150, 60, 60]
    factor = feature_gain(lit, shot, visible, Apart(tone, 0.0))
    middle = np.abs(factor[regions(size)["lips"]] - 1).max()
    assert least <= middle < most


def test_lips_from_other_light_keep_their_brightness_and_take_the_shots_tint() -> None:
    size = 128
    everything = np.full((size, size), 255, np.uint8)
    lit: F32 = painted(SKIN, (150, 60, 95)).astype(np.float32) / np.float32(255)
    shot = painted(SKIN, (140, 70, 55))
    lips = regions(size)["lips"]
    made, alike = (lit * feature_gain(lit, shot, everything, apart) for apart in (Apart(0.0, 1.0), ALIKE))
    assert np.abs(alike[lips] - lit[lips]).max() < 0.01
    blue, before, wanted = (float(np.median(x[lips][:, 2] / x[lips][:, 0])) for x in (made, lit, shot))
    assert blue < before - 0.7 * (before - wanted)
    assert np.log(made[lips]).mean() == pytest.approx(np.log(lit[lips]).mean(), abs=0.04)


def test_lips_do_not_glow() -> None:
    """A lower lip that is lighter than the skin beside it, as dark skins have it, in a light face."""
    size = 128
    everything = np.full((size, size), 255, np.uint8)
    lit: F32 = painted(SKIN, (255, 150, 130)).astype(np.float32) / np.float32(255)
    made = lit * feature_gain(lit, painted(SKIN, LIPS), everything, ALIKE)
    middle = np.median(made[regions(size)["lips"]], axis=0) * 255
    most = np.maximum(SKIN, LIPS)
    assert (middle - most < 0.35 * (np.array([255, 150, 130]) - most)).all() and middle[0] > 170


def test_how_far_two_skins_are_apart() -> None:
    dark, light = (Tone(np.full(3, x, np.float32), np.full(3, x, np.float32)) for x in (0.3, 0.7))
    orange = Tone(np.array([0.9, 0.6, 0.2], np.float32), light.lips)
    assert Apart.of(light, light) == ALIKE
    assert Apart.of(dark, light).tone == pytest.approx(Apart.of(light, dark).tone)
    assert 0.7 < Apart.of(dark, light).tone < 0.9 and Apart.of(dark, light).tint < 0.05
    assert (
        Apart.of(light, orange).tint == pytest.approx(Apart.of(orange, light).tint)
        and Apart.of(light, orange).tint > 0.7
    )


def test_little_is_trusted_of_the_colours_in_coloured_light() -> None:
    assert ALIKE.trusted == 1 and Apart(1.0, 0.2).trusted == 1
    assert Apart(0.0, 0.9).trusted == Apart(0.0, 2.0).trusted < 0.5 < Apart(0.0, 0.4).trusted < 1


SKIN, LIPS = (178, 127, 102), (165, 84, 80)


def painted(skin: Sequence[float], lips: Sequence[float], size: int = 128) -> U8:
    """A face of two colours, uint8 (size, size, 3)."""
    texture: U8 = np.empty((size, size, 3), np.uint8)
    texture[:] = skin
    texture[regions(size)["lips"]] = lips
    return texture


def noisy(texture: U8, deviation: float) -> U8:
    """With tints of its own, as skin has."""
    rough = texture * np.exp(np.random.default_rng(0).normal(0, deviation, texture.shape))
    return np.asarray(np.clip(rough, 0, 255), np.uint8)


def tone(skin: Sequence[float], lips: Sequence[float]) -> Tone:
    first, second = (np.array(colour, np.float32) / np.float32(255) for colour in (skin, lips))
    return Tone(first, second, 0.05)


@pytest.mark.parametrize(
    ("skin", "lips", "least", "most"),
    [
        (SKIN, LIPS, 1, 1),
        ((130, 130, 130), (95, 95, 95), 0, 0.05),  # black and white
        ((150, 130, 120), (128, 108, 106), 0.2, 0.7),  # bleached
        ((100, 110, 160), (92, 73, 126), 1, 1),  # blue light
        (SKIN, (160, 105, 90), 1, 1),  # pale lips
        ((150, 125, 95), (108, 90, 68), 0, 0.35),  # sepia
    ],
)
def test_only_a_bleached_shot_takes_colour_from_the_face(
    skin: tuple[int, int, int], lips: tuple[int, int, int], least: float, most: float
) -> None:
    everything = np.full((128, 128), 255, np.uint8)
    one_tint = least == 0
    seen = painted(skin, lips) if one_tint else noisy(painted(skin, lips), 0.03)
    found = saturation(seen, everything, tone(skin, lips), tone(SKIN, LIPS))
    assert least <= found <= most
    hand = painted((0, 255, 0), (0, 0, 255))
    hidden = saturation(hand, np.zeros_like(everything), tone(skin, lips), tone(SKIN, LIPS))
    assert one_tint or hidden == pytest.approx(found, abs=0.05), "a hand before the face is not asked"


def test_bleached_footage_with_a_warm_tint_is_bleached() -> None:
    """Its skin is as warm as any; that all of the face is of much the same colour tells."""
    everything = np.full((128, 128), 255, np.uint8)
    warm, lips = (178, 127, 80), (130, 92, 58)
    seen = noisy(painted(warm, lips), 0.03)
    own = Tone.of(seen[None], everything[None])
    plain, rich = (replace(tone(SKIN, LIPS), tints=t * own.tints) for t in (1.0, 4.0))
    assert saturation(seen, everything, own, plain) == pytest.approx(1, abs=0.05)
    assert saturation(seen, everything, own, rich) < 0.4


def test_lips_of_one_frame_do_not_tell_how_colourful_a_shot_is() -> None:
    """Stretched by a smile they are paler, pressed they are redder; a frame that is grey is grey nevertheless."""
    everything = np.full((128, 128), 255, np.uint8)
    skin = (150, 130, 120)
    usual, smiling, pressed = (noisy(painted(skin, x), 0.03) for x in ((128, 108, 106), (142, 124, 116), (128, 92, 92)))
    own = Tone.of(usual[None], everything[None])
    shares = [saturation(seen, everything, own, tone(SKIN, LIPS)) for seen in (usual, smiling, pressed)]
    assert 0.2 < shares[0] < 0.7 and np.ptp(shares) < 0.05
    assert saturation(painted((130,) * 3, (95,) * 3), everything, own, tone(SKIN, LIPS)) < 0.05


def test_a_grey_shot_has_white_eyes_and_no_red_lips() -> None:
    """As the film draws it: colour, saturation, features."""
    shot: U8 = np.full((128, 128, 3), 130, np.uint8)
    shot[regions(128)["eyes"]] = 220
    shot[regions(128)["lips"]] = 95
    seen, everything = noisy(shot, 0.002), np.full((128, 128), 255, np.uint8)
    texture = painted(SKIN, LIPS)
    texture[regions(128)["eyes"]] = (240, 225, 205)
    decoded: F32 = texture.astype(np.float32) / np.float32(255)
    lit = np.clip(decoded * colour_gain(decoded, seen, everything), 0, 1).astype(np.float32)
    share = saturation(seen, everything, tone((130,) * 3, (95,) * 3), tone(SKIN, LIPS))
    plain = desaturate(lit, share)
    made = plain * feature_gain(plain, seen, everything, ALIKE)
    for name in ("eyes", "lips"):
        colour = made[regions(128)[name]].mean(0)
        assert np.ptp(colour) < 0.06 * colour.mean(), name


def test_taking_colour_keeps_skin_and_brightness() -> None:
    lit: F32 = painted(SKIN, LIPS).astype(np.float32) / np.float32(255)
    assert desaturate(lit, 1.0) is lit
    grey = desaturate(lit, 0.0)
    lips = regions(128)["lips"]
    assert np.abs(grey[64, 20] - lit[64, 20]).max() < 0.01, "the skin's colour is the shot's already"
    ratio = grey[lips].mean(0) / grey[64, 20]
    assert np.ptp(ratio) < 0.05, "lips differ from skin in brightness alone"
    assert grey[lips].mean() == pytest.approx(lit[lips].mean(), abs=0.05)


def test_sharpness_follows_the_shot() -> None:
    size, rng = 96, np.random.default_rng(0)
    crisp = np.clip(people.skin(1, size) + rng.normal(0, 0.08, (size, size, 3)), 0, 1).astype(np.float32)
    soft = sharpen(crisp, -0.6)
    visible = np.full((size, size), 255, np.uint8)
    lacks = sharpness_difference(soft, (crisp * 255).astype(np.uint8), visible)
    too_much = sharpness_difference(crisp, (soft * 255).astype(np.uint8), visible)
    assert lacks > 0.5 and too_much < -0.3
    assert sharpness_difference(sharpen(soft, lacks), (crisp * 255).astype(np.uint8), visible) < lacks / 2
    assert sharpness_difference(crisp, (soft * 255).astype(np.uint8), np.zeros((size, size), np.uint8)) == 0


def test_a_blend_changes_only_masked_pixels_and_nothing_at_the_rim() -> None:
    frame = people.picture(people.head(), people.skin(1))
    drawing = draw(people.head(), frame.shape[:2])
    assert drawing is not None
    patch = blend(frame, drawing, people.skin(2), fade(128))
    assert patch is not None
    h, w = patch.mask.shape
    under = frame[patch.y : patch.y + h, patch.x : patch.x + w].astype(int)
    change = np.abs(patch.pixels.astype(int) - under).max(2)
    assert change[patch.mask].mean() > 5
    edge = patch.mask & ~erode(patch.mask)
    assert np.median(change[edge]) < 6
    nothing = blend(frame, drawing, people.skin(2), np.zeros((128, 128), np.float32))
    assert nothing is None


def erode(mask: Bool) -> Bool:
    inner = mask.copy()
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(mask, step, axis)
    return inner


def test_pores_and_moles_last_and_highlights_do_not() -> None:
    rng = np.random.default_rng(0)
    faces = [rng.normal(0, 0.01, (detail.SIDE, detail.SIDE)).astype(np.float32) for _ in range(9)]
    for face in faces:
        face[60:66, 60:66] -= 0.2  # a mole
    faces[4][30:40, 100:110] += 0.2  # a highlight
    faces[4] += rng.normal(0, 0.01, faces[4].shape).astype(np.float32)  # the sharpest one
    kept = detail.lasting(faces)
    assert kept[62, 62] < -0.15 and abs(kept[35, 105]) < 0.02
    skin = (slice(150, 220), slice(80, 180))
    assert kept[skin].std() > 0.75 * faces[4][skin].std()
    assert np.array_equal(detail.lasting(faces[:1]), faces[0]), "one face has nothing to be compared with"


def pored(strength: float) -> detail.Detail:
    """Detail of a skin with pores."""
    grey = 0.5 + strength * np.random.default_rng(0).normal(size=(detail.SIDE, detail.SIDE, 1))
    texture = np.repeat((np.clip(grey, 0, 1) * 255).astype(np.uint8), 3, axis=2)
    ratio = detail._fine(texture, np.full((detail.SIDE, detail.SIDE), 255, np.uint8), 128)
    return detail.Detail(ratio, detail._strength(ratio), 128)


def test_smooth_skin_has_no_detail_and_pores_have() -> None:
    assert pored(0.0).strength < 1e-4
    assert 0.03 < pored(0.05).strength < 0.15
    assert np.abs(pored(0.05).ratio).max() <= detail.LARGEST


def test_detail_multiplies_the_skin_and_leaves_eyes_and_mouth() -> None:
    skin = pored(0.05)
    plain = np.full((128, 128, 3), 0.5, np.float32)
    assert np.abs(detail.apply(plain, skin, 0.0) - 0.5).max() < 1e-3
    full = detail.apply(plain, skin, 1.0)
    assert full.shape == (detail.SIDE, detail.SIDE, 3)
    marked = importance(detail.SIDE) > 1.9
    assert np.abs(full[marked] - 0.5).max() < 1e-3
    assert full.std() > 0.01 and abs(float(full.mean()) - 0.5) < 0.01


def test_small_faces_and_soft_shots_get_no_detail() -> None:
    skin = pored(0.05)
    points = people.head()
    frame = Frame(np.full((256, 256, 3), 128, np.uint8), 0, 0, Fraction(1, 25))
    assert people.face(points).size < detail.SHARP * skin.size
    assert detail.amount(skin, frame, people.face(points)) == 0
    large = (points * 2).astype(np.float32)
    soft = Frame(np.full((512, 512, 3), 128, np.uint8), 0, 0, Fraction(1, 25))
    assert people.face(large).size > detail.SHARP * skin.size
    assert detail.amount(skin, soft, people.face(large)) < 0.05


def looking(skin: int, whites: int) -> Tone:
    """Of some faces with grey skin and bright eyes."""
    faces = np.stack([painted((skin,) * 3, (90,) * 3)] * 3)
    faces[:, regions(128)["eyes"]] = whites
    return Tone.of(faces, np.full(faces.shape[:3], 255, np.uint8))


def test_skin_is_pale_in_itself_where_the_whites_of_the_eyes_say_so() -> None:
    pale, dark, dim = looking(180, 200), looking(80, 200), looking(81, 90)
    assert pale.whites is not None and dark.whites is not None
    assert dark.whites == pytest.approx(np.log(205 / 85), abs=0.01)
    paler = Apart.of(dark, pale).paler
    assert 0.7 < paler < 0.85 and Apart.of(pale, dark).paler == pytest.approx(-paler)
    assert Apart.of(dim, pale).paler == pytest.approx(0, abs=0.02), "the same skin in less light"
    lit = looking(110, 130)
    assert Apart.of(lit, looking(180, 250)).paler == 0 < Apart.of(lit, looking(180, 150)).paler, (
        "more light on all of it"
    )
    faces = painted((180,) * 3, (90,) * 3)[None]
    hidden = Tone.of(faces, np.zeros(faces.shape[:3], np.uint8))
    assert hidden.whites is None and Apart.of(hidden, dark).paler == Apart.of(dark, hidden).paler == 0


def test_whites_of_eyes_stay_white_in_dark_skin() -> None:
    """Of a pale target they have become as dark as its skin had to."""
    size = 128
    everything = np.full((size, size), 255, np.uint8)
    lit, shot = painted((80, 55, 45), (70, 40, 40)), painted((80, 55, 45), (70, 40, 40))
    eyes = regions(size)["eyes"]
    lit[eyes], shot[eyes] = 85, 170
    x: F32 = lit.astype(np.float32) / np.float32(255)
    grey, white = (
        float(np.median((x * feature_gain(x, shot, everything, Apart(0.8, 0.0, paler)))[eyes])) * 255
        for paler in (0.0, 0.8)
    )
    assert grey < 105 and 140 < white < 175
    factor = feature_gain(x, shot, everything, Apart(0.8, 0.0, 0.8))
    assert factor[~eyes].max() < 1.2, "lids do not glow"


def test_what_shines_is_not_multiplied_with_the_tone() -> None:
    size, paler = 128, 0.8
    skin: F32 = painted((200, 150, 125), (170, 80, 80)).astype(np.float32) / np.float32(255)
    ys, xs = np.mgrid[:size, :size] / size
    spot = np.exp(-(((xs - 0.3) / 0.04) ** 2) - ((ys - 0.55) / 0.04) ** 2)[..., None].astype(np.float32)
    shining, mole, blush = (
        skin + 0.2 * spot,
        skin * (1 - 0.5 * spot),
        skin * (1 + spot * np.array([0.2, 0.1, 0], np.float32)),
    )
    made = matte(shining, paler)
    left = (made - skin).max() / (shining - skin).max()
    assert np.exp(-0.8) - 0.05 < left < np.exp(-0.8) + 0.2, "as much as there would be had the skin been paler"
    assert matte(shining, 0.0) is shining and matte(shining, -0.8) is shining
    for other in (skin, mole, blush):
        np.testing.assert_allclose(matte(other, paler), other, atol=0.02)
    np.testing.assert_allclose(made[spot[..., 0] < 1e-3], shining[spot[..., 0] < 1e-3], atol=0.02)


def test_sharpening_adds_no_colour() -> None:
    rng = np.random.default_rng(0)
    texture = np.clip(people.skin(1) + rng.normal(0, 0.02, (128, 128, 3)), 0.2, 0.8).astype(np.float32)
    sharper, softer = sharpen(texture, 0.8), sharpen(texture, -0.5)
    np.testing.assert_allclose(
        sharper - sharper.mean(2, keepdims=True), texture - texture.mean(2, keepdims=True), atol=1e-5
    )
    fringes = [np.abs(np.diff(t[..., 0] - t[..., 1], axis=1)).mean() for t in (softer, texture)]
    assert fringes[0] < 0.8 * fringes[1]


def test_usual_colours_are_those_that_are_seen() -> None:
    size = 128
    faces = np.stack([painted(SKIN, LIPS, size)] * 3)
    faces[2] = (10, 200, 10)  # once something green is before it
    found = Tone.of(faces, np.full(faces.shape[:3], 255, np.uint8))
    np.testing.assert_allclose(found.skin * 255, SKIN, atol=1)
    np.testing.assert_allclose(found.lips * 255, LIPS, atol=1)
    hidden = Tone.of(faces, np.zeros(faces.shape[:3], np.uint8))
    np.testing.assert_allclose(hidden.skin * 255, SKIN, atol=1)


def test_frames_together_are_as_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order, frames without faces, two faces in a frame; the networks stand in for themselves."""
    made = Swapper.__new__(Swapper)
    heads = [people.face(people.head(centre=(x, 128), scale=50), track=n) for n, x in enumerate((70, 186))]
    rest = shape.learn(stored.face for stored in [people.stored(people.head(), 0)])
    tone = Tone(np.full(3, 0.5, np.float32), np.full(3, 0.4, np.float32))
    made.people = SimpleNamespace(shapes=(rest, rest), tones=(tone, tone), spectacles=None, rims=None)  # type: ignore[assignment]
    made._network = SimpleNamespace(config=SimpleNamespace(size=64))  # type: ignore[assignment]
    made._apart, made._greys, made._detail, made._missed, made._matches = ALIKE, np.zeros(3, np.float32), None, None, {}
    monkeypatch.setattr(made, "_decode", lambda seen: [[x.texture.astype(np.float32) / 255 for x in seen]] * 2)
    frames = [
        (Frame(people.picture(people.head(centre=(70, 128), scale=50), people.skin(k)), k, k, Fraction(1, 25)), faces)
        for k, faces in enumerate([heads[:1], [], heads, heads[:1], [people.face(people.head(centre=(-900, 9)))]])
    ]
    together = made.decode_all(frames)
    assert [len(faces) for faces in together] == [1, 0, 2, 1, 0]
    made.begin()
    for (frame, faces), found in zip(frames, together, strict=True):
        for one, other in zip(made.decode(frame, faces), found, strict=True):
            assert one.face.track == other.face.track
            np.testing.assert_array_equal(one.texture, other.texture)
            np.testing.assert_allclose(one.match.colour, other.match.colour, atol=1e-5)


def softened(points: F32, size: int = 256) -> tuple[F32, F32, Bool]:
    """The steps between neighbours of a face that is drawn with its places as colours, sharp and as `blend` draws it,
    and how far both are apart, float32 (h, w) each, with where a face is whole."""
    places = np.stack(np.meshgrid(*[np.linspace(0, 1, 128, dtype=np.float32)] * 2), 2)
    texture = np.concatenate([places, places[..., :1]], 2)
    drawing = draw(points, (size, size))
    assert drawing is not None
    patch = blend(np.zeros((size, size, 3), np.uint8), drawing, texture, np.ones((128, 128), np.float32))
    assert patch is not None
    plain = sample(texture, drawing.uv, interpolation=cv2.INTER_CUBIC) * 255
    solid = cv2.erode((drawing.cover == 1).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return plain, patch.pixels.astype(np.float32), solid


def test_a_nose_before_its_cheek_has_a_smooth_edge() -> None:
    """Places in the texture jump there from one pixel to the next."""
    points = people.head(40, scale=110)
    plain, drawn, solid = softened(points)
    pairs = cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8))[:, 1:] > 0
    below_eyes, tip = (round(float(points[k, 1] - points[:MESH, 1].min())) for k in (195, 4))
    pairs[:below_eyes] = pairs[tip:] = False
    torn, now = (float(np.abs(np.diff(x[..., 0], axis=1))[pairs].max()) for x in (plain, drawn))
    changed = (np.abs(plain - drawn).max(2) > 2)[solid].mean()
    assert torn > 12 and now < 0.7 * torn and 0 < changed < 0.03


@pytest.mark.parametrize("scale", [14, 20, 30, 50, 110])
def test_nothing_else_of_a_face_is_softened(scale: float) -> None:
    """Neither small faces, in which pixels lie far apart in the texture, nor the line between closed lips."""
    plain, drawn, solid = softened(people.head(scale=scale))
    assert (np.abs(plain - drawn).max(2) > 1)[solid].mean() < 0.002
