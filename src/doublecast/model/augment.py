"""Augmentation of a whole batch of textures at once, on the device; no per-sample Python.

Light and colour change input and truth alike, so that decoders learn to follow the light they see; the warp changes
the input alone, so that the encoder learns what is said and not where it lies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """warp: standard deviation of the displacement, in half sides. flip: probability. gain, tint, contrast: standard
    deviations of log gain (all channels, each channel) and of log contrast. gradient: of the log light slope across
    the face. blur: probability of a softened input. borrow: probability of taking on the colours of another face."""

    warp: float = 0.022
    flip: float = 0.15
    gain: float = 0.10
    tint: float = 0.03
    contrast: float = 0.08
    gradient: float = 0.15
    blur: float = 0.2
    borrow: float = 0.5


def _normal(shape: tuple[int, ...], like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=rng).to(like.device)


def _chance(count: int, p: float, like: Tensor, rng: torch.Generator) -> Tensor:
    return (torch.rand(count, 1, 1, 1, generator=rng) < p).to(like.device)


def moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation per picture and channel, (N, C, 1, 1) each."""
    total = weight.sum((2, 3), keepdim=True).clamp_min(1)
    mean = (x * weight).sum((2, 3), keepdim=True) / total
    var = ((x - mean) ** 2 * weight).sum((2, 3), keepdim=True) / total
    return mean, (var + 1e-5).sqrt()


def light(x: Tensor, weight: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Other light on the same faces: colours borrowed from other faces of the batch, gain, tint, contrast, slope.

    x: (N, 3, H, W) 0-1; weight: (N, 1, H, W).
    """
    n, _, height, width = x.shape
    mean, std = moments(x, weight)
    other = torch.randperm(n, generator=rng).to(x.device)
    share = torch.rand(n, 1, 1, 1, generator=rng).to(x.device) * _chance(n, config.borrow, x, rng)
    gain = ((mean[other] + 0.02) / (mean + 0.02)) ** share  # as light is: dark brows stay dark and take on no tint
    relative = std / (mean + 0.02)
    contrast = (relative[other] / relative).mean(1, keepdim=True).clamp(0.6, 1.6) ** share
    contrast = contrast * (config.contrast * _normal((n, 1, 1, 1), x, rng)).exp()
    y = (x - mean) * gain * contrast + mean * gain
    across = torch.linspace(-1, 1, width, device=x.device).view(1, 1, 1, width)
    down = torch.linspace(-1, 1, height, device=x.device).view(1, 1, height, 1)
    slope = config.gradient * _normal((n, 2, 1, 1), x, rng)
    stops = config.gain * _normal((n, 1, 1, 1), x, rng) + config.tint * _normal((n, 3, 1, 1), x, rng)
    stops = stops + slope[:, :1] * across + slope[:, 1:] * down
    return (y * stops.exp()).clamp(0, 1)


def flip(x: Tensor, weight: Tensor, config: AugmentConfig, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror some pictures and their weights; the layout is symmetric."""
    turn = _chance(x.shape[0], config.flip, x, rng)
    return torch.where(turn, x.flip(3), x), torch.where(turn, weight.flip(3), weight)


def warp(x: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Smooth random displacement (5x5 grid, cubic), and softness in some, for the input alone. x: (N, C, H, W)."""
    n, _, height, width = x.shape
    ys = torch.linspace(-1, 1, height, device=x.device)
    xs = torch.linspace(-1, 1, width, device=x.device)
    grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], -1)
    shift = F.interpolate(
        config.warp * _normal((n, 2, 5, 5), x, rng), (height, width), mode="bicubic", align_corners=True
    )
    where = (grid + shift.permute(0, 2, 3, 1)).clamp(-1, 1)  # is padding with the border, which MPS does not offer
    warped = F.grid_sample(x, where, align_corners=True)
    soft = F.interpolate(F.avg_pool2d(warped, 2), (height, width), mode="bilinear", align_corners=False)
    return torch.where(_chance(n, config.blur, x, rng), soft, warped)
