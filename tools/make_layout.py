"""Build the texture layout from the canonical head: where each mesh point lies in the texture, and the triangles.

Run once with scipy installed; writes src/doublecast/assets/layout.npz. The layout is the frontal view with the sides
spread out, the eyes enlarged and the mouth opened, so that lids, lips and the inside of the mouth get texels.
"""

from pathlib import Path

import numpy as np
from scipy.spatial import Delaunay

from doublecast.faces.geometry import OVAL, canonical, mirror

UPPER = [191, 80, 81, 82, 13, 312, 311, 310, 415]
LOWER = [95, 88, 178, 87, 14, 317, 402, 318, 324]
EYES = ([33, 133], [263, 362])
MOUTH_GAP, LIP_GAIN, EYE_GAIN, MARGIN, NOSE_SPACING = 0.12, 0.6, 0.45, 0.02, 0.045


def layout() -> np.ndarray:
    head = canonical()
    x, y, z = head.T
    uv = np.stack([0.65 * x / 0.79 + 0.35 * np.arctan2(x, 0.95 - z) / 1.3, y], 1)
    # enlarge lips and mouth, then open it
    centre = uv[[78, 308]].mean(0)
    away = uv - centre
    uv += away * (LIP_GAIN * np.exp(-((away / [0.34, 0.17]) ** 2).sum(1)))[:, None]
    x, y = uv.T.copy()
    line_x = np.concatenate([[x[78]], x[UPPER], [x[308]]])
    line_y = np.concatenate([[y[78]], (y[UPPER] + y[LOWER]) / 2, [y[308]]])
    middle = np.interp(x, line_x, line_y)
    half = np.abs(line_x).max()
    taper = np.clip(1 - (x / (half * 1.15)) ** 2, 0, 1)
    chin, nose = y[152], y[2]
    below = y > middle
    below[LOWER], below[UPPER] = True, False
    fade = np.where(below, np.clip((chin - y) / (chin - middle), 0, 1), np.clip((y - nose) / (middle - nose), 0, 1))
    uv[:, 1] += np.where(below, 0.7, -0.3) * MOUTH_GAP * taper * fade
    # enlarge the eyes
    for corners in EYES:
        centre = uv[corners].mean(0)
        away = uv - centre
        uv += away * (EYE_GAIN * np.exp(-((away / [0.26, 0.17]) ** 2).sum(1)))[:, None]
    uv = (uv + uv[mirror()] * [-1, 1]) / 2
    low, high = uv.min(0), uv.max(0)
    return MARGIN + (uv - low) / (high - low) * (1 - 2 * MARGIN)


def sparse_under_nose(uv: np.ndarray) -> np.ndarray:
    """Points that the triangles use: of the many small ones inside and under the nostrils only some.

    They lie on a surface that the camera sees edge-on, where a mesh of another shape folds over itself.
    """
    crowded = np.flatnonzero((np.abs(uv[:, 0] - 0.5) < 0.15) & (uv[:, 1] > 0.5) & (uv[:, 1] < 0.62))
    kept: list[int] = []
    for point in sorted(crowded.tolist(), key=lambda k: (abs(uv[k, 0] - 0.5) > 1e-3, -canonical()[k, 1])):
        pair = {point, int(mirror()[point])}
        if all(np.linalg.norm(uv[q] - uv[k]) > NOSE_SPACING for q in pair for k in kept if k not in pair):
            kept += [q for q in pair if q not in kept]
    return np.array([k for k in range(len(uv)) if k not in set(crowded) - set(kept)])


def main() -> None:
    uv = layout()
    used = sparse_under_nose(uv)
    triangles = used[Delaunay(uv[used]).simplices]
    rim = set(OVAL.tolist())
    a, b, c = (uv[triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    sliver = np.array([all(p in rim for p in t) for t in triangles.tolist()]) & (np.abs(area) < 4e-3)
    triangles, area = triangles[~sliver], area[~sliver]
    triangles[area < 0] = triangles[area < 0][:, ::-1]
    head = canonical()[triangles]
    edge, other = head[:, 1] - head[:, 0], head[:, 2] - head[:, 0]
    flat = edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0]
    print(len(triangles), "triangles,", int((flat < 0).sum()), "folded,", int(sliver.sum()), "slivers dropped")
    target = Path(__file__).parents[1] / "src/doublecast/assets/layout.npz"
    np.savez_compressed(target, uv=uv.astype(np.float32), triangles=triangles.astype(np.int32))


if __name__ == "__main__":
    main()
