"""Faces on disk: one Lance dataset per side of a production, a ledger of takes, and versioned curation."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import lance
import numpy as np

from doublecast.errors import OutputError
from doublecast.faceset.reading import BATCH, Stored
from doublecast.faceset.record import SCHEMA, StoredFace, TakeRecord, to_arrow, values
from doublecast.faceset.versions import AUTOMATIC, DROPPED, RESTORED, Change, Marks
from doublecast.types import I32, I64, Bool

IMPORTED = "imported"  #: kind of the takes that hold pictures imported by hand
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


class FaceStore(Stored):
    """The faces of one side of a production.

    ``folder`` holds `faces.lance` (one row per face), `takes.json` (the ledger), `curation.lance` (persons and
    reasons, versioned), `corrections.lance` (see `Corrections`) and `store.lock`. Every change takes that lock, reads
    again and writes, so several processes may curate while one extracts; ProductionError where one holds it for ten
    seconds. Any number may read at the same time: they see every append either whole or not at all, because rows beyond
    the ledger do not count. Lance is not fork-safe: use threads, or spawn.
    """

    # -- takes ---------------------------------------------------------------------------------------------------

    def begin_take(self, take: _Take, info: _Info) -> TakeRecord:
        """Start extracting a take, or go on: the record's ``frames_done`` is the first frame to do.

        Calls `reconcile` first, so only the process that extracts may call this.
        """
        key = take.key()
        with self._changing():
            self._reconcile()
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
        with self._changing():
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
                    raise OutputError(
                        f"Cannot write {self._path}: {error}. Free some space and run it again."
                    ) from error
            self._ledger.change(take, frames_done=frames_done)

    def finish_take(self, key: str, problems: Sequence[str] = ()) -> None:
        """Mark a take as done, with what could not be read of it, and tidy many small files into few."""
        with self._changing():
            self._ledger.change(key, finished=True, problems=tuple(problems))
            self._tidy()

    def _tidy(self) -> None:
        dataset = self._open()
        if sum(fragment.count_rows() < _FRAGMENT // 2 for fragment in dataset.get_fragments()) > _SMALL_FRAGMENTS:
            dataset.optimize.compact_files(target_rows_per_fragment=_FRAGMENT, batch_size=BATCH, num_threads=1)
            self._open().cleanup_old_versions(older_than=timedelta(hours=1))

    def forget_take(self, key: str) -> None:
        """Remove the faces of a take that no longer belongs to the job; begun again, it starts at its first frame.

        What was corrected of them is forgotten, too. Faces imported by hand (kind "imported") belong to no take of the
        job and stay.
        """
        with self._changing():
            number = self._ledger.number(key)
            record = self.takes()[number]
            if record.kind == IMPORTED:
                return
            corrected = bool((self._corrections.ids() >> 40 == number).any())
            if corrected:
                self._corrections.begin()
                marks = self._marks()
                touched = np.asarray((marks.revision > 0) & (marks.id >> 40 == number), np.bool_)
                marks.revision[touched] = 0
                text = f"forgot the corrections of take {record.name}"
                self._versions.write(self._versions.changed(marks, touched, text))
            self._ledger.change(key, frames_done=0, finished=False, problems=())
            self._reconcile()
            if corrected:
                self._corrections.forget(number)
                self._corrections.done()

    def reconcile(self) -> int:
        """Remove faces that an interrupted `append` stored beyond the ledger; returns how many. Only for the process
        that extracts."""
        with self._changing():
            return self._reconcile()

    def _reconcile(self) -> int:
        dataset = self._open()
        table = dataset.to_table(columns=["take", "index"])
        extra = len(table) - int(self._counts(table, self.takes()).sum())
        if extra:
            known = self.takes()
            beyond = [f"(take = {n} AND `index` >= {r.frames_done})" for n, r in enumerate(known) if not r.finished]
            dataset.delete(" OR ".join([*beyond, f"take >= {len(known)}"]))
        return extra

    # -- curation ------------------------------------------------------------------------------------------------

    def assign(self, ids: I64, person: I32, reason: Sequence[str], text: str) -> int:
        """Write a whole automatic curation as one version; returns its number.

        ids, person, reason: one entry per face of the store. What the user set aside or restored by hand stays so;
        a restored face stays the main person's.
        """
        with self._changing():
            marks = self._marks()
            before = marks.of(marks.id)
            order = np.argsort(ids, kind="stable")
            chosen = np.isin(marks.id, ids)
            at = order[np.searchsorted(ids[order], marks.id[chosen])]
            automatic = marks.manual[chosen] == AUTOMATIC
            marks.person[chosen] = np.where(marks.manual[chosen] == RESTORED, 0, person[at])
            given = np.asarray([*reason, None], dtype=object)[:-1][at]
            marks.reason[chosen] = np.where(automatic, given, marks.reason[chosen])
            return self._commit(self._versions.changed(marks, marks.differs(before), text))

    def _commit(self, change: Change) -> int:
        """Write a curation step under the lock; rows of corrected faces follow it, or nothing is changed."""
        marks = change.marks
        self._corrections.check(marks)
        if np.array_equal(self._versions.read().of(marks.id).revision, marks.revision):
            return self._versions.write(change)
        self._corrections.begin()
        try:
            self._corrections.follow(marks)
            return self._versions.write(change)
        finally:
            self._mend()

    def _mark(self, ids: Sequence[int] | I64, reason: str, manual: int, text: str, person: int | None) -> int:
        with self._changing():
            _, table, rows = self._rows()
            self._find(table, rows, ids)
            marks = self._versions.read().of(values(table, "id")[rows])
            chosen = np.isin(marks.id, np.asarray(ids, np.int64))
            marks.reason[chosen] = reason
            marks.manual[chosen] = manual
            if person is not None:
                marks.person[chosen] = person
            return self._commit(self._versions.changed(marks, chosen, text))

    def set_aside(self, ids: Sequence[int] | I64, reason: str = "dropped") -> int:
        """Set faces aside by hand, with the reason, also after a new curation. Returns the version."""
        if not reason:
            raise ValueError("a face is set aside with a reason")
        return self._mark(ids, reason, DROPPED, f"set aside {len(ids)} faces: {reason}", None)

    def bring_back(self, ids: Sequence[int] | I64) -> int:
        """Keep faces by hand, as the main person's, also after a new curation. Returns the version."""
        return self._mark(ids, "", RESTORED, f"brought back {len(ids)} faces", 0)

    def correct(self, face: StoredFace) -> int:
        """Put this face (with its crop) in the place of the one with its id, as a step that can be undone. Returns the
        version. KeyError where there is no such face; killed in between, the old face is there, or the new one."""
        number = self._ledger.number(face.take)
        with self._changing():
            dataset, table, rows = self._rows()
            held = dataset.take(self._find(table, rows, [face.id]).tolist(), columns=SCHEMA.names)
            marks = self._versions.read().of(values(table, "id")[rows])
            mine = marks.id == face.id
            revision = self._versions.newest() + 1
            first = not marks.revision[mine].any()
            self._corrections.add(held if first else None, to_arrow([face], number), revision)
            return self._revise(marks, mine, revision, f"corrected face {face.id}")

    def reset(self, face: int) -> int:
        """Put a corrected face back to what was found, as a step that can be undone. Returns the version: the newest
        where the face was not corrected. KeyError where there is no such face."""
        with self._changing():
            marks = self._marks()
            mine = marks.id == face
            if not mine.any():
                raise KeyError(f"no face {face} in the store ({len(mine)} faces)")
            if not marks.revision[mine].any():
                return self._versions.newest()
            return self._revise(marks, mine, 0, f"reset face {face}")

    def _revise(self, marks: Marks, mine: Bool, revision: int, text: str) -> int:
        marks.revision[mine] = revision
        number = self._commit(self._versions.changed(marks, mine, text))
        self._tidy()
        return number

    def undo(self) -> int:
        """Undo the newest curation step (again: the one before). ProductionError when there is none."""
        with self._changing():
            return self._commit(self._versions.undone())

    def revert(self, number: int) -> int:
        """Undo exactly one curation step, wherever it stands in the history; returns the version.

        Faces that the step marked get the marks (and points) they had before it, unless a later step that still holds
        marked them again; an automatic curation counts for the faces whose marks it changed. Reverting the version that
        a revert returned does the step again. ProductionError: no such step, the first automatic curation, or nothing
        is left of the step.
        """
        with self._changing():
            return self._commit(self._versions.reverted(number))
