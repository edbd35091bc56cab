"""Who wears spectacles, and where their rims are.

Rims are thinner than the network's texels, and no mask finds them whole in one frame. But in texture space they lie
nearly still, so all of somebody's faces together show where they are: a pair of lens outlines (superellipses, mirror
images) is fitted to the mean of the faces' fine lines. In a frame it is moved to where the lines of that frame are, as
rims lie before the skin and seem to slide over a turning face.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np

from doublecast.faceset import FaceStore
from doublecast.model.material import spread, textures_of
from doublecast.model.space import (
    BROW_RINGS,
    EYE_RINGS,
    MOUTH_RING,
    depth,
    filled,
    layout,
)
from doublecast.types import F32, F64, U8, Bool, Face

SIDE = 256  #: of the textures in which lines are looked for
FACES, TURNED = 40, 25.0  #: of a person that are looked at, and degrees of yaw and pitch within which
LARGE = 110  #: pixels that a face is high, for its rims to be seen
WIDEST = 9  #: texels: what is wider is no line
FEATURES = 6  #: texels about eyes, brows and mouth whose lines do not count
LENS = (28.0, 20.0)  #: least half width and half height of a lens, in texels: more than an eye
SEEN = 70  #: points of both outlines (of `POINTS` each) that must lie on skin
POINTS = 72
BESIDE = 7.0  #: texels from an outline at which there must be no line, or it is a crease
CONTRAST, WEAKEST, SHARE = 0.08, 0.09, 20.0  #: least strength of a line above what is beside it, on average and at this
# percentile of either lens, in log brightness: folds and eye sockets reach .083 and .072 in the footage at hand
REACH, BEFORE_BROWS = 4.0, 1.0  #: texels about an outline within which its line lies, and before brows, whose hairs
# are lines, too
SLIDE = 12  #: texels that rims slide at most
WORN = (0.4, 0.7)  #: part of that strength from which a face may wear spectacles, and surely does
FEWEST = 8  #: faces, as a crease in one or two may look like rims

Seen: TypeAlias = tuple[Face, U8, U8]  #: a face, its texture (`SIDE`, `SIDE`, 3) and where it is seen


@dataclass(frozen=True, slots=True, eq=False)
class Spectacles:
    """band: float32 (`SIDE`, `SIDE`) 0-1, about rims, bridge and temples. line: the same size, rims on skin alone, to
    find them by. strength: how much they stand out along that in a face that wears them, in log brightness."""

    band: F32
    line: F32
    strength: float


@cache
def about_features(reach: int) -> Bool:
    """Texels of eyes, brows and mouth, and so many about them, bool (`SIDE`, `SIDE`)."""
    return filled((*EYE_RINGS, *BROW_RINGS, MOUTH_RING), SIDE, reach) > 0


@cache
def plain_skin() -> F32:
    """Where lines are those of no feature, float32 (`SIDE`, `SIDE`) 0 or 1."""
    return (~about_features(FEATURES) & (depth(SIDE) > 0.03)).astype(np.float32)


def lines(texture: U8, visible: U8) -> F32:
    """How much each texel stands out as a thin line, dark or bright, in log brightness, float32 (`SIDE`, `SIDE`).

    texture: uint8 (`SIDE`, `SIDE`, 3); visible: uint8 (`SIDE`, `SIDE`). Top-hat and black-hat (Meyer 1979).
    """
    grey: F32 = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    log = np.log(grey + np.float32(0.05))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (WIDEST, WIDEST))
    hats = (cv2.morphologyEx(log, kind, disc) for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    return np.asarray(np.maximum(*hats) * (visible > 128), np.float32)


def looked_at(store: FaceStore) -> list[Seen]:
    """Some large and frontal faces of the main person, each with its texture and visibility (see `lines`)."""
    table = store.table()
    rows = (table.person == 0) & table.kept & (abs(table.yaw) < TURNED) & (abs(table.pitch) < TURNED)
    ids = table.id[rows & (table.size > LARGE)]
    return list(textures_of(store, ids[spread(len(ids), FACES)], SIDE)) if len(ids) else []


def learn(faces: Sequence[Seen]) -> Spectacles | None:
    """The spectacles that somebody wears in some of these faces, see `looked_at`; None for none that can be seen."""
    found = [lines(texture, visible) for _, texture, visible in faces]
    return fitted(found) if len(found) >= FEWEST else None


def fitted(found: Sequence[F32]) -> Spectacles | None:
    """The spectacles that the `lines` of somebody's faces show, float32 (`SIDE`, `SIDE`) each; None for none."""
    mean: F32 = np.mean(found, axis=0, dtype=np.float32)
    skin = plain_skin()
    lens, contrast = _fit(mean, skin)
    outlines = _outlines(lens[None], 2 * POINTS)
    thick: F32 = np.asarray(cv2.dilate(mean, np.ones((5, 5), np.uint8)), np.float32)
    strengths = []
    for x, y in outlines:
        on_skin = _at(skin, x, y)[0] > 0.5
        strengths.append(np.percentile(_at(thick, x, y)[0][on_skin], SHARE) if on_skin.any() else 0.0)
    if contrast < CONTRAST or min(strengths) < WEAKEST or lens[3] < LENS[1] + 2:  # the least one hugs an eye's socket
        return None
    lens[5] = _height(mean, lens)
    outlines = _outlines(lens[None], 4 * POINTS)
    rims = np.full((SIDE, SIDE), 255, np.uint8)
    for x, y in outlines:
        cv2.polylines(rims, [np.round(np.stack([x[0], y[0]], 1) * 8).astype(np.int32)], True, 0, 1, cv2.LINE_8, 3)
    apart = cv2.distanceTransform(rims, cv2.DIST_L2, 5)
    near = apart <= np.where(filled(BROW_RINGS, SIDE, FEATURES), BEFORE_BROWS, REACH)
    line = np.asarray(np.exp(-np.square(apart / 1.5)) * skin, np.float32)
    # bridge and temples: lines on skin that hang together with the rims, no lower than these
    height = np.arange(SIDE)[:, None]
    at_eyes = (height > lens[1] - lens[5] - REACH) & (height < lens[1] + lens[3])
    strong = ((mean > min(strengths) / 2) & at_eyes & (skin > 0)) | near
    _, labels = cv2.connectedComponents(strong.astype(np.uint8))
    held = np.isin(labels, labels[near])
    band = cv2.dilate((held & strong).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    scores = [_matched(line, one)[0] for one in found]
    strength = float(np.percentile(scores, 80))  # as they may be off in some of the footage
    if strength < WEAKEST / 2:  # but not in nearly all of it: bare skin would do then
        return None
    return Spectacles(np.asarray(cv2.GaussianBlur(band, (0, 0), 1.2), np.float32), line, strength)


def _outlines(lenses: F64, points: int) -> list[tuple[F32, F32]]:
    """Outlines of the image-left lenses float64 (n, 6) and of their mirror images: x, y float32 (n, points) each.

    A lens: centre x, y, half width, height below the centre, how square it is (the exponent of a superellipse, Lame),
    height above the centre.
    """
    x0, y0, width, below, square, above = (lenses[:, k : k + 1] for k in range(6))
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)[None]
    c, s = np.cos(turn), np.sin(turn)
    x = (x0 + width * np.sign(c) * np.abs(c) ** (2 / square)).astype(np.float32)
    y = (y0 + np.where(s > 0, below, -above) * np.abs(s) ** (2 / square)).astype(np.float32)
    return [(x, y), (SIDE - 1 - x, y)]


def _at(picture: F32, x: F32, y: F32) -> F32:
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR), np.float32)


def _fit(mean: F32, skin: F32) -> tuple[F64, float]:
    """The lens (6,), as high above as below, whose outlines have the strongest lines on skin and none beside them, and
    how much these stand out: a grid, then the best of it moved at random, less and less."""
    soft = np.asarray(cv2.GaussianBlur(mean, (0, 0), 1.2), np.float32) * skin

    def stands_out(lenses: F64) -> F64:
        means = []
        for grown in (0.0, BESIDE, -BESIDE):
            larger = lenses + np.array([0, 0, grown, grown, 0])
            outlines = _outlines(np.concatenate([larger, larger[:, 3:4]], 1), POINTS)
            total, count = (sum(_at(p, x, y).sum(1) for x, y in outlines) for p in (soft, skin))
            means.append(total / np.maximum(count, 10))
            if not grown:
                enough = count > SEEN
        return np.where(enough, means[0] - (means[1] + means[2]) / 2, -1.0)

    eye = (layout().uv[EYE_RINGS[0]].mean(0) * SIDE).astype(np.float64)
    axes = (eye[0] + np.arange(-10, 11, 5), eye[1] + np.arange(-6, 20, 5), np.arange(30, 56, 5), np.arange(22, 52, 5))
    best = np.stack(np.meshgrid(*axes, [2, 2.5, 3.5]), -1).reshape(-1, 5)
    rng = np.random.default_rng(0)
    for step in (0.0, 3.0, 2.0, 1.0, 0.5):
        moved = best + rng.normal(0, step, (30 if step else 0, *best.shape)) * [1, 1, 1, 1, 0.2]
        tried = np.concatenate([best, moved.reshape(-1, 5)])
        tried[:, 2:] = np.clip(tried[:, 2:], (*LENS, 1.8), (np.inf, np.inf, 5))
        found = stands_out(tried)
        best = tried[np.argsort(-found)[:20]]
    return np.append(best[0], best[0, 3]), float(found.max())


def _height(mean: F32, lens: F64) -> float:
    """Height of a lens above its centre, where there is the strongest line between brow and eye: the rest of its rim
    says little of it, as lines of brows and lids do not count there."""
    soft = np.asarray(cv2.GaussianBlur(mean, (0, 0), 1), np.float32)
    free: F32 = (~about_features(1)).astype(np.float32)
    heights = np.arange(LENS[1] / 2, lens[3] + BESIDE)
    means = []
    for apart in (0.0, -WIDEST / 2, WIDEST / 2):
        lenses = np.repeat(lens[None], len(heights), 0)
        lenses[:, 5] = heights + apart
        total = count = np.zeros(len(heights))
        for x, y in _outlines(lenses, 2 * POINTS):
            weight = _at(free, x, y) * (y < lens[1] - BESIDE)
            total, count = total + (_at(soft, x, y) * weight).sum(1), count + weight.sum(1)
        means.append(total / np.maximum(count, 10))
    return float(heights[np.argmax(means[0] - (means[1] + means[2]) / 2)])


def slid(spectacles: Spectacles, texture: U8, visible: U8) -> F32:
    """How far the rims have slid over the face in one of its textures (see `lines`), x and y in parts of its side, and
    how surely it wears them, 0-1: float32 (3,)."""
    score, x, y = _matched(spectacles.line, lines(texture, visible))
    worn = np.clip((score / spectacles.strength - WORN[0]) / (WORN[1] - WORN[0]), 0, 1)
    return np.array([x / SIDE, y / SIDE, worn], np.float32)


def _matched(line: F32, shown: F32) -> tuple[float, int, int]:
    """How strong the lines of a face are where they fit best to ``line``, and x, y of that place, in texels."""
    match = cv2.matchTemplate(np.pad(shown * plain_skin(), SLIDE), line, cv2.TM_CCORR)
    centre = np.hypot(*(np.mgrid[-SLIDE : SLIDE + 1, -SLIDE : SLIDE + 1] / SLIDE))
    y, x = np.unravel_index(int(np.argmax(match * (1 - 0.2 * centre))), match.shape)
    score = float(match[y, x]) / float(line.sum())
    return (score, int(x) - SLIDE, int(y) - SLIDE) if score > 1e-4 else (0.0, 0, 0)
