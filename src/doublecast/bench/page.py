"""The quality bench as one HTML file that holds everything: goals, curves, tables, and the same frames of everyone."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path

from doublecast.bench.goals import Goal, Of, curve, first_reached, goals, identity_of, score_of
from doublecast.bench.quality import Ends, Point, Results
from doublecast.disk import atomic_write
from doublecast.report.chart import ticks
from doublecast.report.page import number, picture_uri

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser may load nothing
_WIDE, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 300, 64, 200, 16, 44
_SERIES = 6  # colours in the style sheet


def write_results(work: Path, results: Results, ours: str) -> tuple[Path, Path]:
    """Write quality.json and quality.html; returns their paths. ``ours``: the contestant that the goals are about.

    Pictures come from WORK/points, where those of swapped faces carry the visible label.
    """
    table = goals(results.points, ours)
    reached = {pair: first_reached(results.points, pair) for pair in _pairs(results)}
    identity = {pair: first_reached(results.points, pair, identity_of) for pair in _pairs(results)}
    plain = {
        "settings": results.settings,
        "ours": ours,
        "goals": [asdict(goal) for goal in table],
        "first_reached": {"score": reached, "identity": identity},
        "ends": [asdict(end) for end in results.ends],
        "points": [asdict(point) for point in results.points],
    }
    data, page = work / "quality.json", work / "quality.html"
    atomic_write(data, json.dumps(plain, indent=1).encode())
    atomic_write(page, render(work / "points", results, table, reached).encode("utf-8", "replace"))
    return data, page


def _pairs(results: Results) -> list[str]:
    return sorted({point.pair for point in results.points})


def render(
    pictures: Path,
    results: Results,
    table: Sequence[Goal],
    reached: Mapping[str, Mapping[str, Mapping[str, float | None]]],
) -> str:
    """The page as HTML text. pictures: folder of the strips."""
    known = {end.pair: end for end in results.ends}
    body = f"<section><h2>Goals</h2>{_goals(table)}</section>"
    for pair in _pairs(results):
        mine = [point for point in results.points if point.pair == pair]
        end = known.get(pair)
        body += f"<section><h2>{escape(pair)}</h2>{_curves(mine, pair, end)}{_measures(mine, end)}"
        body += f"{_reached(reached[pair])}{_strips(pictures, mine, end)}</section>"
    style = files("doublecast.report").joinpath("style.css").read_text("utf-8")
    said = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>doublecast bench quality</title><style>{style}</style></head><body><main>"
        f"<header><h1>Quality per minute of training</h1><p>{escape(said)}</p>"
        '<p class="verdict"><span class="tag">AI-altered</span>The faces in the strips below are replaced, except in '
        "the actor's and the target's own.</p></header>"
        f"{body}</main></body></html>\n"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    cells = "".join(
        "<tr>" + f'<th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="number">{escape(text)}</td>' for text in row[1:]) + "</tr>"
        for row in rows
    )  # fmt: skip
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>'


def _goals(table: Sequence[Goal]) -> str:
    return _table(
        ["goal", "at least", "moonshot", "figures"], [(g.name, g.at_least, g.moonshot, g.figures) for g in table]
    )


def _curves(points: Sequence[Point], pair: str, end: Ends | None) -> str:
    found = plot(points, pair, score_of, "score", (end.floor if end else None, end.ceiling if end else None))
    found += plot(points, pair, identity_of, "identity, share of floor to ceiling", (0.0, 1.0))
    return found


def plot(points: Sequence[Point], pair: str, of: Of, title: str, ends: tuple[float | None, float | None]) -> str:
    """One curve per contestant over the minutes (logarithmic) as SVG; floor and ceiling as level lines."""
    names = sorted({point.contestant for point in points})
    lines = {name: line for name in names if (line := curve(points, pair, name, of))}
    levels = [level for level in ends if level is not None]
    values = [value for line in lines.values() for _, value in line] + levels
    if not lines:
        return ""
    low, high = min(values), max(max(values), min(values) + 1e-6)
    minutes = sorted({minute for line in lines.values() for minute, _ in line})
    first, last = minutes[0], max(minutes[-1], minutes[0] * 2)

    def across(minute: float) -> float:
        return _LEFT + math.log(minute / first) / math.log(last / first) * (_WIDE - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HIGH - _TOP - _BOTTOM)

    right, base = _WIDE - _RIGHT, _HIGH - _BOTTOM
    parts = []
    for value in ticks(low, high):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{down(value):.1f}" y2="{down(value):.1f}"/>')
        parts.append(f'<text class="axis" text-anchor="end" x="{_LEFT - 8}" y="{down(value):.1f}">{value:g}</text>')
    for minute in minutes:
        place = f'x="{across(minute):.1f}" y="{base + 18}"'
        parts.append(f'<text class="axis" text-anchor="middle" {place}>{minute:g}</text>')
    for level in levels:
        y = f"{down(level):.1f}"
        parts.append(f'<line class="rail" stroke-dasharray="4 4" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
    lowest = 0.0
    ordered = sorted(lines.items(), key=lambda item: down(item[1][-1][1]))
    for name, line in ordered:
        colour = names.index(name) % _SERIES
        path = " ".join(f"{across(m):.1f},{down(v):.1f}" for m, v in line)
        parts.append(f'<polyline class="line s{colour}" points="{path}"><title>{escape(name)}</title></polyline>')
        lowest = max(down(line[-1][1]), lowest + 15)
        place = f'x="{right + 8}" y="{lowest:.1f}" dy=".35em"'
        parts.append(f'<text class="name t{colour}" {place}>{escape(name)}</text>')
    parts.append(f'<text class="axis" text-anchor="middle" x="{(_LEFT + right) / 2:g}" y="{_HIGH - 6}">minutes</text>')
    label = escape(f"{title} over minutes of training")
    svg = f'<svg class="curve" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f'<h3>{escape(title)}</h3><div class="card">{svg}</div>'


def _measures(points: Sequence[Point], end: Ends | None) -> str:
    """Every contestant at its last minute; each measure with floor and ceiling."""
    last = list({p.contestant: p for p in sorted(points, key=lambda p: p.minutes)}.values())
    heads = ["", *(f"{p.contestant}, {p.minutes:g} min" for p in last), "floor", "ceiling", "unit", "better is"]
    ends = (number(end.floor if end else None), number(end.ceiling if end else None))
    rows = [
        ["score", *(number(p.score) for p in last), *ends, "0-100", "higher"],
        ["faces found again", *(number(100 * p.found) for p in last), "100", "100", "%", "higher"],
        ["faces seen in training", *(f"{p.faces_seen:,}" for p in last), "", "", "", ""],
    ]
    for name in dict.fromkeys(m.name for p in last for m in p.measures):
        one = next(m for p in last for m in p.measures if m.name == name)
        values = (number(p.value(name)) for p in last)
        rows.append([name, *values, number(one.floor), number(one.ceiling), one.unit, one.better])
    for name in dict.fromkeys(name for p in last for name in p.parts):
        rows.append([f"part of the score: {name}", *(number(p.parts.get(name)) for p in last), "0", "1", "", "higher"])
    return _table(heads, rows)


def _reached(table: Mapping[str, Mapping[str, float | None]]) -> str:
    names = list(table)
    if len(names) < 2:
        return ""

    def cell(mine: str, other: str) -> str:
        if mine == other:
            return "\N{EN DASH}"
        minute = table[mine].get(other)
        return "not reached" if minute is None else f"{minute:.1f}"

    rows = [[mine, *(cell(mine, other) for other in names)] for mine in names]
    return "<h3>Minute at which the best score of the others is first reached</h3>" + _table(
        ["", *(f"best of {name}" for name in names)], rows
    )


def _strips(pictures: Path, points: Sequence[Point], end: Ends | None) -> str:
    shown = [] if end is None else [(name, file) for name, file in end.strips.items()]
    for point in {p.contestant: p for p in sorted(points, key=lambda p: p.minutes)}.values():
        shown.append((f"{point.contestant}, {point.minutes:g} minutes (AI-altered)", point.picture))
    figures = []
    for caption, file in shown:
        found = picture_uri(pictures / file)
        if found is not None:
            uri, width, height = found
            image = f'<img src="{uri}" width="{width}" height="{height}" alt="{escape(caption)}">'
            figures.append(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")
    return f"<h3>The same held-out frames</h3>{''.join(figures)}" if figures else ""
