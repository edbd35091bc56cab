"""What hostile productions and requests of somebody with a session must not reach, send, store or break."""

import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from pipeline_clips import empty_room, write
from studio_clients import Client, client

from doublecast.pipeline import queue
from doublecast.production import ModelRecord, Production
from doublecast.studio.cards import cards
from doublecast.studio.pages import film_api, train_api
from doublecast.studio.plain import as_json, plain


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
