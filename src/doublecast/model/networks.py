"""The network: one encoder that learns what a face does, one decoder per identity that learns how it looks doing it.

Pixel-unshuffle stem, most work on grids of 8 to 32 places, pixel-shuffle head (Shi et al. 2016, sub-pixel convolution).
Tensors are NCHW float, RGB in 0-1. Grids of 32, 16 and 8 places are the same
for every size; only the patch of texels that a place stands for is larger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

SIZES = (96, 128, 192, 256)  #: sides of the texture on offer
GRID = 32  #: side of the largest grid, for every size


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """size: side of the texture. width: channels of the core's largest grid. latent: length of the code between the
    halves."""

    size: int = 128
    width: int = 64
    latent: int = 256
    identities: tuple[str, ...] = ("actor", "target")

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(map(str, SIZES))}, got {self.size}")

    @property
    def patch(self) -> int:
        """Side of the patch of texels that one place of the largest grid stands for."""
        return self.size // GRID

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of the grids with sides 32, 16 and 8."""
        return self.width, 2 * self.width, 4 * self.width


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016, full pre-activation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return x + cast(Tensor, self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2)))


class Down(nn.Module):
    """Stride-2 convolution after an activation."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out, H / 2, W / 2)."""
        return cast(Tensor, self.conv(F.leaky_relu(x, 0.2)))


class Up(nn.Module):
    """Twice the resolution by sub-pixel convolution."""

    def __init__(self, channels: int, out: int, factor: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out * factor * factor, 3, padding=1)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out, H * factor, W * factor)."""
        return F.pixel_shuffle(self.conv(F.leaky_relu(x, 0.2)), self.factor)


class Encoder(nn.Module):
    """Texture and visibility (N, 4, S, S) to a code (N, latent)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = nn.Conv2d(4 * config.patch**2, widths[0], 3, padding=1)
        self.unshuffle = nn.PixelUnshuffle(config.patch)
        layers: list[nn.Module] = [Residual(widths[0])]
        for narrow, wide in pairwise(widths):
            layers += [Down(narrow, wide), Residual(wide)]
        self.body = nn.Sequential(*layers)
        self.code = nn.Linear(widths[-1] * (GRID // 4) ** 2, config.latent)

    def forward(self, x: Tensor) -> Tensor:
        """See class."""
        x = self.body(self.stem(self.unshuffle(x)))
        return cast(Tensor, self.code(F.leaky_relu(x, 0.2).flatten(1)))


class Decoder(nn.Module):
    """Code (N, latent) to a texture (N, 3, S, S) in 0-1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.channels = widths[0]
        self.code = nn.Linear(config.latent, self.channels * (GRID // 4) ** 2)
        layers: list[nn.Module] = [Residual(widths[0])]
        for wide, narrow in pairwise(widths):
            layers += [Up(wide, narrow), Residual(narrow)]
        self.body = nn.Sequential(*layers)
        self.head = Up(widths[-1], 3, factor=config.patch)

    def forward(self, z: Tensor) -> Tensor:
        """See class."""
        x = self.code(z).view(-1, self.channels, GRID // 4, GRID // 4)
        x = self.body(x.contiguous(memory_format=torch.channels_last))
        return torch.sigmoid(self.head(x).float())


class Network(nn.Module):
    """Shared encoder, one decoder per identity, in the order of ``config.identities``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoders = nn.ModuleList(Decoder(config) for _ in config.identities)

    def forward(self, x: Tensor, counts: Sequence[int]) -> list[Tensor]:
        """Reconstruct: x (N, 4, S, S) holds ``counts[k]`` faces of identity k, in order; one output per identity."""
        codes = self.encoder(x).split(list(counts))
        return [decoder(z) for decoder, z in zip(self.decoders, codes, strict=True)]

    def swap(self, x: Tensor, identity: int) -> Tensor:
        """Any faces x (N, 4, S, S) as identity ``identity``, (N, 3, S, S)."""
        return cast(Tensor, self.decoders[identity](self.encoder(x)))


def pack(textures: Tensor, visible: Tensor) -> Tensor:
    """What the encoder sees: textures uint8 (N, 3, S, S) or float 0-1, hidden texels grey; visibility as 4th."""
    x = textures.float() / 255 if textures.dtype == torch.uint8 else textures
    v = visible.float() / 255 if visible.dtype == torch.uint8 else visible
    return torch.cat([x * v + 0.5 * (1 - v), v], 1)
