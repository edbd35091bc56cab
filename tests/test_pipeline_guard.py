"""Which takes count as looked at."""

from pathlib import Path

import pytest
from pipeline_clips import empty_room, write

from doublecast.errors import RefusedError
from doublecast.pipeline import guard as pipeline
from doublecast.pipeline.guard import begun, guard_side, look_at, mark_passed, passed
from doublecast.production import Production
from doublecast.trust import guard
from doublecast.video import find_takes


def test_only_a_take_seen_from_its_first_frame_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Production(tmp_path / "job") as job:
        assert not begun(job, "old", start=25)  # its first frames were stored by a version without a guard
        assert begun(job, "new", start=0) and not passed(job, "new")
    with Production(tmp_path / "job") as job:
        assert begun(job, "new", start=25)  # goes on after a kill
        mark_passed(job, "new", 1.5)
        assert passed(job, "new") and not passed(job, "old")
        monkeypatch.setattr(pipeline, "GUARD", guard.GUARD + 1)
        assert not passed(job, "new")  # a later guard looks again


def test_a_take_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = find_takes([write(tmp_path / "room.mp4", empty_room(30))])[0]
    looks: list[int] = []

    def judge(pixels: object) -> tuple[str, float, float]:
        looks.append(1)
        return "x", 0.0, 0.0

    monkeypatch.setattr(guard, "judge", judge)
    with Production(tmp_path / "job") as job:
        guard_side(job, "actor", [take])
        assert len(looks) == 2 and passed(job, take.key())  # at 0 and 1 s
        guard_side(job, "actor", [take])
        assert len(looks) == 2


def test_a_refused_take_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = find_takes([write(tmp_path / "room.mp4", empty_room(30))])[0]
    monkeypatch.setattr(guard, "judge", lambda pixels: ("x", 0.9, 0.9))
    with Production(tmp_path / "job") as job:
        with pytest.raises(RefusedError, match=r"room\.mp4: sexual imagery at 0:00"):
            look_at(job, take)
        assert not passed(job, take.key())
