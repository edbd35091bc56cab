"""The command line from outside: what it prints, refuses and keeps."""

import errno
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_clips import require_weights
from pipeline_clips import (
    ACTOR,
    ACTOR_AGAIN,
    CONSENT,
    CONSENTS,
    TARGET,
    count_frames,
    empty_room,
    environment,
    frames,
    write,
)
from typer.testing import CliRunner, Result

from doublecast.cli import app
from doublecast.faceset import FaceStore

SHORT = ["--minutes", "0.02", "--device", "cpu", *CONSENTS]  #: options of swap


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result


@dataclass(frozen=True)
class Made:
    """A finished job."""

    folder: Path
    film: Path
    actor: Path
    target: Path

    def swap(self, *arguments: object) -> list[object]:
        return ["swap", self.actor, self.target, "-o", self.film, *SHORT, *arguments]


@pytest.fixture(scope="module")
def made(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    require_weights()
    folder = tmp_path_factory.mktemp("job")
    job = Made(folder / "film.production", folder / "film.mp4", shared / ACTOR, shared / TARGET)
    result = run(*job.swap("--json"))
    report = json.loads(result.stdout)
    assert report["films"] == [str(job.film)]
    assert Path(report["report"]).is_file() and report["production"] == str(job.folder)
    yield job


# without any work


@pytest.mark.parametrize("arguments", [["--help"], ["swap", "--help"], ["faces", "--help"], ["--version"]])
def test_help_is_quick_and_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, doublecast.cli\n"
        f"sys.argv = ['doublecast', *{arguments!r}]\n"
        "try: doublecast.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'cv2', 'av', 'lance'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment())
    assert time.monotonic() - begin < 2.5  # about .3 s on an idle machine


def _nothing(folder: Path) -> Path:
    return folder / "none.mp4"


def _text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no film\n" * 100)
    return path


def _empty_file(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def _empty_folder(folder: Path) -> Path:
    path = folder / "empty"
    path.mkdir()
    return path


def _papers(folder: Path) -> Path:
    path = folder / "papers"
    path.mkdir()
    (path / "letter.txt").write_text("hello")
    return path


@pytest.mark.parametrize("side", ["actor", "target"])
@pytest.mark.parametrize("make", [_nothing, _text, _empty_file, _empty_folder, _papers])
def test_takes_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], Path], side: str) -> None:
    require_weights()
    bad = make(tmp_path)
    result = run("extract", bad, "--to", tmp_path / "job", "--side", side, *CONSENT, code=2)
    assert bad.name in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "0.01"),
        (["--size", "100"], "96"),
        (["--device", "tpu"], "mps"),
        (["--actor-face", "-1"], "0"),
    ],
)
def test_options_that_do_not_exist(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run("swap", "a.mp4", "b.mp4", "-o", tmp_path / "film.mp4", *arguments, code=2)
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_output_that_exists_is_refused_before_any_work(tmp_path: Path, shared: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"dear to me")
    result = run("swap", shared / ACTOR, shared / TARGET, "-o", film, *SHORT, code=2)
    assert "film.mp4" in result.stderr and "--overwrite" in result.stderr
    assert film.read_bytes() == b"dear to me"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("name", ["film.avi", "film.gif", "film.png"])
def test_output_that_cannot_be_written(tmp_path: Path, shared: Path, name: str) -> None:
    result = run("swap", shared / ACTOR, shared / TARGET, "-o", tmp_path / name, *SHORT, code=2)
    assert name in result.stderr
    assert not list(tmp_path.iterdir())


def test_output_that_is_the_input(tmp_path: Path, shared: Path) -> None:
    clip = tmp_path / "clip.mpg"
    clip.write_bytes((shared / ACTOR).read_bytes())
    clip = clip.rename(clip.with_suffix(".mkv"))
    for actor, target in ((clip, shared / TARGET), (shared / TARGET, clip)):
        run("swap", actor, target, "-o", clip, "--overwrite", *SHORT, code=2)
        assert clip.read_bytes() == (shared / ACTOR).read_bytes()


def test_folder_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_dir", forbidden)
    result = run("extract", tmp_path / "clip.mp4", "--to", tmp_path / "job", "--side", "actor", *CONSENT, code=2)
    assert "access is not allowed" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("production.toml", "format = 99\ndoublecast = '9.1'\n", "9.1"),
        ("production.toml", "format = [", "damaged"),
        ("letter.txt", "hello", "not a production"),
    ],
)
def test_work_folder_of_something_else(tmp_path: Path, shared: Path, name: str, content: str, message: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / name).write_text(content)
    film = tmp_path / "film.mp4"
    result = run("swap", shared / ACTOR, shared / TARGET, "-o", film, "--work", work, *SHORT, code=2)
    assert message in result.stderr and "work" in result.stderr
    assert (work / name).read_text() == content


@pytest.mark.parametrize("command", [["train"], ["convert", "-o", "x.mp4"], ["faces", "list"]])
def test_production_that_is_none(tmp_path: Path, command: list[str]) -> None:
    at = 2 if command[0] == "faces" else 1
    result = run(*command[:at], tmp_path / "none", *command[at:], code=2)
    assert "is not a production" in result.stderr
    assert not list(tmp_path.iterdir())


def test_weights_with_a_wrong_hash(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = tmp_path / "weights"
    archives.mkdir()
    (archives / "face_detection_back.tflite").write_bytes(b"something else")
    monkeypatch.setenv("DOUBLECAST_WEIGHTS", str(archives))
    result = run("extract", shared / ACTOR, "--to", tmp_path / "job", "--side", "actor", *CONSENT, code=2)
    assert "face_detection_back" in result.stderr and "SHA-256" in result.stderr


def test_weights_are_listed_with_their_licences() -> None:
    listed = json.loads(run("weights", "--json").stdout)["weights"]
    assert {"name", "package", "version", "licence", "sha256", "state", "path"} == set(listed[0])
    assert all(row["licence"] for row in listed)


# people


@pytest.mark.parametrize("count", [0, 4])
def test_nobody_or_hardly_anybody_in_a_take(tmp_path: Path, shared: Path, count: int) -> None:
    require_weights()
    size = next(frames(shared / ACTOR)).shape[:2]
    room = empty_room(30, (size[0], size[1]))
    clip = write(tmp_path / "room.mp4", itertools.chain(frames(shared / ACTOR, count), room))
    job = tmp_path / "job"
    first = CliRunner().invoke(app, ["extract", str(clip), "--to", str(job), "--side", "actor", *CONSENT])
    if first.exit_code == 0:
        run("extract", shared / TARGET, "--to", job, "--side", "target", *CONSENT)
        first = CliRunner().invoke(app, ["train", str(job), "--minutes", "0.02", "--device", "cpu"])
    assert first.exit_code == 2
    assert "face" in first.stderr and "Traceback" not in first.stderr


def test_two_people_have_to_be_chosen_from(tmp_path: Path, shared: Path) -> None:
    require_weights()
    pairs = zip(frames(shared / ACTOR, 40), frames(shared / TARGET, 40), strict=True)
    clip = write(tmp_path / "two.mp4", (np.hstack(pair) for pair in pairs))
    arguments = ["extract", clip, "--to", tmp_path / "job", "--side", "actor", *CONSENT]
    result = run(*arguments, code=2)
    assert "equally present" in result.stderr and "--face 1" in result.stderr
    sheet = cv2.imread(str(tmp_path / "job" / "actor-people.png"))
    assert sheet is not None and str(tmp_path / "job" / "actor-people.png") in result.stderr
    begin = time.monotonic()
    run(*arguments, "--face", 1)
    assert time.monotonic() - begin < 3  # not extracted again
    listed = json.loads(run("faces", "list", tmp_path / "job", "--json").stdout)["actor"]
    assert listed["kept"] > 10 and listed["set_aside"]["other person"] >= 40
    assert "there are 2 persons" in run(*arguments, "--face", 7, code=2).stderr


def test_same_person_on_both_sides_is_warned_of(tmp_path: Path, shared: Path) -> None:
    require_weights()
    film = tmp_path / "film.mp4"
    result = run("swap", shared / ACTOR, shared / ACTOR_AGAIN, "-o", film, *SHORT)
    assert "look like the same person" in result.stderr
    assert film.is_file()


# a finished job


def test_film_has_all_frames_and_sound(made: Made) -> None:
    import av

    assert count_frames(made.film) == count_frames(made.actor) == 75
    with av.open(str(made.film)) as film:
        assert film.streams.audio and "AI-altered" in film.metadata["comment"]


def test_the_film_is_what_it_says(made: Made) -> None:
    found = json.loads(run("verify", made.film, "--production", made.folder, "--json").stdout)
    answers = {check["what"]: check["answer"] for check in found["production"]}
    assert answers == {
        "film log": "yes", "take 1 (actor)": "yes", "take 2 (target)": "yes", "model": "yes",
        "consent (actor)": "yes", "consent (target)": "yes",
    }  # fmt: skip
    said = found["credentials"]["claim"]
    assert said["takes"][0]["sha256"] == hashlib.sha256(made.actor.read_bytes()).hexdigest()
    assert [mark["film"] for mark in found["pictures"]["marks"]] == [said["watermark"]]
    assert said["replaced"] == [[0.0, 3.0]]


def test_same_command_again_does_nothing(made: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in [made.film, made.folder / "report.html"]}
    result = run(*made.swap())
    assert str(made.film) in result.stdout and "report.html" in result.stdout
    assert "frames/s" not in result.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_more_minutes_go_on_training_and_need_overwrite(made: Made, tmp_path: Path) -> None:
    longer = [*made.swap(), "--minutes", "0.04"]
    assert "--overwrite" in run(*longer, code=2).stderr
    film = tmp_path / "longer.mp4"
    arguments = ["swap", made.actor, made.target, "-o", film, "--work", made.folder, "--minutes", "0.04"]
    result = run(*arguments)
    assert "going on from step" in result.stderr
    assert "extract actor" not in result.stderr
    assert film.is_file()


def test_changed_film_is_not_taken_for_ours(made: Made, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    run("convert", made.folder, "-o", film)
    run("convert", made.folder, "-o", film)  # ours, finished
    film.write_bytes(b"mine now")
    assert "--overwrite" in run("convert", made.folder, "-o", film, code=2).stderr
    run("convert", made.folder, "-o", film, "--overwrite")
    assert count_frames(film) == 75


def test_convert_to_pictures(made: Made, tmp_path: Path) -> None:
    run("convert", made.folder, "-o", tmp_path / "frames")
    pictures = sorted((tmp_path / "frames").glob("*.png"))
    assert len(pictures) == 75
    pictures[0].unlink()
    assert "--overwrite" in run("convert", made.folder, "-o", tmp_path / "frames", code=2).stderr


def test_other_job_in_the_same_folder(made: Made, tmp_path: Path, shared: Path) -> None:
    arguments = ["swap", shared / ACTOR_AGAIN, made.target, "-o", tmp_path / "x.mp4", "--work", made.folder]
    assert "belongs to another job" in run(*arguments, *SHORT, code=2).stderr


def test_missing_model_size(made: Made, tmp_path: Path) -> None:
    result = run("convert", made.folder, "-o", tmp_path / "x.mp4", "--size", "256", code=2)
    assert "doublecast train" in result.stderr


def test_take_that_is_gone_or_changed(tmp_path: Path, shared: Path) -> None:
    require_weights()
    clip = tmp_path / "actor.mpg"
    clip.write_bytes((shared / ACTOR).read_bytes())
    job = tmp_path / "job"
    run("swap", clip, shared / TARGET, "-o", tmp_path / "a.mp4", "--work", job, *SHORT)
    clip.write_bytes((shared / ACTOR_AGAIN).read_bytes())
    assert "was changed" in run("convert", job, "-o", tmp_path / "b.mp4", code=2).stderr
    result = run("swap", clip, shared / TARGET, "-o", tmp_path / "b.mp4", "--work", job, *SHORT)
    assert "extract actor" in result.stderr and "extract target" not in result.stderr
    listed = json.loads(run("faces", "list", job, "--json").stdout)["actor"]
    assert listed["faces"] <= 76  # the old content's faces do not count
    clip.unlink()
    assert "is gone" in run("convert", job, "-o", tmp_path / "c.mp4", code=2).stderr


def test_several_actor_takes_make_several_films(tmp_path: Path, shared: Path) -> None:
    require_weights()
    film = tmp_path / "film.mp4"
    more = ["--actor-take", shared / ACTOR_AGAIN]
    result = run("swap", shared / ACTOR, shared / TARGET, "-o", film, *more, *SHORT, "--json")
    names = [Path(path).name for path in json.loads(result.stdout)["films"]]
    assert names == ["film-bbaf2n.mp4", "film-bbaf3s.mp4"]
    assert all(count_frames(tmp_path / name) == 75 for name in names)


def test_faces_are_dropped_restored_and_undone(made: Made) -> None:
    job, side = made.folder, ["--side", "target"]
    ids = json.loads(run("faces", "sheet", job, *side, "--json").stdout)["ids"]

    def kept() -> int:
        return int(json.loads(run("faces", "list", job, "--json").stdout)["target"]["kept"])

    before = kept()
    assert json.loads(run("faces", "drop", job, *ids[:3], *side, "--json").stdout)["kept"] == before - 3
    run("faces", "restore", job, ids[0], *side)
    assert kept() == before - 2
    run("faces", "undo", job, *side)
    run("faces", "undo", job, *side)
    assert kept() == before
    assert "no face 7 " in run("faces", "drop", job, 7, *side, code=2).stderr


def test_faces_leave_and_come_back_as_pictures(made: Made, tmp_path: Path) -> None:
    folder, side = tmp_path / "faces", ["--side", "actor"]
    count = json.loads(run("faces", "export", made.folder, folder, *side, "--jpeg", "--json").stdout)["faces"]
    pictures = sorted(folder.glob("*.jpg"))
    assert len(pictures) == count
    pictures[0].unlink()
    assert json.loads(run("faces", "import", made.folder, folder, *side, "--json").stdout)["set_aside"] == 1
    run("faces", "undo", made.folder, *side)


def test_sheet_of_a_reason_that_is_not_there(made: Made) -> None:
    result = run("faces", "sheet", made.folder, "--side", "actor", "--set-aside", "boredom", code=2)
    assert "reasons there are" in result.stderr


def test_full_disk_while_extracting(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_weights()

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = ["extract", shared / ACTOR, "--to", tmp_path / "job", "--side", "actor", *CONSENT]
    with monkeypatch.context() as patch:
        patch.setattr(FaceStore, "append", full)
        result = run(*arguments, code=2)
    assert "disk is full" in result.stderr and "job" in result.stderr
    run(*arguments)


def test_ctrl_c_leaves_with_130_and_what_to_do(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_weights()

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    arguments = ["extract", shared / ACTOR, "--to", tmp_path / "job", "--side", "actor", *CONSENT]
    with monkeypatch.context() as patch:
        patch.setattr(FaceStore, "append", interrupted)
        result = run(*arguments, code=130)
    assert "run the same command to go on" in result.stderr
    run(*arguments)
