"""The target's jaw: the frame about the lower face is moved to where its outline would be.

A face that is drawn within the actor's outline has the actor's jaw, and people are known by theirs. How two jaws differ
is the same in every frame but for the pose, so what is moved is as calm as the head. Above the nose nothing is: the
skull under the hair is the actor's. Around the face the movement fades out, as in any local warp (Gustafsson 1993).
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from doublecast.faces.geometry import OVAL, canonical
from doublecast.film.shape import Shape, freedom, limited, placed
from doublecast.types import F32, F64, U8, Face, Patch
from doublecast.video.planes import composite

LOWER = (-0.3, 0.0)  #: canonical height (below the eyes, above the tip of the nose) where it begins, and is whole
FADES = 0.3  #: how far from the outline nothing moves any more, as part of the face's size
CELL = 0.02  #: of the grid in which movements are worked out, as part of the face's size: they are smooth
NEAR = 0.05  #: reach over which movements of mesh points are averaged, as part of the face's size
REACHES = ((1, 1.0), (3, 0.02), (9, 1e-9))  #: times this reach, and how much it counts: further ones where no point is
# near
LEAST = 0.05  #: of a pixel, that is no movement


def steps(face: Face, actor: Shape, target: Shape) -> F32:
    """How far the frame moves at each mesh point, float32 (468, 2), frame pixels: what `reshape` leaves to do.

    target: settled in the actor's head, see `settle`.
    """
    _, scale, rotation, _ = placed(face)
    step = limited((target.neutral - actor.neutral) @ rotation / scale, face.size)
    lower = np.clip((canonical()[:, 1:2] - LOWER[0]) / (LOWER[1] - LOWER[0]), 0, 1)
    return np.asarray(lower * (1 - freedom()) * step[:, :2], np.float32)


def moved(frame: U8, patches: Sequence[Patch], points: F32, step: F32, size: float) -> Patch | None:
    """What changes about a face that was drawn through a mesh float32 (468, 2 or 3), to be put over all that was drawn
    into a frame uint8 (H, W, 3); None where nothing moves.

    patches: what was drawn, one over another. step: of the mesh's points, see `steps`. size: of the face, in pixels.
    """
    if np.abs(step).max() <= LEAST:
        return None
    cell = CELL * size
    corner, grid = _movements(points[:, :2] + step, step, size)
    rows, columns = np.nonzero(np.maximum(*np.abs(grid)) > LEAST)
    if not len(rows):
        return None
    low, high = (f([columns, rows], axis=1) for f in (np.min, np.max))
    left, top = np.maximum(np.floor(corner + cell * (low - 1)), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(corner + cell * (high + 1)) + 1, frame.shape[1::-1]).astype(int).tolist()
    if right - left < 2 or bottom - top < 2:
        return None
    x, y = (np.arange(n, dtype=np.float32) for n in (right - left, bottom - top))
    into = np.array([[1 / cell, 0, (left - corner[0]) / cell], [0, 1 / cell, (top - corner[1]) / cell]])
    across, down = (
        cv2.warpAffine(part, into, (len(x), len(y)), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) for part in grid
    )
    shot = composite(
        frame[top:bottom, left:right], [replace(patch, x=patch.x - left, y=patch.y - top) for patch in patches]
    )
    moves = (np.abs(across) > LEAST) | (np.abs(down) > LEAST)
    warped = cv2.remap(shot, x - across, y[:, None] - down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Patch(left, top, np.asarray(warped, np.uint8), moves) if moves.any() else None


def _movements(points: F32, step: F32, size: float) -> tuple[F64, tuple[F32, F32]]:
    """How far what is about a face came from the left and from above, float32 (h, w) each, on a grid whose first place
    is at float64 (2,), frame pixels, and whose others lie `CELL` apart: by where mesh points came from that are now at
    float32 (468, 2). It moves with the face and not in steps of pixels or cells."""
    cell = CELL * size
    corner = points.min(0).astype(np.float64) - FADES * size - cell
    width, height = np.ceil((points.max(0) + FADES * size + cell - corner) / cell).astype(int) + 1
    at = (points - corner) / cell
    first = np.floor(at).astype(int)
    known = np.zeros((height, width, 3), np.float32)
    values = np.column_stack([step, np.ones(len(step), np.float32)])
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = np.abs(1 - np.array([right, below]) - (at - first)).prod(1, keepdims=True)
        np.add.at(known, (first[:, 1] + below, first[:, 0] + right), values * share)
    reaches = [(times * NEAR / CELL, share) for times, share in REACHES]
    mean = np.sum(
        [share * cv2.GaussianBlur(known, (0, 0), reach, borderType=cv2.BORDER_CONSTANT) for reach, share in reaches],
        axis=0,
    )
    fading = np.clip(1 - _outside(at, width, height) * CELL / FADES, 0, 1)
    fading = (fading * fading * (3 - 2 * fading) / np.maximum(mean[..., 2], 1e-20)).astype(np.float32)
    return corner, (mean[..., 0] * fading, mean[..., 1] * fading)


def _outside(cells: F64, width: int, height: int) -> F32:
    """How far each place of a grid lies outside the convex hull of a face's outline, float32 (h, w), in cells: beyond
    that of the hull's edges which it is furthest from. Below 0 inside. cells: the mesh in the grid, (468, 2)."""
    hull = cv2.convexHull(cells[OVAL].astype(np.float32))[:, 0].astype(np.float64)
    along = np.roll(hull, -1, axis=0) - hull
    length = np.linalg.norm(along, axis=1)
    hull, along = hull[length > 1e-6], along[length > 1e-6]
    normal = np.stack([along[:, 1], -along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True)
    offset = (normal * hull).sum(1)
    if (normal @ hull.mean(0) - offset).mean() > 0:  # the other way round
        normal, offset = -normal, -offset
    x, y = np.arange(width), np.arange(height)[:, None, None]
    beyond = x[:, None] * normal[:, 0] + (y * normal[:, 1] - offset)
    return np.asarray(beyond.max(2), np.float32)
