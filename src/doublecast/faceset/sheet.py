"""Contact sheets: many faces in one picture, to look at a faceset or to choose a person."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from doublecast.disk import atomic_write, disk_message
from doublecast.errors import OutputError
from doublecast.faceset.record import StoredFace
from doublecast.types import U8

_BACK, _INK = (24, 24, 24), (235, 235, 235)
_LINE = 14  # pixels of a line of text
SUFFIXES = (".png", ".jpg", ".jpeg")  #: kinds of files a sheet is written as


def _text(picture: U8, text: str, x: int, y: int, width: int) -> None:
    """Write one line with its base at (x, y), shortened to fit."""
    plain = text.encode("ascii", "replace").decode()  # the fonts of OpenCV have no other letters
    while plain and cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)[0][0] > width:
        plain = plain[:-1]
    cv2.putText(picture, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA)


def caption(face: StoredFace, reason: str = "") -> str:
    """Two short lines about a face: its id, then frame and pose, or why it is set aside."""
    return f"{face.id}\n" + (reason or f"{face.index} y{face.face.pose.yaw:+.0f} p{face.face.pose.pitch:+.0f}")


def contact_sheet(
    faces: Sequence[StoredFace], captions: Sequence[str] = (), *, columns: int = 10, tile: int = 112, title: str = ""
) -> U8:
    """Faces in rows of ``columns``: uint8 (H, W, 3) RGB.

    faces: with crops. captions: a text of one or two lines per face (default: `caption`). Reads left to right.
    ValueError for a face without a crop.
    """
    texts = list(captions) or [caption(face) for face in faces]
    rows = max(1, -(-len(faces) // columns))
    head = 2 * _LINE if title else 0
    high = tile + 2 * _LINE + 4
    picture = np.full((head + rows * high, columns * tile, 3), _BACK, np.uint8)
    _text(picture, title, 4, _LINE + 4, columns * tile - 8)
    for n, (face, text) in enumerate(zip(faces, texts, strict=True)):
        if face.crop is None:
            raise ValueError(f"face {face.id} was loaded without its crop")
        x, y = n % columns * tile, head + n // columns * high
        small = cv2.resize(face.crop.pixels, (tile - 2, tile - 2), interpolation=cv2.INTER_AREA)
        picture[y + 1 : y + tile - 1, x + 1 : x + tile - 1] = small
        for line, words in enumerate(text.splitlines()[:2]):
            _text(picture, words, x + 2, y + tile + (line + 1) * _LINE - 3, tile - 4)
    return picture


def row_height(*, tile: int = 128) -> int:
    """Pixels of one person's row in `person_sheet`."""
    return tile + 4 * _LINE + 4


def person_sheet(groups: Sequence[tuple[str, Sequence[StoredFace]]], *, columns: int = 6, tile: int = 128) -> U8:
    """One row per person, each under its title: uint8 (H, W, 3) RGB."""
    rows = [contact_sheet(faces[:columns], columns=columns, tile=tile, title=title) for title, faces in groups]
    return np.concatenate(rows)


def save_sheet(path: Path, pixels: U8) -> Path:
    """Write a sheet atomically, as PNG or JPEG by suffix. OutputError when it cannot be written."""
    suffix = path.suffix.lower() or ".png"
    if suffix not in SUFFIXES:
        raise OutputError(f"{path}: a contact sheet cannot be written as {suffix}. Use {' or '.join(SUFFIXES)}.")
    _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(disk_message(path, error)) from error
    atomic_write(path, data.tobytes())
    return path
