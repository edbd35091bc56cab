"""New productions from the studio's form, further takes, the choice between people, and the cards of the first page."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make
from people import head, skin
from people import picture as person
from pipeline_clips import empty_room, write
from studio_clients import Client, client, studio

from doublecast.faceset import FaceStore
from doublecast.faceset.sheet import person_sheet, row_height, save_sheet
from doublecast.pipeline import queue
from doublecast.production import Production, TakeInput
from doublecast.studio import cards, making
from doublecast.studio.making import open_question, person_asked
from doublecast.studio.uploads import HIDDEN
from doublecast.trust.basis import KINDS

SELF = {"kind": "self"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write(folder / "a.mp4", empty_room(3, (96, 128)))
    write(folder / "b.mp4", empty_room(4, (96, 128)))
    (folder / "text.mp4").write_text("no film")
    (folder / "release.pdf").write_bytes(b"%PDF-signed")
    return folder


@pytest.fixture
def out(tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(queue, "start_worker", lambda folder: None)
    made = client(tmp_path / "P", roots=(clips,))
    (tmp_path / "P").mkdir()
    yield made
    made.studio.uploads.close()


def wish(clips: Path, **changes: Any) -> dict[str, Any]:
    takes = {side: {"takes": [{"path": str(clips / f"{side[0]}.mp4")}], "basis": SELF} for side in ("actor", "target")}
    takes["target"]["takes"] = [{"path": str(clips / "b.mp4")}]
    return {"name": "film", **takes, "minutes": 2.5, "size": 96, **changes}


def upload(out: Client, path: Path, name: str = "", **query: str) -> str:
    answer = out.post("/api/uploads", query={"name": name or path.name, **query}, body=path.read_bytes())
    assert answer.status == 200, answer.text
    return str(answer.json()["id"])


def test_the_film_is_one_job(out: Client, clips: Path) -> None:
    answer = out.post("/api/productions", json=wish(clips, label={"style": "bar", "language": "de"}))
    assert answer.json() == {"name": "film", "address": "/p/film/train"}
    [job] = queue.jobs(out.studio.config.folder / "film")
    assert (job.kind, job.state) == ("swap", "waiting")
    assert job.options == {
        "actor": [str(clips / "a.mp4")], "target": [str(clips / "b.mp4")], "actor_consent": "self",
        "target_consent": "self", "output": str(out.studio.config.folder / "film" / "film.mp4"), "minutes": 2.5,
        "size": 96, "label": {"style": "bar", "language": "de"},
    }  # fmt: skip


def test_uploads_move_into_the_production(out: Client, clips: Path) -> None:
    release = upload(out, clips / "release.pdf", purpose="evidence")
    ids = [upload(out, clips / "a.mp4"), upload(out, clips / "b.mp4", "a.mp4")]
    basis = {"kind": "release", "evidence": {"upload": release}}
    actor = {"takes": [{"upload": id} for id in ids], "basis": basis}
    asked = wish(clips, actor=actor, then="faces")
    assert out.post("/api/productions", json=asked).json()["address"] == "/p/film/faces"
    folder = out.studio.config.folder / "film"
    extract, curate, other, last = queue.jobs(folder)
    assert [job.kind for job in (extract, curate, other, last)] == ["extract", "curate", "extract", "curate"]
    takes = [folder / "takes" / "actor" / name for name in ("a.mp4", "a-2.mp4")]
    assert extract.options["takes"] == [str(take) for take in takes] and all(take.is_file() for take in takes)
    assert extract.options["consent"] == f"release:{folder / 'evidence' / 'release.pdf'}"
    assert not any((out.studio.config.folder / HIDDEN / id).exists() for id in ids)
    with Production(folder):  # takes inside it are no trouble
        pass


def test_everything_that_is_wrong_is_told_at_its_field_and_nothing_is_made(out: Client, clips: Path) -> None:
    empty: dict[str, Any] = {"takes": [], "basis": None}
    answer = out.post("/api/productions", json={"name": "a/b", "actor": empty, "target": empty})
    assert answer.status == 400
    errors = answer.json()["errors"]
    assert set(errors) == {"actor", "actor-basis", "target", "target-basis", "name"}
    assert "drop a video" in errors["actor"] and "Choose what is true" in errors["target-basis"]
    text = {"takes": [{"path": str(clips / "text.mp4")}], "basis": SELF}
    answer = out.post("/api/productions", json=wish(clips, target=text)).json()
    assert answer["field"] == "target" and "cannot be opened as a video" in answer["error"]
    assert list(out.studio.config.folder.glob("*")) == [], "nothing may be left behind"


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        ({"kind": "release"}, "signed release"),
        ({"kind": "release", "detail": "I have it"}, "signed release"),
        ({"kind": "licensed"}, "says nothing by itself"),
        ({"kind": "licensed", "detail": __file__}, "choose the file"),
        ({"kind": "research", "detail": "  "}, "says nothing by itself"),
        ({"kind": "public-domain"}, "says nothing by itself"),
        ({"kind": "release", "evidence": {"path": "/etc/hostname"}}, "outside the folders"),
        ({"kind": "release", "evidence": {"upload": "0" * 32}}, "gone"),
    ],
)
def test_bases_that_are_refused(out: Client, clips: Path, basis: dict[str, Any], words: str) -> None:
    takes = [{"path": str(clips / "a.mp4")}]
    answer = out.post("/api/productions", json=wish(clips, actor={"takes": takes, "basis": basis})).json()
    assert answer["field"] == "actor-basis" and words in answer["error"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": ""}, "name", "give the production a name"),
        ({"name": "taken"}, "name", "already"),
        ({"name": ".uploads"}, "name", "cannot name"),
        ({"label": {"style": "corner", "language": "xx"}}, "label", "xx"),
        ({"target": "actor"}, "target", "different people"),
        ({"actor": {"takes": [{"path": "/etc"}], "basis": SELF}}, "actor", "outside the folders"),
        ({"actor": {"takes": [{"path": "x", "upload": "y"}], "basis": SELF}}, "actor", "either"),
        ({"actor": {"takes": [{"upload": "../../x"}], "basis": SELF}}, "actor", "gone"),
    ],
)
def test_fields_that_are_refused(out: Client, clips: Path, changes: dict[str, Any], field: str, words: str) -> None:
    (out.studio.config.folder / "taken").mkdir()
    if changes.get("target") == "actor":
        changes = {"target": wish(clips)["actor"]}
    answer = out.post("/api/productions", json=wish(clips, **changes))
    assert answer.status == 400 and answer.json()["field"] == field and words in answer.json()["error"]


def test_every_basis_of_the_trust_module_is_offered() -> None:
    assert [basis["kind"] for basis in making.bases()] == list(KINDS)


def test_further_takes_stand_beside_the_known_ones(out: Client, clips: Path) -> None:
    out.post("/api/productions", json=wish(clips, then="faces"))
    more = {"side": "target", "person": {"takes": [{"path": str(clips / "a.mp4")}], "basis": SELF}}
    assert out.post("/api/p/film/takes", json=more).json() == {"address": "/p/film/faces?side=target"}
    folder = out.studio.config.folder / "film"
    job = [job for job in queue.jobs(folder) if job.kind == "extract"][-1]
    assert job.options["takes"] == [str(clips / "b.mp4"), str(clips / "a.mp4")]  # of a job that still waits
    for one in queue.jobs(folder):
        queue.cancel(folder, one.id)
    with Production(folder) as production:
        production.set_inputs("target", [TakeInput("b", "k", "video", (str(clips / "b.mp4"),))])
    out.post("/api/p/film/takes", json=more)
    assert queue.jobs(folder)[-2].options["takes"] == [str(clips / "b.mp4"), str(clips / "a.mp4")]
    none = out.post("/api/p/film/takes", json={"side": "actor", "person": {"takes": []}}).json()
    assert set(none["errors"]) == {"takes", "basis"}


def test_further_takes_end_the_jobs_that_would_forget_them(out: Client, clips: Path) -> None:
    out.post("/api/productions", json=wish(clips))
    folder = out.studio.config.folder / "film"
    path = folder / "jobs" / "0001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "failed", "error": "no face was found"}))
    queue.add(folder, "train", {"minutes": 1})
    queue.pause(folder, "0002")
    out.post(
        "/api/p/film/takes",
        json={"side": "target", "person": {"takes": [{"path": str(clips / "a.mp4")}], "basis": SELF}},
    )
    states = [(job.kind, job.state) for job in queue.jobs(folder)]
    assert states == [("swap", "cancelled"), ("train", "paused"), ("extract", "waiting"), ("curate", "waiting")]


def job(id: str, kind: str, error: str = "", **options: Any) -> queue.Job:
    return queue.Job(id, kind, options, "failed" if error else "waiting", "2026", error=error)  # type: ignore[arg-type]


def test_who_is_asked_for() -> None:
    text = f"{making.AMBIGUOUS} in a.mp4: person 0 for 3.0 s, person 1 for 2.9 s. Say who is meant with --target-face 0"
    swap = job("0001", "swap", text)
    assert person_asked(swap) == "target"
    assert person_asked(job("0001", "curate", text, side="actor")) == "actor"
    assert person_asked(job("0001", "train", "no faces")) is None
    assert open_question([swap, job("0002", "train")]) == (swap, "target")
    assert open_question([swap, job("0002", "swap")]) is None
    assert open_question([]) is None


def test_the_choice_goes_on_with_the_job(out: Client, clips: Path) -> None:
    out.post("/api/productions", json=wish(clips))
    folder = out.studio.config.folder / "film"
    error = f"{making.AMBIGUOUS} in b.mp4: person 0 for 3.0 s. Say who is meant with --target-face 0."
    path = folder / "jobs" / "0001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "failed", "error": error}))
    people = [make(head(), n, person(head(), skin(0)), n=n, person=n) for n in range(3)]
    save_sheet(folder / "target-people.png", person_sheet([(f"person {n}", [face]) for n, face in enumerate(people)]))
    assert cards.people(folder, "target") == {
        "count": 3, "width": 768, "row": row_height(), "mark": cards.people(folder, "target")["mark"],  # type: ignore[index]
    }  # fmt: skip
    assert out.get("/api/productions").json()[0]["person"] == "/p/film/person/target"
    wrong = out.post("/api/p/film/person", json={"job": "0001", "side": "actor", "face": 1})
    assert wrong.status == 400
    answer = out.post("/api/p/film/person", json={"job": "0001", "side": "target", "face": 1})
    assert answer.json() == {"job": "0002", "address": "/p/film/train"}
    assert queue.jobs(folder)[1].options["target_face"] == 1
    assert out.get("/api/productions").json()[0]["ask"] is None


def test_cards(out: Client, clips: Path) -> None:
    assert out.get("/api/productions").json() == []
    out.post("/api/productions", json=wish(clips))
    folder = out.studio.config.folder
    (folder / "broken").mkdir()
    (folder / "broken" / "production.toml").write_text("format = ")
    Production(folder / "a:b").close()
    found = {card["name"]: card for card in out.get("/api/productions").json()}
    assert found["film"]["address"] == "/p/film/faces" and found["film"]["waiting"] == 1
    assert "damaged" in found["broken"]["problems"] and found["broken"]["address"] is None
    assert "Rename the folder" in found["a:b"]["problems"]


def test_the_cheap_look_sees_changes(out: Client, clips: Path) -> None:
    before = cards.state(out.studio)
    out.post("/api/productions", json=wish(clips))
    made = cards.state(out.studio)
    assert before != made == cards.state(out.studio)
    queue.cancel(out.studio.config.folder / "film", "0001")
    assert cards.state(out.studio) != made


def test_a_portrait_is_a_face_as_it_was_found(out: Client, tmp_path: Path) -> None:
    folder = out.studio.config.folder / "x"
    Production(folder).close()
    nobody = out.get("/api/p/x/portrait/actor")
    assert nobody.headers["content-type"] == "image/svg+xml"
    assert not (folder / "actor").exists(), "looking must not make a store that somebody else is about to make"
    take = FakeTake("a")
    fill(FaceStore(folder / "actor"), [make(head(), n, person(head(), skin(0)), person=0) for n in range(3)], take)
    answer = out.get("/api/p/x/portrait/actor")
    shown = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert answer.headers["content-type"] == "image/jpeg"
    assert shown is not None and shown.shape[0] == shown.shape[1] <= cards.PORTRAIT


def test_jobs_go_on_from_their_card(out: Client, clips: Path) -> None:
    out.post("/api/productions", json=wish(clips))
    folder = out.studio.config.folder / "film"
    queue.pause(folder, "0001")
    assert out.get("/api/productions").json()[0]["again"] == "0001"
    assert out.post("/api/p/film/jobs/0001/resume").json()["state"] == "waiting"
    assert out.get("/api/productions").json()[0]["again"] is None


def test_verdicts(out: Client, clips: Path) -> None:
    found = out.post("/api/verify", json={"file": {"path": str(clips / "a.mp4")}, "production": ""}).json()
    assert found["code"] == 1 and found["verdict"].startswith("Nothing of doublecast was found")
    assert ["signed record", "none"] in found["lines"]
    id = upload(out, clips / "text.mp4", purpose="verify")
    assert "not a picture or film" in out.post("/api/verify", json={"file": {"upload": id}}).json()["verdict"]
    for file in ({}, {"path": "/etc/hostname"}, {"upload": "../x"}, {"path": str(clips / "gone.mp4")}):
        assert out.post("/api/verify", json={"file": file}).status == 400, file
    Production(out.studio.config.folder / "film").close()
    assert out.get("/api/p/film/verdict", query={"film": str(clips / "a.mp4")}).status == 400


def test_a_studio_of_no_folder(tmp_path: Path) -> None:
    assert cards.cards(studio(tmp_path / "none")) == []
