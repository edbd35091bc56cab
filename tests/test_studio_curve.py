"""The log of a training as a curve: only what is new is read, and a long one is thinned."""

import json
import math
from pathlib import Path

import pytest

from doublecast.studio.curve import Curve, Curves


def line(step: int, seconds: float, **losses: float) -> str:
    row = {"step": step, "faces_seen": step * 32, "seconds": seconds, "faces_per_second": 60.0, "losses": losses}
    return json.dumps(row) + "\n"


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(lines)


def test_only_whole_lines_count_and_what_was_trained_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    curve = Curve(path)
    curve.update()
    assert curve.thinned("seconds", 100) == {"count": 0, "step": [], "seconds": [], "rate": [], "losses": {}}
    write(path, line(10, 1, l1=0.4), line(20, 2, l1=0.2), line(30, 3, l1=0.1)[:25])
    curve.update()
    assert curve.thinned("step", 100)["step"] == [10, 20]
    write(path, line(30, 3, l1=0.1)[25:], "not json\n", '{"step": 35}\n', "[]\n")
    curve.update()
    assert curve.thinned("step", 100)["step"] == [10, 20, 30]
    write(path, line(20, 2.5, l1=0.3, dssim=0.5))  # a crash, then trained again, by a version with another loss
    curve.update()
    found = curve.thinned("seconds", 100)
    assert (found["step"], found["seconds"], found["rate"]) == ([10, 20], [1, 2.5], [60, 60])
    assert found["losses"] == {"l1": [0.4, 0.3], "dssim": [None, 0.5]}


def test_a_log_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, line(10, 1, l1=0.4), line(20, 2, l1=0.2))
    curves = Curves()
    assert curves.of(path).thinned("step", 100)["count"] == 2
    write(tmp_path / "other", *(line(n, n, l1=0.7) for n in range(1, 9)))
    (tmp_path / "other").replace(path)  # a snapshot was restored
    assert curves.of(path).thinned("step", 100)["losses"]["l1"] == [0.7] * 8
    path.write_text(line(5, 1, l1=0.9))
    assert curves.of(path).thinned("step", 100)["step"] == [5]
    path.unlink()
    assert curves.of(path).thinned("step", 100)["count"] == 0


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, line(10, 1, l1=0.4))
    curve = Curve(path)
    curve.update()
    with path.open("r+") as file:
        file.write("{")  # would be no line any more
        file.write("{")
    write(path, line(20, 2, l1=0.2))
    curve.update()
    assert curve.thinned("step", 100)["step"] == [10, 20]


@pytest.mark.parametrize("axis", ["seconds", "step"])
def test_a_long_log_is_thinned_to_means_over_equal_stretches(tmp_path: Path, axis: str) -> None:
    path = tmp_path / "log.jsonl"
    write(path, *(line(n, n / 2, l1=1 + (n % 2)) for n in range(1, 20_001)))
    found = Curves().of(path).thinned(axis, 100)  # type: ignore[arg-type]
    assert found["count"] == 20_000 and len(found["step"]) == 100
    assert all(abs(value - 1.5) < 0.01 for value in found["losses"]["l1"])
    assert found["step"][0] < 210 and (found["step"][-1], found["seconds"][-1]) == (20_000, 10_000)
    gaps = [b - a for a, b in zip(found["step"], found["step"][1:-1], strict=False)]
    assert max(gaps) - min(gaps) <= 2


def test_losses_at_a_step_are_those_shortly_before_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, *(line(n, n / 2, l1=1.0 if n <= 100 else 3.0) for n in range(1, 201)), line(201, 100.5, l1=math.nan))
    curve = Curves().of(path)
    assert curve.at(0) == (0.0, {})
    assert curve.at(100) == (50.0, {"l1": 1.0}) and curve.at(200) == (100.0, {"l1": 3.0})
    assert curve.at(115)[1] == {"l1": 2.0}
    assert curve.at(900) == (100.5, {})
    assert curve.thinned("step", 1000)["losses"]["l1"][-1] is None
