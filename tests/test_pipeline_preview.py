"""Before and after of single frames, in this process and behind pipes; and films that heed their looks."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np
import pytest
from faces_clips import require_weights
from pipeline_clips import environment, frames, write
from typer.testing import CliRunner

from doublecast.cli import app
from doublecast.errors import ConsentError, DoublecastError, InputError, ProductionError
from doublecast.faceset import FaceStore
from doublecast.film.look import PLAIN, Look
from doublecast.film.swap import Swapper
from doublecast.model.checkpoint import latest
from doublecast.pipeline.convert import convert
from doublecast.pipeline.guard import _stage
from doublecast.pipeline.looks import MOST, set_shot, set_usual
from doublecast.pipeline.preview import FilmPreview
from doublecast.pipeline.preview_process import PreviewProcess
from doublecast.production import Production
from doublecast.trust import SEEN, Label, seen
from doublecast.types import MESH, U8, Frame
from doublecast.video import Reader, composite, find_takes

COUNT = 30  #: frames of the clips
BOTH = ["--actor-consent", "synthetic:performers", "--target-consent", "synthetic:performers"]
LIGHT = (
    "import sys; import doublecast.pipeline.preview_process; assert not {'torch', 'cv2', 'lance'} & set(sys.modules)"
)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stderr if code else result.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished production `job` of the demo's synthetic performers, and its film; do not change it."""
    require_weights()
    folder, demo = tmp_path_factory.mktemp("made"), files("doublecast.assets") / "demo"
    clips = []
    for name in ("actor", "target"):
        with as_file(demo / f"{name}.mp4") as clip:
            clips.append(write(folder / f"{name}.mp4", frames(clip, COUNT)))
    run("swap", *clips, "-o", folder / "film.mp4", "--work", folder / "job", "--minutes", "0.02", "--size", "96",
        "--device", "cpu", *BOTH)  # fmt: skip
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "job", tmp_path / "job"))


@pytest.fixture(scope="module")
def preview(made: Path) -> Iterator[FilmPreview]:
    with FilmPreview(made / "job", device="cpu") as preview:
        yield preview


def key(folder: Path) -> str:
    return Production(folder, create=False, lock=False).inputs("actor")[0].key


def picture(film: Path, index: int) -> U8:
    with Reader(find_takes([film])[0], start=index) as reader:
        return next(iter(reader)).pixels


def test_a_pair_is_the_takes_frame_and_the_films(made: Path, preview: FilmPreview) -> None:
    """The first frame of a film has no moments before it, so its match is its own, as in a preview."""
    (take,) = preview.takes()
    assert (take.name, take.frames, take.fps, take.key) == ("actor", COUNT, 25.0, key(made / "job"))
    pair = preview.pair(take.key, 0, PLAIN, Label())
    film, actor = picture(made / "film.mp4", 0), picture(made / "actor.mp4", 0)
    assert np.array_equal(pair.before, actor) and pair.faces == 1
    assert pair.after.shape == (take.height, take.width, 3)
    apart = np.abs(pair.after.astype(int) - film).mean()
    assert apart < 0.2 * np.abs(actor.astype(int) - film).mean() + 1
    changed = np.abs(pair.after.astype(int) - pair.before).max(2) > 8
    assert changed.mean() > 0.01
    later = preview.pair(take.key, COUNT - 1, PLAIN, Label())
    assert np.array_equal(later.before, picture(made / "actor.mp4", COUNT - 1))
    assert np.array_equal(preview.pair(take.key, 0, PLAIN, Label()).after, pair.after), "in whatever order"


def test_a_shot_in_the_dark_has_the_same_face_in_the_dark(made: Path) -> None:
    """And not a black hole, as skin that dark is like nothing the networks know."""
    job = Production(made / "job", create=False, lock=False)
    actor, target = FaceStore(job.side("actor")), FaceStore(job.side("target"))
    checkpoint = latest(next((made / "job").glob("model-*")))
    assert checkpoint is not None
    swapper = Swapper(checkpoint, actor, target, device="cpu")
    face = next(iter(actor.scan(person=0))).face
    day, faces = picture(made / "actor.mp4", 0), []
    (left, top), (right, bottom) = face.points[:MESH, :2].min(0).astype(int), face.points[:MESH, :2].max(0).astype(int)
    rows, columns = slice(top, bottom), slice(left, right)
    for light in (1.0, 0.15):
        swapper.begin()
        frame = Frame(np.asarray(day * light + 0.5, np.uint8), 0, 0, Fraction(1, 25))
        film = composite(frame.pixels, swapper.swap(frame, [face]))
        faces.append(film[rows, columns].astype(float) / light)
    assert faces[1].mean() == pytest.approx(faces[0].mean(), rel=0.06)
    swapper.begin()
    switched = []
    for count, light in enumerate((1.0, 1.0, 0.1, 0.1, 1.0)):
        frame = Frame(np.asarray(day * light + 0.5, np.uint8), count, count, Fraction(1, 25))
        switched.append(composite(frame.pixels, swapper.swap(frame, [face]))[rows, columns].mean() / light)
    usual = np.array(switched) / faces[0].mean()
    assert usual[[0, 1, 4]] == pytest.approx(1, abs=0.15) and usual.max() < 1.5, (
        "lights go out and on, and the match lags"
    )
    assert np.corrcoef(faces[0].ravel(), faces[1].ravel())[0, 1] > 0.985


@pytest.mark.parametrize("style", ["corner", "bar", "first-seconds", "none"])
@pytest.mark.parametrize("look", [PLAIN, Look(blend=0)], ids=["usual", "actor"])
def test_after_carries_the_label_whatever_is_asked_for(preview: FilmPreview, style: Any, look: Look) -> None:
    pair = preview.pair(preview.takes()[0].key, 3, look, Label(style))
    label = Label(style).for_pictures()
    assert seen(pair.after, label, seconds=3 / 25) > SEEN > seen(pair.before, label, seconds=3 / 25)


def test_a_change_of_look_is_quick_and_seen(preview: FilmPreview) -> None:
    take = preview.takes()[0].key
    usual = preview.pair(take, 5, PLAIN, Label()).after
    for look in (Look(grow=-0.15), Look(feather=3), Look(colour=0), Look(sharpness=-1), Look(blend=0.5)):
        begin = time.perf_counter()
        pair = preview.pair(take, 5, look, Label())
        assert time.perf_counter() - begin < 0.5 and 0 < pair.seconds_spent < 0.5
        assert np.abs(pair.after.astype(int) - usual).max() > 5
    assert np.array_equal(preview.pair(take, 5, PLAIN, Label()).after, usual)


def test_what_is_not_there_is_told(preview: FilmPreview, tmp_path: Path) -> None:
    take = preview.takes()[0].key
    for name, index in ((take, COUNT), (take, -1), ("x", 0)):
        with pytest.raises(InputError, match=r"no such frame|no take with the key"):
            preview.pair(name, index, PLAIN, Label())
    assert preview.pair(take, 1, PLAIN, Label()).faces == 1
    with pytest.raises(ProductionError, match="not a production"):
        FilmPreview(tmp_path / "none")


def test_the_newest_checkpoint_is_taken(mine: Path) -> None:
    with FilmPreview(mine, device="cpu") as preview:
        take = preview.takes()[0].key
        before = preview.pair(take, 2, PLAIN, Label()).after
        assert not preview.stale() and not preview.refresh()
        with Production(mine):  # held by a process that works there, as training does
            assert not preview.stale() and preview.pair(take, 3, PLAIN, Label()).faces == 1
        run("train", mine, "--minutes", "0.05", "--size", "96", "--device", "cpu")
        assert preview.stale() and np.array_equal(preview.pair(take, 2, PLAIN, Label()).after, before)
        people = preview._swapper and preview._swapper.people
        assert preview.refresh() and not preview.stale()
        assert preview.checkpoint == latest(mine / "model-96")
        assert preview._swapper is not None and preview._swapper.people is people, "faces are learned once"
        assert not np.array_equal(preview.pair(take, 2, PLAIN, Label()).after, before)


@pytest.mark.parametrize("side", ["actor", "target"])
def test_no_preview_after_consent_was_revoked(mine: Path, side: str) -> None:
    with FilmPreview(mine, device="cpu") as preview:
        take = preview.takes()[0].key
        preview.pair(take, 0, PLAIN, Label())
        run("consent", "revoke", mine, "--side", side)
        for use in (lambda: preview.pair(take, 0, PLAIN, Label()), preview.refresh):
            with pytest.raises(ConsentError, match=f"the consent of the {side} was revoked"):
                use()
    with pytest.raises(ConsentError, match="was revoked"):
        FilmPreview(mine)


def test_no_preview_without_a_record_or_the_guard(mine: Path) -> None:
    with Production(mine) as job:
        stage = _stage(job.inputs("target")[0].key)
        saved = job.record.stages.pop(stage)
        job.save()
    with pytest.raises(ProductionError, match="not checked for sexual imagery yet; run: doublecast train"):
        FilmPreview(mine)
    with Production(mine) as job:
        job.record.stages[stage] = saved
        job.save()
    shutil.rmtree(mine / "consent")
    with pytest.raises(ConsentError, match="no basis is recorded for the actor"):
        FilmPreview(mine)
    run("consent", "add", mine, "synthetic:performers", "--side", "actor")
    with pytest.raises(ConsentError, match="no basis is recorded for the target"):
        FilmPreview(mine)


# behind pipes


def test_who_asks_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], env=environment(), check=True)


def jpeg(data: bytes) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def test_questions_and_answers(mine: Path) -> None:
    with PreviewProcess(mine, device="cpu") as process:
        assert not process.running
        (take,) = process.ask({"do": "takes"})[0]["takes"]
        assert take["frames"] == COUNT and process.running
        ask = {"do": "pair", "take": take["key"], "index": 4, "look": {"feather": 2.0}, "label": {"style": "none"}}
        told, before, after = process.ask(ask)
        assert told["faces"] == 1 and told["newer"] is False and told["checkpoint"].startswith("checkpoint-")
        assert jpeg(after).shape == (told["height"], told["width"], 3) == jpeg(before).shape
        assert seen(jpeg(after), Label()) > SEEN > seen(jpeg(before), Label())
        small = process.ask({**ask, "width": 160})
        assert jpeg(small[1]).shape[1] == jpeg(small[2]).shape[1] == 160
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"do": "nothing"}, "not for 'nothing'"),
            ({**ask, "look": {"grow": 3}}, "grow must be"),
            ({**ask, "label": {"style": "tiny"}}, "no such label"),
            ({**ask, "label": {"size": 3}}, "no such label"),
            ({**ask, "index": "4"}, "needs a take"),
            ({**ask, "index": 4000}, "no such frame"),
        ]
        for request, words in wrong:
            with pytest.raises(InputError, match=words):
                process.ask(request)
        found: list[Any] = []
        threads = [Thread(target=lambda n=n: found.append(process.ask({**ask, "index": n}))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({answer[1] for answer in found}) == 4
        run("consent", "revoke", mine, "--side", "target")
        with pytest.raises(ConsentError, match="was revoked"):
            process.ask({**ask, "index": 3})
    assert not process.running


def test_it_ends_by_itself_dies_and_hangs_and_is_there_again(made: Path, tmp_path: Path) -> None:
    takes = {"do": "takes"}
    with PreviewProcess(made / "job", device="cpu", idle=0.2) as process:
        first = process.ask(takes)
        end = time.monotonic() + 20
        while process.running and time.monotonic() < end:
            time.sleep(0.05)
        assert not process.running
        assert process.ask(takes) == first
    with PreviewProcess(made / "job", device="cpu") as process:
        with pytest.raises(DoublecastError, match=r"takes longer than 0\.01 seconds"):
            process.ask(takes, timeout=0.01)
        assert not process.running and process.ask(takes) == first
        assert process._process is not None
        process._process.kill()
        process._process.wait()
        assert process.ask(takes) == first
        failed: list[Exception] = []

        def asks() -> None:
            try:
                process.ask({"do": "pair", "take": first[0]["takes"][0]["key"], "index": 0})
            except DoublecastError as error:
                failed.append(error)

        thread = Thread(target=asks)
        thread.start()
        time.sleep(0.2)
        process.close()
        thread.join(20)
        assert "broke off" in str(failed[0]) and not process.running
    with PreviewProcess(tmp_path / "none") as process, pytest.raises(ProductionError, match="not a production"):
        process.ask(takes)


# films


def test_films_heed_looks_and_are_made_again_only_for_them(mine: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    keys, times = [], []

    def make() -> list[U8]:
        convert(mine, film, device="cpu", overwrite=True)
        keys.append(Production(mine, create=False, lock=False).record.films[str(film)].key)
        times.append(film.stat().st_mtime_ns)
        return [picture(film, n) for n in (5, 25)]

    usual = make()
    make()
    assert times[1] == times[0]
    set_shot(mine, key(mine), 0, 20, {"blend": 0})
    now = make()
    make()
    assert times[3] == times[2] > times[1] and keys[3] == keys[2] != keys[1]
    (source,) = Production(mine, create=False, lock=False).inputs("actor")[0].files
    actor = picture(Path(source), 5)
    face = np.abs(now[0].astype(int) - usual[0]).max(2) > 15
    assert face.sum() > 500 and np.abs(now[0].astype(int) - actor)[face].mean() < 4
    assert np.abs(now[1].astype(int) - usual[1])[face].mean() < 4, "outside the shot all is as it was"
    assert all(seen(frame, Label()) > SEEN for frame in now), "where the actor is seen, too"
    set_shot(mine, key(mine), 0, MOST, None)
    set_usual(mine, {"grow": 0.0})
    make()
    assert times[4] > times[3] and keys[4] == keys[0], "as without any look"
