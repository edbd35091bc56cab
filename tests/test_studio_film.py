"""The film page's routes: only what the record names is sent, and only the newest question is answered."""

import asyncio
import io
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from faces_clips import require_weights
from fastapi import FastAPI
from pipeline_clips import empty_room, write

from doublecast.disk import fingerprint
from doublecast.errors import DoublecastError, InputError
from doublecast.pipeline import queue
from doublecast.production import FilmRecord, Production, TakeInput
from doublecast.studio import films, previews
from doublecast.studio.config import StudioConfig
from doublecast.studio.pages import film_api
from doublecast.studio.previews import Previews
from doublecast.studio.server import _told
from doublecast.video import find_takes

FILM = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A production with a take of the actor (no faces yet), a finished film, and one of pictures."""
    folder = tmp_path / "productions" / "one"
    take = write(tmp_path / "take.mp4", empty_room(8))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "000000.png").write_bytes(b"png")
    film = tmp_path / "film.mp4"
    film.write_bytes(FILM)
    with Production(folder) as job:
        given = find_takes([take])[0]
        job.set_inputs("actor", [TakeInput(given.name, given.key(), given.kind, (str(take),))])
        for path in (film, pictures):
            job.record.films[str(path)] = FilmRecord("j", "k", after=fingerprint(path))
        job.record.films[str(tmp_path / "unfinished.mp4")] = FilmRecord("j", "k")
        job.save()
    return folder


class Client:
    """Asks the application directly."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("GET", path, **given)

    def put(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("PUT", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("POST", path, **given)

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
                return await client.request(method, path, **given)

        return asyncio.run(asked())


@pytest.fixture
def client(folder: Path) -> Client:
    app = FastAPI()
    app.add_exception_handler(DoublecastError, _told)
    film_api.register(cast(Any, SimpleNamespace(config=StudioConfig(folder.parent))), app)
    return Client(app)


def key(folder: Path) -> str:
    return Production(folder, create=False, lock=False).inputs("actor")[0].key


def ids(client: Client) -> dict[str, str]:
    return {film["name"]: film["id"] for film in client.get("/api/p/one/films").json()["films"]}


def test_the_state_says_what_is_there_and_what_is_missing(client: Client, folder: Path) -> None:
    state = client.get("/api/p/one/film").json()
    assert state["model"] is None and [take["name"] for take in state["takes"]] == ["take"]
    assert "no basis is recorded" in state["consent_problem"]
    assert [setting["name"] for setting in state["settings"]] == [
        "grow",
        "feather",
        "colour",
        "sharpness",
        "mouth",
        "eyes",
        "spectacles",
        "jaw",
        "blend",
    ]
    found = client.get("/api/p/one/shots", params={"take": key(folder)}).json()
    assert found["shots"][-1]["end"] == 8 and found["faces"] == []


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("frame", {"index": 8}, "frame 8 cannot be read"),
        ("frame", {"index": -1}, "frame -1 cannot be read"),
        ("frame", {"index": 0, "width": 9000}, "pixels wide"),
        ("frame", {"index": 0, "take": "../../etc"}, "no take with the key"),
        ("shots", {"take": "foreign"}, "no take with the key"),
        ("preview", {"index": 0, "look": '{"grow": 9}'}, "grow must be from"),
        ("preview", {"index": 0, "look": '{"zoom": 1}'}, "there is no 'zoom'"),
        ("preview", {"index": 0, "look": "[1]"}, "must be a JSON object"),
        ("preview", {"index": 0, "look": "{"}, "must be JSON"),
        ("preview", {"index": 0, "label": '{"style": "tiny"}'}, "style must be one of"),
        ("preview", {"index": 0, "label": '{"font": "/etc/passwd"}'}, "a label is told by"),
        ("preview", {"index": 0, "width": 100000}, "pixels wide"),
    ],
)
def test_questions_that_cannot_be_answered(
    client: Client, folder: Path, path: str, query: dict[str, Any], words: str
) -> None:
    answer = client.get(f"/api/p/one/{path}", params={"take": key(folder), **query})
    assert answer.status_code == 400 and words in answer.json()["error"]


def test_a_frame_is_a_picture(client: Client, folder: Path) -> None:
    answer = client.get("/api/p/one/frame", params={"take": key(folder), "index": 7, "width": 64})
    assert answer.status_code == 200 and answer.content[:2] == b"\xff\xd8"
    assert "immutable" in answer.headers["cache-control"]


def test_looks_are_saved_and_wrong_ones_told(client: Client, folder: Path) -> None:
    assert client.put("/api/p/one/looks", json={"changes": {"blend": 0.5}}).json()["usual"]["blend"] == 0.5
    shot = {"take": key(folder), "start": 2, "end": 5}
    looks = client.put("/api/p/one/looks/shot", json={**shot, "changes": {"grow": 0.1}}).json()
    assert looks["shots"] == [{**shot, "look": {**looks["usual"], "grow": 0.1}}] and looks["revision"] == 2
    assert client.put("/api/p/one/looks/shot", json={**shot, "changes": None}).json()["shots"] == []
    for path, body in (
        ("looks", {"changes": {"blend": 2}}),
        ("looks/shot", {**shot, "take": "foreign", "changes": {}}),
        ("looks/shot", {**shot, "start": 9, "end": 3, "changes": {}}),
    ):
        assert client.put(f"/api/p/one/{path}", json=body).status_code == 400
    assert client.put("/api/p/one/looks", json={"changes": {"blend": "x"}}).status_code == 422


def test_only_finished_films_of_the_record_are_sent(client: Client, folder: Path) -> None:
    found = ids(client)
    assert set(found) == {"film.mp4", "pictures"}
    for id in ("..%2F..%2Fproduction.toml", "production.toml", "0" * 16, "%2Fetc%2Fpasswd"):
        assert client.get(f"/api/p/one/films/{id}").status_code in (400, 404)
    whole = client.get(f"/api/p/one/films/{found['film.mp4']}")
    assert whole.content == FILM and whole.headers["content-type"] == "video/mp4"
    part = client.get(f"/api/p/one/films/{found['film.mp4']}", headers={"range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == FILM[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(FILM)}"
    beyond = client.get(f"/api/p/one/films/{found['film.mp4']}", headers={"range": f"bytes={len(FILM)}-"})
    assert beyond.status_code == 416
    saved = client.get(f"/api/p/one/films/{found['film.mp4']}", params={"download": "true"})
    assert saved.headers["content-disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/p/one/films/{found['pictures']}").content))
    assert archive.read("pictures/000000.png") == b"png" and archive.testzip() is None


def test_a_film_that_was_changed_or_is_gone_is_told_not_sent(client: Client, folder: Path) -> None:
    id, film = ids(client)["film.mp4"], folder.parents[1] / "film.mp4"
    film.write_bytes(b"something else")
    answer = client.get(f"/api/p/one/films/{id}")
    assert answer.status_code == 400 and "was changed" in answer.json()["error"]
    film.unlink()
    assert "is gone" in client.get(f"/api/p/one/films/{id}").json()["error"]


def test_a_file_that_is_no_film_is_not_sent_whatever_the_record_says(client: Client, folder: Path) -> None:
    secret = folder.parents[1] / "secret.txt"
    secret.write_text("secret")
    with Production(folder) as job:
        job.record.films[str(secret)] = FilmRecord("j", "k", after=fingerprint(secret))
        job.save()
    assert "is no film" in client.get(f"/api/p/one/films/{ids(client)['secret.txt']}").json()["error"]


@pytest.mark.parametrize("name", ["", " a", "a ", ".a", "a.", "../a", "a/b", "a\\b", "a:b", "con", "a\n", "x" * 81])
def test_names_that_lead_elsewhere(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot name a film"):
        films.output_of(folder, name, "mp4")


def test_an_output_is_in_the_production(folder: Path, tmp_path: Path) -> None:
    assert films.output_of(folder, "Film 1.2", "mov") == folder / "films" / "Film 1.2.mov"
    assert films.output_of(folder, "film", "png") == folder / "films" / "film"
    with pytest.raises(InputError, match="leave out the dot"):
        films.output_of(folder, "film.mp4", "png")
    with pytest.raises(InputError, match="not as 'exe'"):
        films.output_of(folder, "film", "exe")
    (folder / "films").symlink_to(tmp_path)
    with pytest.raises(InputError, match="leads out"):
        films.output_of(folder, "film", "mp4")


def test_an_order_is_a_job_and_does_not_overwrite_unasked(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "start_worker", lambda folder: None)
    job = client.post("/api/p/one/render", json={"name": "mine", "label": {"style": "bar", "text": None}}).json()
    assert job["kind"] == "convert" and job["options"]["label"] == {"style": "bar"}
    assert job["options"]["output"] == str(folder / "films" / "mine.mp4")
    (folder / "films").mkdir()
    (folder / "films" / "mine.mp4").write_bytes(b"film")
    assert "exists already" in client.post("/api/p/one/render", json={"name": "mine"}).json()["error"]
    assert client.post("/api/p/one/render", json={"name": "mine", "overwrite": True}).status_code == 200
    assert client.post("/api/p/one/render", json={"name": "x", "label": {"style": "tiny"}}).status_code == 400
    assert client.post("/api/p/one/render", json={"name": "../x"}).status_code == 400
    assert len(queue.jobs(folder)) == 2


class _Slow:
    """Answers when it is let; remembers what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.go, self.begun, self.asked, self.closed = threading.Event(), threading.Event(), list[int](), False

    def ask(self, request: Mapping[str, Any], timeout: float = 60.0) -> tuple[dict[str, Any], bytes, bytes]:
        self.begun.set()
        assert self.go.wait(10)
        self.asked.append(request["index"])
        return {"faces": 1}, b"before", b"after"

    def close(self) -> None:
        self.closed = True


def test_of_questions_that_wait_only_the_newest_is_answered(tmp_path: Path) -> None:
    made: list[_Slow] = []
    asked = Previews(lambda folder: made.append(_Slow(folder)) or made[-1])  # type: ignore[func-returns-value]
    answers: dict[tuple[str, int], object] = {}

    def ask(client: str, number: int) -> None:
        answers[client, number] = asked.pair(tmp_path, {"index": number}, client=client, number=number)

    first = threading.Thread(target=ask, args=("a", 1))
    first.start()
    while not made:
        time.sleep(0.001)
    assert made[0].begun.wait(10)
    rest = [threading.Thread(target=ask, args=which) for which in (("a", 2), ("a", 3), ("b", 1))]
    for thread in rest:
        thread.start()
    while asked._newest != {"a": 3, "b": 1}:
        time.sleep(0.001)
    made[0].go.set()
    for thread in (first, *rest):
        thread.join(10)
    assert answers["a", 2] is None and sorted(made[0].asked) == [1, 1, 3]
    assert answers["a", 3] == answers["b", 1] == ({"faces": 1}, b"before", b"after")


def test_few_processes_are_held(tmp_path: Path) -> None:
    made: dict[Path, _Slow] = {}
    asked = Previews(lambda folder: made.setdefault(folder, _Slow(folder)))
    for n in range(previews.PROCESSES + 1):
        made[tmp_path / str(n)] = _Slow(tmp_path)
        made[tmp_path / str(n)].go.set()
        asked.pair(tmp_path / str(n), {"index": 0}, client="a", number=n)
    asked.close()
    assert all(process.closed for process in made.values())


def test_a_preview_without_a_model_says_so(client: Client, folder: Path) -> None:
    require_weights()
    answer = client.get("/api/p/one/preview", params={"take": key(folder), "index": 0, "number": 1})
    assert answer.status_code == 400 and answer.json()["kind"] in ("ProductionError", "ConsentError")
