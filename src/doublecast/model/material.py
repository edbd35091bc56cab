"""The faces that a run trains on: textures in memory, and how often each is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from doublecast.errors import NoFaceError
from doublecast.faceset import FaceStore, FaceTable
from doublecast.model import occlusion
from doublecast.model.exposure import unwrap_developed
from doublecast.types import F64, I64, U8, Face

MEMORY = 320_000_000  #: bytes of textures per side at most
FEWEST = 10  #: faces a side needs


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """One side. textures: uint8 (N, 3, S, S); visible: uint8 (N, 1, S, S); chance: float32 (N,), sums to 1; vector:
    the person's mean identity vector float32 (128,), None where no face has one. taught: uint8 (N, 1, S, S), how much
    a texel counts in training; None: as much as it is visible."""

    textures: Tensor
    visible: Tensor
    chance: Tensor
    ids: I64
    vector: Tensor | None = None
    taught: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)


def rarity(table: FaceTable) -> F64:
    """How often each face is drawn, float64 (N,), sums to 1: rare poses, mouths and lids more often than their share.

    One over the square root of how many faces share a bin of yaw, pitch, mouth and eye opening.
    """
    bins = np.stack(
        [
            np.round(table.yaw / 10),
            np.round(table.pitch / 10),
            np.round(table.mouth / 0.12),
            np.round((table.eye_left + table.eye_right) / 2 / 0.08),
        ],
        1,
    ).astype(np.int64)
    _, which, counts = np.unique(bins, axis=0, return_inverse=True, return_counts=True)
    weight: F64 = 1 / np.sqrt(counts[which.ravel()])
    weight /= weight.sum()
    return weight


def spread(count: int, limit: int) -> I64:
    """At most ``limit`` of ``count`` indices, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def gather(store: FaceStore, size: int, side: str) -> Material:
    """Unwrap the kept faces of the main identity of a side. Raises NoFaceError when there are fewer than `FEWEST`."""
    table = store.table()
    table = table.where((table.person == 0) & table.kept)
    if len(table.id) < FEWEST:
        raise NoFaceError(
            f"the {side}'s faceset has {len(table.id)} usable faces, at least {FEWEST} are needed. "
            "Add footage that shows the face larger, sharper or longer, "
            "or bring faces back with `doublecast faces restore`."
        )
    usable = table.id
    table = table.where(spread(len(table.id), MEMORY // (size * size * 5)))
    textures, visible, taught = unwrapped(store, table.id, size)
    chance = torch.from_numpy(rarity(table).astype(np.float32))
    return Material(textures, visible, chance, table.id, _mean_vector(store, usable), taught)


def textures_of(store: FaceStore, ids: I64, size: int) -> Iterator[tuple[Face, U8, U8]]:
    """These faces, each with its texture uint8 (S, S, 3), see `exposure`, and visibility uint8 (S, S).

    Raises ValueError for a face that has no crop.
    """
    for stored in store.each(ids, crops=True):
        if stored.crop is None:
            raise ValueError(f"face {stored.id} was loaded without its crop")
        points = stored.crop.alignment.apply(stored.face.points)
        texture, visible, _ = unwrap_developed(stored.crop.pixels, points, size)
        yield stored.face, texture, visible


def unwrapped(store: FaceStore, ids: I64, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Textures uint8 (N, 3, S, S) of one person's faces, see `exposure`, visibility uint8 (N, 1, S, S), in which what
    something covers or no face shows well is hidden, and how much each texel counts in training, uint8 (N, 1, S, S):
    see `occlusion.fill` and `other_side`."""
    shown = np.empty((len(ids), size, size, 3), np.uint8)
    visible = np.empty((len(ids), size, size), np.uint8)
    for row, (_, *found) in enumerate(textures_of(store, ids, size)):
        shown[row], visible[row] = found
    pictures = torch.from_numpy(shown).permute(0, 3, 1, 2).contiguous()
    seen = torch.from_numpy(visible)[:, None]
    bare = occlusion.bare(seen, occlusion.usual(occlusion.coverage(pictures, seen)))
    unknown = occlusion.other_side(bare)
    bare = (bare * (1 - unknown)).round().to(torch.uint8)
    filled, taught = occlusion.fill(pictures, torch.maximum(seen, (255 * unknown).round().to(torch.uint8)), bare)
    return filled, bare, taught


def _mean_vector(store: FaceStore, ids: I64) -> Tensor | None:
    """Mean identity vector of those of these faces that have one."""
    known, vectors = store.vectors()
    mine = vectors[np.isin(known, ids)]
    return torch.from_numpy(mine.mean(0)) if len(mine) else None
