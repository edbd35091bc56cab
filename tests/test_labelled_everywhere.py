"""Every place that makes a picture or a film: which of them show altered faces, and that those carry the label.

A new place, or a new command, has to be entered here, so that somebody thinks of the label.
"""

import ast
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer.main
from faces_clips import require_weights
from faceset_faces import FakeTake, fill, make
from people import head, skin
from people import picture as person
from pipeline_clips import ACTOR, TARGET, write
from trust_films import signing
from typer.testing import CliRunner

import doublecast
from doublecast.bench import quality
from doublecast.bench.judge import Verdict
from doublecast.bench.pairs import Pair
from doublecast.cli import app
from doublecast.events import Saved
from doublecast.faceset import FaceStore
from doublecast.pipeline import train
from doublecast.pipeline.measure import compare
from doublecast.production import TakeInput
from doublecast.report import FacesetPart, FilmPart, Report, render
from doublecast.trust import SEEN, FilmWriter, Label, Statement, seen
from doublecast.types import U8
from doublecast.video import Reader, find_takes, read_picture

ROOT = Path(doublecast.__file__).parent
TOOLS = ROOT.parents[1] / "tools"

MAKERS = {
    "imencode", "imwrite", "imencodemulti", "imwritemulti", "imwriteanimation", "imsave", "tofile", "fromarray",
    "encode_png", "save_picture", "save_sheet", "picture_uri", "write_png", "write_jpeg", "save_image", "b64encode",
    "FilmEncoder", "FilmWriter", "SegmentWriter", "VideoWriter", "add_stream", "Comparison", "Preview", "write_film",
    "encode_jpeg",
}  # fmt: skip
"""Names of what turns pixels into a file, a data: URI, or a picture of the report."""

NOBODY = "no altered face: footage and faces as they were found, or nobody at all"
LABELLED = "altered faces, and the label is put in here or was put in before"
PART = "the last step of a function that is in this table itself"

SITES = {
    # altered faces
    ("trust/writer.py", "FilmWriter.__init__", "FilmEncoder"): LABELLED,  # `write` puts it in
    ("trust/writer.py", "save_picture", "encode_png"): LABELLED,
    ("pipeline/convert.py", "_render", "FilmWriter"): LABELLED,
    ("pipeline/train.py", "_keep", "save_picture"): LABELLED,
    ("pipeline/measure.py", "compare", "Comparison"): LABELLED,  # frames of films, see `label` there
    ("pipeline/report.py", "_previews", "Preview"): LABELLED,  # files of `pipeline.train`
    ("bench/quality.py", "Bout._measure", "save_picture"): LABELLED,
    ("bench/quality.py", "_write_ends", "save_picture"): LABELLED,
    ("bench/page.py", "_strips", "picture_uri"): LABELLED,  # files of `bench.quality`
    ("report/page.py", "_figure", "picture_uri"): LABELLED,  # comparisons and previews; contact sheets: nobody
    ("pipeline/preview_child.py", "_Server._pair", "encode_jpeg"): LABELLED,  # in `FilmPreview.pair`; and footage
    ("tools/strip.py", "main", "save_picture"): LABELLED,
    # steps of those
    ("report/page.py", "picture_uri", "imencode"): PART,
    ("report/page.py", "picture_uri", "b64encode"): PART,
    ("report/page.py", "picture_uri", "data:image"): PART,
    ("video/pictures.py", "encode_png", "imencode"): PART,
    ("video/pictures.py", "encode_jpeg", "imencode"): PART,
    ("video/encode.py", "FilmEncoder.__init__", "SegmentWriter"): PART,
    ("video/encode.py", "FilmEncoder.write", "encode_png"): PART,
    ("video/mux.py", "_assemble", "add_stream"): PART,
    ("video/mux.py", "_audio_stream", "add_stream"): PART,
    # no altered face
    ("faceset/record.py", "encode", "imencode"): NOBODY,
    ("faceset/browse.py", "_small", "imencode"): NOBODY,
    ("faceset/sheet.py", "save_sheet", "imencode"): NOBODY,
    ("studio/pages/faces_api.py", "_one_face.face", "encode_jpeg"): NOBODY,  # of faces as they were found
    ("studio/previews.py", "Previews.frame", "encode_jpeg"): NOBODY,  # the take as it was filmed
    ("faceset/exchange.py", "_encoded", "imencode"): NOBODY,
    ("faceset/curate.py", "_choose", "save_sheet"): NOBODY,
    ("cli/faces.py", "sheet", "save_sheet"): NOBODY,
    ("studio/cards.py", "portrait", "encode_jpeg"): NOBODY,
    ("bench/quality.py", "_write_ends", "imencode"): NOBODY,
    ("bench/speed.py", "_enlarged", "add_stream"): NOBODY,
    ("bench/attacks.py", "encoded", "add_stream"): NOBODY,  # footage in memory, to measure the invisible mark
    ("trust/offline.py", "try_signer", "encode_png"): NOBODY,  # one black pixel
}  # fmt: skip

COMMANDS = {
    "swap": "films with --label, previews and a report that always carry it",
    "demo": "as swap",
    "convert": "films with --label",
    "train": "previews",
    "jobs run": "as swap, train and convert, which it calls",
    "studio": "as jobs run, in processes of their own, and pages that show what they wrote",
    "jobs add": "as jobs run, in a process of its own",
    "jobs resume": "as jobs run, in a process of its own",
    "snapshots save": "links to previews, which carry it",
    "snapshots restore": "links to previews, which carry it",
    "bench quality": "strips and a page of them",
    "extract": "contact sheets of footage",
    "faces sheet": "contact sheets of footage",
    "faces export": "faces of footage",
    "faces correct": "a crop of footage",
    **dict.fromkeys(["faces list", "faces drop", "faces restore", "faces undo", "faces import"], ""),
    **dict.fromkeys(["weights", "bench", "verify", "bench watermark", "bench guard", "bench trust"], ""),
    **dict.fromkeys(["jobs list", "jobs pause", "jobs cancel", "jobs stop", "snapshots list", "snapshots remove"], ""),
    **dict.fromkeys(["consent add", "consent list", "consent show", "consent revoke"], ""),
    **dict.fromkeys(["look show", "look set", "look reset"], ""),
}
"""What commands write that can be looked at; "" where nothing."""


def _sites(path: Path, name: str) -> Iterator[tuple[str, str, str]]:
    def walk(node: ast.AST, where: str) -> Iterator[tuple[str, str, str]]:
        for child in ast.iter_child_nodes(node):
            inside = where
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{where}.{child.name}".lstrip(".")
            called = child.func if isinstance(child, ast.Call) else None
            what = getattr(called, "attr", getattr(called, "id", ""))
            if what in MAKERS:
                yield name, where, what
            if isinstance(child, ast.Constant) and isinstance(child.value, str) and "data:image" in child.value:
                yield name, where, "data:image"
            yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), "")


def _all_sites() -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for path in ROOT.rglob("*.py"):
        found.update(_sites(path, path.relative_to(ROOT).as_posix()))
    for path in TOOLS.rglob("*.py"):
        found.update(_sites(path, f"tools/{path.relative_to(TOOLS).as_posix()}"))
    return found


def test_every_place_that_makes_pictures_is_known() -> None:
    found = _all_sites()
    new, gone = found - SITES.keys(), SITES.keys() - found
    assert not new, f"these make pictures: do they show altered faces, and the label? Enter them here: {sorted(new)}"
    assert not gone, f"no longer there: {sorted(gone)}"


def test_a_new_place_is_found(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    path.write_text("class A:\n    def b(self):\n        cv2.imwrite('x', y)\n        return f'data:image/png;{z}'\n")
    assert set(_sites(path, "new.py")) == {("new.py", "A.b", "imwrite"), ("new.py", "A.b", "data:image")}


@pytest.mark.parametrize(
    ("package", "users"),
    [
        ("PIL", {"trust/lettering.py"}),  # draws the label, saves nothing
        ("matplotlib", set()),
        ("imageio", set()),
        ("torchvision", set()),
    ],
)
def test_no_other_package_writes_pictures(package: str, users: set[str]) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(rf"^\s*(from|import) {package}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == users
    assert not any(".save(" in (ROOT / user).read_text(encoding="utf-8") for user in users)


def test_unlabelled_previews_are_read_in_one_place() -> None:
    files = {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in ROOT.rglob("*.py")}
    assert {name for name, text in files.items() if re.search(r"(?<!model|eline)\.preview\b", text)} == {
        "pipeline/train.py"
    }


def _commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{before}{name}"
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_known() -> None:
    found = set(_commands(typer.main.get_command(app)))
    assert {"swap", "demo", "convert", "train", "extract", "bench", "bench quality", "faces sheet"} <= found
    new = found - COMMANDS.keys()
    assert not new, f"do these write pictures of altered faces, and the label? Enter them here: {sorted(new)}"


# what they write


def _sheet(width: int = 960, height: int = 480) -> U8:
    return np.asarray(cv2.resize(person(head(), skin(0)), (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _saved(path: Path) -> U8:
    picture = read_picture(path)
    assert picture is not None
    return picture


def test_previews_are_labelled(tmp_path: Path) -> None:
    train._keep(tmp_path, Saved(7, tmp_path / "x", _sheet()))
    assert seen(_saved(tmp_path / "previews" / "00000007.png"), Label()) > SEEN
    assert seen(_sheet(), Label()) < SEEN


def test_strips_of_the_bench_are_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def converter(self) -> None: ...

    face = make(head(), 0, person(head(), skin(0)))
    assert face.crop is not None
    verdict = Verdict(1.0, {}, [], 1.0, [face.crop] * 6)
    monkeypatch.setattr(quality, "judge", lambda *_, **__: verdict)
    monkeypatch.setattr(quality, "ends", lambda held: (verdict, None))
    (tmp_path / "points").mkdir()
    pair = Pair.__new__(Pair)
    object.__setattr__(pair, "name", "p")
    held: Any = type("Held", (), {"actor": [(0, face.crop)] * 6, "target": [(0, face.crop)] * 6})()
    held.truth = type("Truth", (), {"samples": [(0, face.crop)] * 6})()
    bout = quality.Bout(tmp_path, pair, "n", quality.Settings(1), (None, None), held, None, lambda event: None)  # type: ignore[arg-type]
    bout._measure(Nobody(), quality._Clock(), 1.0)  # type: ignore[arg-type]
    quality._write_ends(tmp_path / "points" / "x.ends.json", pair, held)
    found = {p.name.split(".")[-2]: seen(_saved(p), Label()) > SEEN for p in (tmp_path / "points").glob("*.png")}
    assert found.pop("actor") is found.pop("target") is False  # as they were found
    assert found.pop("truth") and len(found) == 1 and all(found.values())


def _film(folder: Path, label: Label) -> tuple[FaceStore, TakeInput, Path]:
    """A take, its faces, and a film of it with that label."""
    clip = write(folder / "in.mp4", [np.tile(person(head(), skin(0)), (1, 2, 1))] * 12)
    (take,) = find_takes([clip])
    own = FakeTake("a", (clip,), width=512)
    store = FaceStore(folder / "actor")
    fill(store, [make(head(), n, person(head(), skin(0)), take=own) for n in range(12)], own)
    ids = store.table().id
    store.assign(ids, np.zeros(len(ids), np.int32), [""] * len(ids), "all one person")
    with Reader(take) as reader:
        writer = FilmWriter(
            folder / "out.mp4",
            take,
            reader.info,
            label=label,
            statement=Statement("x"),
            parts=folder / "parts",
            **signing(),
        )
        with writer:
            for frame in reader:
                writer.write(frame, [])
    return store, TakeInput("a", own.key(), "video", (str(clip),)), folder / "out.mp4"


@pytest.mark.parametrize("style", ["corner", "none"])
def test_frames_in_the_report_are_labelled(tmp_path: Path, style: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a film without a label too: it is put into them, and the words say what the film has."""
    monkeypatch.setattr("doublecast.pipeline.measure.FaceTracker", _Blind)
    label = Label(style)
    store, take, film = _film(tmp_path, label)
    burnt = label.for_pictures() if style == "none" else None
    found = compare(take, film, store, store, label=burnt)
    side = FacesetPart("actor", ["a"], 1, 1)
    part = FilmPart(film, 512, 256, 12, 0.5, 12, labelled=style != "none")
    html = render(Report([part], side, side, "now", comparisons=found.comparisons))
    pictures = [
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR_RGB)
        for text in re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    ]
    assert len(pictures) == 8
    for before, after in zip(pictures[::2], pictures[1::2], strict=True):
        assert seen(np.asarray(before, np.uint8), Label()) < SEEN
        assert seen(np.asarray(after, np.uint8), Label()) > SEEN
    assert ("not labelled in the picture" in html) == (style == "none")
    assert ("<dt>label in the picture</dt><dd>none</dd>" in html) == (style == "none")


class _Blind:
    """A tracker that finds nobody, so that nothing is measured."""

    def __init__(self, *, pictures: bool) -> None: ...

    def step(self, frame: object) -> list[object]:
        return []


@pytest.mark.slow
def test_a_job_without_a_label_in_its_film(tmp_path: Path, shared: Path) -> None:
    """The whole job from outside: --label none, then other labels of the same production."""
    require_weights()
    film, job = tmp_path / "film.mp4", tmp_path / "film.production"

    def run(*arguments: object) -> None:
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr

    run("swap", shared / ACTOR, shared / TARGET, "-o", film, "--minutes", "0.02", "--device", "cpu", "--label", "none",
        "--actor-consent", "research:Pexels", "--target-consent", "research:Pexels")  # fmt: skip
    html = (job / "report.html").read_text("utf-8")
    part = html[html.index('id="frames"') : html.index('id="measures"')]
    shown = [_jpeg(text) for text in re.findall(r"data:image/jpeg;base64,([^\"]+)", part)]
    assert shown and all(seen(after, Label()) > SEEN > seen(before, Label()) for before, after in _pairs(shown))
    previews = sorted(job.glob("*/previews/*.png"))
    assert previews and all(seen(_saved(path), Label()) > SEEN for path in previews)
    assert max(_in_film(film, Label())) < SEEN
    options: list[tuple[list[str], Label]] = [
        ([], Label(corner="bottom-left")),
        (
            ["--label", "bar", "--label-language", "de", "--label-corner", "top-left"],
            Label("bar", "top-left", None, "de"),
        ),
        (["--label", "first-seconds", "--label-text", "Made by AI"], Label("first-seconds", text="Made by AI")),
    ]
    for number, (given, label) in enumerate(options):
        out = tmp_path / f"{number}.mp4"
        run("convert", job, "-o", out, *given)
        assert min(_in_film(out, label)) > SEEN


def _jpeg(text: str) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def _pairs(pictures: list[U8]) -> Iterator[tuple[U8, U8]]:
    yield from zip(pictures[::2], pictures[1::2], strict=True)


def _in_film(path: Path, label: Label) -> list[float]:
    with Reader(find_takes([path])[0]) as reader:
        return [seen(f.pixels, label, seconds=f.index / 25) for f in reader if f.index % 10 == 0]
