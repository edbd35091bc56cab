"""The report's drawings as inline SVG: loss curve, pose-coverage map, and where a value lies between floor and ceiling.

Colours come from the page's style sheet (classes), so that they follow light and dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from doublecast.events import Step
from doublecast.metrics import Measure
from doublecast.report.content import PoseMap
from doublecast.types import F64

BINS = 240  #: a curve is drawn through the means of at most so many stretches
_SERIES = 6  # colours in the style sheet
_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 120, 16, 44
_CELL = 34


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten apart) from ``low`` to ``high``, about ``wanted`` of them."""
    if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(wanted - 1, 1)
    power = 10 ** np.floor(np.log10(raw))
    step = power * next(f for f in (1, 2, 2.5, 5, 10) if f * power >= raw * (1 - 1e-9))
    return [float(round(k * step, 12)) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _series(steps: Sequence[Step]) -> dict[str, tuple[F64, F64]]:
    """Loss name -> (faces seen, loss), finite values only, averaged to at most `BINS` points."""
    found = {}
    for name in dict.fromkeys(n for step in steps for n in step.losses):
        pairs = np.array([(s.faces_seen, s.losses[name]) for s in steps if name in s.losses], np.float64)
        pairs = pairs[np.isfinite(pairs).all(1)]
        if len(pairs) >= 2 and np.ptp(pairs[:, 0]) > 0:
            means = np.array([part.mean(0) for part in np.array_split(pairs, min(BINS, len(pairs)))])
            found[name] = (means[:, 0], means[:, 1])
    return dict(list(found.items())[:_SERIES])


def loss_curve(steps: Sequence[Step]) -> str | None:
    """Losses over the faces seen as an SVG element; None where there are fewer than two finite points.

    The loss axis is logarithmic when the values are positive and span more than a factor of four.
    """
    series = _series(steps)
    if not series:
        return None
    every = np.concatenate([y for _, y in series.values()])
    logarithmic = bool(every.min() > 0 and every.max() / every.min() > 4)
    scaled = np.log10(every) if logarithmic else every
    margin = float(np.ptp(scaled)) * 0.06 or 0.5
    last = max(float(x.max()) for x, _ in series.values())
    plot = _Plot(last, float(scaled.min()) - margin, float(scaled.max()) + margin, logarithmic)
    parts = plot.grid()
    ends: list[tuple[float, int, str]] = []
    for number, (name, (x, y)) in enumerate(series.items()):
        line = " ".join(f"{plot.across(a):.1f},{plot.down(b):.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline class="line s{number}" points="{line}"><title>{escape(name)}</title></polyline>')
        ends.append((plot.down(float(y[-1])), number, name))
    lowest = 0.0
    for wish, number, name in sorted(ends):
        lowest = max(wish, lowest + 15)
        place = f'x="{_WIDTH - _RIGHT + 8}" y="{lowest:.1f}"'
        parts.append(f'<text class="name t{number}" {place} dy=".35em">{escape(name[:16])}</text>')
    return _svg(_WIDTH, _HEIGHT, f"loss over faces seen: {', '.join(series)}", parts, "curve")


@dataclass(frozen=True, slots=True)
class _Plot:
    """The axes of the loss curve: faces seen from 0 to ``last``, loss (or its logarithm) from ``low`` to ``high``."""

    last: float
    low: float
    high: float
    logarithmic: bool

    def across(self, faces: float) -> float:
        return _LEFT + faces / self.last * (_WIDTH - _LEFT - _RIGHT)

    def down(self, loss: float) -> float:
        y = float(np.log10(loss)) if self.logarithmic else loss
        return _TOP + (self.high - y) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)

    def losses(self) -> list[float]:
        if not self.logarithmic:
            return ticks(self.low, self.high)
        powers = range(int(np.floor(self.low)), int(np.ceil(self.high)) + 1)
        factors = (1, 2, 5) if self.high - self.low < 3 else (1,)
        return [f * 10.0**p for p in powers for f in factors if self.low <= np.log10(f * 10.0**p) <= self.high]

    def grid(self) -> list[str]:
        parts = []
        base, end = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value in self.losses():
            y = self.down(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>')
            place = f'x="{_LEFT - 8}" y="{y:.1f}" dy=".35em"'
            parts.append(f'<text class="axis" text-anchor="end" {place}>{value:.3g}</text>')
        for value in ticks(0, self.last, 7):
            place = f'x="{self.across(value):.1f}" y="{base + 18}"'
            parts.append(f'<text class="axis" text-anchor="middle" {place}>{value:,.0f}</text>')
        place = f'x="{(_LEFT + end) / 2:.0f}" y="{_HEIGHT - 6}"'
        parts.append(f'<text class="axis" text-anchor="middle" {place}>faces seen</text>')
        scale = "loss (logarithmic)" if self.logarithmic else "loss"
        place = f'transform="translate(14 {(_TOP + base) / 2:.0f}) rotate(-90)"'
        parts.append(f'<text class="axis" text-anchor="middle" {place}>{scale}</text>')
        return parts


def pose_map(coverage: PoseMap) -> str:
    """The pose-coverage map as an SVG element: up is looking up, left is the head turned to the image's left."""
    rows, columns = coverage.counts.shape
    left, top = 52, 8
    width, height = left + columns * _CELL + 20, top + rows * _CELL + 40
    most = max(int(coverage.counts.max()), 1)
    parts = []
    for row in range(rows):
        for column in range(columns):
            count = int(coverage.counts[row, column])
            x, y = left + column * _CELL, top + row * _CELL
            shade = 0.0 if count == 0 else 0.12 + 0.5 * np.log1p(count) / np.log1p(most)
            box = f'x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3"'
            parts.append(f'<rect class="empty" {box}/>')
            if count:
                parts.append(f'<rect class="full" {box} fill-opacity="{shade:.2f}"/>')
                place = f'x="{x + _CELL / 2:g}" y="{y + _CELL / 2:g}"'
                parts.append(f'<text class="count" text-anchor="middle" {place} dy=".35em">{compact(count)}</text>')
    for edge in range(0, columns + 1, max(1, columns // 6)):
        value = coverage.yaw[0] + (coverage.yaw[1] - coverage.yaw[0]) * edge / columns
        x, y = left + edge * _CELL, top + rows * _CELL + 15
        parts.append(f'<text class="axis" text-anchor="middle" x="{x}" y="{y}">{_degrees(value)}</text>')
    for edge in range(0, rows + 1, max(1, rows // 4)):
        value = coverage.pitch[0] + (coverage.pitch[1] - coverage.pitch[0]) * edge / rows
        y = top + edge * _CELL
        parts.append(f'<text class="axis" text-anchor="end" x="{left - 6}" y="{y}" dy=".35em">{_degrees(value)}</text>')
    under = top + rows * _CELL + 33
    middle = left + columns * _CELL / 2
    words = "yaw: head turned to the image's left or right"
    parts.append(f'<text class="axis" text-anchor="middle" x="{middle:g}" y="{under}">{escape(words)}</text>')
    centre = top + rows * _CELL / 2
    place = f'transform="translate(12 {centre:g}) rotate(-90)"'
    parts.append(f'<text class="axis" text-anchor="middle" {place}>pitch: up or down</text>')
    return _svg(width, height, "number of faces by head pose", parts, "poses")


def gauge(measure: Measure) -> str:
    """A small SVG scale from floor (left) to ceiling (right) with a mark at the value; "" unless both are known and the
    ceiling is the better end (for movement it is not: compared with itself, the actor's has no error)."""
    low, high = measure.floor, measure.ceiling
    if low is None or high is None or not np.isfinite([low, high, measure.value]).all():
        return ""
    if (high - low if measure.better == "higher" else low - high) < 1e-9:
        return ""
    where = float(np.clip((measure.value - low) / (high - low), -0.06, 1.06))
    x = 12 + where * 96
    parts = [
        '<line class="rail" x1="12" x2="108" y1="9" y2="9"/>',
        '<line class="rail" x1="12" x2="12" y1="4" y2="14"/><line class="rail" x1="108" x2="108" y1="4" y2="14"/>',
        f'<circle class="mark" cx="{x:.1f}" cy="9" r="5"/>',
    ]
    return _svg(120, 18, f"{round(100 * where)} % of the way from floor to ceiling", parts, "gauge")


def compact(count: int) -> str:
    """A count in at most four characters: 999, 1.2k, 34k."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"


def _degrees(value: float) -> str:
    return f"{value:.0f}\N{DEGREE SIGN}".replace("-", "\N{MINUS SIGN}")


def _svg(width: float, height: float, label: str, parts: Sequence[str], kind: str) -> str:
    head = f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
    return head + "".join(parts) + "</svg>"
