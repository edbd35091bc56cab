"""The visible label: legible at every size over everything, in every language, off the faces, and found again."""

import io
import time
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make
from people import head, picture, skin
from PIL import ImageFont
from trust_films import signing
from typer.testing import CliRunner
from video_clips import make_clip

from doublecast.cli import app
from doublecast.errors import InputError
from doublecast.faceset import FaceStore
from doublecast.pipeline.convert import placed
from doublecast.production import TakeInput
from doublecast.trust import (
    SEEN,
    FilmWriter,
    Label,
    Statement,
    declared_label,
    label,
    labelled,
    lettering,
    save_picture,
    seen,
)
from doublecast.trust.label import CORNERS, FIRST, LARGE, SMALL, SMALLEST, STYLES, Style, free_corner
from doublecast.types import U8, Patch
from doublecast.video import Reader, composite, find_takes, read_picture

SIZES = [(64, 64), (296, 400), (512, 512), (1280, 720), (3840, 2160)]
DRAWN: list[tuple[Style, float]] = [("corner", 0.0), ("bar", 0.0), ("first-seconds", 0.0), ("first-seconds", 9.0)]
JAPANESE = "AIで改変"


def patch_of(own: Label, pixels: U8, patches: Sequence[Patch] = (), seconds: float = 0.0) -> Patch:
    patch = own.patch(pixels, patches, seconds=seconds)
    assert patch is not None
    return patch


def grey(width: int, height: int, value: int = 128) -> U8:
    return np.full((height, width, 3), value, np.uint8)


def busy(width: int, height: int, seed: int = 0) -> U8:
    """Black and white specks as large as strokes of the label."""
    specks = np.random.default_rng(seed).integers(0, 2, (height // 3 + 1, width // 3 + 1, 1), np.uint8) * np.uint8(255)
    return np.ascontiguousarray(np.repeat(np.repeat(np.repeat(specks, 3, 0), 3, 1)[:height, :width], 3, 2))


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB, WCAG 2.2."""
    linear = pixels / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))


# legible


@pytest.mark.parametrize("background", ["black", "white", "grey", "yellow", "busy"])
@pytest.mark.parametrize(("style", "seconds"), DRAWN)
@pytest.mark.parametrize("size", SIZES[:-1])
def test_contrast_over_everything(size: tuple[int, int], style: Style, seconds: float, background: str) -> None:
    """WCAG asks for 4.5:1 (AA) or 7:1 (AAA) between letters and what is behind them, here the brightest of it."""
    flat = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "yellow": (255, 240, 0)}
    pixels = busy(*size) if background == "busy" else np.full((size[1], size[0], 3), flat[background], np.uint8)
    own = Label(style)
    patch = patch_of(own, pixels, seconds=seconds)
    look = own._look(*size, seconds)
    assert look is not None
    x, y, (h, w) = look.ink_x - patch.x, look.ink_y - patch.y, look.ink.shape
    part = luminance(patch.pixels[y : y + h, x : x + w])
    ink, behind = part[look.ink > 0.98], part[look.ink == 0]
    assert len(ink) > 20
    contrast = (ink.min() + 0.05) / (behind.max() + 0.05)
    assert contrast >= 7


@pytest.mark.parametrize(("style", "seconds"), DRAWN)
@pytest.mark.parametrize("language", ["en", "de", "uk"])
@pytest.mark.parametrize("size", [*SIZES, (540, 960), (20, 400), (16, 16), (2, 2), (1, 1)])
def test_letters_are_large_enough_and_inside(
    size: tuple[int, int], language: str, style: Style, seconds: float
) -> None:
    width, height = size
    for corner in CORNERS:
        own = Label(style, corner, language=language)
        patch = patch_of(own, grey(width, height), seconds=seconds)
        h, w = patch.mask.shape
        assert 0 <= patch.x <= width - w and 0 <= patch.y <= height - h
        look = own._look(width, height, seconds)
        assert look is not None and look.ink.shape[0] <= height and look.ink.shape[1] <= width
        factor = {0.0: LARGE, 9.0: SMALL}[seconds] if style == "first-seconds" else 1.0
        if (width >= 296 and language != "uk") or (width == 64 and language == "en"):
            assert look.capital >= SMALLEST
        if width >= 512:
            assert look.capital >= 0.9 * factor * 0.025 * height or language == "uk"
            assert look.ink.shape[1] > 5 * look.capital
        if width >= 64:
            assert h <= max(0.25 * height, 2.4 * SMALLEST)
            assert (patch.y + h / 2 < height / 2) == corner.startswith("top")
        if width >= 296 and style == "corner" and language != "uk":
            assert (patch.x + w / 2 < width / 2) == corner.endswith("left")
        assert (w == width) or style != "bar"


def test_capitals_have_the_height_that_is_asked_for() -> None:
    for capital in (10.0, 18.0, 54.0):
        rows = np.flatnonzero(lettering.draw_text("HHH", None, capital).ink.max(1) > 0.5)
        assert abs(len(rows) - capital) <= 1


def test_first_seconds_is_large_and_then_small() -> None:
    own, pixels = Label("first-seconds"), grey(1280, 720)
    heights = [len(patch_of(own, pixels, seconds=s).mask) for s in (0, FIRST - 0.01, FIRST, 1e4)]
    corner = len(patch_of(Label(), pixels).mask)
    assert heights[0] == heights[1] > 2 * corner
    assert corner > heights[2] == heights[3]


def test_what_lies_around_the_label_is_untouched() -> None:
    pixels = busy(320, 240)
    for style, seconds in DRAWN:
        patch = patch_of(Label(style), pixels, seconds=seconds)
        assert patch.mask.all() == (style == "bar")  # the box has round corners
        out = composite(pixels, [patch])
        inside = np.zeros((240, 320), np.bool_)
        inside[patch.y : patch.y + len(patch.mask), patch.x : patch.x + patch.mask.shape[1]] = patch.mask
        assert (out == pixels)[~inside].all()


def test_label_lies_over_what_is_put_in() -> None:
    below = Patch(0, 0, np.full((240, 320, 3), (250, 0, 0), np.uint8), np.ones((240, 320), np.bool_))
    patch = patch_of(Label(), grey(320, 240), [below])
    w = patch.mask.shape[1]
    assert patch.pixels[1, w // 2].tolist() == [round(250 * (1 - label.DARK)), 0, 0]


def test_drawing_takes_no_time() -> None:
    pixels, own = busy(1280, 720), Label()
    face = Patch(500, 200, np.zeros((200, 200, 3), np.uint8), np.ones((200, 200), np.bool_))
    times = []
    for _ in range(50):
        begin = time.perf_counter()
        own.patch(pixels, [face])
        times.append(time.perf_counter() - begin)
    print(f"label per 720p frame: {1e3 * float(np.median(times)):.3f} ms")
    assert np.median(times) < 0.3e-3


# words


def test_every_language_has_all_its_letters() -> None:
    for language, text in lettering.WORDS.items():
        assert lettering.lacking(text, None) == "", language
        own = Label(language=language)
        assert own.words == text
        assert (own.declared()["text"], own.declared()["language"]) == (text, language)
    assert len({Label(language=language).key for language in lettering.WORDS}) == len(lettering.WORDS)


def test_letters_are_told_from_the_mark_for_missing_ones() -> None:
    assert lettering.lacking("AIで改変 é", None) == "で改変"
    assert lettering.lacking("\u0378\ue000", None) == "\u0378\ue000"  # no character; private use
    drawn = [lettering.draw_text(letter, None, 40).ink for letter in "äßłżğ\u0416\u03a9"]
    assert len({ink.tobytes() for ink in drawn}) == 7 and all(ink.sum() > 50 for ink in drawn)


def _ascii_font(folder: Path) -> Path:
    """A real font with hardly any letters: the one inside Pillow."""
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, io.BytesIO)
    path = folder / "ascii.ttf"
    path.write_bytes(font.path.getvalue())
    return path


def test_a_font_file_is_used_and_its_gaps_are_named(tmp_path: Path) -> None:
    path = _ascii_font(tmp_path)
    own = Label(text="AI-altered", font=path)
    assert (patch_of(own, grey(640, 360)).mask.shape) != patch_of(Label(), grey(640, 360)).mask.shape
    assert own.declared()["language"] == ""
    with pytest.raises(InputError, match=r"KI-verändert.*ascii\.ttf does not have: ä \(U\+00E4\).*--label-font"):
        Label(language="de", font=path)
    with pytest.raises(InputError, match=r"で \(U\+3067\), 改 \(U\+6539\), 変 \(U\+5909\)\. Name a font file"):
        Label(text=JAPANESE)


def test_a_font_that_was_changed_is_another_label(tmp_path: Path) -> None:
    path = _ascii_font(tmp_path)
    before = Label(text="AI-altered", font=path).key
    path.write_bytes((files("doublecast.assets") / "fonts" / "OpenSans.ttf").read_bytes())
    lettering._data.cache_clear()
    assert Label(text="AI-altered", font=path).key != before


@pytest.mark.parametrize("content", [None, b"", b"no font at all" * 100])
def test_font_files_that_are_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "font.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"font\.ttf.*(--label-font|\.otf file)"):
        Label(font=path)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"text": ""}, InputError, "one line"),
        ({"text": "."}, InputError, "2 letters"),
        ({"text": "-- --"}, InputError, "2 letters"),
        ({"text": "a\nb"}, InputError, "one line"),
        ({"text": "a" * 61}, InputError, "60 characters"),
        ({"text": "a", "language": "de"}, InputError, "either"),
        ({"language": "tlh"}, InputError, "known are en, bg"),
        ({"corner": "middle"}, ValueError, "corner"),
        ({"style": "hidden"}, ValueError, "style"),
        ({"height": 0.5}, ValueError, "height"),
        ({"height": 0.0}, ValueError, "height"),
    ],
)
def test_labels_that_cannot_be(options: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Label(**options)  # type: ignore[arg-type]


def test_scripts_that_need_shaping_are_refused_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublecast.trust.lettering.features.check", lambda feature: False)
    with pytest.raises(InputError, match="FriBiDi"):
        Label(text="שונה AI")
    assert Label(text="Vytvořeno AI").words == "Vytvořeno AI"


# off the faces

LEFT, RIGHT, CENTRE = (0, 200, 500, 720), (780, 200, 1280, 720), (440, 150, 840, 600)
LOW, HIGH, EVERYWHERE = (300, 400, 1000, 720), (300, 0, 1000, 300), (0, 0, 1280, 720)


@pytest.mark.parametrize(
    ("boxes", "corner", "bar"),
    [
        ([], "bottom-left", "bottom"),
        ([CENTRE], "bottom-left", "bottom"),
        ([LEFT], "bottom-right", "top"),
        ([RIGHT], "bottom-left", "top"),
        ([LEFT, RIGHT], "top-left", "top"),
        ([LOW], "bottom-left", "top"),
        ([HIGH], "bottom-left", "bottom"),
        ([LEFT, RIGHT, (0, 0, 500, 200)], "top-right", "top"),
        ([LEFT] + 99 * [CENTRE], "bottom-right", "top"),  # one frame of a hundred counts: nothing else is covered
        ([EVERYWHERE], "bottom-left", "bottom"),
        ([EVERYWHERE, LEFT], "bottom-right", "top"),
        ([(0, 200, 150, 650)], "bottom-right", "top"),  # chin and hair lie beyond the box
    ],
)
def test_the_corner_is_off_the_faces(boxes: list[tuple[int, ...]], corner: str, bar: str) -> None:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    size = (1280, 720)
    assert free_corner(found, size, Label()) == corner
    assert free_corner(found, size, Label("bar")) == f"{bar}-left"
    assert Label().away_from(found, size) == Label(corner=corner)
    assert Label(corner="top-right").away_from(found, size).corner == "top-right"  # as asked for
    assert Label("none").away_from(found, size) == Label("none")
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        free_corner(found.reshape(-1), size, Label())


def test_the_corner_is_chosen_from_all_faces_of_the_take(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    pixels = picture(head(), skin(0))
    for number, (name, centre) in enumerate((("a", (60, 200)), ("b", (200, 60)))):
        take = FakeTake(name)
        points = head(centre=centre, scale=60)
        fill(store, [make(points, 0, pixels, take=take, number=number)], take)
    inputs = [TakeInput(name, FakeTake(name).key(), "video", ()) for name in "ab"]
    assert [placed(Label(), store, given).corner for given in inputs] == ["bottom-right", "bottom-left"]


# which label


def test_another_label_has_another_key() -> None:
    labels = [
        Label(), Label("bar"), Label("none"), Label("first-seconds"), Label(corner="top-left"), Label(text="AI made"),
        Label(language="de"), Label(height=0.03),
    ]  # fmt: skip
    assert len({own.key for own in labels}) == len(labels)
    assert Label().key == Label().key


def test_what_is_declared() -> None:
    assert Label("none", text="AI made").declared() == {"style": "none"}
    said = {"style": "bar", "text": "AI made", "language": "", "corner": "top-left", "height": "0.03"}
    assert Label("bar", "top-left", text="AI made", height=0.03).declared() == said
    assert declared_label(said) == Label("bar", "top-left", text="AI made", height=0.03)
    assert declared_label({"style": "none"}) == Label("none")
    french = declared_label(Label(language="fr").declared())
    assert french is not None and seen(labelled(busy(640, 360), Label(language="fr")), french) > 0.9


@pytest.mark.parametrize(
    "change",
    [
        {"style": "hidden"}, {"style": None}, {"corner": ["top-left"]}, {"corner": ""}, {"text": JAPANESE}, {"text": 7},
        {"text": "a" * 1000}, {"height": "nan"}, {"height": "x"}, {"height": 0.025}, {"font": "0" * 64},
    ],
)  # fmt: skip
def test_declarations_that_cannot_be_drawn(change: dict[str, object]) -> None:
    assert declared_label({**Label().declared(), **change}) is None
    assert declared_label({}) is None


def test_own_fonts_are_declared(tmp_path: Path) -> None:
    own = Label(font=_ascii_font(tmp_path))
    assert len(own.declared()["font"]) == 64 and declared_label(own.declared()) is None


def test_none_is_for_films_only(tmp_path: Path) -> None:
    own, pixels = Label("none", text="Made by AI"), busy(320, 240)
    assert own.patch(pixels) is None
    assert own.for_pictures() == Label("corner", text="Made by AI")
    assert all(Label(style).for_pictures().style == style for style in STYLES if style != "none")
    save_picture(tmp_path / "a.png", pixels, label=own, statement=Statement("x"))
    saved = read_picture(tmp_path / "a.png")
    assert saved is not None
    assert (saved == labelled(pixels, own)).all()
    assert seen(saved, own.for_pictures()) > 0.9


# in films


@pytest.mark.parametrize("style", STYLES)
def test_films_have_the_style_over_their_whole_length(tmp_path: Path, style: Style) -> None:
    """A clip that does not begin at 0: the first seconds are those after its first frame, also when resumed."""
    first = 40
    clip = make_clip(tmp_path / "in.mov", count=100, size=(320, 240), pts=list(range(first, first + 100)))
    (take,) = find_takes([clip])
    own = Label(style, "bottom-left")
    for stop in (60, None):
        with Reader(take) as reader:
            assert abs(float(reader.info.first) - first / 25) < 0.05
            writer = FilmWriter(
                tmp_path / "out.mp4",
                take,
                reader.info,
                label=own,
                statement=Statement("x"),
                parts=tmp_path / "parts",
                **signing(),
            )
            begin = writer.resume_index
            try:
                with writer:
                    for frame in reader:
                        if frame.index == stop:
                            raise RuntimeError("stop")
                        if frame.index >= begin:
                            writer.write(frame, [])
            except RuntimeError:
                assert stop
    found = {}
    with Reader(find_takes([tmp_path / "out.mp4"])[0]) as reader:
        for frame in reader:
            at = frame.index / 25
            found[frame.index] = [seen(frame.pixels, Label(s, "bottom-left"), seconds=at) for s in STYLES[:3]]
    assert len(found) == 100
    if style == "none":
        assert max(max(values) for values in found.values()) < SEEN
        return
    column = np.array(list(found.values()))[:, STYLES.index(style)]
    assert column.min() > 0.8
    if style == "first-seconds":
        large = [seen_large > 0.8 for seen_large in _as_large(tmp_path / "out.mp4")]
        assert [n for n, (a, b) in enumerate(pairwise(large)) if a and not b] == [round(FIRST * 25) - 1]


def _as_large(film: Path) -> list[float]:
    with Reader(find_takes([film])[0]) as reader:
        return [seen(frame.pixels, Label("first-seconds", "bottom-left"), seconds=0.0) for frame in reader]


# found again


def coded(pictures: Sequence[U8], crf: int, scale: float = 1.0) -> list[U8]:
    """The pictures after H.264, made smaller or larger before."""
    height, width = (int(side * scale) // 2 * 2 for side in pictures[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(small, np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as source:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in source.decode(video=0)]


CLIPS = ["grid/s1/bbaf2n.mpg", "grid/other/brbk7n.mpg", "grid/other/lrwp9a.mpg", "pexels/wolfgang-langer.mp4",
         "pexels/anthony-shkraba-8136210.mp4"]  # fmt: skip
HARM = [(16, 1.0), (28, 1.0), (32, 1.0), (23, 0.5), (28, 0.75), (28, 2.0)]


def test_films_with_and_without_a_label_are_told_apart(shared: Path) -> None:
    """Prints how far apart they are: over footage, styles and languages, after compression and resizing."""
    clips = []
    for name in CLIPS:
        with Reader(find_takes([shared / "footage" / name])[0]) as reader:
            clips.append([f.pixels for f, _ in zip(reader, range(21), strict=False) if f.index % 5 == 0])
    clips.append([busy(640, 360, seed) for seed in range(4)])
    with_it: dict[tuple[int, float], list[float]] = {harm: [] for harm in HARM}
    without = []
    for number, pictures in enumerate(clips):
        for n, (style, seconds) in enumerate(DRAWN):
            own = Label(style, language=("en", "de", "uk")[(number + n) % 3])
            marked = [composite(p, [patch_of(own, p, seconds=seconds)]) for p in pictures]
            without += [seen(p, own, seconds=seconds) for p in coded(pictures, 28)]
            for harm in HARM if n == number % 4 else HARM[1:3]:
                with_it[harm] += [seen(p, own, seconds=seconds) for p in coded(marked, *harm)]
    print(f"\nwithout: {len(without)} frames, mean {np.mean(without):.2f}, highest {max(without):.2f}")
    for (crf, scale), values in with_it.items():
        print(f"with, CRF {crf}, size x {scale:g}: {len(values)} frames, mean {np.mean(values):.2f}, "
              f"lowest {min(values):.2f}")  # fmt: skip
        assert min(values) > SEEN
    assert max(without) < SEEN


def test_nothing_is_seen_where_nothing_is() -> None:
    for pixels in (grey(640, 360, 0), grey(640, 360), grey(640, 360, 255), busy(640, 360), grey(4, 4), grey(1, 1)):
        for style in STYLES:
            assert seen(pixels, Label(style)) < SEEN
    assert seen(labelled(grey(640, 360), Label()), Label("none")) == 0.0


def test_a_label_without_a_corner_is_looked_for_in_all() -> None:
    for corner in CORNERS:
        pixels = labelled(busy(640, 360), Label(corner=corner))
        assert seen(pixels, Label()) > 0.9
        assert [seen(pixels, Label(corner=other)) > SEEN for other in CORNERS] == [other == corner for other in CORNERS]
    assert seen(labelled(busy(640, 360), Label()), Label(text="Something else")) < SEEN


# from outside


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "hidden"], "first-seconds"),
        (["--label-corner", "middle"], "bottom-left"),
        (["--label-text", JAPANESE], "--label-font"),
        (["--label-text", "."], "--label-text"),
        (["--label-language", "tlh"], "known are en"),
        (["--label-language", "de", "--label-text", "Made by AI"], "either"),
        (["--label-font", "none.ttf"], "cannot be read"),
    ],
)
def test_labels_that_cannot_be_stop_before_any_work(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = ["demo", "-o", str(tmp_path / "film.mp4"), *arguments]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())
