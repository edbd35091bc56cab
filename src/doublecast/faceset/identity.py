"""Who is who: the tracks of a store gathered into persons by their identity vectors."""

from dataclasses import dataclass

import numpy as np

from doublecast.faceset.record import FaceTable
from doublecast.types import F32, F64, I32, I64, Bool

SAME = 0.55  #: mean distance of identity vectors below which two groups are one person (dlib vectors: see docs)
_GAP = 15  # frames that a track may be lost and still be continued by another one
_OVERLAP = 0.3  # intersection over union of the boxes at both ends of such a gap


@dataclass(eq=False)
class _Group:
    """Tracks of one person: number of vectors, their mean, and their mean squared distance from it."""

    tracks: list[int]
    weight: float
    mean: F64
    spread: float

    def distance(self, other: "_Group") -> float:
        """Root mean square distance between the vectors of two groups, from their means and spreads."""
        gap = self.mean - other.mean
        return float(np.sqrt(gap @ gap + self.spread + other.spread))

    def join(self, other: "_Group") -> "_Group":
        """Both groups as one."""
        weight = self.weight + other.weight
        a, b = self.weight / weight, other.weight / weight
        gap = self.mean - other.mean
        spread = a * self.spread + b * other.spread + a * b * float(gap @ gap)
        return _Group(self.tracks + other.tracks, weight, a * self.mean + b * other.mean, spread)


def _group(track: int, vectors: F64) -> _Group:
    """A track as a group, from the half of its vectors nearest to their median (a hand spoils single ones)."""
    away = np.linalg.norm(vectors - np.median(vectors, 0), axis=1)
    good = vectors[np.argsort(away, kind="stable")[: max(1, (len(vectors) + 1) // 2)]]
    mean = good.mean(0)
    return _Group([track], float(len(vectors)), mean, float(((good - mean) ** 2).sum(1).mean()))


def _cluster(groups: list[_Group]) -> list[_Group]:
    """Average-linkage clustering: every track joins its nearest group, long tracks first, then groups are merged."""
    found: list[_Group] = []
    for group in sorted(groups, key=lambda g: (-g.weight, g.tracks)):
        distances = [group.distance(other) for other in found]
        if distances and min(distances) < SAME:
            nearest = int(np.argmin(distances))
            found[nearest] = found[nearest].join(group)
        else:
            found.append(group)
    while len(found) > 1:
        pairs = [(a.distance(b), i, j) for i, a in enumerate(found) for j, b in enumerate(found[:i])]
        distance, i, j = min(pairs)
        if distance >= SAME:
            break
        found[j] = found[j].join(found.pop(i))
    return found


def overlap(a: F32, b: F32) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inner = float(np.prod(np.maximum(sides, 0)))
    return inner / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - inner, 1e-6)


def _continued(table: FaceTable, code: I64, person: I32, track: int) -> int:
    """The person of the track that this one continues or precedes in the same place, or -1."""
    own = np.flatnonzero(code == track)
    first, last = own[0], own[-1]
    near = (table.take == table.take[first]) & (person >= 0)
    best, found = _OVERLAP, -1
    for end, low, high in ((first, -_GAP, -1), (last, 1, _GAP)):
        away = table.index - table.index[end]
        for other in np.flatnonzero(near & (away >= low) & (away <= high)):
            shared = overlap(table.box[end], table.box[other])
            if shared > best:
                best, found = shared, int(person[other])
    return found


def track_codes(table: FaceTable) -> I64:
    """One number per track of the whole store, int64 (n,): the same for all faces of a track."""
    _, code = np.unique(np.stack([table.take, table.track], 1), axis=0, return_inverse=True)
    return np.asarray(code, np.int64).reshape(-1)


def persons(table: FaceTable, ids: I64, vectors: F32) -> I32:
    """A provisional person for every face, int32 (n,); -1 where a track has no vector and continues no other.

    table: all faces in frame order. ids (m,), vectors (m, 128): the faces that have an identity vector.
    """
    code = track_codes(table)
    vector_track = code[np.searchsorted(table.id, ids)]
    groups = [_group(int(t), vectors[vector_track == t].astype(np.float64)) for t in np.unique(vector_track)]
    of_track = np.full(int(code.max(initial=-1)) + 1, -1, np.int32)
    for number, group in enumerate(_cluster(groups)):
        of_track[group.tracks] = number
    person = of_track[code]
    for track in np.flatnonzero(of_track < 0):
        person[code == track] = _continued(table, code, person, int(track))
    return np.asarray(person, np.int32)


def screen_seconds(table: FaceTable, person: I32, good: Bool) -> F64:
    """Seconds on screen per person, counting good faces only: float64 (persons,)."""
    time = np.zeros(len(table))
    for take in np.unique(table.take):
        rows = np.flatnonzero(table.take == take)
        frames, at = np.unique(table.index[rows], return_index=True)
        steps = np.diff(table.seconds[rows][at])[np.diff(frames) == 1]
        time[rows] = np.median(steps) if len(steps) else 1 / 25
    counted = (person >= 0) & good
    seconds = np.bincount(person[counted], time[counted], minlength=int(person.max(initial=-1)) + 1)
    return seconds.astype(np.float64)
