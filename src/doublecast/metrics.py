"""How good a film is: identity, expression, pose, gaze, flicker, and SSIM and PSNR where the truth is known.

Pure functions over arrays, faces and crops. No number is given alone: `measure_film` puts the floor (the unswapped
actor) and the ceiling (the real target) beside each. Identity vectors and PSNR forgive blur, so look at the film too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from doublecast.faces.geometry import RIGID, canonical, gaze, similarity
from doublecast.fidelity import ms_ssim, psnr, ssim
from doublecast.types import F32, F64, MESH, POINTS, U8, VECTOR, Bool, Crop, Face, check

Sample: TypeAlias = tuple[Face, Crop]  #: a face and its aligned picture

GALLERY = 512  #: a gallery larger than this is thinned evenly
SHUT = 0.12  #: eyes narrower than this (height / width) have no measurable gaze
FLICKER_SIDE = 128  #: side of the crops in which flicker is measured

_LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409]
_INNER_LIPS = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415]
_LIDS = [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173]
_OTHER_LIDS = [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398]
_BROWS = [70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285]
EXPRESSIVE = np.array(_LIPS + _INNER_LIPS + _LIDS + _OTHER_LIDS + _BROWS)  #: mesh points of lips, lids and brows


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about a film, never without what it means.

    floor: the same number for the unswapped actor; ceiling: for the real target; None where there is none.
    note: what else the reader needs in order to judge it.
    """

    name: str
    value: float
    floor: float | None
    ceiling: float | None
    unit: str
    better: Literal["lower", "higher"]
    note: str = ""


def gallery_distance(vectors: F32, gallery: F32, *, leave_out: bool = False) -> F64:
    """Mean L2 distance of each identity vector (n, 128) to a gallery (m, 128): float64 (n,), about .2-.4 the same
    person, above .6 another (King 2017, dlib's face recognition ResNet).

    ``leave_out``: ``vectors`` is the gallery itself; a vector is not compared with itself (needs two).
    """
    for name, array in (("vectors", vectors), ("gallery", gallery)):
        check(name, array, (None, VECTOR), np.float32)
    if leave_out and vectors is not gallery:
        raise ValueError("leave_out compares a gallery with itself: pass the same array twice")
    if len(gallery) < (2 if leave_out else 1):
        raise ValueError(f"a gallery needs {'two vectors' if leave_out else 'a vector'} at least, got {len(gallery)}")
    a, b = vectors.astype(np.float64), gallery.astype(np.float64)
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    distance = np.sqrt(np.maximum(squared, 0))
    if leave_out:
        np.fill_diagonal(distance, 0)
        alone: F64 = distance.sum(1) / (len(gallery) - 1)
        return alone
    mean: F64 = distance.mean(1)
    return mean


def nearer_rate(to_target: F64, to_actor: F64) -> float:
    """Part (0-1) of the faces that are nearer to the target's gallery than to the actor's. Both float64 (n,)."""
    if to_target.shape != to_actor.shape or not len(to_target):
        raise ValueError(f"distances must be of the same faces, got {to_target.shape} and {to_actor.shape}")
    return float((to_target < to_actor).mean())


def normalise(points: F32) -> F64:
    """Landmarks without pose, place and size: float64 (468, 3) in the canonical head's axes, outer eye corners 1 apart.

    The canonical head is fitted in 3D to the points that move little with expression (Umeyama 1991), the fit is undone,
    and the result is divided by its own interocular distance (outer corners, as in the 300-W benchmark, Sagonas 2013).
    """
    check("points", points, (POINTS, 3), np.float32)
    mesh = points[:MESH].astype(np.float64)
    _, rotation, shift = similarity(canonical()[RIGID], mesh[RIGID])
    turned: F64 = (mesh - shift) @ rotation
    return turned / max(float(np.linalg.norm(turned[33] - turned[263])), 1e-9)


def rest_shape(faces: Sequence[Face]) -> F64:
    """The median of the normalised landmarks: a person's shape with the expression taken out. float64 (468, 3)."""
    if not faces:
        raise ValueError("a rest shape needs at least one face")
    median: F64 = np.median([normalise(face.points) for face in faces], axis=0)
    return median


def expression_error(face: Face, other: Face, *, rest: F64 | None = None, other_rest: F64 | None = None) -> float:
    """Mean 3D distance between the lips, lids and brows of two faces, as part of the interocular distance.

    With the rest shapes of both people, what is compared is the movement away from rest, so that a different shape of
    face is no error. Landmark noise alone is about .01.
    """
    if (rest is None) != (other_rest is None):
        raise ValueError("expression_error needs the rest shapes of both faces or of neither")
    difference = normalise(face.points) - normalise(other.points)
    if rest is not None and other_rest is not None:
        difference -= rest - other_rest
    return float(np.linalg.norm(difference[EXPRESSIVE], axis=1).mean())


def pose_error(face: Face, other: Face) -> float:
    """Angle in degrees of the rotation between two head poses (geodesic distance on SO(3), Huynh 2009)."""
    return _angle(_rotation(face) @ _rotation(other).T)


def pose_errors(faces: Sequence[Face], others: Sequence[Face]) -> tuple[F64, float]:
    """Pose error of every frame without the constant part, float64 (n,), and that constant part, both in degrees.

    A head of another shape is fitted a little turned, by several degrees and always the same way: the mean rotation
    between the two, in the head's own axes (chordal mean, Hartley et al. 2013), is that part.
    """
    if len(faces) != len(others) or not faces:
        raise ValueError(f"poses must be of the same frames, got {len(faces)} and {len(others)}")
    between = [_rotation(b).T @ _rotation(a) for a, b in zip(faces, others, strict=True)]
    u, _, vt = np.linalg.svd(np.mean(between, axis=0))
    mean = (u * [1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return np.array([_angle(r @ mean.T) for r in between]), _angle(mean)


def _rotation(face: Face) -> F64:
    return similarity(canonical()[RIGID], face.points[RIGID].astype(np.float64))[1]


def _angle(rotation: F64) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def gaze_errors(faces: Sequence[Face], others: Sequence[Face]) -> tuple[F64, float]:
    """Mean distance between the irises in eye widths where eyes are open, without the constant part, float64 (n,), n
    may be 0; and that part: eyes of another shape have their irises elsewhere."""
    both = [(f, o) for f, o in zip(faces, others, strict=True) if min(*f.eyes, *o.eyes) >= SHUT]
    if not both:
        return np.zeros(0), 0.0
    between = np.array([gaze(f.points) - gaze(o.points) for f, o in both])
    constant = np.median(between, axis=0)
    return np.linalg.norm(between - constant, axis=2).mean(1), float(np.linalg.norm(constant, axis=1).mean())


def restlessness(crops: Sequence[Crop], indices: Sequence[int] | None = None) -> float | None:
    """Mean absolute second temporal difference of the luma (0-255) over the middle of aligned crops.

    Crops are brought to 128 px; only the ellipse of the face counts. ``indices``: frame numbers, so that no difference
    is taken across a gap (None: consecutive). None when there are no three frames in a row.
    """
    numbers = range(len(crops)) if indices is None else indices
    if len(numbers) != len(crops):
        raise ValueError(f"{len(crops)} crops need as many frame numbers, got {len(numbers)}")
    inside = face_ellipse(FLICKER_SIDE)
    grey = [_small_luma(crop.pixels) for crop in crops]
    bends = [
        np.abs(grey[k + 1] - 2 * grey[k] + grey[k - 1])[inside].mean()
        for k in range(1, len(grey) - 1)
        if numbers[k + 1] - numbers[k] == 1 == numbers[k] - numbers[k - 1]
    ]
    return float(np.mean(bends)) if bends else None


def face_ellipse(side: int) -> Bool:
    """bool (side, side): the part of an aligned crop in which the face lies (the oval is .62 of the side high)."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    inside: Bool = (x / 0.22) ** 2 + (y / 0.28) ** 2 <= 1
    return inside


def _small_luma(pixels: U8) -> F32:
    small = cv2.resize(pixels, (FLICKER_SIDE, FLICKER_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The exact swapped film, frame by frame: crops cut with the actor's alignment, and masks bool (S, S) of what had
    to be replaced. Only rendered performers have one."""

    samples: Sequence[Sample]
    masks: Sequence[Bool]


def measure_film(
    film: Sequence[Sample],
    actor: Sequence[Sample],
    target_vectors: F32 | None,
    *,
    actor_vectors: F32 | None = None,
    target: Sequence[Sample] = (),
    indices: Sequence[int] | None = None,
    target_indices: Sequence[int] | None = None,
    truth: Truth | None = None,
) -> list[Measure]:
    """Everything that can be measured about a swapped film.

    film, actor: face and crop of the same frames, before and after; the crops must be cut with the same alignment (the
    actor's) so that the pixels match. Faces without a vector do not count for identity. target_vectors: the target's
    gallery (m, 128). actor_vectors: the actor's, by default those of ``actor``. target: faces of the target's own
    footage, for the ceilings of flicker and sharpness. indices: frame numbers (restlessness needs runs of three).
    A measure whose material is missing is left out. Keep the lists short (a few hundred crops lie in memory).
    """
    if len(film) != len(actor) or not film:
        raise ValueError(f"film and actor must be the same frames, got {len(film)} and {len(actor)}")
    if any(f[1].pixels.shape != a[1].pixels.shape for f, a in zip(film, actor, strict=True)):
        raise ValueError("the film's crops must be cut with the actor's alignments")
    if truth and not len(film) == len(truth.samples) == len(truth.masks):
        got = f"{len(truth.samples)} and {len(truth.masks)} masks"
        raise ValueError(f"the truth must have {len(film)} frames, got {got}")
    faces, played = [f for f, _ in film], [f for f, _ in actor]
    true = [f for f, _ in truth.samples] if truth else []
    measures = _identity(faces, played, target_vectors, actor_vectors)
    measures += _motion(faces, played, true)
    measures += _pictures(film, actor, target, indices, target_indices)
    return measures + (_against_truth(film, actor, truth) if truth else [])


def vectors_of(faces: Sequence[Face]) -> F32:
    """The identity vectors of those faces that have one: float32 (n, 128), n may be 0."""
    found = [face.vector for face in faces if face.vector is not None]
    return np.stack(found) if found else np.zeros((0, VECTOR), np.float32)


def _thin(vectors: F32) -> F32:
    chosen: F32 = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), GALLERY)).astype(int)]
    return chosen


def _identity(faces: Sequence[Face], played: Sequence[Face], target: F32 | None, actor: F32 | None) -> list[Measure]:
    mine, own = vectors_of(faces), vectors_of(played)
    actor = _thin(own if actor is None else actor)
    if target is None or len(target) < 2 or len(actor) < 2 or not len(mine):
        return []
    target = _thin(target)
    film_t, film_a = gallery_distance(mine, target), gallery_distance(mine, actor)
    actor_t, actor_a = gallery_distance(actor, target), gallery_distance(actor, actor, leave_out=True)
    target_t, target_a = gallery_distance(target, target, leave_out=True), gallery_distance(target, actor)
    unit = "L2 of dlib vectors"

    def mean(x: F64) -> float:
        return float(x.mean())

    rate, low, high = (100 * nearer_rate(t, a) for t, a in ((film_t, film_a), (actor_t, actor_a), (target_t, target_a)))
    note = f"{len(mine)} faces compared"
    return [
        Measure("identity: distance to the target", mean(film_t), mean(actor_t), mean(target_t), unit, "lower"),
        Measure("identity: distance to the actor", mean(film_a), mean(actor_a), mean(target_a), unit, "higher"),
        Measure("identity: nearer to the target", rate, low, high, "% of faces", "higher", note),
    ]


def _motion(faces: Sequence[Face], played: Sequence[Face], true: Sequence[Face]) -> list[Measure]:
    """Expression, pose and gaze against the actor: the actor against himself is 0, the truth is the ceiling."""
    rest, played_rest = rest_shape(faces), rest_shape(played)

    def expression(shown: Sequence[Face], shape: F64) -> float:
        pairs = zip(shown, played, strict=True)
        return float(np.mean([expression_error(a, b, rest=shape, other_rest=played_rest) for a, b in pairs]))

    def looking(shown: Sequence[Face]) -> float | None:
        found, _ = gaze_errors(shown, played)
        return float(found.mean()) if len(found) else None

    still = [np.linalg.norm((normalise(f.points) - played_rest)[EXPRESSIVE], axis=1).mean() for f in played]
    note = f"a face that never moves would have {np.mean(still):.3f}"
    unit = "interocular distances"
    at_best = expression(true, rest_shape(true)) if true else None
    turned, offset = pose_errors(faces, played)
    true_turned = float(pose_errors(true, played)[0].mean()) if true else None
    constant = f"besides a constant {offset:.1f} degrees, as a head of another shape is fitted a little turned"
    found = [
        Measure("expression error", expression(faces, rest), 0.0, at_best, unit, "lower", note),
        Measure("pose error", float(turned.mean()), 0.0, true_turned, "degrees", "lower", constant),
    ]
    seen = looking(faces)
    if seen is not None:
        found.append(Measure("gaze error", seen, 0.0, looking(true) if true else None, "eye widths", "lower"))
    return found


def _pictures(
    film: Sequence[Sample],
    actor: Sequence[Sample],
    target: Sequence[Sample],
    indices: Sequence[int] | None,
    target_indices: Sequence[int] | None,
) -> list[Measure]:
    found = []
    own = restlessness([c for _, c in actor], indices)
    new = restlessness([c for _, c in film], indices)
    real = restlessness([c for _, c in target], target_indices)
    if own and new is not None:
        other = None if real is None else real / own
        note = "second difference over time; 1 is as restless as the actor's own footage"
        found.append(Measure("flicker", new / own, 1.0, other, "times the actor's", "lower", note))
    sharp = [float(np.median([f.sharpness for f, _ in side])) if side else None for side in (film, actor, target)]
    if sharp[0] is not None and sharp[1]:
        real = None if sharp[2] is None else sharp[2] / sharp[1]
        found.append(Measure("sharpness", sharp[0] / sharp[1], 1.0, real, "times the actor's", "higher"))
    return found


def _against_truth(film: Sequence[Sample], actor: Sequence[Sample], truth: Truth) -> list[Measure]:
    exact = [c.pixels for _, c in truth.samples]

    def mean(of: Sequence[Sample], score: Callable[[U8, U8, Bool], float]) -> float:
        triples = zip(of, exact, truth.masks, strict=True)
        return float(np.mean([score(c.pixels, true, mask) for (_, c), true, mask in triples]))

    return [
        Measure("SSIM against the truth", mean(film, ssim), mean(actor, ssim), 1.0, "in the mask", "higher"),
        Measure("MS-SSIM against the truth", mean(film, ms_ssim), mean(actor, ms_ssim), 1.0, "in the mask", "higher"),
        Measure("PSNR against the truth", mean(film, psnr), mean(actor, psnr), None, "dB in the mask", "higher"),
    ]
