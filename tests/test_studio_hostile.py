"""What hostile productions and requests of somebody with a session must not reach, send, store or break."""

import asyncio
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pipeline_clips import empty_room, write
from studio_clients import Client, client

from doublecast.errors import InputError
from doublecast.pipeline import queue
from doublecast.production import ModelRecord, Production
from doublecast.studio import making
from doublecast.studio.cards import cards
from doublecast.studio.config import StudioConfig
from doublecast.studio.pages import film_api, train_api
from doublecast.studio.plain import as_json, plain
from doublecast.studio.previews import Previews
from doublecast.studio.turns import MOST
from doublecast.studio.uploads import HIDDEN, BusyError, Uploads


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A studio with the production "film", which has a clip in it; no job is begun."""
    monkeypatch.setattr("doublecast.pipeline.queue.start_worker", lambda folder: None)
    made = client(tmp_path / "P", extra=(film_api, train_api))
    with Production(tmp_path / "P" / "film") as job:
        job.record.models["model-96"] = ModelRecord(96, "m")
        job.save()
    write(tmp_path / "P" / "clip.mp4", empty_room(4, (96, 128)))
    return made


def film(out: Client) -> Path:
    return out.studio.config.folder / "film"


def order(out: Client, kind: str, **options: Any) -> Any:
    """A job that is asked for: it, or what was said against it."""
    answer = out.post("/api/p/film/jobs", json={"kind": kind, "options": options})
    return answer.json() if answer.status == 200 else answer.json()["error"]


@pytest.mark.parametrize(
    "place", ["other/actor", "film/actor", "film/jobs", "clip.mp4", "other/film.mp4", "film/x/y.mp4", "film/x.png"]
)
def test_films_are_made_in_their_production_only(out: Client, place: str) -> None:
    """The option "overwrite" would replace what lies there."""
    path = out.studio.config.folder / place
    assert "the studio makes films in" in order(out, "convert", output=str(path), overwrite=True)
    assert queue.jobs(film(out)) == []


def test_films_have_their_places(out: Client) -> None:
    for place in ("film.mp4", "films/a.mov", "films/pictures"):
        assert order(out, "convert", output=str(film(out) / place))["state"] == "waiting"


def test_takes_of_jobs_lead_nowhere_else(out: Client, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    private = write(tmp_path / "private" / "home.mp4", empty_room(4, (96, 128)))
    folder = out.studio.config.folder / "footage"
    (folder / "series").mkdir(parents=True)
    (folder / "link").symlink_to(private.parent)
    (folder / "series" / "a.mp4").symlink_to(private)
    for takes in ("link", "link/home.mp4", "series", "series/a.mp4", "l*/h*.mp4", "[l]ink/home.mp4"):
        for given in (str(folder / takes), [str(folder / takes)]):
            said = order(out, "extract", side="actor", takes=given, consent="synthetic")
            assert "outside the folders" in said or "cannot be opened" in said, takes
    good = str(out.studio.config.folder / "clip.mp4")
    assert order(out, "extract", side="actor", takes=good, consent="synthetic")["options"]["takes"] == [good]


@pytest.mark.parametrize("basis", ["release:{}", " Release : {}", "RELEASE:'{}'", "licensed:{}", 'Licensed: "{}"'])
def test_evidence_of_jobs_is_not_read_elsewhere(out: Client, tmp_path: Path, basis: str) -> None:
    private = tmp_path / "private.pdf"
    private.write_text("private")
    take = str(out.studio.config.folder / "clip.mp4")
    said = order(out, "extract", side="actor", takes=take, consent=basis.format(private))
    assert "outside the folders" in said
    mine = out.studio.config.folder / "signed.pdf"
    mine.write_text("signed")
    job = order(out, "extract", side="actor", takes=take, consent=basis.format(mine))
    assert job["options"]["consent"].endswith(f":{mine}")


def test_a_licence_is_a_text(out: Client) -> None:
    take = str(out.studio.config.folder / "clip.mp4")
    job = order(out, "extract", side="actor", takes=take, consent="licensed:CC BY 4.0: by me")
    assert job["options"]["consent"] == "licensed:CC BY 4.0: by me"


def test_no_training_without_end(out: Client) -> None:
    for path, body in (
        ("/api/p/film/jobs", b'{"kind": "train", "options": {"minutes": Infinity}}'),
        ("/api/p/film/train/start", b'{"minutes": 1e999}'),
        ("/api/p/film/train/start", b'{"minutes": NaN}'),
    ):
        answer = out.post(path, body=body, headers={"content-type": "application/json"})
        assert answer.status == 400 and "must be a number more than 0" in answer.json()["error"]


def test_odd_numbers_and_texts_are_refused_in_words(out: Client) -> None:
    previews = "/api/p/film/train/model-96/previews"
    for path in (
        f"{previews}/{'9' * 300}.png",
        f"{previews}/-1.png",
        f"/api/p/film/preview?take=a&index=0&look={'[' * 30_000}",
    ):
        answer = out.get(path)
        assert answer.status in (400, 422) and answer.json()["error"], path[:60]


def test_a_preview_that_is_a_link_is_not_sent(out: Client, tmp_path: Path) -> None:
    folder = film(out) / "model-96" / "previews"
    folder.mkdir(parents=True)
    (folder / "00000001.png").write_bytes(b"png")
    (folder / "00000002.png").symlink_to(tmp_path / "P" / "clip.mp4")
    assert out.get("/api/p/film/train/model-96/previews/1.png").status == 200
    assert out.get("/api/p/film/train/model-96/previews/2.png").status == 400


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of files are text there")
def test_names_that_are_no_text_break_no_page(out: Client) -> None:
    """From an old archive: one such folder made the first page an error for all productions."""
    root = os.fsencode(out.studio.config.folder)
    Path(os.fsdecode(root + b"/b\xffd")).mkdir()
    shutil.copy(film(out) / "production.toml", os.fsdecode(root + b"/b\xffd/production.toml"))
    Path(os.fsdecode(root + b"/t\xffke.mp4")).write_bytes(b"x")
    listed = out.get("/api/productions").json()
    assert {card["name"] for card in listed} == {"film", "b?d"}
    assert next(card for card in listed if card["name"] == "b?d")["address"] is None
    assert plain(cards(out.studio))
    assert "t?ke.mp4" in [
        entry["name"] for entry in out.get(f"/api/places?path={out.studio.config.folder}").json()["entries"]
    ]


def test_numbers_that_are_none_break_no_answer() -> None:
    assert as_json({"a": [1.5, math.nan, (math.inf, "ü\udcff")]}) == '{"a":[1.5,null,[null,"ü?"]]}'.encode()


def test_many_previews_do_not_hold_up_the_pages(tmp_path: Path) -> None:
    """Each that waits holds one of the threads that answer everything else."""
    going = threading.Event()

    class Slow:
        def ask(self, request: Mapping[str, Any], timeout: float = 0) -> tuple[dict[str, Any], bytes, bytes]:
            going.wait(20)
            return {}, b"", b""

        def close(self) -> None:
            pass

    previews, said = Previews(lambda _: Slow()), list[str]()

    def ask(number: int) -> None:
        try:
            previews.pair(tmp_path, {}, client=str(number), number=1)
        except BusyError as error:
            said.append(str(error))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(MOST + 5)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(said) < 5 and time.monotonic() < until:
        time.sleep(0.01)
    going.set()
    for thread in threads:
        thread.join()
    assert said == ["too many previews are asked for at once; try again in a moment"] * 5
    assert previews.pair(tmp_path, {}, client="later", number=1) == ({}, b"", b"")


def test_who_sends_nothing_keeps_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublecast.studio.uploads.SILENCE", 0.05)

    async def silent() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(20)

    async def run() -> None:
        store = Uploads(StudioConfig(tmp_path))
        with pytest.raises(InputError, match="nothing came for"):
            await store.receive(silent(), "a.mp4", "take")

    asyncio.run(run())
    assert not any((tmp_path / HIDDEN).iterdir())


def test_two_clicks_begin_one_training(out: Client) -> None:
    begun: list[str] = []
    threads = [
        threading.Thread(target=lambda: begun.append(train_api.begin(film(out), {"minutes": 3.0}).id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == ["0001"] * 4 and len(queue.jobs(film(out))) == 1


def test_of_two_productions_of_the_same_uploads_one_is_made(out: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tabs at once: the second one's uploads are gone when it comes to move them; its name is free again."""
    data = (out.studio.config.folder / "clip.mp4").read_bytes()
    ids = [out.post("/api/uploads", query={"name": name}, body=data).json()["id"] for name in ("a.mp4", "b.mp4")]
    people = [{"takes": [{"upload": id}], "basis": {"kind": "synthetic"}} for id in ids]
    new_folder = making._new_folder

    def overtaken(folder: Path) -> None:
        new_folder(folder)
        for id in ids:
            out.studio.uploads.remove(id)

    monkeypatch.setattr(making, "_new_folder", overtaken)
    answer = out.post("/api/productions", json={"name": "twice", "actor": people[0], "target": people[1]})
    assert answer.status == 409
    assert not (out.studio.config.folder / "twice").exists()
