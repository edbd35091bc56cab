"""Our own network in the field's space: the similarity-aligned crop instead of the texture.

Everything else is `doublecast.model.train.Trainer`: network, losses, light, warp, schedule and averaged weights. The
mask is the face oval of the mesh (in texture space it is what the camera sees), eyes, mouth and brows weigh as much
more as there, and the face is put back with the oval, feathered, and Reinhard's colour transfer.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from doublecast.bench.crops import CropConverter, features, gather, oval, oval_framing, reinhard
from doublecast.faceset import FaceStore
from doublecast.model import augment
from doublecast.model.material import Material
from doublecast.model.networks import Network, pack
from doublecast.model.train import TrainConfig, Trainer
from doublecast.types import F32, I64, U8

HEAVIEST = 3.0  #: loss weight that the value 255 of the stored weights stands for
MASK = 256  #: side of the mask that the face is put back with
FEATHER = 0.08  #: width of its soft edge, inside the oval, in sides


def emphasis(points: F32, size: int) -> U8:
    """Loss weight per pixel in units of `HEAVIEST` / 255, uint8 (size, size): 3 at the eyes, 2 at mouth and brows, 1
    elsewhere in the oval, as `doublecast.model.space.importance` has it. points: in crop pixels."""
    eyes, mouth, brows = features(points, size, reach=0.015)
    inside = oval(points, size).astype(np.float32) / 255
    weight = np.where(eyes > 0, 3.0, np.where((mouth > 0) | (brows > 0), 2.0, 1.0)).astype(np.float32)
    smooth = cv2.GaussianBlur(weight, (0, 0), size / 96) * inside
    return np.asarray(np.round(smooth * (255 / HEAVIEST)), np.uint8)


def _masks(points: F32, size: int) -> Sequence[U8]:
    return oval(points, size), emphasis(points, size)


class AlignedTrainer(Trainer):
    """A Trainer on aligned crops of both sides."""

    def __init__(self, config: TrainConfig, actor: FaceStore, target: FaceStore, device: torch.device) -> None:
        sides = [
            gather(store, name, oval_framing(config.size), _masks)
            for store, name in ((actor, "actor"), (target, "target"))
        ]
        self._weights = [side.masks[:, 1:].contiguous() for side in sides]
        ids: list[I64] = [np.arange(len(side)) for side in sides]
        super().__init__(
            config,
            [Material(s.pictures, s.masks[:, :1].contiguous(), s.chance, i) for s, i in zip(sides, ids, strict=True)],
            device,
        )

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Input (2B, 4, S, S), truth (2B, 3, S, S) and loss weight (2B, 1, S, S), the actor's half first."""
        drawn: list[list[Tensor]] = []
        for side, weights in zip(self.sides, self._weights, strict=True):
            rows = torch.multinomial(side.chance, self.config.batch, replacement=True, generator=self.rng)
            drawn.append([side.textures[rows], side.visible[rows], weights[rows]])
        x, v, w = (torch.cat(part).to(self.device).float() / 255 for part in zip(*drawn, strict=True))
        x, both = augment.flip(x, torch.cat([v, w], 1), self.config.augment, self.rng)
        v, w = both[:, :1], both[:, 1:]
        x = augment.light(x, v, self.config.augment, self.rng)
        seen = augment.warp(pack(x, v), self.config.augment, self.rng)
        return seen.contiguous(memory_format=torch.channels_last), x, HEAVIEST * w


def feathered_oval(points: F32, size: int) -> F32:
    """Opacity float32 (MASK, MASK) over a crop of side ``size``: 1 inside the oval, 0 at it. points: in crop pixels."""
    finer = points.copy()
    finer[:, :2] = (points[:, :2] + 0.5) * (MASK / size) - 0.5
    mask = oval(finer, MASK)
    mask[[0, -1], :] = 0
    mask[:, [0, -1]] = 0
    t = np.clip(cv2.distanceTransform(mask, cv2.DIST_L2, 5) / (FEATHER * MASK), 0, 1)
    soft: F32 = (t * t * (3 - 2 * t)).astype(np.float32)
    return soft


def converter(network: Network, device: torch.device) -> CropConverter:
    """Swaps with an averaged network through its target decoder."""
    size, target = network.config.size, network.config.identities.index("target")

    @torch.inference_mode()
    def make(crop: U8, points: F32) -> tuple[F32, F32]:
        mask = oval(points, size)
        x = torch.from_numpy(crop).permute(2, 0, 1)[None].to(device)
        v = torch.from_numpy(mask)[None, None].to(device)
        made = network.swap(pack(x, v).contiguous(memory_format=torch.channels_last), target)[0]
        face = np.ascontiguousarray(made.permute(1, 2, 0).float().cpu().numpy())
        shot: F32 = crop.astype(np.float32) / np.float32(255)
        return reinhard(face, shot, mask > 127), feathered_oval(points, size)

    return CropConverter(oval_framing(size), make)
