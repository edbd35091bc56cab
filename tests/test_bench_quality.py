"""The quality bench: the score ranks as the eye does, held-out frames stay out, a killed bench goes on."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from doublecast.bench import contestants, goals, pairs, quality
from doublecast.bench.contestant import Contestant, Converter
from doublecast.bench.goals import first_reached, reaches
from doublecast.bench.judge import Verdict, ends, judge, judge_pictures
from doublecast.bench.page import write_results
from doublecast.bench.pairs import PAIRS, Held
from doublecast.bench.quality import Point
from doublecast.bench.score import EPS, WEIGHTS, combine
from doublecast.cli.app import app
from doublecast.errors import InputError
from doublecast.events import Event, Progress
from doublecast.faceset import FaceStore
from doublecast.model.material import gather
from doublecast.pipeline.measure import frames_of
from doublecast.types import U8, Face, Frame, Patch
from doublecast.video import Take, read_png_text


@pytest.fixture(scope="module")
def performers(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Held]:
    work = tmp_path_factory.mktemp("bench")
    folder = work / "pairs" / "performers-1"
    patch = pytest.MonkeyPatch()
    patch.setattr(pairs, "PLACES", 5)
    stores = pairs.prepare(PAIRS["performers 1"], folder, shared)
    held = pairs.held_out(PAIRS["performers 1"], folder, shared, stores)
    patch.undo()
    return work, held


# ------------------------------------------------------------------------------------------------------- score
def test_a_change_of_our_film_does_not_spend_the_baselines_hours_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = contestants.names()
    before = {name: contestants.stamp(name) for name in names}
    monkeypatch.setattr(contestants, "CONVERTER", 1000)
    changed = [name for name in names if contestants.stamp(name) != before[name]]
    assert changed == [name for name in names if name.startswith("doublecast")]
    assert contestants.stamp("somebody else's") == ()


@pytest.mark.parametrize(
    ("parts", "found", "score"),
    [
        ({"identity": 1.0, "sharpness": 1.0}, 1.0, 100.0),
        ({"identity": 1.0}, 0.5, 50.0),
        ({"identity": 0.25, "sharpness": 1.0}, 1.0, 50.0),  # equal weights
        ({"identity": 0.0}, 1.0, 100 * EPS),
    ],
)
def test_the_score_is_a_weighted_geometric_mean(parts: dict[str, float], found: float, score: float) -> None:
    assert combine(parts, found=found) == pytest.approx(score)


def test_unknown_parts_are_refused() -> None:
    for parts in ({}, {"beauty": 1.0}):
        with pytest.raises(ValueError, match="parts must be"):
            combine(parts, found=1.0)
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_the_score_ranks_as_the_eye_does(shared: Path, performers: tuple[Path, Held]) -> None:
    """The truth; then sharp and a pixel off, or with JPEG; well below it blurred; frozen; at the end nothing done."""
    _, held = performers
    film = shared / (PAIRS["performers 1"].truth or "")
    exact = {frame.index: frame.pixels for frame in frames_of(Take("film", (film,), "video"), set(held.indices))}
    truth = [exact[index] for index in held.indices]

    def jpeg(pixels: U8) -> U8:
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def score(films: Sequence[U8]) -> float:
        return judge_pictures(films, held).score

    whole, shifted, packed = score(truth), score([np.roll(p, 1, 1) for p in truth]), score([jpeg(p) for p in truth])
    soft = [score([np.asarray(cv2.GaussianBlur(p, (0, 0), s), np.uint8) for p in truth]) for s in (1.5, 3, 4)]
    middle = np.ascontiguousarray(held.actor[len(truth) // 2][0].points[:468, :2])
    frozen = []
    for face, _ in held.actor:
        matrix, _ = cv2.estimateAffinePartial2D(middle, np.ascontiguousarray(face.points[:468, :2]))
        frozen.append(np.asarray(cv2.warpAffine(truth[len(truth) // 2], matrix, truth[0].shape[1::-1]), np.uint8))
    still, nothing = score(frozen), score([frame.pixels for frame in held.frames])
    assert whole > 98
    assert min(shifted, packed) > 90
    assert min(shifted, packed) > soft[0] + 5 > soft[1] + 15
    assert soft[1] > soft[2] > nothing
    assert still < 75
    assert nothing < 10


def test_floor_and_ceiling_are_judged_alike(performers: tuple[Path, Held]) -> None:
    floor, ceiling = ends(performers[1])
    assert floor.score < 10
    assert ceiling is not None and ceiling.score == pytest.approx(100)


# ------------------------------------------------------------------------------------------------------- pairs
def test_no_held_out_frame_is_trained_on(shared: Path, tmp_path: Path) -> None:
    """Also not after another curation; and what is measured lies behind all that is trained on."""
    pair = pairs.Pair("short", "footage/grid/other/sbia1a.mpg", "footage/grid/s1/bbaf2n.mpg")
    for _ in range(2):
        stores = pairs.prepare(pair, tmp_path, shared)
    held = pairs.held_out(pair, tmp_path, shared, stores)
    for store in stores:
        limits, table = pairs.split(store), store.table()
        trained = np.isin(table.id, gather(store, 96, "side").ids)
        assert trained.any()
        assert table.index[trained].max() < limits[0][0] < limits[0][1]
    trained = stores[0].table().kept
    assert min(held.indices) - int(stores[0].table().index[trained].max()) > 12
    assert set(held.indices).isdisjoint(stores[0].table().index[trained].tolist())


def test_missing_data_and_unknown_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pair1_perf1_A.*--data.*--pairs"):
        quality.quality(tmp_path / "work", tmp_path, pairs=["performers 1"], build=Toy)
    with pytest.raises(InputError, match="there is no pair 'x'; there are: performers 1"):
        quality.quality(tmp_path / "work", tmp_path, pairs=["x"], build=Toy)
    for minutes in ([], [0.0], [float("nan")]):
        with pytest.raises(InputError, match="--minutes"):
            quality.quality(tmp_path / "work", tmp_path, minutes=minutes, build=Toy)


# --------------------------------------------------------------------------------------------------------- run
class _Grey:
    def swap(self, frame: Frame, faces: Sequence[Face]) -> list[Patch]:
        left, top, right, bottom = (int(v) for v in faces[0].box)
        pixels = np.clip(frame.pixels[top:bottom, left:right].astype(int) + 20, 0, 255).astype(np.uint8)
        return [Patch(left, top, pixels, np.ones(pixels.shape[:2], np.bool_))]


class Toy(Contestant):
    """Makes faces lighter. Counts its steps in a file, as a contestant would keep its weights."""

    anneals = False

    def __init__(
        self, name: str, actor: FaceStore, target: FaceStore, *, minutes: float, seed: int, folder: Path
    ) -> None:
        self.name, self.steps, self.anneals = name, 0, name == "annealing"
        assert folder.is_dir() and len(actor) and len(target) and minutes > 0 and seed == 0

    def advance(self) -> int:
        self.steps += 1
        return 2

    def converter(self) -> Converter:
        return _Grey()

    def save(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "steps").write_text(str(self.steps))

    def restore(self, path: Path) -> None:
        self.steps = int((path / "steps").read_text())


def test_a_killed_bench_goes_on(shared: Path, performers: tuple[Path, Held], monkeypatch: pytest.MonkeyPatch) -> None:
    work, _ = performers
    monkeypatch.setattr(pairs, "PLACES", 4)
    asked: dict[str, Any] = {
        "pairs": ["performers 1"], "contestants": ["steady", "annealing"], "minutes": [0.001, 0.002],
        "threads": 1, "build": Toy,
    }  # fmt: skip
    real = judge
    calls: list[int] = []

    def killed(*args: Any, **options: Any) -> Verdict:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(quality, "judge", killed)
    with pytest.raises(KeyboardInterrupt):
        quality.quality(work, shared, **asked)
    first = list((work / "points").glob("*.json"))
    state = {path: path.read_bytes() for path in first}
    events: list[Event] = []
    results = quality.quality(work, shared, **asked, on_event=events.append)
    assert len(calls) == 2 + 3, "the finished point was not measured again"
    assert all(path.read_bytes() == data for path, data in state.items())
    assert [(p.contestant, p.minutes) for p in results.points] == [
        ("annealing", 0.001), ("annealing", 0.002), ("steady", 0.001), ("steady", 0.002),
    ]  # fmt: skip
    steady = results.points[2:]
    assert steady[0].steps < steady[1].steps and all(p.faces_seen == 2 * p.steps for p in results.points)
    assert any(isinstance(e, Progress) and e.stage == "bench train" for e in events)
    assert len(quality.quality(work, shared, **asked).points) == 4 and len(calls) == 5

    with monkeypatch.context() as newer:
        newer.setattr(quality, "stamp", lambda name: (99,) if name == "annealing" else ())
        assert {p.contestant for p in quality.collect(work, quality.Settings(1)).points} == {"steady"}

    for point in results.points:
        assert "AI-altered" in read_png_text(work / "points" / point.picture)["Comment"]
    data, page = write_results(work, results, "steady")
    assert len(json.loads(data.read_text())["points"]) == 4
    html = page.read_text()
    assert html.count("<img ") == 3 + 2 and "http" not in html.replace("http-equiv", "")
    assert "not measured" in html and "performers 1" in html


def test_later_points_go_on_with_the_same_run_and_earlier_ones_begin_anew(
    shared: Path, performers: tuple[Path, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, _ = performers
    monkeypatch.setattr(pairs, "PLACES", 4)
    now, steps = [0.0], list[int]()

    class Counted(Toy):
        def advance(self) -> int:
            now[0] += 0.7  # seconds
            steps.append(self.steps)
            return super().advance()

    def first_step(*minutes: float) -> int:
        """Of those that are made now."""
        steps.clear()
        asked: dict[str, Any] = {
            "pairs": ["performers 1"], "contestants": ["longer"], "minutes": minutes, "threads": 1,
        }  # fmt: skip
        quality.quality(work, shared, **asked, build=Counted)
        return steps[0] if steps else -1

    with monkeypatch.context() as clock:
        clock.setattr(quality, "time", SimpleNamespace(perf_counter=lambda: now[0]))
        with monkeypatch.context() as killed:
            killed.setattr(quality, "judge", interrupted)
            with pytest.raises(KeyboardInterrupt):
                first_step(0.1)
        assert steps == list(range(9)), "6 seconds"
        assert first_step(0.1) == -1, "what was trained when it was killed was not used"
        assert first_step(0.2) == 9, "the run did not go on"
        assert first_step(0.05) == 0, "a point was measured on a run that is past it"
        assert first_step(0.3) == 18


def interrupted(*_: Any, **__: Any) -> Verdict:
    raise KeyboardInterrupt


# ------------------------------------------------------------------------------------------------------- goals
@pytest.mark.parametrize(
    ("line", "level", "minute"),
    [
        ([(1.0, 10.0), (2.0, 20.0)], 15.0, 1.5),
        ([(1.0, 10.0), (2.0, 20.0)], 10.0, 1.0),
        ([(1.0, 10.0)], 5.0, 1.0),  # nothing is assumed before the first point
        ([(1.0, 10.0), (2.0, 5.0), (4.0, 15.0)], 12.0, 3.4),
        ([(1.0, 10.0)], 11.0, None),
        ([], 1.0, None),
    ],
)
def test_the_minute_at_which_a_curve_reaches_a_level(
    line: list[tuple[float, float]], level: float, minute: float | None
) -> None:
    assert reaches(line, level) == (None if minute is None else pytest.approx(minute))


def point(contestant: str, minutes: float, score: float) -> Point:
    return Point("performers 1", contestant, minutes, 60 * minutes, 1, 2, score, 1.0, {"identity": score / 100}, [])


def test_goals_that_were_not_measured_say_so() -> None:
    ours = [point("ours", 1, 40), point("ours", 2, 60)]
    table = goals.goals(ours, "ours")
    assert {goal.at_least for goal in table} == {"not measured"}
    points = [*ours, point(goals.ORIGINAL, 120, 50)]
    found = goals.goals(points, "ours")[0]
    assert (found.at_least, found.moonshot) == ("reached", "missed")
    assert "1.5" in found.figures
    assert first_reached(points, "performers 1")["ours"][goals.ORIGINAL] == pytest.approx(1.5)
    assert first_reached(points, "performers 1")[goals.ORIGINAL]["ours"] is None


# ----------------------------------------------------------------------------------------------------- command
def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(app, ["bench", "quality", str(tmp_path / "w"), "--data", str(tmp_path)])
    assert missing.exit_code == 2 and "--data" in missing.output
    bad = runner.invoke(app, ["bench", "quality", str(tmp_path / "w"), "--minutes", "one"])
    assert bad.exit_code == 2 and "--minutes" in bad.output
    for command in (["bench", "--help"], ["bench", "quality", "--help"]):
        assert runner.invoke(app, command).exit_code == 0
