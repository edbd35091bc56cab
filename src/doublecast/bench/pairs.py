"""The pairs of the quality bench: what each is trained on, and the frames it is measured on, never seen in training.

Performers: trained on one performance of both people, measured on another one, whose exact swapped film is known.
Real pairs: trained on the first 70 % of every take, measured on the last 30 % of the actor's; between the two lies
half a second that is used for neither, because neighbouring frames are nearly the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from doublecast.bench.score import Sharp
from doublecast.disk import disk_errors
from doublecast.errors import InputError, NoFaceError
from doublecast.events import Listener, Progress, ignore
from doublecast.faces.track import FaceTracker
from doublecast.faceset import FaceStore, cut
from doublecast.metrics import Sample, Truth
from doublecast.pipeline.curate import curate_side
from doublecast.pipeline.extract import extract_side
from doublecast.pipeline.measure import LONG, first_faces, frames_of, gallery, nearest, own_faces, runs
from doublecast.production import SIDES, Production
from doublecast.types import F32, U8, Bool, Face, Frame
from doublecast.video import Take, find_takes

TRAINED = 0.7  #: share of a take, from its beginning, that is trained on where there is no second performance
GAP_SECONDS = 0.5  #: left out behind it
PLACES = 20  #: places of the held-out film that are measured
HELD = "held out for measuring"  #: reason with which faces are kept from training


@dataclass(frozen=True, slots=True)
class Pair:
    """Takes of a pair, relative to the data folder. held: another performance of the actor (None: the last part of the
    actor's own take is measured); truth: its swapped film, with its masks beside it (.npz)."""

    name: str
    actor: str
    target: str
    held: str | None = None
    truth: str | None = None


def _performers(number: int) -> Pair:
    clip = f"performers/clips/pair{number}_perf"
    return Pair(f"performers {number}", f"{clip}1_A.mp4", f"{clip}1_B.mp4", f"{clip}2_A.mp4", f"{clip}2_swap.mp4")


_ANTONI, _ANTHONY = (f"footage/pexels/{name}.mp4" for name in ("antoni-shkraba-8048492", "anthony-shkraba-8136210"))
PAIRS = {
    pair.name: pair
    for pair in (
        *(_performers(number) for number in (1, 2, 3, 4)),
        Pair("antoni to anthony", _ANTONI, _ANTHONY),
        Pair("anthony to antoni", _ANTHONY, _ANTONI),
        Pair("sbia1a to s1", "footage/grid/other/sbia1a.mpg", "footage/grid/s1"),
    )
}  #: by name


def pairs_of(names: Sequence[str]) -> list[Pair]:
    """Pairs by name, all of them for no names. Raises InputError for a name that is not there."""
    unknown = [name for name in names if name not in PAIRS]
    if unknown:
        raise InputError(f"there is no pair {unknown[0]!r}; there are: {', '.join(PAIRS)}")
    return [PAIRS[name] for name in names] or list(PAIRS.values())


def check_data(pairs: Sequence[Pair], data: Path) -> None:
    """Raise InputError unless all files of the pairs are in the data folder."""
    for pair in pairs:
        masks = None if pair.truth is None else str(Path(pair.truth).with_suffix(".npz"))
        for name in (pair.actor, pair.target, pair.held, pair.truth, masks):
            if name is not None and not (data / name).exists():
                raise InputError(
                    f"{data / name}: the pair {pair.name!r} needs it. Name the folder that holds performers/ and "
                    "footage/ with --data, or leave the pair out with --pairs"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a pair is measured with; all lists have one entry per held-out frame (about 60), in order.

    actor: faces and crops before the swap. truth: the same frames of the exact film, None for real pairs.
    target: faces of the target's own footage, target_indices their frame numbers. target_vectors, actor_vectors: the
    galleries, float32 (n, 128). sharp: what detail is compared with. takes: frames of another take count as a gap.
    """

    frames: list[Frame]
    actor: list[Sample]
    truth: Truth | None
    target: list[Sample]
    target_indices: list[int]
    target_vectors: F32
    actor_vectors: F32
    sharp: Sharp

    @property
    def indices(self) -> list[int]:
        """Frame numbers."""
        return [frame.index for frame in self.frames]


def prepare(pair: Pair, folder: Path, data: Path, *, on_event: Listener = ignore) -> tuple[FaceStore, FaceStore]:
    """Faces of both sides of a pair, extracted and curated once; held-out faces are set aside. Actor, then target."""
    with Production(folder) as job, disk_errors(folder):
        for side in SIDES:
            extract_side(job, side, find_takes([data / (pair.actor if side == "actor" else pair.target)]),
                         on_event=on_event)  # fmt: skip
            store = FaceStore(job.side(side))
            if pair.held is None:
                hold_out(store)
            curate_side(job, side, on_event=on_event)
        return FaceStore(job.side("actor")), FaceStore(job.side("target"))


def split(store: FaceStore) -> dict[int, tuple[int, int]]:
    """For every take of a store: the first frame that is not trained on, and the first that may be measured on."""
    limits = {}
    for number, take in enumerate(store.takes()):
        gap = round(GAP_SECONDS * take.frames_done / take.seconds) if take.seconds else 12
        first = int(TRAINED * take.frames_done)
        limits[number] = first, min(first + gap, take.frames_done)
    return limits


def hold_out(store: FaceStore) -> None:
    """Set the last part of every take aside by hand, so that curation and training leave it alone, also later."""
    table, limits = store.table(), split(store)
    firsts = np.array([limits[number][0] for number in range(len(limits))], np.int64)
    rows = (table.index >= firsts[table.take]) & (table.reason != HELD)
    if rows.any():
        store.set_aside(table.id[rows], HELD)


def held_out(
    pair: Pair, folder: Path, data: Path, stores: tuple[FaceStore, FaceStore], *, on_event: Listener = ignore
) -> Held:
    """The frames that a pair is measured on. Raises NoFaceError where no run of `LONG` frames shows the actor."""
    actor, target = stores
    if pair.held is None:
        store, firsts = actor, split(actor)
    else:
        with Production(folder / "held") as job, disk_errors(folder):
            extract_side(job, "actor", find_takes([data / pair.held]), on_event=on_event)
            curate_side(job, "actor", on_event=on_event)
            store, firsts = FaceStore(job.side("actor")), {0: (0, 0)}
    table = store.table()
    rows = (table.person == 0) & (table.take == 0) & (table.index >= firsts[0][1])
    chosen = runs(table.index[rows], PLACES, LONG)
    if not len(chosen):
        raise NoFaceError(f"{pair.name}: the actor's face is not seen in the frames that are kept for measuring")
    found = store.load(first_faces(table.id[rows], table.index[rows], chosen), crops=False)
    samples = {face.index: face.face for face in found}
    film = data / (pair.held or pair.actor)
    frames = [replace(frame, native=None) for frame in frames_of(_video(film), set(samples))]  # without its decoder
    played, tracker = {}, FaceTracker(pictures=True)
    for frame in frames:  # looked for in every frame anew, as they are in the swapped ones: both are equally noisy
        seen = find_face(tracker, frame, samples[frame.index])
        if seen is not None:
            played[frame.index] = seen, cut(frame.pixels, seen.points)
    frames = [frame for frame in frames if frame.index in played]
    truth = None if pair.truth is None else _truth(data / pair.truth, played, on_event)
    if truth is not None:
        frames = [frame for frame in frames if frame.index in truth]
    own, numbers = own_faces(target, PLACES)
    kept = [played[frame.index] for frame in frames]
    exact = None if truth is None else Truth([truth[f.index][0] for f in frames], [truth[f.index][1] for f in frames])
    reference = [crop for _, crop in (own if exact is None else exact.samples)]
    return Held(frames, kept, exact, own, numbers, gallery(target), gallery(actor), Sharp.of(reference))


def _video(film: Path) -> Take:
    return Take("film", (film,), "video")


def find_face(tracker: FaceTracker, frame: Frame, face: Face) -> Face | None:
    """The face found in a frame where ``face`` was; None where there is none."""
    return nearest(tracker.step(frame), face)


def _truth(film: Path, actor: dict[int, Sample], on_event: Listener) -> dict[int, tuple[Sample, Bool]]:
    """Faces, crops and masks (in crop pixels) of the exact film, by frame; without frames whose face is not found."""
    with np.load(film.with_suffix(".npz"), allow_pickle=False) as data:
        packed = data["mask"]
    tracker, found = FaceTracker(pictures=True), {}
    for done, frame in enumerate(frames_of(_video(film), set(actor)), 1):
        on_event(Progress("bench", done, len(actor), "frames", "faces of the truth"))
        face, crop = actor[frame.index]
        seen = find_face(tracker, frame, face)
        height, width = frame.pixels.shape[:2]
        flat: U8 = np.unpackbits(packed[frame.index])[: width * height].reshape(height, width)
        size = crop.alignment.size
        mask = cv2.warpAffine(flat, crop.alignment.matrix, (size, size), flags=cv2.INTER_NEAREST).astype(np.bool_)
        if seen is not None and mask.any():
            found[frame.index] = (seen, cut(frame.pixels, face.points)), mask
    return found
