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
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from doublecast.model import augment
from doublecast.model.augment import AugmentConfig
from doublecast.model.exposure import developed
from doublecast.model.networks import pack
from doublecast.model.occlusion import SIDE, Occlusion
from doublecast.model.space import EYE_RINGS, MOUTH_RING, filled, inside, layout

BATCH, RATE, WEIGHT = 16, 2e-3, 2.0  #: of each kind; learning rate; of covered texels
DOUBTS = -0.6, 2.0  #: logits from which a texel of a real face may be, and is, covered before anything was laid over it
DOUBTED = 0.3  #: how much a texel counts between them: beards and shiny skin must not be doubted for ever
HAIRS = (
    *([20, 18, 17], [45, 32, 25], [80, 55, 38], [140, 100, 62]),
    *([190, 160, 115], [150, 148, 145], [215, 212, 206], [110, 50, 30]),
)  #: colours of hair
KINDS = {"strokes": 0.22, "hair": 0.18, "hand": 0.2, "spectacles": 0.22, "cloth": 0.09, "thing": 0.09}  #: chances
LIGHT = AugmentConfig(gain=0.2, tint=0.06, contrast=0.15, gradient=0.25, borrow=0.3)
ABOUT_EYES = 0.1  #: distance from the eyes within which what is doubted are dark glasses, as part of the texture's side
UV = layout().uv * SIDE - 0.5


def smooth(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Noise of a certain grain, float32, standard deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), scale)
    return noise / (noise.std() + 1e-6)


def away_from_eyes() -> Tensor:
    """bool (S, S)."""
    away = cv2.distanceTransform((filled(EYE_RINGS, SIDE) == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return torch.from_numpy(away > ABOUT_EYES * SIDE)


def hair_colour(rng: np.random.Generator) -> np.ndarray:
    """Of hair, float (3,) 0-255."""
    return np.array(HAIRS[rng.integers(len(HAIRS))], float) * rng.uniform(0.6, 1.5)


def strokes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Strands that fall from the forehead's edge or a side: colour (S, S, 3) float 0-255 and coverage (S, S) 0-1."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    shade = np.zeros((SIDE, SIDE), np.float32)
    side = rng.choice(["top", "left", "right"], p=[0.6, 0.2, 0.2])
    count = int(rng.choice([3, 12, 40, 90]))
    lean, reach = rng.normal(0, 0.5), rng.uniform(0.12, 0.75) * SIDE
    centre, width = rng.uniform(0.1, 0.9) * SIDE, rng.uniform(0.08, 0.6) * SIDE
    for _ in range(count):
        a = centre + rng.normal(0, 0.5) * width
        length = reach * rng.uniform(0.5, 1.15)
        bend = lean + rng.normal(0, 0.12)
        t = np.linspace(0, 1, 12)
        along, across = length * t - 4, a + bend * length * t + rng.normal(0, 3) * t * t
        if side == "top":
            points = np.stack([across, along], 1)
        else:
            points = np.stack([along if side == "left" else SIDE - 1 - along, across], 1)
        thick = int(rng.integers(1, 5))
        fixed = np.round(points * 8).astype(np.int32)[None]
        one = np.zeros((SIDE, SIDE), np.uint8)
        cv2.polylines(one, fixed, False, 255, thick, cv2.LINE_AA, 3)
        alpha = one.astype(np.float32) / 255 * rng.uniform(0.5, 1)
        shade = shade * (1 - alpha) + alpha * rng.uniform(0.5, 1.5)
        mask = np.maximum(mask, alpha)
    base = hair_colour(rng)
    return base * (shade / np.maximum(mask, 0.2))[..., None], mask


def hand(rng: np.random.Generator, face: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fingers, or a palm, in the face's own skin: rounded bars with a shaded edge."""
    skin = (
        np.median(face[(seen > 128) & (inside(SIDE) > 0)], axis=0)
        * rng.uniform(0.75, 1.2)
        * (1 + rng.normal(0, 0.03, 3))
    )
    mask = np.zeros((SIDE, SIDE), np.uint8)
    turn, place = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.95, 2) * SIDE
    way, off = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    fingers, thick = int(rng.integers(1, 6)), rng.uniform(8, 20)
    relief = np.zeros((SIDE, SIDE), np.float32)
    for k in range(fingers):
        start = place + off * k * thick * rng.uniform(1.0, 1.15)
        end = start + way * rng.uniform(30, 110)
        bar = np.zeros((SIDE, SIDE), np.uint8)
        cv2.line(
            bar,
            tuple(np.int32(start * 8).tolist()),
            tuple(np.int32(end * 8).tolist()),
            255,
            round(thick),
            cv2.LINE_AA,
            3,
        )
        depth = cv2.distanceTransform((bar > 128).astype(np.uint8), cv2.DIST_L2, 3) / (thick / 2)
        relief = np.where(bar > 128, np.sqrt(np.clip(depth, 0, 1)), relief)
        mask = np.maximum(mask, bar)
    if rng.random() < 0.4:
        mask = cv2.dilate(mask, np.ones((9, 9), np.uint8))
        relief = cv2.GaussianBlur(relief, (0, 0), 3)
    shade = (0.55 + 0.45 * relief) * (1 + 0.04 * smooth(rng, (SIDE, SIDE), 2.0))
    return skin * shade[..., None], mask.astype(np.float32) / 255


def spectacles(rng: np.random.Generator, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rims, a bridge and temples around the eyes of the layout; in some, dark lenses that hide them."""
    mask, lenses = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    thick = int(rng.integers(1, 5))
    dark = rng.random() < 0.35
    grow = rng.uniform(1.15, 1.6, 2) * (rng.uniform(1, 1.5) if dark else 1)
    lift, square = rng.normal(2, 3), rng.uniform(2, 5)
    centres = []
    t = np.linspace(0, 2 * np.pi, 40)
    for ring in EYE_RINGS:
        box = UV[ring]
        middle, half = (box.max(0) + box.min(0)) / 2, (box.max(0) - box.min(0)) / 2
        half = np.array([half[0] * grow[0], max(half[1], 0.6 * half[0]) * grow[1]])
        form = (
            np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / square),
            np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / square),
        )
        points = middle + np.array([0, lift]) + np.stack(form, 1) * half
        cv2.fillPoly(lenses, [np.round(points * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
        kind = rng.random()
        part = points if kind > 0.2 else points[20:] if kind > 0.1 else points[:21]
        cv2.polylines(mask, [np.round(part * 8).astype(np.int32)], kind > 0.2, 255, thick, cv2.LINE_AA, 3)
        centres.append((middle + np.array([0, lift]), half))
    (left, lh), (right, rh) = centres
    height = -rng.uniform(0, 0.5) * lh[1]
    cv2.line(
        mask,
        tuple(np.int32((left + np.array([lh[0], height])) * 8).tolist()),
        tuple(np.int32((right + np.array([-rh[0], height])) * 8).tolist()),
        255,
        thick,
        cv2.LINE_AA,
        3,
    )
    for centre, half, sign in ((left, lh, -1), (right, rh, 1)):
        start = centre + np.array([sign * half[0], height])
        cv2.line(
            mask,
            tuple(np.int32(start * 8).tolist()),
            tuple(np.int32((start + np.array([sign * 60, rng.normal(-2, 5)])) * 8).tolist()),
            255,
            thick,
            cv2.LINE_AA,
            3,
        )
    tone = np.array([[15, 15, 18], [60, 40, 25], [150, 150, 155], [180, 150, 80], [30, 40, 90], [120, 20, 30]], float)
    colour = np.broadcast_to(tone[rng.integers(len(tone))] * rng.uniform(0.5, 1.4), (SIDE, SIDE, 3)).copy()
    colour *= (1 + 0.25 * smooth(rng, (SIDE, SIDE), 4.0))[..., None]
    cover = mask.astype(np.float32) / 255 * rng.uniform(0.7, 1)
    if dark:
        glass = tone[rng.choice([0, 0, 1, 4])] * rng.uniform(0.3, 1.5)
        shine = np.clip(smooth(rng, (SIDE, SIDE), float(rng.uniform(4, 16))), 0, None) * rng.uniform(0, 60)
        inner = (lenses.astype(np.float32) / 255 * (1 - cover))[..., None]
        colour = colour * (1 - inner) + (glass + shine[..., None]) * inner
        cover = np.maximum(cover, lenses.astype(np.float32) / 255 * rng.uniform(0.8, 1))
    return colour, cover


def thing(rng: np.random.Generator, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bar, a ball or a blob with the colours of another picture, or plain and dark, as a microphone is."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    place, size = rng.uniform(0, SIDE, 2), rng.uniform(8, 40, 2)
    if rng.random() < 0.5:
        cv2.ellipse(
            mask, (tuple(place.tolist()), tuple(size.tolist()), float(rng.uniform(0, 180))), 255, -1, cv2.LINE_AA
        )
    else:
        blob = smooth(rng, (SIDE, SIDE), float(rng.uniform(6, 14))) > rng.uniform(0.6, 1.4)
        mask = blob.astype(np.uint8) * 255
    turned = cv2.warpAffine(
        other,
        cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.uniform(0, 360)), float(rng.uniform(1, 3))),
        (SIDE, SIDE),
        borderMode=cv2.BORDER_REFLECT,
    )
    colour = turned.astype(np.float32)
    if rng.random() < 0.5:
        colour = (
            np.broadcast_to(rng.uniform(5, 230) * (1 + rng.normal(0, 0.15, 3)), (SIDE, SIDE, 3))
            * (1 + 0.15 * smooth(rng, (SIDE, SIDE), 1.5))[..., None]
        )
    return colour, mask.astype(np.float32) / 255


def cloth(rng: np.random.Generator, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mask or a scarf over mouth and chin, plain or with the pattern of another picture, with folds."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    aside = 2 * np.abs(x - 0.5)
    edge = rng.uniform(0.42, 0.64) + rng.uniform(-0.05, 0.15) * aside**2 + rng.normal(0, 0.05) * (x - 0.5)
    mask = 1 / (1 + np.exp(-np.clip((y - edge) / rng.uniform(0.004, 0.015), -30, 30)))
    plain = np.broadcast_to(rng.uniform(8, 240) * (1 + rng.normal(0, 0.25, 3) * (rng.random() < 0.6)), (SIDE, SIDE, 3))
    colour = plain if rng.random() < 0.75 else cv2.resize(other, None, fx=2, fy=2)[:SIDE, :SIDE]
    folds = cv2.GaussianBlur(smooth(rng, (SIDE, SIDE), 2.0), (0, 0), 6, sigmaY=float(rng.uniform(0.5, 6)))
    return colour * (1 + rng.uniform(0.02, 0.25) * folds / folds.std())[..., None], mask.astype(np.float32)


def shadow(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Light from one side, or a shadow with an edge: what is dark is not covered."""
    turn = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE - 0.5
    ramp = np.cos(turn) * x + np.sin(turn) * y + 0.06 * smooth(rng, (SIDE, SIDE), 12.0) + rng.normal(0, 0.2)
    fall = 1 / (1 + np.exp(-ramp / rng.choice([0.01, 0.04, 0.15])))
    return face * (1 - rng.uniform(0.3, 0.85) * fall)[..., None]


def beard(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A full beard, one about the mouth, the jaw or the lip alone: hair that belongs to the face is no cover."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    aside = 2 * np.abs(x - 0.5)
    corner = float(UV[MOUTH_RING, 1].mean() / SIDE) + rng.normal(0, 0.03)
    cheek = corner - rng.uniform(-0.1, 0.35) * np.clip((aside - 0.3) / 0.6, 0, 1) ** rng.uniform(0.7, 2)
    upper = rng.uniform(0.58, 0.63) + 0.25 * np.clip(aside - rng.uniform(0.15, 0.35), 0, 1)
    kind = rng.choice(["full", "mouth", "lip", "jaw"], p=[0.65, 0.15, 0.1, 0.1])
    edge = {"full": np.minimum(cheek, upper), "mouth": upper + 3 * np.clip(aside - rng.uniform(0.35, 0.55), 0, 1)}.get(
        str(kind), cheek if kind == "jaw" else upper
    )
    edge = edge + rng.uniform(0, 0.02) * smooth(rng, (SIDE, SIDE), 4.0)
    there = 1 / (1 + np.exp(-np.clip((y - edge) / rng.uniform(0.008, 0.05), -30, 30)))
    if kind == "lip":
        there = there * (y < corner + 0.02)
    lips = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(lips, [np.round(UV[MOUTH_RING] * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    there = there * (1 - cv2.GaussianBlur(lips.astype(np.float32) / 255, (0, 0), rng.uniform(0.5, 2)))
    fine, long = rng.choice([0.6, 0.6, 1.0, 1.6]), rng.uniform(1.5, 4)
    strands = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), fine, sigmaY=fine * long)
    strands = strands / strands.std()
    dense = np.clip(there * rng.uniform(0.35, 1.1) * (1 + rng.uniform(0, 0.4) * strands), 0, 1)[..., None]
    grey = face.mean(2)
    light = cv2.GaussianBlur(grey, (0, 0), 8) / max(float(np.median(grey[inside(SIDE) > 0])), 1)
    colour = hair_colour(rng) * (np.clip(light, 0.2, 1.6) * (1 + rng.uniform(0, 0.35) * strands))[..., None]
    return np.clip(face * (1 - dense) + colour * dense, 0, 255).astype(np.float32)


def shiny(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """With stronger highlights and darker hollows, as darker skin has."""
    grey = cv2.GaussianBlur(face.mean(2), (0, 0), 1) + 8
    middle = float(np.median(grey[inside(SIDE) > 0]))
    return np.clip(face * ((grey / middle) ** rng.uniform(0.2, 1.0))[..., None], 0, 255).astype(np.float32)


def worse(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A picture as a small or grainy face gives it."""
    if rng.random() < 0.2:
        small = cv2.resize(picture, (int(rng.integers(36, 100)),) * 2, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.2:
        grain = smooth(rng, (SIDE, SIDE), float(rng.uniform(0.4, 1.5)))[..., None] * rng.uniform(2, 12)
        picture = picture + grain
    return np.clip(picture, 0, 255).astype(np.float32)


def developed_all(textures: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Textures, developed each, and their visibility."""
    return np.stack([developed(*pair)[0] for pair in zip(textures, visible, strict=True)]), visible


class Material:
    """Real faces and rendered ones with their hair, uint8, all in memory, developed as the network gets them."""

    def __init__(self, work: Path) -> None:
        real = load_file(work / "faces.safetensors")
        self.real = developed_all(real["textures"].numpy(), real["visible"].numpy())
        parts = [load_file(path) for path in sorted(work.glob("hair-*.safetensors"))]
        textures, visible, hair = (
            torch.cat([part[name] for part in parts]).numpy() for name in ("textures", "visible", "hair")
        )
        self.rendered = (*developed_all(textures, visible), hair)

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
