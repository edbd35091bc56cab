"""What a working process says of itself, as others read it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_clips import environment

from doublecast.errors import InputError
from doublecast.events import Event, Note, Progress, Step, ignore
from doublecast.pipeline.activity import FILE, NOTES, Activity, ask_to_stop, read_activity, stop, working
from doublecast.pipeline.pace import Pace, clock
from doublecast.production import Production

WORK = """
import signal, sys, time
from doublecast.events import Progress, ignore
from doublecast.pipeline.activity import working
from doublecast.production import Production

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, interrupt)
with Production(sys.argv[1]) as job, working(job, "train", ignore) as tell:
    tell(Progress("train", 1, 10, "minutes"))
    print("works", flush=True)
    time.sleep(60)
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORK, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
    assert process.stdout is not None and process.stdout.readline() == "works\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def seen(folder: Path) -> Activity:
    activity = read_activity(folder)
    assert activity is not None
    return activity


def test_everybody_sees_what_is_done_and_the_outermost_command_counts(tmp_path: Path) -> None:
    heard: list[Event] = []
    assert read_activity(tmp_path) is None
    with Production(tmp_path / "job") as job:
        with working(job, "swap", heard.append) as tell:
            assert seen(job.folder).state == "running" and seen(job.folder).pid == os.getpid()
            tell(Note("extract", "odd", "warning"))
            with working(job, "train", tell) as inner:
                inner(Progress("train", 2, 10, "minutes", "warming up"))
            now = seen(job.folder)
            assert (now.command, now.state, now.stage, now.done, now.total) == ("swap", "running", "train", 2, 10)
            assert now.notes == (("warning", "extract", "odd"),) and now.detail == "warming up"
        done = seen(job.folder)
        assert (done.command, done.state, done.seconds_left) == ("swap", "finished", None)
        assert len(heard) == 2
        with working(job, "convert", ignore):
            pass
    assert seen(job.folder).command == "convert"


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (KeyboardInterrupt(), "stopped", ""),
        (InputError("no such take"), "failed", "no such take"),
        (PermissionError(13, "Permission denied", "/x"), "failed", "/x: access is not allowed; choose another place"),
        (ZeroDivisionError("division"), "failed", "unexpected ZeroDivisionError: division"),
    ],
)
def test_how_it_ended(tmp_path: Path, error: BaseException, state: str, text: str) -> None:
    with pytest.raises(type(error)), Production(tmp_path / "job") as job, working(job, "train", ignore):
        raise error
    activity = seen(tmp_path / "job")
    assert activity.state == state and activity.error.startswith(text)


def test_it_is_written_seldom_but_each_stage_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[str] = []
    monkeypatch.setattr(
        "doublecast.pipeline.activity.atomic_write",
        lambda path, data, durable: writes.append(json.loads(data)["stage"]),
    )
    with Production(tmp_path / "job") as job, working(job, "swap", ignore) as tell:
        for stage in ("extract actor", "convert"):
            for done in range(2000):
                tell(Progress(stage, done, 2000, "frames"))
        for number in range(100):
            tell(Note("convert", str(number)))
    assert writes[0] == "" and set(writes) == {"", "extract actor", "convert"} and len(writes) < 8


def test_notes_are_the_last_ones(tmp_path: Path) -> None:
    with Production(tmp_path / "job") as job, working(job, "swap", ignore) as tell:
        for number in range(NOTES + 20):
            tell(Note("convert", str(number)))
    notes = seen(tmp_path / "job").notes
    assert len(notes) == NOTES and notes[-1] == ("info", "convert", str(NOTES + 19))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_process_does_not_run(tmp_path: Path) -> None:
    process = start(tmp_path / "job")
    try:
        assert seen(tmp_path / "job").state == "running" and seen(tmp_path / "job").pid == process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        end(process)
    assert seen(tmp_path / "job").state == "killed"
    assert not stop(tmp_path / "job")
    with Production(tmp_path / "job"):  # held, but by another process than the one that was killed
        assert seen(tmp_path / "job").state == "killed"
        assert not stop(tmp_path / "job")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once on Windows")
def test_stop_is_like_ctrl_c(tmp_path: Path) -> None:
    assert not stop(tmp_path / "job")
    process = start(tmp_path / "job")
    try:
        assert stop(tmp_path / "job")
        process.wait(10)
        assert seen(tmp_path / "job").state == "stopped"
        assert not stop(tmp_path / "job")
    finally:
        end(process)


def test_the_own_process_and_groups_of_processes_are_never_stopped(tmp_path: Path) -> None:
    with Production(tmp_path / "job") as job, working(job, "train", ignore):
        assert not stop(job.folder)
    assert not ask_to_stop(0) and not ask_to_stop(-1)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', '{"pid": "x", "state": "running", "notes": []}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_activity(tmp_path) is None


def test_a_disk_that_refuses_does_not_end_the_work(tmp_path: Path) -> None:
    with Production(tmp_path / "job") as job:
        (job.folder / FILE).mkdir()
        with working(job, "train", ignore) as tell:
            tell(Progress("train", 1, 2, "steps"))


def test_pace() -> None:
    pace = Pace()
    assert pace.numbers() == "" and pace.rate() is None and pace.seconds_left() is None
    for second in range(4):
        pace.add(Progress("convert", 25 * second, 125, "frames"), float(second))
    assert pace.rate() == 25 and pace.seconds_left() == 2
    assert pace.numbers() == "75/125 frames  25 frames/s  0:02 left"
    pace.add(Progress("convert", 0, 125, "frames", "another film"), 5.0)
    assert pace.rate() is None and pace.numbers() == "0/125 frames"
    pace.step(Step(7, 224, 1.0, 61.2, {"l1": 0.5}))
    pace.add(Progress("train", 1.0, 2.0, "minutes"), 6.0)
    assert pace.numbers() == "1.0/2.0 minutes  61 faces/s  step 7  l1 0.5000"
    assert (clock(42), clock(3723)) == ("0:42", "1:02:03")
