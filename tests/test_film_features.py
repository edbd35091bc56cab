"""Brows, lids and lips as sharp as in the target's own footage."""

from pathlib import Path

import cv2
import numpy as np
import people
import pytest
from faceset_faces import FakeTake, fill, make

from doublecast.faceset import FaceStore
from doublecast.film import features
from doublecast.film.detail import SIDE
from doublecast.film.features import Missed, Sources
from doublecast.model.space import BROW_RINGS, EYE_RINGS, MOUTH_INSIDE, MOUTH_RING, filled
from doublecast.types import F32, U8

SIZE = 128
LIPS = filled([MOUTH_RING], SIDE, 2) - filled([MOUTH_INSIDE], SIDE, 1) > 0
LASHES = filled(EYE_RINGS, SIDE, 6) - filled(EYE_RINGS, SIDE, 1) > 0
FOREHEAD = (slice(10, 32), slice(80, 176))


def textured(*, dark: float = 0.6, seed: int = 0) -> U8:
    """A grey face with lashes, brows of hairs, and lines in its lips, uint8 (`SIDE`, `SIDE`, 3)."""
    grey: F32 = np.full((SIDE, SIDE), 0.6, np.float32)
    lines = np.arange(SIDE) % 4 < 1
    for mask in (LASHES, LIPS, filled(BROW_RINGS, SIDE) > 0):
        grey[mask & lines[None]] *= 1 - dark
    grey[filled(BROW_RINGS, SIDE) > 0] *= 0.6
    grey += np.random.default_rng(seed).normal(0, 0.004, grey.shape).astype(np.float32)
    return np.repeat((np.clip(grey, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def dull(texture: U8) -> F32:
    """As a network makes it of that: float32 (`SIZE`, `SIZE`, 3)."""
    soft = cv2.GaussianBlur(texture.astype(np.float32) / np.float32(255), (0, 0), 4)
    return np.asarray(cv2.resize(soft, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)


def sources(*textures: U8, bare: U8 | None = None) -> Sources:
    seen: U8 = np.full((SIZE, SIZE), 255, np.uint8) if bare is None else bare
    fine = np.stack(textures)
    small: U8 = np.stack(
        [np.asarray(cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8) for one in textures]
    )
    return Sources(fine, small, np.stack([seen] * len(textures)))


def learned(*textures: U8, bare: U8 | None = None) -> Missed:
    return features.learn(sources(*textures, bare=bare), [dull(one) for one in textures])


def large(texture: F32) -> F32:
    return np.asarray(cv2.resize(texture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def test_lashes_hairs_and_lines_of_lips_come_back() -> None:
    truth = textured()
    missed = learned(truth, truth)
    before, wanted = large(dull(truth)), truth.astype(np.float32) / np.float32(255)
    after = features.drawn(before, missed, 1.0)
    for where in (LASHES, LIPS, filled(BROW_RINGS, SIDE, -1) > 0):
        assert np.abs(after - wanted)[where].mean() < 0.7 * np.abs(before - wanted)[where].mean()
        assert after[where].std() > 1.5 * before[where].std()
    assert np.abs(after - before)[FOREHEAD].max() < 1e-3, "skin is none of it"


def test_what_the_network_draws_itself_is_not_drawn_twice() -> None:
    truth = textured()
    found = features.learn(sources(truth), [truth.astype(np.float32) / np.float32(255)])
    assert np.abs(found.fine).max() < 0.02


@pytest.mark.parametrize("size", [SIDE, SIZE])
def test_a_share_of_it_is_drawn_at_either_size(size: int) -> None:
    missed = learned(textured())
    plain: F32 = np.full((size, size, 3), 0.5, np.float32)
    none, half, all_of_it = (features.drawn(plain, missed, share) for share in (0, 0.5, 1))
    assert none == pytest.approx(plain, abs=1e-6)
    assert all_of_it.shape == plain.shape and all_of_it.dtype == np.float32
    assert 0.4 < np.abs(half - plain).mean() / np.abs(all_of_it - plain).mean() < 0.7


def test_the_whole_fits_into_0_to_1() -> None:
    missed = Missed(*(np.full((n, n), value, np.float32) for n, value in ((SIDE, -9), (SIZE, 9))))
    assert features.drawn(np.full((SIDE, SIDE, 3), 0.1, np.float32), missed, 1).min() == 0
    assert features.drawn(np.full((SIZE, SIZE, 3), 0.9, np.float32), missed, 1).max() == 1


def test_a_face_like_the_others_is_taken_and_not_the_one_that_shines() -> None:
    rng = np.random.default_rng(0)
    piece = np.zeros((SIDE, SIDE), np.float32)
    piece[100:140, 60:120] = 1
    common = rng.normal(0, 0.05, piece.shape)
    faces = [(common + rng.normal(0, 0.03, piece.shape)).astype(np.float32) for _ in range(7)]
    faces[3][110:120, 70:110] += 0.5
    found = features.typical(faces, [np.ones_like(piece)] * 7, piece)
    assert any(found is face for face in faces), "one face's, not a mean"
    assert found is not faces[3]


def test_light_on_lips_is_not_kept_nor_does_it_darken_what_is_beside_it() -> None:
    plain = textured(dark=0)
    shining = plain.copy()
    rows, columns = (int(v) for v in np.argwhere(LIPS).mean(0))
    spot = np.zeros_like(LIPS)
    spot[rows + 20 : rows + 26, columns - 14 : columns + 14] = True
    assert LIPS[spot].mean() > 0.5
    shining[spot] = 240
    made = [dull(plain)]
    with_light, without = (
        features.drawn(large(made[0]), features.learn(sources(face), made), 1.0) for face in (shining, plain)
    )
    assert (with_light - without)[LIPS].max() < 0.07, "of .36"
    assert (with_light - without)[LIPS].min() > -0.035


def test_broad_shadows_are_light_and_no_feature() -> None:
    plain = textured(dark=0)
    shaded = (plain * np.linspace(0.6, 1.2, SIDE)[None, :, None]).astype(np.uint8)
    with_light, without = (features.learn(sources(face), [dull(plain)]).fine for face in (shaded, plain))
    assert np.abs(with_light - without).max() < 0.03


@pytest.mark.parametrize("change", [0.5, -0.5])
def test_of_two_faces_the_plainer_one_is_taken(change: float) -> None:
    rng = np.random.default_rng(0)
    piece = np.zeros((SIDE, SIDE), np.float32)
    piece[100:140, 60:120] = 1
    one = rng.normal(0, 0.05, piece.shape).astype(np.float32)
    other = one.copy()
    other[110:120, 70:110] += change
    for faces in ([one, other], [other, one]):
        assert features.typical(faces, [np.ones_like(piece)] * 2, piece) is one


def test_a_face_that_shows_a_third_of_a_feature_is_not_asked() -> None:
    piece = np.zeros((SIDE, SIDE), np.float32)
    piece[100:130, 60:120] = 1
    third = np.ones_like(piece)
    third[110:] = 0
    faces = [np.full_like(piece, value) for value in (0.01, 0.3)]
    assert features.typical(faces, [third, np.ones_like(piece)], piece) is faces[1]


def test_rims_of_spectacles_are_no_features() -> None:
    plain = textured(dark=0)
    ring = filled(EYE_RINGS, SIDE, 7) - filled(EYE_RINGS, SIDE, 5)
    worn = plain.copy()
    worn[ring > 0] = 30
    made = [dull(plain)]
    assert np.abs(features.learn(sources(worn), made).fine[ring > 0]).mean() > 0.2
    assert np.abs(features.learn(sources(worn), made, ring.astype(np.float32)).fine[ring > 0]).mean() < 0.01


def test_hairs_keep_the_hue_of_what_they_darken() -> None:
    missed = Missed(*(np.full((n, n), -0.3, np.float32) for n in (SIDE, SIZE)))
    brow: F32 = np.full((SIZE, SIZE, 3), (0.30, 0.15, 0.08), np.float32)
    darker = features.drawn(brow, missed, 1)
    assert darker.max() < 0.29
    assert darker[0, 0] / darker[0, 0, 0] == pytest.approx(brow[0, 0] / brow[0, 0, 0], rel=1e-3)


def test_a_hidden_side_is_the_mirror_image_of_the_other() -> None:
    bare: U8 = np.full((SIZE, SIZE), 255, np.uint8)
    bare[:, : SIZE // 2] = 0
    missed = learned(textured(), bare=bare)
    for ring in (BROW_RINGS[0], EYE_RINGS[0]):
        hidden = filled([ring], SIDE, 3) > 0
        assert np.abs(missed.fine[hidden]).max() > 0.05
        assert np.percentile(np.abs(missed.fine - missed.fine[:, ::-1])[hidden], 95) < 0.02


def test_what_nobody_sees_stays_the_networks() -> None:
    missed = learned(textured(), bare=np.zeros((SIZE, SIZE), np.uint8))
    assert not missed.fine.any() and not missed.coarse.any()


def test_the_shadow_of_a_fringe_is_no_feature() -> None:
    texture = textured(dark=0)
    covered = filled(BROW_RINGS[:1], SIDE, 3) > 0
    covered[:, 70:] = False
    beside = cv2.dilate(covered.astype(np.uint8), np.ones((7, 7), np.uint8)) - covered > 0
    bare = np.where(cv2.resize(covered.astype(np.uint8), (SIZE, SIZE)) > 0, 0, 255).astype(np.uint8)
    without = learned(texture, bare=bare)
    shaded = texture.copy()
    shaded[beside] //= 2
    found = features.learn(sources(shaded, bare=bare), [dull(texture)])
    near = filled(BROW_RINGS[:1], SIDE) > 0
    assert found.fine[near] == pytest.approx(without.fine[near], abs=0.03)


def test_a_brow_is_not_made_longer_than_the_network_has_it() -> None:
    short = textured(dark=0)
    y, x = (int(v) for v in np.argwhere(filled(BROW_RINGS[:1], SIDE) > 0).min(0))
    tail = (slice(y + 4, y + 7), slice(x - 7, x - 1))
    longer = short.copy()
    longer[tail] = 20
    found = features.learn(sources(longer), [dull(short)])
    assert np.abs(found.fine[tail]).max() < 0.1


@pytest.mark.parametrize("scale", [40, 90])
def test_only_faces_with_as_many_pixels_as_the_network_has_texels_tell(tmp_path: Path, scale: int) -> None:
    store, points = FaceStore(tmp_path), people.head(scale=scale)
    fill(store, [make(points, index, people.picture(points, people.skin(1))) for index in range(3)], FakeTake("a"))
    ids = store.table().id
    store.assign(ids, np.zeros(len(ids), np.int32), [""] * len(ids), "all of them")
    found = features.sources(store, SIZE)
    if scale < 60:
        assert found is None
    else:
        assert found is not None
        assert found.fine.shape == (3, SIDE, SIDE, 3) and found.bare.shape == (3, SIZE, SIZE)


def test_an_empty_store_has_no_features(tmp_path: Path) -> None:
    assert features.sources(FaceStore(tmp_path), SIZE) is None
