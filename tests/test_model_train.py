"""Networks, losses, augmentation, checkpoints and the loop."""

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import people
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from doublecast.errors import InputError, ModelError, NoFaceError, OutputError
from doublecast.events import Event, Saved, Step
from doublecast.faceset import FaceStore, StoredFace
from doublecast.model import augment, checkpoint, losses
from doublecast.model.device import choose_device
from doublecast.model.material import rarity, spread
from doublecast.model.networks import Network, NetworkConfig, pack
from doublecast.model.train import TrainConfig, train
from doublecast.types import VECTOR


class Table(SimpleNamespace):
    def where(self, rows: Any) -> "Table":
        return Table(**{name: column[rows] for name, column in self.__dict__.items()})


class Store:
    """Stands in for a FaceStore that holds ``count`` generated faces."""

    def __init__(self, seed: int, count: int = 14) -> None:
        yaws = np.linspace(-15, 15, count)
        heads = [people.head(float(yaw), mouth=0.02 * (k % 3)) for k, yaw in enumerate(yaws)]
        texture = people.skin(seed)
        self.faces = [people.stored(p, k, pixels=people.picture(p, texture)) for k, p in enumerate(heads)]

    def table(self) -> Table:
        n = len(self.faces)
        columns = {name: np.zeros(n, np.float32) for name in ("pitch", "mouth", "eye_left", "eye_right")}
        yaw = np.array([f.face.pose.yaw for f in self.faces], np.float32)
        return Table(id=np.arange(n), person=np.zeros(n, np.int32), kept=np.ones(n, bool), yaw=yaw, **columns)

    def vectors(self) -> tuple[Any, Any]:
        return np.arange(1), np.full((1, VECTOR), 0.1, np.float32)

    def load(self, ids: Sequence[int], *, crops: bool = True) -> list[StoredFace]:
        return [self.faces[k] for k in ids]

    def each(self, ids: Sequence[int], *, crops: bool = False) -> Iterator[StoredFace]:
        yield from self.load(ids, crops=crops)


def store(seed: int, count: int = 14) -> FaceStore:
    return cast(FaceStore, Store(seed, count))


def run(folder: Path, steps: int, **options: Any) -> list[Event]:
    torch.set_num_threads(1)
    config = TrainConfig(steps=steps, batch=2, device="cpu", **options)
    return list(train(store(1), store(2), folder, config))


@pytest.mark.parametrize("size", [96, 128, 192, 256])
def test_every_offered_size_reconstructs_and_swaps(size: int) -> None:
    network = Network(NetworkConfig(size=size, width=8))
    x = pack(torch.zeros(3, 3, size, size, dtype=torch.uint8), torch.zeros(3, 1, size, size, dtype=torch.uint8))
    outputs = network(x, [1, 2])
    assert [tuple(o.shape) for o in outputs] == [(1, 3, size, size), (2, 3, size, size)]
    assert network.swap(x, 1).shape == (3, 3, size, size)


@pytest.mark.parametrize("size", [0, 100, 1024])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        NetworkConfig(size=size)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 100}, "96, 128, 192, 256"),
        ({"minutes": 0}, "more than 0"),
        ({"steps": 0}, "at least 1"),
        ({"device": "tpu"}, "auto, cpu, cuda, mps"),
    ],
)
def test_bad_options_name_the_good_ones(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        TrainConfig(**options)


def test_an_absent_device_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(InputError, match=r"not available here; choose one of .*cpu"):
        choose_device("cuda")


def test_hidden_texels_give_no_gradient() -> None:
    output = torch.rand(1, 3, 96, 96, requires_grad=True)
    weight = torch.zeros(1, 1, 96, 96)
    weight[:, :, :, :40] = 1
    total = losses.total(losses.reconstruction(output, torch.rand(1, 3, 96, 96), weight))
    total.backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None
    assert output.grad[:, :, :, :40].abs().sum() > 0
    assert output.grad[:, :, :, 50:].abs().sum() == 0


def test_a_perfect_reconstruction_costs_nothing_and_blur_costs() -> None:
    truth = torch.rand(2, 3, 96, 96)
    weight = torch.ones(2, 1, 96, 96)
    blurred = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert float(losses.total(losses.reconstruction(truth, truth, weight))) < 1e-4
    assert float(losses.total(losses.reconstruction(blurred, truth, weight))) > 0.5


def test_augmentation_follows_its_generator_and_keeps_the_range() -> None:
    x, weight = torch.rand(6, 3, 96, 96), torch.ones(6, 1, 96, 96)
    made = []
    for seed in (1, 1, 2):
        rng = torch.Generator().manual_seed(seed)
        config = augment.AugmentConfig()
        lit = augment.light(*augment.flip(x, weight, config, rng), config, rng)
        made.append((lit, augment.warp(pack(lit, weight), config, rng)))
    assert torch.equal(made[0][1], made[1][1]) and not torch.equal(made[0][1], made[2][1])
    assert made[0][0].min() >= 0 and made[0][0].max() <= 1
    assert (made[0][0] - x).abs().mean() > 0.01


def test_borrowed_colours_move_towards_the_other_faces() -> None:
    x = torch.cat([torch.full((4, 3, 32, 32), 0.2), torch.full((4, 3, 32, 32), 0.8)]) + 0.05 * torch.rand(8, 3, 32, 32)
    only = augment.AugmentConfig(gain=0, tint=0, contrast=0, gradient=0, borrow=1)
    lit = augment.light(x, torch.ones(8, 1, 32, 32), only, torch.Generator().manual_seed(0))
    assert (lit[:4].mean((1, 2, 3)) > 0.35).any()
    assert (lit.mean((1, 2, 3)) > 0.15).all() and (lit.mean((1, 2, 3)) < 0.9).all()


def test_rare_faces_are_drawn_more_often() -> None:
    table = store(1).table()
    table.yaw[:] = 0
    table.yaw[3] = 40
    chance = rarity(table)
    assert chance.sum() == pytest.approx(1)
    assert chance[3] > 3 * chance[0]
    assert spread(10, 4).tolist() == [0, 3, 6, 9] and spread(3, 10).tolist() == [0, 1, 2]


def test_training_lowers_the_loss_and_saves(tmp_path: Path) -> None:
    events = run(tmp_path, 25, save_seconds=0.0)
    saved = [e for e in events if isinstance(e, Saved)]
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == [f"checkpoint-{n:08d}" for n in (23, 24, 25)]
    assert saved[-1].preview.dtype == np.uint8 and saved[-1].preview.shape[0] == 6 * 160
    steps = [e for e in events if isinstance(e, Step)]
    assert all(np.isfinite(list(s.losses.values())).all() for s in steps)
    assert checkpoint.read_state(checkpoint.checkpoints(tmp_path)[-1]).losses["l1"] < 0.15


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path: Path) -> None:
    run(tmp_path / "whole", 6)
    torch.set_num_threads(1)
    config = TrainConfig(steps=6, batch=2, device="cpu", save_seconds=0.0)
    loop = train(store(1), store(2), tmp_path / "parts", config)
    for event in loop:
        if isinstance(event, Saved) and event.step == 3:
            break
    loop.close()
    assert checkpoint.read_state(checkpoint.checkpoints(tmp_path / "parts")[-1]).step == 3
    run(tmp_path / "parts", 6)
    ours, theirs = (
        checkpoint.read_tensors(checkpoint.checkpoints(tmp_path / name)[-1], "state") for name in ("whole", "parts")
    )
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.allclose(value.float(), theirs[name].float(), atol=1e-6), name


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    run(tmp_path, 2)
    before = checkpoint.latest(tmp_path)
    assert before is not None
    stamp = (before / "weights.safetensors").stat().st_mtime_ns
    events = run(tmp_path, 2)
    assert (before / "weights.safetensors").stat().st_mtime_ns == stamp
    assert [e.step for e in events if isinstance(e, Saved)] == [2]


def test_too_few_faces_are_named_before_training(tmp_path: Path) -> None:
    with pytest.raises(NoFaceError, match="target's faceset has 4 usable faces"):
        list(train(store(1), store(2, count=4), tmp_path, TrainConfig(steps=2)))


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path) -> None:
    run(tmp_path, 2, save_seconds=0.0)
    older, newest = checkpoint.checkpoints(tmp_path)[-2:]
    (newest / "state.json").write_text("{")
    assert checkpoint.latest(tmp_path) == older
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.read_state(newest)
    (older / "weights.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelError, match=r"weights\.safetensors cannot be read"):
        checkpoint.load_network(older, torch.device("cpu"))


def test_a_training_state_that_lacks_something_is_named(tmp_path: Path) -> None:
    run(tmp_path, 1)
    path = checkpoint.checkpoints(tmp_path)[-1]
    tensors = checkpoint.read_tensors(path, "state")
    save_file({k: v for k, v in tensors.items() if k != "sampler"}, path / "state.safetensors")
    with pytest.raises(ModelError, match="training state is damaged"):
        run(tmp_path, 2)


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 1)
    path = checkpoint.checkpoints(tmp_path)[-1] / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    for read in (checkpoint.read_state, lambda _: checkpoint.latest(tmp_path)):
        with pytest.raises(ModelError, match="format 99"):
            read(path.parent)


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_full_disk_is_told_and_leaves_the_older_checkpoints_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    kept = checkpoint.save(tmp_path, checkpoint.State(NetworkConfig(), 1, 1, 1.0), {}, {})
    (tmp_path / ".checkpoint-00000002.partial").mkdir()  # of a killed process
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(OutputError, match=r"checkpoint-00000003: the disk is full"):
            checkpoint.save(tmp_path, checkpoint.State(NetworkConfig(), 3, 3, 1.0), {}, {})
    assert list(tmp_path.iterdir()) == [kept]


def test_what_was_just_saved_is_never_dropped(tmp_path: Path) -> None:
    for step in (7, 8, 9, 2):  # a model that began anew beside damaged checkpoints
        last = checkpoint.save(tmp_path, checkpoint.State(NetworkConfig(), step, 1, 1.0), {}, {})
    assert last.is_dir()


def test_another_size_does_not_go_on_from_this_model(tmp_path: Path) -> None:
    run(tmp_path, 1)
    with pytest.raises(ModelError, match="another work folder"):
        run(tmp_path, 2, size=96)
