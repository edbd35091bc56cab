"""Where to compute, and how precisely."""

import torch

from doublecast.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device to run on; ``auto`` takes CUDA, then MPS, then the CPU. Raises InputError when it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, ready in there.items() if ready)
    if not there.get(name, False):
        raise InputError(
            f"device {name!r} is not available here; choose one of {', '.join(d for d, ok in there.items() if ok)}"
        )
    return torch.device(name)


def low_precision(device: torch.device) -> bool:
    """Whether bfloat16 is faster on this device: CUDA from Ampere on, CPUs with bfloat16 instructions."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def precise(device: torch.device) -> torch.dtype:
    """The type in which a finished network runs fastest without a visible difference."""
    return torch.bfloat16 if low_precision(device) else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for what runs in this context, where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=low_precision(device))
