"""faceswap's `original` network at 64 px, rebuilt from its published layers, as the baseline that training is timed
against. Bench only: nothing of doublecast uses it."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class _Upscale(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.leaky_relu(self.conv(x), 0.1), 2)


class Original(nn.Module):
    """82.06 M parameters, 1.90 GMAC per swap. Pictures are NCHW float (N, 3, 64, 64) in 0-1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, out in ((3, 128), (128, 256), (256, 512), (512, 1024)):
            layers += [nn.Conv2d(channels, out, 5, stride=2, padding=2), nn.LeakyReLU(0.1)]
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(16384, 1024), nn.Linear(1024, 16384), nn.Unflatten(1, (1024, 4, 4)),
            _Upscale(1024, 512),
        )  # fmt: skip
        self.decoders = nn.ModuleList(
            nn.Sequential(_Upscale(512, 256), _Upscale(256, 128), _Upscale(128, 64), nn.Conv2d(64, 3, 5, padding=2))
            for _ in range(2)
        )

    def forward(self, x: Tensor, side: int) -> Tensor:
        """Faces through the decoder of a side, 0 or 1."""
        return torch.sigmoid(cast(Tensor, self.decoders[side](self.encoder(x))))


def optimizer(network: Original) -> torch.optim.Optimizer:
    """The optimizer that it is trained with."""
    return torch.optim.Adam(network.parameters(), 5e-5, betas=(0.9, 0.999), eps=1e-7, fused=True)


def step(network: Original, adam: torch.optim.Optimizer, faces: Tensor) -> None:
    """One training step of both sides as faceswap does it: each side forward and back, L1-like loss on the face.

    faces: (2, B, 3, 64, 64). Warping and masks are left out, which flatters the baseline.
    """
    adam.zero_grad(set_to_none=True)
    for side, batch in enumerate(faces):
        F.mse_loss(network(batch.contiguous(memory_format=torch.channels_last), side), batch).backward()  # type: ignore[no-untyped-call]
    adam.step()
