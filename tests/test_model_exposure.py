"""Faces from the dark."""

import numpy as np
import people
import pytest

from doublecast.model.exposure import DIM, MOST, developed, exposure
from doublecast.model.space import importance, inside
from doublecast.types import U8

SIZE = 96
TEXTURE: U8 = np.asarray(255 * people.skin(1, SIZE), np.uint8)
SEEN: U8 = np.where(inside(SIZE) > 0, np.uint8(255), np.uint8(0))


def dark(share: float) -> U8:
    return np.asarray(TEXTURE * share, np.uint8)


def bright(texture: U8) -> float:
    skin = (importance(SIZE) < 1.05) & (SEEN > 0)
    return float(np.median(texture[skin].mean(1))) / 255


def test_faces_in_ordinary_light_are_left_alone() -> None:
    assert bright(TEXTURE) > DIM
    texture, factor = developed(TEXTURE, SEEN)
    assert factor == 1 and texture is TEXTURE


@pytest.mark.parametrize("share", [0.35, 0.2, 0.1])
def test_dark_faces_become_as_bright_as_the_darkest_in_ordinary_light(share: float) -> None:
    texture, factor = developed(dark(share), SEEN)
    assert factor > 1 and bright(texture) == pytest.approx(DIM, abs=0.01)
    assert texture[48, 48] == pytest.approx(factor * dark(share)[48, 48].astype(float), abs=1)


def test_no_more_than_footage_of_eight_bits_can_bear() -> None:
    assert exposure(dark(0.01), SEEN) == MOST and exposure(np.zeros_like(TEXTURE), SEEN) == MOST


def test_the_skin_decides_and_only_where_it_is_seen() -> None:
    half = SEEN.copy()
    half[:, SIZE // 2 :] = 0
    texture = TEXTURE.copy()
    texture[:, SIZE // 2 :] = 0  # the hidden half
    assert exposure(texture, half) == 1 and exposure(TEXTURE, np.zeros_like(SEEN)) == 1
    black_eyes = np.where(importance(SIZE)[..., None] > 1.5, np.uint8(0), TEXTURE)
    assert exposure(black_eyes, SEEN) == 1


@pytest.mark.parametrize("shadow", [0.4, 0.55, 0.8])
def test_half_a_face_in_the_shadow_is_none_in_the_dark(shadow: float) -> None:
    """What is lit would be white, and no film brighter than that."""
    texture = TEXTURE.copy()
    texture[:, : round(shadow * SIZE)] //= 12
    made, factor = developed(texture, SEEN)
    lit = (importance(SIZE) < 1.05) & (SEEN > 0) & (np.arange(SIZE) >= round(shadow * SIZE))
    assert (made[lit] == 255).mean() < 0.03
    assert factor < 1.6


def test_a_few_texels_do_not_decide() -> None:
    few = np.zeros_like(SEEN)
    few[48, 20:23] = 255
    black = dark(0.2)
    black[48, 20:23] = 255
    assert exposure(black, few) == pytest.approx(exposure(dark(0.2), SEEN), rel=0.05)
