"""The Train page's routes and those of jobs: what is shown, started, kept and gone back to."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from studio_asks import Client
from test_pipeline_snapshots import trained

from doublecast.errors import InputError
from doublecast.metrics import Measure
from doublecast.pipeline import queue
from doublecast.pipeline.activity import FILE, Activity, working
from doublecast.pipeline.curate import _key
from doublecast.pipeline.evaluation import Evaluation, write_evaluation
from doublecast.pipeline.material import material, note_size
from doublecast.production import SIDES, Production, TakeInput
from doublecast.studio.config import StudioConfig
from doublecast.studio.pages import jobs_panel, train_api
from doublecast.studio.pages.jobs_panel import checked

PAGE = "/api/p/one/train"


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders in which a worker was to be started; none is."""
    started: list[Path] = []
    monkeypatch.setattr(queue, "start_worker", started.append)
    return started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A production whose faces are curated."""
    with Production(tmp_path / "all" / "one") as job:
        for side in SIDES:
            job.set_inputs(side, [TakeInput(side, f"key of {side}", "video", (f"/takes/{side}.mp4",))])
            job.record.options[f"{side}_face"] = 0
            job.finish(f"curate {side}", _key(job, side, 0), 0.0)
        return job.folder


@pytest.fixture
def client(folder: Path) -> Client:
    studio = cast(Any, SimpleNamespace(config=StudioConfig(folder.parent)))
    return Client(studio, jobs_panel, train_api)


def model(folder: Path, size: int, *, prior: bool = True) -> Path:
    with Production(folder) as job:
        return job.model(size, material(job, prior=prior))


def test_without_faces_the_page_says_what_to_do_and_without_a_model_it_is_empty(client: Client, folder: Path) -> None:
    state = client.get(PAGE).json()
    assert (state["problem"], state["models"], state["shown"], state["previews"]) == ("", [], None, [])
    assert state["evaluation"] is None and not state["report"] and state["snapshots"] == []
    Production(folder.parent / "new").close()
    assert "has no takes of the actor yet" in client.get("/api/p/new/train").json()["problem"]
    assert "no production" in client.get("/api/p/other/train").json()["error"]


def test_models_previews_and_log(client: Client, folder: Path) -> None:
    first, second = model(folder, 96), model(folder, 128, prior=False)
    trained(first, 100)
    trained(first, 200)
    trained(second, 50)
    with Production(folder) as job:
        job.model(64, "of other takes")
        job.record.options["model"] = first.name
        job.save()
    state = client.get(PAGE).json()
    told = [(m["name"], m["size"], m["prior"], m["step"], m["seconds"]) for m in state["models"]]
    assert told == [
        ("model-96", 96, True, 200, 20.0), ("model-128", 128, False, 50, 5.0), ("model-64", 64, None, 0, 0.0)
    ]  # fmt: skip
    assert state["shown"] == "model-96"
    assert [(p["step"], p["seconds"], p["losses"]) for p in state["previews"]] == [
        (100, 10.0, {"l1": 5.0}), (200, 20.0, {"l1": 5.0})
    ]  # fmt: skip
    assert client.get(f"{PAGE}?model=model-128").json()["shown"] == "model-128"
    assert client.get(f"{PAGE}?model=nonsense").json()["shown"] == "model-96"
    log = client.get(f"{PAGE}/model-96/log?axis=step").json()
    assert log["step"] == [100, 200] and log["losses"] == {"l1": [5, 5]}
    assert client.get(f"{PAGE}/model-96/log?axis=other").status_code == 422
    assert client.get(f"{PAGE}/model-96/previews/100.png").content == b"first 100"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("model-96/previews/7.png", "no preview of step 7"),
        ("model-1/previews/100.png", "has no model 'model-1'; there are: model-96"),
        ("model-1/log", "has no model 'model-1'"),
        ("actor/log", "has no model 'actor'"),
    ],
)
def test_nothing_else_is_sent(client: Client, folder: Path, path: str, words: str) -> None:
    trained(model(folder, 96), 100)
    answer = client.get(f"{PAGE}/{path}")
    assert answer.status_code == 400 and words in answer.json()["error"]


def test_a_linked_preview_is_not_sent(client: Client, folder: Path, tmp_path: Path) -> None:
    path = model(folder, 96) / "previews" / "00000300.png"
    path.parent.mkdir(parents=True)
    path.symlink_to(Path(__file__))
    assert client.get(f"{PAGE}/model-96/previews/300.png").status_code == 400


def test_the_model_that_is_trained_now_is_shown(client: Client, folder: Path) -> None:
    used, now = model(folder, 96), model(folder, 128)
    trained(used, 100)
    trained(now, 50)
    with Production(folder) as job, working(job, "train", lambda event: None):
        job.record.options["model"] = used.name
        job.save()
        told = json.loads((folder / FILE).read_text())
        assert client.get(PAGE).json()["shown"] == used.name
        (folder / FILE).write_text(json.dumps({**told, "stage": "train"}))
        assert client.get(PAGE).json()["shown"] == now.name
        assert client.get("/api/p/one/jobs").json()["activity"]["state"] == "running"


def test_measures_have_words_and_no_number_that_json_lacks(client: Client, folder: Path) -> None:
    measures = (
        Measure("flicker", 1.2, 1.0, None, "times the actor's", "lower", "a note"),
        Measure("gaze error", float("nan"), 0.0, None, "eye widths", "lower"),
    )
    write_evaluation(folder, Evaluation(folder / "film.mp4", "model-96", 100, "2026-01-01T00:00:00+00:00", measures))
    found = client.get(PAGE).json()["evaluation"]
    assert (found["film"], found["model"], found["step"]) == ("film.mp4", "model-96", 100)
    assert found["measures"][0] | {"meaning": ""} == {
        "name": "flicker", "value": 1.2, "floor": 1.0, "ceiling": None, "unit": "times the actor's", "better": "lower",
        "note": "a note", "meaning": "",
    }  # fmt: skip
    assert found["measures"][1]["value"] is None and all(row["meaning"] for row in found["measures"])


def test_each_measure_of_a_film_has_plain_words() -> None:
    source = (Path(train_api.__file__).parents[2] / "metrics.py").read_text("utf-8")
    names = {part.split('"')[1] for part in source.split(" Measure(")[1:] if part.startswith('"')}
    names |= {part.split('"')[1] for part in source.split("(Measure(")[1:] if part.startswith('"')}
    assert names == set(train_api.MEANING)


def test_a_training_starts_pauses_and_goes_on(client: Client, folder: Path, worker: list[Path]) -> None:
    asked = {"minutes": 10, "size": 96, "prior": True, "device": "auto"}
    first = client.post(f"{PAGE}/start", json=asked).json()
    assert (first["kind"], first["state"], first["options"]) == ("train", "waiting", asked)
    assert worker == [folder]
    assert client.post(f"/api/p/one/jobs/{first['id']}/pause").json()["state"] == "paused"
    again = client.post(f"{PAGE}/start", json=asked).json()
    assert (again["id"], again["state"]) == (first["id"], "waiting")  # the same one goes on
    client.post(f"/api/p/one/jobs/{first['id']}/pause")
    longer = client.post(f"{PAGE}/start", json={**asked, "minutes": 20}).json()
    other = client.post(f"{PAGE}/start", json={**asked, "size": 128}).json()
    listed = {job["id"]: job["state"] for job in client.get("/api/p/one/jobs").json()["jobs"]}
    assert listed == {first["id"]: "cancelled", longer["id"]: "waiting", other["id"]: "waiting"}
    assert len(worker) == 4


def test_another_model_that_is_paused_stays_paused(folder: Path) -> None:
    small = train_api.begin(folder, {"minutes": 5, "size": 96})
    scratch = train_api.begin(folder, {"minutes": 5, "prior": False})
    usual = train_api.begin(folder, {"minutes": 5})
    for job in (small, scratch, usual):
        queue.pause(folder, job.id)
    new = train_api.begin(folder, {"minutes": 9, "size": 128, "prior": True})
    assert [(job.id, job.state) for job in queue.jobs(folder)] == [
        (small.id, "paused"), (scratch.id, "paused"), (usual.id, "cancelled"), (new.id, "waiting")
    ]  # fmt: skip


def test_a_job_without_a_size_trains_the_model_that_was_chosen(
    client: Client, folder: Path, worker: list[Path]
) -> None:
    """As jobs of the page New have none: "Resume" must not begin another model."""
    assert client.get(PAGE).json()["usual"]["size"] == 128
    with Production(folder) as job:
        note_size(job, material(job), 192)
    assert client.get(PAGE).json()["usual"]["size"] == 192
    chosen = queue.add(folder, "train", {"minutes": 5})
    queue.pause(folder, chosen.id)
    other = train_api.begin(folder, {"minutes": 5, "size": 128, "prior": True})
    assert {job.id: job.state for job in queue.jobs(folder)} == {chosen.id: "paused", other.id: "waiting"}
    same = client.post(f"{PAGE}/start", json={"minutes": 9}).json()
    assert "size" not in same["options"]
    states = {job.id: job.state for job in queue.jobs(folder)}
    assert states == {chosen.id: "cancelled", other.id: "waiting", same["id"]: "waiting"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minutes": 0}, "minutes of a train job must be a number more than 0"),
        ({"size": 100}, "size of a train job must be one of 96, 128, 192, 256"),
        ({"device": "abacus"}, "device of a train job must be one of"),
    ],
)
def test_what_cannot_be_trained_is_told(
    client: Client, folder: Path, worker: list[Path], change: Mapping[str, Any], words: str
) -> None:
    answer = client.post(f"{PAGE}/start", json={"minutes": 10, **change})
    assert answer.status_code == 400 and words in answer.json()["error"]
    assert queue.jobs(folder) == [] and worker == []


def test_jobs_are_added_resumed_and_cancelled(client: Client, folder: Path, worker: list[Path]) -> None:
    job = client.post("/api/p/one/jobs", json={"kind": "curate", "options": {"side": "actor"}}).json()
    path = f"/api/p/one/jobs/{job['id']}"
    assert client.post(f"{path}/pause").json()["state"] == "paused" and worker == [folder]
    assert client.post(f"{path}/resume").json()["state"] == "waiting" and worker == [folder] * 2
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert "cancelled" in client.post(f"{path}/resume").json()["error"]
    assert client.post(f"{path}/destroy").status_code == 422
    assert "no job '9'" in client.post("/api/p/one/jobs/9/pause").json()["error"]
    assert "nothing runs" in client.post("/api/p/one/stop").json()["error"]
    assert "no job of kind 'delete'" in client.post("/api/p/one/jobs", json={"kind": "delete"}).json()["error"]


def test_whatever_was_started_in_a_terminal_can_be_paused(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def stop(folder: Path) -> bool:
        asked.append(folder)
        return True

    monkeypatch.setattr(jobs_panel, "stop", stop)
    monkeypatch.setattr(jobs_panel, "read_activity", lambda folder: Activity(1, "train", "running", "train"))
    assert client.get("/api/p/one/jobs").json()["activity"]["command"] == "train"
    assert client.post("/api/p/one/stop").json() == {"asked": True} and asked == [folder]


def test_jobs_name_files_of_the_studio_s_folders_only(folder: Path, tmp_path: Path) -> None:
    config = StudioConfig(folder.parent)
    inside = folder.parent / "film.mp4"
    inside.write_bytes(b"x")
    film = folder / "film.mp4"
    assert checked(config, folder, {"output": str(film), "minutes": 3})["output"] == str(film)
    assert checked(config, folder, {"takes": [f"{folder}/../film.mp4"]})["takes"] == [str(inside)]
    assert checked(config, folder, {"consent": f"release:{inside}"})["consent"] == f"release:{inside}"
    told = {"actor_consent": "licensed:Pexels licence, https://x", "target_consent": None, "consent": "self"}
    assert checked(config, folder, told) == told
    outside = str(tmp_path / "film.mp4")
    Path(outside).write_bytes(b"x")
    bad: list[dict[str, Any]] = [
        {"output": outside}, {"takes": [str(inside), outside]}, {"actor": outside}, {"target": f"{folder}/../../x"},
        {"consent": f"release:{outside}"}, {"actor_consent": f" RELEASE : '{outside}'"},
        {"consent": f"licensed:{outside}"},
    ]  # fmt: skip
    for options in bad:
        with pytest.raises(InputError, match="outside the folders of this studio"):
            checked(config, folder, options)


def test_snapshots_are_kept_gone_back_to_and_removed(client: Client, folder: Path) -> None:
    path = model(folder, 96)
    trained(path, 100)
    assert client.post(f"{PAGE}/snapshots/save", json={"name": "good", "model": "model-96"}).json()["step"] == 100
    again = client.post(f"{PAGE}/snapshots/save", json={"name": "good"})
    assert again.status_code == 409 and "already" in again.json()["error"]
    trained(path, 200)
    assert client.post(f"{PAGE}/snapshots/restore", json={"name": "good"}).json()["step"] == 100
    state = client.get(PAGE).json()
    assert [s["name"] for s in state["snapshots"]] == ["good", "before good"] and state["models"][0]["step"] == 100
    assert [p["step"] for p in state["previews"]] == [100]
    assert client.post(f"{PAGE}/snapshots/remove", json={"name": "before good"}).json() == {"removed": "before good"}
    assert [s["name"] for s in client.get(PAGE).json()["snapshots"]] == ["good"]
    for name in ("../../actor", "none"):
        answer = client.post(f"{PAGE}/snapshots/remove", json={"name": name})
        assert answer.status_code == 400 and "has no snapshot" in answer.json()["error"]
    with Production(folder):
        answer = client.post(f"{PAGE}/snapshots/restore", json={"name": "good"})
    assert answer.status_code == 400 and "in use by another process" in answer.json()["error"]
