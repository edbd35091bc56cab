"""Consent and guard from outside: what is asked, refused, remembered, and what is left on the disk."""

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from faces_clips import require_weights
from pipeline_clips import count_frames, environment, frames, write
from typer.testing import CliRunner

from doublecast.cli import app
from doublecast.cli import consent as cli
from doublecast.errors import RefusedError
from doublecast.faceset import FaceStore
from doublecast.pipeline.curate import curate
from doublecast.pipeline.extract import extract_side
from doublecast.production import Production
from doublecast.trust import guard, writer
from doublecast.types import U8, Frame, Patch
from doublecast.video import find_takes

COUNT = 40  #: frames of the clips
SHORT = ["--minutes", "0.02", "--device", "cpu"]
BOTH = ["--actor-consent", "synthetic", "--target-consent", "research:performers, CC0"]


def run(*arguments: object, code: int = 0, answers: str | None = None) -> str:
    """Runs the command line; returns stdout where it succeeds, else stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=answers, catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stderr if code or answers is not None else result.stdout


@dataclass(frozen=True)
class Clips:
    """Short clips of the demo's two synthetic performers. both: one after the other."""

    actor: Path
    target: Path
    both: Path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    demo = files("doublecast.assets") / "demo"
    with as_file(demo / "actor.mp4") as actor, as_file(demo / "target.mp4") as target:
        one, two = list(frames(actor, COUNT)), list(frames(target, COUNT))
    return Clips(
        write(folder / "actor.mp4", one),
        write(folder / "target.mp4", two),
        write(folder / "both.mp4", itertools.chain(one, (p[: one[0].shape[0], : one[0].shape[1]] for p in two))),
    )


@pytest.fixture(scope="module")
def job(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished production; copy it before changing it."""
    require_weights()
    folder = tmp_path_factory.mktemp("job")
    run("swap", clips.actor, clips.target, "-o", folder / "film.mp4", "--work", folder / "job", *SHORT, *BOTH)
    return folder / "job"


@pytest.fixture
def mine(job: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(job, tmp_path / "job"))


# before any work


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--actor-consent BASIS"),
        (["--actor-consent", "self"], "--target-consent BASIS"),
        (["--target-consent", "self"], "--actor-consent BASIS"),
        ([*BOTH, "--actor-consent", "friend"], "'friend' is no basis"),
        ([*BOTH, "--target-consent", "licensed"], "without a detail"),
        ([*BOTH, "--target-consent", "release:nowhere.pdf"], "nowhere.pdf"),
    ],
)
def test_no_basis_and_no_terminal_stops_before_any_work(
    tmp_path: Path, clips: Clips, options: list[str], words: str
) -> None:
    told = run("swap", clips.actor, clips.target, "-o", tmp_path / "film.mp4", *SHORT, *options, code=2)
    assert words in told
    assert "public-domain:DETAIL" in told or "nowhere" in words
    assert not list(tmp_path.iterdir())


def test_extract_without_a_basis(tmp_path: Path, clips: Clips) -> None:
    told = run("extract", clips.actor, "--to", tmp_path / "job", "--side", "target", code=2)
    assert "--consent BASIS" in told and "the target" in told and "public-domain:DETAIL" in told
    assert not list(tmp_path.iterdir())


def test_consent_of_what_is_no_production(tmp_path: Path) -> None:
    for command in (["add", "self", "--side", "actor"], ["list"], ["show", "--side", "actor"]):
        told = run("consent", command[0], tmp_path / "none", *command[1:], code=2)
        assert "is not a production" in told
    assert not list(tmp_path.iterdir())


def test_in_a_terminal_it_asks_once_and_remembers(
    tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_weights()
    monkeypatch.setattr(cli, "_terminal", lambda: True)
    paper = tmp_path / "release of Alice.pdf"
    paper.write_bytes(b"I agree")
    extract = ["extract", clips.actor, "--to", tmp_path / "job", "--side", "actor"]
    told = run(*extract, answers=f"7\nx\n2\nnowhere.pdf\n2\n{paper}\n")
    assert "The actor's face is in actor.mp4. Why may it be used?" in told
    assert "no such file" in told
    assert "Why may" not in run(*extract, answers="")
    shown = json.loads(run("consent", "show", tmp_path / "job", "--side", "actor", "--json"))
    assert shown["basis"] == "release" and shown["detail"] == paper.name and shown["signed_by_user"]
    assert shown["complete"] and len(shown["takes"]) == 1 and len(shown["evidence_sha256"]) == 64
    assert not list((tmp_path / "job").rglob("*.pdf"))
    assert "no such file" in run("extract", "gone.mp4", "--to", tmp_path / "x", "--side", "actor", code=2)


def test_ctrl_c_at_the_question(tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_terminal", lambda: True)
    run("extract", clips.actor, "--to", tmp_path / "job", "--side", "actor", answers="", code=130)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_killed_and_run_again_it_asks_nothing(tmp_path: Path, clips: Clips) -> None:
    require_weights()
    extract = ["extract", str(clips.actor), "--to", str(tmp_path / "job"), "--side", "actor"]
    command = [sys.executable, "-m", "doublecast", *extract, "--consent", "synthetic"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("extract actor"))
        process.send_signal(signal.SIGKILL)
    run(*extract)
    assert json.loads(run("consent", "show", tmp_path / "job", "--side", "actor", "--json"))["complete"]


# records of a finished job


def test_records_of_a_job(job: Path) -> None:
    records = json.loads(run("consent", "list", job, "--json"))["records"]
    assert [(r["role"], r["basis"], r["complete"], r["revoked"]) for r in records] == [
        ("actor", "synthetic", True, ""), ("target", "research", True, "")
    ]  # fmt: skip
    assert len({r["pseudonym"] for r in records}) == 2
    text = run("consent", "list", job)
    assert "in force" in text and "performers, CC0" in text
    assert "signed by: you" in run("consent", "show", job, "--side", "target")


def test_revoked_means_no_training_and_no_film(mine: Path, clips: Clips, tmp_path: Path) -> None:
    run("consent", "revoke", mine, "--side", "target", "--reason", "asked to")
    film = tmp_path / "film.mp4"
    for command in (
        ["convert", mine, "-o", film],
        ["train", mine, *SHORT],
        ["swap", clips.actor, clips.target, "-o", film, "--work", mine, *SHORT, *BOTH],
        ["extract", clips.target, "--to", mine, "--side", "target", "--consent", "synthetic"],
    ):
        told = run(*command, code=2)
        assert "target was revoked" in told and "doublecast consent add" in told
    assert not film.exists() and "asked to" in run("consent", "list", mine)
    run("consent", "add", mine, "synthetic", "--side", "target")
    run("convert", mine, "-o", film)
    assert count_frames(film) == COUNT
    before = json.loads(run("consent", "show", mine, "--side", "target", "--json"))["history"]
    assert [bool(record["revoked"]) for record in before] == [False, True]


@pytest.mark.parametrize(
    ("take", "put", "words"),
    [
        ("actor", "target", "record of the actor, put in the place of the target's"),
        ("target", "actor", "record of the target, put in the place of the actor's"),
    ],
)
def test_swapped_records_are_refused(mine: Path, tmp_path: Path, take: str, put: str, words: str) -> None:
    shutil.copy(mine / "consent" / f"{take}.json", mine / "consent" / f"{put}.json")
    for command in (["convert", mine, "-o", tmp_path / "film.mp4"], ["train", mine, *SHORT]):
        assert words in run(*command, code=2)


def test_edited_and_missing_records_are_refused(mine: Path, tmp_path: Path) -> None:
    path = mine / "consent" / "actor.json"
    path.write_text(path.read_text().replace("synthetic", "self"))
    told = run("convert", mine, "-o", tmp_path / "film.mp4", code=2)
    assert "actor.json was changed after it was signed" in told
    shutil.rmtree(mine / "consent")
    for command in (["convert", mine, "-o", tmp_path / "film.mp4"], ["train", mine, *SHORT]):
        assert "no basis is recorded for the actor" in run(*command, code=2)


def test_a_record_does_not_cover_another_person(clips: Clips, tmp_path: Path) -> None:
    require_weights()
    extract = ["extract", clips.both, "--to", tmp_path / "job", "--side", "actor", "--consent", "synthetic"]
    run(*extract, "--face", "0")
    told = run(*extract, "--face", "1", code=2)
    assert "shows another person than the one whose consent is recorded" in told and "distance" in told
    run(*extract, "--face", "0")
    run("consent", "add", tmp_path / "job", "research:the other one, CC0", "--side", "actor")
    told = run(*extract[:-2], "--face", "1", code=2)  # bound to person 0 at once
    assert "another person" in told


def test_production_without_records_is_refused(clips: Clips, tmp_path: Path) -> None:
    """As an older version made them."""
    require_weights()
    with Production(tmp_path / "job") as made:
        for side, clip in (("actor", clips.actor), ("target", clips.target)):
            extract_side(made, side, find_takes([clip]))  # type: ignore[arg-type]
            curate(made, side)  # type: ignore[arg-type]
    told = run("train", tmp_path / "job", *SHORT, code=2)
    assert "no basis is recorded for the actor" in told and "consent add" in told
    assert not list((tmp_path / "job").glob("model-*"))
    for side in ("actor", "target"):
        run("consent", "add", tmp_path / "job", "synthetic", "--side", side)
    run("train", tmp_path / "job", *SHORT)


def test_a_new_take_of_the_same_person_is_covered(mine: Path, clips: Clips, tmp_path: Path) -> None:
    more = write(tmp_path / "more.mp4", itertools.islice(frames(clips.actor), 5, None))
    run("extract", clips.actor, more, "--to", mine, "--side", "actor")
    shown = json.loads(run("consent", "show", mine, "--side", "actor", "--json"))
    assert len(shown["takes"]) == 2 and shown["number"] == 2


# the guard


def exposed(pixels: U8) -> tuple[str, float, float]:
    """Stands in for the judgement: magenta pictures are exposed."""
    magenta = np.abs(pixels.mean((0, 1)) - [255, 0, 255]).max() < 40
    return ("magenta", 0.9, 0.9) if magenta else ("", 0.0, 0.0)


@pytest.fixture
def spoilt(clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The actor's clip, with two seconds of magenta in the middle."""
    monkeypatch.setattr(guard, "judge", exposed)
    own = list(frames(clips.actor))
    magenta = np.full_like(own[0], [255, 0, 255])
    yield write(tmp_path / "spoilt.mp4", [*own, *[magenta] * 50, *own])


def test_extraction_stops_and_keeps_nothing(tmp_path: Path, clips: Clips, spoilt: Path) -> None:
    require_weights()
    work, film = tmp_path / "job", tmp_path / "film.mp4"
    for side, takes in (("actor", (spoilt, clips.target)), ("target", (clips.actor, spoilt))):
        told = run("swap", *takes, "-o", film, "--work", work, *SHORT, *BOTH, code=3)
        assert "spoilt.mp4: sexual imagery at 0:0" in told and "(magenta" in told
        assert len(FaceStore(work / side)) == 0
        assert not film.exists() and not list(work.glob("model-*")) and not (work / "renders").exists()
        with Production(work) as job:
            assert side not in job.record.inputs
            assert not [name for name in job.record.stages if name.startswith("train")]
    told = run("extract", clips.actor, spoilt, "--to", work, "--side", "target", "--consent", "self", code=3)
    run("swap", clips.actor, clips.target, "-o", film, "--work", work, *SHORT, *BOTH)  # without it all is well
    assert count_frames(film) == COUNT


def test_a_film_that_would_show_it_is_not_made(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(guard.Guard):
        def step(self, frame: Frame, patches: list[Patch] = []) -> None:  # type: ignore[override]  # noqa: B006
            if frame.index == COUNT - 5:
                raise RefusedError(f"{self._files[0]}: sexual imagery at {frame.seconds}")

    monkeypatch.setattr(writer, "Guard", Late)
    told = run("convert", mine, "-o", tmp_path / "film.mp4", code=3)
    assert "film.mp4: sexual imagery at 1.4" in told
    assert not list((mine / "renders").glob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job"]
    (tmp_path / "film.mp4").write_bytes(b"something else")
    assert "exists already" in run("convert", mine, "-o", tmp_path / "film.mp4", code=2)


def test_what_appears_where_a_film_was_begun_is_not_that_film(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("doublecast.pipeline.convert.Swapper", stopped)
        run("convert", mine, "-o", tmp_path / "film.mp4", code=130)
    (tmp_path / "film.mp4").write_bytes(b"something else")
    assert "exists already" in run("convert", mine, "-o", tmp_path / "film.mp4", code=2)
    (tmp_path / "film.mp4").unlink()
    run("convert", mine, "-o", tmp_path / "film.mp4")
    assert count_frames(tmp_path / "film.mp4") == COUNT


def test_a_film_names_the_footage_that_is_there(mine: Path, tmp_path: Path) -> None:
    path = mine / "production.toml"
    with Production(mine) as job:
        sha256 = job.inputs("actor")[0].sha256
    path.write_text(path.read_text("utf-8").replace(sha256, "0" * 64), "utf-8")
    assert "actor.mp4: its SHA-256" in run("convert", mine, "-o", tmp_path / "film.mp4", code=2)
    path.write_text(path.read_text("utf-8").replace("0" * 64, "0x"), "utf-8")
    assert "must be 64 hex digits" in run("convert", mine, "-o", tmp_path / "film.mp4", code=2)


def test_a_film_shows_nobody_but_whose_record_is_in_force(clips: Clips, tmp_path: Path) -> None:
    require_weights()
    job, film = tmp_path / "job", tmp_path / "film.mp4"
    run("extract", clips.target, "--to", job, "--side", "actor", "--consent", "synthetic")
    extract = ["extract", clips.both, "--to", job, "--side", "target", "--consent", "synthetic", "--face"]
    run(*extract, "0")
    run("train", job, *SHORT)
    assert "another person" in run(*extract, "1", code=2)
    run("consent", "revoke", job, "--side", "target")
    run("consent", "add", job, "research:the other one, CC0", "--side", "target")
    assert "was trained on other takes or people" in run("convert", job, "-o", film, code=2)
    assert "no model of this size" in run("convert", job, "-o", film, "--size", "128", code=2)
    with Production(job) as made:
        assert list(made.record.models) == ["model-128"]
    assert not film.exists()


def test_takes_of_older_productions_are_looked_at_first(
    mine: Path, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Production(mine) as job:
        stages = [name for name in job.record.stages if name.startswith("guard ")]
        assert len(stages) == 2
        for name in stages:
            del job.record.stages[name]
        job.save()
    with monkeypatch.context() as patch:
        patch.setattr(guard, "judge", lambda pixels: ("x", 0.9, 0.9))
        for command in (["train", mine, *SHORT], ["convert", mine, "-o", tmp_path / "film.mp4"]):
            assert "actor.mp4: sexual imagery at 0:00" in run(*command, code=3)
    run("train", mine, *SHORT)
    with Production(mine) as job:
        assert set(stages) <= set(job.record.stages)


def test_pictures_are_looked_at_before_they_are_imported(mine: Path, clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    run("faces", "export", mine, folder, "--side", "actor")
    before = len(FaceStore(mine / "actor"))
    import cv2

    own = next(frames(clips.actor))
    cv2.imwrite(str(folder / "new.png"), own[:, :, ::-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "judge", lambda pixels: ("x", 0.9, 0.9))
        assert "new.png: sexual imagery" in run("faces", "import", mine, folder, "--side", "actor", code=3)
    assert len(FaceStore(mine / "actor")) == before
    run("faces", "import", mine, folder, "--side", "actor")
    assert len(FaceStore(mine / "actor")) == before + 1
    run("train", mine, *SHORT)


def test_imported_faces_of_somebody_else_are_refused(mine: Path, clips: Clips, tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "faces"
    folder.mkdir()
    for number, pixels in enumerate(frames(clips.target, 3)):
        cv2.imwrite(str(folder / f"{number}.png"), pixels[:, :, ::-1])
    run("faces", "import", mine, folder, "--side", "actor")
    told = run("train", mine, *SHORT, code=2)
    assert "another person" in told and "imported" in told
