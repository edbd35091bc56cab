"""faceswap's `original` network at 64 px and the way it is trained, rebuilt from its published layers and settings.

Bench only: nothing of doublecast uses it. What differs from the tool, and whom it flatters: it runs in bfloat16
where ours do, both sides go through the encoder in one pass, and the batch is warped at once (flatters the baseline:
speed); the pictures are cut from our stored crops by our landmarks, 68 of which stand for the ones it detects, and the
shift of its face centring is taken from our pose (neutral); convolutions of stride 2 are padded evenly (neutral).
"""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from doublecast.bench.contestant import Baseline, Converter
from doublecast.bench.crops import CropConverter, Faces, face_centred, features, gather, hull
from doublecast.bench.warps import displaced, look_up, rotate_zoom_shift, structural
from doublecast.faceset import FaceStore
from doublecast.model.device import autocast
from doublecast.types import F32, U8

SIZE = 64
BATCH = 16  #: faces per side and step
WARP = 5 / 256  #: standard deviation of the nodes of the warp, in sides
DEGREES, ZOOM, SHIFT, FLIP = 10.0, 0.05, 0.05, 0.5
LIGHTNESS, COLOUR, CLAHE = 0.30, 0.08, 0.5  #: L and ab up or down by as much, and how often contrast is equalised
EYES, MOUTH = 3.0, 2.0  #: weights of eyes and mouth, on top of the face
MASK = 256  #: side of the mask that the face is put back with
BLUR, PASSES = 0.03, 4  #: kernel of the mask's blur in sides, and how often


class Upscale(nn.Module):
    """Twice the side by sub-pixel convolution, as both rebuilt tools have it."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, 2 H, 2 W)."""
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
            Upscale(1024, 512),
        )  # fmt: skip
        self.decoders = nn.ModuleList(
            nn.Sequential(Upscale(512, 256), Upscale(256, 128), Upscale(128, 64), nn.Conv2d(64, 3, 5, padding=2))
            for _ in range(2)
        )

    def forward(self, x: Tensor, side: int) -> Tensor:
        """Faces through the decoder of a side, 0 or 1."""
        return torch.sigmoid(cast(Tensor, self.decoders[side](self.encoder(x))))


class _FlatAdam(torch.optim.Adam):
    """Adam that sees every weight as one line of memory: PyTorch's fused step copies whatever is channels-last, which
    makes it five times slower on CPUs."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change the weights along their gradients."""
        held = [(p, p.data, p.grad) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for parameter, data, grad in held:
            same = grad if grad.stride() == data.stride() else torch.empty_like(data).copy_(grad)
            parameter.grad = None
            parameter.data = data.as_strided((data.numel(),), (1,))
            parameter.grad = same.as_strided((data.numel(),), (1,))
        super().step()
        for parameter, data, _ in held:
            parameter.grad = None
            parameter.data = data
        return None


def optimizer(network: Original) -> torch.optim.Optimizer:
    """The optimizer that it is trained with."""
    return _FlatAdam(network.parameters(), 5e-5, betas=(0.9, 0.999), eps=1e-7, fused=True)


def step(network: Original, adam: torch.optim.Optimizer, faces: Tensor) -> None:
    """One training step for timing alone: each side forward and back, with a plain squared error.

    faces: (2, B, 3, 64, 64). Warping, masks and the structural loss are left out, which flatters the baseline; the
    whole recipe is `OriginalContestant`.
    """
    adam.zero_grad(set_to_none=True)
    for side, batch in enumerate(faces):
        F.mse_loss(network(batch.contiguous(memory_format=torch.channels_last), side), batch).backward()  # type: ignore[no-untyped-call]
    adam.step()


def masks(points: F32, size: int) -> Sequence[U8]:
    """Face, eyes and mouth, uint8 (size, size) each, of points in crop pixels."""
    eyes, mouth, _ = features(points, size, reach=0.02)
    return hull(points, size), eyes, mouth


def loss(output: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """(1 - SSIM) + MSE of the masked pictures: the face, three times the eyes and twice the mouth.

    output, truth: (N, 3, 64, 64) 0-1; weights: (N, 3, 64, 64), masks of face, eyes, mouth. The mean over pictures.
    """
    total = torch.zeros((), device=output.device)
    for number, share in enumerate((1.0, EYES, MOUTH)):
        x, y = (picture * weights[:, number : number + 1] for picture in (output, truth))
        total = total + share * (1 - structural(x, y, 11).mean() + F.mse_loss(x, y))
    return total


def recolour(pictures: U8, rng: torch.Generator) -> U8:
    """faceswap's colour augmentation of uint8 (N, S, S, 3) RGB, in 8-bit L*a*b*: each channel up or down by a share,
    and in half of the pictures the contrast of L equalised (CLAHE) in 2 to 6 tiles a side."""
    n, size = pictures.shape[:2]
    lab = cv2.cvtColor(pictures.reshape(n * size, size, 3), cv2.COLOR_RGB2LAB).reshape(n, size, size, 3)
    share = (2 * torch.rand(n, 1, 1, 3, generator=rng).numpy() - 1) * np.array([LIGHTNESS, COLOUR, COLOUR], np.float32)
    values = lab.astype(np.float32)
    lab = np.where(share >= 0, values + (255 - values) * share, values * (1 + share)).astype(np.uint8)
    tiles = torch.randint(2, 7, (n,), generator=rng).tolist()
    for number in torch.nonzero(torch.rand(n, generator=rng) < CLAHE).ravel().tolist():
        clahe = cv2.createCLAHE(2.0, (tiles[number], tiles[number]))
        lab[number, :, :, 0] = clahe.apply(np.ascontiguousarray(lab[number, :, :, 0]))
    rgb = cv2.cvtColor(lab.reshape(n * size, size, 3), cv2.COLOR_LAB2RGB)
    return np.asarray(rgb, np.uint8).reshape(n, size, size, 3)


class OriginalContestant(Baseline):
    """faceswap `original`, 64 px: Adam at a constant 5e-5, 16 faces per side, its own loss and augmentation."""

    name = "faceswap original"

    def __init__(self, actor: FaceStore, target: FaceStore, *, device: torch.device, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.sides: list[Faces] = [
            gather(store, side, face_centred, masks) for store, side in ((actor, "actor"), (target, "target"))
        ]
        self.device = device
        self.network = self._network = initialised(Original()).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimizer(self._network)
        self.rng = torch.Generator().manual_seed(seed)
        self.extra = {}

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input and truth (2B, 3, 64, 64), and masks (2B, 3, 64, 64), the actor's half first."""
        rows = [torch.randint(len(side), (BATCH,), generator=self.rng) for side in self.sides]
        pictures = torch.cat([side.pictures[r] for side, r in zip(self.sides, rows, strict=True)])
        weights = torch.cat([side.masks[r] for side, r in zip(self.sides, rows, strict=True)])
        coloured = recolour(pictures.permute(0, 2, 3, 1).contiguous().numpy(), self.rng)
        x = torch.cat([torch.from_numpy(coloured).permute(0, 3, 1, 2), weights], 1).to(self.device).float() / 255
        n = len(x)
        where = rotate_zoom_shift(n, SIZE, self.rng, self.device, degrees=DEGREES, zoom=ZOOM, shift=SHIFT)
        x = look_up(x, where)
        turn = (torch.rand(n, 1, 1, 1, generator=self.rng) < FLIP).to(self.device)
        x = torch.where(turn, x.flip(3), x)
        nodes = 2 * WARP * torch.randn(n, 2, 5, 5, generator=self.rng).to(self.device)
        truth = x[:, :3].contiguous()
        seen = look_up(truth, displaced(nodes, SIZE))
        return seen.contiguous(memory_format=torch.channels_last), truth, x[:, 3:].contiguous()

    def advance(self) -> int:
        """See class Contestant."""
        seen, truth, weights = self.batch()
        with autocast(self.device):
            codes = torch.split(self._network.encoder(seen), BATCH)
            outputs = [decoder(code) for decoder, code in zip(self._network.decoders, codes, strict=True)]
        output = torch.sigmoid(torch.cat(outputs).float())
        self.optimizer.zero_grad(set_to_none=True)
        sides = zip(*(torch.split(t, BATCH) for t in (output, truth, weights)), strict=True)
        parts = [loss(x, y, w) for x, y, w in sides]
        (parts[0] + parts[1]).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.last_loss = float((parts[0] + parts[1]).detach())
        self.steps += 1
        self.faces += len(truth)
        return len(truth)

    def converter(self) -> Converter:
        """See class Contestant. faceswap's defaults: hull with a blurred edge, colours moved by the mean difference."""
        network = copy.deepcopy(self._network).eval()

        @torch.inference_mode()
        def make(crop: U8, points: F32) -> tuple[F32, F32]:
            x = torch.from_numpy(crop).permute(2, 0, 1)[None].to(self.device).float() / 255
            made = network(x.contiguous(memory_format=torch.channels_last), 1)[0]
            face = np.ascontiguousarray(made.permute(1, 2, 0).float().cpu().numpy())
            return average_colour(face, crop, hull(points, SIZE)), soft_hull(points)

        return CropConverter(face_centred, make)


def initialised(network: Original) -> Original:
    """With faceswap's initial weights: He for convolutions, Glorot for dense layers, no bias."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(cast(Tensor, module.bias))
    return network


def average_colour(face: F32, crop: U8, mask: U8) -> F32:
    """The face float32 (S, S, 3) 0-1 with the mean colour of the crop uint8 (S, S, 3) over the mask uint8 (S, S)."""
    weight = (mask > 127).astype(np.float32)[..., None]
    difference = ((crop.astype(np.float32) / 255 - face) * weight).sum((0, 1)) / max(float(weight.sum()), 1.0)
    moved: F32 = np.clip(face + difference, 0, 1).astype(np.float32)
    return moved


def soft_hull(points: F32) -> F32:
    """Opacity of the face, float32 (MASK, MASK): the hull with its edge blurred. points: in pixels of the crop."""
    finer = points.copy()
    finer[:, :2] = (points[:, :2] + 0.5) * (MASK / SIZE) - 0.5
    mask: F32 = hull(finer, MASK).astype(np.float32) / np.float32(255)
    kernel = 2 * round(BLUR * MASK / 2) + 1
    for _ in range(PASSES):
        mask = np.asarray(cv2.GaussianBlur(mask, (kernel, kernel), 0), np.float32)
    return mask
