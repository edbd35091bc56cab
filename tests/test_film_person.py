"""The person in a code is exchanged, and what the face does stays."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import people
import pytest
import torch
from torch import Tensor

from doublecast.faces.geometry import EYES
from doublecast.film import person
from doublecast.model import augment


def codes_of(count: int, seed: int) -> torch.Tensor:
    """Codes (count, 32) that vary along a few slanted axes."""
    rng = torch.Generator().manual_seed(7)
    axes = torch.linalg.qr(torch.randn(32, 32, generator=rng))[0]
    sizes = torch.tensor([3.0, 2.0, 1.0, 0.5] + [0.05] * 28)
    codes: torch.Tensor = torch.randn(count, 32, generator=torch.Generator().manual_seed(seed)) * sizes @ axes + 5
    return codes


def learned(monkeypatch: pytest.MonkeyPatch, actor: torch.Tensor, target: torch.Tensor) -> person.Exchange:
    still = [(np.zeros((len(c), 1)), c.double().numpy()) for c in (actor, target)]
    monkeypatch.setattr(person, "_sides", lambda *_: still)
    return person.exchange(None, None, None, torch.device("cpu"))  # type: ignore[arg-type]


def test_the_targets_own_performance_passes_and_what_it_never_did_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    target, fresh = codes_of(200, 1), codes_of(400, 2)
    exchange = learned(monkeypatch, target, target)
    deviation = (exchange(fresh) - fresh).norm() / (fresh - fresh.mean(0)).norm()
    assert deviation < 0.2, "the target's own codes stay"
    centre = target.mean(0)
    strange = torch.randn(50, 32, generator=torch.Generator().manual_seed(3)) * 30 + centre
    along = (exchange(strange) - centre) @ exchange.axes.T / exchange.spread
    assert float(along.abs().max()) <= person.FAR + 1e-3
    steps = [
        float(((exchange((centre + s * exchange.axes[0])[None]) - centre) @ exchange.axes[0])[0]) for s in range(9)
    ]
    assert steps == sorted(steps) and steps[2] == pytest.approx(2, abs=0.01) and steps[8] < 2.1 * 3.5
    assert exchange(fresh.to(torch.bfloat16)).dtype == torch.bfloat16


def test_what_performance_and_light_explain_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look to the side that the target's footage has seldom, and beside it a face that is none of theirs. A look much
    further aside than any of the target's goes a little beyond these, and no further."""
    rng = torch.Generator().manual_seed(1)
    signs, slope = torch.randn(400, 1, generator=rng), torch.zeros(1, 32)
    slope[0, 3] = 4.0
    actor, target = (codes_of(200, n) + part @ slope for n, part in ((1, signs[:200]), (2, signs[200:])))
    shown = [(part.double().numpy(), c.double().numpy()) for part, c in ((signs[:200], actor), (signs[200:], target))]
    monkeypatch.setattr(person, "_sides", lambda *_: shown)
    exchange = person.exchange(None, None, None, torch.device("cpu"))  # type: ignore[arg-type]
    centre = target.mean(0)
    aside, far, strange = centre + 2 * slope[0], centre + 12 * slope[0], centre + 30 * exchange.axes[20]
    for code, low, high in ((aside, 0.9, 1.1), (far, 0.2, 0.35), (strange, 0.0, 0.3)):
        off = (exchange(code[None])[0] - exchange(centre[None])[0]).norm() / (code - centre).norm()
        assert low < float(off) < high


class Halves(torch.nn.Module):
    """An encoder that sees how bright either half of a face is."""

    def forward(self, x: Tensor) -> Tensor:
        """Packed textures (N, 4, S, S) to (N, 2)."""
        return torch.stack([half.mean((1, 2, 3)) for half in x[:, :3].chunk(2, 3)], 1)


def side_of(left: float, right: float, *, count: int = 40) -> person.Samples:
    """Faces of which each half is evenly bright, 0-1, that look and turn to the side and close an eye."""
    rng = np.random.default_rng(0)
    halves = 255 * np.array([left, right]) * rng.uniform(0.97, 1.03, (count, 1))
    textures = torch.from_numpy(np.repeat(halves, 16, axis=1).round().astype(np.uint8))
    textures = textures[:, None, None].expand(count, 3, 32, 32).contiguous()
    names = ("mouth", "eye_left", "eye_right", "yaw", "pitch")
    table = SimpleNamespace(**{name: rng.uniform(0.1, 1, count).astype(np.float32) for name in names})
    visible = torch.full((count, 1, 32, 32), 255, dtype=torch.uint8)
    return person.Samples(table, textures, visible, rng.uniform(0.1, 1, (count, 2)))  # type: ignore[arg-type]


def test_each_face_is_looked_at_as_it_is_and_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "light", lambda x, *_: x)
    side = side_of(0.3, 0.7)
    (signs, codes), (others, _) = person._sides(Halves(), (side, side_of(0.4, 0.6, count=7)), torch.device("cpu"))  # type: ignore[arg-type]
    assert len(signs) == len(codes) == 80 and len(others) == 14
    plain, mirror = signs[:40], signs[40:]
    np.testing.assert_allclose(plain[:, :2], side.gaze)
    np.testing.assert_allclose(plain[:, 2:5].T, [side.table.mouth, side.table.eye_left, side.table.eye_right])
    np.testing.assert_allclose(mirror[:, :9], plain[:, [0, 1, 2, 4, 3, 5, 6, 7, 8]] * [-1, 1, 1, 1, 1, -1, 1, 1, 1])
    halves = side.textures[:, 0, 0, [0, -1]].numpy() / 255
    np.testing.assert_allclose(codes, np.concatenate([halves, halves[:, ::-1]]), atol=1e-3)
    np.testing.assert_allclose(mirror[:, -2], -plain[:, -2], atol=1e-5)  # how light falls off across


def test_light_from_one_side_is_none_of_the_person() -> None:
    even, lit = side_of(0.5, 0.5), side_of(0.3, 0.7)
    sides = person._sides(Halves(), (even, lit), torch.device("cpu"))  # type: ignore[arg-type]
    left, right = person.constants_apart(*sides)[0]
    assert abs(left - right) < 0.02, ".08 without the mirror images"


def test_faces_in_the_same_light_are_not_mirrored() -> None:
    """An uneven face is the person's own, where both are lit alike."""
    one, other = side_of(0.3, 0.7), side_of(0.31, 0.7, count=30)
    assert person.lit_apart(one, other) < 0.02 < 0.15 < person.lit_apart(one, side_of(0.5, 0.5))
    assert person.lit_apart(one, replace(other, visible=torch.zeros_like(other.visible))) == 0
    counts = [len(codes) for _, codes in person._sides(Halves(), (one, other), torch.device("cpu"))]  # type: ignore[arg-type]
    assert counts == [40, 30]


def test_both_are_looked_at_in_the_light_of_both() -> None:
    """A dark and a bright footage, and an encoder for which brightness is all there is: nothing is the person."""
    dark, bright = side_of(0.2, 0.2, count=200), side_of(0.7, 0.7, count=200)
    (first, codes), (second, others) = person._sides(Halves(), (dark, bright), torch.device("cpu"))  # type: ignore[arg-type]
    assert np.percentile(first[:, 9], 90) > np.percentile(second[:, 9], 10), "they share a range of brightness"
    apart = person.constants_apart((first, codes), (second, others))[0]
    assert np.abs(apart).max() < 0.05 * (others.mean() - codes.mean()), ".12 in a light of each its own"


def test_where_eyes_look_is_read_off_irises() -> None:
    points = people.head()
    for iris, first, last in EYES:
        points[iris] = (points[first] + points[last]) / 2
    np.testing.assert_allclose(person._gaze(points), 0, atol=1e-6)
    wide = float(np.linalg.norm(points[133, :2] - points[33, :2]))
    aside = points.copy()
    aside[[468, 473], 0] += 0.2 * wide
    x, y = person._gaze(aside)
    assert x == pytest.approx(0.2, abs=0.04) and abs(y) < 0.04


def test_the_actor_goes_to_where_the_target_is(monkeypatch: pytest.MonkeyPatch) -> None:
    target, actor = codes_of(200, 1), codes_of(200, 2) + 20
    moved = learned(monkeypatch, actor, target)(actor)
    assert (moved.mean(0) - target.mean(0)).norm() < 1


@pytest.mark.parametrize("count", [1, 3, 12])
def test_with_few_faces_a_performance_is_not_flattened(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    target, fresh = codes_of(count, 1), codes_of(400, 2)
    kept = learned(monkeypatch, fresh, target)(fresh)
    assert kept.isfinite().all()
    if count > 3:
        assert (kept - kept.mean(0)).norm() > 0.8 * (fresh - fresh.mean(0)).norm()


def test_only_what_the_performance_does_not_explain_is_the_person() -> None:
    rng = np.random.default_rng(4)
    slopes, apart = rng.normal(size=(3, 6)), np.array([1.0, -2, 0, 0.5, 3, 0])
    calm, lively = rng.normal(0, 1, (300, 3)), rng.normal(2, 1, (200, 3))  # one of them smiles all the time
    noise = [0.05 * rng.normal(size=(n, 6)) for n in (300, 200)]
    groups = (calm, calm @ slopes + noise[0]), (lively, lively @ slopes + apart + noise[1])
    found, by = person.constants_apart(*groups)
    assert np.abs(found - apart).max() < 0.15 and np.abs(by - slopes).max() < 0.15, "signs deviate by 1 here"
    assert np.abs((lively @ slopes).mean(0) - (calm @ slopes).mean(0)).max() > 1, "means alone would tell otherwise"


def test_a_sign_that_never_changes_explains_nothing() -> None:
    still = np.zeros((40, 2))
    codes = np.random.default_rng(0).normal(size=(40, 3))
    apart, by = person.constants_apart((still, codes), (still, codes + 2))
    assert apart == pytest.approx([2, 2, 2]) and not by.any()


def test_signs_that_do_nothing_to_codes_leave_nothing_whole() -> None:
    rng = np.random.default_rng(0)
    for count, most in ((3, 0), (20, 3), (200, 0)):
        groups = [(rng.normal(size=(count, 15)), rng.normal(size=(count, 64))) for _ in range(2)]
        assert np.linalg.matrix_rank(person.constants_apart(*groups)[1]) <= most
