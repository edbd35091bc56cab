"""Random moves and warps of whole batches in torch, and the structural similarity that both tools train with.

Pictures are NCHW float in 0-1. Beyond the edge, the edge is repeated.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def uniform(shape: tuple[int, ...], reach: float, rng: torch.Generator, device: torch.device) -> Tensor:
    """Uniform numbers between -reach and reach."""
    return ((2 * torch.rand(shape, generator=rng) - 1) * reach).to(device)


@cache
def _identity(size: int, device: torch.device) -> Tensor:
    """Where each pixel lies, (size, size, 2) as (x, y) in -1 to 1, corner pixels at the ends."""
    line = torch.linspace(-1, 1, size, device=device)
    return torch.stack(torch.meshgrid(line, line, indexing="ij")[::-1], -1)


def rotate_zoom_shift(
    count: int, size: int, rng: torch.Generator, device: torch.device, *, degrees: float, zoom: float, shift: float
) -> Tensor:
    """Where each pixel comes from, (count, size, size, 2), under a random similarity: uniform rotation, zoom by
    1 +- zoom, and shift in sides."""
    angle = torch.deg2rad(uniform((count,), degrees, rng, device))
    scale = 1 + uniform((count,), zoom, rng, device)
    move = 2 * uniform((count, 1, 1, 2), shift, rng, device)
    c, s = torch.cos(angle) / scale, torch.sin(angle) / scale
    turn = torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)
    points = (_identity(size, device) - move).reshape(count, -1, 2)
    return (points @ turn.transpose(1, 2)).view(count, size, size, 2)


def displaced(nodes: Tensor, size: int) -> Tensor:
    """Where each pixel comes from, (N, size, size, 2), when a grid of nodes (N, 2, K, K) is displaced by that much,
    x then y in half sides, and the space between them bilinearly."""
    shift = F.interpolate(nodes, (size, size), mode="bilinear", align_corners=True)
    return _identity(size, nodes.device) + shift.permute(0, 2, 3, 1)


def look_up(x: Tensor, where: Tensor, *, mode: str = "bilinear") -> Tensor:
    """Pictures (N, C, S, S) at (N, S, S, 2)."""
    return F.grid_sample(x, where.clamp(-1, 1), mode=mode, align_corners=True)


@cache
def _band(size: int, window: int, device: torch.device) -> Tensor:
    """Valid Gaussian filter (sigma 1.5) along an axis as a matrix (size - window + 1, size)."""
    taps = torch.exp(-0.5 * ((torch.arange(window) - (window - 1) / 2) / 1.5) ** 2)
    band = torch.zeros(size - window + 1, size)
    for row in range(len(band)):
        band[row, row : row + window] = taps / taps.sum()
    return band.to(device)


def structural(x: Tensor, y: Tensor, window: int) -> Tensor:
    """Structural similarity (N, C, S - window + 1, S - window + 1) with a Gaussian window of sigma 1.5 (Wang et al.
    2004). The filter is two multiplications by band matrices, on CPUs faster than a depthwise convolution."""
    band = _band(x.shape[-1], window, x.device)
    n = len(x)
    means = band @ torch.cat([x, y, x * x + y * y, x * y]) @ band.T
    mean_x, mean_y, squares, products = torch.split(means, n)
    mean_xy, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    a: Tensor = (2 * mean_xy + 1e-4) * (2 * (products - mean_xy) + 9e-4)
    return a / ((mean_squares + 1e-4) * (squares - mean_squares + 9e-4))
