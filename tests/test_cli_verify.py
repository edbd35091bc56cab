"""`doublecast verify` and the options of signing from outside."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pipeline_clips import environment
from trust_films import FILM, claim, film, remux
from typer.testing import CliRunner, Result

from doublecast.cli import app
from doublecast.pipeline.claims import stretches
from doublecast.pipeline.provenance import compare
from doublecast.production import FilmRecord, Production, TakeInput
from doublecast.trust import Basis, ClaimedIdentity, record_hash
from doublecast.trust.consent import BoundTake, Faces, add, bind, revoke


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film"))


BASES = ("--actor-consent", "self", "--target-consent", "synthetic")


def test_the_verdict_comes_first(path: Path) -> None:
    lines = run("verify", path).stdout.splitlines()
    assert lines[0].startswith("This film was made with doublecast") and lines[1] == ""
    text = "\n".join(lines[2:])
    for words in (
        "fits the file",
        "this machine's own",
        "basis: release, record " + "d" * 64,
        f"film {FILM}",
        "visible",
    ):
        assert words in text, words


def test_exit_codes(path: Path, tmp_path: Path) -> None:
    assert "its signed record is gone" in run("verify", remux(path, tmp_path / "x.mp4"), code=2).stdout
    (tmp_path / "notes.txt").write_text("nothing")
    assert run("verify", tmp_path / "notes.txt", code=1).stdout.startswith("This is not a picture or film")
    assert "cannot be opened" in run("verify", tmp_path / "none.mp4", code=2).stderr


def test_json(path: Path) -> None:
    result = json.loads(run("verify", path, "--json").stdout)
    assert (result["code"], result["credentials"]["state"], result["pictures"]["label"]) == (0, "valid", "seen")
    assert result["credentials"]["claim"]["watermark"] == result["pictures"]["marks"][0]["film"] == FILM
    assert result["verdict"].startswith("This film was made with doublecast")


def test_from_another_process(path: Path, tmp_path: Path) -> None:
    """The exit code and stdout as a shell sees them, from another folder and with an odd name."""
    odd = tmp_path / "f é ü\n.mp4"
    odd.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "doublecast", "verify", odd.name, "--json"]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["credentials"]["state"] == "valid"


def test_a_production_is_compared(path: Path, tmp_path: Path) -> None:
    actor = TakeInput("a", "k1", "video", ("/gone/a.mp4",), "a" * 64)
    target = TakeInput("b", "k2", "video", ("/gone/b.mp4",), "b" * 64)
    with Production(tmp_path / "job") as job:
        job.set_inputs("actor", [actor])
        job.set_inputs("target", [target])
    said = claim(film=FILM)
    found = {check.what: check.answer for check in compare(said, path, tmp_path / "job")}
    assert found == {
        "film log": "no", "take 1 (actor)": "yes", "take 2 (target)": "yes", "take 3 (actor)": "no", "model": "unknown",
        "consent (actor)": "no", "consent (target)": "no",
    }  # fmt: skip
    with Production(tmp_path / "job") as job:
        job.record.films["/elsewhere/film.mp4"] = FilmRecord("asked", "key", film=FILM)
        job.save()
        weights = job.folder / "model-96" / "checkpoint-00000001" / "weights.safetensors"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"")
        record = add(job.folder, "target", Basis.parse("self"), id="x")
        record = bind(job.folder, record, [BoundTake("k2", "b" * 64)], Faces(np.ones((5, 128), np.float32)))
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    people = (ClaimedIdentity("target", record.pseudonym, "self", record_hash(record)),)
    said = claim(film=FILM, model=empty, identities=people)
    checks = compare(said, path, tmp_path / "job")
    answers = {check.what: check.answer for check in checks}
    assert (answers["film log"], answers["model"], answers["consent (target)"]) == ("yes", "yes", "yes")
    revoke(tmp_path / "job", "target", id="x")
    (check,) = (check for check in compare(said, path, tmp_path / "job") if check.what == "consent (target)")
    assert check.answer == "yes" and re.fullmatch(r"self, recorded on \S{10}; revoked on \S{10}", check.text)
    records = tmp_path / "job" / "consent"
    (records / "target-0001.json").write_text((records / "target-0001.json").read_text().replace("self", "synthetic"))
    (check,) = (check for check in compare(said, path, tmp_path / "job") if check.what == "consent (target)")
    assert check.answer == "no" and "was changed after it was signed" in check.text
    lines = run("verify", path, "--production", tmp_path / "job", code=2).stdout
    assert "the production made this film as /elsewhere/film.mp4" in lines
    first = lines.splitlines()[0]
    assert first.startswith("This film was made with doublecast") and first.endswith(
        "But it does not fit the production: take 3 (actor), consent (actor), consent (target)."
    )
    result = json.loads(run("verify", path, "--production", tmp_path / "job", "--json", code=2).stdout)
    assert result["code"] == 2 and result["verdict"] == first


def test_a_mistyped_production_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def works(*_: object) -> None:
        raise AssertionError("it looked at the file first")

    monkeypatch.setattr("doublecast.trust.verify.verify", works)
    (tmp_path / "film.mp4").write_bytes(b"")
    assert "is not a production" in run("verify", tmp_path / "film.mp4", "--production", tmp_path, code=2).stderr


@pytest.mark.parametrize(("command", "code"), [("verify", 70), ("weights", 1)])
def test_a_bug_says_nothing_about_the_file(tmp_path: Path, command: str, code: int) -> None:
    script = (
        "import sys; from unittest.mock import patch; import doublecast.cli\n"
        "patch('doublecast.cli.common.Commands.get_command', side_effect=ZeroDivisionError).start()\n"
        "doublecast.cli.main()"
    )
    given = [sys.executable, "-c", script, command, "x"]
    done = subprocess.run(
        given, env={**environment(), "TMPDIR": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "unexpected ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("given", [["--cert", "c.pem"], ["--key", "k.pem"]])
def test_a_certificate_needs_its_key(tmp_path: Path, given: list[str]) -> None:
    result = run("swap", "a.mp4", "b.mp4", "-o", tmp_path / "f.mp4", *BASES, *given, code=2)
    assert "--cert and --key go together" in result.stderr
    result = run(
        "swap", "a.mp4", "b.mp4", "-o", tmp_path / "f.mp4", *BASES, "--cert", "c.pem", "--key", "k.pem", code=2
    )
    assert "c.pem: cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("index", "track", "wanted"),
    [
        ([], [], ()),
        ([0], [1], ((0.0, 0.04),)),
        ([0, 1, 2, 5, 6], [1] * 5, ((0.0, 0.12), (0.2, 0.28))),
        ([0, 1, 2, 3], [1, 1, 2, 2], ((0.0, 0.08), (0.08, 0.16))),
        ([0, 0, 1, 1, 2], [1, 2, 1, 2, 2], ((0.0, 0.12),)),
    ],
)
def test_stretches_are_those_of_shots(
    index: list[int], track: list[int], wanted: tuple[tuple[float, float], ...]
) -> None:
    frames = np.array(index, np.int64)
    assert stretches(frames, np.array(track, np.int64), frames / 25, 0.04) == wanted
    claim(replaced=wanted)


def test_stretches_of_uneven_frames_do_not_overlap() -> None:
    frames, seconds = np.array([0, 1, 3, 4], np.int64), np.array([-0.01, 0.0, 0.03, 0.9])
    found = stretches(frames, np.ones(4, np.int64), seconds, 0.04)
    assert found == ((0.0, 0.03), (0.03, 0.94))
    claim(replaced=found)


@pytest.mark.parametrize(
    ("index", "seconds", "wanted"),
    [
        ([0, 2], [-0.5, -0.3], ((0.0, 0.04),)),  # both before the film begins
        ([0, 2], [0.1, 0.1002], ((0.1, 0.14),)),
        ([0, 1, 3, 5], [0.0, 0.02, 0.05, 0.05], ((0.0, 0.05), (0.05, 0.09))),
        (list(range(0, 40, 2)), [n / 5000 for n in range(20)], ((0.0, 0.001), (0.001, 0.002), (0.002, 0.003),
         (0.003, 0.004), (0.004, 0.044))),
    ],
)  # fmt: skip
def test_stretches_within_a_millisecond_are_one(
    index: list[int], seconds: list[float], wanted: tuple[tuple[float, float], ...]
) -> None:
    found = stretches(np.array(index, np.int64), np.ones(len(index), np.int64), np.array(seconds), 0.04)
    assert found == wanted
    claim(replaced=found)
