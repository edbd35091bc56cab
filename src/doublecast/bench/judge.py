"""What a converter makes of the held-out frames, measured with floor and ceiling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from doublecast.bench.contestant import Converter
from doublecast.bench.pairs import Held, find_face
from doublecast.bench.score import combine, parts_of
from doublecast.events import Listener, Progress, ignore
from doublecast.faces.track import FaceTracker
from doublecast.faceset import cut
from doublecast.metrics import Measure, Sample, Truth, measure_film
from doublecast.types import U8, Crop
from doublecast.video import composite

DETAIL = "detail against the real target's"


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """score: 0-100, see `bench.score`. parts: what it is made of, 0-1. found: share of the faces found again.
    crops: the swapped face of every held-out frame, found again or not, without a label."""

    score: float
    parts: Mapping[str, float]
    measures: Sequence[Measure]
    found: float
    crops: Sequence[Crop] = field(default=(), repr=False)


def judge(converter: Converter, held: Held, *, on_event: Listener = ignore, detail: str = "") -> Verdict:
    """Swap the held-out frames, find the faces again, measure. The actor's crops lie where the swapped ones do."""
    films: list[U8] = []
    for done, (frame, (face, _)) in enumerate(zip(held.frames, held.actor, strict=True), 1):
        films.append(composite(frame.pixels, converter.swap(frame, [face])))
        on_event(Progress("bench measure", done, len(held.frames), "frames", detail))
    return judge_pictures(films, held)


def judge_pictures(films: Sequence[U8], held: Held) -> Verdict:
    """Measure finished pictures of the held-out frames, uint8 (H, W, 3) RGB each."""
    tracker = FaceTracker(pictures=True)
    crops = [cut(pixels, face.points) for pixels, (face, _) in zip(films, held.actor, strict=True)]
    samples: list[Sample] = []
    rows = []
    for row, (frame, pixels) in enumerate(zip(held.frames, films, strict=True)):
        seen = find_face(tracker, type(frame)(pixels, frame.index, frame.pts, frame.time_base), held.actor[row][0])
        if seen is not None:
            samples.append((seen, crops[row]))
            rows.append(row)
    if not samples:
        return Verdict(0.0, {}, (), 0.0, crops)
    found = len(rows) / len(films)
    measures = _measures(samples, held, rows)
    sharpness = held.sharp.ratio([crop for _, crop in samples])
    floor = held.sharp.ratio([crop for _, crop in held.actor])
    measures.append(Measure(DETAIL, sharpness, floor, 1.0, "times the real one's", "higher", "best is 1"))
    actor = [held.actor[row] for row in rows]
    parts = parts_of(measures, _best(held, rows), actor=actor, sharpness=sharpness)
    return Verdict(combine(parts, found=found), parts, measures, found, crops)


def ends(held: Held) -> tuple[Verdict, Verdict | None]:
    """The floor (the unswapped actor) and the ceiling (the truth; None for real pairs), judged like a film."""
    floor = judge_pictures([frame.pixels for frame in held.frames], held)  # every face anew, as stored vectors are few
    return floor, None if held.truth is None else _of_samples(held.truth.samples, held)


def _of_samples(samples: Sequence[Sample], held: Held) -> Verdict:
    rows = list(range(len(samples)))
    measures = _measures(samples, held, rows)
    sharpness = held.sharp.ratio([crop for _, crop in samples])
    parts = parts_of(measures, _best(held, rows), actor=held.actor, sharpness=sharpness)
    return Verdict(combine(parts, found=1.0), parts, measures, 1.0, [crop for _, crop in samples])


def _measures(samples: Sequence[Sample], held: Held, rows: Sequence[int]) -> list[Measure]:
    truth = None
    if held.truth is not None:
        truth = Truth([held.truth.samples[row] for row in rows], [held.truth.masks[row] for row in rows])
    return measure_film(
        samples,
        [held.actor[row] for row in rows],
        held.target_vectors,
        actor_vectors=held.actor_vectors,
        target=held.target,
        indices=[held.indices[row] for row in rows],
        target_indices=held.target_indices,
        truth=truth,
    )


def _best(held: Held, rows: Sequence[int]) -> dict[str, float]:
    """What the truth reaches, by the measures' names; empty where it is not known."""
    if held.truth is None:
        return {}
    found = _measures([held.truth.samples[row] for row in rows], held, rows)
    return {measure.name: measure.value for measure in found if np.isfinite(measure.value)}
