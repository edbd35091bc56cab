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
from doublecast.types import I32, I64

AUTOMATIC, DROPPED, RESTORED = 0, 1, 2  #: values of `Marks.manual`

_SCHEMA = pa.schema([("id", pa.int64()), ("person", pa.int32()), ("reason", pa.string()), ("manual", pa.int32())])


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One curation step: its number, when it was made (UTC), what it did, how many faces it keeps."""

    number: int
    when: datetime
    text: str
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Curation of faces by ascending id: person (-1 nobody), reason ("" kept), manual (0 automatic, 1 dropped by the
    user, 2 restored by the user). All of length n."""

    id: I64
    person: I32
    reason: Objects
    manual: I32

    def of(self, ids: I64) -> "Marks":
        """Marks of exactly these faces; faces without one are nobody's and kept."""
        if not len(self.id):
            blank = np.zeros(len(ids), np.int32)
            return Marks(ids, blank - 1, np.array([""] * len(ids), dtype=object), blank)
        at = np.minimum(np.searchsorted(self.id, ids), len(self.id) - 1)
        known = self.id[at] == ids
        return Marks(
            id=ids,
            person=np.where(known, self.person[at], -1).astype(np.int32),
            reason=np.where(known, self.reason[at], "").astype(object),
            manual=np.where(known, self.manual[at], AUTOMATIC).astype(np.int32),
        )


class Versions:
    """The versions of `curation.lance`; each holds the whole table (it is small) and names its parent."""

    def __init__(self, path: Path) -> None:
        """Open, or create with an empty first version."""
        self._path = str(path)
        if not path.joinpath("_versions").exists():
            self._write(
                Marks(*(np.zeros(0, t) for t in (np.int64, np.int32, object, np.int32))), "empty", 0, replace=False
            )

    def _open(self, number: int | None = None) -> Any:
        try:
            return lance.dataset(self._path, version=number)
        except (OSError, ValueError) as error:
            raise ProductionError(f"Cannot read {self._path}: {error}") from error

    def _write(self, marks: Marks, text: str, parent: int, *, step: str = "", replace: bool = True) -> int:
        kept = int((marks.reason == "").sum())
        facts = {
            "text": text,
            "step": step or text,
            "parent": str(parent),
            "kept": str(kept),
            "when": datetime.now(UTC).isoformat(),
        }
        columns = [pa.array(v, f.type) for v, f in zip((marks.id, marks.person, marks.reason, marks.manual), _SCHEMA,
                                                       strict=True)]  # fmt: skip
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

    def read(self) -> Marks:
        """The marks of the newest version."""
        table = self._open().to_table()
        order = np.argsort(values(table, "id"), kind="stable")
        return Marks(*(values(table, name)[order] for name in ("id", "person", "reason", "manual")))

    def write(self, marks: Marks, text: str) -> int:
        """Store a new version and return its number."""
        order = np.argsort(marks.id, kind="stable")
        sorted_marks = Marks(marks.id[order], marks.person[order], marks.reason[order], marks.manual[order])
        return self._write(sorted_marks, text, int(self._open().version))

    def undo(self) -> int:
        """Go back to the version before the newest step; again: one step further.

        ProductionError at the beginning, which is the first automatic curation: without it nobody is known.
        """
        newest = self._open()
        facts = self._facts(newest)
        parent = int(facts["parent"])
        if not parent:
            raise ProductionError("There is no curation step left to undo.")
        before = self._open(parent)
        table = before.to_table()
        if not table.num_rows and (self.read().person >= 0).any():
            raise ProductionError("Only the first curation is left, and it is needed: restore single faces instead.")
        marks = Marks(*(values(table, name) for name in ("id", "person", "reason", "manual")))
        reached = self._facts(before)
        return self._write(marks, f"undone: {facts['step']}", int(reached["parent"]), step=reached["step"])

    def list(self) -> list[VersionInfo]:
        """All versions, oldest first."""
        found = []
        for entry in self._open().versions():
            facts = self._facts(self._open(entry["version"]))
            when = datetime.fromisoformat(facts["when"])
            found.append(VersionInfo(int(entry["version"]), when, facts["text"], int(facts["kept"])))
        return found
