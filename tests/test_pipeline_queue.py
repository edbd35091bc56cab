"""Jobs in the background: added, paused, cancelled and killed by several processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faces_clips import require_weights
from pipeline_clips import ACTOR, BASIS, TARGET, count_frames, environment
from typer.testing import CliRunner

from doublecast.cli import app
from doublecast.errors import ConsentError, InputError, InUseError, OutputError, ProductionError
from doublecast.events import Event, Listener, Note, ignore
from doublecast.model.networks import SIZES as REAL_SIZES
from doublecast.model.standing import newest
from doublecast.pipeline import queue, worker
from doublecast.pipeline.activity import read_activity, stop
from doublecast.pipeline.options import SIZES, checked
from doublecast.pipeline.queue import Job, add, cancel, jobs, pause, resume, start_worker, stored, work
from doublecast.production import Production

#: a worker whose jobs do nothing for so many seconds as they have minutes, and say in a file that they have begun
WORKER = """
import sys, time
from pathlib import Path
from doublecast.events import ignore
from doublecast.pipeline import queue, worker

def run(folder, kind, options, on_event):
    (folder / "begun").write_text(str(options["minutes"]))
    time.sleep(options["minutes"])
    return (str(options["minutes"]),)

worker.run = run
queue.work(Path(sys.argv[1]), ignore)
"""
CHANGER = """
import sys
from doublecast.pipeline.queue import add, cancel

for number in range(15):
    job = add(sys.argv[1], "train", {"minutes": number + 1})
    if number % 3 == 0:
        cancel(sys.argv[1], job.id)
print("done")
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process at once on Windows")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Production(tmp_path / "job").close()
    return tmp_path / "job"


@pytest.fixture
def process(folder: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts workers, and ends them."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], env=environment()))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def states(folder: Path) -> list[str]:
    return [job.state for job in jobs(folder)]


def begun(folder: Path, minutes: int) -> Callable[[], bool]:
    return lambda: (folder / "begun").exists() and (folder / "begun").read_text() == str(minutes)


def instead(monkeypatch: pytest.MonkeyPatch, run: Callable[[Job], tuple[str, ...]]) -> None:
    """Let the worker do this instead of a job."""

    def replaced(folder: Path, kind: str, options: dict[str, Any], on_event: Listener) -> tuple[str, ...]:
        return run(next(job for job in stored(folder) if job.state == "running"))

    monkeypatch.setattr(worker, "run", replaced)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("paint", {}, "no job of kind 'paint'; kinds are: swap, extract, curate, train, convert"),
        ("train", {"minuets": 3}, "has no option 'minuets'; its options are: minutes, size, device, prior"),
        ("train", {"minutes": "3"}, "minutes of a train job must be a number more than 0; got '3'"),
        ("train", {"minutes": True}, "must be a number more than 0"),
        ("train", {"minutes": 0}, "must be a number more than 0"),
        ("train", {"size": 100}, "must be one of 96, 128, 192, 256; got 100"),
        ("train", {"size": [128]}, "must be one of 96"),
        ("train", {"device": "gpu"}, "must be one of auto, cpu, cuda, mps"),
        ("train", {"prior": 1}, "must be true or false"),
        ("convert", {}, "needs the option output"),
        ("convert", {"output": ""}, "output of a convert job must be"),
        ("convert", {"output": "f.mp4", "label": "none"}, "label of a convert job must be texts by name"),
        ("convert", {"output": "f.mp4", "label": {"colour": "red"}}, "of style, corner, language, text"),
        ("convert", {"output": "f.mp4", "label": {"style": "huge"}}, "style must be one of"),
        ("convert", {"output": "f.mp4", "label": {"language": "xx"}}, "xx"),
        ("convert", {"output": "f.mp4", "signer": "x"}, "has no option 'signer'"),
        ("curate", {"side": "both"}, "must be actor or target"),
        ("curate", {"side": "actor", "face": -1}, "whole number from 0"),
        ("extract", {"side": "actor", "takes": []}, "takes of a extract job must be a path"),
        ("extract", {"side": "actor", "takes": "nowhere.mp4", "consent": BASIS}, "nowhere.mp4"),
        ("extract", {"side": "actor", "takes": [3]}, "takes of a extract job must be a path"),
        ("swap", {"actor": "a.mp4", "target": "b.mp4"}, "needs the option output"),
    ],
)
def test_options_are_checked_before_anything_is_written(
    tmp_path: Path, folder: Path, kind: Any, options: dict[str, Any], message: str
) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        add(folder, kind, options)
    assert message in str(caught.value)
    with pytest.raises(InputError):
        add(tmp_path / "new", kind, options)
    assert sorted(folder.rglob("*")) == before and not (tmp_path / "new").exists()


def test_sizes_are_the_models() -> None:
    assert SIZES == REAL_SIZES


def test_a_face_needs_a_basis_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    options = {"actor": str(tmp_path / "a.mp4"), "target": [str(tmp_path / "a.mp4")], "output": "film.mp4"}
    with pytest.raises(ConsentError, match="--actor-consent"):
        add(tmp_path / "job", "swap", options)
    with pytest.raises(ConsentError, match="--target-consent"):
        add(tmp_path / "job", "swap", {**options, "actor_consent": BASIS})
    assert not (tmp_path / "job").exists()
    job = add(tmp_path / "job", "swap", {**options, "actor_consent": BASIS, "target_consent": BASIS, "size": None})
    assert Production(tmp_path / "job", create=False, lock=False).folder == tmp_path / "job"
    assert job.options["output"] == str(Path("film.mp4").absolute()) and "size" not in job.options
    assert jobs(tmp_path / "job") == [job]


def test_relative_paths_and_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    plain = checked("extract", {"side": "actor", "takes": ["takes/*.mov", "~/x.mp4"]})
    assert plain["takes"] == [str(tmp_path / "takes/*.mov"), str(tmp_path / "home" / "x.mp4")]


def test_only_a_production_has_jobs(tmp_path: Path) -> None:
    with pytest.raises(ProductionError, match="is not a production"):
        add(tmp_path / "job", "train", {})
    with pytest.raises(InputError, match="is not a production"):
        cancel(tmp_path / "job", "1")
    with pytest.raises(ProductionError):
        work(tmp_path / "job")
    assert jobs(tmp_path / "job") == [] and not (tmp_path / "job").exists()


@pytest.mark.parametrize("id", ["2", "../0001", "0001.json", "", "x", "-1", "1e0", "1234567890"])
def test_a_job_that_is_not_there(folder: Path, id: str) -> None:
    add(folder, "train", {})
    for change in (pause, cancel, resume):
        with pytest.raises(InputError, match="there are: 0001"):
            change(folder, id)


def test_the_worker_does_what_waits_oldest_first_and_goes_on_after_a_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    notes: list[Event] = []

    def run(job: Job) -> tuple[str, ...]:
        done.append(job.id)
        if job.id == "0001":
            add(folder, "train", {})  # while the worker works
            raise InputError("the take is gone; put it back")
        if job.id == "0003":
            raise ZeroDivisionError("division")
        return (f"/films/{job.id}",)

    instead(monkeypatch, run)
    for _ in range(4):
        add(folder, "train", {})
    pause(folder, "2")
    cancel(folder, "4")
    work(folder, notes.append)
    assert done == ["0001", "0003", "0005"]
    assert states(folder) == ["failed", "paused", "failed", "cancelled", "done"]
    assert jobs(folder)[0].error == "the take is gone; put it back"
    assert jobs(folder)[2].error == "unexpected ZeroDivisionError: division"
    texts = [event.text for event in notes if isinstance(event, Note)]
    assert "Traceback" in texts[1] and "Traceback" not in texts[0]
    last = jobs(folder)[4]
    assert last.results == ("/films/0005",) and last.created <= last.started <= last.ended and not last.error
    resume(folder, "2")
    resume(folder, "1")
    instead(monkeypatch, lambda job: ())
    work(folder)
    assert states(folder) == ["done", "done", "failed", "cancelled", "done"]
    for change, id in ((resume, "1"), (resume, "4"), (pause, "3"), (cancel, "5")):
        with pytest.raises(InputError, match=f"job 000{id}"):
            change(folder, id)
    assert cancel(folder, "4").state == "cancelled"
    assert cancel(folder, "3").state == "cancelled"  # one that failed can be given up


def test_a_job_that_is_done_is_done_although_it_was_to_be_cancelled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(job: Job) -> tuple[str, ...]:
        cancel(folder, job.id)
        return ("/film.mp4",)

    def fail(job: Job) -> tuple[str, ...]:
        cancel(folder, job.id)
        raise InputError("too late")

    add(folder, "train", {})
    instead(monkeypatch, run)
    work(folder)
    add(folder, "train", {})
    instead(monkeypatch, fail)
    work(folder)
    assert states(folder) == ["done", "cancelled"]


def test_somebody_quicker_takes_nothing_from_a_job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def run(job: Job) -> tuple[str, ...]:
        tries.append(job.id)
        if len(tries) == 1:
            raise InUseError("in use by another process (7); wait for it")
        return ()

    instead(monkeypatch, run)
    add(folder, "train", {})
    work(folder)
    assert tries == ["0001", "0001"] and states(folder) == ["done"]


def test_damaged_files_are_told_and_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(folder, "train", {})
    place = folder / "jobs"
    good = json.loads((place / "0001.json").read_text())
    damaged = ["", "{", "[]", "{}", json.dumps({**good, "id": "0007"}), json.dumps({**good, "state": "lost"})]
    damaged += [json.dumps({**good, "id": "0008", "kind": "rm"}), json.dumps({**good, "format": 9})]
    for number, text in enumerate(damaged, 2):
        (place / f"{number:04d}.json").write_text(text)
    told: list[Any] = []
    assert [job.id for job in jobs(folder, told.append)] == ["0001"]
    assert len(told) == len(damaged) and all("is damaged and passed over" in note.text for note in told)
    assert add(folder, "train", {}).id == f"{len(damaged) + 2:04d}"
    instead(monkeypatch, lambda job: ())
    work(folder)
    assert states(folder) == ["done", "done"]


def test_options_of_a_job_that_this_version_does_not_know(folder: Path) -> None:
    add(folder, "train", {})
    path = folder / "jobs" / "0001.json"
    path.write_text(path.read_text().replace('"options": {}', '"options": {"hair": true}'))
    resume(folder, "1")  # as if an older version had ordered it
    work(folder)
    assert "has no option 'hair'" in jobs(folder)[0].error


def test_ended_jobs_are_forgotten_one_day(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_KEPT", 3)
    for number in range(1, 8):
        assert add(folder, "train", {}).id == f"{number:04d}"
        if number != 2:
            cancel(folder, str(number))
    assert [job.id for job in jobs(folder)] == ["0002", "0004", "0005", "0006", "0007"]


def test_two_processes_add_and_cancel_at_the_same_time(folder: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", CHANGER, str(folder)], stdout=subprocess.PIPE, env=environment())
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == [b"done", b"done"]
    found = jobs(folder)
    assert [job.id for job in found] == [f"{number:04d}" for number in range(1, 31)]
    assert states(folder).count("cancelled") == 10 and states(folder).count("waiting") == 20


def test_a_second_worker_ends_at_once(folder: Path, process: Callable[[], "subprocess.Popen[bytes]"]) -> None:
    add(folder, "train", {"minutes": 30})
    process()
    until(begun(folder, 30))
    start_worker(folder)  # harmless
    assert process().wait(20) == 0
    work(folder)
    assert states(folder) == ["running"]


@posix
def test_pause_cancel_and_resume_of_the_job_that_runs(
    folder: Path, process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    for minutes in (40, 41, 42):
        add(folder, "train", {"minutes": minutes})
    first = process()
    until(begun(folder, 40))
    assert states(folder) == ["running", "waiting", "waiting"]
    assert pause(folder, "1").state == "paused"
    until(begun(folder, 41))  # the worker goes on with the next one
    assert pause(folder, "1").state == "paused"
    resume(folder, "1")
    cancel(folder, "2")
    until(begun(folder, 40))  # it kept its place
    assert states(folder) == ["running", "cancelled", "waiting"]
    assert queue.worker(folder) == first.pid
    os.kill(first.pid, signal.SIGTERM)  # Ctrl-C: the worker itself is to stop
    assert first.wait(20) != 0
    assert states(folder) == ["paused", "cancelled", "waiting"]
    cancel(folder, "3")
    resume(folder, "1")
    (folder / "begun").unlink()
    process()
    until(begun(folder, 40))


@posix
def test_a_killed_worker_leaves_its_job_to_be_resumed(
    folder: Path, process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    add(folder, "train", {"minutes": 50})
    add(folder, "train", {"minutes": 51})
    killed = process()
    until(begun(folder, 50))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert states(folder) == ["paused", "waiting"] and queue.worker(folder) is None
    process()
    until(begun(folder, 51))
    assert states(folder) == ["paused", "running"]
    resume(folder, "1")
    cancel(folder, "2")
    until(begun(folder, 50))


def test_the_worker_waits_for_who_works_there(folder: Path, process: Callable[[], "subprocess.Popen[bytes]"]) -> None:
    add(folder, "train", {"minutes": 60})
    with Production(folder):
        process()
        until(lambda: queue.worker(folder) is not None)
        time.sleep(0.7)
        assert states(folder) == ["waiting"] and not (folder / "begun").exists()
    until(begun(folder, 60))


def test_a_job_that_is_added_when_the_worker_ends_finds_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a job at the worker's last look comes after it, and sees that a worker has to be started."""
    seen: list[int | None] = []

    def put() -> None:
        add(folder, "train", {})
        seen.append(queue.worker(folder))

    adder = threading.Thread(target=put)

    def look(folder: Path, on_event: Listener = ignore) -> list[Job]:
        found = stored(folder, on_event)
        if found and found[0].state == "done" and not adder.ident:
            adder.start()
            time.sleep(0.2)
        return found

    add(folder, "train", {})
    instead(monkeypatch, lambda job: ())
    monkeypatch.setattr(worker, "stored", look)
    work(folder)
    adder.join()
    assert seen == [None] and states(folder) == ["done", "waiting"]


@pytest.mark.slow
@posix
def test_a_real_worker_makes_the_film_is_killed_stopped_and_resumed(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_weights()
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    folder, film = tmp_path / "film.production", tmp_path / "film.mp4"
    options = {"actor": str(shared / ACTOR), "target": str(shared / TARGET), "output": str(film), "minutes": 0.02}
    add(folder, "swap", {**options, "device": "cpu", "actor_consent": BASIS, "target_consent": BASIS})
    add(folder, "train", {"minutes": 60, "device": "cpu"})
    start_worker(folder)

    def trains() -> bool:
        activity = read_activity(folder)
        running = states(folder)[1] == "running" and activity is not None and activity.state == "running"
        return running and activity is not None and activity.unit == "minutes" and activity.done > 0

    try:
        until(trains, 120)
        first = jobs(folder)[0]
        assert first.results == (str(film), str(folder / "report.html")) and count_frames(film) == 75
        assert (folder / "evaluation.json").exists()
        assert stop(folder)
        stop(folder)  # asked again while it writes its checkpoint: it writes it
        until(lambda: queue.worker(folder) is None)
        assert states(folder) == ["done", "paused"]
        found = newest(folder / "model-128")
        assert found is not None and found[1].seconds > 1.2
        seconds = found[1].seconds
        resume(folder, "2")
        start_worker(folder)
        until(trains, 60)
        pid = queue.worker(folder)
        assert pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: queue.worker(folder) is None)
        activity = read_activity(folder)
        assert states(folder) == ["done", "paused"] and activity is not None and activity.state == "killed"
        resume(folder, "2")
        start_worker(folder)
        until(trains, 60)
        pause(folder, "2")
        until(lambda: queue.worker(folder) is None)
        assert states(folder) == ["done", "paused"]
        found = newest(folder / "model-128")
        assert found is not None and found[1].seconds > seconds
        activity = read_activity(folder)
        assert activity is not None and (activity.command, activity.state) == ("train", "stopped")
        cancel(folder, "2")
        add(folder, "convert", {"output": str(tmp_path / "again.mp4"), "label": {"style": "bar"}})
        start_worker(folder)
        until(lambda: states(folder)[2] in ("done", "failed"), 60)
        assert jobs(folder)[2].error == "" and count_frames(tmp_path / "again.mp4") == 75
    finally:
        pid = queue.worker(folder)
        if pid:
            os.kill(pid, signal.SIGKILL)
    log = (folder / "jobs" / "worker.log").read_text()
    assert "train" in log and "Traceback" not in log


@posix
def test_the_workers_log_is_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    """A production from another machine may hold one to a file that a shell reads."""
    victim = tmp_path / "profile"
    victim.write_text("keep this\n")
    add(folder, "train", {"minutes": 1})
    (folder / "jobs" / queue.LOG).symlink_to(victim)
    with pytest.raises(OutputError, match="symbolic links"):
        start_worker(folder)
    assert victim.read_text() == "keep this\n" and queue.worker(folder) is None


def test_the_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []
    monkeypatch.setattr(queue, "start_worker", started.append)

    def run(*arguments: object, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["jobs", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == code, result.stderr
        return result

    assert "no jobs" in run("list", folder).stdout
    added = json.loads(run("add", folder, "train", "minutes=20", "device=cpu", "--json").stdout)
    assert added["options"] == {"minutes": 20, "device": "cpu"} and added["state"] == "waiting"
    run("add", folder, "convert", f"output={folder.parent / 'f.mp4'}", 'label={"style": "bar"}')
    assert "write OPTION=VALUE" in run("add", folder, "train", "20", code=2).stderr
    assert "its options are" in run("add", folder, "train", "x=20", code=2).stderr
    assert "paused" in run("pause", folder, 1).stdout
    assert "waiting" in run("resume", folder, "0001").stdout
    assert "cancelled" in run("cancel", folder, 1).stdout
    assert started == [folder] * 3
    assert "nothing is being done" in run("stop", folder).stdout
    with Production(folder) as job:
        from doublecast.pipeline.activity import working

        with working(job, "train", ignore):
            assert "now: train" in run("list", folder).stdout
    listed = json.loads(run("list", folder, "--json").stdout)
    assert [job["state"] for job in listed["jobs"]] == ["cancelled", "waiting"]
    assert listed["activity"]["state"] == "finished"
    instead(monkeypatch, lambda job: ("/film.mp4",))
    run("run", folder)
    assert states(folder) == ["cancelled", "done"]
    assert "is not a production" in run("list", folder.parent / "nothing", code=2).stderr


def test_jobs_that_came_with_a_production_wait_for_the_user(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.environ["DOUBLECAST_KEYS"]
    monkeypatch.setenv("DOUBLECAST_KEYS", str(tmp_path / "somebody"))
    foreign = add(folder, "convert", {"output": str(tmp_path / "precious.mp4"), "overwrite": True})
    monkeypatch.setenv("DOUBLECAST_KEYS", own)
    mine = add(folder, "train", {"minutes": 1.0})
    assert [(job.id, job.state) for job in jobs(folder)] == [(foreign.id, "paused"), (mine.id, "waiting")]
    file = folder / "jobs" / f"{mine.id}.json"
    file.write_text(file.read_text().replace('"minutes": 1.0', '"minutes": 9.0'))
    assert jobs(folder)[1].state == "paused", "an order that was changed is nobody's"
    done: list[str] = []

    def run(folder: Path, kind: str, options: dict[str, Any], on_event: Listener) -> tuple[str, ...]:
        done.append(kind)
        return ()

    monkeypatch.setattr(worker, "run", run)
    work(folder)
    assert not done
    resume(folder, foreign.id)
    work(folder)
    assert done == ["convert"], "the user said so"
