"""Facesets of thousands of faces, for what has to be quick: few drawn people, repeated over takes and tracks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from faceset_faces import RATE, FakeTake, make, vector
from people import head, picture, skin

from doublecast.faceset import FaceStore, StoredFace, face_id
from doublecast.faceset.record import SCHEMA, to_arrow
from doublecast.production import SIDES, Production, TakeInput
from doublecast.types import VECTOR

TAKES = 4  #: takes of a generated store
TRACK = 250  #: faces per track
VECTORS = 15  #: every so many faces have an identity vector
REASONS = ("blurred", "occluded", "near-duplicate", "turned away")
TILE = 480  #: faces that are repeated


def _drawn(take: FakeTake, scale: float) -> list[StoredFace]:
    """Some faces of two people, turned this way and that."""
    found, size = [], int(scale * 3)
    for n in range(16):
        yaw, pitch = n % 8 * 9 - 31, n % 5 * 6 - 12
        points = head(yaw, pitch, centre=(size / 2, size / 2), scale=scale, mouth=n % 3 * 0.04)
        pixels = picture(points, skin(n % 2), size)
        found.append(make(points, n, pixels, take=take, sharpness=0.05 + n / 60, mouth=n % 3 * 0.1))
    return found


def _columns(number: int, index: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """The columns in which repeated faces differ."""
    yield "id", pa.array([face_id(number, int(i), 0) for i in index], pa.int64())
    yield "index", pa.array(index)
    yield "pts", pa.array(index * 2)
    yield "seconds", pa.array(index * float(RATE))
    yield "track", pa.array(index // TRACK)
    for name, middle, spread in (("yaw", 0, 15), ("pitch", 0, 8), ("mouth", 0.15, 0.05), ("sharpness", 0.3, 0.05)):
        yield name, pa.array(rng.normal(middle, spread, len(index)).astype(np.float32))
    known = [vector(int(i) // TRACK % 8 == 7, int(i)) if i % VECTORS == 0 else None for i in index]
    yield "vector", pa.array(known, pa.list_(pa.float32(), VECTOR))


def many_faces(folder: Path, n: int = 10_000, *, name: str = "take", scale: float = 60) -> FaceStore:
    """A curated store of ``n`` faces in `TAKES` takes: every eighth track is another person's, some are set aside.

    name: begins the names of the takes. scale: pixels between the outer eye corners; 60 gives crops of 192 px.
    """
    store, rng = FaceStore(folder), np.random.default_rng(0)
    for number in range(TAKES):
        count = n * (number + 1) // TAKES - n * number // TAKES
        take = FakeTake(f"{name}{number}", (folder / f"{name}{number}.mp4",), width=1280, height=720)
        store.begin_take(take, take)
        drawn = to_arrow(_drawn(take, scale), number)
        tile = drawn.take([i % len(drawn) for i in range(TILE)])
        for start in range(0, count, TILE):
            part = tile.slice(0, min(TILE, count - start))
            for column, data in _columns(number, np.arange(start, start + len(part)), rng):
                at = SCHEMA.get_field_index(column)
                part = part.set_column(at, SCHEMA.field(at), data)
            lance.write_dataset(part, str(folder / "faces.lance"), schema=SCHEMA, mode="append")
        store.append([], take=take.key(), frames_done=count)
        store.finish_take(take.key())
    table = store.table()
    person = (table.track % 8 == 7).astype(np.int32)
    reason = ["other person" if p else REASONS[i // 6 % 4] if i % 6 == 5 else "" for i, p in enumerate(person)]
    store.assign(table.id, person, reason, f"curated {len(table)} faces of 2 persons")
    return store


def many_production(folder: Path, n: int = 10_000, *, scale: float = 60) -> Path:
    """A whole production with ``n`` faces on each side; the takes' files are not there."""
    with Production(folder) as job:
        for side in SIDES:
            store = many_faces(job.side(side), n, name=side, scale=scale)
            job.set_inputs(side, [TakeInput(take.name, take.key, "video", take.files) for take in store.takes()])
    return folder
