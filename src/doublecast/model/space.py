"""What the network sees. Pixels, mesh and network meet only here.

Texture space: the face in a frame is unwrapped through its 478-point mesh onto one fixed layout, so that pose and most
of the shape are gone before the network sees anything, and drawn back through the mesh of the frame. The layout
(`assets/layout.npz`, made by tools/make_layout.py) is the frontal view with the sides spread out, the eyes enlarged
and the mouth opened. Texture coordinates are (u, v) in 0-1, u right, v down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from doublecast.faces.geometry import OVAL
from doublecast.types import F32, I32, MESH, U8, Bool

PAINTED = (-0.02, 0.28)  #: cosine to the camera of what is around, from which a triangle is seen, and in full
TRAINED = (0.1, 0.4)  #: the same for training, stricter: at the very edge the mesh may lie on the background
COVERS = (0.1, 0.4)  #: how far what is drawn is seen, from which it covers the frame, and in full
SMOOTH, SOFT = 1 / 100, 0.8  #: reach over which this is smoothed: before, as part of the mesh's size; after, in pixels
SKIN_HIDDEN, SKIN_SEEN = -0.05, 0.15  #: the same for a single triangle
EDGE = (0.015, 0.1)  #: depth inside the oval, in texture coordinates, where a drawn face begins, and where it is whole
RIM, NARROWEST = 0.012, 0.025  #: least depth at which an edge may begin, and its least width
AROUND = 0.09  #: reach of "around", in texture coordinates
JUMP = 0.04  #: difference of texture coordinates two pixels apart beyond which they may show different parts of a head
EYE_RINGS = (
    [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7],
    [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249],
)  #: lid contours of the image-left and image-right eye
MOUTH_RING = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]  #: outer lips
MOUTH_INSIDE = [
    78,
    191,
    80,
    81,
    82,
    13,
    312,
    311,
    310,
    415,
    308,
    324,
    318,
    402,
    317,
    14,
    87,
    178,
    88,
    95,
]  #: inner lips
BROW_RINGS = (
    [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
    [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
)  #: eyebrows


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """uv: float32 (468, 2); triangles: int32 (T, 3), clockwise as seen in the picture when they face the camera."""

    uv: F32
    triangles: I32


@cache
def layout() -> Layout:
    """The layout of the texture."""
    with files("doublecast.assets").joinpath("layout.npz").open("rb") as file, np.load(file, allow_pickle=False) as z:
        return Layout(z["uv"], z["triangles"])


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Where each texel of a texture of one size comes from; texels outside the face belong to triangle -1."""

    triangle: I32  # (N, N)
    corners: I32  # (N * N, 3)
    weights: F32  # (N * N, 3)
    inside: U8  # (N, N) 0 or 255


@cache
def _table(size: int) -> _Table:
    lay = layout()
    points = lay.uv * size - 0.5
    triangle = rasterise(points, lay.triangles, np.arange(len(lay.triangles), dtype=np.int32), (size, size))
    ids = np.maximum(triangle.ravel(), 0)
    corners = lay.triangles[ids]
    a, b, c = (points[corners[:, k]] for k in range(3))
    y, x = np.divmod(np.arange(size * size), size)
    p = np.stack([x, y], 1) - a
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    wb = (p[:, 0] * ac[:, 1] - p[:, 1] * ac[:, 0]) / area
    wc = (ab[:, 0] * p[:, 1] - ab[:, 1] * p[:, 0]) / area
    weights = np.stack([1 - wb - wc, wb, wc], 1).astype(np.float32)
    return _Table(triangle, corners, weights, np.where(triangle >= 0, 255, 0).astype(np.uint8))


def rasterise(points: F32, triangles: I32, order: I32, shape: tuple[int, int]) -> I32:
    """Number of the triangle at each pixel, int32 (H, W), -1 where there is none; later ones in ``order`` win.

    points: float32 (N, 2) in pixels.
    """
    ids = np.full(shape, -1, np.int32)
    fixed = np.round(points * 16).astype(np.int32)[triangles]
    for number in order.tolist():
        cv2.fillConvexPoly(ids, fixed[number], number, cv2.LINE_8, 4)
    return ids


@cache
def _openings() -> Bool:
    """Which triangles span an eye or the mouth, bool (T,): they collapse when it closes: no normal."""
    rings = [set(ring) for ring in (*EYE_RINGS, MOUTH_INSIDE)]
    return np.array([any(ring.issuperset(t) for ring in rings) for t in layout().triangles.tolist()])


def _normals(points: F32) -> F32:
    """Normal of each triangle, as long as twice its area, float32 (T, 3); z is positive where it faces the camera."""
    a, b, c = (points[layout().triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a).astype(np.float32, copy=False)


def _cosine(normals: F32) -> F32:
    """Cosine between each normal and the direction to the camera, float32 (T,)."""
    length = np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
    return np.asarray(normals[:, 2] / length, np.float32)


def facing(points: F32) -> F32:
    """Cosine between each triangle's normal and the direction to the camera, float32 (T,), from points (>= 468, 3)."""
    return _cosine(_normals(points))


@cache
def _neighbours() -> F32:
    """How much each triangle counts for the surface around another, float32 (T, T): Gaussian in the texture."""
    centres = layout().uv[layout().triangles].mean(1)
    squared = np.square(centres[:, None] - centres[None]).sum(2)
    return np.asarray(np.exp(-0.5 * squared / AROUND**2) * ~_openings()[None], np.float32)


def turned(points: F32, limits: tuple[float, float]) -> F32:
    """How far the face around each triangle is turned to the camera, float32 (T,): 0 below the limits, 1 above.

    Of normals averaged over the neighbourhood, so that nostrils and the sides of the nose count as what is around them.
    """
    cosine = _cosine(_neighbours() @ _normals(points))
    return np.asarray(np.clip((cosine - limits[0]) / (limits[1] - limits[0]), 0, 1), np.float32)


def inside(size: int) -> U8:
    """uint8 (size, size): 255 where the layout has a face."""
    return _table(size).inside


def filled(rings: Iterable[list[int]], size: int, reach: int = 0) -> U8:
    """Texels within any of some rings of mesh points, uint8 (size, size) 0 or 1, and so many about them; less than 0:
    so many less."""
    mask = np.zeros((size, size), np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(layout().uv[ring] * size - 0.5).astype(np.int32)], 1)
    square = np.ones((2 * abs(reach) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mask, square) if reach > 0 else cv2.erode(mask, square), np.uint8)


@cache
def importance(size: int) -> F32:
    """Loss weight per texel, float32 (size, size): 3 at the eyes, 2 at mouth and brows, 1 elsewhere, 0 outside."""
    weight = np.where(inside(size) > 0, 1.0, 0.0).astype(np.float32)
    for rings, value, grow in ((BROW_RINGS, 2.0, 0.01), ([MOUTH_RING], 2.0, 0.02), (EYE_RINGS, 3.0, 0.015)):
        weight[filled(rings, size, round(grow * size)) > 0] = value
    return np.asarray(cv2.GaussianBlur(weight, (0, 0), size / 96) * (weight > 0), np.float32)


@cache
def depth(size: int) -> F32:
    """How far each texel lies inside the oval, as a share of the side, float32 (size, size): 0 outside."""
    uv = layout().uv[OVAL] * size - 0.5
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(uv).astype(np.int32)], 255)
    mask[[0, -1], :] = 0
    mask[:, [0, -1]] = 0
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5) / size, np.float32)


@lru_cache(maxsize=64)
def fade(size: int, grow: float = 0.0, feather: float = 1.0) -> F32:
    """How much of the drawn face is used at each texel, float32 (size, size): 1 inside, 0 at the oval and outside.

    grow: by how much the middle of the soft edge is moved outwards, as a share of the side. feather: its width, times
    the usual. As there is nothing to draw beyond the oval, an edge that would begin there begins at the oval, and is
    narrower for it, but never hard.
    """
    begin, end = EDGE
    if grow or feather != 1:
        middle, half = (begin + end) / 2 - grow, feather * (end - begin) / 2
        begin = max(middle - half, RIM)
        end = max(middle + half, begin + NARROWEST)
    t = np.clip((depth(size) - begin) / (end - begin), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def unwrap(pixels: U8, points: F32, size: int) -> tuple[U8, U8]:
    """The texture of a face: uint8 (size, size, 3) RGB and uint8 (size, size), 255 where the camera sees the skin.

    pixels: any picture (H, W, 3) that holds the face; points: (478, 3) in its pixels. Pictures larger than the
    texture are reduced by area averaging first, so nothing aliases. Texels outside the picture count as hidden.
    """
    height, width = pixels.shape[:2]
    low = np.floor(points[:MESH, :2].min(0)).astype(int) - 2
    high = np.ceil(points[:MESH, :2].max(0)).astype(int) + 3
    x0, y0 = int(np.clip(low[0], 0, width - 1)), int(np.clip(low[1], 0, height - 1))
    x1, y1 = int(np.clip(high[0], x0 + 1, width)), int(np.clip(high[1], y0 + 1, height))
    part = pixels[y0:y1, x0:x1]
    xy = points[:MESH, :2] - np.array([x0, y0], np.float32)
    scale = min(1.0, 1.4 * size / max(high - low))
    if scale < 1:
        w, h = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        xy = (xy + 0.5) * np.array([w / part.shape[1], h / part.shape[0]], np.float32) - 0.5
        part = np.asarray(cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    table = _table(size)
    where = places(xy, size)
    texture = _remap(part, where, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    cosine = np.where(_openings(), 1, facing(points))
    shown = turned(points, TRAINED) * np.clip((cosine - SKIN_HIDDEN) / (SKIN_SEEN - SKIN_HIDDEN), 0, 1)
    seen = np.append(shown, 0)[table.triangle]
    outside = (where < -0.5).any(2) | (where > np.array([part.shape[1] - 0.5, part.shape[0] - 0.5], np.float32)).any(2)
    seen[outside] = 0
    visible = np.asarray(cv2.blur((seen * 255).astype(np.uint8), (3, 3)), np.uint8)
    visible[table.inside == 0] = 0
    texture[table.inside == 0] = 0
    return texture, visible


def places(points: F32, size: int) -> F32:
    """Where each texel lies in a picture, float32 (size, size, 2), in its pixels, for a mesh (>= 468, 2 or 3) in it."""
    table = _table(size)
    found = np.einsum("nkc,nk->nc", points[:, :2][table.corners], table.weights)
    return np.asarray(found.reshape(size, size, 2), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A mesh as the camera sees it: for each pixel of a box of the frame, the place in the texture.

    points: the mesh, float32 (468, 3), frame pixels. x, y: the box's top left pixel in the frame. uv: float32 (h, w,
    2), 0-1. cover: float32 (h, w), 1 where the mesh is seen, falling to 0 where it turns away from the camera.
    """

    points: F32
    x: int
    y: int
    uv: F32
    cover: F32

    def overlap(self, other: "Drawing") -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Rows and columns of this drawing, and of another of the same frame, where both are; None where nowhere."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.cover.shape[1], other.x + other.cover.shape[1])
        bottom = min(self.y + self.cover.shape[0], other.y + other.cover.shape[0])
        if left >= right or top >= bottom:
            return None
        mine, its = ((slice(top - box.y, bottom - box.y), slice(left - box.x, right - box.x)) for box in (self, other))
        return mine, its


def draw(points: F32, frame_shape: tuple[int, int], *, resolution: int = 320) -> Drawing | None:
    """Rasterise a mesh (>= 468, 3), nearest triangle last; None when it lies outside the frame.

    Meshes larger than ``resolution`` pixels are rasterised at that size, and where the map is smooth it is enlarged.
    """
    height, width = frame_shape
    low = np.floor(points[:MESH, :2].min(0)).astype(int) - 1
    high = np.ceil(points[:MESH, :2].max(0)).astype(int) + 2
    x0, y0, x1, y1 = max(int(low[0]), 0), max(int(low[1]), 0), min(int(high[0]), width), min(int(high[1]), height)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    scale = min(1.0, resolution / max(x1 - x0, y1 - y0))
    w, h = max(2, round((x1 - x0) * scale)), max(2, round((y1 - y0) * scale))
    factor = np.array([w / (x1 - x0), h / (y1 - y0)], np.float32)
    xy = ((points[:MESH, :2] - np.array([x0, y0], np.float32) + 0.5) * factor - 0.5).astype(np.float32)
    triangles = layout().triangles
    order = np.argsort(-points[triangles, 2].mean(1)).astype(np.int32)
    opening = _openings()[order]
    open_now = order[opening & (facing(points)[order] > 0)]  # first, so that lids and lips lie over them
    ids = rasterise(xy, triangles, np.concatenate([open_now, order[~opening]]), (h, w))
    affine = _affine(xy)
    uv = _places_at(affine, ids, *np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (w, h))))
    seen = _cover(np.append(turned(points, PAINTED), 0).astype(np.float32)[ids], float(np.ptp(xy, axis=0).max()))
    if scale < 1:
        full = (x1 - x0, y1 - y0)
        seen = np.asarray(cv2.resize(seen, full, interpolation=cv2.INTER_LINEAR), np.float32)
        uv = _enlarged(uv, ids, affine, full)
    return Drawing(points[:MESH], x0, y0, uv, seen)


def _cover(seen: F32, size: float) -> F32:
    """How much of what is drawn covers the frame, float32 (h, w), by how far it is seen: soft where a face turns away
    from the camera, but not so that what is behind a rounder cheek shines through. size: of the mesh, in pixels."""
    smooth = cv2.GaussianBlur(seen, (0, 0), SMOOTH * size)
    share = np.clip((smooth - COVERS[0]) / (COVERS[1] - COVERS[0]), 0, 1)
    inner = cv2.erode((seen > 0).astype(np.float32), np.ones((3, 3), np.uint8))  # so that no stair is left at the edge
    return np.asarray(cv2.GaussianBlur(share * inner, (0, 0), SOFT) * (seen > 0), np.float32)


def jumps(uv: F32) -> F32:
    """How far apart in the texture neighbours of each pixel lie, float32 (h, w), of coordinates float32 (h, w, 2)."""
    square = np.ones((3, 3), np.uint8)
    across, down = (cv2.morphologyEx(uv[..., axis], cv2.MORPH_GRADIENT, square) for axis in (0, 1))
    return np.maximum(across, down)


def _enlarged(uv: F32, ids: I32, affine: F32, full: tuple[int, int]) -> F32:
    """Texture coordinates float32 (h, w, 2) at a larger size (width, height). Where they are torn, pixels get those of
    their own triangle: nothing lies between a head and what is behind it, nor between a nose and its cheek."""
    apart = jumps(uv) > JUMP
    whose, torn = (
        cv2.resize(part, full, interpolation=cv2.INTER_NEAREST_EXACT)
        for part in (ids.astype(np.float32), apart.astype(np.uint8))
    )
    large = np.asarray(cv2.resize(uv, full, interpolation=cv2.INTER_LINEAR), np.float32)
    y, x = np.nonzero(torn)
    factor = np.array([uv.shape[1] / full[0], uv.shape[0] / full[1]], np.float32)
    there = (np.stack([x, y]).astype(np.float32) + 0.5) * factor[:, None] - 0.5
    large[y, x] = _places_at(affine, whose[y, x].astype(np.int32), *there)
    return large


def _affine(xy: F32) -> F32:
    """The map from pixels to texture coordinates of each triangle, float32 (T + 1, 3, 2), and one to zero."""
    lay = layout()
    corners = xy[lay.triangles].astype(np.float64)
    system = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], 2)
    flat = np.abs(np.linalg.det(system)) < 1e-6
    system[flat] = np.eye(3)
    affine = np.linalg.solve(system, lay.uv[lay.triangles].astype(np.float64)).astype(np.float32)  # (T, 3, 2)
    return np.concatenate([affine, np.zeros((1, 3, 2), np.float32)])


def _places_at(affine: F32, ids: I32, x: F32, y: F32) -> F32:
    """Texture coordinates at pixels, of the triangles with these numbers; zero where there is none."""
    maps = affine[ids]
    uv: F32 = maps[..., 0, :] * x[..., None] + maps[..., 1, :] * y[..., None] + maps[..., 2, :]
    return np.clip(uv, 0, 1).astype(np.float32, copy=False)


def _remap(picture: U8 | F32, where: F32, interpolation: int) -> npt.NDArray[Any]:
    x, y = np.ascontiguousarray(where[..., 0]), np.ascontiguousarray(where[..., 1])
    return np.asarray(cv2.remap(picture, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))


def sample(texture: F32, uv: F32, *, interpolation: int = cv2.INTER_LINEAR) -> F32:
    """Look a texture float32 (N, N) or (N, N, C), at most 4 channels, up at (h, w, 2) texture coordinates."""
    size = texture.shape[0]
    return _remap(texture, (uv * size - 0.5).astype(np.float32, copy=False), interpolation)
