"""The rebuilt tools and our own contestants of the quality bench."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import people
import pytest
import torch
from faceset_faces import FakeTake, fill, make
from torch import Tensor

from doublecast.bench import original, quick96
from doublecast.bench.aligned import AlignedTrainer, converter, emphasis, feathered_oval
from doublecast.bench.contestant import Baseline
from doublecast.bench.contestants import build, contestants, names
from doublecast.bench.crops import (
    LANDMARKS,
    Faces,
    cut_out,
    face_centred,
    features,
    full_face,
    gather,
    hull,
    oval,
    oval_framing,
    paste,
    reinhard,
)
from doublecast.bench.warps import displaced, look_up, rotate_zoom_shift, structural
from doublecast.errors import InputError, ModelError, NoFaceError
from doublecast.faceset import FaceStore
from doublecast.model.train import TrainConfig
from doublecast.types import Frame

CPU = torch.device("cpu")
BASELINES = [original.OriginalContestant, quick96.Quick96Contestant]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceStore, FaceStore]:
    """Two generated people, 12 faces each."""
    torch.set_num_threads(1)
    made = []
    for seed in (1, 2):
        store = FaceStore(tmp_path_factory.mktemp("side") / str(seed))
        texture = people.skin(seed)
        heads = [people.head(float(yaw)) for yaw in np.linspace(-15, 15, 12)]
        fill(store, [make(p, k, people.picture(p, texture)) for k, p in enumerate(heads)], FakeTake("a"))
        ids = store.table().id
        store.assign(ids, np.zeros(len(ids), np.int32), [""] * len(ids), "all of them")
        made.append(store)
    return made[0], made[1]


def frame(yaw: float = 5) -> tuple[Frame, Any]:
    points = people.head(yaw)
    return Frame(people.picture(points, people.skin(1)), 0, 0, Fraction(1, 25)), people.face(points)


def count(network: torch.nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_layers_and_parameters_of_the_tools() -> None:
    first = original.Original()
    assert count(first) == pytest.approx(82.06, abs=0.005)
    assert first(torch.rand(2, 3, 64, 64), 1).shape == (2, 3, 64, 64)
    second = quick96.Quick96()
    assert count(second) == pytest.approx(38.3, abs=0.05)
    face, mask = second(torch.rand(2, 3, 96, 96), 0)
    assert (face.shape, mask.shape) == ((2, 3, 96, 96), (2, 1, 96, 96))
    assert second.encoder(torch.rand(1, 3, 96, 96)).shape == (1, 128, 6, 6)


def test_losses_are_nothing_for_the_same_and_grow_with_the_difference() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.rand(2, 3, 96, 96, generator=rng)
    whole = torch.ones(2, 3, 96, 96)
    for number, size in enumerate((64, 96)):
        y, w = truth[..., :size, :size], whole[..., :size, :size]

        def measure(x: Tensor, first: bool = number == 0, y: Tensor = y, w: Tensor = w) -> float:
            return float(original.loss(x, y, w) if first else quick96.loss(x, w[:, :1], y, w[:, :1]))

        assert measure(y) == pytest.approx(0, abs=1e-4)
        assert 0 < measure((y + 0.05).clamp(0, 1)) < measure((y + 0.3).clamp(0, 1))


def test_eyes_and_mouth_weigh_more_and_the_outside_nothing() -> None:
    truth = torch.full((1, 3, 64, 64), 0.5)
    weights = torch.zeros(1, 3, 64, 64)
    weights[:, 0, 10:50, 10:50] = 1
    weights[:, 1, 15:25, 15:45] = 1
    outside, skin, eyes = (truth.clone() for _ in range(3))
    outside[..., 55:, :] = 1
    skin[..., 30:40, 15:45] = 1
    eyes[..., 15:25, 15:45] = 1
    a, b, c = (float(original.loss(x, truth, weights)) for x in (outside, skin, eyes))
    assert a == pytest.approx(0, abs=1e-5)
    assert c > 2 * b > 0


def test_structural_similarity_agrees_with_a_convolution() -> None:
    x, y = torch.rand(2, 3, 24, 24), torch.rand(2, 3, 24, 24)
    taps = torch.exp(-0.5 * ((torch.arange(11) - 5) / 1.5) ** 2)
    kernel = torch.outer(taps, taps)[None, None] / taps.sum() ** 2

    def mean(t: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(t.flatten(0, 1)[:, None], kernel).view(2, 3, 14, 14)

    mx, my = mean(x), mean(y)
    top = (2 * mx * my + 1e-4) * (2 * (mean(x * y) - mx * my) + 9e-4)
    bottom = (mx**2 + my**2 + 1e-4) * (mean(x * x) - mx**2 + mean(y * y) - my**2 + 9e-4)
    torch.testing.assert_close(structural(x, y, 11), top / bottom, atol=1e-4, rtol=1e-3)


def test_warps_without_reach_change_nothing() -> None:
    x = torch.rand(3, 3, 32, 32)
    rng = torch.Generator().manual_seed(0)
    still = rotate_zoom_shift(3, 32, rng, CPU, degrees=0, zoom=0, shift=0)
    torch.testing.assert_close(look_up(x, still), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(look_up(x, displaced(torch.zeros(3, 2, 5, 5), 32)), x, atol=1e-5, rtol=0)
    moved = look_up(x, rotate_zoom_shift(3, 32, rng, CPU, degrees=10, zoom=0.05, shift=0.05))
    assert float((moved - x).abs().mean()) > 0.05
    assert quick96.nodes(4, 8, rng).abs().max() <= 0.24 * 2 / 8


def test_colour_augmentation_keeps_shape_and_stays_near() -> None:
    pictures = np.random.default_rng(0).integers(60, 200, (8, 64, 64, 3)).astype(np.uint8)
    changed = original.recolour(pictures, torch.Generator().manual_seed(1))
    assert (changed.shape, changed.dtype) == (pictures.shape, pictures.dtype)
    assert 3 < np.abs(changed.astype(int) - pictures).mean() < 70


@pytest.mark.parametrize("framing", [face_centred, full_face, oval_framing(96)])
def test_the_face_lies_in_the_middle_of_every_framing(framing: Any) -> None:
    for points in (people.head(), people.head(12, 5, centre=(90, 140), scale=60)):
        alignment = framing(points)
        marks = alignment.apply(points)[LANDMARKS, :2] / alignment.size
        assert marks.min() > -0.02
        assert marks.max() < 1.02
        assert np.abs((marks.min(0) + marks.max(0)) / 2 - 0.5).max() < 0.12
        assert np.ptp(marks[:, 1]) > 0.45


def test_masks_lie_inside_one_another() -> None:
    alignment = full_face(people.head())
    points = alignment.apply(people.head())
    face, (eyes, mouth, brows) = hull(points, 96), features(points, 96, reach=0.02)
    for part in (eyes, mouth, brows):
        assert 0 < (part > 127).sum() < 0.3 * (face > 127).sum()
    assert face[eyes > 127].mean() > 250
    assert (oval(points, 96) > 127).sum() > (face > 127).sum()
    weight = emphasis(points, 96)
    assert weight.max() > 250
    assert weight[oval(points, 96) == 0].max() == 0
    soft = feathered_oval(points, 96)
    assert soft.max() == pytest.approx(1)
    assert soft[0].max() == 0


def test_a_crop_goes_back_where_it_came_from() -> None:
    shot, face = frame()
    for framing in (face_centred, full_face, oval_framing(128)):
        alignment = framing(face.points)
        crop = cut_out(shot.pixels, alignment.matrix, alignment.size)
        patch = paste(shot.pixels, alignment, (crop / 255).astype(np.float32), np.ones((64, 64), np.float32))
        assert patch is not None
        h, w = patch.mask.shape
        under = shot.pixels[patch.y : patch.y + h, patch.x : patch.x + w]
        inner = under[8:-8, 8:-8].astype(int) - patch.pixels[8:-8, 8:-8]
        assert np.abs(inner).mean() < 3
    away = full_face(people.head(centre=(1000, 128)))
    assert paste(shot.pixels, away, np.zeros((96, 96, 3), np.float32), np.ones((96, 96), np.float32)) is None


def test_colour_transfer_takes_on_the_shot() -> None:
    rng = np.random.default_rng(0)
    face = (0.3 + 0.2 * rng.random((32, 32, 3))).astype(np.float32)
    shot = (0.5 + 0.1 * rng.random((32, 32, 3))).astype(np.float32)
    mask = np.ones((32, 32), bool)
    assert np.abs(reinhard(face, shot, mask).mean((0, 1)) - shot.mean((0, 1))).max() < 0.01
    assert reinhard(face, shot, ~mask) is face
    moved = original.average_colour(face, np.round(shot * 255).astype(np.uint8), np.full((32, 32), 255, np.uint8))
    assert np.abs(moved.mean((0, 1)) - shot.mean((0, 1))).max() < 0.01


def test_gather_cuts_every_kept_face_and_wants_enough_of_them(stores: Any, tmp_path: Path) -> None:
    faces: Faces = gather(stores[0], "actor", full_face, lambda p, s: (hull(p, s),))
    assert faces.pictures.shape == (12, 3, 96, 96)
    assert faces.masks.shape == (12, 1, 96, 96)
    assert float(faces.chance.sum()) == pytest.approx(1)
    with pytest.raises(NoFaceError, match="0 usable"):
        gather(FaceStore(tmp_path / "empty"), "actor", full_face, lambda p, s: (hull(p, s),))


def test_dropout_changes_its_share_of_the_weights() -> None:
    layer = torch.nn.Linear(200, 200)
    before = layer.weight.detach().clone()
    steps = quick96.DropoutRMSprop(layer, torch.Generator().manual_seed(0))
    layer(torch.rand(4, 200)).square().sum().backward()
    steps.step()
    assert float((layer.weight != before).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert steps.state[layer.weight]["square"].min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", BASELINES)
def test_training_lowers_the_loss_and_goes_on_identically(kind: type[Any], stores: Any, tmp_path: Path) -> None:
    one = kind(*stores, device=CPU)
    assert isinstance(one, Baseline)
    losses = []
    for _ in range(6):
        assert one.advance() == one.faces // one.steps
        losses.append(one.last_loss)
    assert min(losses[-2:]) < losses[0]
    one.save(tmp_path / "state")
    one.save(tmp_path / "state")
    other = kind(*stores, device=CPU, seed=5)
    other.restore(tmp_path / "state")
    assert (other.steps, other.faces) == (one.steps, one.faces)
    one.advance()
    other.advance()
    for (name, a), b in zip(one.network.state_dict().items(), other.network.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5, msg=name)
    (tmp_path / "state" / "state.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="damaged"):
        other.restore(tmp_path / "state")


@pytest.mark.parametrize("kind", BASELINES)
def test_a_swap_changes_pixels_near_the_face_only(kind: type[Any], stores: Any) -> None:
    shot, face = frame()
    patches = kind(*stores, device=CPU).converter().swap(shot, [face])
    near_the_face(patches, face)


def near_the_face(patches: list[Any], face: Any) -> None:
    assert len(patches) == 1
    patch = patches[0]
    rows, columns = np.nonzero(patch.mask)
    left, top, right, bottom = face.box
    reach = 0.3 * face.size
    assert left - reach < patch.x + columns.min() < patch.x + columns.max() < right + reach
    assert top - reach < patch.y + rows.min() < patch.y + rows.max() < bottom + reach


def test_aligned_trains_and_swaps(stores: tuple[FaceStore, FaceStore]) -> None:
    config = TrainConfig(size=96, steps=30, batch=4, prior=False, rate=2e-3)
    trainer = AlignedTrainer(config, stores[0], stores[1], CPU)
    seen, truth, weight = trainer.batch()
    assert (seen.shape, truth.shape, weight.shape) == ((8, 4, 96, 96), (8, 3, 96, 96), (8, 1, 96, 96))
    assert 2.9 < float(weight.max()) <= 3
    losses = [trainer.advance()["l1"] for _ in range(25)]
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    shot, face = frame()
    near_the_face(converter(trainer.averaged().requires_grad_(False), CPU).swap(shot, [face]), face)


@pytest.mark.parametrize("name", ["doublecast 128 px from scratch", "aligned"])
def test_ours_goes_on_and_converts(name: str, stores: Any, tmp_path: Path) -> None:
    one = build(name, *stores, minutes=1, folder=tmp_path / "a")
    assert one.anneals
    assert one.name == name
    assert one.advance() == 32
    one.save(tmp_path / "state")
    other = build(name, *stores, minutes=1, seed=3, folder=tmp_path / "b")
    other.restore(tmp_path / "state")
    shot, face = frame()
    a, b = (c.converter().swap(shot, [face])[0] for c in (one, other))
    assert np.abs(a.pixels.astype(int) - b.pixels).max() <= 1
    near_the_face([a], face)
    with pytest.raises(ModelError, match="no checkpoint"):
        other.restore(tmp_path / "nothing")


def test_names_are_listed_and_unknown_ones_refused(stores: Any, tmp_path: Path) -> None:
    assert {"doublecast 96 px", "doublecast 128 px", "aligned", "faceswap original", "DeepFaceLab Quick96"} <= set(
        names()
    )
    assert contestants() == names()
    assert contestants(["aligned", "doublecast 96 px"]) == ("doublecast 96 px", "aligned")
    with pytest.raises(InputError, match="faceswap original"):
        build("faceswap", *stores, minutes=1, folder=tmp_path)
