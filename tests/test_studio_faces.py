"""Routes of the page of faces: what they answer, and what they say to requests that make no sense."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from faceset_many import many_production
from pipeline_clips import environment
from studio_clients import Answer, Client

from doublecast.errors import DoublecastError, InputError
from doublecast.faces.drag import moved, recipe
from doublecast.faceset import FaceStore
from doublecast.pipeline import queue
from doublecast.production import SIDES, Production
from doublecast.studio.access import Access
from doublecast.studio.config import StudioConfig
from doublecast.studio.face_process import FaceProcess
from doublecast.studio.server import Studio

PLACE = "/api/p/many/faces/actor"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a production of 64 faces of two persons on each side, and one without any."""
    folder = tmp_path_factory.mktemp("faces") / "productions"
    folder.mkdir()
    many_production(folder / "many", 64)
    for side in SIDES:
        own = FaceStore(folder / "many" / side)
        table = own.table()
        own.assign(table.id, np.asarray(table.take == 3, np.int32), list(table.reason), "curated again")
    Production(folder / "none").close()
    return folder


@pytest.fixture
def client(made: Path, tmp_path: Path) -> Client:
    """A studio over a copy of it."""
    shutil.copytree(made, tmp_path / "productions")
    config = StudioConfig(tmp_path / "productions")
    return Client(Studio(config, Access(config)))


def store(client: Client, side: str = "actor") -> FaceStore:
    return FaceStore(client.studio.config.folder / "many" / side)


def pictures(answer: Answer) -> list[Any]:
    """What a browser makes of pictures behind one another."""
    found, at = [], 0
    while at < len(answer.body):
        (size,) = struct.unpack_from("<I", answer.body, at)
        found.append(cv2.imdecode(np.frombuffer(answer.body, np.uint8, size, at + 4), cv2.IMREAD_COLOR))
        at += 4 + size
    return found


def test_columns_are_whole_and_only_sent_again_after_a_change(client: Client) -> None:
    told = client.get(f"{PLACE}/columns").json()
    table = store(client).table()
    assert told["columns"]["id"] == [str(number) for number in table.id]
    assert told["columns"]["revision"] == [0] * 64 and len(told["takes"]) == 4
    assert client.get(f"{PLACE}/columns?since={told['state']}").json() == {"state": told["state"], "unchanged": True}
    version = client.post(f"{PLACE}/set-aside", json={"ids": told["columns"]["id"][:2]}).json()["version"]
    after = client.get(f"{PLACE}/columns?since={told['state']}").json()
    assert after["version"] == version == told["version"] + 1
    assert after["columns"]["reason"][:2] == ["dropped", "dropped"]


def test_a_side_without_faces_is_looked_at_without_making_one(client: Client) -> None:
    assert client.get("/api/p/none/faces/target/columns").json()["columns"] == {"id": []}
    assert client.get("/api/p/none/poses").json()["counts"]["target"][0] == [0] * 12
    assert not (client.studio.config.folder / "none" / "target").exists()


def test_pictures_come_in_the_order_asked_for_and_are_remembered_by_their_state(client: Client) -> None:
    ids = [str(number) for number in store(client).table().id[[5, 1, 40]]]
    answer = client.get(f"{PLACE}/thumbs?ids={','.join(ids)}&pixels=64&state=a-1")
    assert "immutable" in answer.headers["cache-control"]
    one = pictures(client.get(f"{PLACE}/thumbs?ids={ids[1]}&pixels=64"))[0]
    found = pictures(answer)
    assert [picture.shape for picture in found] == [(64, 64, 3)] * 3 and np.array_equal(found[1], one)
    assert "immutable" not in client.get(f"{PLACE}/thumbs?ids={ids[1]}").headers.get("cache-control", "")
    crop = client.get(f"{PLACE}/crop?face={ids[0]}&state=1")
    assert crop.headers["content-type"] == "image/jpeg" and "immutable" in crop.headers["cache-control"]


def test_setting_aside_and_taking_exactly_that_back(client: Client) -> None:
    ids = [str(number) for number in store(client).table().id[:6]]
    first = client.post(f"{PLACE}/set-aside", json={"ids": ids[:2], "reason": "hat"}).json()["version"]
    client.post(f"{PLACE}/set-aside", json={"ids": ids[2:4]})
    client.post(f"{PLACE}/bring-back", json={"ids": ids[5:]})
    client.post(f"{PLACE}/revert", json={"number": first})
    assert [str(reason) for reason in store(client).table().reason[:6]] == ["", "", "dropped", "dropped", "", ""]
    history = client.get(f"{PLACE}/history").json()
    assert [step["text"] for step in history[:2]] == ["undone: set aside 2 faces: hat", "brought back 1 faces"]
    assert client.get(f"{PLACE}/history?limit=1").json() == history[:1]


def test_how_alike_faces_are(client: Client) -> None:
    number = str(store(client).table().id[0])
    for by in ("identity", "expression"):
        distance = client.get(f"{PLACE}/alike?face={number}&by={by}").json()["distance"]
        assert len(distance) == 64 and distance[0] == 0
        assert all(value is None or value >= 0 for value in distance)


def test_poses_of_both_sides_and_what_is_missing(client: Client) -> None:
    aside = client.get("/api/p/many/faces/target/columns").json()["columns"]["id"][1:]
    client.post("/api/p/many/faces/target/set-aside", json={"ids": aside})
    told = client.get("/api/p/many/poses").json()
    assert sum(map(sum, told["counts"]["target"])) == 1 < sum(map(sum, told["counts"]["actor"]))
    assert told["gaps"]["target"][0] == "only 1 faces" and "none of the target" in told["missing"][0]


def test_another_main_person_is_a_job(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []
    monkeypatch.setattr(queue, "start_worker", lambda folder: begun.append(Path(folder)))
    folder = client.studio.config.folder / "many"
    client.post(f"{PLACE}/main-person", json={"person": 1})
    with Production(folder) as job:  # person 1 had been chosen before: who is number 1 now was number 0 then
        job.record.options["actor_face"] = 1
        job.save()
    client.post(f"{PLACE}/main-person", json={"person": 1})
    jobs = queue.jobs(folder)
    assert [(job.kind, job.options["side"], job.options["face"]) for job in jobs] == [
        ("curate", "actor", 1), ("curate", "actor", 0),
    ]  # fmt: skip
    assert begun == [folder, folder]


def test_a_face_whose_take_is_gone_says_so(client: Client) -> None:
    number = str(store(client).table().id[0])
    answer = client.get(f"{PLACE}/face?face={number}")
    assert answer.status == 400 and "actor0.mp4" in answer.json()["error"]


HUGE = str(2**63)
GOOD = "0"
WRONG: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/p/absent/faces/actor/columns", None, "no production"),
    ("GET", "/api/p/..%2Fmany/faces/actor/columns", None, ""),
    ("GET", "/api/p/many/faces/extra/columns", None, "actor and target"),
    ("GET", "/api/p/none/faces/actor/history", None, "no faces of the actor yet"),
    ("GET", f"{PLACE}/thumbs?ids=", None, "no number of a face"),
    ("GET", f"{PLACE}/thumbs?ids=1.5", None, "'1.5' is no number of a face"),
    ("GET", f"{PLACE}/thumbs?ids=-1", None, "no number of a face"),
    ("GET", f"{PLACE}/thumbs?ids={HUGE}", None, "no number of a face"),
    ("GET", f"{PLACE}/thumbs?ids=77", None, "no face 77"),
    ("GET", f"{PLACE}/thumbs?ids={','.join(map(str, range(201)))}", None, "at most 200"),
    ("GET", f"{PLACE}/thumbs?ids=0&pixels=4000", None, "from 32 to 256"),
    ("GET", f"{PLACE}/alike?face=0&by=beauty", None, "identity or expression"),
    ("GET", f"{PLACE}/alike?face=77", None, "no face 77"),
    ("GET", f"{PLACE}/face?face=77", None, "no face 77"),
    ("POST", f"{PLACE}/set-aside", {"ids": []}, "names no face"),
    ("POST", f"{PLACE}/set-aside", {"ids": [0]}, "no number of a face"),
    ("POST", f"{PLACE}/set-aside", {"ids": "0"}, "names no face"),
    ("POST", f"{PLACE}/set-aside", {}, "lacks 'ids'"),
    ("POST", f"{PLACE}/set-aside", [GOOD], "lacks 'ids'"),
    ("POST", f"{PLACE}/set-aside", {"ids": [GOOD], "reason": ""}, "reason"),
    ("POST", f"{PLACE}/set-aside", {"ids": [GOOD], "reason": "x" * 41}, "reason"),
    ("POST", f"{PLACE}/set-aside", {"ids": [GOOD], "reason": "a\nb"}, "reason"),
    ("POST", f"{PLACE}/set-aside", {"ids": [GOOD, "77"]}, "no face 77"),
    ("POST", f"{PLACE}/bring-back", {"ids": ["77"]}, "no face 77"),
    ("POST", f"{PLACE}/revert", {"number": 99}, "no curation step 99"),
    ("POST", f"{PLACE}/revert", {"number": "2"}, "whole number"),
    ("POST", f"{PLACE}/revert", {"number": True}, "whole number"),
    ("POST", f"{PLACE}/revert", {"number": 2}, "first curation"),
    ("POST", f"{PLACE}/main-person", {"person": 9}, "there are 0, 1"),
    ("POST", f"{PLACE}/correct", {"face": GOOD, "revision": 0, "handles": {}}, "no landmark was moved"),
    ("POST", f"{PLACE}/correct", {"face": GOOD, "revision": 0, "handles": {"999": [1, 2]}}, "landmark '999'"),
    ("POST", f"{PLACE}/correct", {"face": GOOD, "revision": 0, "handles": {"1": [1, None]}}, "landmark '1'"),
    ("POST", f"{PLACE}/correct", {"face": GOOD, "revision": 3, "handles": {"1": [1, 2]}}, "by somebody else"),
    ("POST", f"{PLACE}/correct", {"face": "77", "revision": 0, "handles": {"1": [1, 2]}}, "no face 77"),
    ("POST", f"{PLACE}/reset", {"face": "77"}, "no face 77"),
]


def test_what_makes_no_sense_is_refused_in_words_and_changes_nothing(client: Client) -> None:
    before = store(client).version()
    for method, path, body, words in WRONG:
        answer = client.request(method, path, json=body)
        assert 400 <= answer.status < 500, (path, body, answer.status)
        assert words in answer.text, (path, body, answer.text)
    assert store(client).version() == before


def test_nobody_without_a_session_sees_or_changes_faces(client: Client) -> None:
    client.cookies.clear()
    assert client.get(f"{PLACE}/columns").status == 401
    assert client.post(f"{PLACE}/set-aside", json={"ids": [GOOD]}).status == 401


def test_another_site_changes_nothing(client: Client) -> None:
    answer = client.post(f"{PLACE}/set-aside", json={"ids": [GOOD]}, headers={"origin": "http://elsewhere.example"})
    assert answer.status == 403


def test_handles_come_with_all_that_a_page_needs_to_move_them(client: Client) -> None:
    told = client.get("/api/faces/handles").json()
    assert told == json.loads(json.dumps(recipe()))
    assert len(told["places"]) == 468 and {468, 473} < set(told["handles"])
    assert {first for first, _ in told["irises"]} == {468, 473}
    points = np.random.default_rng(0).normal(100, 20, (478, 3)).astype(np.float32)
    assert moved(points, {n: tuple(points[n, :2]) for n in told["handles"]}) == pytest.approx(points, abs=1e-3)


def test_the_process_for_networks_tells_errors_and_starts_again(client: Client) -> None:
    process = FaceProcess()
    try:
        request = {"do": "covered", "folder": str(client.studio.config.folder / "many"), "side": "actor", "face": 77}
        with pytest.raises(InputError, match="no face 77"):
            process.ask(request)
        with pytest.raises(DoublecastError, match="cannot be looked at"):
            process.ask({"do": "covered"})
        process.close()
        with pytest.raises(InputError, match="no face 77"):
            process.ask(request)
    finally:
        process.close()


def test_the_server_loads_no_network() -> None:
    code = "import sys, doublecast.studio.pages.faces_api; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0
