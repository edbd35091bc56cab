"""Weights to start from: an encoder and a decoder that have seen many people, so that minutes are enough for two more.

The decoder of the prior is told who is wanted by an identity vector, which turns its channels up and down (Perez et
al. 2018, FiLM); so the code need not carry the person, only what the face does. For a production the vector of each
side is folded into the weights once: what is trained then is a plain `Decoder` that already looks a little like its
person. Made by tools/prior; `assets/prior.md` names data and terms.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from doublecast.errors import ModelError
from doublecast.model.networks import GRID, Decoder, Encoder, Network, NetworkConfig, Residual, Up
from doublecast.types import VECTOR

CONFIG = NetworkConfig(size=128)  #: the network that the prior was trained in
HIDDEN = 64  #: width of the layer between an identity vector and what it changes
FILE = "prior.safetensors"


class Prior(nn.Module):
    """One encoder, one decoder for everybody, and how an identity vector changes that decoder."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(CONFIG), Decoder(CONFIG)
        self.channels = [conv.out_channels for conv in _styled(self.decoder)]
        self.hidden = nn.Linear(VECTOR, HIDDEN)
        self.style = nn.Linear(HIDDEN, 2 * sum(self.channels))
        self.place = nn.Linear(HIDDEN, self.decoder.code.out_features)
        for layer in (self.style, self.place):
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, std=1e-2)
        self.register_buffer("mean", torch.zeros(VECTOR))
        self.register_buffer("deviation", torch.ones(VECTOR))

    def person(self, vectors: Tensor) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """What identity vectors (N, 128) change: factor and offset (N, C) for every styled convolution, and an offset
        (N, F) of the decoder's first features."""
        hidden = F.leaky_relu(self.hidden((vectors - self.mean) / self.deviation), 0.2)
        factors, offsets = self.style(hidden).split(sum(self.channels), 1)
        pairs = zip(factors.split(self.channels, 1), offsets.split(self.channels, 1), strict=True)
        return [(1 + factor, offset) for factor, offset in pairs], self.place(hidden)

    def forward(self, x: Tensor, vectors: Tensor) -> Tensor:
        """Faces x (N, 4, S, S) as the people of the vectors (N, 128): textures (N, 3, S, S)."""
        code = self.encoder(x)
        styles, place = self.person(vectors)
        decoder = self.decoder
        y = (decoder.code(code) + place).view(-1, decoder.channels, GRID // 4, GRID // 4)
        y = y.contiguous(memory_format=torch.channels_last)
        each = iter(styles)
        for layer in decoder.body:
            if isinstance(layer, Residual):
                inner = _scaled(layer.first(F.leaky_relu(y, 0.2)), next(each))
                y = y + layer.second(F.leaky_relu(inner, 0.2))
            else:
                up = cast(Up, layer)
                y = F.pixel_shuffle(_scaled(up.conv(F.leaky_relu(y, 0.2)), next(each)), up.factor)
        return torch.sigmoid(decoder.head(y).float())

    @torch.no_grad()
    def cast(self, vector: Tensor) -> Decoder:
        """A plain decoder for one person, by their mean identity vector (128,)."""
        styles, place = self.person(vector[None])
        decoder = Decoder(CONFIG)
        decoder.load_state_dict(self.decoder.state_dict())
        decoder.code.bias.add_(place[0])
        for conv, (factor, offset) in zip(_styled(decoder), styles, strict=True):
            conv.weight *= factor[0][:, None, None, None]
            assert conv.bias is not None
            conv.bias.copy_(conv.bias * factor[0] + offset[0])
        return decoder


def _styled(decoder: Decoder) -> list[nn.Conv2d]:
    """The convolutions that a person changes, in the order in which they work."""
    return [layer.first if isinstance(layer, Residual) else cast(Up, layer).conv for layer in decoder.body]


def _scaled(x: Tensor, style: tuple[Tensor, Tensor]) -> Tensor:
    factor, offset = style
    return x * factor[:, :, None, None] + offset[:, :, None, None]


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a prior's file, float16. Raises ModelError where it cannot be read."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read ({error}): install doublecast again.") from error
    return tensors


@cache
def load() -> Prior:
    """The prior that comes with the package. Raises ModelError where its file is damaged."""
    prior = Prior()
    with as_file(files("doublecast.assets") / FILE) as path:
        prior.load_state_dict({name: value.float() for name, value in read(path).items()})
    return prior.eval().requires_grad_(False)


def start(network: Network, vectors: Sequence[Tensor | None]) -> None:
    """Set a network's weights to the prior's, with a decoder for each identity's mean vector (128,); None: nobody's.

    Stem and head of another size than the prior's are resampled.
    """
    prior = load()
    _adopt(network.encoder, prior.encoder, network.config)
    for decoder, vector in zip(network.decoders, vectors, strict=True):
        _adopt(decoder, prior.cast(prior.mean if vector is None else vector), network.config)


@torch.no_grad()
def _adopt(mine: nn.Module, theirs: nn.Module, config: NetworkConfig) -> None:
    """Copy what has the same place in both networks."""
    have = mine.state_dict()
    for name, value in theirs.state_dict().items():
        if value.shape == have[name].shape:
            have[name].copy_(value)
        else:
            have[name].copy_(_resampled(name, value, config.patch))


def _resampled(name: str, value: Tensor, patch: int) -> Tensor:
    """Weights of stem or head for patches of another side: the same picture, sampled more finely or coarsely."""
    old = CONFIG.patch
    if name == "head.conv.bias":
        spread = value.view(3, 1, old, old)
        return F.interpolate(spread, (patch, patch), mode="bilinear", align_corners=False).reshape(-1)
    if name == "head.conv.weight":
        picture = value.view(3, old, old, -1).permute(0, 3, 1, 2)
        finer = F.interpolate(picture, (patch, patch), mode="bilinear", align_corners=False)
        return finer.permute(0, 2, 3, 1).reshape(3 * patch * patch, *value.shape[1:])
    out, _, height, width = value.shape  # the stem: as one convolution over texels, kernels of three patches
    planes = (
        value.view(out, 4, old, old, height, width).permute(0, 1, 4, 2, 5, 3).reshape(out, 4, height * old, width * old)
    )
    finer = F.interpolate(planes, (height * patch, width * patch), mode="bilinear", align_corners=False)
    finer = finer * (old / patch) ** 2
    return finer.view(out, 4, height, patch, width, patch).permute(0, 1, 3, 5, 2, 4).reshape(out, -1, height, width)
