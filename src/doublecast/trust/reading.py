"""What the pictures of any file tell: the invisible mark, the visible label, the words in its header.

Files may be hostile: `verify` runs this in a process of its own (see `sandbox`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from doublecast.trust.frames import BUDGET, Samples
from doublecast.trust.looks import LabelCheck, LabelState
from doublecast.trust.watermark import detect
from doublecast.types import U8


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of film, in seconds, with what its invisible mark says. state: found, damaged or absent.

    film: 10 hex digits where it was found, else "". confidence: 0-1, see `watermark.Found`.
    """

    state: str
    film: str
    confidence: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a file shows. kind: film, picture, pictures (a folder), or "" where nothing in it can be decoded."""

    kind: str = ""
    width: int = 0
    height: int = 0
    seconds: float | None = None
    comment: str = ""
    marks: tuple[Mark, ...] = ()
    label: LabelState = "unknown"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Pictures":
        """From `dataclasses.asdict`, also after it was JSON."""
        return cls(**{**data, "marks": tuple(Mark(**mark) for mark in data["marks"])})


def read_pictures(path: Path, said: Mapping[str, Any] | None, *, marks: bool = True) -> Pictures:
    """Decode a bounded part of a file, or of a folder's pictures. said: the label that its credentials declare, if any.

    marks: False: decode only, and look for no invisible mark, which is most of the work.
    Raises OSError where the file cannot be read.
    """
    samples = Samples(path)
    try:
        facts, check = samples.facts, LabelCheck(said)
        frames = check_label(samples, check) if facts.kind else []
        found = read_watermark(frames, facts.seconds) if marks else read_nothing(frames)
        comment = "".join(c if c.isprintable() else " " for c in facts.comment[:300])
        return Pictures(facts.kind if found else "", *facts.size, facts.seconds, comment, found, check.state)
    finally:
        samples.close()


def check_label(frames: Iterable[tuple[U8, float]], check: LabelCheck) -> Iterable[tuple[U8, float]]:
    """The same frames, those in colour shown to ``check`` on their way."""
    for pixels, seconds in frames:
        if pixels.ndim == 3:
            check.look(pixels, seconds)
        yield pixels, seconds


def read_watermark(frames: Iterable[tuple[U8, float]], length: float | None) -> tuple[Mark, ...]:
    """The invisible mark in frames (upright, uint8 (H, W) luma or (H, W, 3) RGB, with seconds); () for no frame."""
    one_more = iter(frames)
    first = next(one_more, None)
    if first is None:
        return ()
    found = detect(chain([first], one_more), length=length, budget=BUDGET)
    return tuple(
        Mark(one.state, str(one.film or ""), round(one.confidence, 6), round(one.start, 3), round(one.end, 3))
        for one in found
    )


def read_nothing(frames: Iterable[tuple[U8, float]]) -> tuple[Mark, ...]:
    """Only decode: one absent mark over all frames; () for no frame."""
    times = [seconds for _, seconds in frames]
    return (Mark("absent", "", 0.0, times[0], times[-1]),) if times else ()
