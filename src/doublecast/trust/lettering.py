"""Words on a picture: the label's translations, its fonts, and text drawn to a height in pixels.

The package's own font is Open Sans (SIL Open Font License, beside the file): Latin, Greek, Cyrillic, Hebrew.
"""

import hashlib
import io
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from doublecast.errors import InputError
from doublecast.types import F32

ENGLISH = "en"
WORDS = {
    "en": "AI-altered",
    "bg": "Променено с ИИ",  # noqa: RUF001
    "ca": "Modificat amb IA",
    "cs": "Upraveno pomocí AI",
    "da": "Ændret med AI",
    "de": "KI-verändert",
    "el": "Τροποποιημένο με AI",
    "es": "Modificado con IA",
    "et": "Tehisaruga muudetud",
    "fi": "Tekoälyllä muokattu",
    "fr": "Modifié par IA",
    "hr": "Izmijenjeno pomoću AI",
    "hu": "MI-vel módosítva",
    "id": "Diubah dengan AI",
    "is": "Breytt með gervigreind",
    "it": "Modificato con IA",
    "lt": "Pakeista naudojant DI",
    "lv": "Mainīts ar MI",
    "nb": "Endret med KI",
    "nl": "Bewerkt met AI",
    "pl": "Zmienione przez AI",
    "pt": "Alterado por IA",
    "ro": "Modificat cu IA",
    "ru": "Изменено с помощью ИИ",  # noqa: RUF001
    "sk": "Upravené pomocou AI",
    "sl": "Spremenjeno z UI",
    "sr": "Измењено помоћу ВИ",
    "sv": "Ändrad med AI",
    "tr": "YZ ile değiştirildi",
    "uk": "Змінено за допомогою ШІ",
    "vi": "Đã chỉnh sửa bằng AI",
}  #: "AI-altered" by language (ISO 639-1)
LONGEST = 60  #: characters of a label's text: more could not be read in a narrow picture
WEIGHT = 600  #: semi-bold: thin strokes do not survive compression
PLAIN, NARROW = 100, 75  #: width of the package's font in percent
_CHECKED = 64  # pixels per em at which glyphs are compared


def words(language: str) -> str:
    """ "AI-altered" in this language. InputError for one that is not in `WORDS`."""
    if language not in WORDS:
        known = ", ".join(WORDS)
        raise InputError(f"there is no label in {language!r}; known are {known}. Give your own words with --label-text")
    return WORDS[language]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Text as coverage. ink: float32 (h, w), 0-1, cut to the ink. base: row of the baseline; may lie outside."""

    ink: F32
    base: int


@lru_cache(maxsize=4)
def _data(path: Path | None) -> bytes:
    """A font file; None: the package's own."""
    if path is None:
        return (files("doublecast.assets") / "fonts" / "OpenSans.ttf").read_bytes()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the label's font cannot be read ({error.strerror}); name another --label-font"
        ) from error


def font_key(path: Path | None) -> str:
    """SHA-256 of a font file (None: the package's own), hex."""
    return hashlib.sha256(_data(path)).hexdigest()


def _font(path: Path | None, size: float, *, width: int = PLAIN, shaped: bool = True) -> ImageFont.FreeTypeFont:
    """A font at ``size`` pixels per em. shaped: joined and ordered as the script wants, where Raqm is there."""
    layout = None if shaped else ImageFont.Layout.BASIC
    try:
        font = ImageFont.truetype(io.BytesIO(_data(path)), size, layout_engine=layout)
        font.getbbox("x")
    except OSError as error:
        raise InputError(f"{path}: is no font that can be scaled ({error}); name a .ttf or .otf file") from error
    if path is None:
        font.set_variation_by_axes([WEIGHT, width])
    return font


@lru_cache(maxsize=16)
def lacking(text: str, path: Path | None) -> str:
    """The characters of a text that the font has no glyph for, each once."""
    font = _font(path, _CHECKED, shaped=False)
    none = font.getmask("\U0010fffe")  # no character, so what is drawn is the mark for missing ones
    missing = []
    for letter in dict.fromkeys(text):
        if letter == " " or unicodedata.category(letter) == "Cf":
            continue
        drawn = font.getmask(letter)
        if drawn.getbbox() is None or (drawn.size, bytes(drawn)) == (none.size, bytes(none)):
            missing.append(letter)
    return "".join(missing)


def check_text(text: str, path: Path | None) -> None:
    """Raise InputError unless a label of this text can be drawn with this font and read."""
    if not text.isprintable() or len(text) > LONGEST or sum(letter.isalnum() for letter in text) < 2:
        raise InputError(
            f"the label's text must be one line of 2 letters to {LONGEST} characters, got {text!r}; mend --label-text"
        )
    missing = lacking(text, path)
    if missing:
        named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in missing)
        font = "the package's font" if path is None else str(path)
        raise InputError(
            f"the label's text {text!r} needs characters that {font} does not have: {named}. "
            "Name a font file that has them with --label-font"
        )
    if not features.check("raqm") and any(_is_complex(letter) for letter in text):
        raise InputError(
            f"the label's text {text!r} is of a script that needs shaping, and this installation of Pillow has no Raqm "
            "(on most systems the library FriBiDi is missing: install it), or write the label in another script"
        )


def _is_complex(letter: str) -> bool:
    """Whether a letter is written from right to left or joined with others."""
    return unicodedata.bidirectional(letter) in {"R", "AL"} or unicodedata.category(letter) in {"Mn", "Mc"}


@lru_cache(maxsize=16)
def _capital(path: Path | None) -> float:
    """Height of a capital letter in ems; of the tallest letters that are there in a font without capitals."""
    font = _font(path, 1000, shaped=False)
    sample = "H" if not lacking("H", path) else "\N{CJK UNIFIED IDEOGRAPH-4E2D}"
    return max(-font.getbbox(sample, anchor="ls")[1] / 1000, 0.3)


def draw_text(text: str, path: Path | None, capital: float, *, width: int = PLAIN) -> Drawn:
    """Draw a line of text whose capital letters are ``capital`` pixels high.

    width: of the package's font in percent, `NARROW` to `PLAIN`; other fonts have one width.
    """
    font = _font(path, max(capital / _capital(path), 1.0), width=width)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text, anchor="ls"))
    room = 4  # what antialiasing may need beyond the box
    canvas = Image.new("L", (right - left + 2 * room, bottom - top + 2 * room))
    ImageDraw.Draw(canvas).text((room - left, room - top), text, fill=255, font=font, anchor="ls")
    ink = np.asarray(canvas, np.float32) / np.float32(255)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):  # too small to leave a trace
        return Drawn(np.zeros((1, 1), np.float32), 1)
    return Drawn(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy(), room - top - int(rows[0]))
