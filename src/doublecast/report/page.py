"""Writes the report: sections of HTML from a `Report`, all text escaped, all pictures inside the file."""

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from doublecast.disk import atomic_write
from doublecast.metrics import Measure
from doublecast.report import chart
from doublecast.report.content import Comparison, FacesetPart, FilmPart, Option, Picture, Preview, Report, StageTime

WIDEST = 1600  #: pictures are brought to at most this width
QUALITY = 88  #: JPEG quality of the pictures
MOST_PREVIEWS = 8  #: more previews are thinned evenly; the first and the last stay
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser may load nothing


def write_report(path: Path, report: Report) -> Path:
    """Write the report as one self-contained HTML file (no script, no external resource) and return its path.

    The file appears at once or not at all. Pictures of replaced faces must carry the visible label already (see
    `Report`). A picture file that cannot be read is named in its place. Raises OutputError when the file cannot be
    written.
    """
    atomic_write(path, render(report).encode("utf-8", "replace"))
    return path


def render(report: Report) -> str:
    """The report as HTML text."""
    sections = [
        ("film", "Film", _films(report.films)),
        ("frames", "Before and after", _comparisons(report.comparisons)),
        ("measures", "Measures", _measures(report.measures)),
        ("faces", "Facesets", _two(_faceset(report.actor), _faceset(report.target))),
        ("poses", "Pose coverage", _two(_poses(report.actor), _poses(report.target))),
        ("training", "Training", _training(report)),
        ("previews", "Previews over time", _previews(report.previews)),
        ("times", "Time per stage", _stages(report.stages)),
        (
            "options",
            "Options and versions",
            _two(_pairs("Options", report.options), _pairs("Versions", report.versions)),
        ),
        ("notes", "Notes and warnings", _notes(report)),
    ]
    shown = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in shown)
    body = "".join(f'<section id="{key}"><h2>{escape(name)}</h2>{html}</section>' for key, name, html in shown)
    style = files("doublecast.report").joinpath("style.css").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{style}</style></head><body><main>"
        f"<header><h1>{escape(report.title)}</h1><p>{escape(report.made)}</p>"
        f'<p class="verdict"><span class="tag">AI-altered</span>{escape(verdict(report))}</p>'
        f"<nav>{links}</nav></header>{body}</main></body></html>\n"
    )


def verdict(report: Report) -> str:
    """The report in a few plain sentences: what was done, to how many frames, and how near it came."""
    if not report.films:
        return "No film has been made yet; where a face is replaced in the pictures below, it is labelled."
    swapped, frames = sum(f.swapped for f in report.films), sum(f.frames for f in report.films)
    what = "This film shows" if len(report.films) == 1 else "These films show"
    is_ = "is" if len(report.films) == 1 else "are"
    if all(film.labelled for film in report.films):
        lines = [f"{what} a replaced face and {is_} labelled as AI-altered."]
    else:
        lines = [
            f"{what} a replaced face and {is_} not labelled in the picture, for compositing; the frames below are."
        ]
    lines.append(f"The face was replaced in {swapped:,} of {frames:,} frames.")
    found = {m.name: m for m in report.measures}
    near = found.get("identity: nearer to the target")
    if near is not None and math.isfinite(near.value):
        lines.append(
            f"{near.value:.0f} % of the measured faces are nearer to the target than to the actor{_ends(near)}."
        )
    flicker = found.get("flicker")
    if flicker is not None and math.isfinite(flicker.value):
        lines.append(f"Flicker is {flicker.value:.2f} times the actor's own.")
    warnings = sum(note.level == "warning" for note in report.notes)
    if warnings:
        lines.append(f"There {'is 1 warning' if warnings == 1 else f'are {warnings} warnings'} below.")
    return " ".join(lines)


def _ends(measure: Measure) -> str:
    if measure.floor is None or measure.ceiling is None:
        return ""
    return f" (unswapped {measure.floor:.0f} %, the real target {measure.ceiling:.0f} %)"


def number(value: float | None) -> str:
    """A value in three significant digits; a dash for None and values that are no numbers."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else "\N{MINUS SIGN}\N{INFINITY}"
    if value == 0:
        return "0"
    size = abs(value)
    text = (
        f"{value:,.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 1
        else f"{value:.3f}"
    )
    return text.replace("-", "\N{MINUS SIGN}")


def clock(seconds: float) -> str:
    """Seconds as 8.4 s, 3:05 min or 2:00:10 h."""
    if not math.isfinite(seconds):
        return "\N{EN DASH}"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h"


def picture_uri(picture: Picture) -> tuple[str, int, int] | None:
    """A picture as a JPEG data: URI with width and height, at most `WIDEST` wide; None when the file cannot be read."""
    if isinstance(picture, Path):
        try:
            data = np.frombuffer(picture.read_bytes(), np.uint8)
        except OSError:
            return None
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if pixels is None:
            return None
    else:
        pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    height, width = pixels.shape[:2]
    if width > WIDEST:
        height, width = max(1, round(height * WIDEST / width)), WIDEST
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, jpeg = cv2.imencode(".jpg", pixels, settings)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode('ascii')}", width, height


def _figure(picture: Picture | None, caption: str, *, alt: str = "") -> str:
    if picture is None:
        return ""
    found = picture_uri(picture)
    if found is None:
        inside = f'<div class="missing">{escape(str(picture))} could not be read</div>'
    else:
        uri, width, height = found
        inside = f'<img src="{uri}" width="{width}" height="{height}" alt="{escape(alt or caption)}">'
    return f"<figure>{inside}<figcaption>{escape(caption)}</figcaption></figure>"


def _two(left: str, right: str) -> str:
    if not (left or right):
        return ""
    return f'<div class="two">{"".join(f"<div class=card>{side}</div>" for side in (left, right) if side)}</div>'


def _list(pairs: Sequence[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in pairs)}</dl>"


def _table(heads: Sequence[str], rows: Sequence[str], numeric: Sequence[int], caption: str = "") -> str:
    head = "".join(
        f'<th scope="col"{" class=number" if k in numeric else ""}>{escape(h)}</th>' for k, h in enumerate(heads)
    )
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    table = f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _films(films: Sequence[FilmPart]) -> str:
    parts = []
    for film in films:
        share = f" ({100 * film.swapped / film.frames:.0f} %)" if film.frames else ""
        pairs = [
            ("file", str(film.path)),
            ("picture", f"{film.width} x {film.height}, {film.frames:,} frames, {clock(film.seconds)}"),
            ("face replaced in", f"{film.swapped:,} frames{share}"),
            ("label in the picture", "yes" if film.labelled else "none"),
        ]
        parts.append(f'<div class="card">{_list(pairs + ([("sound", film.sound)] if film.sound else []))}</div>')
    return "".join(parts)


def _comparisons(comparisons: Sequence[Comparison]) -> str:
    parts = []
    for pair in comparisons:
        at = clock(pair.seconds)
        parts.append(_figure(pair.before, f"actor, at {at}") + _figure(pair.after, f"film (AI-altered), at {at}"))
    return f'<div class="two">{"".join(parts)}</div>' if parts else ""


def _measures(measures: Sequence[Measure]) -> str:
    if not measures:
        return ""
    rows = []
    for m in measures:
        note = f'<div class="soft">{escape(m.note)}</div>' if m.note else ""
        rows.append(
            f'<tr><th scope="row">{escape(m.name)}{note}</th><td class="number value">{number(m.value)}</td>'
            f'<td class="number">{number(m.floor)}</td><td class="number">{number(m.ceiling)}</td>'
            f"<td>{chart.gauge(m)}</td><td>{escape(m.unit)}</td><td>{escape(m.better)}</td></tr>"
        )
    caption = (
        "Floor: the actor's own footage, nothing replaced. Ceiling: the real target. Movement is compared with the "
        "actor's own, so for expression, pose and gaze the floor is 0. "
        "Identity and PSNR forgive blur: look at the film too."
    )
    heads = ["what", "film", "floor", "ceiling", "floor to ceiling", "unit", "better is"]
    return _table(heads, rows, (1, 2, 3), caption)


def _faceset(part: FacesetPart) -> str:
    share = f" ({100 * part.kept / part.faces:.0f} %)" if part.faces else ""
    pairs = [
        ("takes", ", ".join(part.takes) or "none"),
        ("faces found", f"{part.faces:,}"),
        ("kept", f"{part.kept:,}{share}"),
        ("people seen", str(part.people)),
    ]
    reasons = sorted(part.set_aside.items(), key=lambda item: -item[1])
    if reasons:
        pairs.append(("set aside", ", ".join(f"{reason} {count:,}" for reason, count in reasons)))
    sheet = _figure(part.sheet, "a sample of the kept faces", alt=f"contact sheet of the {part.side}")
    return f"<h3>{escape(part.side)}</h3>{_list(pairs)}{sheet}"


def _poses(part: FacesetPart) -> str:
    if part.coverage is None:
        return ""
    words = f"<p>{escape(part.coverage.words)}</p>" if part.coverage.words else ""
    return f"<h3>{escape(part.side)}</h3>{chart.pose_map(part.coverage)}{words}"


def _training(report: Report) -> str:
    if not report.steps:
        return ""
    last = report.steps[-1]
    text = f"{last.step:,} steps, {last.faces_seen:,} faces seen in {clock(last.seconds)}"
    text += f", {last.faces_seen / last.seconds:.0f} faces/s." if last.seconds > 0 else "."
    curve = chart.loss_curve(report.steps) or '<p class="soft">Too few steps for a curve.</p>'
    return f'<p>{escape(text)}</p><div class="card">{curve}</div>'


def _previews(previews: Sequence[Preview]) -> str:
    ordered = sorted(previews, key=lambda p: p.step)
    chosen = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_PREVIEWS)).round().astype(int))
    shown = [ordered[k] for k in chosen] if ordered else []
    figures = (
        _figure(p.picture, f"step {p.step:,}, after {clock(p.seconds)} (swapped faces AI-altered)") for p in shown
    )
    return "".join(figures)


def _stages(stages: Sequence[StageTime]) -> str:
    if not stages:
        return ""
    rows = []
    for s in stages:
        amount = "" if s.amount is None else f"{s.amount:,.0f} {s.unit}"
        rate = "" if s.amount is None or s.seconds <= 0 else f"{number(s.amount / s.seconds)} {s.unit}/s"
        cells = "".join(f'<td class="number">{escape(text)}</td>' for text in (clock(s.seconds), amount, rate))
        rows.append(f'<tr><th scope="row">{escape(s.stage)}</th>{cells}</tr>')
    total = clock(sum(s.seconds for s in stages))
    rows.append(f'<tr><th scope="row">together</th><td class="number value">{total}</td><td></td><td></td></tr>')
    return _table(["stage", "time", "done", "rate"], rows, (1, 2, 3))


def _pairs(title: str, values: Mapping[str, Option]) -> str:
    if not values:
        return ""
    return f"<h3>{escape(title)}</h3>" + _list([(name, _plain(value)) for name, value in values.items()])


def _plain(value: Option) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else str(value)


def _notes(report: Report) -> str:
    items = (
        f'<li class="{note.level}"><b>{"Warning" if note.level == "warning" else "Note"}</b>{escape(note.text)}'
        f' <span class="soft">({escape(note.stage)})</span></li>'
        for note in sorted(report.notes, key=lambda n: n.level != "warning")
    )
    inside = "".join(items)
    return f'<ul class="notes">{inside}</ul>' if inside else ""
