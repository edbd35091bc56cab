"""Faces whose points were corrected by hand: every state of such a face, so that each can come back."""

from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from doublecast.disk import atomic_write
from doublecast.errors import OutputError, ProductionError
from doublecast.faceset.record import SCHEMA, values
from doublecast.faceset.versions import Marks
from doublecast.types import I32, I64

_SCHEMA = SCHEMA.append(pa.field("revision", pa.int32()))


class Corrections:
    """`corrections.lance`: whole rows of `faces.lance` with a revision; 0 is the face as it was found.

    `faces.lance` holds the state that the newest curation names (`Marks.revision`). Both are changed by `follow` under
    the mark `corrections.pending`, which a killed process leaves behind: whoever opens the store then lets the rows
    follow the curation again.
    """

    def __init__(self, folder: Path) -> None:
        """Look at a store's folder; nothing is made before there is a correction."""
        self._path, self._faces = folder / "corrections.lance", str(folder / "faces.lance")
        self._pending = folder / "corrections.pending"

    @property
    def pending(self) -> bool:
        """Whether a change is being made, or was interrupted."""
        return self._pending.exists()

    def begin(self) -> None:
        """Leave the mark."""
        atomic_write(self._pending, b"faces.lance is being changed; the next doublecast that opens it mends it\n")

    def done(self) -> None:
        """Take the mark away."""
        self._pending.unlink(missing_ok=True)

    def _open(self) -> Any:
        if not (self._path / "_versions").exists():
            return None
        try:
            return lance.dataset(str(self._path))
        except (OSError, ValueError) as error:
            raise ProductionError(f"Cannot read {self._path}: {error}") from error

    def _known(self) -> tuple[I64, I32]:
        """Ids and revisions of all rows, oldest first."""
        dataset = self._open()
        if dataset is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        table = dataset.to_table(columns=["id", "revision"])
        return values(table, "id"), values(table, "revision")

    def ids(self) -> I64:
        """Faces that have, or had, a correction: ascending."""
        return np.unique(self._known()[0])

    def add(self, found: Any, corrected: Any, revision: int) -> None:
        """Keep a corrected row under this revision; ``found`` is kept as revision 0 where it is given. Both: tables of
        one row. OutputError for a full disk."""
        rows = [] if found is None else [_with(found, 0)]
        table = pa.concat_tables([*rows, _with(corrected, revision)])
        try:
            mode = "create" if self._open() is None else "append"
            lance.write_dataset(table, str(self._path), schema=_SCHEMA, mode=mode)
        except OSError as error:
            raise OutputError(f"Cannot write {self._path}: {error}. Free some space and run it again.") from error

    def check(self, marks: Marks) -> None:
        """Marks that name a state which was forgotten name the face as it was found instead."""
        named = np.flatnonzero(marks.revision)
        if len(named):
            kept = set(zip(*(part.tolist() for part in self._known()), strict=True))
            lost = [row for row in named if (int(marks.id[row]), int(marks.revision[row])) not in kept]
            marks.revision[lost] = 0

    def rows(self, marks: Marks) -> Any:
        """The rows that these marks name, of faces that were ever corrected; None where there are none."""
        ids, revisions = self._known()
        wanted = marks.of(ids).revision == revisions
        newest = {int(i): at for at, i in enumerate(ids) if wanted[at]}  # of twice the same revision the later one
        dataset = self._open()
        if dataset is None or not newest:
            return None
        return dataset.take(sorted(newest.values()), columns=SCHEMA.names)

    def found(self, face: int) -> Any:
        """The row of a face as it was found; None where it was never corrected."""
        ids, revisions = self._known()
        at = np.flatnonzero((ids == face) & (revisions == 0))
        return self._open().take([int(at[-1])], columns=SCHEMA.names) if len(at) else None

    def follow(self, marks: Marks) -> None:
        """Make the rows of all faces that were ever corrected the ones that the marks name: one transaction."""
        rows = self.rows(marks)
        if rows is None:
            return
        dataset = lance.dataset(self._faces)
        names = ", ".join(str(i) for i in values(rows, "id"))
        held = dataset.to_table(columns=["id", "points"], filter=f"id IN ({names})")
        points = dict(zip(values(held, "id").tolist(), values(held, "points"), strict=True))
        wanted = zip(values(rows, "id").tolist(), values(rows, "points"), strict=True)
        other = [n for n, (i, p) in enumerate(wanted) if i in points and not np.array_equal(p, points[i])]
        if other:
            try:
                dataset.merge_insert("id").when_matched_update_all().execute(rows.take(other))
            except OSError as error:
                raise OutputError(f"Cannot write {self._faces}: {error}. Free some space and run it again.") from error

    def forget(self, take: int) -> None:
        """Remove all states of the faces of a take."""
        dataset = self._open()
        if dataset is not None:
            dataset.delete(f"take = {take}")


def _with(row: Any, revision: int) -> Any:
    return row.append_column(_SCHEMA.field("revision"), pa.array([revision] * len(row), pa.int32()))
