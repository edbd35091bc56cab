"""The visible label: white words on a darkened box or strip, in every picture that was altered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
import numpy.typing as npt

from doublecast.disk import key_of
from doublecast.errors import InputError
from doublecast.trust.lettering import ENGLISH, NARROW, PLAIN, check_text, draw_text, font_key, words
from doublecast.types import F32, U8, Bool, Patch
from doublecast.video import composite

Corner: TypeAlias = Literal["bottom-left", "bottom-right", "top-left", "top-right"]
Style: TypeAlias = Literal["corner", "bar", "first-seconds", "none"]
CORNERS: tuple[Corner, ...] = get_args(Corner)  #: in the order in which they are preferred
STYLES: tuple[Style, ...] = get_args(Style)
LOOK = 2  #: raise it when the same label would be drawn differently
SMALLEST = 10  #: least capital height in a picture, in pixels, as long as the text fits
DARK = 0.67  #: how much of the picture behind the text is darkened: WCAG contrast 7:1 over white
FIRST = 3.0  #: seconds for which "first-seconds" is large
LARGE, SMALL = 2.4, 0.7  #: its capital height then and afterwards, as a multiple of the label's
SEEN = 0.5  #: `seen` from here on means that the label is there; tests/test_trust_label.py prints what lies around it
_AROUND = 0.15  # share of a face's box by which hair and chin lie beyond it
_RESIZED = (0.5, 2.0, 2 / 3, 1.5, 0.75)  # by which films are made smaller or larger after they were labelled
_SMALLEST_FILM, _LARGEST_FILM = 64, 4096  # sides in pixels of films for which that is tried
_SEARCH = 2  # pixels to every side in which `seen` looks for the label


@dataclass(frozen=True)
class Label:
    """What is written into altered pictures, how and where.

    style: "corner", a small box in a corner; "bar", a strip across the picture; "first-seconds", a box `LARGE` times
    as high for the first `FIRST` seconds and `SMALL` times as high afterwards; "none", nothing in films (previews and
    reports have the corner then, see `for_pictures`). corner: where; the bar takes its top or bottom; None: where no
    face is (see `away_from`), else bottom left. text: own words instead of those of the ``language`` (ISO 639-1, see
    `lettering.WORDS`; None: English). font: a TrueType or OpenType file for scripts that the package's font lacks.
    height: of a capital letter as a share of the picture's height; never under 10 pixels unless the text does not fit.

    Raises InputError for words that cannot be drawn, ValueError for anything else that cannot be.
    """

    style: Style = "corner"
    corner: Corner | None = None
    text: str | None = None
    language: str | None = None
    font: Path | None = None
    height: float = 0.025

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"the label's style must be one of {', '.join(STYLES)}, got {self.style!r}")
        if self.corner is not None and self.corner not in CORNERS:
            raise ValueError(f"the label's corner must be one of {', '.join(CORNERS)}, got {self.corner!r}")
        if not 0.01 <= self.height <= 0.08:
            raise ValueError(f"the label's height must be from 0.01 to 0.08 of the picture's, got {self.height}")
        if self.text is not None and self.language is not None:
            raise InputError("give either --label-text or --label-language: the text is written as it is")
        check_text(self.words, self.font)

    @property
    def words(self) -> str:
        """What is written."""
        return words(self.language or ENGLISH) if self.text is None else self.text

    @property
    def key(self) -> str:
        """Hash of all that the drawn label depends on: a render goes on only with the same one."""
        own = (self.style, self.corner, self.words, self.language, self.height)
        return key_of("label", LOOK, *own, font_key(self.font))

    def declared(self) -> dict[str, str]:
        """What credentials say about it: style and, where there is one, text, language ("" for own words), corner,
        height, and the SHA-256 of a font of the user's own. `declared_label` reads it."""
        if self.style == "none":
            return {"style": "none"}
        language = "" if self.text is not None else self.language or ENGLISH
        said = {"style": self.style, "text": self.words, "language": language, "corner": self.corner or CORNERS[0]}
        said["height"] = f"{self.height:g}"
        return said if self.font is None else {**said, "font": font_key(self.font)}

    def for_pictures(self) -> "Label":
        """The label for previews, reports and other stills of this tool, which always have one."""
        return replace(self, style="corner") if self.style == "none" else self

    def away_from(self, boxes: npt.NDArray[np.floating[Any]], size: tuple[int, int]) -> "Label":
        """With a corner, chosen once for a whole film: the one that was asked for, else see `free_corner`.

        boxes: (N, 4) left, top, right, bottom in pixels, of all faces in all frames. size: width, height.
        """
        if self.corner is not None or self.style == "none":
            return self
        return replace(self, corner=free_corner(boxes, size, self))

    def patch(self, pixels: U8, patches: Sequence[Patch] = (), *, seconds: float = 0.0) -> Patch | None:
        """The label for a picture, uint8 (H, W, 3), in which ``patches`` will have been put before it.

        seconds: of presentation after the film's first frame. None for style "none".
        """
        look = self._look(pixels.shape[1], pixels.shape[0], seconds)
        if look is None:
            return None
        x, y, (h, w) = look.x, look.y, look.mask.shape
        moved = [Patch(patch.x - x, patch.y - y, patch.pixels, patch.mask) for patch in patches]
        behind = composite(pixels[y : y + h, x : x + w], moved)
        return Patch(x, y, np.rint(behind * look.keep + look.add).astype(np.uint8), look.mask)

    def _look(self, width: int, height: int, seconds: float) -> "_Look | None":
        if self.style == "none":
            return None
        share = self.height
        if self.style == "first-seconds":
            share *= LARGE if seconds < FIRST else SMALL
        corner = self.corner or CORNERS[0]
        return _look(self.words, self.font, self.style == "bar", corner, max(share * height, SMALLEST), width, height)


def declared_label(said: Mapping[str, object]) -> Label | None:
    """The label that was declared, to look for it with `seen`; None where that cannot be drawn here.

    said: as `Label.declared` gives it, but whatever it holds, since it comes out of a file.
    """
    if said.get("style") == "none":
        return Label("none")
    values = {name: said.get(name) for name in ("style", "corner", "text", "height")}
    if "font" in said or not all(isinstance(value, str) for value in values.values()):
        return None
    style, corner, text, height = (str(value) for value in values.values())
    try:
        return Label(style, corner, text, height=float(height))  # type: ignore[arg-type]  # it checks
    except (InputError, ValueError):
        return None


def labelled(pixels: U8, label: Label) -> U8:
    """A copy of a still, uint8 (H, W, 3), with the label in it, whatever its style."""
    patch = label.for_pictures().patch(pixels)
    return composite(pixels, [] if patch is None else [patch])


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A label drawn for one size of picture.

    x, y: of its box, which lies inside the picture. keep, add: float32 (h, w, 3), new = old * keep + add. mask: bool
    (h, w). ink: float32 (h', w'), coverage of the letters alone, whose top left pixel is (ink_x, ink_y) of the picture.
    capital: height of a capital letter in pixels.
    """

    x: int
    y: int
    keep: F32
    add: F32
    mask: Bool
    ink: F32
    ink_x: int
    ink_y: int
    capital: float


@lru_cache(maxsize=32)
def _look(text: str, font: Path | None, bar: bool, corner: Corner, capital: float, width: int, height: int) -> _Look:
    """Draw a label whose capital letters are ``capital`` pixels high, or smaller where that does not fit."""
    for wide, side in ((PLAIN, 0.6), (NARROW, 0.6), (NARROW, 0.2)):  # rather narrower letters than smaller ones
        drawn = draw_text(text, font, capital, width=wide)
        room = round(side * capital)
        factor = min(1.0, (width - 2 * room) / drawn.ink.shape[1], height / (2.1 * capital))
        if factor == 1:
            break
    else:
        capital = max(capital * max(factor, 0.0), 1.0)
        drawn, room = draw_text(text, font, capital, width=NARROW), round(0.2 * capital)
    ink = drawn.ink[:height, :width]
    rise = max(round(0.55 * capital), 1)  # above capitals and below the baseline; accents and descenders lie in it
    top = max(drawn.base, round(capital)) + rise
    above = max(top, drawn.base + rise // 2)
    below = max(rise, len(ink) - drawn.base + rise // 2)
    h = min(above + below, height)
    w = width if bar else min(ink.shape[1] + 2 * room, width)
    margin = 0 if bar else round(0.012 * height)
    x = 0 if bar else _inside(margin if corner.endswith("left") else width - w - margin, width - w)
    y = _inside(margin if corner.startswith("top") else height - h - margin, height - h)
    left, up = _inside((w - ink.shape[1]) // 2, w - ink.shape[1]), _inside(above - drawn.base, h - len(ink))
    cover = np.zeros((h, w), np.float32)
    cover[up : up + len(ink), left : left + ink.shape[1]] = ink
    shade = np.full((h, w), DARK, np.float32) if bar else DARK * _rounded(h, w, 0.35 * capital)
    keep = (1 - shade) * (1 - cover)
    mask = np.asarray(keep < 1, np.bool_)
    return _Look(x, y, _three(keep), _three(255 * cover), mask, ink, x + left, y + up, capital)


def _three(layer: F32) -> F32:
    return np.ascontiguousarray(np.repeat(layer[:, :, None], 3, 2), np.float32)


def _inside(at: int, most: int) -> int:
    return max(0, min(at, most))


def _rounded(height: int, width: int, radius: float) -> F32:
    """Coverage of a box with round corners, float32 (height, width)."""
    y, x = np.ogrid[:height, :width]
    reach = min(radius, height / 2, width / 2)
    dx = np.maximum(reach - np.minimum(x + 0.5, width - x - 0.5), 0)
    dy = np.maximum(reach - np.minimum(y + 0.5, height - y - 0.5), 0)
    return np.clip(reach - np.hypot(dx, dy) + 0.5, 0, 1).astype(np.float32)


def free_corner(boxes: npt.NDArray[np.floating[Any]], size: tuple[int, int], label: Label) -> Corner:
    """The corner in which the label covers least of the faces; of equal ones the first of `CORNERS`.

    boxes: (N, 4) left, top, right, bottom in pixels. size: the picture's width, height. A bar lies at bottom or top.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4), got {boxes.shape}")
    grown = boxes.astype(np.float64)
    around = _AROUND * (grown[:, 2:] - grown[:, :2])
    grown = np.hstack([grown[:, :2] - around, grown[:, 2:] + around])
    corners: tuple[Corner, ...] = ("bottom-left", "top-left") if label.style == "bar" else CORNERS
    return min(corners, key=lambda corner: _covered(grown, size, replace(label, corner=corner)))


def _covered(boxes: npt.NDArray[np.float64], size: tuple[int, int], label: Label) -> float:
    """Pixels of the boxes that the label lies on, over all of them."""
    look = label._look(*size, 0.0)
    if look is None:
        return 0.0
    h, w = look.mask.shape
    wide = np.minimum(boxes[:, 2], look.x + w) - np.maximum(boxes[:, 0], look.x)
    tall = np.minimum(boxes[:, 3], look.y + h) - np.maximum(boxes[:, 1], look.y)
    return float((np.maximum(wide, 0) * np.maximum(tall, 0)).sum())


def seen(pixels: U8, label: Label, *, seconds: float = 0.0) -> float:
    """How sure it is that this label is in a picture: correlation of its letters with the luma at their place, -1 to 1.

    pixels: uint8 (H, W, 3), also of a film that was compressed again, or brought to another size, after it was
    labelled; `SEEN` and more means there. A label without a corner is looked for in all of them. seconds: after the
    film's first frame. 0.0 for style "none".
    """
    if label.style == "none":
        return 0.0
    corners = CORNERS if label.corner is None else (label.corner,)
    labels = [replace(label, corner=corner) for corner in corners]
    height, width = pixels.shape[:2]
    best = -1.0
    for factor in (1.0, *_RESIZED):
        size = max(1, round(width / factor)), max(1, round(height / factor))
        if factor != 1 and not (min(size) >= _SMALLEST_FILM and max(size) <= _LARGEST_FILM):
            continue
        before = pixels if factor == 1 else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        looks = (own._look(*size, seconds) for own in labels)
        best = max(best, *(_correlation(before, look) for look in looks if look is not None))
        if best >= SEEN:
            return best
    return best


def _correlation(pixels: U8, look: _Look) -> float:
    """The highest within `_SEARCH` pixels."""
    (h, w), edge = look.ink.shape, _SEARCH
    left, top = max(look.ink_x - edge, 0), max(look.ink_y - edge, 0)
    part = pixels[top : look.ink_y + h + edge, left : look.ink_x + w + edge]
    grey = _fine(np.asarray(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), np.float32), look.capital)
    ink = _fine(255 * look.ink, look.capital)
    best = -1.0
    for y in range(grey.shape[0] - h + 1):
        for x in range(grey.shape[1] - w + 1):
            behind = grey[y : y + h, x : x + w]
            behind = behind - behind.mean()
            least = 4.0 * np.sqrt(behind.size)  # what is fainter than 4 steps is no label
            size = np.linalg.norm(ink) * max(float(np.linalg.norm(behind)), least)
            best = max(best, float((ink * behind).sum() / max(float(size), 1e-6)))
    return best


def _fine(grey: F32, capital: float) -> F32:
    """What is finer than letters are high."""
    side = 2 * max(round(0.75 * capital), 1) + 1
    fine = grey - cv2.blur(grey, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(fine - fine.mean(), np.float32)
