"""Light and colour of the shot for a decoded texture: gains, as light multiplies."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from doublecast.model.space import EYE_RINGS, MOUTH_INSIDE, MOUTH_RING, fade, filled, importance, inside
from doublecast.types import F32, U8, Bool

WIDE, NARROW = 0.2, 0.05  #: reach of the colour match, as part of the texture's side: inside the face, at its edge
BRIGHTEST = 3.0  #: largest gain, and one over the smallest
DARK = 0.04  #: added where nothing can be compared, so that the gain goes to 1
ODD = 0.2  #: difference from the usual difference, in 0-1, beyond which a texel hardly counts
BRIGHT = 85.0  #: percentile of brightness by which eyes and teeth are compared: the white of both
WHITES = (0.4, 1.15)  #: how far eyes and mouths are darkened or brightened besides
TINTED = 0.2  #: how far a white's tint is moved, each channel against their mean
LIP_EDGE = 0.016  #: reach of the edge of the lips, which is of neither colour, as part of the texture's side
TONES = (0.35, 0.95)  #: log difference of two people's skin from which lips follow the actor's, and at which most
LIPS = 0.85  #: how far they follow then
TINGED = (0.2, 0.45)  #: difference of the tints of two skins from which it is light of another colour, and surely
DARKER = 0.4  #: difference of tints for each log difference of tone, up to 1, as dark skin has another tint than light
FADED = 0.6  #: how much of the colours within a face is not trusted in light of quite another colour
NEUTRAL = (0.2, 0.6)  #: chroma as part of the skin's up to which a texel is grey, and from which it is coloured
FAINT = 0.12  #: chroma of skin below which footage has next to no colour
GLOSS = (95.0, 1.1)  #: percentile of the actor's lips that is their brightest, and how many times as bright lips may be
FACES = 25  #: of somebody by which it is known how far the colours within the face lie apart
RICH = 1.3  #: how much more than its share of tints a shot counts as, as spectacles and lips differ from face to face
TINTS = 0.02  #: deviation of log colours in a face below which it has one tint
COLOURFUL = 0.8  #: share of the target's colours below which a shot counts as bleached
SHINE = 0.12  #: reach of the skin that what shines is compared with, as part of the texture's side
DULL = 0.012  #: how much paler than that, in 0-1, skin is without shining
SEEN = (12, 200)  #: texels of eyes and of skin that must be seen to compare them, of 128 x 128


@cache
def _skin(size: int) -> F32:
    """Where colour is compared, float32 (size, size): skin, not eyes, brows or mouth."""
    plain = (importance(size) < 1.05) & (inside(size) > 0)
    return cv2.erode(plain.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)


def blurred(x: F32, sigma: float) -> F32:
    """A picture float32 (S, S) or (S, S, C), blurred as if it were 0 outside."""
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)


def colour_gain(decoded: F32, seen: U8, visible: U8) -> F32:
    """What the decoded texture must be multiplied with so that its light is the shot's, float32 (S, S, 3).

    decoded: float32 (S, S, 3) 0-1; seen: the actor's own texture uint8 (S, S, 3) and visible (S, S). The ratio of the
    two, averaged widely inside the face (light, skin tone) and narrowly towards its edge (no seam), over skin only.
    A gain and not an offset: light multiplies, so dark brows stay dark and keep no tint of what the skin lost.
    """
    size = decoded.shape[0]
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    weight = (_skin(size) * (visible / 255) + 1e-4 * (inside(size) > 0)).astype(np.float32)
    plain, skin, edge = weight > 0.5, weight.copy(), 1 - fade(size)
    if plain.any():  # spectacles, hair and beards are no light: what differs unlike the rest of the skin counts less
        brighter = np.median(shot[plain].mean(1)) / max(float(np.median(decoded[plain].mean(1))), DARK)
        brighter = np.float32(np.clip(brighter, 1, BRIGHTEST))
        difference = shot - decoded * brighter  # else a beard is hardly darker than dark skin
        unlike = difference - np.median(difference[plain], axis=0)
        weight *= np.exp(-np.square(np.abs(unlike).max(2) / (ODD * brighter)))
        beard = np.clip(unlike.mean(2) / ODD - 0.5, 0, 1)  # dark in the texture alone, so no shadow
        bearded = _widely(skin * beard, NARROW * size) / np.maximum(_widely(skin, NARROW * size), 1e-6)
        edge = np.asarray(edge * (1 - bearded), np.float32)
    have, want = (x * weight[..., None] + np.float32(DARK * 1e-4) for x in (decoded, shot))
    wide, near = (_widely(want, reach * size) / _widely(have, reach * size) for reach in (WIDE, NARROW))
    return np.asarray(np.clip(wide + edge[..., None] * (near - wide), 1 / BRIGHTEST, BRIGHTEST), np.float32)


def _widely(x: F32, sigma: float) -> F32:
    """`blurred` at half the size, as nothing is lost for a reach of many texels."""
    half: F32 = np.asarray(cv2.resize(x, (x.shape[1] // 2, x.shape[0] // 2), interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.resize(blurred(half, sigma / 2), (x.shape[1], x.shape[0])), np.float32)


def greys(actor: "Tone", target: "Tone") -> F32:
    """What grey hair of the target's is multiplied with, in log, float32 (3,), so that it does not take the tint by
    which the two people's skins differ; nothing where these were lit in other colours."""
    return np.asarray((1 - Apart.of(actor, target).coloured) * (_chroma(target.skin) - _chroma(actor.skin)), np.float32)


def in_light(texture: F32, gain: F32, greys: F32) -> F32:
    """A decoded texture float32 (S, S, 3) 0-1 in the light of the shot: multiplied with what `colour_gain` gave.

    Grey hair would be green where reddish skin becomes yellow: it is multiplied with ``greys`` besides, in log. The
    tint of the shot's own light stays.
    """
    size = texture.shape[0]
    chroma = np.linalg.norm(cv2.GaussianBlur(_chroma(texture), (0, 0), size / 96), axis=2)
    usual = max(float(np.median(chroma[_skin(size) > 0])), FAINT)
    grey = np.clip((NEUTRAL[1] - chroma / usual) / (NEUTRAL[1] - NEUTRAL[0]), 0, 1).astype(np.float32)
    return np.asarray(np.clip(texture * gain * np.exp(grey[..., None] * greys), 0, 1), np.float32)


@cache
def regions(size: int) -> dict[str, Bool]:
    """Texels of the eyes, the inside of the mouth, the lips, and the lips with their edge, bool (size, size)."""
    eyes, mouth, lips = (filled(rings, size) > 0 for rings in (EYE_RINGS, [MOUTH_INSIDE], [MOUTH_RING]))
    grown = filled([MOUTH_RING], size, round(LIP_EDGE * size)) > 0
    return {"eyes": eyes, "mouth": mouth, "lips": lips & ~mouth, "around": grown & ~mouth}


def feature_gain(lit: F32, seen: U8, visible: U8, apart: "Apart") -> F32:
    """What eyes, teeth and lips of a texture must be multiplied with besides, float32 (S, S, 3).

    The gain that brings a dark skin into a light face would make its eyes and teeth glow and its lips pink, since it is
    the skin that differs and not the light. lit: float32 (S, S, 3) 0-1, the decoded texture in the colours of the
    shot; seen and visible as in `colour_gain`. apart: how the two people's skins differ. The whites of eyes and teeth
    become as bright as the actor's and nearer to their tint; lips, with the skin at their edge, keep their colour
    relative to the skin where both people's skin is alike, else they go towards the actor's: their brightness where
    the skins differ in tone, their tint also where these were lit in other colours, as little is left of the colours
    of lips in strongly coloured light. No lips are brighter than both the shot's skin and the actor's lips: they would
    glow.
    """
    size = lit.shape[0]
    shot: F32 = seen.astype(np.float32) / np.float32(255)
    factor = np.ones((size, size, 3), np.float32)
    there = visible > 128
    for name in ("eyes", "mouth"):
        rows = regions(size)[name] & there
        if rows.sum() >= 12:
            have, want = (white(x[rows]) for x in (lit, shot))
            ratio = (want + 0.02) / (have + 0.02)
            usual = float(ratio.mean())
            limits = WHITES[0], WHITES[1] * (np.exp(max(apart.paler, 0)) if name == "eyes" else 1)
            factor[regions(size)[name]] = np.clip(usual, *limits) * np.clip(ratio / usual, 1 - TINTED, 1 + TINTED)
    lips, skin = regions(size)["lips"] & there, (_skin(size) > 0) & there
    tone, tint = LIPS * ramp(apart.tone, TONES), LIPS * apart.coloured
    if lips.sum() >= 12 and skin.sum() >= 12:
        (own_lips, own_skin), (shot_lips, shot_skin) = ((_mean(x, lips), _mean(x, skin)) for x in (lit, shot))
        own, wanted = np.log((own_lips + 0.02) / (own_skin + 0.02)), np.log((shot_lips + 0.02) / (shot_skin + 0.02))
        brighter = (wanted - own).mean()
        change = tone * brighter + max(tone, tint) * (wanted - own - brighter)
        around = regions(size)["around"]
        factor[around] = np.exp(change)
        most = np.maximum(GLOSS[1] * np.percentile(seen[lips], GLOSS[0], axis=0) / 255, shot_skin)
        glow = lit[around] * (np.exp(change) / np.maximum(most, 1e-3)).astype(np.float32)
        factor[around] /= np.maximum(glow, 1)
    made = cv2.GaussianBlur(factor, (0, 0), size / 64)
    eyes = regions(size)["eyes"]
    return np.asarray(
        np.where(eyes[..., None], made, np.minimum(made, max(WHITES[1], factor[~eyes].max()))), np.float32
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """The usual colours of somebody's skin and lips in their footage, float32 (3,) 0-1 each. tints: how far colours
    within the face lie apart, see `_tints`; whites: how much brighter than the skin the whites of the eyes are, in log,
    None where they are not seen."""

    skin: F32
    lips: F32
    tints: float = 0.0
    whites: float | None = None

    @property
    def redness(self) -> float:
        """How far the colours of lips and skin lie apart, in log without brightness."""
        return float(np.linalg.norm(_chroma(self.lips) - _chroma(self.skin)))

    @classmethod
    def of(cls, textures: U8, visible: U8) -> "Tone":
        """Of some faces, uint8 (n, S, S, 3) RGB, where they are seen, uint8 (n, S, S); if nowhere, as they are."""
        size, usual = textures.shape[1], []
        for region in (_skin(size) > 0, regions(size)["lips"]):
            seen = region & (visible > 128)
            colours = textures[seen] if seen.any() else textures[:, region].reshape(-1, 3)
            usual.append((np.median(colours, axis=0) / 255).astype(np.float32))
        some = slice(None, None, -(-len(textures) // FACES))
        tints = [_tints(x[v > 128]) for x, v in zip(textures[some], visible[some], strict=True) if (v > 128).any()]
        eyes, plain = (region & (visible > 128) for region in (regions(size)["eyes"], _skin(size) > 0))
        whites = [
            float(np.log((white(x[e].astype(np.float32)).mean() + 5) / (np.median(x[s], axis=0).mean() + 5)))
            for x, e, s in zip(textures, eyes, plain, strict=True)
            if e.sum() >= SEEN[0] and s.sum() >= SEEN[1]
        ]
        skin, lips = usual
        return cls(skin, lips, float(np.median(tints)) if tints else 0.0, float(np.median(whites)) if whites else None)


@dataclass(frozen=True, slots=True)
class Apart:
    """How two people's skins differ in their footage. tone: log difference of the brightness, 0 or more; tint: norm of
    the difference of the log colours without their brightness, 0 or more, beyond what the tone explains. paler: how
    much paler the second skin is in itself, log difference, below 0 where it is darker: as far as its brightness and
    that relative to the whites of the eyes agree, as the one depends on the light and the other on what shades eyes."""

    tone: float
    tint: float
    paler: float = 0.0

    @property
    def coloured(self) -> float:
        """Whether light of another colour makes them differ, 0-1."""
        return ramp(self.tint, TINGED)

    @property
    def trusted(self) -> float:
        """How much of the colours within a face is left when it comes from other light, 0-1: what coloured light hardly
        has of a colour is noise in footage, and the gain that brings it back makes skin blotchy and beards green."""
        return 1 - FADED * self.coloured

    @classmethod
    def of(cls, first: Tone, second: Tone) -> "Apart":
        """Of two people, which only ``paler`` tells apart."""
        log = np.log((second.skin + 0.02) / (first.skin + 0.02))
        brighter = float(log.mean())
        tone, paler = abs(brighter), 0.0
        if first.whites is not None and second.whites is not None:
            duller = first.whites - second.whites  # whites beside the second skin than beside the first
            paler = float(np.clip(duller, min(brighter, 0), max(brighter, 0)))
        return cls(tone, max(float(np.linalg.norm(log - log.mean())) - DARKER * min(tone, 1), 0), paler)


def saturation(seen: U8, visible: U8, actor: Tone, target: Tone) -> float:
    """How colourful the shot is as part of what the target's colours are, 0 (black and white, or sepia) to 1.

    Gains bring skin to the colour of a bleached or grey shot and leave lips and lids as red beside it as they were.
    Skin in such a shot is less warm, or all of the face is of more alike colours, as in bleached footage with a warm
    tint; and lips differ less from skin. In coloured light only the first is so, and with pale lips only the last: the
    larger share decides. A face that has one tint all over has no colour at all. Lips are as far from skin as they
    usually are in the actor's footage, or nearer by as much as all colours of the face are: lips of one frame tell of
    the smile that stretches them rather than of the shot. seen, visible: as in `feature_gain`; the actor's usual
    colours stand in for what something covers.
    """
    seen, visible = seen[::2, ::2], visible[::2, ::2]  # plenty for medians
    there = visible > 128
    rows = (_skin(seen.shape[0]) > 0) & there
    skin = np.median(seen[rows], axis=0) / 255 if rows.sum() >= 12 else actor.skin
    own, wanted = _chroma(skin), _chroma(target.skin)
    warm = (own[0] - own[2]) / max(float(wanted[0] - wanted[2]), 0.1)
    tints = _tints(seen[there]) if there.sum() >= 12 else actor.tints
    apart = actor.redness / max(target.redness, 0.05) * min(tints / max(actor.tints, TINTS), 1)
    rich = RICH * tints / max(target.tints, TINTS)
    share = float(np.clip(max(min(warm, rich), apart) / COLOURFUL, 0, 1) ** 1.5)
    return share * float(np.clip(tints / TINTS, 0, 1))


def _tints(colours: U8) -> float:
    """Root mean square distance of colours uint8 (n, 3) from their usual one, in log without brightness."""
    chroma = _chroma(colours / 255)
    return float(np.sqrt(np.square(chroma - np.median(chroma, axis=0)).sum(1).mean()))


def desaturate(lit: F32, share: float) -> F32:
    """A texture float32 (S, S, 3) 0-1 whose colours differ from its skin's by only ``share`` of what they did."""
    if share >= 1:
        return lit
    chroma = _chroma(lit)
    usual = np.median(chroma[_skin(lit.shape[0]) > 0], axis=0)
    return np.asarray(np.clip(lit * np.exp((share - 1) * (chroma - usual)), 0, 1), np.float32)


def matte(lit: F32, paler: float) -> F32:
    """A texture float32 (S, S, 3) 0-1 in the light of the shot without the shine that gains made of dark skin.

    What shines is added to the colour of skin and not multiplied with it, so the gain that makes dark skin pale makes
    too much of it. paler: by how much less dark the skin should have been, in log, see `Apart`; nothing is done below
    0. What shines is skin that is both brighter than the skin around and less coloured (dichromatic reflection model,
    Shafer 1985): highlights, and little of what is wider than `SHINE`.
    """
    share = 1 - 1 / min(float(np.exp(paler)), BRIGHTEST)
    if share <= 0:
        return lit
    size = lit.shape[0]
    skin = _skin(size)
    around = _widely(lit * skin[..., None], SHINE * size) / (_widely(skin, SHINE * size) + 1e-4)[..., None]
    colour = around / np.maximum(np.linalg.norm(around, axis=2, keepdims=True), 1e-3)
    # lit = a * colour + b * (1, 1, 1): b by least squares
    both = colour.sum(2)
    uncoloured = (lit.sum(2) - both * (lit * colour).sum(2)) / np.maximum(3 - both**2, 1e-2)
    usual = np.median(uncoloured[skin > 0])
    shine = np.minimum(uncoloured - usual, (lit - around).mean(2)) - DULL
    found = share * np.maximum(shine, 0) * blurred(skin, size / 64)
    return np.asarray(np.maximum(lit - found[..., None], 0), np.float32)


def _chroma(colours: npt.NDArray[np.floating[Any]]) -> F32:
    """Log colours (..., 3) without their brightness."""
    log = np.log(colours.astype(np.float32) + np.float32(0.03))
    return np.asarray(log - log.mean(-1, keepdims=True), np.float32)


def ramp(value: float, ends: tuple[float, float]) -> float:
    """0 up to the first of two ends, 1 from the second."""
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0, 1))


def _mean(picture: F32, rows: Bool) -> F32:
    """The mean colour of some texels of a picture float32 (S, S, 3): float32 (3,)."""
    return np.asarray(cv2.mean(picture, rows.astype(np.uint8))[:3], np.float32)


def white(colours: F32) -> F32:
    """The colour of the brightest of some texels float32 (n, 3): float32 (3,)."""
    brightness = colours.mean(1)
    return np.asarray(colours[brightness >= np.percentile(brightness, BRIGHT)].mean(0), np.float32)
