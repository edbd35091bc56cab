"""What of a code is the person and not the performance, so that it can be exchanged before decoding.

A decoder that started from many people listens to what the code still tells of the person: fed with the actor's code,
the target's decoder draws somebody between the two. Codes of both sides are explained by what the face does, how it
is turned and lit (shared slopes) and by who it is (a constant of each side): an analysis of covariance. The
difference of the constants is added to the actor's codes. Faces are looked at in both footages' light, and mirrored
besides where one was lit from another side than the other: no light somebody was filmed in counts for the person.

What comes out may still be a code that the target's decoder never met, and then it draws what it never learned to: a
shadow of hair on a bare forehead, a face with too much of everything. So what the performance and the light do not
explain of a code is drawn in to where the target's are. What they do explain, as where the eyes look, stays whole as
far as the target's footage and its mirror image go and a little beyond.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from doublecast.faces.geometry import EYES, gaze
from doublecast.faceset import FaceStore, FaceTable
from doublecast.film.colour import blurred, ramp
from doublecast.model import augment
from doublecast.model.augment import AugmentConfig
from doublecast.model.material import spread, unwrapped
from doublecast.model.networks import Encoder, pack
from doublecast.model.space import importance, inside
from doublecast.types import F32, F64

SAMPLES = 200  #: faces of each side
RIDGE = 0.01  #: of the slopes, as part of the signs' variance
USUAL, FAR = 1.0, 2.0  #: standard deviations of the target's codes to which a code is left alone, and that it never
# lies beyond, along each of their main axes
SURE = 2.0  #: times as large as by chance what signs do to codes must be, to count
FEW = 60  #: codes of the target below which its deviations are not known well, and count as larger
BEYOND = 1.0  #: how far beyond the target's range a sign may go at most, in its deviations in both people's faces
RANGE = (1, 99)  #: percentiles of the target's codes that are the range of a sign
ONE_SIDED = (0.02, 0.06)  #: how far two footages may be lit apart, see `lit_apart`, before faces are mirrored; then all
HALVES = 0.05  #: reach of what is compared of the halves of a face, as part of the texture's side
NARROW = 0.3  #: least standard deviation of an axis, as part of the root mean square of those that vary


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Faces of one side by which its codes are explained. textures: uint8 (n, 3, S, S), visible: uint8 (n, 1, S, S).
    gaze: float64 (n, 2), where the eyes look, see `_gaze`."""

    table: FaceTable
    textures: Tensor
    visible: Tensor
    gaze: F64


def samples(store: FaceStore, size: int) -> Samples:
    """Some faces of the main person, spread over all of its footage; the same ones every time."""
    table = store.table()
    table = table.where((table.person == 0) & table.kept)
    table = table.where(spread(len(table.id), SAMPLES))
    textures, visible, _ = unwrapped(store, table.id, size)
    looks = np.stack([_gaze(stored.face.points) for stored in store.load(table.id, crops=False)])
    return Samples(table, textures, visible, looks)


def _gaze(points: F32) -> F64:
    """Where both eyes look, by a face's points (478, 3): see `geometry.gaze`, float64 (2,). The eye that is seen wider
    counts more."""
    wide = [float(np.square(points[right, :2] - points[left, :2]).sum()) + 1e-6 for _, left, right in EYES]
    return np.asarray(np.average(gaze(points), axis=0, weights=wide), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """Codes of the actor become codes of the target doing the same. All float32 on one device.

    apart: what is added, (latent,). centre: mean of the target's codes, (latent,). axes: their main axes, one a row,
    (latent, latent). spread: standard deviation along each, (latent,). slopes: what each sign of performance and light
    adds to a code, (k, latent). signs: how these are read off a code, (latent, k). low, high: the range of each that
    the target shows, mirrored or not, (k,).
    """

    apart: Tensor
    centre: Tensor
    axes: Tensor
    spread: Tensor
    slopes: Tensor
    signs: Tensor
    low: Tensor
    high: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        """Codes (N, latent) of the actor as the target's, of the same type."""
        off = codes.float() + self.apart - self.centre
        signs = off @ self.signs
        shown = signs.clamp(self.low, self.high)
        shown = shown + BEYOND * torch.tanh((signs - shown) / BEYOND)
        along = (off - signs @ self.slopes) @ self.axes.T / self.spread
        beyond = (along.abs() - USUAL).clamp_min(0) / (FAR - USUAL)
        drawn_in = along.clamp(-USUAL, USUAL) + along.sign() * (FAR - USUAL) * torch.tanh(beyond)
        return ((drawn_in * self.spread) @ self.axes + shown @ self.slopes + self.centre).to(codes.dtype)


def exchange(encoder: Encoder, actor: Samples, target: Samples, device: torch.device) -> Exchange:
    """Learn how to exchange one person for the other in the codes of an encoder in float32."""
    sides = _sides(encoder, (actor, target), device)
    (apart, slopes), (_, codes) = constants_apart(*sides), sides[1]
    centre = codes.mean(0)
    _, sizes, axes = np.linalg.svd(codes - centre, full_matrices=True)
    known = sizes / np.sqrt(len(codes))
    spread = np.full(len(axes), max(NARROW * float(np.sqrt((known**2).mean())), 1e-6))
    spread[: len(known)] = np.maximum(known, spread[: len(known)])
    spread *= 1 + (FEW / len(codes)) ** 2
    signs = np.linalg.pinv(slopes, rcond=1e-6)
    low, high = np.percentile((codes - centre) @ signs, RANGE, axis=0)
    parts = (apart, centre, axes, spread, slopes, signs, low, high)
    return Exchange(*(torch.from_numpy(x.astype(np.float32)).to(device) for x in parts))


def constants_apart(actor: tuple[F64, F64], target: tuple[F64, F64]) -> tuple[F64, F64]:
    """How far the constants of two groups lie apart when both have the same slopes, float64 (m,), and these, (k, m).

    Each group: signs (n, k) and codes (n, m). Slopes by ridge regression within the groups, per deviation of a sign;
    what comes back of them is what signs surely do.
    """
    within = [(signs - signs.mean(0), codes - codes.mean(0)) for signs, codes in (actor, target)]
    x, z = (np.concatenate([group[k] for group in within]) for k in (0, 1))
    scale = x.std(0) + 1e-6
    x = x / scale
    slopes = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ z)
    first, second = (codes.mean(0) - (signs.mean(0) / scale) @ slopes for signs, codes in (actor, target))
    apart: F64 = second - first
    more = len(x) - x.shape[1] - 2  # faces than signs
    chance = np.sqrt(((z - x @ slopes) ** 2).sum() / more / len(x)) if more >= x.shape[1] else np.inf
    rows, sizes, columns = np.linalg.svd(slopes, full_matrices=False)
    sizes = np.where(sizes > SURE * chance, sizes, 0)
    return apart, (rows * sizes) @ columns


def lit_apart(actor: Samples, target: Samples) -> float:
    """How differently the halves of two people's faces are lit, 0 or more: root mean square, over skin, of the
    difference between what each is brighter than its mirror image, in log."""
    (first, seen), (second, also) = _halves(actor), _halves(target)
    weight = seen * also
    return float(np.sqrt((np.square(second - first) * weight).sum() / max(float(weight.sum()), 1.0)))


def _halves(side: Samples) -> tuple[F32, F32]:
    """By how much each place of somebody's face is usually brighter than its mirror image, in log without what is fine,
    float32 (S, S), and how much of both is seen, float32 (S, S) 0-1."""
    size = side.textures.shape[-1]
    skin = (importance(size) < 1.05) & (inside(size) > 0)
    seen: F32 = side.visible[:, 0].numpy().astype(np.float32) / np.float32(255) * skin
    log = np.log(side.textures.float().mean(1).numpy() / np.float32(255) + np.float32(0.03))
    usual = (log * seen).sum(0) / np.maximum(seen.sum(0), 1e-3)
    share = seen.mean(0)
    both = np.asarray(share * share[:, ::-1], np.float32)
    brighter = (usual - usual[:, ::-1]) / 2
    have, count = (blurred(np.asarray(x, np.float32), HALVES * size) for x in (brighter * both, both))
    return np.asarray(have / np.maximum(count, 1e-3), np.float32), both


def _sides(encoder: Encoder, sides: tuple[Samples, Samples], device: torch.device) -> list[tuple[F64, F64]]:
    """Signs (m, k) and codes (m, latent) of each side's faces in changing light, m at least as many as faces.

    Both take on each other's light, or the slopes of light would be guessed beyond what a side has of it. The more
    differently their halves are lit, the more faces come once more as their mirror images: then nobody is lit from one
    side, while shadows of somebody's footage would count for the person. In the same light they would only hide what
    is uneven in a face.
    """
    mirrored = ramp(lit_apart(*sides), ONE_SIDED)
    textures, visible = (torch.cat([getattr(side, name) for side in sides]) for name in ("textures", "visible"))
    whose = np.repeat(np.arange(len(sides)), [len(side.textures) for side in sides])
    faces = [np.flatnonzero(whose == number) for number in range(len(sides))]
    turned = np.concatenate([rows[spread(len(rows), round(mirrored * len(rows)))] for rows in faces])
    plain, other = (np.concatenate([_performance(side, mirror) for side in sides]) for mirror in (False, True))
    shown, whose = np.concatenate([plain, other[turned]]), np.concatenate([whose, whose[turned]])
    which = torch.from_numpy(np.concatenate([np.arange(len(plain)), turned]))
    rng = torch.Generator().manual_seed(0)
    order = torch.randperm(len(shown), generator=rng)
    codes, signs = [], []
    with torch.inference_mode():
        for rows in torch.split(order, 32):
            mirror = (rows >= len(textures)).view(-1, 1, 1, 1)
            pictures = (x[which[rows]] for x in (textures, visible))
            x, v = (torch.where(mirror, x.flip(3), x).float() / 255 for x in pictures)
            lit = augment.light(x, v, AugmentConfig(), rng)
            signs.append(_light(lit, v))
            seen = pack(lit, v).to(device).contiguous(memory_format=torch.channels_last)
            codes.append(encoder(seen).cpu().double().numpy())
    back = np.argsort(order.numpy())
    known, found = np.hstack([shown, np.concatenate(signs)[back]]), np.concatenate(codes)[back]
    return [(known[whose == number], found[whose == number]) for number in range(len(sides))]


def _performance(side: Samples, mirrored: bool) -> F64:
    """Where the eyes look, mouth, eyes and pose, float64 (n, 9), of a side's faces or of their mirror images; pose also
    squared, as a turned head shows less of both cheeks."""
    turn = -1.0 if mirrored else 1.0
    table, (across, down) = side.table, side.gaze.T
    eyes = (table.eye_right, table.eye_left) if mirrored else (table.eye_left, table.eye_right)
    yaw, pitch = turn * table.yaw.astype(np.float64) / 30, table.pitch.astype(np.float64) / 30
    columns: list[Any] = [turn * across, down, table.mouth, *eyes, yaw, pitch, yaw**2, pitch**2]
    return np.stack(columns, 1).astype(np.float64)


def _light(x: Tensor, weight: Tensor) -> F64:
    """Brightness of each channel, contrast, and how the light falls off across and down, float64 (n, 6)."""
    mean, deviation = augment.moments(x, weight)
    relative = (x - mean).mean(1, keepdim=True) / mean.mean(1, keepdim=True).clamp_min(0.02) * weight
    total = weight.sum((1, 2, 3)).clamp_min(1)
    across = torch.linspace(-1, 1, x.shape[3]).view(1, 1, 1, -1)
    down = torch.linspace(-1, 1, x.shape[2]).view(1, 1, -1, 1)
    slopes = [(relative * ramp).sum((1, 2, 3)) / total for ramp in (across, down)]
    contrast = (deviation / mean.clamp_min(0.02)).mean((1, 2, 3)).log()
    columns = [*(mean + 0.02).log().flatten(1).unbind(1), contrast, *slopes]
    return cast(F64, torch.stack(columns, 1).double().numpy())
