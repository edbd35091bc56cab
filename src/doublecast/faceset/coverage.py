"""Which head poses a faceset shows, and which it lacks."""

from dataclasses import dataclass

import numpy as np

from doublecast.faceset.record import FaceTable
from doublecast.types import I64, Bool

YAW = np.arange(-60, 61, 10)  #: edges of the columns, degrees; positive: the head turns to the image's right
PITCH = np.arange(-40, 41, 10)  #: edges of the rows, degrees; positive: down
ENOUGH = 3  #: faces in a cell that count as shown


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Faces per pose. counts: int64 (8, 12), rows pitch (up first), columns yaw (image left first), cells of 10
    degrees as in `PITCH` and `YAW`; poses beyond the edges count in the outermost cells."""

    counts: I64

    @property
    def shown(self) -> Bool:
        """Bool (8, 12): at least `ENOUGH` faces."""
        return np.asarray(self.counts >= ENOUGH, dtype=np.bool_)

    @property
    def faces(self) -> int:
        """All faces counted."""
        return int(self.counts.sum())


def coverage(table: FaceTable, *, person: int = 0) -> Coverage:
    """Poses of the kept faces of a person."""
    rows = table.kept & (table.person == person)
    row = np.clip(np.digitize(table.pitch[rows], PITCH) - 1, 0, len(PITCH) - 2)
    column = np.clip(np.digitize(table.yaw[rows], YAW) - 1, 0, len(YAW) - 2)
    counts = np.zeros((len(PITCH) - 1, len(YAW) - 1), np.int64)
    np.add.at(counts, (row, column), 1)
    return Coverage(counts)


def gaps(own: Coverage) -> list[str]:
    """What a faceset lacks in itself, in words: no profile to a side, no look up or down, hardly any faces."""
    left, right = own.counts[:, :4].sum(), own.counts[:, 8:].sum()
    up, down = own.counts[:1].sum(), own.counts[5:].sum()  # a face looking straight ahead has a pitch of about -10
    found = [f"only {own.faces} faces"] if own.faces < 100 else []
    found += ["no face turned more than 20 degrees to the image's left"] if left < ENOUGH else []
    found += ["no face turned more than 20 degrees to the image's right"] if right < ENOUGH else []
    found += ["no face looking more than 20 degrees up"] if up < ENOUGH else []
    found += ["no face looking more than 20 degrees down"] if down < ENOUGH else []
    return found


def missing(target: Coverage, actor: Coverage) -> list[str]:
    """Poses that the actor shows and the target has nothing near to, in words, the most frequent first.

    A cell counts as covered when it or one of its eight neighbours is shown in the target.
    """
    padded = np.pad(target.shown, 1)
    high, wide = target.shown.shape
    near = np.any([padded[y : y + high, x : x + wide] for y in range(3) for x in range(3)], axis=0)
    lacking = np.argwhere(actor.shown & ~near)
    order = np.argsort([-actor.counts[y, x] for y, x in lacking], kind="stable")
    return [
        f"yaw {YAW[x]} to {YAW[x + 1]}, pitch {PITCH[y]} to {PITCH[y + 1]}: "
        f"{actor.counts[y, x]} faces of the actor, none of the target"
        for y, x in lacking[order]
    ]
