"""The log of training, and which model a film may be made with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doublecast.disk import key_of
from doublecast.errors import DoublecastError, ModelError, ProductionError
from doublecast.events import Step
from doublecast.pipeline import train as pipeline
from doublecast.pipeline.curate import _key
from doublecast.pipeline.log import LOG, read_log
from doublecast.pipeline.material import material
from doublecast.pipeline.train import _keep, model_folder
from doublecast.production import SIDES, Production, TakeInput


def test_log_survives_a_torn_line_and_forgets_steps_done_again(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []
    for step in (10, 20, 30):
        _keep(tmp_path, Step(step, step * 32, step / 10, 60.0, {"l1": 1 / step}))
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 40, "faces_\n')
    _keep(tmp_path, Step(25, 800, 2.5, 60.0, {"l1": 0.5}))
    assert [step.step for step in read_log(tmp_path)] == [10, 20, 25]
    assert read_log(tmp_path)[-1].losses == {"l1": 0.5}


def choose(job: Production, target_face: int) -> None:
    """As curation leaves the record."""
    for side, face in zip(SIDES, (0, target_face), strict=True):
        job.record.options[f"{side}_face"] = face
        job.finish(f"curate {side}", _key(job, side, face), 0.0)


def trained(job: Production, size: int, *, prior: bool = True) -> Path:
    """As training leaves it."""
    folder = job.model(size, material(job, prior=prior))
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_text(key_of(size, prior))
    job.record.options["model"] = folder.name
    return folder


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    monkeypatch.setattr(pipeline, "latest", lambda folder: next(iter(folder.glob("checkpoint")), None))
    with Production(tmp_path / "job") as job:
        for side in SIDES:
            job.set_inputs(side, [TakeInput(side, f"key of {side}", "video", (f"/takes/{side}.mp4",))])
        choose(job, 0)
        yield job


def test_a_model_of_another_person_makes_no_film(job: Production) -> None:
    first = trained(job, 128)
    assert model_folder(job) == model_folder(job, 128) == first
    choose(job, 1)  # extract the same take with --face 1
    models = dict(job.record.models)
    with pytest.raises(ModelError, match=r"model-128 was trained on other takes or people; run: doublecast train"):
        model_folder(job)
    with pytest.raises(ProductionError, match=r"no model of this size for its takes and people yet"):
        model_folder(job, 128)
    assert job.record.models == models
    second = trained(job, 128)
    assert second != first and model_folder(job) == model_folder(job, 128) == second
    choose(job, 0)
    assert model_folder(job, 128) == first
    job.set_inputs("target", [*job.inputs("target"), TakeInput("more", "k", "video", ("/takes/more.mp4",))])
    choose(job, 0)
    with pytest.raises(ModelError, match="other takes or people"):
        model_folder(job)


def test_a_size_is_found_with_the_prior_and_without(job: Production) -> None:
    with pytest.raises(DoublecastError, match="no model yet"):
        model_folder(job)
    scratch = trained(job, 128, prior=False)
    assert model_folder(job) == model_folder(job, 128) == scratch
    for size in (96, 256):
        with pytest.raises(ProductionError, match="doublecast train"):
            model_folder(job, size)
    assert list(job.record.models) == ["model-128"]  # looking makes no entry
    prior = trained(job, 128)
    assert model_folder(job, 128) == prior
    (scratch / "checkpoint").write_text("trained on")
    trained(job, 96)
    assert model_folder(job, 128) == scratch and model_folder(job).name == "model-96"
