"""The whole job in the browser; curating with undo; and a studio that is killed while it trains."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faces_clips import require_weights
from playwright.sync_api import Locator, Page, expect
from studio_browser import DEMO, Eyes, OpenPage, RunningStudio, StartStudio, settle

from doublecast.faceset import FaceStore
from doublecast.pipeline.activity import read_activity
from doublecast.pipeline.looks import read_looks

DROP = """(place, [name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dragged = new DataTransfer();
  dragged.items.add(new File([bytes], name, { type: "video/mp4" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: dragged }));
}"""  #: drops a file on an element, as from the desktop


def drop(place: Locator, file: Path) -> None:
    place.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode()])


def soon(check: Callable[[], bool], *, seconds: float = 60, what: str = "it") -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)


@pytest.mark.slow
def test_from_two_dropped_clips_to_a_playing_film_with_a_green_verdict(
    studio: StartStudio, page: Page, tmp_path: Path
) -> None:
    require_weights()
    page.goto(studio(tmp_path / "productions").url)
    page.get_by_role("link", name="New production").click()
    for side in ("Actor", "Target"):
        person = page.get_by_role("region", name=side, exact=True)
        drop(person.locator(".pc-drop"), DEMO / f"{side.lower()}.mp4")
        person.get_by_label("The person does not exist").check()
        expect(person.get_by_role("button", name=f"Remove {side.lower()}.mp4")).to_be_visible()
        expect(person.locator(".pc-line")).to_contain_text("640")
    expect(page.get_by_label("Name of the production")).to_have_value("actor as target")
    page.get_by_label("Minutes of training").fill("0.1")
    page.get_by_text("Advanced").click()
    page.get_by_label("Size of the face").select_option("96")
    page.get_by_role("button", name="Make the film").click()
    page.wait_for_url("**/train")
    expect(page.get_by_role("progressbar").first).to_be_visible(timeout=60_000)  # until its process has begun to work
    page.get_by_role("link", name="Film", exact=True).click()
    film = page.get_by_role("article", name="film.mp4")
    expect(film.locator("video")).to_be_visible(timeout=240_000)
    plays(film.locator("video"))
    film.get_by_role("button", name="Verify").click()
    verdict = film.get_by_role("status")
    expect(verdict).to_have_class("film-verdict dc-good", timeout=60_000)
    expect(verdict).to_contain_text("unchanged")
    film.get_by_role("button", name="Report").click()
    expect(film.frame_locator("iframe").get_by_role("heading").first).to_be_visible()


def plays(video: Locator) -> None:
    """The film moves, and has pictures."""
    video.evaluate("async (video) => { video.muted = true; await video.play(); }")
    video.page.wait_for_function("(video) => video.currentTime > 0.5", arg=video.element_handle())
    assert video.evaluate("(video) => [video.videoWidth, video.videoHeight]") == [640, 360]
    assert video.evaluate("(video) => video.webkitAudioDecodedByteCount > 0")


def kept(folder: Path, side: str = "actor") -> set[int]:
    """Ids of the faces that are not set aside."""
    table = FaceStore(folder / side).table()
    return {int(id) for id, reason in zip(table.id, table.reason, strict=True) if not reason}


def test_curating_with_undo(studio: StartStudio, page: Page, open_page: OpenPage, demo_production: Path) -> None:
    before = kept(demo_production)
    running = studio(demo_production.parent)
    page.goto(f"{running.base}/p/demo/faces?{running.url.partition('?')[2]}")
    second = open_page(f"{running.base}/p/demo/faces", session=session_of(page))
    grid = page.get_by_role("listbox", name="Faces")
    grid.get_by_role("option").first.click()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(grid.get_by_role("option", selected=True)).to_have_count(4)
    page.keyboard.press("x")
    soon(lambda: len(kept(demo_production)) < len(before), what="setting aside")
    aside = before - kept(demo_production)
    assert 1 <= len(aside) <= 4
    words = f"{len(before) - len(aside)} kept"
    expect(page.get_by_text(words).first).to_be_visible()
    expect(second.get_by_text(words).first).to_be_visible()  # the other tab sees it
    page.keyboard.press("Control+z")
    soon(lambda: kept(demo_production) == before, what="undo")
    expect(second.get_by_text(f"{len(before)} kept").first).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    soon(lambda: kept(demo_production) == before - aside, what="doing it again")


DRAWN = "(canvas) => canvas.toDataURL()"  #: what a canvas shows


@pytest.mark.slow
def test_a_setting_shows_on_the_frame_and_a_shot_keeps_its_own(
    studio: StartStudio, page: Page, open_page: OpenPage, demo_production: Path
) -> None:
    running = studio(demo_production.parent)
    page.goto(f"{running.base}/p/demo/film?{running.url.partition('?')[2]}")
    altered = page.get_by_role("img", name="with the new face (altered, labelled)")
    expect(altered).to_be_visible(timeout=90_000)  # the preview's process starts
    usual = altered.evaluate(DRAWN)
    page.get_by_label("this shot only").check()
    opacity = page.get_by_label("Opacity", exact=True)
    opacity.focus()
    page.keyboard.press("Home")
    soon(lambda: altered.evaluate(DRAWN) != usual, seconds=30, what="another picture")
    soon(lambda: read_looks(demo_production).shots != (), what="the shot's own look")
    (own,) = read_looks(demo_production).shots
    assert own.look.blend == 0 and read_looks(demo_production).usual.blend == 1
    second = open_page(f"{running.base}/p/demo/film", session=session_of(page))
    expect(second.get_by_text("own look", exact=False).first).to_be_visible()  # the other tab sees it


def session_of(page: Page) -> tuple[str, str]:
    """The session that a page's browser has."""
    cookie = next(cookie for cookie in page.context.cookies() if cookie["name"].startswith("doublecast_"))
    return cookie["name"], cookie["value"]


def step(folder: Path) -> int:
    """Steps that the training of the demo's model has written down."""
    lines = (folder / "model-96" / "log.jsonl").read_text().splitlines()
    return int(json.loads(lines[-1])["step"]) if lines else 0


@pytest.mark.slow
def test_a_killed_studio_and_a_closed_browser_do_not_end_the_training(
    studio: StartStudio, open_page: OpenPage, eyes: Eyes, demo_production: Path
) -> None:
    eyes.forgive_outage()
    running = studio(demo_production.parent)
    page = open_page(f"{running.base}/p/demo/train", session=running.session())
    settle(page)
    page.get_by_label("Minutes in all").fill("30")
    page.get_by_role("button", name="Go on training").click()
    expect(page.get_by_role("button", name="Pause training")).to_be_visible(timeout=60_000)
    started = step(demo_production)
    soon(lambda: step(demo_production) > started, what="training")
    worker = trains(running)

    running.kill()
    at = step(demo_production)
    soon(lambda: step(demo_production) > at, what="training without a studio")
    running.restart()
    expect(page.get_by_role("heading", name="Training runs")).to_be_visible(timeout=60_000)
    shown = page.get_by_role("progressbar", name="Train").get_attribute("aria-valuetext")
    expect(page.get_by_role("progressbar", name="Train")).not_to_have_attribute(
        "aria-valuetext", shown or "", timeout=60_000
    )  # the page follows again

    session = session_of(page)  # good beyond the restart
    page.context.close()
    at = step(demo_production)
    soon(lambda: step(demo_production) > at, what="training without a browser")
    assert trains(running) == worker
    page = open_page(f"{running.base}/p/demo/train", session=session)
    page.get_by_role("button", name="Pause training").click()
    expect(page.get_by_role("heading", name="Training is paused")).to_be_visible(timeout=60_000)
    activity = read_activity(demo_production)
    assert activity is not None and activity.state == "stopped"
    soon(lambda: not trains(running), what="the worker's end")


def trains(running: RunningStudio) -> set[int]:
    """Processes of the studio's jobs."""
    return {pid for pid, command in running.relatives().items() if "doublecast studio" not in command and command}
