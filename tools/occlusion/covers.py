"""What is laid before faces in training the occlusion network, each with its mask, and what changes a face without
covering it.

All faces and colours are textures (S, S, 3), float 0-255; masks are coverage (S, S) 0-1.
"""

import cv2
import numpy as np

from doublecast.model.occlusion import SIDE
from doublecast.model.space import EYE_RINGS, MOUTH_RING, inside, layout

HAIRS = (
    *([20, 18, 17], [45, 32, 25], [80, 55, 38], [140, 100, 62]),
    *([190, 160, 115], [150, 148, 145], [215, 212, 206], [110, 50, 30]),
)  #: colours of hair
UV = layout().uv * SIDE - 0.5


def smooth(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Noise of a certain grain, float32, standard deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), scale)
    return noise / (noise.std() + 1e-6)


def step(x: np.ndarray) -> np.ndarray:
    """From 0 to 1 about 0, softly."""
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def polygon(mask: np.ndarray, points: np.ndarray) -> None:
    """Fill a polygon (n, 2) of a mask uint8 (S, S) with 255."""
    cv2.fillPoly(mask, [np.round(points * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)


def hair_colour(rng: np.random.Generator) -> np.ndarray:
    """Of hair, float (3,) 0-255."""
    return np.array(HAIRS[rng.integers(len(HAIRS))], float) * rng.uniform(0.6, 1.5)


def strokes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Strands that fall from the forehead's edge or a side: colour (S, S, 3) float 0-255 and coverage (S, S) 0-1."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    shade = np.zeros((SIDE, SIDE), np.float32)
    side = rng.choice(["top", "left", "right"], p=[0.6, 0.2, 0.2])
    count = int(rng.choice([3, 12, 40, 90]))
    lean, reach = rng.normal(0, 0.5), rng.uniform(0.12, 0.75) * SIDE
    centre, width = rng.uniform(0.1, 0.9) * SIDE, rng.uniform(0.08, 0.6) * SIDE
    for _ in range(count):
        a = centre + rng.normal(0, 0.5) * width
        length = reach * rng.uniform(0.5, 1.15)
        bend = lean + rng.normal(0, 0.12)
        t = np.linspace(0, 1, 12)
        along, across = length * t - 4, a + bend * length * t + rng.normal(0, 3) * t * t
        if side == "top":
            points = np.stack([across, along], 1)
        else:
            points = np.stack([along if side == "left" else SIDE - 1 - along, across], 1)
        thick = int(rng.integers(1, 5))
        fixed = np.round(points * 8).astype(np.int32)[None]
        one = np.zeros((SIDE, SIDE), np.uint8)
        cv2.polylines(one, fixed, False, 255, thick, cv2.LINE_AA, 3)
        alpha = one.astype(np.float32) / 255 * rng.uniform(0.5, 1)
        shade = shade * (1 - alpha) + alpha * rng.uniform(0.5, 1.5)
        mask = np.maximum(mask, alpha)
    base = hair_colour(rng)
    return base * (shade / np.maximum(mask, 0.2))[..., None], mask


def hand(rng: np.random.Generator, face: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fingers, or a palm, in the face's own skin: rounded bars with a shaded edge."""
    skin = (
        np.median(face[(seen > 128) & (inside(SIDE) > 0)], axis=0)
        * rng.uniform(0.75, 1.2)
        * (1 + rng.normal(0, 0.03, 3))
    )
    mask = np.zeros((SIDE, SIDE), np.uint8)
    turn, place = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.95, 2) * SIDE
    way, off = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    fingers, thick = int(rng.integers(1, 6)), rng.uniform(8, 20)
    relief = np.zeros((SIDE, SIDE), np.float32)
    for k in range(fingers):
        start = place + off * k * thick * rng.uniform(1.0, 1.15)
        end = start + way * rng.uniform(30, 110)
        bar = np.zeros((SIDE, SIDE), np.uint8)
        cv2.line(
            bar,
            tuple(np.int32(start * 8).tolist()),
            tuple(np.int32(end * 8).tolist()),
            255,
            round(thick),
            cv2.LINE_AA,
            3,
        )
        depth = cv2.distanceTransform((bar > 128).astype(np.uint8), cv2.DIST_L2, 3) / (thick / 2)
        relief = np.where(bar > 128, np.sqrt(np.clip(depth, 0, 1)), relief)
        mask = np.maximum(mask, bar)
    if rng.random() < 0.4:
        mask = cv2.dilate(mask, np.ones((9, 9), np.uint8))
        relief = cv2.GaussianBlur(relief, (0, 0), 3)
    shade = (0.55 + 0.45 * relief) * (1 + 0.04 * smooth(rng, (SIDE, SIDE), 2.0))
    return skin * shade[..., None], mask.astype(np.float32) / 255


def spectacles(rng: np.random.Generator, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rims, a bridge and temples around the eyes of the layout; in some, dark lenses that hide them."""
    mask, lenses = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    thick = int(rng.integers(1, 5))
    dark = rng.random() < 0.35
    grow = rng.uniform(1.15, 1.6, 2) * (rng.uniform(1, 1.5) if dark else 1)
    lift, square = rng.normal(2, 3), rng.uniform(2, 5)
    centres = []
    t = np.linspace(0, 2 * np.pi, 40)
    for ring in EYE_RINGS:
        box = UV[ring]
        middle, half = (box.max(0) + box.min(0)) / 2, (box.max(0) - box.min(0)) / 2
        half = np.array([half[0] * grow[0], max(half[1], 0.6 * half[0]) * grow[1]])
        form = (
            np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / square),
            np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / square),
        )
        points = middle + np.array([0, lift]) + np.stack(form, 1) * half
        polygon(lenses, points)
        kind = rng.random()
        part = points if kind > 0.2 else points[20:] if kind > 0.1 else points[:21]
        cv2.polylines(mask, [np.round(part * 8).astype(np.int32)], kind > 0.2, 255, thick, cv2.LINE_AA, 3)
        centres.append((middle + np.array([0, lift]), half))
    (left, lh), (right, rh) = centres
    height = -rng.uniform(0, 0.5) * lh[1]
    cv2.line(
        mask,
        tuple(np.int32((left + np.array([lh[0], height])) * 8).tolist()),
        tuple(np.int32((right + np.array([-rh[0], height])) * 8).tolist()),
        255,
        thick,
        cv2.LINE_AA,
        3,
    )
    for centre, half, sign in ((left, lh, -1), (right, rh, 1)):
        start = centre + np.array([sign * half[0], height])
        cv2.line(
            mask,
            tuple(np.int32(start * 8).tolist()),
            tuple(np.int32((start + np.array([sign * 60, rng.normal(-2, 5)])) * 8).tolist()),
            255,
            thick,
            cv2.LINE_AA,
            3,
        )
    tone = np.array([[15, 15, 18], [60, 40, 25], [150, 150, 155], [180, 150, 80], [30, 40, 90], [120, 20, 30]], float)
    colour = np.broadcast_to(tone[rng.integers(len(tone))] * rng.uniform(0.5, 1.4), (SIDE, SIDE, 3)).copy()
    colour *= (1 + 0.25 * smooth(rng, (SIDE, SIDE), 4.0))[..., None]
    cover = mask.astype(np.float32) / 255 * rng.uniform(0.7, 1)
    if dark:
        glass = tone[rng.choice([0, 0, 1, 4])] * rng.uniform(0.3, 1.5)
        shine = np.clip(smooth(rng, (SIDE, SIDE), float(rng.uniform(4, 16))), 0, None) * rng.uniform(0, 60)
        inner = (lenses.astype(np.float32) / 255 * (1 - cover))[..., None]
        colour = colour * (1 - inner) + (glass + shine[..., None]) * inner
        cover = np.maximum(cover, lenses.astype(np.float32) / 255 * rng.uniform(0.8, 1))
    return colour, cover


def thing(rng: np.random.Generator, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A bar, a ball or a blob with the colours of another picture, or plain and dark, as a microphone is."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    place, size = rng.uniform(0, SIDE, 2), rng.uniform(8, 40, 2)
    if rng.random() < 0.5:
        cv2.ellipse(
            mask, (tuple(place.tolist()), tuple(size.tolist()), float(rng.uniform(0, 180))), 255, -1, cv2.LINE_AA
        )
    else:
        blob = smooth(rng, (SIDE, SIDE), float(rng.uniform(6, 14))) > rng.uniform(0.6, 1.4)
        mask = blob.astype(np.uint8) * 255
    turned = cv2.warpAffine(
        other,
        cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.uniform(0, 360)), float(rng.uniform(1, 3))),
        (SIDE, SIDE),
        borderMode=cv2.BORDER_REFLECT,
    )
    colour = turned.astype(np.float32)
    if rng.random() < 0.5:
        colour = (
            np.broadcast_to(rng.uniform(5, 230) * (1 + rng.normal(0, 0.15, 3)), (SIDE, SIDE, 3))
            * (1 + 0.15 * smooth(rng, (SIDE, SIDE), 1.5))[..., None]
        )
    return colour, mask.astype(np.float32) / 255


def cloth(rng: np.random.Generator, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A mask or a scarf over mouth and chin, plain or with the pattern of another picture, with folds."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    aside = 2 * np.abs(x - 0.5)
    edge = rng.uniform(0.42, 0.64) + rng.uniform(-0.05, 0.15) * aside**2 + rng.normal(0, 0.05) * (x - 0.5)
    mask = step((y - edge) / rng.uniform(0.004, 0.015))
    plain = np.broadcast_to(rng.uniform(8, 240) * (1 + rng.normal(0, 0.25, 3) * (rng.random() < 0.6)), (SIDE, SIDE, 3))
    colour = plain if rng.random() < 0.75 else cv2.resize(other, None, fx=2, fy=2)[:SIDE, :SIDE]
    folds = cv2.GaussianBlur(smooth(rng, (SIDE, SIDE), 2.0), (0, 0), 6, sigmaY=float(rng.uniform(0.5, 6)))
    return colour * (1 + rng.uniform(0.02, 0.25) * folds / folds.std())[..., None], mask.astype(np.float32)


def shadow(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Light from one side, or a shadow with an edge: what is dark is not covered."""
    turn = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE - 0.5
    ramp = np.cos(turn) * x + np.sin(turn) * y + 0.06 * smooth(rng, (SIDE, SIDE), 12.0) + rng.normal(0, 0.2)
    fall = 1 / (1 + np.exp(-ramp / rng.choice([0.01, 0.04, 0.15])))
    return face * (1 - rng.uniform(0.3, 0.85) * fall)[..., None]


def beard(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A full beard, one about the mouth, the jaw or the lip alone: hair that belongs to the face is no cover."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    aside = 2 * np.abs(x - 0.5)
    corner = float(UV[MOUTH_RING, 1].mean() / SIDE) + rng.normal(0, 0.03)
    cheek = corner - rng.uniform(-0.1, 0.35) * np.clip((aside - 0.3) / 0.6, 0, 1) ** rng.uniform(0.7, 2)
    upper = rng.uniform(0.58, 0.63) + 0.25 * np.clip(aside - rng.uniform(0.15, 0.35), 0, 1)
    kind = rng.choice(["full", "mouth", "lip", "jaw"], p=[0.65, 0.15, 0.1, 0.1])
    mouth = upper + 3 * np.clip(aside - rng.uniform(0.35, 0.55), 0, 1)
    edge = {"full": np.minimum(cheek, upper), "mouth": mouth, "lip": upper, "jaw": cheek}[str(kind)]
    edge = edge + rng.uniform(0, 0.02) * smooth(rng, (SIDE, SIDE), 4.0)
    there = step((y - edge) / rng.uniform(0.008, 0.05))
    if kind == "lip":
        there = there * (y < corner + 0.02)
    lips = np.zeros((SIDE, SIDE), np.uint8)
    polygon(lips, UV[MOUTH_RING])
    there = there * (1 - cv2.GaussianBlur(lips.astype(np.float32) / 255, (0, 0), rng.uniform(0.5, 2)))
    fine, long = rng.choice([0.6, 0.6, 1.0, 1.6]), rng.uniform(1.5, 4)
    strands = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), fine, sigmaY=fine * long)
    strands = strands / strands.std()
    dense = np.clip(there * rng.uniform(0.35, 1.1) * (1 + rng.uniform(0, 0.4) * strands), 0, 1)[..., None]
    grey = face.mean(2)
    light = cv2.GaussianBlur(grey, (0, 0), 8) / max(float(np.median(grey[inside(SIDE) > 0])), 1)
    colour = hair_colour(rng) * (np.clip(light, 0.2, 1.6) * (1 + rng.uniform(0, 0.35) * strands))[..., None]
    return np.clip(face * (1 - dense) + colour * dense, 0, 255).astype(np.float32)


def shiny(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """With stronger highlights and darker hollows, as darker skin has."""
    grey = cv2.GaussianBlur(face.mean(2), (0, 0), 1) + 8
    middle = float(np.median(grey[inside(SIDE) > 0]))
    return np.clip(face * ((grey / middle) ** rng.uniform(0.2, 1.0))[..., None], 0, 255).astype(np.float32)


def worse(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A picture as a small or grainy face gives it."""
    if rng.random() < 0.2:
        small = cv2.resize(picture, (int(rng.integers(36, 100)),) * 2, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.2:
        grain = smooth(rng, (SIDE, SIDE), float(rng.uniform(0.4, 1.5)))[..., None] * rng.uniform(2, 12)
        picture = picture + grain
    return np.clip(picture, 0, 255).astype(np.float32)
