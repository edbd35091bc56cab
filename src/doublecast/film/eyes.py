"""Eyes that close. What a network draws between lids that touch is squeezed into one line of pixels, where an eye that
it never saw closed glitters; the line of lashes that the camera saw there is right whoever's face it is."""

from functools import cache

import cv2
import numpy as np

from doublecast.film.shape import LIDS, Shape, at_rest
from doublecast.model.space import EYE_RINGS, layout
from doublecast.types import F32, F64, U8, Face

SHUT, OPEN = 0.12, 0.4  #: share of the usual opening at which an eye is wholly the actor's own, and not at all


@cache
def _between(size: int) -> tuple[F32, ...]:
    """Texels between the lids of the image-left and the image-right eye and their lashes, float32 (size, size)."""
    masks = []
    for ring in EYE_RINGS:
        mask = np.zeros((size, size), np.uint8)
        cv2.fillPoly(mask, [np.round(layout().uv[ring] * size - 0.5).astype(np.int32)], 1)
        grown = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
        masks.append(np.asarray(cv2.GaussianBlur(grown, (0, 0), size / 128), np.float32))
    return tuple(masks)


def closed(face: Face, actor: Shape) -> tuple[float, float]:
    """How far the image-left and the image-right eye are closed, 0-1 each, against the actor's usual opening."""
    now: F64 = at_rest(face)

    def share(upper: list[int], lower: list[int]) -> float:
        gaps = [(x[lower, 1] - x[upper, 1]).clip(0).mean() for x in (now, actor.neutral)]
        opening = gaps[0] / max(gaps[1], 1e-3)
        return float(np.clip((OPEN - opening) / (OPEN - SHUT), 0, 1))

    left, right = (share(upper, lower) for upper, lower, _ in LIDS)
    return left, right


def close(texture: F32, gain: F32, seen: U8, bare: U8, shares: tuple[float, float]) -> F32:
    """A decoded texture float32 (S, S, 3) with the actor's own pixels between lids that are closed.

    gain: float32 (S, S, 3), what the texture will be multiplied with, so that the actor's pixels come out of it as they
    were. seen, bare: the actor's texture uint8 (S, S, 3) and what of it is seen (S, S). shares: see `closed`.
    """
    if not any(shares):
        return texture
    left, right = _between(texture.shape[0])
    share = np.maximum(shares[0] * left, shares[1] * right) * (bare.astype(np.float32) / np.float32(255))
    own = seen.astype(np.float32) / np.float32(255) / gain
    return np.asarray(texture + share[..., None] * (own - texture), np.float32)
