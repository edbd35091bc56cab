"""Why a face is set aside: pure functions from a person's faces to reasons.

Each test gives a score per face, 1 at its limit and larger beyond it, so that the least bad ones can be taken back
when too few would remain. Limits are relative to the person's own faces, because footage differs a lot.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from doublecast.faces.geometry import RIGID, canonical, similarity
from doublecast.faceset.record import FaceTable, Objects
from doublecast.types import F32, F64, I64, MESH, U8, Bool

LEARNT = 3000  #: faces that a person's usual colours are learned from, and that are looked at together


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the tests.

    tiny: pixels of the face's longer side, and part of the person's own large faces. blurred: part of the take's
    median sharpness. cut_off: part of the face outside of the frame. presence: certainty of the mesh. misaligned:
    deviation of the rigid points from the person's own shape, in eye distances, beyond the median. occluded: part of
    the visible mesh points that have another colour than the person. duplicate_*: changes since the last kept face
    below which a face is a near-duplicate: colour of the mesh points (of 255), pose (degrees), mouth opening, eye
    opening, and gaze (eye widths). least, share: at least so many and such a part of a person's faces are kept.
    """

    tiny: float = 32.0
    tiny_part: float = 0.2
    blurred: float = 0.45
    cut_off: float = 0.08
    presence: float = 0.6
    misaligned: float = 0.05
    occluded: float = 0.05
    duplicate_tone: float = 1.0
    duplicate_pose: float = 0.4
    duplicate_mouth: float = 0.012
    duplicate_eyes: float = 0.02
    duplicate_gaze: float = 0.025
    least: int = 60
    share: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """What screening needs of the landmarks. rigid: float64 (n, 34, 3), `RIGID` points turned and scaled onto the
    canonical head (eye distance 1); gaze: float32 (n, 4), both irises relative to the eye corners, in eye widths."""

    rigid: F64
    gaze: F32


def shape_of(points: F32) -> tuple[F64, F32]:
    """One row of `Shapes` from landmarks (478, 3)."""
    own = points[RIGID].astype(np.float64)
    scale, rotation, shift = similarity(own, canonical()[RIGID])
    gaze = []
    for iris, outer, inner in ((slice(468, 473), 33, 133), (slice(473, 478), 263, 362)):
        a, b = points[outer, :2], points[inner, :2]
        gaze.append((points[iris, :2].mean(0) - (a + b) / 2) / max(float(np.linalg.norm(b - a)), 1e-3))
    return scale * own @ rotation.T + shift, np.concatenate(gaze).astype(np.float32)


def _turned(yaw: F32, pitch: F32) -> F64:
    """Towards the camera (negative) or away, per face and mesh point: float64 (n, 468), from the pose alone."""
    outward = canonical() - [0, 0, canonical()[:, 2].max()]
    outward = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    y, p = np.radians(yaw.astype(np.float64)), np.radians(pitch.astype(np.float64))
    last = np.stack([-np.sin(y), np.cos(y) * np.sin(p), np.cos(y) * np.cos(p)], 1)  # last row of Ry @ Rx
    return np.asarray(last @ outward.T)


def foreign(tones: U8, yaw: F32, pitch: F32) -> F64:
    """Part of the visible mesh points whose brightness is not the person's: float64 (n,) in 0-1.

    tones: uint8 (n, 468, 3) RGB. Log brightness minus the person's median, minus a robust plane over the face (light
    that moves, Huber weights), in units of each point's own variation. Hands, hair and microphones stand out. The
    person's usual brightness is learned from at most `LEARNT` faces, so memory does not grow with their number.
    """
    sample = np.unique(np.linspace(0, len(tones) - 1, min(len(tones), LEARNT)).round().astype(np.int64))
    brightness, visible = _brightness(tones[sample]), _turned(yaw[sample], pitch[sample]) < -0.4
    typical: F64 = np.median(brightness, 0).astype(np.float64)
    typical = typical + np.median(_without_light(brightness - typical, visible), 0)
    rest = _without_light(brightness - typical, visible)
    spread = np.clip(1.48 * np.median(np.abs(rest - np.median(rest, 0)), 0), 0.06, 0.15)
    found = np.zeros(len(tones))
    for start in range(0, len(tones), LEARNT):  # the intermediate arrays are large
        part = slice(start, start + LEARNT)
        visible = _turned(yaw[part], pitch[part]) < -0.4
        rest = _without_light(_brightness(tones[part]) - typical, visible)
        strange = (np.abs(rest) / spread > 3.5) & visible
        found[part] = strange.sum(1) / np.maximum(visible.sum(1), 1)
    return found


def _brightness(tones: U8) -> F32:
    """Log brightness, float32 (n, 468)."""
    return np.asarray(np.log(tones.astype(np.float32).mean(-1) + 16), np.float32)


def _without_light(away: F64, visible: Bool) -> F64:
    """What a robust plane over each face leaves of its differences (n, 468): float64 (n, 468)."""
    basis = np.column_stack([np.ones(MESH), canonical()[:, :2]])
    weight = visible.astype(np.float64)
    rest = np.zeros(away.shape)
    for _ in range(4):
        normal = np.einsum("nv,va,vb->nab", weight, basis, basis, optimize=True) + 1e-6 * np.eye(3)
        plane = np.linalg.solve(normal, ((weight * away) @ basis)[..., None])[..., 0]
        rest = away - plane @ basis.T
        weight = visible / np.maximum(1, np.abs(rest) / 0.08)
    return rest


def scores(table: FaceTable, shapes: Shapes, tones: U8, frame: I64, limits: Limits) -> dict[str, F64]:
    """Score of every quality test, each float64 (n,); above 1 the face is set aside.

    table, shapes, tones: one person's faces. frame: int64 (n, 2), width and height of each face's frame.
    """
    size = np.maximum(table.size, 1e-3).astype(np.float64)
    large = float(np.quantile(size, 0.9))
    outside = np.maximum(-table.box[:, :2], 0).sum(1) + np.maximum(table.box[:, 2:] - (frame - 1), 0).sum(1)
    typical = np.ones(len(table))
    for take in np.unique(table.take):
        rows = table.take == take
        typical[rows] = np.median(table.sharpness[rows])
    deviation = np.sqrt(((shapes.rigid - np.median(shapes.rigid, 0)) ** 2).sum(-1).mean(-1))
    middle = float(np.median(deviation))
    spread = 1.48 * float(np.median(np.abs(deviation - middle)))
    return {
        "cut off": outside / size / limits.cut_off,
        "tiny": max(limits.tiny, limits.tiny_part * large) / size,
        "misaligned": deviation / (middle + max(6 * spread, limits.misaligned)),
        "occluded": np.maximum(
            foreign(tones, table.yaw, table.pitch) / limits.occluded,
            limits.presence / np.maximum(table.presence, 1e-3),
        ),
        "blurred": limits.blurred * typical / np.maximum(table.sharpness, 1e-6),
    }


def reasons(tests: Mapping[str, F64], limits: Limits) -> Objects:
    """The reason of each face (the test it fails most, "" for good ones); the least bad are taken back when fewer
    than ``limits.least`` or ``limits.share`` of all would remain."""
    names = np.array(list(tests), dtype=object)
    table = np.stack(list(tests.values()), 1)
    worst = table.max(1)
    reason = np.where(worst > 1, names[table.argmax(1)], "").astype(object)
    needed = min(len(worst), max(limits.least, int(np.ceil(limits.share * len(worst)))))
    if (reason == "").sum() < needed:
        reason[np.argsort(worst, kind="stable")[:needed]] = ""
    return reason


def duplicates(table: FaceTable, gaze: F32, tones: U8, track: I64, usable: Bool, limits: Limits) -> Bool:
    """Which usable faces are near-duplicates of the last kept face of their track: bool (n,).

    At least ``limits.least`` usable faces are kept, evenly chosen, however still the person sits.
    """
    change = [
        (np.stack([table.yaw, table.pitch, table.roll], 1), limits.duplicate_pose),
        (table.mouth[:, None], limits.duplicate_mouth),
        (np.stack([table.eye_left, table.eye_right], 1), limits.duplicate_eyes),
        (gaze, limits.duplicate_gaze),
    ]
    same = np.zeros(len(table), dtype=np.bool_)
    last: dict[int, int] = {}
    for i in np.flatnonzero(usable):
        before = last.get(int(track[i]))
        if before is not None and all(np.abs(v[i] - v[before]).max() < limit for v, limit in change):
            step = np.abs(tones[i].astype(np.int16) - tones[before].astype(np.int16)).mean()
            same[i] = step < limits.duplicate_tone
        if not same[i]:
            last[int(track[i])] = int(i)
    short = min(limits.least, int(usable.sum())) - int((usable & ~same).sum())
    if short > 0:
        candidates: npt.NDArray[np.int64] = np.flatnonzero(same)
        same[candidates[np.linspace(0, len(candidates) - 1, short).round().astype(int)]] = False
    return same
