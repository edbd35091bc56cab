"""What the quality bench asks of everything it compares, and the state of the rebuilt tools on disk."""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from doublecast.errors import ModelError
from doublecast.types import Face, Frame, Patch


class Converter(Protocol):
    """Replaces faces in the frames of one take, in order; `doublecast.film.swap.Swapper` is one."""

    def swap(self, frame: Frame, faces: Sequence[Face]) -> list[Patch]:
        """The pixels to change in a frame (upright), one patch over another."""
        ...


class Contestant(ABC):
    """One network in training. name: as in the tables. anneals: its schedule depends on the budget, so each point of
    a curve is a run of its own; otherwise one run serves all of them, with snapshots on the way."""

    name: str
    anneals: bool

    @abstractmethod
    def advance(self) -> int:
        """One step of the optimizer; returns how many faces were seen in it, both sides counted."""

    @abstractmethod
    def converter(self) -> Converter:
        """A converter with the weights of now (averaged where there are such), which further steps do not change."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write network, optimizer, sampler and counters below the folder ``path``."""

    @abstractmethod
    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote. Raises ModelError when it is absent, damaged or of another network."""


class Baseline(Contestant):
    """A rebuilt tool: network, optimizer and sampler on one device, at a constant learning rate.

    extra: whatever else the next step needs, by name. steps, faces: done and seen so far. last_loss: of the last step.
    """

    anneals = False
    network: nn.Module
    optimizer: torch.optim.Optimizer
    rng: torch.Generator
    device: torch.device
    extra: dict[str, Tensor]
    last_loss: float = float("nan")
    steps: int = 0
    faces: int = 0

    def save(self, path: Path) -> None:
        """See class Contestant. The folder is complete or absent."""
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value.contiguous()
        tensors |= {f"extra.{k}": v.contiguous() for k, v in self.extra.items()}
        tensors["sampler"] = self.rng.get_state()
        temporary = path.with_name(f".{path.name}.partial")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(tensors, temporary / "state.safetensors")
        state = {"name": self.name, "steps": self.steps, "faces": self.faces}
        (temporary / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)

    def restore(self, path: Path) -> None:
        """See class Contestant."""
        try:
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if state["name"] != self.name:
                raise ModelError(f"{path}: this is the state of {state['name']!r}, asked for is {self.name!r}.")
            tensors = load_file(path / "state.safetensors")
            self.network.load_state_dict(
                {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
            )
            self._restore_optimizer(tensors)
            self.rng.set_state(tensors["sampler"])
            extra = {k.removeprefix("extra."): v for k, v in tensors.items() if k.startswith("extra.")}
            self.extra = {k: v.to(self.device) for k, v in extra.items()}
            self.steps, self.faces = int(state["steps"]), int(state["faces"])
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{path}: the bench state is damaged ({error}). Delete this folder.") from error

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        """Each slot in the memory layout of its parameter, or every step would copy."""
        packed = self.optimizer.state_dict()
        packed["state"] = {}
        for number, (name, parameter) in enumerate(self.network.named_parameters()):
            end = f".{name}"
            slots = {
                key[len("optimizer.") : -len(end)]: value
                for key, value in tensors.items()
                if key.startswith("optimizer.") and key.endswith(end) and key.count(".") == 1 + end.count(".")
            }
            packed["state"][number] = {
                key: torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
                for key, value in slots.items()
            }
        self.optimizer.load_state_dict(packed)
