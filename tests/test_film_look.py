"""The look: its ranges, nothing changed by the usual one, and what each value does."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import people
import pytest
import torch

from doublecast.errors import InputError
from doublecast.film.colour import Apart
from doublecast.film.composite import blend, lying_before, sharpen
from doublecast.film.eyes import Irises
from doublecast.film.features import Missed, Sources
from doublecast.film.look import PLAIN, Look, settings
from doublecast.film.openings import Openings
from doublecast.film.rims import Rims
from doublecast.film.spectacles import SIDE
from doublecast.film.swap import Decoded, Swapper, _Match
from doublecast.model.space import EDGE, RIM, draw, fade
from doublecast.types import F32, MESH, U8, Frame, Patch, Pose
from doublecast.video import composite

SIZE = 128
SAME = Irises(np.zeros(3, np.float32), np.full(3, 0.3, np.float32))  # irises stay as they are


def test_defaults_are_inside_the_ranges_and_every_value_says_what_it_does() -> None:
    assert [s.name for s in settings()] == [
        "grow",
        "feather",
        "colour",
        "sharpness",
        "mouth",
        "eyes",
        "spectacles",
        "jaw",
        "blend",
    ]
    for setting in settings():
        assert setting.low <= setting.default <= setting.high and setting.step > 0 and setting.help.endswith(".")
        assert getattr(PLAIN, setting.name) == setting.default
        for value in (setting.low, setting.high):
            assert PLAIN.changed({setting.name: value}).values()[setting.name] == value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grow": 0.2}, "grow must be from -0.15 to 0.15, got 0.2"),
        ({"grow": -0.2}, "from -0.15"),
        ({"feather": 0.0}, "feather must be from 0.25 to 3"),
        ({"colour": 1.5}, "colour must be"),
        ({"sharpness": float("nan")}, "got nan"),
        ({"blend": -0.1}, "blend must be"),
        ({"blend": True}, "got True"),
        ({"blend": "1"}, "got '1'"),
        ({"colour": None}, "got None"),
        ({"color": 1.0}, "no 'color' in a look; there are grow, feather"),
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PLAIN.changed(changes)


def test_edges_move_and_never_get_hard_or_reach_the_rim() -> None:
    usual = fade(SIZE)
    assert np.array_equal(usual, fade(SIZE, 0.0, 1.0))
    assert fade(SIZE, 0.05).sum() > usual.sum() > fade(SIZE, -0.05).sum() > fade(SIZE, -0.15).sum() > 0
    soft = [int(((fade(SIZE, 0.0, f) > 0.02) & (fade(SIZE, 0.0, f) < 0.98)).sum()) for f in (0.25, 1, 3)]
    assert soft[0] < soft[1] < soft[2]
    outside = usual[:, [0, -1]], usual[[0, -1]]
    assert all(not part.any() for part in outside)
    for grow in (-0.15, 0.15):
        for feather in (0.25, 3.0):
            edge = fade(SIZE, grow, feather)
            assert edge[SIZE // 2, SIZE // 2] > 0.9 and not edge[:, [0, -1]].any()
            assert np.abs(np.diff(edge, axis=1)).max() < 0.8, "a hard edge"
    assert EDGE[0] > RIM


def swapper() -> Swapper:
    """One that holds no network."""
    made = Swapper.__new__(Swapper)
    made._network = SimpleNamespace(config=SimpleNamespace(size=SIZE))  # type: ignore[assignment]
    made._detail = made._missed = None
    made._apart, made._greys = Apart(0.0, 0.0), np.zeros(3, np.float32)
    made.people = SimpleNamespace(irises=SAME, rims=None)  # type: ignore[assignment]
    return made


@pytest.fixture
def shot() -> tuple[Frame, Decoded]:
    points = people.head()
    frame = Frame(people.picture(points, people.skin(1)), 0, 0, Fraction(1, 25))
    drawing = draw(points, frame.pixels.shape[:2])
    assert drawing is not None
    gain: F32 = np.full((SIZE, SIZE, 3), [0.8, 0.9, 1.1], np.float32)
    hand: F32 = np.zeros((SIZE, SIZE), np.float32)
    hand[:40] = 1
    rough = np.random.default_rng(0).normal(0, 0.05, (SIZE, SIZE, 3))
    texture = np.clip(people.skin(2) + rough, 0, 1).astype(np.float32)
    return frame, Decoded(
        drawing,
        people.face(points),
        Openings(0, (0, 0), (0, 0)),
        np.zeros((MESH, 2), np.float32),
        texture,
        _Match(0.0, gain, 1.0, np.ones_like(gain), 0.4, 0.0, np.zeros(3, np.float32), hand, 0.0),
        1.0,
    )


def drawn(frame: Frame, face: Decoded, look: Look) -> U8:
    return composite(frame.pixels, swapper().compose(frame, [face], look))


def test_the_usual_look_changes_no_pixel(shot: tuple[Frame, Decoded]) -> None:
    """Against the steps as they were before there were looks."""
    frame, face = shot
    match = face.match
    texture = sharpen(np.clip(face.texture * match.colour, 0, 1).astype(np.float32), match.sharpness)
    kept = lying_before(face.drawing, face.face.points, frame.pixels.shape[:2], match.covered)
    assert kept is not None
    want: Patch | None = blend(frame.pixels, face.drawing, texture, fade(SIZE), kept=kept)
    (got,) = swapper().compose(frame, [face])
    assert want is not None and (got.x, got.y) == (want.x, want.y)
    assert got.pixels.tobytes() == want.pixels.tobytes() and got.mask.tobytes() == want.mask.tobytes()


def test_blend_shows_the_actor_through(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    assert swapper().compose(frame, [face], Look(blend=0)) == []
    full, half = (np.abs(drawn(*shot, Look(blend=b)).astype(int) - frame.pixels).sum() for b in (1.0, 0.5))
    assert 0.45 < half / full < 0.55


def test_colour_goes_from_as_decoded_to_the_shot(shot: tuple[Frame, Decoded]) -> None:
    means = [drawn(*shot, Look(colour=c))[120:160, 100:156].reshape(-1, 3).mean(0) for c in (0.0, 0.5, 1.0)]
    red, blue = [m[0] for m in means], [m[2] for m in means]
    assert red[0] > red[1] > red[2] and blue[0] < blue[1] < blue[2]
    assert red[2] / red[0] == pytest.approx(0.8, abs=0.05)


def test_what_was_developed_is_dark_again(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    day, night = (drawn(frame, replace(face, exposure=e), Look())[120:160, 100:156].astype(float) for e in (1.0, 4.0))
    assert day.mean() / night.mean() == pytest.approx(4, rel=0.02)


def test_sharpness_adds_and_takes_detail(shot: tuple[Frame, Decoded]) -> None:
    parts = [drawn(*shot, Look(sharpness=s))[120:160, 100:156].astype(float) for s in (-1, 0, 1)]
    rough = [np.abs(np.diff(part, axis=1)).mean() for part in parts]
    assert rough[0] < 0.7 * rough[1] and rough[2] > 1.3 * rough[1]


def test_features_are_drawn_as_far_as_the_shot_is_sharp(shot: tuple[Frame, Decoded]) -> None:
    _, face = shot
    made = swapper()
    dark: F32 = np.full((SIZE, SIZE), -0.2, np.float32)
    change = []
    for sharpness in (-0.7, 0.0, 0.8):
        matched = replace(face, match=replace(face.match, sharpness=sharpness))
        made._missed = None
        without = made._texture(matched, PLAIN)
        made._missed = Missed(np.zeros((256, 256), np.float32), dark)
        change.append(float((without - made._texture(matched, PLAIN)).mean()))
    assert change[1] > change[2] > 0.5 * change[1] > 1.5 * change[0] > 0


def test_sharp_features_do_not_blur_the_skin() -> None:
    made, rng = swapper(), np.random.default_rng(0)
    grain = rng.normal(0, 0.02, (SIZE, SIZE, 1))
    texture = np.repeat(0.5 + grain, 3, axis=2).astype(np.float32)
    shot, seen = (texture * 255).astype(np.uint8), np.full((SIZE, SIZE), 255, np.uint8)
    alone = made._sharpness(texture, shot, seen)
    made._missed = Missed(*(rng.normal(0, 0.3, (n, n)).astype(np.float32) for n in (256, SIZE)))
    assert abs(alone) < 0.1 and made._sharpness(texture, shot, seen) == pytest.approx(min(alone, 0), abs=1e-6)
    assert made._sharpness(texture, np.full_like(shot, 128), seen) < -0.3, "a soft shot is soft"
    made._missed = Missed(*(rng.normal(0, 0.02, (n, n)).astype(np.float32) for n in (256, SIZE)))
    assert 0 < made._sharpness(np.full_like(texture, 0.5), shot, seen) < 0.9, "they leave less to sharpen"


def test_the_targets_faces_are_redrawn_by_its_own_decoder() -> None:
    made = swapper()
    made._device, made._type, made._sides = torch.device("cpu"), torch.float32, [1, 0]
    made._network = SimpleNamespace(  # type: ignore[assignment]
        encoder=lambda seen: seen[:, :3], decoders=[lambda code: code * 0, lambda code: code / 2]
    )
    made._exchange = None  # type: ignore[assignment]
    textures = np.full((2, SIZE, SIZE, 3), 200, np.uint8)
    found = made._redrawn(Sources(textures, textures, np.full((2, SIZE, SIZE), 255, np.uint8)))
    assert len(found) == 2 and found[0].shape == (SIZE, SIZE, 3) and found[0].dtype == np.float32
    assert 0 < found[0].mean() == pytest.approx(100 / 255, rel=1e-3)


def test_teeth_are_the_actors_or_the_models(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    face = replace(face, face=people.face(wide := people.head(mouth=0.12)), openings=Openings(1, (0, 0), (0, 0)))
    drawing = draw(wide, frame.pixels.shape[:2])
    assert drawing is not None
    face = replace(face, drawing=drawing)
    x, y = round(float(wide[13, 0])), round(float(wide[13, 1])) + 2
    frame.pixels[y - 3 : y + 4, x - 3 : x + 4] = 255
    own, models = (drawn(frame, face, Look(mouth=m))[y, x].astype(int) for m in (1.0, 0.0))
    assert own.min() > 230 > models.max() + 20


def test_eyes_are_the_actors_or_the_models(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    face = replace(
        face,
        openings=Openings(0, (1, 1), (0, 0)),
        match=replace(face.match, covered=np.zeros((SIZE, SIZE), np.float32)),
    )
    x, y = (round(float(v)) for v in face.face.points[[159, 145], :2].mean(0))
    frame.pixels[y - 3 : y + 4, x - 3 : x] = 0
    frame.pixels[y - 3 : y + 4, x : x + 4] = 255

    def contrast(picture: U8) -> int:
        return int(picture[y, x + 2].astype(int).mean() - picture[y, x - 2].astype(int).mean())

    own, models = (contrast(drawn(frame, face, Look(eyes=e))) for e in (1.0, 0.0))
    assert own > 80 > abs(models) + 40
    unknown = swapper()
    unknown.people = SimpleNamespace(irises=None, rims=None)  # type: ignore[assignment]
    shown = composite(frame.pixels, unknown.compose(frame, [face]))
    assert np.array_equal(shown, drawn(frame, face, Look(eyes=0))), "the actor's colour is not the target's"


def test_what_lies_before_the_face_stays_where_the_edge_grows(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    grown = drawn(frame, face, Look(grow=0.15)).astype(int)
    top = int(face.face.points[10, 1])
    assert np.abs(grown[top : top + 12, 110:146] - frame.pixels[top : top + 12, 110:146]).mean() < 3


def test_spectacles_stay_on_or_come_off(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    bar = slice(80, 83), slice(60, 101)
    worn = replace(face, lines=(*bar, np.full((3, 41, 3), 0.25, np.float32)))
    there = slice(face.drawing.y + 80, face.drawing.y + 83), slice(face.drawing.x + 60, face.drawing.x + 101)
    without = drawn(frame, face, Look())[there].mean()
    on, half, off = (drawn(frame, worn, Look(spectacles=s))[there].mean() for s in (1, 0.5, 0))
    assert off == pytest.approx(without, abs=0.5)
    assert on == pytest.approx(without / 4, rel=0.1) and half == pytest.approx(without / 2, rel=0.1)


def wider(face: Decoded, by: float) -> Decoded:
    """The same face with cheeks and jaw that lie so many pixels further out."""
    points = face.face.points[:MESH, :2]
    outwards = np.sign(points - points.mean(0)) * (by, 0)
    return replace(face, jaw=np.asarray(outwards * (points[:, 1:] > points[4, 1]), np.float32))


def test_the_jaw_is_the_targets_or_the_actors(shot: tuple[Frame, Decoded]) -> None:
    frame, face = shot
    plain = drawn(frame, face, Look())
    wide = wider(face, 8)
    for look in (Look(jaw=0), Look(jaw=0, blend=0.5)):
        assert np.array_equal(drawn(frame, wide, look), drawn(frame, face, look))
    half, full = (np.abs(drawn(frame, wide, Look(jaw=j)).astype(int) - plain).sum() for j in (0.5, 1.0))
    assert 0 < half < full
    assert swapper().compose(frame, [wide], Look(blend=0)) == []


def test_what_moves_about_a_face_is_the_new_face_beside_it(shot: tuple[Frame, Decoded]) -> None:
    """Two heads in a frame: the second one's jaw reaches into the first, and brings nobody's old face back."""
    frame, face = shot
    bare = replace(face.match, covered=np.zeros((SIZE, SIZE), np.float32), colour=np.ones((SIZE, SIZE, 3), np.float32))
    green: F32 = np.tile(np.array([0, 1, 0], np.float32), (SIZE, SIZE, 1))
    first = replace(face, match=bare, texture=green)
    away = np.array([95, 0, 0], np.float32)
    moved = draw(face.face.points + away, frame.pixels.shape[:2])
    assert moved is not None
    second = wider(replace(first, drawing=moved, face=people.face(face.face.points + away)), 12)
    red = Frame(np.broadcast_to(np.array([255, 0, 0], np.uint8), frame.pixels.shape).copy(), 0, 0, Fraction(1, 25))
    for faces in ([first, second], [second, first]):
        both = composite(red.pixels, swapper().compose(red, faces))
        cheek = both[150:170, 128:150].reshape(-1, 3).mean(0)
        assert (cheek[1] > 240) and (cheek[0] < 15), "the first face is whole where the second one moves it"
    alone = swapper().compose(red, [second])
    assert any(patch.mask[160 - patch.y, 149 - patch.x] for patch in alone if patch.x < 149), "it does reach there"


@pytest.mark.parametrize("size", [60.0, 200.0])
def test_the_targets_rims_are_drawn_or_taken_off(shot: tuple[Frame, Decoded], size: float) -> None:
    """Small faces get them at the network's size, as the frame has fewer pixels than `SIDE` texels."""
    frame, face = shot
    points = face.face.points * np.float32(size / face.face.size)
    even: F32 = np.full((SIZE, SIZE, 3), 0.6, np.float32)
    face = replace(face, face=replace(face.face, points=points, pose=Pose(0, 0, 0)), texture=even)
    bar = np.zeros((SIDE, SIDE), np.float32)
    bar[120:128, 90:166] = 1
    with_rims = swapper()
    dark = np.repeat(np.log(0.25) * bar[..., None], 3, axis=2).astype(np.float32)
    with_rims.people = SimpleNamespace(irises=SAME, rims=Rims(dark, bar, np.zeros((3, 2))))  # type: ignore[assignment]
    plain = drawn(frame, face, Look()).astype(int)
    on, off = (
        (composite(frame.pixels, with_rims.compose(frame, [face], Look(spectacles=s))).astype(int) - plain)
        for s in (1, 0)
    )
    assert on.min() < -40 and np.abs(off).max() <= 2
    changed = (np.abs(on) > 40).any(2)
    assert 0.001 < changed.mean() < 0.1
