"""Productions at a glance, whole and damaged, and what was measured of their films."""

import math
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pipeline_clips import environment
from test_pipeline_snapshots import trained

from doublecast.events import ignore
from doublecast.metrics import Measure
from doublecast.pipeline.activity import working
from doublecast.pipeline.evaluation import FILE, Evaluation, read_evaluation, write_evaluation
from doublecast.pipeline.overview import overview
from doublecast.pipeline.queue import add
from doublecast.production import SIDES, FilmRecord, Production, TakeInput


def test_each_stage_is_seen(tmp_path: Path) -> None:
    folder, film = tmp_path / "film.production", tmp_path / "film.mp4"
    with Production(folder) as job:
        assert (overview(folder).stage, overview(folder).name, overview(folder).model) == ("empty", "film", None)
        for side in SIDES:
            job.set_inputs(side, [TakeInput(side, f"key of {side}", "video", (f"/takes/{side}.mp4",))])
        seen = overview(folder)
        assert (seen.stage, seen.actor, seen.target) == ("takes", ("actor.mp4",), ("target.mp4",))
        for side in SIDES:
            job.finish(f"curate {side}", "key", 1.0)
        assert overview(folder).stage == "faces"
        trained(job.model(96, "material"), 600)
        assert (overview(folder).stage, overview(folder).model, overview(folder).trained_seconds) == (
            "trained", "model-96", 60.0,
        )  # fmt: skip
        job.record.films |= {str(film): FilmRecord("asked", "key", "", "12-34"), "/gone.mp4": FilmRecord("a", "k")}
        job.save()
        assert overview(folder).stage == "trained"
        film.write_bytes(b"film")
        with working(job, "convert", ignore):
            seen = overview(folder)
            assert (seen.stage, seen.films) == ("film", (film,))
            assert seen.activity is not None and seen.activity.state == "running"
    queued = add(folder, "train", {})
    seen = overview(folder)
    assert seen.jobs == [queued] and seen.problems == ""
    assert abs((datetime.now(UTC) - seen.last_used).total_seconds()) < 60


def test_it_is_quick_and_writes_nothing(tmp_path: Path) -> None:
    with Production(tmp_path / "job") as job:
        for side in SIDES:
            job.set_inputs(side, [TakeInput(f"t{n}", f"k{n}", "video", (f"/takes/{n}.mp4",)) for n in range(20)])
        trained(job.model(96, "material"), 600)
    for _ in range(20):
        add(tmp_path / "job", "train", {})
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "job").rglob("*")}
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        overview(tmp_path / "job")
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.02
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "job").rglob("*")} == before


def test_a_damaged_production_is_told_of(tmp_path: Path) -> None:
    assert "there is no production.toml" in overview(tmp_path / "nothing").problems
    (tmp_path / "file").touch()
    assert "is a file" in overview(tmp_path / "file").problems
    folder = tmp_path / "job"
    Production(folder).close()
    add(folder, "train", {})
    (folder / "jobs" / "0001.json").write_text("{")
    assert "0001.json is damaged" in overview(folder).problems
    model = folder / "model-96" / "checkpoint-00000001"
    model.mkdir(parents=True)
    (model / "state.json").write_text("{")
    (folder / "activity.json").write_text("{")
    assert overview(folder).trained_seconds == 0
    (folder / "production.toml").write_text("format = ")
    assert "is damaged" in overview(folder).problems and overview(folder).stage == "empty"
    (folder / "production.toml").write_text("format = 99")
    assert "format 99" in overview(folder).problems


def test_who_looks_on_does_not_load_torch() -> None:
    names = ["activity", "queue", "options", "overview", "snapshots", "log", "pace", "evaluation", "runner", "worker"]
    code = "import sys\n" + "".join(f"import doublecast.pipeline.{name}\n" for name in names)
    code += "assert 'torch' not in sys.modules and 'lance' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_an_evaluation_comes_back(tmp_path: Path) -> None:
    assert read_evaluation(tmp_path) is None
    measures = (
        Measure("identity", 0.31, 0.77, 0.2, "L2", "lower", "note"),
        Measure("gaze", 3.0, None, None, "°", "lower"),
    )
    told = Evaluation(Path("/out/film.mp4"), "model-128", 1200, "2026-01-01T00:00:00+00:00", measures)
    write_evaluation(tmp_path, told)
    assert read_evaluation(tmp_path) == told
    odd = Evaluation(told.film, "model-128", 1, told.made, (Measure("gaze", math.nan, math.inf, None, "°", "lower"),))
    write_evaluation(tmp_path, odd)
    back = read_evaluation(tmp_path)
    assert back is not None and math.isnan(back.measures[0].value) and back.measures[0].floor is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "measures": [{}], "film": "x"}'])
def test_a_damaged_evaluation_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_evaluation(tmp_path) is None
