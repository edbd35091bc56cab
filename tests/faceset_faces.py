"""Faces for the tests of facesets: generated people (see people.py) as tracks in takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from doublecast.faces.geometry import pose
from doublecast.faceset import FaceStore, StoredFace, cut, face_id
from doublecast.types import F32, U8, VECTOR, Face

RATE = Fraction(1, 25)


@dataclass(frozen=True)
class FakeTake:
    """Stands for doublecast.video's Take and TakeInfo."""

    name: str
    files: tuple[Path, ...] = ()
    kind: str = "video"
    width: int = 256
    height: int = 256
    seconds: float | None = 4.0

    def key(self) -> str:
        return f"key-of-{self.name}"


def vector(person: int, seed: int = 0) -> F32:
    """An identity vector: people are .85 apart, one person's vectors .3."""
    base = np.random.default_rng(person).normal(size=VECTOR)
    own = np.random.default_rng(1000 + seed).normal(size=VECTOR)
    spread = 0.6 * base / np.linalg.norm(base) + 0.21 * own / np.linalg.norm(own)
    return spread.astype(np.float32)


def make(
    points: F32,
    index: int,
    pixels: U8,
    *,
    take: FakeTake | None = None,
    number: int = 0,
    n: int = 0,
    track: int = 0,
    person: int | None = None,
    sharpness: float = 0.2,
    presence: float = 1.0,
    mouth: float = 0.1,
) -> StoredFace:
    """A stored face; ``person`` gives it an identity vector."""
    take = take or FakeTake("a")
    known = None if person is None else vector(person, index)
    face = Face(points, track, presence, pose(points), (0.3, 0.28), mouth, sharpness, known)
    return StoredFace(face_id(number, index, n), take.key(), index, index * 2, RATE / 2, face, cut(pixels, points))


def fill(store: FaceStore, faces: Sequence[StoredFace], take: FakeTake, *, finish: bool = True) -> None:
    """Store a whole take."""
    store.begin_take(take, take)
    store.append(faces, take=take.key(), frames_done=max((f.index for f in faces), default=0) + 1)
    if finish:
        store.finish_take(take.key())
