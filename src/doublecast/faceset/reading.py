"""The faces of one side of a production, to read: what `FaceStore` adds changes them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from doublecast.errors import OutputError, ProductionError
from doublecast.faceset.corrections import Corrections
from doublecast.faceset.ledger import Ledger
from doublecast.faceset.record import SCHEMA, FaceTable, StoredFace, TakeRecord, from_arrow, values
from doublecast.faceset.versions import Marks, VersionInfo, Versions
from doublecast.lock import FileLock
from doublecast.types import F32, I32, I64, MESH, U8, VECTOR

_SMALL = ("id", "take", "index", "seconds", "track", "yaw", "pitch", "roll", "eye_left", "eye_right", "mouth")
_PLAIN = [name for name in SCHEMA.names if name not in ("tone", "crop")]
BATCH = 128  #: faces read at a time: about 5 MB of crops


def _made(place: Path) -> bool:
    """Whether a file, or a dataset's folder of versions, is there: the folder comes before its first version."""
    return any(place.iterdir()) if place.is_dir() else place.exists()


class Stored:
    """The reading half of `FaceStore`, which see."""

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
        self._path, self._lock = str(path), FileLock(folder / "store.lock")
        self._versions, self._corrections = Versions(folder / "curation.lance"), Corrections(folder)
        places = (folder / "takes.json", path / "_versions", folder / "curation.lance" / "_versions")
        if not all(_made(place) for place in places):
            with self._lock:
                Ledger(places[0])
                if not _made(places[1]):
                    lance.write_dataset(pa.Table.from_batches([], SCHEMA), self._path, schema=SCHEMA, mode="create")
                if not _made(places[2]):
                    self._versions.create()
        self._ledger = Ledger(places[0])
        if self._corrections.pending:
            with self._changing():
                pass
        if self._open().schema.names != SCHEMA.names:
            raise ProductionError(f"{path} has other columns than this version writes: use another work folder.")

    def _open(self) -> Any:
        try:
            return lance.dataset(self._path)
        except (OSError, ValueError) as error:
            raise ProductionError(
                f"Cannot read {self._path}: {error}. Delete {self.folder} to extract again."
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The lock, around everything that is read and then written; what a killed process left half done is mended."""
        with self._lock:
            if self._corrections.pending:
                self._mend()
            yield

    def _mend(self) -> None:
        """Let the rows of corrected faces follow the newest curation."""
        self._corrections.follow(self._versions.read())
        self._corrections.done()

    # -- takes ---------------------------------------------------------------------------------------------------

    def takes(self) -> list[TakeRecord]:
        """The takes in the order they were begun; the position is the take's number."""
        return self._ledger.read()

    def take_number(self, key: str) -> int:
        """The number of a take, for `face_id`; KeyError if it was never begun."""
        return self._ledger.number(key)

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
        for at in range(0, len(rows), BATCH):
            yield dataset.take(rows[at : at + BATCH].tolist(), columns=columns)

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

    def found(self, face: int) -> StoredFace:
        """A face as it was found, whatever was corrected since. KeyError for an id that is not there."""
        (now,) = self.load([face])
        row = self._corrections.found(face)
        return now if row is None else from_arrow(row, [record.key for record in self.takes()])[0]

    def pictures(self, ids: Sequence[int] | I64) -> Iterator[tuple[bytes, int]]:
        """The crops of faces as they are stored: JPEG and its side in pixels. KeyError for an id that is not there."""
        dataset, table, rows = self._rows()
        for batch in self._batches(dataset, self._find(table, rows, ids), ["crop", "crop_size"]):
            yield from zip(batch["crop"].to_pylist(), batch["crop_size"].to_pylist(), strict=True)

    # -- curation ------------------------------------------------------------------------------------------------

    def _marks(self) -> Marks:
        """The newest marks of all faces."""
        _, table, rows = self._rows()
        return self._versions.read().of(values(table, "id")[rows])

    def corrected(self) -> I64:
        """Ids of the faces that are not as they were found, in frame order."""
        marks = self._versions.read()
        return marks.id[marks.revision > 0]

    def version(self) -> int:
        """Number of the newest curation step: cheap enough to ask often, for everything a page shows of the faces'
        marks and corrections depends on it."""
        return self._versions.newest()

    def history(self, limit: int = 50) -> list[VersionInfo]:
        """The newest curation steps, oldest first."""
        return self._versions.history(limit)

    def versions(self) -> list[VersionInfo]:
        """All curation steps, oldest first. Opens every one: `history` and `version` are quicker."""
        return self._versions.history()

    def revisions(self, ids: I64) -> I32:
        """Which state each of these faces is in, int32 (n,): 0 as found, else another number for every correction."""
        return self._versions.read().of(ids).revision
