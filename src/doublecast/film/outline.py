"""The target's jaw: the frame about the lower face is moved to where its outline would be.

A face that is drawn within the actor's outline has the actor's jaw, and people are known by theirs. How two jaws differ
is the same in every frame but for the pose, so what is moved is as calm as the head. Above the nose nothing is: the
skull under the hair is the actor's. Around the face the movement fades out, as in any local warp (Gustafsson 1993).
"""

from dataclasses import replace

import cv2
import numpy as np

from doublecast.faces.geometry import OVAL, canonical
from doublecast.film.shape import FURTHEST, Shape, freedom, placed
from doublecast.types import F32, U8, Face, Patch
from doublecast.video.planes import composite

LOWER = (-0.3, 0.0)  #: canonical height (below the eyes, above the tip of the nose) where it begins, and is whole
FADES = 0.3  #: how far from the outline nothing moves any more, as part of the face's size
CELLS = 64  #: of the larger side of what is moved, in which movements are worked out: they are smooth
NEAR = 0.05  #: reach over which movements of mesh points are averaged, as part of the face's size
REACHES = ((1, 1.0), (3, 0.02), (9, 1e-9))  #: times this reach, and how much it counts: further ones where no point is
# near
LEAST = 0.05  #: of a pixel, that is no movement


def steps(face: Face, actor: Shape, target: Shape) -> F32:
    """How far the frame moves at each mesh point, float32 (468, 2), frame pixels: what `reshape` leaves to do.

    target: settled in the actor's head, see `settle`.
    """
    _, scale, rotation, _ = placed(face)
    step = ((target.neutral - actor.neutral) @ rotation / scale)[:, :2]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step *= np.minimum(1, FURTHEST * face.size / np.maximum(length, 1e-9))
    lower = np.clip((canonical()[:, 1:2] - LOWER[0]) / (LOWER[1] - LOWER[0]), 0, 1)
    return np.asarray(lower * (1 - freedom()) * step, np.float32)


def moved(frame: U8, patch: Patch, points: F32, step: F32, size: float) -> Patch | None:
    """What changes about a face that was drawn, to be put over it; None where nothing moves.

    patch: what was drawn over the frame uint8 (H, W, 3), through a mesh float32 (468, 2 or 3) in its pixels. step: of
    its points, see `steps`. size: of the face, in pixels.
    """
    there = points[:, :2] + step
    far = np.abs(step).max(1) > LEAST
    if not far.any():
        return None
    reach = FADES * size
    left, top = np.maximum(np.floor(there[far].min(0) - reach).astype(int), 0)
    right, bottom = np.minimum(np.ceil(there[far].max(0) + reach).astype(int) + 1, frame.shape[1::-1])
    if right - left < 2 or bottom - top < 2:
        return None
    drawn = replace(patch, x=patch.x - int(left), y=patch.y - int(top))
    shot = composite(frame[top:bottom, left:right], [drawn])
    across, down = _movements(there - (left, top), step, size, (int(right - left), int(bottom - top)))
    moves = (np.abs(across) > LEAST) | (np.abs(down) > LEAST)
    x, y = (np.arange(n, dtype=np.float32) for n in (right - left, bottom - top))
    warped = cv2.remap(shot, x - across, y[:, None] - down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Patch(int(left), int(top), np.asarray(warped, np.uint8), moves) if moves.any() else None


def _movements(points: F32, step: F32, size: float, shape: tuple[int, int]) -> list[F32]:
    """How far each pixel of a box came from the left and from above, float32 (h, w) each, by where mesh points came
    from that are now at float32 (468, 2) in it. shape: (width, height) of the box."""
    scale = CELLS / max(shape)
    width, height = (max(2, round(side * scale)) for side in shape)
    cells = (points + 0.5) * (width / shape[0], height / shape[1]) - 0.5
    at = np.round(cells).astype(int)
    inside = ((at >= 0) & (at < (width, height))).all(1)
    known = np.zeros((height, width, 3), np.float32)
    np.add.at(known, (at[inside, 1], at[inside, 0]), np.column_stack([step, np.ones(len(step), np.float32)])[inside])
    near = NEAR * size * scale
    spread = [cv2.GaussianBlur(known, (0, 0), reach * near, borderType=cv2.BORDER_CONSTANT) for reach, _ in REACHES]
    mean = np.sum([share * part for part, (_, share) in zip(spread, REACHES, strict=True)], axis=0)
    face = np.ones((height, width), np.uint8)
    cv2.fillPoly(face, [np.round(cv2.convexHull(cells[OVAL].astype(np.float32))).astype(np.int32)], 0)
    away = np.clip(1 - cv2.distanceTransform(face, cv2.DIST_L2, 5) / (FADES * size * scale), 0, 1)
    fading = away * away * (3 - 2 * away)
    fading /= np.maximum(mean[..., 2], 1e-20)
    return [cv2.resize(mean[..., axis] * fading, shape, interpolation=cv2.INTER_LINEAR) for axis in (0, 1)]
