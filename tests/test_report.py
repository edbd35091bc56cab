"""The report: one file, nothing loaded from elsewhere, every text escaped, broken pictures named and not fatal."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from doublecast.errors import OutputError
from doublecast.events import Note, Step
from doublecast.metrics import Measure
from doublecast.report import (
    Comparison,
    FacesetPart,
    FilmPart,
    PoseMap,
    Preview,
    Report,
    StageTime,
    chart,
    page,
    render,
    write_report,
)
from doublecast.types import U8

NASTY = "<script>alert('x')</script> & \"quoted\""


def picture(width: int = 40, height: int = 20) -> U8:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def steps(n: int = 50) -> list[Step]:
    return [Step(k, 32 * k, 0.5 * k, 64.0, {"structure": 1 / k, "colour": 0.2 / k}) for k in range(1, n + 1)]


def full(text: str = "plain") -> Report:
    """A report with something in every section."""
    counts = np.arange(96, dtype=np.int64).reshape(8, 12)
    side = FacesetPart(text, [text], 90, 60, 2, {text: 30}, picture(), PoseMap(counts, words=text))
    return Report(
        [FilmPart(Path(text), 640, 360, 200, 8.0, 198, text)],
        side,
        side,
        text,
        steps=[*steps(), Step(51, 1632, 25.5, 64.0, {text: 0.1}), Step(52, 1664, 26.0, 64.0, {text: 0.1})],
        previews=[Preview(50, 25.0, picture())],
        comparisons=[Comparison(1.0, picture(), picture())],
        measures=[
            Measure("identity: nearer to the target", 97.0, 0.0, 100.0, text, "higher", text),
            Measure("flicker", 1.2, 1.0, None, text, "lower"),
            Measure(text, float("nan"), None, float("inf"), text, "lower"),
        ],
        stages=[StageTime(text, 12.0, 200, text), StageTime(text, 0.0, 5, text)],
        options={text: text, "size": 96, "overwrite": False, "steps": None},
        versions={text: text},
        notes=[Note(text, text, "warning"), Note(text, text)],
        title=text,
    )


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render(full())
    read = Reader(text)
    assert not {"script", "link", "iframe", "object", "base"} & set(read.tags)
    for tag, name, value in read.attributes:
        if name in ("src", "href"):
            assert value is not None and value.startswith(("data:image/", "#")), (tag, name)
        assert not name.startswith("on")
    assert "url(" not in text and "@import" not in text and "http:" not in text and "https:" not in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_all_text_is_escaped() -> None:
    read = Reader(render(full(NASTY)))
    assert "script" not in read.tags
    assert read.text.count(NASTY) >= 15
    assert any(name == "alt" and value and NASTY in value for _, name, value in read.attributes)


def test_every_section_is_there_and_says_that_the_film_is_altered() -> None:
    text = Reader(render(full())).text
    for heading in (
        "Film",
        "Before and after",
        "Measures",
        "Facesets",
        "Pose coverage",
        "Training",
        "Previews over time",
    ):
        assert heading in text
    for words in ("Time per stage", "Options and versions", "Notes and warnings", "AI-altered", "198 of 200 frames"):
        assert words in text
    assert "97 % of the measured faces are nearer to the target" in text
    assert "There is 1 warning below" in text


def test_sections_without_content_are_left_out() -> None:
    side = FacesetPart("actor", [], 0, 0)
    text = Reader(render(Report([], side, side, "today"))).text
    assert "No film has been made yet" in text
    for heading in ("Before and after", "Measures", "Training", "Previews", "Time per stage", "Options", "Notes"):
        assert heading not in text


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"no picture")])
def test_a_picture_file_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    broken = tmp_path / "preview <1>.png"
    make(broken)
    text = Reader(render(replace(full(), previews=[Preview(1, 1.0, broken)]))).text
    assert f"{broken} could not be read" in text


def test_pictures_come_from_arrays_and_files_and_keep_their_colours(tmp_path: Path) -> None:
    red = np.zeros((30, 3200, 3), np.uint8)
    red[..., 0] = 250
    file = tmp_path / "red.png"
    cv2.imwrite(str(file), red[..., ::-1])
    for given in (red, file):
        found = page.picture_uri(given)
        assert found is not None
        uri, width, height = found
        assert (width, height) == (page.WIDEST, 15)
        data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
        back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert back is not None and np.abs(back[7, 800].astype(int) - [0, 0, 250]).max() <= 4


def test_many_previews_are_thinned_but_the_ends_stay() -> None:
    many = [Preview(k, float(k), picture()) for k in range(100, 0, -1)]
    text = Reader(render(replace(full(), previews=many))).text
    assert text.count("swapped faces AI-altered") == page.MOST_PREVIEWS
    assert "step 1," in text and "step 100," in text


def test_write_report_is_one_file_and_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    for text in ("first", "second \udcff name"):  # a file name that is no UTF-8
        assert write_report(path, full(text)) == path
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert "second ? name" in path.read_text("utf-8")


def test_write_report_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(tmp_path / "no folder" / "report.html", full())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoseMap(np.zeros((8, 12), np.float64)), "int64"),
        (lambda: PoseMap(np.zeros((0, 12), np.int64)), "at least one bin"),
        (lambda: PoseMap(np.full((8, 12), -1, np.int64)), "counts"),
        (lambda: PoseMap(np.zeros((8, 12), np.int64), yaw=(60, -60)), "grow"),
        (lambda: FacesetPart("actor", [], 5, 6), "6 kept of 5"),
        (lambda: Preview(1, 1.0, np.zeros((4, 4), np.uint8)), "uint8 anyxanyx3"),
        (lambda: Preview(1, 1.0, np.zeros((0, 4, 3), np.uint8)), "empty"),
        (lambda: Comparison(1.0, picture(), picture().astype(np.float32)), "frame after"),
    ],
)
def test_wrong_content_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_loss_curve_leaves_out_what_cannot_be_drawn() -> None:
    broken = [Step(k, 32 * k, 1.0, 1.0, {"loss": float("nan") if k == 3 else 1 / k}) for k in range(1, 9)]
    drawn = chart.loss_curve(broken)
    assert drawn is not None and "nan" not in drawn
    line = ElementTree.fromstring(drawn).find("polyline")
    assert line is not None and len(line.attrib["points"].split()) == 7
    for few in ([], steps(1), [Step(1, 0, 0, 0, {})], [Step(k, 32 * k, 1, 1, {"l": float("inf")}) for k in (1, 2)]):
        assert chart.loss_curve(few) is None
    for flat in ([0.0, 0.0], [-1.0, 5.0], [1e-9, 1.0]):
        assert chart.loss_curve([Step(k, 32 * k, 1, 1, {"l": v}) for k, v in enumerate(flat, 1)]) is not None


def test_a_long_training_is_drawn_with_few_points() -> None:
    drawn = chart.loss_curve(steps(20_000))
    assert drawn is not None and len(drawn) < 20_000


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (0.03, 0.41, [0.1, 0.2, 0.3, 0.4]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
    ],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    assert chart.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "floor", "ceiling", "better", "percent"),
    [
        (0.4, 0.6, 0.2, "lower", 50),
        (90.0, 0.0, 100.0, "higher", 90),
        (9.0, 1.0, 0.5, "lower", -6),
        (0.02, 0.0, 0.01, "lower", None),  # the floor is the better end
        (1.0, None, 1.0, "higher", None),
        (float("nan"), 0.0, 1.0, "higher", None),
        (1.0, 1.0, 1.0, "higher", None),
    ],
)
def test_gauge(value: float, floor: float | None, ceiling: float | None, better: str, percent: int | None) -> None:
    drawn = chart.gauge(Measure("m", value, floor, ceiling, "", "lower" if better == "lower" else "higher"))
    assert re.findall(r"(-?\d+) % of the way", drawn) == ([] if percent is None else [str(percent)])


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (page.number, None, "\N{EN DASH}"),
        (page.number, float("nan"), "\N{EN DASH}"),
        (page.number, float("-inf"), "\N{MINUS SIGN}\N{INFINITY}"),
        (page.number, 0.0, "0"),
        (page.number, -0.1234, "\N{MINUS SIGN}0.123"),
        (page.number, 22.75, "22.8"),
        (page.number, 12345.6, "12,346"),
        (page.clock, 8.44, "8.4 s"),
        (page.clock, 185.4, "3:05 min"),
        (page.clock, 7210.0, "2:00:10 h"),
        (page.clock, float("nan"), "\N{EN DASH}"),
        (chart.compact, 999, "999"),
        (chart.compact, 1249, "1.2k"),
        (chart.compact, 34_400, "34k"),
    ],
)
def test_numbers_in_words(function: Callable[[object], str], value: object, text: str) -> None:
    assert function(value) == text
