"""What the mark says: 64 bits = film id (40), version of the mark (4), checksum (20)."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Self

import numpy as np

from doublecast.types import U8

VERSION = 1  #: of the mark: carriers, code and payload
ID_BITS, VERSION_BITS, CHECK_BITS = 40, 4, 20
BITS = ID_BITS + VERSION_BITS + CHECK_BITS


@dataclass(frozen=True)
class FilmId:
    """The random name of one film. text: 10 lowercase hex digits. Raises ValueError for anything else."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{10}", self.text):
            raise ValueError(f"a film id has 10 lowercase hex digits, got {self.text!r}")

    @classmethod
    def random(cls) -> Self:
        """A new id: 40 bits of the operating system's randomness."""
        return cls(secrets.token_hex(ID_BITS // 8))

    def __str__(self) -> str:
        return self.text


def pack(film: FilmId, version: int = VERSION) -> U8:
    """The payload: uint8 (64,) of 0 and 1, highest bit first."""
    number = (int(film.text, 16) << VERSION_BITS | version) << CHECK_BITS | _checksum(film.text, version)
    return np.array([number >> (BITS - 1 - k) & 1 for k in range(BITS)], np.uint8)


def unpack(bits: U8) -> tuple[FilmId, int] | None:
    """Film id and version of a payload as `pack` makes them; None where the checksum does not fit."""
    number = int("".join(map(str, bits.tolist())), 2)
    text = f"{number >> (VERSION_BITS + CHECK_BITS):010x}"
    version = number >> CHECK_BITS & ((1 << VERSION_BITS) - 1)
    if number & ((1 << CHECK_BITS) - 1) != _checksum(text, version):
        return None
    return FilmId(text), version


def _checksum(text: str, version: int) -> int:
    digest = hashlib.sha256(f"doublecast watermark {version} {text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> (32 - CHECK_BITS)
