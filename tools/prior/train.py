"""Trains the prior on the material of tools/prior/material.py and writes it into the package.

    python tools/prior/train.py WORK --minutes 40
    python tools/prior/train.py WORK --export src/doublecast/assets/prior.safetensors

Half of every batch are real faces that are to be reproduced, told who they are by their own identity vector; the
other half are pairs of synthetic people in the same moment of the same performance, and each is to come out as the
other. Goes on from its newest checkpoint; Ctrl-C writes one.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from doublecast.model import augment, losses
from doublecast.model.augment import AugmentConfig
from doublecast.model.device import autocast
from doublecast.model.networks import pack
from doublecast.model.prior import Prior
from doublecast.model.space import importance

RATE, BATCH = 1e-3, 16
SELF = 0.3  #: part of the pairs in which both are to stay who they are
SAVE = 120.0  #: seconds between checkpoints
PLAIN = AugmentConfig(borrow=0.0, contrast=0.0)  #: light that does the same to both of a pair


class Material:
    """Everything in memory, uint8: real faces (N, 3, S, S), and groups (people, frames, 3, S, S)."""

    def __init__(self, work: Path) -> None:
        self.faces = load_file(work / "faces.safetensors")
        self.groups = [load_file(path) for path in sorted(work.glob("performers-*.safetensors"))]
        for group in self.groups:
            group["there"] = group["visible"].amax((2, 3)) > 0

    def vectors(self) -> Tensor:
        """Of everybody, (N, 128)."""
        return torch.cat([self.faces["vectors"], *(group["vectors"] for group in self.groups)])

    def real(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Textures, visibility and vectors of real faces."""
        rows = torch.randint(len(self.faces["textures"]), (count,), generator=rng)
        return tuple(self.faces[name][rows] for name in ("textures", "visible", "vectors"))  # type: ignore[return-value]

    def pairs(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The same of ``count`` faces, rows 2k and 2k + 1 two people in the same moment."""
        textures, visible, vectors = [], [], []
        while len(textures) < count:
            group = self.groups[int(torch.randint(len(self.groups), (1,), generator=rng))]
            people = torch.randperm(group["there"].shape[0], generator=rng)[:2]
            moment = int(torch.randint(group["there"].shape[1], (1,), generator=rng))
            if bool(group["there"][people, moment].all()):
                textures += list(group["textures"][people, moment])
                visible += list(group["visible"][people, moment])
                vectors += list(group["vectors"][people])
        return torch.stack(textures), torch.stack(visible), torch.stack(vectors)


def planes(textures: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """(N, S, S, 3) and (N, S, S) as float pictures and weights."""
    return textures.permute(0, 3, 1, 2).float() / 255, visible[:, None].float() / 255


class Run:
    """Prior, average, optimizer, counters."""

    def __init__(self, material: Material, work: Path) -> None:
        torch.manual_seed(0)
        self.material, self.path = material, work / "checkpoint.safetensors"
        self.prior = Prior().to(memory_format=torch.channels_last)
        known = material.vectors()
        self.prior.mean.copy_(known.mean(0))
        self.prior.deviation.copy_(known.std(0) + 1e-3)
        self.average = {k: v.detach().clone() for k, v in self.prior.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.prior.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
        )
        self.rng = torch.Generator().manual_seed(0)
        self.weight = torch.from_numpy(importance(128))[None, None]
        self.step, self.seconds = 0, 0.0
        if self.path.exists():
            self._restore()

    def _restore(self) -> None:
        state = load_file(self.path)
        self.prior.load_state_dict({k[4:]: v for k, v in state.items() if k.startswith("raw.")})
        self.average = {k[4:]: v for k, v in state.items() if k.startswith("ema.")}
        packed = self.optimizer.state_dict()
        packed["state"] = {
            n: {key: state[f"opt.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for n, (name, _) in enumerate(self.prior.named_parameters())
        }
        self.optimizer.load_state_dict(packed)
        self.rng.set_state(state["rng"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def save(self) -> None:
        """Complete or absent."""
        state = {f"raw.{k}": v.contiguous() for k, v in self.prior.state_dict().items()}
        state |= {f"ema.{k}": v.contiguous() for k, v in self.average.items()}
        for name, parameter in self.prior.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                state[f"opt.{key}.{name}"] = value.contiguous()
        state |= {"rng": self.rng.get_state(), "step": torch.tensor(self.step), "seconds": torch.tensor(self.seconds)}
        partial = self.path.with_suffix(".partial")
        save_file(state, partial)
        partial.rename(self.path)

    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Input, truth, loss weight, vector of who is wanted."""
        rng = self.rng
        textures, visible, vectors = self.material.real(BATCH, rng)
        x, v = augment.flip(*planes(textures, visible), AugmentConfig(flip=0.5), rng)
        x = augment.light(x, v, AugmentConfig(), rng)
        pair_t, pair_v, pair_who = self.material.pairs(BATCH, rng)
        turn = torch.rand(BATCH // 2, generator=rng) < 0.5
        p, w = planes(pair_t, pair_v)
        turned = turn.repeat_interleave(2)[:, None, None, None]
        p, w = torch.where(turned, p.flip(3), p), torch.where(turned, w.flip(3), w)
        other = torch.arange(BATCH).view(-1, 2).flip(1).reshape(-1)
        stay = (torch.rand(BATCH // 2, generator=rng) < SELF).repeat_interleave(2)
        who = torch.where(stay, torch.arange(BATCH), other)
        lit = self.lit(p, w)
        seen = torch.cat([pack(x, v), pack(lit, w)])
        seen = augment.warp(seen, AugmentConfig(), rng).contiguous(memory_format=torch.channels_last)
        truth, shown = torch.cat([x, lit[who]]), torch.cat([v, w[who]])
        vectors = torch.cat([vectors, pair_who[who]])
        vectors = vectors + 0.02 * torch.randn(vectors.shape, generator=rng)
        return seen, truth, shown * self.weight, vectors

    def lit(self, p: Tensor, w: Tensor) -> Tensor:
        """Other light, the same on both of a pair."""
        state = self.rng.get_state()
        first = augment.light(p[0::2], w[0::2], PLAIN, self.rng)
        after = self.rng.get_state()
        self.rng.set_state(state)
        second = augment.light(p[1::2], w[1::2], PLAIN, self.rng)
        self.rng.set_state(after)
        return torch.stack([first, second], 1).flatten(0, 1)

    def advance(self, share: float) -> dict[str, float]:
        """One step."""
        rate = RATE * min(1.0, (self.step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seen, truth, weight, vectors = self.batch()
        with autocast(torch.device("cpu")):
            output = self.prior(seen, vectors)
        parts = losses.reconstruction(output, truth, weight)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total(parts).backward()
        torch.nn.utils.clip_grad_norm_(self.prior.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(0.998, (1 + self.step) / (10 + self.step))
        mine = self.prior.state_dict()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), [mine[k] for k in self.average], 1 - decay)
        with torch.no_grad():
            for side, rows in (("real", slice(0, BATCH)), ("pairs", slice(BATCH, None))):
                error = ((output[rows] - truth[rows]).abs().mean(1, keepdim=True) * weight[rows]).sum()
                parts[side] = error / weight[rows].sum()
        return {name: float(value.detach()) for name, value in parts.items()}


def export(run: Run, path: Path) -> None:
    """Write the averaged weights in half precision."""
    save_file({k: v.half().contiguous() for k, v in run.average.items()}, path)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path)
    options.add_argument("--minutes", type=float, default=40)
    options.add_argument("--export", type=Path, help="write the averaged weights here, in half precision, and stop")
    given = options.parse_args()
    run = Run(Material(given.work), given.work)
    if given.export:
        export(run, given.export)
        print(json.dumps({"steps": run.step, "faces": run.step * 2 * BATCH, "minutes": round(run.seconds / 60, 1)}))
        return
    saved = told = time.perf_counter()
    smooth: dict[str, float] = {}
    try:
        while run.seconds < 60 * given.minutes:
            start = time.perf_counter()
            parts = run.advance(run.seconds / (60 * given.minutes))
            now = time.perf_counter()
            run.seconds += now - start
            smooth = {k: 0.98 * smooth.get(k, v) + 0.02 * v for k, v in parts.items()}
            if now - told > 20:
                told = now
                print(run.step, f"{run.seconds / 60:.1f} min", {k: round(v, 4) for k, v in smooth.items()}, flush=True)
            if now - saved > SAVE:
                run.save()
                saved = time.perf_counter()
    finally:
        run.save()


if __name__ == "__main__":
    main()
