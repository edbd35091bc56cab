"""The contestants of the quality bench: ours at every size, ours in the field's space, and two rebuilt tools.

All of them see the same faces (kept, of the main identity) at the same moments, run on the same device with the same
threads, and compute in bfloat16 where ours does.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from doublecast.bench import aligned
from doublecast.bench.aligned import AlignedTrainer
from doublecast.bench.contestant import Contestant, Converter
from doublecast.bench.original import OriginalContestant
from doublecast.bench.quick96 import Quick96Contestant
from doublecast.errors import InputError, ModelError
from doublecast.faceset import FaceStore
from doublecast.film.look import PLAIN, Look
from doublecast.film.swap import Swapper
from doublecast.model import checkpoint
from doublecast.model.device import choose_device
from doublecast.model.material import gather
from doublecast.model.networks import SIZES
from doublecast.model.train import TrainConfig, Trainer
from doublecast.pipeline.convert import CONVERTER
from doublecast.types import Face, Frame, Patch

__all__ = ["Contestant", "Converter", "build", "contestants", "names", "stamp"]


class _Trained(Contestant):
    """Whatever `Trainer` trains. Its rate falls to the end of the budget, so it anneals."""

    anneals = True

    def __init__(self, name: str, trainer: Trainer) -> None:
        self.name = name
        self._trainer = trainer
        self._losses: dict[str, float] = {}

    def advance(self) -> int:
        """See class Contestant. The time of the step counts towards the schedule, as in the loop of training."""
        before, start = self._trainer.faces, time.perf_counter()
        self._losses = self._trainer.advance()
        self._trainer.seconds += time.perf_counter() - start
        return self._trainer.faces - before

    def save(self, path: Path) -> None:
        """See class Contestant."""
        path.mkdir(parents=True, exist_ok=True)
        self._trainer.save(path, self._losses)

    def restore(self, path: Path) -> None:
        """See class Contestant."""
        newest = checkpoint.latest(path)
        if newest is None:
            raise ModelError(f"{path}: there is no checkpoint to go on from.")
        self._trainer.restore(newest)


class _Faces:
    """The faces of our films without the actor's spectacles: no other contestant draws them, and they are none of the
    target's face. The target's are, where it wears some and the actor's are off."""

    def __init__(self, swapper: Swapper) -> None:
        self._swapper = swapper

    def swap(self, frame: Frame, faces: Sequence[Face]) -> list[Patch]:
        """See class Converter."""
        own = self._swapper.people.spectacles is not None
        return self._swapper.swap(frame, faces, Look(spectacles=0) if own else PLAIN)


class _Ours(_Trained):
    """doublecast as `doublecast train` and `doublecast convert` have it."""

    def __init__(self, name: str, trainer: Trainer, stores: tuple[FaceStore, FaceStore], folder: Path) -> None:
        super().__init__(name, trainer)
        self._stores, self._folder = stores, folder / "converter"

    def converter(self) -> Converter:
        """See class Contestant. Through a checkpoint in the contestant's folder, as films are made."""
        self._folder.mkdir(parents=True, exist_ok=True)
        written = self._trainer.save(self._folder, self._losses)
        return _Faces(Swapper(written, *self._stores, device=self._trainer.device.type))


class _Aligned(_Trained):
    """Our network on aligned crops."""

    def converter(self) -> Converter:
        """See class Contestant."""
        network = self._trainer.averaged()
        return aligned.converter(network.requires_grad_(False), self._trainer.device)


Maker = Callable[[FaceStore, FaceStore, float, int, Path], Contestant]


def _ours(
    config: TrainConfig, actor: FaceStore, target: FaceStore, minutes: float, seed: int, folder: Path
) -> Contestant:
    config = replace(config, minutes=minutes, seed=seed)
    sides = [gather(actor, config.size, "actor"), gather(target, config.size, "target")]
    trainer = Trainer(config, sides, choose_device(config.device))
    return _Ours(_name(config), trainer, (actor, target), folder)


def _name(config: TrainConfig) -> str:
    return f"doublecast {config.size} px" + ("" if config.prior else " from scratch")


def _aligned(actor: FaceStore, target: FaceStore, minutes: float, seed: int, folder: Path) -> Contestant:
    config = TrainConfig(minutes=minutes, seed=seed, prior=False)  # the prior has only ever seen textures
    return _Aligned("aligned", AlignedTrainer(config, actor, target, choose_device(config.device)))


def _original(actor: FaceStore, target: FaceStore, minutes: float, seed: int, folder: Path) -> Contestant:
    return OriginalContestant(actor, target, device=choose_device("auto"), seed=seed)


def _quick96(actor: FaceStore, target: FaceStore, minutes: float, seed: int, folder: Path) -> Contestant:
    return Quick96Contestant(actor, target, device=choose_device("auto"), seed=seed)


_MAKERS: dict[str, Maker] = {
    **{_name(c): partial(_ours, c) for c in (*(TrainConfig(size=size) for size in SIZES), TrainConfig(prior=False))},
    "aligned": _aligned,
    OriginalContestant.name: _original,
    Quick96Contestant.name: _quick96,
}


def names() -> tuple[str, ...]:
    """Every contestant."""
    return tuple(_MAKERS)


def stamp(name: str) -> tuple[int, ...]:
    """What the results of a contestant depend on besides its training: the version of our film's code for ours, nothing
    for the others, whose hours need not be spent again when that changes."""
    return (CONVERTER,) if name.startswith("doublecast") else ()


def contestants(wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The contestants asked for, in the order of `names`; all without any. Raises InputError for an unknown one."""
    for name in wanted:
        if name not in _MAKERS:
            raise InputError(f"contestant {name!r} is unknown; choose from {', '.join(_MAKERS)}")
    return tuple(name for name in _MAKERS if not wanted or name in wanted)


def build(name: str, actor: FaceStore, target: FaceStore, *, minutes: float, seed: int = 0, folder: Path) -> Contestant:
    """A contestant that has not been trained yet.

    minutes: the budget, for those that anneal. folder: where it may keep files of its own. Raises InputError for an
    unknown name or budget, NoFaceError for a faceset that is too small.
    """
    return _MAKERS[contestants([name])[0]](actor, target, minutes, seed, folder)
