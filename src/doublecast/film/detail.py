"""Skin finer than the network's texels, from the target's own footage: pores, stubble, freckles.

In texture space skin lies still, so the detail of one sharp frontal face fits every frame. It is kept as the logarithm
of a ratio, as light multiplies, and of brightness alone, as colour in footage is coarse. What is strong in it must be
in other faces too: a mole is, a highlight on the nose is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.faceset import FaceStore
from doublecast.model.exposure import unwrap_developed
from doublecast.model.material import textures_of
from doublecast.model.occlusion import look
from doublecast.model.space import importance, inside
from doublecast.types import F32, I64, U8, Face, Frame

SIDE = 256  #: of the texture that carries the detail
FRONTAL = (15.0, 12.0)  #: degrees of yaw and pitch within which a face may be the source
SHARP = 1.3  #: a face must be so many times as high in pixels as the network's texture, to have any detail beyond it
STRONGEST = 1.2  #: times the source's own detail
LARGEST = 0.25  #: largest log ratio: a shadow's edge is no skin
LOOKED_AT = 12  #: sharpest faces that are compared
APART = 0.03  #: difference from what most of them have, in log ratio, beyond which a texel is no skin


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """ratio: float32 (`SIDE`, `SIDE`), log of brightness over its own low-pass, 0 where there is no skin; strength: its
    root mean square over skin; size: of the network's texture."""

    ratio: F32
    strength: float
    size: int


def learn(store: FaceStore, size: int) -> Detail | None:
    """The detail of the sharpest frontal face of the main person; None where no face is large enough to have any."""
    ids = sharpest(store, SHARP * size)
    if size >= SIDE or not len(ids):
        return None
    ratios = [
        _fine(texture, look(texture[None], visible[None])[0][0], size)
        for _, texture, visible in textures_of(store, ids, SIDE)
    ]
    ratio = lasting(ratios)
    return Detail(ratio, _strength(ratio), size)


def sharpest(store: FaceStore, least: float) -> I64:
    """Ids of the main person's sharpest frontal faces, at most `LOOKED_AT`, that have more than so many pixels."""
    table = store.table()
    rows = (table.person == 0) & table.kept & (abs(table.yaw) < FRONTAL[0]) & (abs(table.pitch) < FRONTAL[1])
    table = table.where(rows & (table.size > least))
    return np.sort(table.id[np.argsort(-table.sharpness * table.size, kind="stable")[:LOOKED_AT]])


def lasting(ratios: Sequence[F32]) -> F32:
    """The strongest of some log ratios float32 (N, N), where it is not alone: what no other face has is light."""
    best = max(ratios, key=_strength)
    usual = cv2.GaussianBlur(np.median(ratios, axis=0).astype(np.float32), (0, 0), 1)
    alone = np.abs(cv2.GaussianBlur(best, (0, 0), 1) - usual)
    return np.asarray(best * np.exp(-np.square(alone / APART)), np.float32)


def _fine(texture: U8, visible: U8, size: int) -> F32:
    """Log ratio of brightness to what ``size`` texels can hold of it, float32 (`SIDE`, `SIDE`), over visible skin."""
    grey: F32 = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255) + np.float32(0.03)
    small = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), (0, 0), 0.5 * SIDE / size)
    ratio = np.clip(np.log(grey / np.maximum(low, 0.01)), -LARGEST, LARGEST)
    return np.asarray(ratio * _skin() * (visible.astype(np.float32) / 255), np.float32)


@cache
def _skin() -> F32:
    """Where detail lies still, float32 (`SIDE`, `SIDE`): not on eyes, brows, mouth and rim."""
    plain = ((importance(SIDE) < 1.05) & (inside(SIDE) > 0)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(cv2.erode(plain, np.ones((7, 7), np.uint8)).astype(np.float32), (0, 0), 2))


def _strength(ratio: F32) -> float:
    skin = _skin()
    return float(np.sqrt((ratio**2 * skin).sum() / skin.sum()))


def amount(detail: Detail, frame: Frame, face: Face) -> float:
    """How much of the detail a shot can carry, 0-`STRONGEST`: as much as the actor's own skin has there."""
    if face.size < SHARP * detail.size:
        return 0.0
    texture, visible, _ = unwrap_developed(frame.pixels, face.points, SIDE)
    shot = _fine(texture, visible, detail.size)
    return float(np.clip(_strength(shot) / max(detail.strength, 1e-4), 0, STRONGEST))


def apply(texture: F32, detail: Detail, share: float) -> F32:
    """A texture float32 (S, S, 3) 0-1 at `SIDE` texels with ``share`` of the detail."""
    larger = cv2.resize(texture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(larger * np.exp(share * detail.ratio)[..., None], 0, 1), np.float32)
