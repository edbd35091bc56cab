"""SIGKILL in every stage: the same command finishes, and nothing that was done is lost."""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from faces_clips import require_weights
from pipeline_clips import ACTOR, CONSENTS, TARGET, count_frames, environment

from doublecast.faceset import FaceStore
from doublecast.model.checkpoint import latest, read_state
from doublecast.model.standing import checkpoints
from doublecast.production import SIDES, Production

STAGES = ("extract actor", "extract target", "curate", "train", "train: saved", "convert", "report")


@dataclass(frozen=True)
class Standing:
    """What a production holds: it may only grow."""

    frames: tuple[int, ...]
    faces: tuple[int, ...]
    versions: tuple[int, ...]
    step: int


def standing(folder: Path) -> Standing:
    stores = [FaceStore(folder / side) for side in SIDES if (folder / side / "takes.json").exists()]
    checkpoint = latest(folder / "model-128")
    return Standing(
        frames=tuple(sum(take.frames_done for take in store.takes()) for store in stores),
        faces=tuple(len(store) for store in stores),
        versions=tuple(len(store.versions()) for store in stores),
        step=0 if checkpoint is None else read_state(checkpoint).step,
    )


def grew(before: Standing, after: Standing) -> bool:
    pairs = [*zip(before.frames, after.frames, strict=False), *zip(before.faces, after.faces, strict=False)]
    pairs += [*zip(before.versions, after.versions, strict=False), (before.step, after.step)]
    return len(after.frames) >= len(before.frames) and all(old <= new for old, new in pairs)


def killed_in(stages: tuple[str, ...], command: list[str], delay: float) -> bool:
    """Run the command and kill it ``delay`` seconds after the first line of one of the stages; False if it ended."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment())
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if line.startswith(stages):
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_in_every_stage_the_rerun_finishes(tmp_path: Path, shared: Path, seed: int) -> None:
    require_weights()
    chance = random.Random(seed)
    film, work = tmp_path / "film.mp4", tmp_path / "film.production"
    command = [sys.executable, "-m", "doublecast", "swap", str(shared / ACTOR), str(shared / TARGET)]
    command += ["-o", str(film), "--minutes", "0.05", "--device", "cpu"]
    command += CONSENTS
    before = Standing((), (), (), 0)
    kills = 0
    for number, stage in enumerate(STAGES):
        kills += killed_in(STAGES[number:], command, chance.uniform(0, 0.4))
        assert not film.exists() or count_frames(film) == 75
        after = standing(work)
        assert grew(before, after), (stage, before, after)
        before = after
    assert kills >= 5
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    after = standing(work)
    assert grew(before, after)
    assert after.frames == (75, 75) and after.faces == (75, 75)
    assert count_frames(film) == 75
    assert (work / "report.html").is_file()
    assert checkpoints(work / "model-128")
    with Production(work) as job:
        assert not (list((work / "renders").iterdir()) if (work / "renders").exists() else [])
        assert job.record.films[str(film)].after
    partial = [path for path in work.rglob("*") if path.suffix == ".tmp" or path.name.endswith(".partial")]
    assert len(partial) <= kills
