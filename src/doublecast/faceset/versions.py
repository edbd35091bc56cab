"""Curation on disk: who each face is and why it is set aside. Every step is a version that can be undone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from doublecast.errors import OutputError, ProductionError
from doublecast.faceset.record import Objects, values
from doublecast.types import I32, I64, Bool

AUTOMATIC, DROPPED, RESTORED = 0, 1, 2  #: values of `Marks.manual`
UNDONE, REDONE = "undone: ", "redone: "  #: begin the texts of steps that take others back

_SCHEMA = pa.schema(
    [("id", pa.int64()), ("person", pa.int32()), ("reason", pa.string())]
    + [(name, pa.int32()) for name in ("manual", "revision", "step", "last")]
)
_DEFAULTS: dict[str, Any] = {"person": -1, "reason": "", "manual": AUTOMATIC, "revision": 0, "step": 0, "last": 0}


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One curation step: its number, when it was made (UTC), what it did, how many faces it keeps, and of how many it
    changed the marks (0: there is nothing in it that `FaceStore.revert` could take back)."""

    number: int
    when: datetime
    text: str
    kept: int
    changed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Curation of faces by ascending id: person (-1 nobody), reason ("" kept), manual (0 automatic, 1 dropped by the
    user, 2 restored by the user), revision (0 as found, else see `corrections`). All of length n.

    step: number of the step that these marks come from; last: of the one that wrote them, which is another one where a
    later step was taken back. 0 where no step did since this is noted.
    """

    id: I64
    person: I32
    reason: Objects
    manual: I32
    revision: I32
    step: I32
    last: I32

    @classmethod
    def none(cls, ids: I64) -> "Marks":
        """Marks of faces that nothing was said of."""
        blank = [np.full(len(ids), v, object if v == "" else np.int32) for v in _DEFAULTS.values()]
        return cls(ids, *blank)

    @classmethod
    def from_arrow(cls, table: Any) -> "Marks":
        """Marks as they are stored; older versions lack the later columns."""
        order = np.argsort(values(table, "id"), kind="stable")
        marks = cls.none(values(table, "id")[order])
        for name in _DEFAULTS:
            if name in table.column_names:
                getattr(marks, name)[:] = values(table, name)[order]
        return marks

    def of(self, ids: I64) -> "Marks":
        """Marks of exactly these faces, as copies; faces without one are nobody's and kept."""
        found = Marks.none(ids)
        if len(self.id):
            at = np.minimum(np.searchsorted(self.id, ids), len(self.id) - 1)
            known = self.id[at] == ids
            for name in _DEFAULTS:
                getattr(found, name)[known] = getattr(self, name)[at[known]]
        return found

    def put(self, rows: Bool, other: "Marks") -> None:
        """Take over the rows of marks of the same faces."""
        for name in _DEFAULTS:
            getattr(self, name)[rows] = getattr(other, name)[rows]

    def differs(self, other: "Marks") -> Bool:
        """Bool (n,): where marks of the same faces say something else."""
        differ = np.zeros(len(self.id), np.bool_)
        for name in ("person", "reason", "manual", "revision"):
            differ |= np.asarray(getattr(self, name) != getattr(other, name), np.bool_)
        return differ


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A step that is ready to be written. marks: of all faces. touched: bool (n,), whose marks it writes. parent: the
    step to go back to with `Versions.undone`. step: text of the step that is reached, where it is an older one."""

    marks: Marks
    touched: Bool
    text: str
    parent: int
    step: str = ""


class Versions:
    """The versions of `curation.lance`; each holds the whole table (it is small) and names its parent.

    Only one process may write at a time (see `FaceStore`): `newest`, changes made from it, and `write` belong together.
    """

    def __init__(self, path: Path) -> None:
        """Open; `create` makes an empty first version where there is none."""
        self._path = str(path)

    def create(self) -> None:
        """Write the first version, with no marks."""
        none = Marks.none(np.zeros(0, np.int64))
        self._write(Change(none, np.zeros(0, np.bool_), "empty", 0), replace=False)

    def _open(self, number: int | None = None) -> Any:
        try:
            return lance.dataset(self._path, version=number)
        except (OSError, ValueError) as error:
            raise ProductionError(f"Cannot read {self._path}: {error}") from error

    def _write(self, change: Change, *, replace: bool = True) -> int:
        marks = change.marks
        order = np.argsort(marks.id, kind="stable")
        facts = {
            "text": change.text,
            "step": change.step or change.text,
            "parent": str(change.parent),
            "kept": str(int((marks.reason == "").sum())),
            "changed": str(int(change.touched.sum())),
            "when": datetime.now(UTC).isoformat(),
        }
        columns = [pa.array(getattr(marks, f.name)[order], f.type) for f in _SCHEMA]
        table = pa.Table.from_arrays(columns, schema=_SCHEMA.with_metadata(facts))
        try:
            written = lance.write_dataset(
                table, self._path, schema=table.schema, mode="overwrite" if replace else "create"
            )
        except OSError as error:
            raise OutputError(f"Cannot write {self._path}: {error}. Free some space and run it again.") from error
        return int(written.version)

    @staticmethod
    def _facts(dataset: Any) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in (dataset.schema.metadata or {}).items()}

    def newest(self) -> int:
        """Number of the newest version: cheap."""
        return int(self._open().version)

    def read(self, number: int | None = None) -> Marks:
        """The marks of a version, by default the newest."""
        return Marks.from_arrow(self._open(number).to_table())

    def write(self, change: Change) -> int:
        """Store a new version and return its number."""
        number, marks = self.newest() + 1, change.marks
        marks.last[change.touched] = number
        return self._write(change)

    def changed(self, marks: Marks, touched: Bool, text: str) -> Change:
        """A new step after the newest one."""
        number = self.newest()
        marks.step[touched] = number + 1
        return Change(marks, touched, text, number)

    def undone(self) -> Change:
        """Going back to the version before the newest step; again: one step further.

        ProductionError at the beginning, which is the first automatic curation: without it nobody is known.
        """
        newest = self._open()
        facts = self._facts(newest)
        parent = int(facts["parent"])
        if not parent:
            raise ProductionError("There is no curation step left to undo.")
        before, now = self._open(parent), Marks.from_arrow(newest.to_table())
        marks, reached = Marks.from_arrow(before.to_table()), self._facts(before)
        if not len(marks.id) and (now.person >= 0).any():
            raise ProductionError("Only the first curation is left, and it is needed: restore single faces instead.")
        now = now.of(marks.id)
        touched = np.asarray(marks.differs(now) | (marks.step != now.step), np.bool_)
        marks.last[:] = now.last
        return Change(marks, touched, _back(facts["step"]), int(reached["parent"]), reached["step"])

    def reverted(self, number: int) -> Change:
        """Taking back exactly one step: faces whose marks it changed get those they had before, unless a later step
        that still holds changed them again. See `FaceStore.revert`."""
        newest = self.newest()
        if not 2 <= number <= newest:
            there = f"there are 2 to {newest}" if newest > 1 else "there is none yet"
            raise ProductionError(f"There is no curation step {number} to undo; {there}.")
        text = self._facts(self._open(number))["text"]
        now = self.read()
        before, after = self.read(number - 1).of(now.id), self.read(number).of(now.id)
        if not (before.person >= 0).any() and ((after.person >= 0) & (after.manual != RESTORED)).any():
            raise ProductionError("The first curation is needed: without it nobody is known. Restore single faces.")
        noted = (after.last == number) & ((now.last == number) | (now.step == number))
        older = (now.last == 0) & before.differs(after) & ~now.differs(after)  # of before steps were noted
        touched = np.asarray(noted | older, np.bool_)
        if not touched.any():
            raise ProductionError(
                f"Nothing is left of step {number} ({text}): it was undone, or its faces were changed again since."
            )
        now.put(touched, before)
        return Change(now, touched, _back(text), newest)

    def history(self, limit: int | None = None) -> list[VersionInfo]:
        """The newest ``limit`` versions (by default all), oldest first."""
        newest = self.newest()
        first = 1 if limit is None else max(1, newest - limit + 1)
        return [self._info(number) for number in range(first, newest + 1)]

    def _info(self, number: int) -> VersionInfo:
        facts = self._facts(self._open(number))
        when, kept = datetime.fromisoformat(facts["when"]), int(facts["kept"])
        if "changed" in facts:
            changed = int(facts["changed"])
        else:  # older than the fact
            marks = self.read(number)
            changed = int(marks.differs(self.read(number - 1).of(marks.id)).sum()) if number > 1 else 0
        return VersionInfo(number, when, facts["text"], kept, changed)


def _back(text: str) -> str:
    """Text of the step that takes back the one of this text."""
    return REDONE + text.removeprefix(UNDONE) if text.startswith(UNDONE) else UNDONE + text.removeprefix(REDONE)
