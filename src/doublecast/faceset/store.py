"""Faces on disk: one Lance dataset per side of a production, a ledger of takes, and versioned curation."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from doublecast.errors import OutputError, ProductionError
from doublecast.faceset.ledger import Ledger
from doublecast.faceset.record import SCHEMA, FaceTable, StoredFace, TakeRecord, from_arrow, to_arrow, values
from doublecast.faceset.versions import AUTOMATIC, DROPPED, RESTORED, Marks, VersionInfo, Versions
from doublecast.types import F32, I32, I64, MESH, U8, VECTOR

_SMALL = ("id", "take", "index", "seconds", "track", "yaw", "pitch", "roll", "eye_left", "eye_right", "mouth")
_PLAIN = [name for name in SCHEMA.names if name not in ("tone", "crop")]
IMPORTED = "imported"  #: kind of the takes that hold pictures imported by hand
_BATCH = 128  # faces read at a time: about 5 MB of crops
_FRAGMENT = 4096  # faces per file after tidying
_SMALL_FRAGMENTS = 32  # so many small files are left lying: tidying rewrites what it joins


class _Take(Protocol):
    """What the store needs of `doublecast.video.Take`."""

    @property
    def name(self) -> str: ...
    @property
    def files(self) -> tuple[Path, ...]: ...
    @property
    def kind(self) -> str: ...
    def key(self) -> str: ...


class _Info(Protocol):
    """What the store needs of `doublecast.video.TakeInfo`."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def seconds(self) -> float | None: ...


class FaceStore:
    """The faces of one side of a production.

    ``folder`` holds `faces.lance` (one row per face), `takes.json` (the ledger) and `curation.lance` (persons and
    reasons, versioned). One process may write; any number may read at the same time: they see every append either
    whole or not at all, because rows beyond the ledger do not count. Lance is not fork-safe: use threads, or spawn.
    """

    def __init__(self, folder: Path) -> None:
        """Open a store or create an empty one. ProductionError for another format version or a damaged folder."""
        self.folder = folder
        path = folder / "faces.lance"
        if path.exists() and not (folder / "takes.json").exists():
            raise ProductionError(f"{folder} has faces but no takes.json: use another work folder or delete this one.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"Cannot create the folder {folder}: {error.strerror}.") from error
        self._ledger = Ledger(folder / "takes.json")
        self._path = str(path)
        if not (path / "_versions").exists():
            lance.write_dataset(pa.Table.from_batches([], SCHEMA), self._path, schema=SCHEMA, mode="create")
        self._versions = Versions(folder / "curation.lance")
        if self._open().schema.names != SCHEMA.names:
            raise ProductionError(f"{path} has other columns than this version writes: use another work folder.")

    def _open(self) -> Any:
        try:
            return lance.dataset(self._path)
        except (OSError, ValueError) as error:
            raise ProductionError(
                f"Cannot read {self._path}: {error}. Delete {self.folder} to extract again."
            ) from error

    # -- takes ---------------------------------------------------------------------------------------------------

    def takes(self) -> list[TakeRecord]:
        """The takes in the order they were begun; the position is the take's number."""
        return self._ledger.read()

    def take_number(self, key: str) -> int:
        """The number of a take, for `face_id`; KeyError if it was never begun."""
        return self._ledger.number(key)

    def begin_take(self, take: _Take, info: _Info) -> TakeRecord:
        """Start extracting a take, or go on: the record's ``frames_done`` is the first frame to do.

        Calls `reconcile` first, so only the writing process may call this.
        """
        self.reconcile()
        key = take.key()
        known = {record.key: record for record in self.takes()}
        if key not in known:
            files = tuple(str(Path(file).absolute()) for file in take.files)
            known[key] = TakeRecord(key, take.name, files, take.kind, info.width, info.height, info.seconds)
            self._ledger.add(known[key])
        return known[key]

    def append(self, faces: Sequence[StoredFace], *, take: str, frames_done: int) -> None:
        """Store the faces (with crops, in frame order) of all frames up to ``frames_done``.

        The rows are one Lance transaction, then the ledger moves; killed in between, the rows do not count and the
        next `begin_take` removes them. ValueError for a face outside the frames; OutputError for a full disk.
        """
        number = self._ledger.number(take)
        record = self.takes()[number]
        for face in faces:
            if not record.frames_done <= face.index < frames_done or face.take != take:
                done = f"frames {record.frames_done} to {frames_done} of take {take}"
                raise ValueError(f"the face of frame {face.index} of take {face.take} is not of {done}")
        if faces:
            try:
                lance.write_dataset(to_arrow(faces, number), self._path, schema=SCHEMA, mode="append")
            except OSError as error:
                raise OutputError(f"Cannot write {self._path}: {error}. Free some space and run it again.") from error
        self._ledger.change(take, frames_done=frames_done)

    def finish_take(self, key: str, problems: Sequence[str] = ()) -> None:
        """Mark a take as done, with what could not be read of it, and tidy many small files into few."""
        self._ledger.change(key, finished=True, problems=tuple(problems))
        dataset = self._open()
        if sum(fragment.count_rows() < _FRAGMENT // 2 for fragment in dataset.get_fragments()) > _SMALL_FRAGMENTS:
            dataset.optimize.compact_files(target_rows_per_fragment=_FRAGMENT, batch_size=_BATCH, num_threads=1)
            self._open().cleanup_old_versions(older_than=timedelta(hours=1))

    def forget_take(self, key: str) -> None:
        """Remove the faces of a take that no longer belongs to the job; begun again, it starts at its first frame.

        Faces imported by hand (kind "imported") belong to no take of the job and stay.
        """
        if self.takes()[self._ledger.number(key)].kind != IMPORTED:
            self._ledger.change(key, frames_done=0, finished=False, problems=())
            self.reconcile()

    def reconcile(self) -> int:
        """Remove faces that an interrupted `append` stored beyond the ledger; returns how many. Writer only."""
        dataset = self._open()
        table = dataset.to_table(columns=["take", "index"])
        extra = len(table) - int(self._counts(table, self.takes()).sum())
        if extra:
            known = self.takes()
            beyond = [f"(take = {n} AND `index` >= {r.frames_done})" for n, r in enumerate(known) if not r.finished]
            dataset.delete(" OR ".join([*beyond, f"take >= {len(known)}"]))
        return extra

    @staticmethod
    def _counts(table: Any, takes: Sequence[TakeRecord]) -> npt.NDArray[np.bool_]:
        """Which rows of a table with ``take`` and ``index`` the ledger stands for."""
        limits = np.array([np.iinfo(np.int64).max if t.finished else t.frames_done for t in takes] + [0], np.int64)
        take = np.minimum(values(table, "take"), len(takes))
        return np.asarray(values(table, "index") < limits[take], dtype=np.bool_)

    # -- faces ---------------------------------------------------------------------------------------------------

    def _rows(self, columns: Sequence[str] = ()) -> tuple[Any, Any, I64]:
        """The dataset, a table of small columns, and the positions of the rows that count, in frame order."""
        takes = self.takes()
        dataset = self._open()
        table = dataset.to_table(columns=list(dict.fromkeys(["id", "take", "index", *columns])))
        ids = values(table, "id")
        rows = np.flatnonzero(self._counts(table, takes))
        return dataset, table, rows[np.argsort(ids[rows], kind="stable")]

    def __len__(self) -> int:
        return len(self._rows()[2])

    def table(self) -> FaceTable:
        """The small columns of all faces with the newest curation, in frame order take by take."""
        _, table, rows = self._rows([*_SMALL, "sharpness", "presence", "box"])
        columns = {name: values(table, name)[rows] for name in (*_SMALL, "sharpness", "presence", "box")}
        marks = self._versions.read().of(columns["id"])
        box = columns["box"]
        size = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
        return FaceTable(**columns, size=size, person=marks.person, reason=marks.reason, manual=marks.manual)

    def vectors(self) -> tuple[I64, F32]:
        """Ids (n,) and identity vectors float32 (n, 128) of the faces that have one, in frame order."""
        _, table, rows = self._rows(["vector"])
        column = table["vector"].combine_chunks()
        held = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        place = np.cumsum(held) - 1
        rows = rows[held[rows]]
        return values(table, "id")[rows], column.flatten().to_numpy().reshape(-1, VECTOR)[place[rows]]

    def tones(self, ids: I64) -> U8:
        """Colours under the mesh points (see `record.tone`) of these faces: uint8 (n, 468, 3) RGB."""
        dataset, table, rows = self._rows()
        found = [values(t, "tone") for t in self._batches(dataset, self._find(table, rows, ids), ["tone"])]
        return np.concatenate([np.zeros((0, MESH * 3), np.uint8), *found]).reshape(-1, MESH, 3)

    @staticmethod
    def _find(table: Any, rows: I64, ids: npt.ArrayLike) -> I64:
        wanted, known = np.asarray(ids, np.int64), values(table, "id")[rows]
        at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        missing = wanted[known[at] != wanted] if len(known) else wanted
        if len(missing):
            raise KeyError(f"no face {int(missing[0])} in the store ({len(known)} faces)")
        return rows[at] if len(wanted) else rows[:0]

    @staticmethod
    def _batches(dataset: Any, rows: I64, columns: list[str]) -> Iterator[Any]:
        for at in range(0, len(rows), _BATCH):
            yield dataset.take(rows[at : at + _BATCH].tolist(), columns=columns)

    def scan(
        self,
        *,
        take: str | None = None,
        person: int | None = None,
        kept: bool = False,
        crops: bool = False,
        start: int = 0,
    ) -> Iterator[StoredFace]:
        """Faces in frame order, take by take, read in small batches.

        take: only this take. person: only this person (0 is the main one). kept: leave out faces set aside. crops:
        with their pictures. start: leave out frames before this index. KeyError for an unknown take.
        """
        dataset, table, rows = self._rows()
        wanted = values(table, "index")[rows] >= start
        if take is not None:
            wanted &= values(table, "take")[rows] == self._ledger.number(take)
        if person is not None or kept:
            marks = self._versions.read().of(values(table, "id")[rows])
            wanted &= (marks.reason == "") | (not kept)
            wanted &= (marks.person == person) | (person is None)
        keys = [record.key for record in self.takes()]
        for batch in self._batches(dataset, rows[wanted], _PLAIN + ["crop"] * crops):
            yield from from_arrow(batch, keys)

    def load(self, ids: Sequence[int] | I64, *, crops: bool = True) -> list[StoredFace]:
        """Faces by id, in the order asked for. KeyError for an id that is not there."""
        return list(self.each(ids, crops=crops))

    def each(self, ids: Sequence[int] | I64, *, crops: bool = False) -> Iterator[StoredFace]:
        """Like `load`, read in small batches, for many faces."""
        dataset, table, rows = self._rows()
        keys = [record.key for record in self.takes()]
        for batch in self._batches(dataset, self._find(table, rows, ids), _PLAIN + ["crop"] * crops):
            yield from from_arrow(batch, keys)

    # -- curation ------------------------------------------------------------------------------------------------

    def assign(self, ids: I64, person: I32, reason: Sequence[str], text: str) -> int:
        """Write a whole automatic curation as one version; returns its number.

        ids, person, reason: one entry per face of the store. What the user set aside or restored by hand stays so;
        a restored face stays the main person's.
        """
        old = self._versions.read().of(ids)
        person = np.where(old.manual == RESTORED, 0, person)
        reasons = np.array([r if m == AUTOMATIC else o for r, m, o in zip(reason, old.manual, old.reason, strict=True)],
                           dtype=object)  # fmt: skip
        return self._versions.write(Marks(ids, person.astype(np.int32), reasons, old.manual), text)

    def _mark(self, ids: Sequence[int] | I64, reason: str, manual: int, text: str, person: int | None) -> int:
        _, table, rows = self._rows()
        self._find(table, rows, ids)
        marks = self._versions.read().of(values(table, "id")[rows])
        chosen = np.isin(marks.id, np.asarray(ids, np.int64))
        marks.reason[chosen] = reason
        marks.manual[chosen] = manual
        if person is not None:
            marks.person[chosen] = person
        return self._versions.write(marks, text)

    def set_aside(self, ids: Sequence[int] | I64, reason: str = "dropped") -> int:
        """Set faces aside by hand, with the reason, also after a new curation. Returns the version."""
        if not reason:
            raise ValueError("a face is set aside with a reason")
        return self._mark(ids, reason, DROPPED, f"set aside {len(ids)} faces: {reason}", None)

    def bring_back(self, ids: Sequence[int] | I64) -> int:
        """Keep faces by hand, as the main person's, also after a new curation. Returns the version."""
        return self._mark(ids, "", RESTORED, f"brought back {len(ids)} faces", 0)

    def undo(self) -> int:
        """Undo the newest curation step (again: the one before). ProductionError when there is none."""
        return self._versions.undo()

    def versions(self) -> list[VersionInfo]:
        """All curation steps, oldest first."""
        return self._versions.list()
