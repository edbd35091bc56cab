"""The log of training, and which model a film may be made with."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from doublecast.disk import key_of
from doublecast.errors import DoublecastError, ModelError, ProductionError
from doublecast.events import Event, Note, Step
from doublecast.pipeline import curate
from doublecast.pipeline import train as pipeline
from doublecast.pipeline.curate import _key, usual_sizes, warn_if_same, warn_if_small
from doublecast.pipeline.log import LOG, read_log
from doublecast.pipeline.material import material, noted_size
from doublecast.pipeline.train import _keep, fitting_size, model_folder
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


def footage(monkeypatch: pytest.MonkeyPatch, **heights: float | None) -> None:
    """Faces of the main persons that are so many pixels high; others', and those set aside, are larger."""

    def store(folder: Path) -> SimpleNamespace:
        mine = heights[folder.name]
        sizes = np.array([] if mine is None else [mine - 40, mine, mine + 40, 900, 900, 900, 900], np.float32)
        person = np.array([0, 0, 0, 1, 1, 0, 0])[: len(sizes)]
        kept = np.array([True] * 5 + [False] * 2)[: len(sizes)]
        return SimpleNamespace(table=lambda: SimpleNamespace(size=sizes, person=person, kept=kept))

    monkeypatch.setattr(curate, "FaceStore", store)


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note) and event.level == "warning"]


@pytest.mark.parametrize(
    ("actor", "target", "warned"),
    [(310, 60, True), (300, 149, True), (300, 151, False), (60, 310, False), (None, 60, False), (300, None, False)],
)
def test_a_target_too_small_for_the_shot_is_told_before_training(
    job: Production, monkeypatch: pytest.MonkeyPatch, actor: float | None, target: float | None, warned: bool
) -> None:
    footage(monkeypatch, actor=actor, target=target)
    assert usual_sizes(job) == (actor or 0, target or 0)
    heard: list[Event] = []
    warn_if_small(job, heard.append)
    assert len(notes(heard)) == warned
    if warned:
        assert f"{target} pixels" in notes(heard)[0] and str(actor) in notes(heard)[0]


@pytest.mark.parametrize(("apart", "warned"), [(0.2, True), (0.5, False)])
def test_the_same_person_on_both_sides_is_told(
    job: Production, monkeypatch: pytest.MonkeyPatch, apart: float, warned: bool
) -> None:
    def store(folder: Path) -> SimpleNamespace:
        vectors = np.zeros((4, 128), np.float32)
        vectors[:, 0], vectors[2:, 0] = (apart if folder.name == "target" else 0), 9  # the last two are others
        ids = np.arange(4)
        table = SimpleNamespace(id=ids, person=np.array([0, 0, 1, 1]))
        return SimpleNamespace(vectors=lambda: (ids, vectors), table=lambda: table)

    monkeypatch.setattr(curate, "FaceStore", store)
    heard: list[Event] = []
    assert warn_if_same(job, heard.append) == pytest.approx(apart)
    assert len(notes(heard)) == warned


@pytest.mark.parametrize(
    ("actor", "target", "minutes", "size"),
    [(300, 300, 10, 192), (300, 200, 10, 128), (200, 300, 10, 128), (300, 300, 2, 128), (None, 300, 10, 128)],
)
def test_close_ups_get_the_larger_model_where_there_is_time(
    job: Production, monkeypatch: pytest.MonkeyPatch, actor: float | None, target: float, minutes: float, size: int
) -> None:
    footage(monkeypatch, actor=actor, target=target)
    assert fitting_size(job, material(job), minutes) == size
    trained(job, 256)  # asked for
    footage(monkeypatch, actor=100, target=100)  # much is dropped
    assert fitting_size(job, material(job), 100) == size, "the same command goes on with the same model"


def test_a_model_that_is_there_goes_on(job: Production) -> None:
    """Whatever the faces are, or training that was killed would begin anew."""
    trained(job, 96)
    trained(job, 256)
    trained(job, 192, prior=False)
    assert fitting_size(job, material(job), 10) == 256
    assert fitting_size(job, material(job, prior=False), 10) == 192
    assert noted_size(Production(job.folder, lock=False), material(job)) == 256
