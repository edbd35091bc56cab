"""The target's shape doing what the actor does: where the mesh of a frame moves to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.errors import NoFaceError
from doublecast.faces.geometry import OVAL, RIGID, canonical, mirror, similarity
from doublecast.model.space import layout
from doublecast.types import F32, F64, MESH, Face

LIDS = (
    ([246, 161, 160, 159, 158, 157, 173], [7, 163, 144, 145, 153, 154, 155], [247, 30, 29, 27, 28, 56, 190]),
    ([466, 388, 387, 386, 385, 384, 398], [249, 390, 373, 374, 380, 381, 382], [467, 260, 259, 257, 258, 286, 414]),
)  #: upper lid, lower lid below it, and the fold above, for the image-left and image-right eye
FURTHEST = 0.10  #: how far a point may move, as part of the face's size
EVEN = 0.5  #: share of what is uneven that a shape loses at least
TURNED = 10.0  #: mean yaw of the footage in degrees, to either side, from which on it loses all


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A person at rest: float64 (468, 3) in canonical units, mouth closed, eyes open as they mostly are."""

    neutral: F64


def placed(face: Face) -> tuple[F64, float, F64, F64]:
    """Points (468, 3) in canonical position, and the similarity that brought them there."""
    points = face.points[:MESH].astype(np.float64)
    scale, rotation, shift = similarity(points[RIGID], canonical()[RIGID])
    return scale * points @ rotation.T + shift, scale, rotation, shift


def upright(face: Face) -> F64:
    """The mesh of a face as if the head stood straight and in its usual place, float64 (468, 3), canonical units."""
    return placed(face)[0]


def learn(faces: Iterable[Face]) -> Shape:
    """The resting shape of a person from many faces: a ridge regression of the mesh on mouth and eye opening, frontal
    faces counting more, read off at a closed mouth and the eyes' usual opening. So it holds for somebody who is never
    silent in the footage, where a mean or median would have the mouth half open. What is uneven in it
    counts less: the mesh of a turned head is wrong on one side, and footage may show no other."""
    shapes, signs, weight, yaw = [], [], [], []
    for face in faces:
        shapes.append(upright(face))
        signs.append([1.0, face.mouth, *face.eyes])
        yaw.append(face.pose.yaw)
        weight.append(np.exp(-((face.pose.yaw / 25) ** 2) - (face.pose.pitch / 25) ** 2) + 1e-3)
    if not shapes:
        raise NoFaceError("no usable face to learn a shape from")
    x, y, w = np.array(signs), np.array(shapes).reshape(len(shapes), -1), np.array(weight)[:, None]
    rest = np.array([1.0, max(0.0, np.percentile(x[:, 1], 5) * 0.5), *np.percentile(x[:, 2:], 60, axis=0)])
    middle = np.average(x, axis=0, weights=w[:, 0])
    mean = np.average(y, axis=0, weights=w[:, 0])
    dx, dy = x[:, 1:] - middle[1:], y - mean
    slopes = np.linalg.solve((w * dx).T @ dx + 0.01 * w.sum() * np.diag([0.02, 0.01, 0.01]), (w * dx).T @ dy)
    neutral: F64 = (mean + (rest[1:] - middle[1:]) @ slopes).reshape(MESH, 3)
    turned = abs(float(np.average(yaw, weights=w[:, 0])))
    even = min(EVEN + (1 - EVEN) * turned / TURNED, 1)
    return Shape(neutral + even / 2 * (mirrored(neutral) - neutral))


def mirrored(shape: F64) -> F64:
    """The mirror image of a shape, float64 (468, 3) in canonical units."""
    return np.asarray(shape[mirror()] * (-1, 1, 1), np.float64)


@cache
def freedom() -> F32:
    """How far each mesh point follows the target's shape, float32 (468, 1): 1 inside the face, 0 at the oval."""
    uv = layout().uv
    rim = uv[OVAL].astype(np.float32)
    distance = [cv2.pointPolygonTest(rim, (float(u), float(v)), True) for u, v in uv]
    t = np.clip(np.array(distance) / 0.15, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)[:, None]


def settle(target: Shape, actor: Shape) -> Shape:
    """The target's resting shape placed in the actor's head: by the similarity that brings all points as near to the
    actor's as they come, each as far as it will be moved. Fitted to the canonical head alone, features of another
    head lie a constant 2 to 5 % of the eye distance off."""
    scale, rotation, shift = similarity(target.neutral, actor.neutral, freedom()[:, 0].astype(np.float64))
    return Shape(scale * target.neutral @ rotation.T + shift)


def reshape(face: Face, actor: Shape, target: Shape) -> F32:
    """The frame's mesh moved to the target's shape with the actor's expression, float32 (468, 3), frame pixels.

    target: settled in the actor's head, see `settle`. The expression is the offset from the actor's resting shape. Lids
    keep the actor's opening as a share of an open eye, so that a closed eye closes; the face oval stays the actor's.
    """
    now, scale, rotation, shift = placed(face)
    moved = target.neutral + (now - actor.neutral)
    for upper, lower, fold in LIDS:
        _close(moved, now, actor.neutral, target.neutral, (upper, lower, fold))
    back = (moved - shift) @ rotation / scale
    points = face.points[:MESH].astype(np.float64)
    return (points + freedom() * limited(back - points, face.size)).astype(np.float32)


def limited(step: F64, size: float) -> F64:
    """How far points move, (N, 3), no further than `FURTHEST` of a face of this size."""
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1, FURTHEST * size / np.maximum(length, 1e-9)), np.float64)


def lids_apart(now: F64, actor: F64, upper: list[int], lower: list[int]) -> F64:
    """How far lids are apart as a share of how they usually are, point by point, 0-1.5. now, actor: (468, 3)."""
    gap = (now[lower, 1] - now[upper, 1]) / np.maximum(actor[lower, 1] - actor[upper, 1], 1e-3)
    return np.asarray(np.clip(gap, 0, 1.5), np.float64)


def _close(moved: F64, now: F64, actor: F64, target: F64, lids: Sequence[list[int]]) -> None:
    """Set the gap between the lids of ``moved`` to the share of an open eye that ``now`` has, in place."""
    upper, lower, fold = lids
    share = lids_apart(now, actor, upper, lower)
    excess = (moved[lower, 1] - moved[upper, 1]) - share * np.maximum(target[lower, 1] - target[upper, 1], 1e-3)
    moved[upper, 1] += 0.75 * excess
    moved[lower, 1] -= 0.25 * excess
    moved[fold, 1] += 0.4 * excess
