"""Pure geometry of faces: similarity fits, the canonical head, pose and the crop's alignment."""

from functools import cache
from importlib.resources import files

import numpy as np

from doublecast.types import F32, F64, I32, MESH, POINTS, Alignment, Pose, check

EYES = ((468, 33, 133), (473, 362, 263))  #: mesh points: iris centre, image-left corner, image-right corner
RIGID = np.array(
    [
        *(33, 133, 362, 263, 6, 168, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9, 8, 127, 356, 234, 454, 93, 323),
        *(50, 280, 205, 425, 67, 297, 103, 332, 109, 338),
    ]
)  #: mesh points that move little with expression
OVAL = np.array(
    [
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    ]
)  #: the face oval, in order
CROP_FACE = 0.62  #: height of a frontal face oval as part of the crop's side


@cache
def canonical() -> F64:
    """The canonical head: float64 (468, 3), x right in the picture, y down, z away from the camera, frontal, centred;
    the outer eye corners are 1 apart. Mean of the mesh model's output, made symmetric."""
    with files("doublecast.assets").joinpath("canonical_face.npy").open("rb") as file:
        mean: F32 = np.load(file, allow_pickle=False)
    return mean.astype(np.float64)


@cache
def mirror() -> I32:
    """int32 (468,): the mesh point on the other side of the face."""
    with files("doublecast.assets").joinpath("mirror.npy").open("rb") as file:
        order: I32 = np.load(file, allow_pickle=False)
    return order


def similarity(source: F64, target: F64, weight: F64 | None = None) -> tuple[float, F64, F64]:
    """Scale s, rotation R and shift t with ``target ~ s * source @ R.T + t`` for points (N, 2) or (N, 3).

    Least squares without reflection (Umeyama 1991); weight: of each point, (N,), all the same by default.
    """
    w = np.full((len(source), 1), 1 / len(source)) if weight is None else weight[:, None] / weight.sum()
    mean_s, mean_t = (w * source).sum(0), (w * target).sum(0)
    s, t = np.sqrt(w) * (source - mean_s), np.sqrt(w) * (target - mean_t)
    u, d, vt = np.linalg.svd(t.T @ s)
    signs = np.ones(source.shape[1])
    signs[-1] = np.sign(np.linalg.det(u @ vt))
    rotation: F64 = (u * signs) @ vt
    scale = float((d * signs).sum() / max((s * s).sum(), 1e-12))
    return scale, rotation, mean_t - scale * rotation @ mean_s


def pose(points: F32) -> Pose:
    """Head pose from 3D landmarks (478, 3): the rotation that takes the canonical head onto them."""
    _, r, _ = similarity(canonical()[RIGID], points[RIGID].astype(np.float64))
    return Pose(
        yaw=float(np.degrees(np.arctan2(-r[2, 0], np.hypot(r[0, 0], r[1, 0])))),
        pitch=float(np.degrees(np.arctan2(r[2, 1], r[2, 2]))),
        roll=float(np.degrees(np.arctan2(r[1, 0], r[0, 0]))),
    )


@cache
def _template() -> F64:
    """The canonical face as it lies in a crop of side 1: float64 (468, 2)."""
    xy = canonical()[:, :2]
    low, high = xy[OVAL].min(0), xy[OVAL].max(0)
    placed: F64 = (xy - (low + high) / 2) / (high[1] - low[1]) * CROP_FACE + 0.5
    return placed


def align(points: F32, *, cap: int = 512, size: int | None = None) -> Alignment:
    """Alignment of a face: upright, centred, the oval about `CROP_FACE` of the side.

    Without ``size`` the crop has the frame's own resolution (multiple of 16, at least 64), at most ``cap``.
    The face in the picture is fitted in 2D by the canonical head turned to the face's own pose, so that
    scale and centre do not change with yaw.
    """
    scale, rotation, shift = similarity(canonical()[RIGID], points[RIGID].astype(np.float64))
    posed = scale * canonical() @ rotation.T + shift
    angle = np.arctan2(rotation[1, 0], rotation[0, 0])
    unit = (np.ptp(_template()[OVAL, 1]) / np.ptp(canonical()[OVAL, 1])) / scale
    if size is None:
        size = int(np.clip(round(1 / unit / 16) * 16, 64, cap))
    c, s = np.cos(angle) * unit * size, np.sin(angle) * unit * size
    linear = np.array([[c, s], [-s, c]])
    turned = posed[:MESH, :2] @ linear.T
    low, high = turned[OVAL].min(0), turned[OVAL].max(0)
    return Alignment(np.hstack([linear, (size / 2 - (low + high) / 2)[:, None]]), size)


def gaze(points: F32) -> F64:
    """Where the irises stand: float64 (2, 2), for the image-left and image-right eye (along, across) the line between
    the eye's corners from its middle, in eye widths; along grows to the image's right, across downwards."""
    check("points", points, (POINTS, 3), np.float32)
    out = np.zeros((2, 2))
    for row, (iris, left, right) in enumerate(EYES):
        start, end = points[left, :2].astype(np.float64), points[right, :2].astype(np.float64)
        axis = (end - start) / max(float(((end - start) ** 2).sum()), 1e-12)
        offset = points[iris, :2] - (start + end) / 2
        out[row] = offset @ axis, offset @ np.array([-axis[1], axis[0]])
    return out
