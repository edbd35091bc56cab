"""Still pictures: read anything, make PNG files that carry text."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from doublecast.types import U8

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> U8 | None:
    """uint8 (H, W, 3) RGB, upright by EXIF, 16 bits cut to 8, alpha dropped; None if it is not a readable picture."""
    try:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if picture is None else np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def encode_png(pixels: U8, text: Mapping[str, str] | None = None, *, level: int = 3) -> bytes:
    """PNG file of uint8 (H, W, 3) RGB; ``text`` becomes tEXt chunks (iTXt where Latin-1 does not suffice)."""
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, level])
    if not done:
        raise ValueError(f"no PNG can hold {pixels.shape} {pixels.dtype}")
    body = data.tobytes()
    head = len(SIGNATURE) + 25  # the IHDR chunk is 25 bytes long
    return body[:head] + b"".join(_chunk(key, value) for key, value in (text or {}).items()) + body[head:]


def encode_jpeg(pixels: U8, quality: int, *, width: int | None = None) -> bytes:
    """A picture uint8 (H, W, 3) RGB as JPEG, made smaller where it is wider than ``width`` pixels. quality: 0-100."""
    if width is not None and pixels.shape[1] > width:
        size = width, max(1, round(pixels.shape[0] * width / pixels.shape[1]))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"no JPEG can hold {pixels.shape} {pixels.dtype}")
    return data.tobytes()


def _chunk(key: str, value: str) -> bytes:
    try:
        kind, data = b"tEXt", key.encode("latin-1") + b"\0" + value.encode("latin-1")
    except UnicodeEncodeError:
        kind, data = b"iTXt", key.encode("latin-1", "replace") + b"\0\0\0\0\0" + value.encode()
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def read_png_text(path: Path) -> dict[str, str]:
    """The text chunks of a PNG file, by key."""
    data, at, found = path.read_bytes(), len(SIGNATURE), {}
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"tEXt":
            key, _, value = body.partition(b"\0")
            found[key.decode("latin-1")] = value.decode("latin-1")
        elif kind == b"iTXt":
            key, _, rest = body.partition(b"\0")
            found[key.decode("latin-1")] = rest[2:].split(b"\0", 2)[2].decode()
        at += 12 + size
    return found
