"""Before and after of single frames of a film, while its looks are chosen; beside training, which may go on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from doublecast.errors import ProductionError
from doublecast.faces.embed import one_thread
from doublecast.faceset import FaceStore
from doublecast.film.look import Look
from doublecast.film.smooth import smooth
from doublecast.film.swap import Decoded, Swapper
from doublecast.model.checkpoint import latest
from doublecast.pipeline.consent import look_consent, refuse_revoked_sides
from doublecast.pipeline.convert import placed
from doublecast.pipeline.guard import look_guard
from doublecast.pipeline.shots import FilmTake, film_takes
from doublecast.pipeline.takes import actor_take, stored_take
from doublecast.pipeline.train import model_folder
from doublecast.production import Production, TakeInput
from doublecast.trust import Label
from doublecast.types import U8, Frame
from doublecast.video import FrameAccess, composite

WINDOW = 3  #: frames before one that its landmarks are smoothed with, see `smooth`
SAME_TIME = 1e-3  #: seconds within which two times are of the same frame


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A frame before and after, uint8 (H, W, 3) RGB, upright; not to be written to. ``after`` carries the label.

    faces: how many were replaced. seconds_spent: on making it.
    """

    before: U8
    after: U8
    faces: int
    seconds_spent: float


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The frame that is looked at, decoded."""

    take: str
    frame: Frame
    faces: Sequence[Decoded]


class FilmPreview:
    """Frames of a production's films as they would come out; a context manager, for one thread.

    Nothing is written and no lock is held, so training and everything else may go on. One frame of one take is held
    ready: another look of it takes 20 ms, another frame some 100 ms and the way there from the key frame before it.
    A film's match of colour, sharpness, coverage and spectacles is averaged over the last moments; a preview has its
    frame's own, which may differ a little. Everything else is as in the film.

    size, device: as for `convert`. Raises what `convert` raises before it begins, but only looks: consent that is not
    complete (ConsentError) or takes that the guard did not see (ProductionError) are not made good here.
    """

    def __init__(self, folder: Path | str, *, size: int | None = None, device: str = "auto") -> None:
        self.folder = Path(folder).absolute()
        self._size, self._device = size, device
        self._swapper: Swapper | None = None
        self._made: tuple[object, ...] = ()  # what the swapper was made of
        self._access: FrameAccess | None = None
        self._shown: _Shown | None = None
        self._labels: dict[tuple[str, Label], Label] = {}  # the last one
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the take. Safe to call twice."""
        if self._access is not None:
            self._access.close()
            self._access = None
        self._shown = None

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that draws the faces."""
        checkpoint = self._made[0]
        assert isinstance(checkpoint, Path)
        return checkpoint

    def stale(self) -> bool:
        """Whether there is a newer checkpoint by now, or the facesets were changed."""
        return self._now(Production(self.folder, create=False, lock=False)) != self._made

    def refresh(self) -> bool:
        """Take the newest checkpoint and facesets; whether they are newer ones (2 s then, 7 s for changed facesets).

        Raises like the constructor.
        """
        job = Production(self.folder, create=False, lock=False)
        now = self._now(job)
        look_consent(job)
        look_guard(job)
        if now == self._made:
            return False
        known = self._swapper.people if self._swapper is not None and now[2:] == self._made[2:] else None
        stores = FaceStore(job.side("actor")), FaceStore(job.side("target"))
        self._swapper = Swapper(Path(str(now[0])), *stores, device=self._device, people=known)
        self._made, self._shown, self._labels = now, None, {}
        return True

    def takes(self) -> list[FilmTake]:
        """See `film_takes`."""
        return film_takes(self.folder)

    def pair(self, take: str, index: int, look: Look, label: Label) -> Pair:
        """A frame of the actor's take of this content key, before and after.

        label: the film's; a film's "none" is a corner here (see `Label.for_pictures`).
        Raises InputError where there is no such take or frame, ConsentError where consent was revoked meanwhile.
        """
        begin = time.perf_counter()
        refuse_revoked_sides(self.folder)
        if self._shown is None or (self._shown.take, self._shown.frame.index) != (take, index):
            self._shown = None
            self._shown = self._decoded(take, index)
        assert self._swapper is not None and self._access is not None
        frame = self._shown.frame
        patches = self._swapper.compose(frame, self._shown.faces, look)
        since = float(frame.pts * frame.time_base - self._access.info.first)
        words = self._placed(label.for_pictures(), take).patch(frame.pixels, patches, seconds=since)
        assert words is not None
        after = composite(frame.pixels, [*patches, words])
        replaced = len(self._shown.faces) if patches else 0
        return Pair(frame.pixels, after, replaced, time.perf_counter() - begin)

    def _placed(self, label: Label, take: str) -> Label:
        """The label where it lies in the film of this take."""
        if (take, label) not in self._labels:
            job = Production(self.folder, create=False, lock=False)
            self._labels = {(take, label): placed(label, FaceStore(job.side("actor")), actor_take(job, take))}
        return self._labels[take, label]

    def _now(self, job: Production) -> tuple[object, ...]:
        """What a swapper is made of: checkpoint, age of its weights, versions of both facesets."""
        checkpoint = latest(model_folder(job, self._size))
        if checkpoint is None:
            raise ProductionError(f"{job.folder} has no model of this size yet; run: doublecast train {job.folder}")
        age = (checkpoint / "weights.safetensors").stat().st_mtime_ns
        versions = (FaceStore(job.side(side)).version() for side in ("actor", "target"))
        return checkpoint, age, *versions

    def _decoded(self, take: str, index: int) -> _Shown:
        job = Production(self.folder, create=False, lock=False)
        given, store = actor_take(job, take), FaceStore(job.side("actor"))
        access = self._opened(given, store)
        frame = access.frame(index)
        stored = smooth(store.scan(take=take, person=0, start=max(0, index - WINDOW)))
        faces = [one.face for one in takewhile(lambda one: one.index <= index, stored) if one.index == index]
        assert self._swapper is not None
        self._swapper.begin()
        with one_thread():
            return _Shown(take, frame, self._swapper.decode(frame, faces))

    def _opened(self, given: TakeInput, store: FaceStore) -> FrameAccess:
        take = stored_take(given)
        if self._access is None or self._access.take != take:
            if self._access is not None:
                self._access.close()
            self._access = FrameAccess(take)
            if not _agree(self._access, given.key, store):
                self._access.distrust()
        return self._access


def _agree(access: FrameAccess, key: str, store: FaceStore) -> bool:
    """Whether the frames are those in which faces were found: the same times, and the same number."""
    number = store.take_number(key)
    record, table = store.takes()[number], store.table()
    rows = table.take == number
    times = [access.seconds(int(index)) for index in table.index[rows]]
    if any(time is None for time in times):
        return False
    same = np.abs(np.array(times, np.float64) - table.seconds[rows]) < SAME_TIME
    return bool(same.all()) and (not record.finished or access.seconds(record.frames_done) is None)
