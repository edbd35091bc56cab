"""Named states of training: kept while it runs, and gone back to without losing anything."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from doublecast.cli import app
from doublecast.errors import InputError, InUseError, ModelError, OutputError, ProductionError
from doublecast.events import Step
from doublecast.model.checkpoint import latest
from doublecast.model.standing import FILES, FORMAT, newest, read_standing
from doublecast.pipeline import snapshots as pipeline
from doublecast.pipeline.claims import model_sha256
from doublecast.pipeline.log import LOG, PREVIEWS, log_text, read_log
from doublecast.pipeline.snapshots import LONGEST, Snapshot, remove, restore, save, snapshots, trained_last
from doublecast.production import Production

STATE = {"version": FORMAT, "network": {"size": 96, "identities": ["actor", "target"]}, "losses": {}, "run": {}}


def trained(model: Path, step: int, *, branch: str = "first") -> Path:
    """As training leaves it at this step."""
    path = model / f"checkpoint-{step:08d}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    for name in FILES:
        (path / name).write_text(f"{branch} {name} {step}")
    (path / "state.json").write_text(json.dumps({**STATE, "step": step, "faces": step * 32, "seconds": step / 10}))
    with (model / LOG).open("a") as file:
        file.write(log_text([Step(step, step * 32, step / 10, 60.0, {"l1": float(len(branch))})]))
    (model / PREVIEWS).mkdir(exist_ok=True)
    (model / PREVIEWS / f"{step:08d}.png").write_text(f"{branch} {step}")
    return path


def content(model: Path) -> dict[str, str]:
    checkpoint = latest(model)
    assert checkpoint is not None
    return {name: (checkpoint / name).read_text() for name in FILES}


def log(model: Path) -> list[tuple[int, float]]:
    return [(step.step, step.losses["l1"]) for step in read_log(model)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with Production(tmp_path / "job") as job:
        folder = job.model(96, "material")
    trained(folder, 100)
    trained(folder, 200)
    return folder


def test_going_back_loses_nothing_and_training_goes_on_from_there(model: Path) -> None:
    folder = model.parent
    made = save(folder, "good one")
    assert made == Snapshot("good one", "model-96", 200, 20.0, made.made) and snapshots(folder) == [made]
    kept = content(model)
    digest = model_sha256(model / "checkpoint-00000200")
    trained(model, 300)
    newer = content(model)
    assert restore(folder, "good one") == made
    assert content(model) == kept and log(model) == [(100, 5), (200, 5)]
    assert sorted(p.name for p in (model / PREVIEWS).iterdir()) == ["00000100.png", "00000200.png"]
    assert Production(folder, lock=False).record.options["model"] == "model-96"
    trained(model, 300, branch="second one")
    assert log(model) == [(100, 5), (200, 5), (300, 10)] and content(model) != newer
    again = next(snapshot for snapshot in snapshots(folder) if snapshot.name == "before good one")
    assert (again.step, again.note) == (300, "before good one was restored")
    restore(folder, "before good one")  # the same step with other content
    assert content(model) == newer and log(model) == [(100, 5), (200, 5), (300, 5)]
    assert (model / PREVIEWS / "00000300.png").read_text() == "first 300"
    names = [snapshot.name for snapshot in snapshots(folder)]
    assert names == ["good one", "before good one", "before before good one"]
    restore(folder, "good one")
    assert snapshots(folder)[-1].name == "before good one 2"
    assert model_sha256(model / "checkpoint-00000200") == digest
    assert not [path for path in model.rglob("*") if path.name.endswith(".partial")]


def test_a_restored_step_of_other_content_is_another_model_to_a_film(model: Path) -> None:
    save(model.parent, "a")
    first = model_sha256(model / "checkpoint-00000200")
    trained(model, 200, branch="trained again")
    assert model_sha256(model / "checkpoint-00000200") != first
    restore(model.parent, "a")
    assert model_sha256(model / "checkpoint-00000200") == first


def test_a_snapshot_stays_when_its_checkpoint_goes(model: Path) -> None:
    save(model.parent, "a")
    kept = content(model)
    for path in model.glob("checkpoint-*"):
        shutil.rmtree(path)
    assert newest(model) is None
    restore(model.parent, "a")
    assert content(model) == kept and [s.name for s in snapshots(model.parent)] == ["a"]


def test_links_in_a_production_from_elsewhere_are_not_followed(model: Path) -> None:
    """Or any file of the user would become a picture that the studio sends."""
    secret = model.parent.parent / "secret.txt"
    secret.write_text("precious")
    save(model.parent, "a")
    kept = model / "snapshots" / "a"
    picture = kept / PREVIEWS / "00000100.png"
    picture.unlink()
    picture.symlink_to(secret)
    with pytest.raises(OutputError, match="a link stands in the place of this file"):
        restore(model.parent, "a")
    assert not any(path.is_file() and path.read_bytes() == b"precious" for path in (model / PREVIEWS).glob("*"))
    picture.unlink()
    for place in (kept / LOG, kept / PREVIEWS):
        away = model.parent.parent / place.name
        place.rename(away)
        place.symlink_to(away)
        with pytest.raises(OutputError, match="a link stands"):
            restore(model.parent, "a")
        place.unlink()
        away.rename(place)
    elsewhere = model.parent.parent / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    assert [snapshot.name for snapshot in snapshots(model.parent) if snapshot.name == "a"] == []


def test_without_hard_links_it_is_copied(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    save(model.parent, "a")
    kept = content(model)
    trained(model, 300)
    restore(model.parent, "a")
    assert content(model) == kept


@pytest.mark.parametrize("name", ["dropped", "replaced"])
def test_a_checkpoint_that_goes_while_it_is_copied_gives_no_half_snapshot(
    model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    link, times = os.link, []

    def meanwhile(source: Path, to: Path) -> None:
        link(source, to)
        if source.name == FILES[0]:
            times.append(source)
            if len(times) == 1 and name == "dropped":
                trained(model, 300, branch="newer")
                shutil.rmtree(model / "checkpoint-00000200")
            elif len(times) == 1:
                trained(model, 200, branch="newer")

    monkeypatch.setattr(os, "link", meanwhile)
    made = save(model.parent, "a")
    place = model / "snapshots" / "a"
    assert len(times) == 2 and made.step == (300 if name == "dropped" else 200)
    assert [(place / file).read_text().split()[0] for file in FILES[:2]] == ["newer", "newer"]
    assert read_standing(place).step == made.step
    assert [path.name for path in place.parent.iterdir()] == ["a"]


def test_a_checkpoint_that_goes_every_time(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_copied", lambda *_: False)
    with pytest.raises(ModelError, match="try again"):
        save(model.parent, "a")
    assert snapshots(model.parent) == [] and not list((model / "snapshots").iterdir())


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "..", ".hidden", "a\\b", "/etc", "a\0b", "a\n", "C:", "end.", " a", "x" * (LONGEST + 1)]
)
def test_names_that_cannot_be(model: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"a name has 1 to {LONGEST} characters"):
        save(model.parent, name)
    with pytest.raises(InputError, match="there are: none"):
        restore(model.parent, name)
    with pytest.raises(InputError, match="there are: none"):
        remove(model.parent, name)
    assert not (model / "snapshots").exists()


def test_long_and_foreign_names(model: Path) -> None:
    for name in ("人" * LONGEST, "x" * LONGEST, "v1.2 (warm)"):
        save(model.parent, name)
        restore(model.parent, name)
    assert len(snapshots(model.parent)) == 6
    assert all(len(snapshot.name) <= LONGEST for snapshot in snapshots(model.parent))


def test_what_is_refused(model: Path, tmp_path: Path) -> None:
    folder = model.parent
    save(folder, "a")
    for name in ("a", "A"):
        with pytest.raises(OutputError, match="already"):
            save(folder, name)
    with pytest.raises(InputError, match="no model 'model-7'; there are: model-96"):
        save(folder, "b", model="model-7")
    with pytest.raises(InputError, match="there are: a"):
        restore(folder, "b")
    with Production(folder):
        with pytest.raises(InUseError):
            restore(folder, "a")
        save(folder, "while it is trained")
    with pytest.raises(ProductionError):
        snapshots(tmp_path / "nothing")
    Production(tmp_path / "new").close()
    with pytest.raises(ProductionError, match="doublecast train"):
        save(tmp_path / "new", "a")
    remove(folder, "a")
    assert [snapshot.name for snapshot in snapshots(folder)] == ["while it is trained"]
    assert not list((model / "snapshots").glob(".*"))


def test_the_model_that_was_trained_last(model: Path) -> None:
    with Production(model.parent) as job:
        other = job.model(128, "material")
        assert trained_last(job) == "model-96"
        os.utime(trained(other, 10), (1, 1))
        assert trained_last(job) == "model-96"
        os.utime(other / "checkpoint-00000010")
        os.utime(model / "checkpoint-00000200", (1, 1))
        assert trained_last(job) == "model-128"
    assert save(model.parent, "a").model == "model-128"
    assert save(model.parent, "b", model="model-96").model == "model-96"


def test_damaged_snapshots_are_passed_over(model: Path) -> None:
    save(model.parent, "a")
    for name, text in (("half", None), ("torn", "{"), ("list", "[]")):
        folder = model / "snapshots" / name
        shutil.copytree(model / "snapshots" / "a", folder)
        (folder / "snapshot.json").unlink()
        if text is not None:
            (folder / "snapshot.json").write_text(text)
    assert [snapshot.name for snapshot in snapshots(model.parent)] == ["a"]


def test_the_commands(model: Path) -> None:
    def run(*arguments: object, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["snapshots", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == code, result.stderr
        return result

    assert "no snapshots" in run("list", model.parent).stdout
    assert "a: model-96 at step 200" in run("save", model.parent, "a").stdout
    assert "already" in run("save", model.parent, "a", code=2).stderr
    assert "step 200 again" in run("restore", model.parent, "a").stdout
    listed = json.loads(run("list", model.parent, "--json").stdout)
    assert [row["name"] for row in listed["snapshots"]] == ["a", "before a"]
    run("remove", model.parent, "a")
    assert "before a" in run("list", model.parent).stdout
