"""Checkpoints: a folder of safetensors and readable JSON, complete or absent, never half written.

``checkpoint-00001234/`` holds ``weights.safetensors`` (the averaged weights that films are made with, half of the
file size of training state), ``state.safetensors`` (raw weights, optimizer, sampler) and ``state.json``.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from doublecast.disk import disk_message, sync_file, sync_folder
from doublecast.errors import ModelError, OutputError
from doublecast.model.networks import Network, NetworkConfig
from doublecast.model.standing import FILES, FORMAT, checkpoints

KEEP = 3  #: how many checkpoints stay on disk


@dataclass(frozen=True, slots=True)
class State:
    """Where training stands. seconds: training time over all runs; faces: seen, both sides counted."""

    network: NetworkConfig
    step: int
    faces: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    version: int = FORMAT


class _OtherFormatError(ModelError):
    """A checkpoint of another version of doublecast: whole, but not for this one."""


def save(folder: Path, state: State, weights: dict[str, Tensor], training: dict[str, Tensor]) -> Path:
    """Write a checkpoint below ``folder``: files, fsync, rename, and only then drop the oldest. Returns its folder.

    Raises OutputError where the disk refuses; the older checkpoints stay, the unfinished one does not.
    """
    final = folder / f"checkpoint-{state.step:08d}"
    temporary = folder / f".{final.name}.partial"
    for left in folder.glob(".checkpoint-*.partial"):  # of processes that were killed while they wrote
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(temporary, state, weights, training)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        sync_folder(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        cause = error if isinstance(error, OSError) else OSError(str(error))  # safetensors has no errno, only its text
        raise OutputError(disk_message(final, cause)) from error
    for old in checkpoints(folder)[:-KEEP]:
        if old != final:
            shutil.rmtree(old, ignore_errors=True)
    return final


def _write(folder: Path, state: State, weights: dict[str, Tensor], training: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "weights.safetensors")
    save_file({k: v.contiguous() for k, v in training.items()}, folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    for name in FILES:
        sync_file(folder / name)


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that can be read, or None; damaged ones are passed over.

    Raises ModelError where the newest whole one is of another format version: training must not begin anew beside it.
    """
    for path in reversed(checkpoints(folder)):
        try:
            read_state(path)
        except _OtherFormatError:
            raise
        except ModelError:
            continue
        return path
    return None


def read_state(checkpoint: Path) -> State:
    """The JSON half of a checkpoint. Raises ModelError when it is damaged or of another format version."""
    try:
        raw = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        if raw["version"] != FORMAT:
            raise _OtherFormatError(
                f"{checkpoint}: checkpoint format {raw['version']}, this version reads {FORMAT}. "
                "Use the version of doublecast that wrote it, or train in another production."
            )
        network = raw.pop("network")
        network["identities"] = tuple(network["identities"])
        return State(network=NetworkConfig(**network), **raw)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{checkpoint}: the checkpoint is damaged ({error}). Delete this folder to use an older one."
        ) from error


def read_tensors(checkpoint: Path, name: str) -> dict[str, Tensor]:
    """The tensors of ``weights`` or ``state``. Raises ModelError when the file is damaged or absent."""
    try:
        tensors: dict[str, Tensor] = load_file(checkpoint / f"{name}.safetensors")
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{checkpoint}: {name}.safetensors cannot be read ({error}). Delete this folder to use an older one."
        ) from error
    return tensors


def load_network(checkpoint: Path, device: torch.device) -> Network:
    """The averaged network of a checkpoint, ready to run. Raises ModelError when the files do not fit together."""
    state = read_state(checkpoint)
    network = Network(state.network)
    try:
        network.load_state_dict(read_tensors(checkpoint, "weights"))
    except RuntimeError as error:
        raise ModelError(f"{checkpoint}: the weights do not fit the network that state.json describes.") from error
    network.requires_grad_(False)
    return network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]
