"""Rims of spectacles over the new face: those the actor wears as the camera saw them, or the target's own.

What is drawn is the ratio of each pixel to the skin around, not the pixel: no skin comes along, nor do lenses. The
actor's are in the frame. The target's are too thin for the network, which paints a shadow of them: it is taken away,
and the rims of the clearest of its faces are put where they sit on a head that is turned like this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from doublecast.film.spectacles import FEWEST, SIDE, SLIDE, Seen, Spectacles, about_features, learn, plain_skin, slid
from doublecast.model.space import Drawing, draw, sample
from doublecast.types import F32, F64, U8, Face, Pose

WIDE = 0.07  #: diameter of the skin around a line, as part of the face's size, or of the texture's side
FLOOR = 6.0  #: of 255, added to both sides of a ratio, as what is black has none
RATIO = 6.0  #: largest ratio of a pixel to the skin around, and one over the smallest
APART = 3  #: texels about brows, eyes and mouth in which the target's rims are left as the network has them
STILL = 3.0  #: degrees of yaw and pitch below which a person's footage says little of how rims slide
FINE = 2.0  #: texels: reach of what a soft shot does not have of rims
NOISE = 1.3  #: times as strong as noise what one face has of rims must be at least


@dataclass(frozen=True, slots=True, eq=False)
class Rims:
    """The target's. ratio: float32 (`SIDE`, `SIDE`, 3), log of what skin is multiplied with; band: float32 (`SIDE`,
    `SIDE`) 0-1, where; slide: float64 (3, 2), texels by which they slide in x and y, at rest, and per degree of yaw and
    of pitch."""

    ratio: F32
    band: F32
    slide: F64


def whose(actor: Sequence[Seen], target: Sequence[Seen]) -> tuple[Spectacles | None, Rims | None]:
    """Whose spectacles are seen, by some faces of each, see `spectacles.looked_at`: the target's rims where most of its
    faces wear some, else the actor's spectacles, if any."""
    worn = learn(target)
    rims = None if worn is None else clearest(target, worn)
    return learn(actor) if rims is None else None, rims


def clearest(faces: Sequence[Seen], spectacles: Spectacles) -> Rims | None:
    """The rims that somebody's faces show, see `spectacles.looked_at`; None where most of these wear none."""
    poses, slides, ratios = [], [], []
    for face, texture, visible in faces:
        x, y, worn = slid(spectacles, texture, visible)
        if worn > 0.5:
            poses.append((1, face.pose.yaw, face.pose.pitch))
            slides.append((x * SIDE, y * SIDE))
            back = np.array([[1, 0, -x * SIDE], [0, 1, -y * SIDE]], np.float32)
            ratios.append(cv2.warpAffine(_ratio(texture, _around(texture, SIDE)), back, (SIDE, SIDE)))
    if len(ratios) < max(FEWEST, len(faces) / 2):
        return None
    pose = np.array(poses)
    ridge = np.diag([0, 1, 1]) * len(pose) * STILL**2
    slide = np.linalg.solve(pose.T @ pose + ridge, pose.T @ np.array(slides))
    return Rims(_clear(np.stack(ratios), spectacles.band * _plain()), spectacles.band, slide)


def _clear(ratios: F32, band: F32) -> F32:
    """The clearest of some ratios float32 (n, `SIDE`, `SIDE`, 3), as a mean of all is dull; where it is no further from
    what all have than noise is, it is what all have. band: float32 (`SIDE`, `SIDE`), where rims are."""
    usual = np.median(ratios, axis=0)
    best = max(ratios, key=lambda one: float((one * usual * band[..., None]).sum()))
    apart = best - usual
    skin = (band == 0) & (plain_skin() > 0)
    noise = float(np.median(np.square(apart[skin]))) / 0.455 * np.exp(-2 * usual.mean(2))  # a Gaussian's, by its median
    strength = cv2.GaussianBlur(np.square(apart).mean(2), (0, 0), FINE)
    sure = np.clip(1 - NOISE * noise / np.maximum(strength, 1e-9), 0, 1)
    return np.asarray(usual + sure[..., None] * apart, np.float32)


@cache
def _plain() -> F32:
    """What is not about brows, eyes and mouth, float32 (`SIDE`, `SIDE`) 0-1."""
    plain = (~about_features(APART)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(plain, (0, 0), APART / 2), np.float32)


@dataclass(frozen=True, slots=True)
class Shot:
    """What a shot has of rims. colourful: 0-1, how much of their colours is left, see `colour.saturation`. softer: 0-1,
    how much of what is fine in them it does not have. large: whether the face has as many pixels as `SIDE` texels."""

    colourful: float = 1.0
    softer: float = 0.0
    large: bool = True


def drawn(texture: F32, rims: Rims, pose: Pose, share: float, shot: Shot) -> F32:
    """A texture float32 (S, S, 3) 0-1 with ``share`` of the target's rims on a head turned like this; at 0 without any.

    At `SIDE` texels in a large face, else at S.
    """
    larger: F32 = np.asarray(cv2.resize(texture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
    x, y = np.clip(np.array([1, pose.yaw, pose.pitch]) @ rims.slide, -SLIDE, SLIDE)
    moved = np.array([[1, 0, x], [0, 1, y]], np.float32)
    band, ratio = (cv2.warpAffine(p, moved, (SIDE, SIDE)) for p in (rims.band, rims.ratio))
    band = band * _plain()
    reach = WIDE * SIDE / 4
    rows = np.nonzero(band.any(1))[0]
    if not len(rows):
        return larger if shot.large else texture
    near = slice(max(rows[0] - round(3 * reach), 0), rows[-1] + round(3 * reach))
    part, band, ratio = larger[near], band[near, :, None], ratio[near]
    rest = part * (1 - band)
    usual = rest.sum((0, 1)) / np.maximum((1 - band).sum(), 1)
    weight = cv2.GaussianBlur(1 - band, (0, 0), reach)[..., None]
    bare = (cv2.GaussianBlur(rest, (0, 0), reach) + 1e-3 * usual) / (weight + 1e-3)
    if shot.softer > 0:
        ratio = ratio - np.float32(shot.softer) * (ratio - cv2.GaussianBlur(ratio, (0, 0), FINE))
    grey = ratio.mean(2, keepdims=True)
    with_rims = bare * np.exp(np.float32(share) * (grey + np.float32(shot.colourful) * (ratio - grey)))
    change: F32 = np.zeros_like(larger)
    change[near] = band * (with_rims - part)
    if not shot.large:  # what is fine in the texture itself stays
        change = np.asarray(cv2.resize(change, texture.shape[:2], interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(np.clip((larger if shot.large else texture) + change, 0, 1), np.float32)


def _reach(size: float) -> int:
    """Diameter of the skin around a line of a face of so many pixels, odd."""
    return min(max(3, 2 * round(WIDE * size / 2) + 1), 255)


def _around(pixels: U8, size: float) -> U8:
    """The skin around each pixel uint8 (h, w, 3) of a face of so many pixels."""
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(pixels), _reach(size)), np.uint8)


def _ratio(pixels: U8, around: U8, floor: float = FLOOR) -> F32:
    """Log of what the skin around is multiplied with, float32 (h, w, 3), where both are ``floor`` brighter."""
    more = np.float32(floor)
    ratio = np.log((pixels.astype(np.float32) + more) / (around.astype(np.float32) + more))
    return np.asarray(np.clip(ratio, -np.log(RATIO), np.log(RATIO)), np.float32)


def seen(
    spectacles: Spectacles, frame: U8, drawing: Drawing, face: Face, moved: F32, exposure: float
) -> tuple[slice, slice, F32] | None:
    """Rows and columns of a drawing, and what its pixels there are multiplied with, float32 (h, w, 3), to have the
    spectacles of a frame uint8 (H, W, 3) on them; None where there is nothing of them.

    face: the actor's, whose own mesh says where they are. moved: float32 (3,), as `spectacles.slid` gives it. exposure:
    what the frame would have to be multiplied with to be in ordinary light.
    """
    if moved[2] <= 0:
        return None
    mine = draw(face.points, (frame.shape[0], frame.shape[1]))
    both = None if mine is None else drawing.overlap(mine)
    if mine is None or both is None:
        return None
    (down, across), part = both
    share = moved[2] * sample(spectacles.band, mine.uv[part] - moved[:2]) * (mine.cover[part] > 0)
    rows, columns = (np.nonzero((share > 1 / 64).any(axis))[0] for axis in (1, 0))
    if not len(rows):
        return None
    inner = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    down, across = (slice(s.start + o.start, s.stop + o.start) for s, o in zip(inner, (down, across), strict=True))
    reach = _reach(face.size)
    y0, y1, x0, x1 = drawing.y + down.start, drawing.y + down.stop, drawing.x + across.start, drawing.x + across.stop
    low, high = max(y0 - reach, 0), min(y1 + reach, frame.shape[0])
    first, last = max(x0 - reach, 0), min(x1 + reach, frame.shape[1])
    around = _around(frame[low:high, first:last], face.size)[y0 - low : y1 - low, x0 - first : x1 - first]
    gain = np.exp(share[inner][..., None] * _ratio(frame[y0:y1, x0:x1], around, FLOOR / exposure))
    return down, across, np.asarray(gain, np.float32)
