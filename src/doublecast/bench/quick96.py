"""DeepFaceLab's Quick96 (df-ud, 96 px) and the way it is trained, rebuilt from its published layers and settings.

Bench only: nothing of doublecast uses it. What differs from the tool, and whom it flatters: it runs in bfloat16
where ours do, both sides go through the encoder in one pass, the batch is warped at once and the random numbers of the
learning-rate dropout are drawn from a pool at a random place (all flatter the baseline: speed); the pictures are cut
from our stored crops by our landmarks, 68 of which stand for the ones it detects (neutral). The actor is its dst, the
target its src.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from doublecast.bench.contestant import Baseline, Converter
from doublecast.bench.crops import CropConverter, Faces, full_face, gather, hull, reinhard
from doublecast.bench.original import Upscale
from doublecast.bench.warps import displaced, look_up, rotate_zoom_shift, structural
from doublecast.faceset import FaceStore
from doublecast.model.device import autocast
from doublecast.types import F32, U8

SIZE = 96
BATCH = 4  #: faces per side and step
RATE, RHO, KEPT = 2e-4, 0.9, 0.3  #: learning rate, decay of the squares, share of the weights that a step changes
WINDOW = int(SIZE / 11.6)  #: of the structural similarity
SOFT = SIZE // 32  #: standard deviation of the blur of the mask in the loss, in pixels
DEGREES, ZOOM, SHIFT = 10.0, 0.05, 0.05
CELLS = (2, 4, 8)  #: cells per side of the warp, one of these per picture
NODE = 0.24  #: displacement of its nodes, in cells, times a normal number cut at 2.5 and divided by that
UNWARPED = 3  #: every so many steps the last batch is seen once more, without the warp
CHUNK = 1 << 18  #: weights that the optimizer changes at a time, so that they stay in the cache


class _Down(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 5, stride=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), 0.1)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)


class _Encoder(nn.Module):
    """Faces (N, 3, 96, 96) to the grid (N, 128, 6, 6) that both decoders start from."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.Sequential(_Down(3, 64), _Down(64, 128), _Down(128, 256), _Down(256, 512))
        self.first = nn.Linear(512 * 6 * 6, 128)
        self.second = nn.Linear(128, 128 * 3 * 3)
        self.up = Upscale(128, 128)

    def forward(self, x: Tensor) -> Tensor:
        x = self.downs(x).flatten(1)
        x = x * torch.rsqrt((x.float() ** 2).mean(1, keepdim=True) + 1e-6)
        grid = self.second(self.first(x)).view(-1, 128, 3, 3)
        return cast(Tensor, self.up(grid.contiguous(memory_format=torch.channels_last)))


class _Decoder(nn.Module):
    """The grid to a face (N, 3, 96, 96) and its mask (N, 1, 96, 96), logits both."""

    def __init__(self) -> None:
        super().__init__()
        self.face = nn.Sequential(
            Upscale(128, 512), _Residual(512), Upscale(512, 256), _Residual(256), Upscale(256, 128), _Residual(128)
        )
        self.out = nn.ModuleList(nn.Conv2d(128, 3, k, padding=k // 2) for k in (1, 3, 3, 3))
        self.mask = nn.Sequential(
            Upscale(128, 128), Upscale(128, 64), Upscale(64, 32), Upscale(32, 16), nn.Conv2d(16, 1, 1)
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = self.face(z)
        quarters = torch.stack([out(x) for out in self.out], 2).flatten(1, 2)  # colour by colour, as the shuffle wants
        return F.pixel_shuffle(quarters, 2), self.mask(z)


class Quick96(nn.Module):
    """38.3 M parameters, 4.03 GMAC per swap. Decoders: actor (dst), target (src)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.decoders = nn.ModuleList(_Decoder() for _ in range(2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(cast(Tensor, module.bias))

    def forward(self, x: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Faces (N, 3, 96, 96) in 0-1 through the decoder of a side, 0 or 1: faces and masks (N, 1, 96, 96) in 0-1."""
        face, mask = self.decoders[side](self.encoder(x))
        return torch.sigmoid(face.float()), torch.sigmoid(mask.float())


class DropoutRMSprop(torch.optim.Optimizer):
    """RMSprop of which each step changes a random share of the weights (learning-rate dropout, Lin et al. 2019)."""

    def __init__(self, network: nn.Module, rng: torch.Generator, *, rate: float = RATE, kept: float = KEPT) -> None:
        super().__init__(network.parameters(), {"lr": rate})
        self._rng = rng
        count = max(p.numel() for p in network.parameters()) + CHUNK
        device = next(network.parameters()).device
        draw = torch.Generator().manual_seed(0)
        self._pool = (torch.rand(count, generator=draw) < kept).float().to(device)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change the weights along their gradients; the squares follow all of them."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._change(parameter, self.state[parameter], group["lr"])
        return None

    def _change(self, parameter: Tensor, state: dict[str, Any], rate: float) -> None:
        if "square" not in state:
            state["square"] = torch.zeros_like(parameter)
        grad = cast(Tensor, parameter.grad)
        if grad.stride() != parameter.stride():
            grad = torch.empty_like(parameter).copy_(grad)
        count = parameter.numel()
        at = int(torch.randint(len(self._pool) - count, (1,), generator=self._rng))
        kept = self._pool[at : at + count]
        flat = [torch.split(t.as_strided((count,), (1,)), CHUNK) for t in (parameter, grad, state["square"])]
        for weights, slope, square, mask in zip(*flat, torch.split(kept, CHUNK), strict=True):
            square.mul_(RHO).addcmul_(slope, slope, value=1 - RHO)
            weights.addcdiv_(slope * mask, square.sqrt().add_(1e-6), value=-rate)


def soften(mask: Tensor) -> Tensor:
    """Masks (N, 1, S, S) blurred as the loss wants them."""
    x = torch.arange(-2 * SOFT, 2 * SOFT + 1, device=mask.device)
    taps = torch.exp(-0.5 * (x / SOFT) ** 2)
    taps = taps / taps.sum()
    reach = 2 * SOFT
    return F.conv2d(
        F.conv2d(mask, taps.view(1, 1, 1, -1), padding=(0, reach)), taps.view(1, 1, -1, 1), padding=(reach, 0)
    )


def loss(face: Tensor, mask: Tensor, truth: Tensor, wanted: Tensor) -> Tensor:
    """10 DSSIM + 10 MSE of the masked faces (N, 3, S, S), + 10 MSE of the masks (N, 1, S, S), mean over pictures."""
    soft = soften(wanted)
    x, y = face * soft, truth * soft
    difference = (1 - structural(x, y, WINDOW).mean()) / 2
    return 10 * (difference + F.mse_loss(x, y) + F.mse_loss(mask, wanted))


def nodes(count: int, cells: int, rng: torch.Generator) -> Tensor:
    """Displacements of the nodes of a warp, (count, 2, cells + 1, cells + 1) in half sides; the rim stays."""
    normal = torch.randn(count, 2, cells - 1, cells - 1, generator=rng).clamp(-2.5, 2.5) / 2.5
    return F.pad(normal * (NODE * 2 / cells), (1, 1, 1, 1))


class Quick96Contestant(Baseline):
    """DeepFaceLab Quick96: RMSprop at a constant 2e-4 with dropout, 4 faces per side, its own loss and warps."""

    name = "DeepFaceLab Quick96"

    def __init__(self, actor: FaceStore, target: FaceStore, *, device: torch.device, seed: int = 0) -> None:
        def masks(points: F32, size: int) -> Sequence[U8]:
            return (hull(points, size),)

        torch.manual_seed(seed)
        self.sides: list[Faces] = [
            gather(store, side, full_face, masks) for store, side in ((actor, "actor"), (target, "target"))
        ]
        self.device = device
        self.network = self._network = Quick96().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rng = torch.Generator().manual_seed(seed)
        self.optimizer = DropoutRMSprop(self._network, self.rng)
        self.extra = {}

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input and truth (2B, 3, 96, 96), and mask (2B, 1, 96, 96), the actor's half first."""
        if self.steps % UNWARPED == 0 and self.extra:
            truth, mask = self.extra["truth"], self.extra["mask"]
            return truth.contiguous(memory_format=torch.channels_last), truth, mask
        rows = [torch.randint(len(side), (BATCH,), generator=self.rng) for side in self.sides]
        pictures = torch.cat([side.pictures[r] for side, r in zip(self.sides, rows, strict=True)])
        masks = torch.cat([side.masks[r] for side, r in zip(self.sides, rows, strict=True)])
        x, m = (t.to(self.device).float() / 255 for t in (pictures, masks))
        n = len(x)
        where = rotate_zoom_shift(n, SIZE, self.rng, self.device, degrees=DEGREES, zoom=ZOOM, shift=SHIFT)
        truth, mask = look_up(x, where, mode="bicubic").clamp(0, 1), look_up(m, where)
        grids = torch.stack([displaced(nodes(n, c, self.rng).to(self.device), SIZE) for c in CELLS])
        chosen = grids[torch.randint(len(CELLS), (n,), generator=self.rng), torch.arange(n)]
        seen = look_up(look_up(x, chosen, mode="bicubic"), where, mode="bicubic").clamp(0, 1)
        self.extra = {"truth": truth, "mask": mask}
        return seen.contiguous(memory_format=torch.channels_last), truth, mask

    def advance(self) -> int:
        """See class Contestant."""
        seen, truth, wanted = self.batch()
        with autocast(self.device):
            grids = torch.split(self._network.encoder(seen), BATCH)
            outputs = [decoder(grid) for decoder, grid in zip(self._network.decoders, grids, strict=True)]
        face, mask = (torch.sigmoid(torch.cat(part).float()) for part in zip(*outputs, strict=True))
        total = 2 * loss(face, mask, truth, wanted)  # the sum of two means over as many pictures each
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.last_loss = float(total.detach())
        self.steps += 1
        self.faces += len(truth)
        return len(truth)

    def converter(self) -> Converter:
        """See class Contestant. DeepFaceLab's defaults: mask learned for the actor times the target's, neither eroded
        nor blurred, colours by Reinhard's transfer."""
        network = copy.deepcopy(self._network).eval()

        @torch.inference_mode()
        def make(crop: U8, points: F32) -> tuple[F32, F32]:
            x = (torch.from_numpy(crop).permute(2, 0, 1)[None].to(self.device).float() / 255).contiguous()
            grid = network.encoder(x.contiguous(memory_format=torch.channels_last))
            (_, own), (made, new) = (decoder(grid) for decoder in network.decoders)
            face = np.ascontiguousarray(torch.sigmoid(made)[0].permute(1, 2, 0).float().cpu().numpy())
            mask = (torch.sigmoid(own) * torch.sigmoid(new))[0, 0].float().cpu().numpy()
            shot: F32 = crop.astype(np.float32) / np.float32(255)
            opacity = np.where(mask < 1 / 255, 0, mask).astype(np.float32)
            larger = np.asarray(cv2.resize(opacity, (4 * SIZE, 4 * SIZE), interpolation=cv2.INTER_CUBIC), np.float32)
            return reinhard(face, shot, opacity > 0), np.clip(larger, 0, 1).astype(np.float32)

        return CropConverter(full_face, make)
