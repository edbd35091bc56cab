"""What lies before a face: the network that finds it, and what becomes of the texels."""

from importlib.resources import as_file, files
from typing import Any

import cv2
import numpy as np
import people
import pytest
import torch

from doublecast.faces.track import FaceTracker
from doublecast.model import material, occlusion
from doublecast.model.networks import pack
from doublecast.model.space import (
    BROW_RINGS,
    EYE_RINGS,
    MOUTH_RING,
    depth,
    fade,
    filled,
    importance,
    inside,
    layout,
    unwrap,
)
from doublecast.types import F32, U8
from doublecast.video import Reader, find_takes
from doublecast.weights import fetch_all

SIDE = occlusion.SIDE

skins = pytest.mark.parametrize("skin", [(1, 1, 1), (0.55, 0.42, 0.36)], ids=["light", "dark"])


def look(texture: U8, visible: U8) -> tuple[U8, U8]:
    """Of one texture."""
    bare, covered = occlusion.look(texture[None], visible[None])
    return bare[0], covered[0]


@pytest.fixture(scope="module")
def demo() -> tuple[U8, F32]:
    """A picture of a synthetic performer with nothing before her face, and her landmarks."""
    with as_file(files("doublecast.assets") / "demo" / "actor.mp4") as path, Reader(find_takes([path])[0]) as reader:
        frame = next(iter(reader))
    fetch_all()
    (face,) = FaceTracker(pictures=True).step(frame)
    return frame.pixels, face.points


@pytest.mark.parametrize("size", [96, 128, 256])
def test_hair_over_the_forehead_is_found_and_the_face_is_not(demo: tuple[U8, F32], size: int) -> None:
    face, visible = unwrap(*demo, size)
    bare, covered = look(face, visible)
    inner = fade(size) > 0.5
    assert covered[inner].mean() < 20 and bare[inner].mean() > 0.9 * visible[inner].mean()
    rng = np.random.default_rng(0)
    height = round(0.25 * size)
    strands = np.repeat(cv2.GaussianBlur(rng.normal(32, 25, (1, size, 1)), (0, 0), size / 128), height, 0)
    face[:height] = np.clip(strands, 5, 70).astype(np.uint8)[..., None] * np.array([1, 0.8, 0.7])
    bare, covered = look(face, visible)
    forehead, below = inner.copy(), inner.copy()
    forehead[round(0.2 * size) :] = False
    below[: round(0.45 * size)] = False
    assert covered[forehead].mean() > 150 and bare[forehead].mean() < 80
    assert covered[below].mean() < 25


def test_nothing_is_covered_where_nothing_is_seen(demo: tuple[U8, F32]) -> None:
    hidden = np.zeros((SIDE, SIDE), np.uint8)
    bare, covered = look(unwrap(*demo, SIDE)[0], hidden)
    assert not bare.any() and not covered.any()


def test_what_covers_most_faces_covers_all_and_what_covers_few_does_not() -> None:
    covered = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    covered[:7, :, :2] = 255  # a fringe, missed in three frames
    covered[:2, :, 6:] = 255  # a hand, in two frames
    found = occlusion.usual(covered)
    assert bool((found[:, :, :2] == 255).all())
    assert bool((found[:2, :, 6:] == 255).all()) and not found[2:, :, 6:].any()
    assert not found[:, :, 2:6].any()


def test_hair_that_is_missed_in_most_faces_covers_all_and_a_hand_does_not() -> None:
    covered = torch.zeros(10, 1, 64, 64, dtype=torch.uint8)
    covered[:4, :, :6] = 255  # thin ends of a fringe
    covered[:3, :, 50:] = 255  # a hand before the chin
    found = occlusion.usual(covered)
    assert bool((found[:, :, :6] == 255).all())
    assert bool((found[:3, :, 50:] == 255).all()) and not found[3:, :, 50:].any()


def test_skin_is_continued_without_the_brows() -> None:
    brows = (importance(SIDE) > 1.5) & (importance(SIDE) < 2.3)
    textures = torch.full((1, 3, SIDE, SIDE), 180, dtype=torch.uint8)
    textures[..., torch.from_numpy(brows)] = 20
    visible = torch.full((1, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    seen = visible.clone()
    seen[..., 8:24, :] = 0  # both sides: there is no mirror image to go by
    textures[..., 8:24, :] = 0
    filled, _ = occlusion.fill(textures, visible, seen)
    skin = ~torch.from_numpy(brows)[8:24, 40:88]
    assert filled[0, 0, 8:24, 40:88][skin].float().min() > 165


def test_the_rim_of_what_is_covered_does_not_count_as_seen() -> None:
    visible = torch.full((1, 1, 128, 128), 200, dtype=torch.uint8)
    covered = torch.zeros_like(visible)
    covered[..., 40:50, 40:50] = 255
    bare = occlusion.bare(visible, covered)
    reach = round(occlusion.RIM * 128)
    assert not bare[..., 40 - reach : 50 + reach, 40 - reach : 50 + reach].any()
    assert bool((bare[..., : 39 - reach, :] == 200).all())


def test_batches_and_single_textures_agree(demo: tuple[U8, F32]) -> None:
    face, visible = unwrap(*demo, SIDE)
    faces = np.stack([face, np.roll(face, 20, 0)])
    seen = torch.from_numpy(np.stack([visible, visible]))[:, None]
    both = occlusion.coverage(torch.from_numpy(faces).permute(0, 3, 1, 2), seen)
    for row in range(2):
        alone = look(faces[row], visible)[1]
        assert np.abs(alone.astype(int) - both[row, 0].numpy()).max() <= 1


def test_covered_texels_learn_from_their_mirror_image_and_the_skin_around() -> None:
    size = 64
    picture = np.full((size, size, 3), 120, np.uint8)
    picture[40:50, 4:20] = (200, 60, 60)  # a mark on the left cheek
    picture[40:50, 44:60] = 0  # hair before the right cheek
    picture[:10] = 0  # and before the whole forehead
    picture[8:] = np.clip(picture[8:] * np.linspace(1.0, 0.8, size)[None, :, None], 0, 255)  # light from the left
    visible = np.full((size, size), 255, np.uint8)
    seen = visible.copy()
    seen[40:50, 44:60] = seen[:10] = 0
    x, v, s = (
        torch.from_numpy(picture).permute(2, 0, 1)[None],
        *(torch.from_numpy(m)[None, None] for m in (visible, seen)),
    )
    filled, taught = occlusion.fill(x, v, s)
    made = filled[0].permute(1, 2, 0).numpy().astype(int)
    assert made[45, 51, 0] - made[45, 51, 1] > 80, "the mark is mirrored"
    assert made[45, 51].mean() < made[45, 11].mean(), "in the light of its side"
    assert np.abs(made[4, 32] - 108).max() < 20, "the forehead is skin"
    whole = torch.from_numpy(seen > 0)
    assert torch.equal(filled[0][:, whole], x[0][:, whole]) and torch.equal(taught[0, 0][whole], s[0, 0][whole])
    assert bool((taught[0, 0, :8] == round(255 * occlusion.FILLED)).all())
    untouched, same = occlusion.fill(x, v, v)
    assert torch.equal(untouched, x) and torch.equal(same, v)


@pytest.mark.parametrize("hidden", [0.3, 1.0], ids=["end", "all"])
def test_a_hidden_brow_is_the_other_one_and_the_end_of_one_is_skin(hidden: float) -> None:
    """The other brow is raised: its end would lie beside this one's, as a second end."""
    ours, theirs = (filled([ring], SIDE).astype(bool) for ring in BROW_RINGS)
    picture = np.full((SIDE, SIDE), 170, np.uint8)
    picture[ours | np.roll(theirs, -4, 0)] = 40
    columns = np.nonzero(ours.any(0))[0]
    seen = np.full((SIDE, SIDE), 255, np.uint8)
    seen[:60, : columns[0] + round(hidden * len(columns)) + 1] = 0
    x = torch.from_numpy(np.stack([picture] * 3))[None]
    v = torch.full((1, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    made = occlusion.fill(x, v, torch.from_numpy(seen)[None, None])[0][0, 0].numpy()
    expected = np.roll(theirs, -4, 0)[:, ::-1] & (seen == 0) & (importance(SIDE) < 2.5)
    assert expected.sum() > 20
    assert made[expected].max() < 80 if hidden == 1 else made[expected].min() > 140


@pytest.mark.parametrize("line_of", [(90, 90, 90), (150, 125, 125)], ids=["dark", "red"])
def test_the_shadow_of_hair_goes_with_it_and_lashes_stay(line_of: tuple[int, int, int]) -> None:
    """A dark line along what is covered is no skin, nor is a red one, but beside the eyes it is lashes."""
    size = 128
    eye = layout().uv[EYE_RINGS[0]] * size
    picture = np.full((size, size, 3), 150, np.uint8)
    edge = int(eye[:, 0].min()) - 3
    picture[:, edge - 3 : edge] = line_of
    visible = np.full((size, size), 255, np.uint8)
    seen = visible.copy()
    seen[:, : edge - 3] = 0
    filled, _ = occlusion.fill(
        torch.from_numpy(picture).permute(2, 0, 1)[None],
        *(torch.from_numpy(m)[None, None] for m in (visible, seen)),
    )
    line = filled[0, 1, :, edge - 2].numpy().astype(int)
    plain = importance(size)[:, edge - 2] < 1.05
    beside, below = round(float(eye[:, 1].mean())), round(float(eye[:, 1].max())) + 20
    assert line[beside] < line_of[1] + 5 and plain[below] and line[below] > 145


def test_a_turned_away_cheek_is_left_as_it_is() -> None:
    """Visibility is a ramp: texels that the camera sees at a flat angle are not covered."""
    size = 64
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 255, (1, 3, size, size), np.uint8))
    visible = torch.full((1, 1, size, size), 255, dtype=torch.uint8)
    visible[..., : size // 2] = 60
    filled, taught = occlusion.fill(x, visible, visible)
    assert torch.equal(filled, x) and torch.equal(taught, visible)
    covered = torch.zeros_like(visible)
    covered[..., :10] = 255
    filled, taught = occlusion.fill(x, visible, occlusion.bare(visible, covered))
    assert torch.equal(filled[..., 20:], x[..., 20:]) and not torch.equal(filled[..., :8], x[..., :8])


def test_a_face_that_is_covered_all_over_teaches_nothing() -> None:
    x = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    visible = torch.full((1, 1, 64, 64), 255, dtype=torch.uint8)
    filled, taught = occlusion.fill(x, visible, torch.zeros_like(visible))
    assert torch.equal(filled, x) and not taught.any()


@pytest.mark.parametrize("height", [0.45, 0.9])
def test_soft_hair_beside_a_cheek_is_found_and_a_beard_is_none(demo: tuple[U8, F32], height: float) -> None:
    """Skin's own colour, only darker, and out of focus, as hair is in small footage."""
    face, visible = unwrap(*demo, SIDE)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    deep = depth(SIDE)
    strip = (x < 0.5) & (deep < 0.13) & (deep > 0) & (np.abs(y - height) < 0.1)
    soft = cv2.GaussianBlur(strip.astype(np.float32), (0, 0), 3)[..., None]
    dark = np.asarray(face * (1 - 0.65 * soft), np.uint8)
    inner = strip & (visible > 128) & (deep > 0.03)
    seen = torch.from_numpy(np.where(visible > 0, 255, 0).astype(np.uint8))[None, None]
    packed = pack(torch.from_numpy(dark).permute(2, 0, 1)[None], seen)
    found = np.kron(occlusion._odd_rim(packed)[0, 0].numpy(), np.ones((2, 2)))
    if height < 0.6:
        assert found[inner].mean() > 0.8
    else:
        assert found[inner].max() < 0.3


def test_light_from_one_side_makes_no_odd_rim() -> None:
    seen = torch.full((1, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    lit = torch.exp(torch.linspace(0, -1.2, SIDE)).expand(1, 3, SIDE, SIDE) * 0.9
    assert occlusion._odd_rim(pack(lit, seen)).max() < 0.1
    both = lit.clone()
    both[0, 0] *= torch.linspace(0.6, 1.1, SIDE)
    both[0, 2] *= torch.linspace(1.1, 0.6, SIDE)
    assert occlusion._odd_rim(pack(both, seen)).max() < 0.1, "light of two colours from both sides"
    half = seen.clone()
    half[..., :40] = 0
    assert occlusion._odd_rim(pack(lit, half)).max() < 0.1, "what is hidden is grey, not dark"
    edge = lit.clone()
    edge[..., 40:80, :16] *= 0.4
    assert occlusion._odd_rim(pack(edge, seen)).max() > 0.9
    assert not occlusion._odd_rim(pack(edge, torch.zeros_like(seen))).any(), "there is no skin to compare with"
    turned = seen.clone()
    turned[..., :16] = 170
    assert occlusion._odd_rim(pack(edge, turned)).max() > 0.9, "hair is dark beneath the grey of what is half hidden"
    assert occlusion._odd_rim(pack(lit, turned)).max() < 0.1
    turned[..., :20] = 60
    assert occlusion._odd_rim(pack(edge, turned)).max() < 0.1, "hardly seen"


@pytest.mark.parametrize(("colour", "found"), [((0.35, 0.6, 0.75), True), ((0.86, 0.5, 0.42), False)])
def test_a_wall_beside_a_cheek_is_found_and_a_blush_is_none(colour: tuple[float, ...], found: bool) -> None:
    """As bright as the skin, so only its colour tells; low on the cheek, too."""
    skin = torch.tensor([0.8, 0.6, 0.45])[:, None, None].expand(3, SIDE, SIDE).clone()
    skin[:, 70:110, :14] = torch.tensor(colour)[:, None, None]
    seen = torch.full((1, 1, SIDE, SIDE), 200, dtype=torch.uint8)
    odd = occlusion._odd_rim(pack(skin[None], seen))[0, 0, 35:50]
    face = torch.from_numpy(depth(SIDE // 2) > 0)[35:50]
    assert (odd[face].max() > 0.9) if found else (odd.max() < 0.1)


def test_what_is_filled_has_no_edge() -> None:
    size = 64
    x = torch.full((1, 3, size, size), 160, dtype=torch.uint8)
    x[..., :12] = 40
    visible = torch.full((1, 1, size, size), 255, dtype=torch.uint8)
    seen = visible.clone()
    seen[..., :16] = torch.linspace(0, 255, 16).to(torch.uint8)
    filled, taught = occlusion.fill(x, visible, seen)
    assert filled[0, :, 40:, :8].float().min() > 145 and filled[0, :, 40:, :12].float().min() > 100
    assert bool((taught[..., :6] == round(255 * occlusion.FILLED)).all()) and torch.equal(
        taught[..., 16:], seen[..., 16:]
    )
    assert torch.equal(filled[..., 16:], x[..., 16:])
    slightly = torch.full_like(visible, 20)
    _, taught = occlusion.fill(x, slightly, slightly - 2)
    assert taught.max() < 40, "what is hardly seen is not taught more for being covered a little"


def from_one_side(faces: int, *, well: int = 0) -> tuple[U8, U8]:
    """Textures (N, S, S, 3) of even skin whose right cheek is a green wall, and visibility (N, S, S), by which the
    cheek is hardly seen; but in so many faces well."""
    shown = np.full((faces, SIDE, SIDE, 3), (200, 150, 120), np.uint8)
    seen = np.repeat(inside(SIDE)[None], faces, 0)
    shown[well:, :, 108:] = (60, 160, 70)
    seen[well:, :, 108:] = np.minimum(seen[well:, :, 108:], 60)
    return shown, seen


def test_a_side_that_is_never_seen_well_is_known() -> None:
    cheek = (slice(56, 64), slice(112, 120))
    for faces, well, unknown in ((100, 0, 1.0), (100, 1, 1.0), (100, 20, 0.0), (1, 0, 1.0), (3000, 300, 0.0)):
        _, seen = from_one_side(faces, well=well)
        found = occlusion.other_side(torch.from_numpy(seen)[:, None])[0, 0]
        assert found[cheek].min() == found[cheek].max() == unknown
        assert not found[:, :100].any()
    _, seen = from_one_side(10)
    both = np.minimum(seen, seen[:, :, ::-1])
    assert not occlusion.other_side(torch.from_numpy(both)[:, None]).any(), "there is nothing to go by"
    moving = filled([MOUTH_RING, *EYE_RINGS], SIDE) > 0
    half = np.full((10, SIDE, SIDE), 255, np.uint8)
    half[:, :, SIDE // 2 :] = 40
    hidden = occlusion.other_side(torch.from_numpy(half)[:, None])[0, 0].numpy()
    there = (inside(SIDE) > 0) & (np.arange(SIDE) >= SIDE // 2)
    assert not hidden[moving].any() and hidden[there].mean() > 0.7 and not hidden[~there].any()


def test_it_learns_from_the_side_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, seen = from_one_side(12)
    face = people.face(people.head())
    found = [(face, *pair) for pair in zip(shown, seen, strict=True)]
    monkeypatch.setattr(material, "textures_of", lambda *_: iter(found))
    monkeypatch.setattr(occlusion, "coverage", lambda _, visible: torch.zeros_like(visible))
    store: Any = None
    textures, visible, taught = material.unwrapped(store, np.arange(12), SIDE)
    cheek = (..., slice(56, 64), slice(112, 120))
    skin = torch.tensor([200, 150, 120])[None, :, None, None]
    assert (textures[cheek].int() - skin).abs().max() < 12
    assert not visible[cheek].any() and bool((taught[cheek] == round(255 * occlusion.FILLED)).all())
    front = (..., slice(56, 64), slice(40, 60))
    assert (textures[front].int() - skin).abs().max() <= 1
    assert bool((taught[front] > 200).all())


@pytest.mark.parametrize(("shine", "found_there"), [(0.0, True), (0.5, False)], ids=["even", "shiny"])
def test_a_rim_may_be_darker_where_all_of_the_skin_is_uneven(shine: float, found_there: bool) -> None:
    """Dark skin has highlights and dark edges; the edge of evenly lit skin is not dark by itself."""
    deep = depth(SIDE)
    relief = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 5)
    lit = np.exp(shine * (deep > 0.16) * relief / relief.std()) * np.where(deep < 0.12, 0.72, 1)
    face = np.clip(lit[..., None] * np.array([120, 90, 75]), 0, 255).astype(np.uint8)
    seen = torch.full((1, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    found = occlusion._odd_rim(pack(torch.from_numpy(face).permute(2, 0, 1)[None], seen))[0, 0].numpy()
    sides = np.kron(found, np.ones((2, 2)))[40:60, [*range(4, 10), *range(118, 124)]]
    assert sides.min() > 0.5 if found_there else sides.max() < 0.3


@pytest.mark.parametrize("colour", [(25, 20, 18), (90, 60, 40), (215, 212, 206)], ids=["black", "brown", "white"])
@skins
def test_a_full_beard_is_no_cover(
    demo: tuple[U8, F32], colour: tuple[int, int, int], skin: tuple[float, float, float]
) -> None:
    face, visible = unwrap(*demo, SIDE)
    face = np.asarray(face * np.array(skin), np.uint8)
    rng = np.random.default_rng(0)
    strands = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 0.7, sigmaY=2)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    edge = np.minimum(
        0.7 - 0.15 * np.clip(2 * np.abs(x - 0.5) - 0.3, 0, 1), 0.62 + 0.5 * np.clip(2 * np.abs(x - 0.5) - 0.3, 0, 1)
    )
    hair = 1 / (1 + np.exp(-np.clip((y - edge) / 0.02, -30, 30)))
    lips = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(lips, [np.round(layout().uv[MOUTH_RING] * SIDE).astype(np.int32)], 1)
    dense = (hair * (lips == 0) * np.clip(0.85 + 0.15 * strands / strands.std(), 0, 1))[..., None]
    bearded = face * (1 - dense) + dense * np.array(colour) * (1 + 0.2 * strands / strands.std())[..., None]
    there = (dense[..., 0] > 0.5) & (visible > 128)
    covered = look(np.clip(bearded, 0, 255).astype(np.uint8), visible)[1]
    assert covered[there].mean() < 5


@pytest.mark.parametrize("colour", [(40, 60, 170), (20, 20, 22), (150, 150, 150)], ids=["blue", "black", "grey"])
@skins
def test_a_scarf_over_mouth_and_chin_is_cover(
    demo: tuple[U8, F32], colour: tuple[int, int, int], skin: tuple[float, float, float]
) -> None:
    face, visible = unwrap(*demo, SIDE)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    folds = np.array(colour) * (1 + 0.2 * np.sin(60 * x))[..., None]
    wrapped = np.where((y > 0.62)[..., None], folds, face * np.array(skin))
    covered = look(np.clip(wrapped, 0, 255).astype(np.uint8), visible)[1]
    assert covered[(y > 0.7) & (visible > 128)].mean() > 140
    assert covered[(y < 0.5) & (visible > 128) & (fade(SIDE) > 0.9)].mean() < 5


def test_a_fringe_does_not_make_the_skin_uneven() -> None:
    """Hair over a third of the face is no unevenness of its skin: strands beside it are still found."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    face = np.full((SIDE, SIDE, 3), (190, 150, 130), np.uint8)
    strands = (depth(SIDE) < 0.12) & (x < 0.5)
    face[strands] = face[strands] * 0.65
    seen = torch.full((1, 1, SIDE, SIDE), 255, dtype=torch.uint8)
    for cover in (np.zeros_like(x, bool), x > 0.68, y < 0.36):
        hidden = face.copy()
        hidden[cover] = (30, 24, 20)
        found = occlusion._odd_rim(pack(torch.from_numpy(hidden).permute(2, 0, 1)[None], seen))[0, 0].numpy()
        assert np.kron(found, np.ones((2, 2)))[56:70, 4:10].mean() > 0.6
