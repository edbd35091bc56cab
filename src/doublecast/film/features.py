"""Brows, lids and lips as sharp as in the target's own footage: what the network leaves out of them.

A network that has been trained for minutes draws them dull: no lashes, no hairs, soft lips. In texture space they lie
nearly still, so what one sharp frontal face has beyond what the network makes of that same face fits all frames. It is
kept as the logarithm of a ratio, and of brightness alone, as colour in footage is coarse. Each feature is that of one
face, the one that is most like all others: a mean of several is dull again, and the strongest one is a highlight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.faceset import FaceStore
from doublecast.film.detail import SIDE, sharpest
from doublecast.model.material import textures_of
from doublecast.model.occlusion import look
from doublecast.model.space import BROW_RINGS, EYE_RINGS, MOUTH_INSIDE, MOUTH_RING, filled
from doublecast.types import F32, U8

BROWS, EYES, MOUTH = 8, 10, 6  #: texels about a feature that belong to it
DARK = np.float32(0.15)  #: added to brightness, so that dark skin does not make a large ratio of a faint line
DARKER, LIGHTER = 0.5, 0.05  #: largest log ratio either way: lines and hairs are dark, and what is light shines
COARSEST = 5.0  #: texels: reach of what may be missed; beyond it is light
STROKE = 12.0  #: texels: reach of what is around a brow
CONTRAST = 0.12  #: log ratio to it at which a brow is there for certain
WHOLE = 0.6  #: part of a feature that must be seen in a face that it comes from
SHADOW = 5  #: texels beside what covers a face that do not count, as its shadow lies there


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Sharp frontal faces of somebody. fine: uint8 (N, `SIDE`, `SIDE`, 3); textures: uint8 (N, S, S, 3), as the network
    gets them; bare: uint8 (N, S, S), see `occlusion.look`."""

    fine: U8
    textures: U8
    bare: U8


@dataclass(frozen=True, slots=True, eq=False)
class Missed:
    """What the network leaves out, as log of what brightness is multiplied with: fine, float32 (`SIDE`, `SIDE`), and as
    far as the network's texels can hold it, coarse, float32 (S, S)."""

    fine: F32
    coarse: F32


def sources(store: FaceStore, size: int) -> Sources | None:
    """The main person's sharpest frontal faces, for a network of this size; None where none has as many pixels."""
    ids = sharpest(store, size)
    if not len(ids):
        return None
    fine = np.stack([texture for _, texture, _ in textures_of(store, ids, SIDE)])
    small = [(texture, visible) for _, texture, visible in textures_of(store, ids, size)]
    textures, visible = (np.stack(part) for part in zip(*small, strict=True))
    return Sources(fine, textures, look(textures, visible)[0])


def learn(faces: Sources, redrawn: Sequence[F32], rims: F32 | None = None) -> Missed:
    """What is missed of some faces by the network, which has redrawn them: float32 (S, S, 3) 0-1 each.

    rims: where these faces have rims of spectacles, float32 (`SIDE`, `SIDE`) 0-1, which are none of it.
    """
    square = np.ones((2 * SHADOW + 1,) * 2, np.uint8)
    free = np.float32(1) if rims is None else 1 - cv2.dilate(rims, square)
    large = [cv2.resize(one, (SIDE, SIDE)) for one in faces.bare]
    seen = [np.asarray(cv2.erode(one, square) * free, np.float32) / np.float32(255) for one in large]
    greys = [_grey(one) for one in redrawn]
    ratios = [_missing(*one) for one in zip(faces.fine, greys, seen, strict=True)]
    hairs = [ratio * _stroke(grey) for ratio, grey in zip(ratios, greys, strict=True)]
    brows, others = _pieces()
    fine = np.zeros((SIDE, SIDE), np.float32)
    for pieces, found in ((brows, hairs), (others, ratios)):
        for piece in pieces:
            fine += piece * typical(found, seen, piece)
    size = faces.bare.shape[1]
    return Missed(fine, np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), np.float32))


def drawn(texture: F32, missed: Missed, share: float) -> F32:
    """A texture float32 (N, N, 3) 0-1, of `SIDE` texels or as the network's, with ``share`` of what is missed."""
    if share <= 0:
        return texture
    ratio = missed.coarse if texture.shape[0] == missed.coarse.shape[0] else missed.fine
    grey = np.maximum(cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY), np.float32(0.01))
    gain = np.maximum((grey + DARK) * np.exp(np.float32(share) * ratio) - DARK, 0) / grey
    return np.asarray(np.clip(texture * gain[..., None], 0, 1), np.float32)


def _grey(redrawn: F32) -> F32:
    """Brightness of a texture float32 (S, S, 3) 0-1, and `DARK`, float32 (`SIDE`, `SIDE`)."""
    grey = np.clip(cv2.cvtColor(redrawn, cv2.COLOR_RGB2GRAY), 0, 1)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(0) + DARK, np.float32)


def _missing(texture: U8, grey: F32, seen: F32) -> F32:
    """What a texture uint8 (`SIDE`, `SIDE`, 3) has beyond the brightness that was drawn, float32 (`SIDE`, `SIDE`): log
    ratio without what is coarse, where it is seen, float32 (`SIDE`, `SIDE`) 0-1."""
    have = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255) + DARK
    ratio = np.log(have / grey)
    for _ in range(3):  # as what shines is part of its own surroundings, and would darken them
        ratio = np.minimum(ratio, _around(ratio, seen) + LIGHTER)
    return np.asarray(np.maximum(ratio - _around(ratio, seen), -DARKER) * seen, np.float32)


def _around(ratio: F32, seen: F32) -> F32:
    """The mean about each texel of what is seen, float32 (`SIDE`, `SIDE`)."""
    near = np.maximum(cv2.GaussianBlur(seen, (0, 0), COARSEST), 0.05)
    return np.asarray(cv2.GaussianBlur(ratio * seen, (0, 0), COARSEST) / near, np.float32)


def _stroke(grey: F32) -> F32:
    """Where something darker than its surroundings was drawn, float32 (`SIDE`, `SIDE`) 0-1: a brow is sharpened, and
    not made longer than the network has it, as only its outline would come."""
    log = np.log(grey)
    share = np.clip((cv2.GaussianBlur(log, (0, 0), STROKE) - log) / CONTRAST, 0, 1)
    return np.asarray(cv2.GaussianBlur(share, (0, 0), 2), np.float32)


def typical(ratios: Sequence[F32], seen: Sequence[F32], piece: F32) -> F32:
    """That of some log ratios float32 (N, N) which is most like what all have in a piece of the texture, float32 (N, N)
    0-1; the mirror image of the other side's where only that is seen, and 0 where neither is. seen: of each, 0-1."""
    mirrored = piece[:, ::-1]
    here, there = (np.array([(one * part).sum() for one in seen]) / piece.sum() for part in (piece, mirrored))
    if here.max() < WHOLE:
        return typical(ratios, seen, mirrored)[:, ::-1] if there.max() >= WHOLE else np.zeros_like(piece)
    whole = [one for one, share in zip(ratios, here, strict=True) if share >= WHOLE]
    norms = [float(np.sqrt((one * one * piece).sum())) + 1e-9 for one in whole]
    if len(whole) < 3:  # nobody has the majority
        return whole[int(np.argmin(norms))]
    usual = np.median(whole, axis=0) * piece
    return whole[int(np.argmax([(one * usual).sum() / norm for one, norm in zip(whole, norms, strict=True)]))]


@cache
def _pieces() -> tuple[list[F32], list[F32]]:
    """Either brow, and then both eyes' lids and the lips, without what is between them: float32 (`SIDE`, `SIDE`) 0-1,
    together at most 1."""
    rings = [*((ring, BROWS) for ring in BROW_RINGS), *((ring, EYES) for ring in EYE_RINGS), (MOUTH_RING, MOUTH)]
    between = filled([*EYE_RINGS, MOUTH_INSIDE], SIDE) > 0
    soft = [cv2.GaussianBlur(filled([ring], SIDE, reach).astype(np.float32), (0, 0), 1.5) for ring, reach in rings]
    total = np.maximum(np.sum(soft, axis=0), 1)
    pieces = [np.where(between, 0, piece / total).astype(np.float32) for piece in soft]
    return pieces[:2], pieces[2:]
