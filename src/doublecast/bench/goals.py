"""When each contestant first reaches the others' best, and which goals the points of a run reach."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from doublecast.bench.quality import Point

Of: TypeAlias = Callable[[Point], float | None]
State: TypeAlias = Literal["reached", "missed", "not measured"]
ORIGINAL, QUICK96 = "faceswap original", "DeepFaceLab Quick96"
LONG = 120.0  #: minutes that the baselines are given
SHORT = 10.0  #: minutes after which ours is looked at
DISTANCE = "identity: distance to the target"
SSIM = "SSIM against the truth"


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table of goals. at_least, moonshot: whether they are reached; figures: in words."""

    name: str
    at_least: State
    moonshot: State
    figures: str


def score_of(point: Point) -> float | None:
    """The combined score."""
    return point.score


def identity_of(point: Point) -> float | None:
    """Identity alone: the way from floor to ceiling, 0-1."""
    return point.parts.get("identity")


def curve(points: Sequence[Point], pair: str, contestant: str, of: Of = score_of) -> list[tuple[float, float]]:
    """(minutes, value) of one contestant on one pair, by minutes; points without the value are left out."""
    mine = sorted((p for p in points if (p.pair, p.contestant) == (pair, contestant)), key=lambda p: p.minutes)
    return [(p.minutes, value) for p in mine if (value := of(p)) is not None]


def reaches(points: Sequence[tuple[float, float]], level: float) -> float | None:
    """The minute at which a curve first reaches a level, linear between its points; None where it does not.

    Nothing is assumed before the first point: a curve that begins above the level reaches it there, at the latest.
    """
    for k, (minute, value) in enumerate(points):
        if value >= level:
            if k == 0:
                return minute
            earlier, lower = points[k - 1]
            return earlier + (minute - earlier) * (level - lower) / (value - lower)
    return None


def first_reached(points: Sequence[Point], pair: str, of: Of = score_of) -> dict[str, dict[str, float | None]]:
    """contestant -> other contestant -> minute at which the first reaches the best that the other ever reached."""
    names = sorted({p.contestant for p in points if p.pair == pair})
    curves = {name: curve(points, pair, name, of) for name in names}
    best = {name: max(value for _, value in line) for name, line in curves.items() if line}
    return {a: {b: reaches(curves[a], best[b]) for b in best if b != a} for a in names}


def goals(points: Sequence[Point], ours: str) -> list[Goal]:
    """The goals of the quality bench that these points can answer; ``ours``: the contestant that is the default."""
    found = []
    for rival, bounds in ((ORIGINAL, (4.0, 1.0)), (QUICK96, (8.0, 2.0))):
        for name, of in (("score", score_of), ("identity", identity_of)):
            found.append(_passes(points, ours, rival, name, of, bounds))
    for measure in ("expression error", "flicker"):
        found.append(_no_worse(points, ours, measure))
    return [*found, *_truths(points, ours), _nearest(points, ours), _distances(points, ours)]


def _pairs(points: Sequence[Point], performers: bool = False) -> list[str]:
    every = sorted({p.pair for p in points})
    return [pair for pair in every if not performers or pair.startswith("performers")]


def _at(points: Sequence[Point], pair: str, contestant: str, minutes: float) -> Point | None:
    same = (p for p in points if (p.pair, p.contestant) == (pair, contestant))
    return next((p for p in same if abs(p.minutes - minutes) < 1e-6), None)


def _state(ok: Sequence[bool | None]) -> State:
    """Missed where one is missed; else not measured where one is unknown."""
    if any(x is False for x in ok):
        return "missed"
    return "reached" if ok and all(ok) else "not measured"


def _passes(points: Sequence[Point], ours: str, rival: str, name: str, of: Of, bounds: tuple[float, float]) -> Goal:
    text = f"minutes to what {rival} reaches in {LONG:g}, {name} (at most {bounds[0]:g}, moonshot {bounds[1]:g})"
    ok: list[list[bool | None]] = [[], []]
    figures = []
    for pair in _pairs(points):
        line, other = curve(points, pair, ours, of), _at(points, pair, rival, LONG)
        level = None if other is None else of(other)
        minute = None if level is None else reaches(line, level)
        for k, bound in enumerate(bounds):
            known = level is not None and line and (minute is not None or line[-1][0] >= bound)
            ok[k].append((minute is not None and minute <= bound) if known else None)
        if level is not None:
            figures.append(f"{pair}: {'not reached' if minute is None else f'{minute:.1f}'}")
    return Goal(text, _state(ok[0]), _state(ok[1]), ", ".join(figures))


def _no_worse(points: Sequence[Point], ours: str, measure: str) -> Goal:
    text = f"{measure} after {SHORT:g} minutes, against the better baseline's after {LONG:g} (at most 1, moonshot 0.5)"
    ratios: list[float | None] = []
    for pair in _pairs(points):
        mine = _at(points, pair, ours, SHORT)
        rivals = [_at(points, pair, rival, LONG) for rival in (ORIGINAL, QUICK96)]
        values = [p.value(measure) for p in (mine, *rivals) if p is not None]
        known = [v for v in values if v is not None]
        ratios.append(known[0] / max(min(known[1:]), 1e-9) if len(known) == 3 else None)
    figures = ", ".join(f"{pair}: {r:.2f}" for pair, r in zip(_pairs(points), ratios, strict=True) if r is not None)
    states = [_state([None if r is None else r <= bound for r in ratios]) for bound in (1.0, 0.5)]
    return Goal(text, states[0], states[1], figures)


def _truths(points: Sequence[Point], ours: str) -> list[Goal]:
    pairs = _pairs(points, performers=True)
    mine = [None if (p := _at(points, pair, ours, SHORT)) is None else p.value(SSIM) for pair in pairs]
    ahead: list[bool | None] = []
    for pair, value in zip(pairs, mine, strict=True):
        rivals = [p.value(SSIM) for name in (ORIGINAL, QUICK96) if (p := _at(points, pair, name, LONG)) is not None]
        known = [v for v in rivals if v is not None]
        ahead.append(value >= max(known) + 0.03 if value is not None and len(known) == 2 else None)
    figures = ", ".join(f"{pair}: {v:.3f}" for pair, v in zip(pairs, mine, strict=True) if v is not None)
    known = [v for v in mine if v is not None]
    mean = float(np.mean(known)) if known and len(known) == len(mine) else None
    most = [_state([None if mean is None else mean >= bound]) for bound in (0.87, 0.93)]
    text = f"after {SHORT:g} minutes"
    return [
        Goal(f"SSIM {text}, +0.03 over the better baseline after {LONG:g}", _state(ahead), "not measured", figures),
        Goal(f"SSIM {text}, mean of the performers pairs (0.87, moonshot 0.93)", most[0], most[1],
             "" if mean is None else f"mean {mean:.3f}"),
    ]  # fmt: skip


def _nearest(points: Sequence[Point], ours: str) -> Goal:
    rates = {pair: p.value("identity: nearer to the target")
             for pair in _pairs(points) if (p := _at(points, pair, ours, SHORT)) is not None}  # fmt: skip
    every = [rates.get(pair) for pair in _pairs(points)]
    states = [_state([None if r is None else r >= bound for r in every]) for bound in (99.0, 100.0)]
    figures = ", ".join(f"{pair}: {r:.0f} %" for pair, r in rates.items() if r is not None)
    return Goal(
        f"faces nearer to the target after {SHORT:g} minutes (99 %, moonshot 100 %)", states[0], states[1], figures
    )


def _distances(points: Sequence[Point], ours: str) -> Goal:
    mine = {pair: p for pair in _pairs(points, performers=True) if (p := _at(points, pair, ours, SHORT)) is not None}
    every = [mine[pair].parts.get("identity") if pair in mine else None for pair in _pairs(points, performers=True)]
    state = _state([None if share is None else share >= 1 - 1e-9 for share in every])
    figures = ", ".join(f"{pair}: {d:.3f}" for pair, p in mine.items() if (d := p.value(DISTANCE)) is not None)
    return Goal(f"distance to the target no larger than the truth's own after {SHORT:g} minutes (moonshot)",
                "not measured", state, figures)  # fmt: skip
