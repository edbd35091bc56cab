"""The page of faces in a browser: curating with undo, two tabs at once, keyboard and band, a corrected face."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from faceset_many import many_production
from playwright.sync_api import Locator, Page, expect
from studio_browser import OpenPage, RunningStudio, axe, running, settle

from doublecast.faces.drag import HANDLES, moved, recipe
from doublecast.faceset import FaceStore
from doublecast.production import Production

FACES = 800


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with a production of many drawn faces, and one without any."""
    place = tmp_path_factory.mktemp("grid")
    (place / "productions").mkdir()
    many_production(place / "productions" / "many", FACES)
    Production(place / "productions" / "none").close()
    with running(place / "productions", place / "keys") as started:
        yield started


@pytest.fixture
def faces(studio: RunningStudio, open_page: OpenPage) -> Page:
    """The page of the actor's faces, with pictures."""
    return opened(studio, open_page)


def opened(studio: RunningStudio, open_page: OpenPage, side: str = "actor") -> Page:
    page = open_page(f"{studio.base}/p/many/faces?side={side}", session=studio.session())
    settle(page)
    page.locator(".fc-cell.there").first.wait_for()
    return page


def store(studio: RunningStudio, side: str = "actor") -> FaceStore:
    return FaceStore(studio.folder / "many" / side)


def cell(page: Page, number: int) -> Locator:
    """The element of the n-th face shown, from 1."""
    return page.locator(f".fc-cell[aria-posinset='{number}']")


def selected(page: Page) -> str:
    return page.locator(".fc-actions [role=status]").inner_text()


def counts(page: Page) -> Locator:
    return page.locator(".fc-counts p")


def test_curating_with_undo(studio: RunningStudio, faces: Page) -> None:
    before = store(studio).table().reason.tolist()
    aside = sum(reason != "" for reason in before)
    cell(faces, 2).click()
    cell(faces, 5).click(modifiers=["Shift"])
    cell(faces, 3).click(modifiers=["Control"])
    assert selected(faces) == "3 faces selected"
    faces.keyboard.press("x")
    expect(counts(faces)).to_contain_text(f"{aside + 3} set aside")
    after = store(studio).table().reason.tolist()
    assert [n for n in range(FACES) if after[n] != before[n]] == [1, 3, 4]
    expect(cell(faces, 2)).to_have_attribute("aria-label", re.compile("set aside: dropped"))
    faces.get_by_role("button", name="Undo", exact=True).click()
    expect(counts(faces)).to_contain_text(f"{aside} set aside")
    assert store(studio).table().reason.tolist() == before
    faces.keyboard.press("Control+Shift+z")
    expect(counts(faces)).to_contain_text(f"{aside + 3} set aside")
    faces.keyboard.press("h")
    steps = faces.get_by_role("complementary", name="History").get_by_role("listitem")
    expect(steps.first).to_contain_text("redone: set aside 3 faces")
    steps.first.get_by_role("button").click()
    expect(steps.first).to_contain_text("undone: set aside 3 faces")
    assert store(studio).table().reason.tolist() == before


def test_two_tabs_see_the_same_and_neither_loses_its_place(
    studio: RunningStudio, open_page: OpenPage, faces: Page
) -> None:
    other = opened(studio, open_page)
    other.locator(".fc-scroll").evaluate("(box) => (box.scrollTop = 2000)")
    other.wait_for_timeout(300)
    chosen = other.locator(".fc-cell:visible").nth(9)
    chosen.click()
    where = other.locator(".fc-scroll").evaluate("(box) => box.scrollTop")
    aside = int(sum(store(studio).table().reason != ""))
    cell(faces, 1).click()
    faces.keyboard.press("Delete")
    expect(counts(other)).to_contain_text(f"{aside + 1} set aside", timeout=2000)
    assert other.locator(".fc-scroll").evaluate("(box) => box.scrollTop") == where
    assert selected(other) == "1 face selected"
    other.keyboard.press("x")
    expect(counts(faces)).to_contain_text(f"{aside + 2} set aside", timeout=2000)
    faces.keyboard.press("Control+z")  # its own step, not the other's
    expect(counts(faces)).to_contain_text(f"{aside + 1} set aside")
    assert store(studio).table().reason[0] == ""
    other.keyboard.press("Control+z")
    expect(counts(faces)).to_contain_text(f"{aside} set aside", timeout=2000)


def test_the_keyboard_alone(studio: RunningStudio, faces: Page) -> None:
    grid = faces.get_by_role("listbox", name="Faces")
    grid.focus()
    faces.keyboard.press("End")
    active = faces.locator(f".fc-cell[aria-posinset='{FACES}']")
    expect(active).to_be_visible()
    assert grid.get_attribute("aria-activedescendant") == active.get_attribute("id")
    faces.keyboard.press("Home")
    faces.keyboard.press("Shift+ArrowDown")
    columns = int(selected(faces).split()[0]) - 1
    assert columns > 3
    faces.keyboard.press("Escape")
    faces.keyboard.press("ArrowUp")
    faces.keyboard.press("Space")
    assert selected(faces) == "1 face selected"
    faces.keyboard.press("i")
    assert selected(faces) == f"{FACES - 1} faces selected"
    faces.keyboard.press("Control+a")
    assert selected(faces) == f"{FACES} faces selected"
    faces.keyboard.press("Escape")
    assert selected(faces) == "Nothing selected"


def test_a_band_selects_and_scrolls_on(faces: Page) -> None:
    box = faces.locator(".fc-grid").bounding_box()
    assert box is not None
    faces.mouse.move(box["x"] + 3, box["y"] + 3)
    faces.mouse.down()
    faces.mouse.move(box["x"] + 200, box["y"] + 200, steps=4)
    few = int(selected(faces).split()[0])
    faces.mouse.move(box["x"] + box["width"] - 30, box["y"] + box["height"] - 4, steps=4)
    for _ in range(100):  # it scrolls on for as long as the mouse stays there, as fast as the machine draws
        if int(selected(faces).split()[0]) > 60:
            break
        faces.wait_for_timeout(100)
    faces.mouse.up()
    assert few == 4 and int(selected(faces).split()[0]) > 60
    assert faces.locator(".fc-scroll").evaluate("(box) => box.scrollTop") > 300


def test_sorting_filtering_and_the_map_of_poses(studio: RunningStudio, faces: Page) -> None:
    table = store(studio).table()

    def first() -> str:
        return str(cell(faces, 1).get_attribute("aria-label"))

    faces.get_by_label("Sort").select_option("yaw")
    assert f"face {int(np.argmin(np.round(table.yaw, 1))) + 1}," in first()
    faces.get_by_role("button", name=re.compile("^Ascending")).click()
    assert f"face {int(np.argmax(np.round(table.yaw, 1))) + 1}," in first()
    faces.get_by_label("Sort").select_option("time")
    faces.get_by_role("button", name=re.compile("^Descending")).click()
    faces.get_by_label("Show", exact=True).select_option("=blurred")
    shown = faces.locator(".fc-bar [role=status]")
    expect(shown).to_have_text(f"{int((table.reason == 'blurred').sum())} of {FACES} faces")
    faces.get_by_label("Show", exact=True).select_option("kept")
    poses = faces.get_by_role("group", name=re.compile("^Head poses"))
    button = poses.get_by_role("button", name=re.compile(r"^yaw 0 to 10, pitch 0 to 10:"))
    number = int(str(button.get_attribute("aria-label")).split(": ")[1].split()[0])
    button.click()
    kept = (table.reason == "") & (table.yaw >= 0) & (table.yaw < 10) & (table.pitch >= 0) & (table.pitch < 10)
    inside = int(kept.sum())
    assert abs(inside - number) <= 2 and abs(int(shown.inner_text().split()[0]) - inside) <= 2  # rounded at the edges
    faces.keyboard.press("ArrowRight")
    faces.keyboard.press("Enter")
    expect(faces.locator(".fc-poses [aria-live]")).to_contain_text("Only yaw 10 to 20, pitch 0 to 10")
    faces.get_by_label("Group").select_option("person")
    expect(faces.get_by_role("heading", name="Main person")).to_be_visible()
    assert not axe(faces)


def test_a_side_without_faces_says_what_to_do(studio: RunningStudio, open_page: OpenPage) -> None:
    page = open_page(f"{studio.base}/p/none/faces?side=target", session=studio.session())
    settle(page)
    expect(page.get_by_text("No faces of the target yet")).to_be_visible()
    assert page.get_by_role("link", name="Add takes").get_attribute("href") == "/p/none/takes"


def test_a_production_that_is_not_there_is_a_sentence(studio: RunningStudio, open_page: OpenPage) -> None:
    page = open_page(f"{studio.base}/p/absent/faces", session=studio.session())
    settle(page)
    expect(page.get_by_role("alert")).to_contain_text("there is no production 'absent'")


def test_the_page_moves_landmarks_as_the_server_does(studio: RunningStudio, faces: Page) -> None:
    points = store(studio).load([int(store(studio).table().id[0])])[0].face.points
    handles = {33: (5.0, -3.0), 152: (-2.0, 9.0), 468: (1.0, 1.0), 13: (0.0, 4.0)}
    goals = {n: tuple(float(v) for v in points[n, :2] + way) for n, way in handles.items()}
    code = """async ([points, recipe, goals]) => {
      const { Landmarks } = await import("/static/faces/landmarks.js");
      const land = new Landmarks(points, recipe);
      for (const [n, [x, y]] of Object.entries(goals)) land.put(Number(n), x, y);
      return [...land.points];
    }"""
    given = [
        points[:, :2].reshape(-1).tolist(),
        json.loads(json.dumps(recipe())),
        {str(n): g for n, g in goals.items()},
    ]
    found = np.array(faces.evaluate(code, given)).reshape(-1, 2)
    assert np.abs(found - moved(points, goals)[:, :2]).max() < 0.01  # type: ignore[arg-type]


@pytest.fixture
def demo(demo_production: Path, tmp_path: Path) -> Iterator[RunningStudio]:
    with running(demo_production.parent, tmp_path / "keys") as started:
        yield started


def test_a_face_is_corrected_by_dragging(demo: RunningStudio, open_page: OpenPage) -> None:
    own = FaceStore(demo.folder / "demo" / "actor")
    number = int(own.table().id[2])
    before = own.load([number])[0]
    page = open_page(f"{demo.base}/p/demo/faces", session=demo.session())
    page.locator(".fc-cell.there").first.wait_for()
    cell(page, 3).dblclick()
    large = page.get_by_role("dialog", name=re.compile("^Face 3"))
    page.wait_for_selector(".fe:not([aria-busy])")
    expect(large.get_by_text("as found")).to_be_visible()
    large.get_by_label("Drag landmarks").check()
    assert large.locator(".fe-handle").count() == len(HANDLES)
    assert not axe(page)
    chin = large.get_by_role("button", name="chin")
    box = chin.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 30, steps=5)
    page.mouse.up()
    chin.press("ArrowDown")
    picture = large.get_by_alt_text("The aligned crop").get_attribute("src")
    large.get_by_role("button", name="Save").click()
    expect(large.get_by_text("Saved: aligned and cropped again.")).to_be_visible(timeout=60_000)
    after = own.load([number])[0]
    assert 3 < float(np.linalg.norm((after.face.points - before.face.points)[152, :2])) < 60
    assert np.abs((after.face.points - before.face.points)[10, :2]).max() < 1
    assert large.get_by_alt_text("The aligned crop").get_attribute("src") != picture
    page.keyboard.press("Escape")
    expect(cell(page, 3)).to_have_attribute("aria-label", re.compile("corrected"))
    page.keyboard.press("Control+z")
    expect(cell(page, 3)).not_to_have_attribute("aria-label", re.compile("corrected"))
    assert np.array_equal(own.load([number])[0].face.points, before.face.points)


def test_nothing_is_saved_of_a_correction_that_is_left(demo: RunningStudio, open_page: OpenPage) -> None:
    version = FaceStore(demo.folder / "demo" / "target").version()
    page = open_page(f"{demo.base}/p/demo/faces?side=target", session=demo.session())
    page.locator(".fc-cell.there").first.wait_for()
    cell(page, 1).dblclick()
    page.wait_for_selector(".fe:not([aria-busy])")
    page.keyboard.press("e")
    page.get_by_role("button", name="tip of the nose").press("Shift+ArrowRight")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Save or cancel the correction first.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("dialog", name=re.compile("^Face 2"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox", name="Faces")).to_be_focused()
    assert FaceStore(demo.folder / "demo" / "target").version() == version
