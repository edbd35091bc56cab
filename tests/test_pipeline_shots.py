"""Shots: where cuts are, in which the actor is, and that they are found once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faceset_faces import make
from people import head, picture, skin
from pipeline_clips import write

from doublecast.errors import InputError, ProductionError
from doublecast.events import Event, Progress
from doublecast.faceset import FaceStore
from doublecast.pipeline import shots as module
from doublecast.pipeline.shots import FILE, FilmTake, Shot, film_takes, shots
from doublecast.production import Production, TakeInput
from doublecast.video import Take, find_takes, probe


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Three shots: 30 frames, 25 of a very different picture, 20 of the first again."""
    one, other = picture(head(), skin(0)), np.full((256, 256, 3), 20, np.uint8)
    other[::2, 60:200] = (230, 120, 20)
    return find_takes([write(tmp_path / "in.mp4", [one] * 30 + [other] * 25 + [one] * 20)])[0]


@pytest.fixture
def job(tmp_path: Path, take: Take) -> Path:
    with Production(tmp_path / "job") as job:
        job.set_inputs("actor", [TakeInput(take.name, take.key(), "video", tuple(map(str, take.files)))])
    return tmp_path / "job"


def found_in(job: Path, take: Take) -> None:
    """Faces as extraction leaves them: of the actor in frames 0 to 9 and 70 to 74, of somebody else in 60 to 69."""
    store, pixels = FaceStore(job / "actor"), picture(head(), skin(0))
    store.begin_take(take, probe(take))
    faces = [make(head(), n, pixels) for n in (*range(10), *range(60, 75))]
    own = [replace(face, take=take.key()) for face in faces]
    store.append(own, take=take.key(), frames_done=75)
    store.finish_take(take.key())
    table = store.table()
    person = np.where((table.index >= 60) & (table.index < 70), 1, 0).astype(np.int32)
    store.assign(table.id, person, [""] * len(table), "two people")


def test_cuts_are_found_once_with_progress(job: Path, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    found = shots(job, take.key(), on_event=events.append)
    assert [(s.start, s.end, s.faces) for s in found] == [(0, 30, 0), (30, 55, 0), (55, 75, 0)]
    done = [e.done for e in events if isinstance(e, Progress)]
    assert done == sorted(done) and done[-1] == 75 and len(done) > 2
    monkeypatch.setattr(module, "_bounds", None)  # would fail
    assert shots(job, take.key()) == found
    found_in(job, take)
    assert shots(job, take.key()) == (Shot(0, 30, 10), Shot(30, 55, 0), Shot(55, 75, 5))


@pytest.mark.parametrize(
    "text",
    ["{", "3", '{"found": 0, "takes": {}}', '{"found": 1, "takes": {"%s": [0, 5, 5]}}', '{"found": 1, "takes": 7}'],
)
def test_a_damaged_file_is_made_anew(job: Path, take: Take, text: str) -> None:
    (job / "actor").mkdir()
    (job / "actor" / FILE).write_text(text.replace("%s", take.key()))
    assert len(shots(job, take.key())) == 3
    assert json.loads((job / "actor" / FILE).read_text())["takes"][take.key()] == [0, 30, 55, 75]


def test_takes_that_films_are_made_of(job: Path, take: Take) -> None:
    assert film_takes(job) == [FilmTake(take.key(), "in", 75, 25.0, 256, 256)]
    found_in(job, take)
    assert film_takes(job) == [FilmTake(take.key(), "in", 75, 25.0, 256, 256)]


def test_what_is_not_there_is_told(job: Path, take: Take, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no take with the key 'x'"):
        shots(job, "x")
    with pytest.raises(ProductionError, match="not a production"):
        shots(tmp_path / "none", "x")
    key = take.key()
    take.files[0].unlink()
    for use in (lambda: shots(job, key), lambda: film_takes(job)):
        with pytest.raises(InputError, match="is gone"):
            use()
