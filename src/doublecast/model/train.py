"""Training: one loop, readable from top to bottom, that yields events."""

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from doublecast.errors import InputError, ModelError
from doublecast.events import Event, Note, Progress, Saved, Step
from doublecast.faceset import FaceStore
from doublecast.model import augment, checkpoint, losses, prior
from doublecast.model.augment import AugmentConfig
from doublecast.model.device import autocast, choose_device
from doublecast.model.material import Material, gather, spread
from doublecast.model.networks import SIZES, Network, NetworkConfig, pack
from doublecast.model.preview import Sitter, sheet, sitters
from doublecast.model.space import importance

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Options of a training run.

    size: side of the texture in texels. minutes: training time over all runs. steps: number of steps instead of
    minutes. batch: faces per side and step. seed: of weights and sampler. device: where to train. prior: start from
    the package's weights, which have seen many people; False: from random ones.
    """

    size: int = 128
    minutes: float = 10.0
    steps: int | None = None
    batch: int = 16
    seed: int = 0
    device: Device = "auto"
    prior: bool = True
    rate: float = 1e-3
    save_seconds: float = 60.0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise InputError(f"size {self.size} is not offered; choose one of {', '.join(map(str, SIZES))}")
        if self.minutes <= 0:
            raise InputError(f"minutes must be more than 0, got {self.minutes:g}")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps must be at least 1, got {self.steps}")
        if self.device not in get_args(Device):
            raise InputError(f"device {self.device!r} is unknown; choose one of {', '.join(get_args(Device))}")

    def done(self, step: int, seconds: float) -> float:
        """Share of the budget that is spent, 0-1."""
        share = step / self.steps if self.steps is not None else seconds / (60 * self.minutes)
        return min(1.0, share)


class Trainer:
    """Everything a run changes: network, averaged network, optimizer, sampler, counters."""

    def __init__(self, config: TrainConfig, sides: Sequence[Material], device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.sides, self.device = config, sides, device
        network = Network(NetworkConfig(size=config.size))
        if config.prior:
            prior.start(network, [side.vector for side in sides])
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=device.type != "mps"
        )
        self.rng = torch.Generator().manual_seed(config.seed)
        self.weight = torch.from_numpy(importance(config.size))[None, None].to(device)
        self.step, self.faces, self.seconds = 0, 0, 0.0

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input (2B, 4, S, S), truth (2B, 3, S, S) and loss weight (2B, 1, S, S), the actor's half first."""
        pictures, visible = [], []
        for side in self.sides:
            rows = torch.multinomial(side.chance, self.config.batch, replacement=True, generator=self.rng)
            pictures.append(side.textures[rows])
            taught = side.visible if side.taught is None else side.taught
            visible.append(torch.cat([side.visible[rows], taught[rows]], 1))
        x = torch.cat(pictures).to(self.device).float() / 255
        v = torch.cat(visible).to(self.device).float() / 255
        x, v = augment.flip(x, v, self.config.augment, self.rng)
        v, taught = v[:, :1], v[:, 1:]
        x = augment.light(x, v, self.config.augment, self.rng)
        seen = augment.warp(pack(x, v), self.config.augment, self.rng)
        return seen.contiguous(memory_format=torch.channels_last), x, taught * self.weight

    def advance(self) -> dict[str, float]:
        """One step of the optimizer; returns the losses."""
        share = self.config.done(self.step, self.seconds)
        rate = self.config.rate * min(1.0, (self.step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seen, truth, weight = self.batch()
        with autocast(self.device):
            outputs = self.network(seen, [self.config.batch] * len(self.sides))
        output = torch.cat(outputs).float()
        parts = losses.reconstruction(output, truth, weight)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total(parts).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        self.faces += len(truth)
        self._follow()
        return {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights after the raw ones (exponential moving average, shorter at the start; later every
        fourth step as far as four times, as it reads all weights)."""
        every = 1 if self.step < 100 else 4
        if self.step % every:
            return
        decay = min(0.995, (1 + self.step) / (10 + self.step)) ** every
        mine = self.network.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [mine[k] for k in self.average], 1 - decay)

    def averaged(self) -> Network:
        """A copy of the network with the averaged weights, for looking at."""
        network = Network(self.network.config).to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.load_state_dict(self.average)
        return network.eval()  # type: ignore[no-any-return]

    def save(self, folder: Path, parts: dict[str, float]) -> Path:
        """Write a checkpoint."""
        training = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                training[f"optimizer.{key}.{name}"] = value
        training["sampler"] = self.rng.get_state()
        state = checkpoint.State(
            network=self.network.config,
            step=self.step,
            faces=self.faces,
            seconds=self.seconds,
            losses=parts,
            run=asdict(self.config),
        )
        return checkpoint.save(folder, state, self.average, training)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ModelError when it is of another network."""
        state = checkpoint.read_state(path)
        if state.network != self.network.config:
            raise ModelError(
                f"{path}: this model has the network {state.network}, asked for is {self.network.config}. "
                "Use another work folder."
            )
        training = checkpoint.read_tensors(path, "state")
        average = checkpoint.read_tensors(path, "weights")
        try:
            for name, value in self.average.items():
                value.copy_(average[name])
            raw = {k.removeprefix("network."): v for k, v in training.items() if k.startswith("network.")}
            self.network.load_state_dict(raw)
            packed = self.optimizer.state_dict()
            packed["state"] = {  # each in the memory layout of its parameter, or every step would copy
                number: {
                    "step": training[f"optimizer.step.{name}"],
                    **{
                        key: torch.empty_like(parameter).copy_(training[f"optimizer.{key}.{name}"])
                        for key in ("exp_avg", "exp_avg_sq")
                    },
                }
                for number, (name, parameter) in enumerate(self.network.named_parameters())
                if f"optimizer.step.{name}" in training
            }
            self.optimizer.load_state_dict(packed)
            self.rng.set_state(training["sampler"])
        except (KeyError, RuntimeError) as error:
            raise ModelError(
                f"{path}: the training state is damaged. Delete this folder to use an older one."
            ) from error
        self.step, self.faces, self.seconds = state.step, state.faces, state.seconds


def train(actor: FaceStore, target: FaceStore, folder: Path, config: TrainConfig) -> Generator[Event, None, None]:
    """Train on the kept faces of both sides until the budget is spent, going on from the newest checkpoint.

    Yields Progress and Step about once a second and Saved after each checkpoint. Closing the generator, or Ctrl-C,
    writes a checkpoint first. Raises NoFaceError, InputError, ModelError.
    """
    device = choose_device(config.device)
    yield Progress("train", 0, None, "minutes", "unwrapping faces")
    sides = [gather(actor, config.size, "actor"), gather(target, config.size, "target")]
    people = [
        sitters(store, spread(len(side), 6), side.ids) for store, side in zip((actor, target), sides, strict=True)
    ]
    trainer = Trainer(config, sides, device)
    before = checkpoint.latest(folder)
    if before is not None:
        trainer.restore(before)
        yield Note("train", f"going on from step {trainer.step} after {trainer.seconds / 60:.1f} minutes of training")
    yield from _loop(trainer, folder, people)


def _loop(trainer: Trainer, folder: Path, people: list[list[Sitter]]) -> Generator[Event, None, None]:
    config = trainer.config
    saved = -1 if config.done(trainer.step, trainer.seconds) < 1 else trainer.step
    parts: dict[str, float] = {}
    told = last_save = time.perf_counter()
    told_faces = trainer.faces
    try:
        while config.done(trainer.step, trainer.seconds) < 1:
            start = time.perf_counter()
            parts = trainer.advance()
            now = time.perf_counter()
            trainer.seconds += now - start
            if not np.isfinite(parts["l1"]):
                raise ModelError("training diverged: the loss is not a number. Start again, in another work folder.")
            if now - told >= 1:
                rate = (trainer.faces - told_faces) / (now - told)
                yield Step(trainer.step, trainer.faces, trainer.seconds, rate, parts)
                yield _progress(trainer)
                told, told_faces = now, trainer.faces
            if now - last_save >= config.save_seconds and config.done(trainer.step, trainer.seconds) < 1:
                written, saved = trainer.save(folder, parts), trainer.step
                yield Saved(trainer.step, written, sheet(trainer.averaged(), people, trainer.device))
                last_save = time.perf_counter()
    finally:
        if saved != trainer.step and np.isfinite(parts.get("l1", np.nan)):
            trainer.save(folder, parts)
    yield _progress(trainer)
    path = checkpoint.latest(folder)
    if path is not None:
        yield Saved(trainer.step, path, sheet(trainer.averaged(), people, trainer.device))


def _progress(trainer: Trainer) -> Progress:
    config = trainer.config
    if config.steps is not None:
        return Progress("train", min(trainer.step, config.steps), config.steps, "steps")
    return Progress("train", min(trainer.seconds / 60, config.minutes), config.minutes, "minutes")
