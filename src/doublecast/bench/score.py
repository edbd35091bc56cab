"""One number for a swapped film, 0-100, made so that it ranks as the eye does.

The score is a weighted geometric mean of parts, each 0 (as bad as doing nothing, or worse) to 1 (as good as the truth,
or as the real target where there is no truth), times the share of frames in which the face is found again::

    score = 100 * found * exp(sum(w * log(max(part, EPS))) / sum(w))        w: `WEIGHTS`, of the parts that are known

    identity     (floor - d) / (floor - best); d the mean distance to the target's gallery, floor the unswapped
                 actor's, best the truth's (without truth: the target's own faces among themselves)
    nearest      share of the faces that are nearer to the target's gallery than to the actor's, as part of the best's
    sharpness    min(r, 1/r); r the fine detail against the truth's or the real target's (`Sharp`)
    expression   1 - max(0, e - best) / max(still - best, still / 2); e the expression error, still that of a face that
                 never moves. The second bound is for a truth whose landmarks are hardly better than still, as under a
                 fringe: without it noise of the landmarks decides
    gaze         the same, still that of eyes that never move, but at least `GAZE`, the noise of irises in footage
    flicker      min(1, best / x), best at least 1, the actor's own
    ssim         (x - floor) / (1 - floor); ms-ssim the same; performers only

Why a geometric mean: in a sum, a blurred face makes up with identity and SSIM, which forgive blur, for the detail that
it lacks. In a product each part is a factor that nothing else can buy back. Why `EPS`: a part of 0 must weigh heavily
and not erase all others. Why sharpness has the weight of identity: a face blurred by 3 px keeps most of its identity
vector, its landmarks and much of its SSIM; only detail tells it from a sharp one that is 1 px off, which the eye
prefers by far. SSIM against the truth punishes that pixel more than the blur, so it weighs little; MS-SSIM forgives it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from doublecast import metrics
from doublecast.faces.geometry import gaze
from doublecast.metrics import EXPRESSIVE, Measure, Sample, normalise, rest_shape
from doublecast.types import F32, Crop, Face

WEIGHTS: Mapping[str, float] = {
    "identity": 0.22,
    "nearest": 0.10,
    "sharpness": 0.22,
    "expression": 0.16,
    "gaze": 0.06,
    "flicker": 0.06,
    "ssim": 0.06,
    "ms-ssim": 0.12,
}
EPS = 0.002  #: least value of a part
GAZE = 0.06  #: eye widths; eyes that move less cannot be told from ones that are still
FINE = 1.5  #: sigma in pixels below which detail is fine


def combine(parts: Mapping[str, float], *, found: float) -> float:
    """The score, 0-100, of parts in 0-1 and the share of faces found again. Raises ValueError for an unknown part."""
    if not parts or not set(parts) <= set(WEIGHTS):
        raise ValueError(f"parts must be some of {', '.join(WEIGHTS)}, got {', '.join(parts) or 'none'}")
    weights = np.array([WEIGHTS[name] for name in parts])
    values = np.clip(np.array(list(parts.values())), EPS, 1)
    return float(100 * found * np.exp((weights * np.log(values)).sum() / weights.sum()))


@dataclass(frozen=True, slots=True)
class Sharp:
    """Fine detail of the real footage: the median of its crops' detail, measured at ``side`` pixels."""

    detail: float
    side: int
    crops: tuple[Crop, ...]

    @classmethod
    def of(cls, crops: Sequence[Crop]) -> "Sharp":
        """Of crops of the truth or of the target's own footage."""
        side = int(np.median([crop.alignment.size for crop in crops]))
        return cls(float(np.median([detail(crop, side) for crop in crops])), side, tuple(crops))

    def ratio(self, crops: Sequence[Crop]) -> float:
        """Detail of a film as a multiple of the real one's; both at the smaller one's size, so neither is enlarged."""
        side = min(self.side, int(np.median([crop.alignment.size for crop in crops])))
        own = self.detail if side == self.side else float(np.median([detail(crop, side) for crop in self.crops]))
        return float(np.median([detail(crop, side) for crop in crops])) / max(own, 1e-6)


def detail(crop: Crop, side: int) -> float:
    """Root mean square of the luma's detail finer than `FINE` pixels over its contrast, in the face's ellipse, in a
    crop brought to ``side`` pixels."""
    method = cv2.INTER_AREA if crop.alignment.size > side else cv2.INTER_CUBIC
    pixels = cv2.resize(crop.pixels, (side, side), interpolation=method)
    grey: F32 = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
    inside = metrics.face_ellipse(side)
    fine = (grey - cv2.GaussianBlur(grey, (0, 0), FINE))[inside]
    return float(np.sqrt((fine**2).mean()) / (grey[inside].std() + 1))


def still_expression(played: Sequence[Face]) -> float:
    """Expression error of a face that never moves, against this performance."""
    rest = rest_shape(played)
    return float(np.mean([np.linalg.norm((normalise(f.points) - rest)[EXPRESSIVE], axis=1).mean() for f in played]))


def still_gaze(played: Sequence[Face]) -> float:
    """Gaze error of eyes that never move, against this performance, in eye widths; 0 where all eyes are shut."""
    looks = np.array([gaze(face.points) for face in played if min(face.eyes) >= metrics.SHUT])
    if not len(looks):
        return 0.0
    return float(np.linalg.norm(looks - np.median(looks, axis=0), axis=2).mean())


def share(value: float, floor: float, best: float) -> float:
    """How far from floor to best a value is, 0-1; 1 where the two are the same and nothing can be told."""
    return float(np.clip((value - floor) / (best - floor), 0, 1)) if abs(best - floor) > 1e-9 else 1.0


def parts_of(
    measures: Sequence[Measure], best: Mapping[str, float], *, actor: Sequence[Sample], sharpness: float
) -> dict[str, float]:
    """The parts of the score, each 0-1; what was not measured is left out, except identity, which then is 0.

    measures: of the film. best: measures of the truth by name, empty for real pairs. actor: the same frames before.
    sharpness: detail as a multiple of the real one's.
    """
    found = {measure.name: measure for measure in measures}
    faces = [face for face, _ in actor]

    def top(name: str, otherwise: float) -> float:
        return best.get(name, otherwise)

    parts = {"sharpness": min(sharpness, 1 / max(sharpness, 1e-6)), "identity": 0.0, "nearest": 0.0}
    identity = found.get("identity: distance to the target")
    if identity is not None and identity.floor is not None and identity.ceiling is not None:
        parts["identity"] = share(identity.value, identity.floor, top(identity.name, identity.ceiling))
    nearer = found.get("identity: nearer to the target")
    if nearer is not None and nearer.ceiling:
        parts["nearest"] = float(np.clip(nearer.value / max(top(nearer.name, nearer.ceiling), 1), 0, 1))
    for name, key, still in (
        ("expression error", "expression", still_expression(faces)),
        ("gaze error", "gaze", max(still_gaze(faces), GAZE)),
    ):
        if name in found and still > 0:
            least = top(name, 0.0)
            lost = max(0.0, found[name].value - least) / max(still - least, still / 2)
            parts[key] = max(0.0, 1 - lost)
    if "flicker" in found:
        parts["flicker"] = float(min(1.0, max(1.0, top("flicker", 1.0)) / max(found["flicker"].value, 1e-6)))
    for name, key in (("SSIM against the truth", "ssim"), ("MS-SSIM against the truth", "ms-ssim")):
        if name in found and (floor := found[name].floor) is not None:
            parts[key] = share(found[name].value, floor, 1.0)
    return {name: parts[name] for name in WEIGHTS if name in parts}
