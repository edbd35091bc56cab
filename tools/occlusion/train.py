"""Trains the occlusion network on the material in WORK and writes it into the package.

    python tools/prior/material.py faces WORK            # real faces
    python tools/occlusion/material.py WORK              # rendered people with hair before the face
    python tools/occlusion/train.py WORK --steps 4000 --export src/doublecast/assets/occlusion.safetensors

Real faces get things laid before them whose masks are known: strands of hair (from the rendered people's hair and
from procedural strokes), hands (skin-coloured fingers in their own light), spectacles, cloth over mouth and chin, and
patches of other pictures; some get a shadow, a beard, blur or grain, which are no cover. What was before a real face
already has no mask: after a first part of the training, texels that the network itself finds covered in the picture
as it was no longer count, those that it doubts little. One picture in five has nothing laid over it. Half of every
batch are rendered people with exact masks.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from covers import beard, cloth, hand, shadow, shiny, spectacles, strokes, thing, worse
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from doublecast.model import augment
from doublecast.model.augment import AugmentConfig
from doublecast.model.exposure import developed
from doublecast.model.networks import pack
from doublecast.model.occlusion import SIDE, Occlusion, from_eyes

BATCH, RATE, WEIGHT = 16, 2e-3, 2.0  #: of each kind; learning rate; of covered texels
DOUBTS = -0.6, 2.0  #: logits from which a texel of a real face may be, and is, covered before anything was laid over it
DOUBTED = 0.3  #: how much a texel counts between them: beards and shiny skin must not be doubted for ever
KINDS = {"strokes": 0.22, "hair": 0.18, "hand": 0.2, "spectacles": 0.22, "cloth": 0.09, "thing": 0.09}  #: chances
LIGHT = AugmentConfig(gain=0.2, tint=0.06, contrast=0.15, gradient=0.25, borrow=0.3)
ABOUT_EYES = 0.1  #: distance from the eyes within which what is doubted are dark glasses, as part of the texture's side


def away_from_eyes() -> Tensor:
    """Texels where what is doubted is no dark glass, bool (S, S)."""
    return torch.from_numpy(from_eyes(SIDE) > ABOUT_EYES)


def developed_all(textures: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Textures uint8 (N, S, S, 3), developed each."""
    return np.stack([developed(*pair)[0] for pair in zip(textures, visible, strict=True)])


class Material:
    """Real faces and rendered ones with their hair, uint8, all in memory, developed as the network gets them."""

    def __init__(self, work: Path) -> None:
        real = load_file(work / "faces.safetensors")
        seen = real["visible"].numpy()
        self.real = developed_all(real["textures"].numpy(), seen), seen
        parts = [load_file(path) for path in sorted(work.glob("hair-*.safetensors"))]
        textures, visible, hair = (
            torch.cat([part[name] for part in parts]).numpy() for name in ("textures", "visible", "hair")
        )
        self.rendered = developed_all(textures, visible), visible, hair

    def bare(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        row = int(rng.integers(len(self.real[0])))
        return self.real[0][row].astype(np.float32), self.real[1][row]

    def hair(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The hair before a rendered face, moved and turned."""
        row = int(rng.integers(len(self.rendered[0])))
        texture, mask = self.rendered[0][row].astype(np.float32), self.rendered[2][row].astype(np.float32) / 255
        move = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.normal(0, 12)), float(rng.uniform(0.9, 1.3)))
        move[:, 2] += rng.normal(0, 6, 2)
        texture, mask = (
            cv2.warpAffine(x, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE) for x in (texture, mask)
        )
        return texture * rng.uniform(0.4, 1.6), mask

    def covered(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Texture, visibility, coverage, and the texture before anything was laid over it."""
        face, seen = self.bare(rng)
        before = face
        cover = np.zeros((SIDE, SIDE), np.float32)
        if rng.random() < 0.35:
            face = beard(rng, face)
        if rng.random() < 0.25:
            face = shiny(rng, face)
        if rng.random() < 0.35:
            face = shadow(rng, face)
        if rng.random() > 0.2:
            for _ in range(1 + (rng.random() < 0.3)):
                kind = rng.choice(list(KINDS), p=list(KINDS.values()))
                if kind == "strokes":
                    colour, mask = strokes(rng)
                elif kind == "hair":
                    colour, mask = self.hair(rng)
                elif kind == "hand":
                    colour, mask = hand(rng, face, seen)
                elif kind == "spectacles":
                    colour, mask = spectacles(rng, face)
                elif kind == "cloth":
                    colour, mask = cloth(rng, self.bare(rng)[0])
                else:
                    colour, mask = thing(rng, self.bare(rng)[0])
                if rng.random() < 0.5:
                    mask, colour = (cv2.GaussianBlur(np.asarray(x, np.float32), (0, 0), 0.8) for x in (mask, colour))
                if kind in ("hand", "cloth", "thing") and rng.random() < 0.7:  # its shadow
                    fall = cv2.warpAffine(
                        mask, np.float64([[1, 0, rng.normal(0, 4)], [0, 1, rng.uniform(0, 6)]]), (SIDE, SIDE)
                    )
                    face = face * (1 - rng.uniform(0, 0.4) * cv2.GaussianBlur(fall, (0, 0), 3))[..., None]
                face = face * (1 - mask[..., None]) + np.clip(colour, 0, 255) * mask[..., None]
                cover = np.maximum(cover, mask)
        return worse(rng, face), seen, cover, before

    def person(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Texture, visibility and hair (S, S) 0-1 of a rendered face, with a beard below the hair or without."""
        row = int(rng.integers(len(self.rendered[0])))
        face, seen, hair = (part[row].astype(np.float32) for part in self.rendered)
        hair = hair / 255
        if rng.random() < 0.25:
            face = face * hair[..., None] + beard(rng, face) * (1 - hair[..., None])
        return worse(rng, face), seen, hair

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures (2B, 3, S, S) 0-1, visibility and coverage (2B, 1, S, S), the real half (B, 3, S, S) as it was."""
        rows = [self.covered(rng) for _ in range(BATCH)]
        people = [self.person(rng) for _ in range(BATCH)]
        x, v, c = (np.stack([r[k] for r in rows] + [r[k] for r in people]) for k in range(3))
        pictures, before = (
            torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255 for a in (x, np.stack([r[3] for r in rows]))
        )
        return pictures, torch.from_numpy(v)[:, None].float() / 255, torch.from_numpy(c)[:, None].float(), before


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path)
    options.add_argument("--steps", type=int, default=4000)
    options.add_argument("--start", type=Path, help="go on from these weights, at half the rate")
    options.add_argument("--blend", type=Path, help="write what was trained with a share of these weights in it")
    options.add_argument("--share", type=float, default=0.5)
    options.add_argument("--export", type=Path)
    given = options.parse_args()
    torch.manual_seed(0)
    rng, draw = np.random.default_rng(0), torch.Generator().manual_seed(0)
    material, network = Material(given.work), Occlusion().to(memory_format=torch.channels_last)
    rate, bare = RATE, 0.3
    if given.start:
        network.load_state_dict({k: v.float() for k, v in load_file(given.start).items()})
        rate, bare = RATE / 2, 0.0
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    teacher, doubted = Occlusion(), DOUBTED * away_from_eyes()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    begin, told = time.perf_counter(), {"loss": 0.0, "iou": 0.0}
    for step in range(given.steps):
        share = step / given.steps
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        x, v, cover, before = material.batch(rng)
        counts = torch.ones_like(cover)
        if share >= bare:  # what was there before anything was laid over it
            with torch.inference_mode():
                teacher.load_state_dict(average)
                doubt = teacher(pack(before, v[:BATCH]))
                counts[:BATCH] = torch.where(doubt > DOUBTS[1], 0, torch.where(doubt > DOUBTS[0], doubted, 1.0))
        x = augment.light(x, v, LIGHT, draw)
        packed = augment.warp(torch.cat([pack(x, v), cover, counts], 1), AugmentConfig(warp=0.012), draw)
        turn = torch.rand(len(x), 1, 1, 1, generator=draw) < 0.5
        packed = torch.where(turn, packed.flip(3), packed)
        seen = packed[:, :4].contiguous(memory_format=torch.channels_last)
        wanted, counts = packed[:, 4:5].clamp(0, 1), packed[:, 5:].clamp(0, 1)
        weight = (seen[:, 3:] > 0.2).float() * (1 + WEIGHT * wanted) * torch.where(wanted > 0.05, 1, counts)
        logits = network(seen)
        loss = (F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight).sum() / weight.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            mine = network.state_dict()
            decay = min(0.995, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.values()), [mine[k] for k in average], 1 - decay)
            found, there = (logits > 0) & (weight > 0), (wanted > 0.5) & (weight > 0)
            iou = float((found & there).sum() / (found | there).sum().clamp_min(1))
        told = {"loss": 0.98 * told["loss"] + 0.02 * float(loss.detach()), "iou": 0.98 * told["iou"] + 0.02 * iou}
        if step % 100 == 99:
            print(
                step + 1,
                f"{(time.perf_counter() - begin) / 60:.1f} min",
                {k: round(n, 4) for k, n in told.items()},
                flush=True,
            )
        if step % 500 == 499 or step + 1 == given.steps:
            made = average
            if given.blend:  # keeps what either of two trainings knows (Wortsman et al. 2022, "Model soups")
                made = {k: torch.lerp(average[k], v.float(), given.share) for k, v in load_file(given.blend).items()}
            save_file(
                {k: v.half().contiguous() for k, v in made.items()},
                given.export or given.work / "occlusion.safetensors",
            )


if __name__ == "__main__":
    main()
