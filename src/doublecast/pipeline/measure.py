"""A film against the take it was made of: the pictures and faces that the measures and the report need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from doublecast.events import Listener, Progress, ignore
from doublecast.faces.detect import overlap
from doublecast.faces.track import FaceTracker
from doublecast.faceset import FaceStore, StoredFace, cut
from doublecast.metrics import Measure, Sample, measure_film
from doublecast.pipeline.takes import take_of
from doublecast.production import TakeInput
from doublecast.report import Comparison
from doublecast.trust import Label, labelled
from doublecast.types import F32, I64, U8, Face, Frame
from doublecast.video import PICTURES, Reader, Take, picture_names

RUNS = 32  #: places of a film that are measured
LONG = 3  #: frames in a row at each place, so that flicker can be measured
FIRST = 6000  #: only so many frames from the beginning are looked at, to bound the time
WIDEST = 1280  #: pixels, longer side of a shown frame
SHOWN = 4  #: frames shown before and after
FOUND = 0.3  #: least overlap of the boxes of the actor's face and the film's


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Measures of a film, and some of its frames beside the take's."""

    measures: list[Measure]
    comparisons: list[Comparison]


def compare(
    take: TakeInput,
    film: Path,
    actor: FaceStore,
    target: FaceStore,
    *,
    label: Label | None = None,
    on_event: Listener = ignore,
) -> Compared:
    """Measure a finished film on a sample of its frames, spread over its first `FIRST` frames.

    label: to put into the frames that are shown, of a film that carries none itself.
    """
    table = actor.table()
    number = actor.take_number(take.key)
    rows = (table.take == number) & (table.person == 0) & (table.index < FIRST)
    chosen = runs(table.index[rows], RUNS, LONG)
    if not len(chosen):
        return Compared([], [])
    faces = {face.index: face for face in actor.load(first_faces(table.id[rows], table.index[rows], chosen))}
    shown = set(chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), SHOWN)).round().astype(int)].tolist())
    films: list[Sample] = []
    played: list[Sample] = []
    indices: list[int] = []
    before: dict[int, U8] = {}
    after: dict[int, U8] = {}
    times: dict[int, float] = {}
    tracker = FaceTracker(pictures=True)
    for done, frame in enumerate(frames_of(film_take(film, take_of(take)), set(chosen.tolist())), 1):
        stored = faces[frame.index]
        on_event(Progress("report", done, len(chosen), "frames", "measuring"))
        if frame.index in shown:
            small, times[frame.index] = _small(frame.pixels), frame.seconds
            after[frame.index] = small if label is None else labelled(small, label)
        found = nearest(tracker.step(frame), stored.face)
        if found is not None and stored.crop is not None:
            films.append((found, cut(frame.pixels, stored.face.points)))
            played.append((stored.face, stored.crop))
            indices.append(frame.index)
    for frame in frames_of(take_of(take), shown):
        before[frame.index] = _small(frame.pixels)
    both = sorted(after.keys() & before.keys())
    pairs = [Comparison(times[n], before[n], after[n]) for n in both]
    if not films:
        return Compared([], pairs)
    samples, numbers = own_faces(target, RUNS)
    measures = measure_film(
        films,
        played,
        gallery(target),
        actor_vectors=gallery(actor),
        target=samples,
        indices=indices,
        target_indices=numbers,
    )
    return Compared(measures, pairs)


def runs(indices: I64, count: int, length: int) -> I64:
    """Numbers of at most ``count`` runs of ``length`` consecutive ones among ``indices``, evenly spread, sorted."""
    known = np.unique(indices)
    starts = known[np.isin(known[:, None] + np.arange(length), known).all(1)]
    if not len(starts):
        return known[:0]
    chosen = starts[np.unique(np.linspace(0, len(starts) - 1, min(len(starts), count)).round().astype(int))]
    return np.unique(chosen[:, None] + np.arange(length))


def _small(pixels: U8) -> U8:
    """A picture for the report, at most `WIDEST` pixels wide and high."""
    scale = WIDEST / max(pixels.shape[:2])
    if scale >= 1:
        return pixels.copy()
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def film_take(film: Path, source: Take) -> Take:
    """A finished film, or folder of pictures, as a take whose frames have the numbers of the ``source``'s."""
    if film.is_dir():
        made = source.kind == "pictures"
        files = [film / name for name in picture_names(source)] if made else sorted(film.glob("frame_*.png"))
        return Take("film", tuple(files), "pictures")
    return Take("film", (film,), "pictures" if film.suffix.lower() in PICTURES else "video")


def frames_of(take: Take, wanted: set[int]) -> Iterator[Frame]:
    """The frames with these numbers, in order."""
    with Reader(take) as reader:
        for frame in reader:
            if frame.index in wanted:
                yield frame
            if frame.index >= max(wanted):
                return


def first_faces(ids: I64, indices: I64, wanted: I64) -> I64:
    """The first face of every wanted frame."""
    _, first = np.unique(indices, return_index=True)
    first = first[np.isin(indices[first], wanted)]
    return ids[first]


def nearest(faces: Sequence[Face], face: Face) -> Face | None:
    """The face that lies where ``face`` was."""
    if not faces:
        return None
    shared = overlap(np.array(face.box), np.array([other.box for other in faces]))
    best = int(shared.argmax())
    return faces[best] if shared[best] >= FOUND else None


def gallery(store: FaceStore) -> F32:
    """Identity vectors of the main person."""
    ids, vectors = store.vectors()
    table = store.table()
    return vectors[np.isin(ids, table.id[table.person == 0])]


def own_faces(store: FaceStore, places: int) -> tuple[list[Sample], list[int]]:
    """Faces at so many places of a person's first take, `LONG` in a row each, and their frame numbers."""
    table = store.table()
    rows = (table.person == 0) & (table.take == table.take[table.person == 0].min(initial=1 << 20))
    chosen = runs(table.index[rows], places, LONG)
    found: list[StoredFace] = store.load(first_faces(table.id[rows], table.index[rows], chosen))
    return [(face.face, face.crop) for face in found if face.crop is not None], [face.index for face in found]
