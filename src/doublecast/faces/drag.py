"""Correcting landmarks by hand: a few are dragged, their neighbourhood comes along smoothly."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from doublecast.faces.geometry import canonical
from doublecast.types import F32, F64, MESH, POINTS

HANDLES = (
    *(33, 159, 133, 145, 263, 386, 362, 374),  # corners and lids of the image-left and the image-right eye
    *(468, 473),  # irises
    *(70, 105, 107, 300, 334, 336),  # brows, from outside
    *(6, 1, 98, 327, 2),  # nose: root, tip, wings, base
    *(61, 291, 0, 13, 14, 17),  # mouth: corners, and the lips from above
    *(10, 54, 284, 234, 454, 172, 397, 152),  # oval: forehead, temples, cheeks, jaw, chin
)  #: landmarks that make sensible handles
REACH = 0.45  #: how far a dragged point takes others along; the outer eye corners are 1 apart
WIDE = 1.6  #: the same for what several points do together: all of them move the whole face
_ALONE = 5.0  # the higher, the less a single point counts there: 1 / (1 + this)
_APART = 0.3  # added distance between two lips or lids: one is moved without the other

_UPPER = (185, 40, 39, 37, 0, 267, 269, 270, 409, 191, 80, 81, 82, 13, 312, 311, 310, 415)
_LOWER = (146, 91, 181, 84, 17, 314, 405, 321, 375, 95, 88, 178, 87, 14, 317, 402, 318, 324)
_UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398)
_LOWER_LIDS = (7, 163, 144, 145, 153, 154, 155, 249, 390, 373, 374, 380, 381, 382)
_IRISES = ((468, (33, 133)), (473, (263, 362)))  # first of five points, corners of its eye


@cache
def _places() -> F64:
    """Where each mesh point lies for the falloff, float64 (468, 4): the canonical head, and what keeps lips and lids
    apart."""
    places = np.zeros((MESH, 4))
    places[:, :3] = canonical()
    places[[*_UPPER, *_UPPER_LIDS], 3] = -_APART / 2
    places[[*_LOWER, *_LOWER_LIDS], 3] = _APART / 2
    return places


def _falloff(a: F64, b: F64, reach: float) -> F64:
    """Weights (n, m) between places (n, 4) and (m, 4): 1 at no distance, 0 from ``reach`` on (Wendland 1995, C2)."""
    away = np.linalg.norm(a[:, None] - b[None], axis=2) / reach
    weights: F64 = np.maximum(1 - away, 0) ** 4 * (4 * away + 1)
    return weights


def _spread(places: F64, dragged: list[int], shift: F64) -> F64:
    """How far all mesh points go, (468, 2), when the dragged ones go ``shift`` (m, 2): what they have in common reaches
    far, the rest only their surroundings."""
    wide = places * [1, 1, 1, 3]
    common = _falloff(wide[dragged], wide[dragged], WIDE) + _ALONE * np.eye(len(dragged))
    whole = _falloff(wide, wide[dragged], WIDE) @ np.linalg.solve(common, shift)
    near = np.linalg.solve(_falloff(places[dragged], places[dragged], REACH), shift - whole[dragged])
    found: F64 = whole + _falloff(places, places[dragged], REACH) @ near
    return found


def recipe() -> dict[str, Any]:
    """What `moved` does it by, ready for JSON, so that a page does the same while somebody drags: handles, places (468
    rows of four), wide, reach, alone, and of each iris the first landmark with the corners of its eye."""
    places = np.round(_places(), 6).tolist()
    return {"handles": HANDLES, "places": places, "wide": WIDE, "reach": REACH, "alone": _ALONE, "irises": _IRISES}


def moved(points: F32, handles: Mapping[int, tuple[float, float]]) -> F32:
    """Landmarks with some of them put elsewhere: float32 (478, 3), frame pixels; the depth stays.

    points: as they are, float32 (478, 3). handles: number of a landmark to where it goes (x, y). These come to lie
    exactly there, those around follow the less the farther away they are on the head. An iris follows the corners of
    its eye, and moves alone (all five points) where its first point, 468 or 473, is dragged. ValueError for a number
    that is no landmark.
    """
    wrong = [n for n in handles if not 0 <= n < POINTS]
    if wrong:
        raise ValueError(f"there is no landmark {wrong[0]}: they are numbered 0 to {POINTS - 1}")
    result = points.astype(np.float64)
    mesh = sorted(n for n in handles if n < MESH)
    if mesh:
        shift = _spread(_places(), mesh, np.array([handles[n] for n in mesh]) - result[mesh, :2])
        result[:MESH, :2] += shift
        for first, corners in _IRISES:
            result[first : first + 5, :2] += shift[list(corners)].mean(0)
    for first, _ in _IRISES:
        if first in handles:
            result[first : first + 5, :2] += np.array(handles[first]) - result[first, :2]
    for n in handles:
        if n >= MESH:
            result[n, :2] = handles[n]
    return result.astype(np.float32)
