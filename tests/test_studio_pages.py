"""Every page of the studio, light and dark, wide and at 200 %: it loads, fits, and everybody can use it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page
from studio_browser import Eyes, OpenPage, RunningStudio, axe, running, settle

from doublecast.production import Production

WIDTHS = (1280, 1024, 640)  #: CSS pixels; 640 is a window of 1280 at 200 %
COMPLETE, BEGUN = "demo", "begun & new"  #: productions: one with everything, one with nothing yet


@dataclass(frozen=True)
class PageCase:
    """A page in one state."""

    name: str
    path: str
    empty: bool = False  #: of a studio without productions
    stranger: bool = False  #: seen without a session
    keys: tuple[str, ...] = ()  #: of its own, that the overlay must list at least

    def __str__(self) -> str:
        return self.name


PAGES = [
    PageCase("login", "/", stranger=True),
    PageCase("productions", "/"),
    PageCase("productions-none", "/", empty=True),
    PageCase("new", "/new"),
    PageCase("takes", f"/p/{COMPLETE}/takes"),
    PageCase("takes-begun", f"/p/{quote(BEGUN)}/takes"),
    PageCase("person", f"/p/{COMPLETE}/person/actor"),
    PageCase("faces", f"/p/{COMPLETE}/faces", keys=("x", "r", "Enter")),
    PageCase("faces-target", f"/p/{COMPLETE}/faces?side=target", keys=("x", "r", "Enter")),
    PageCase("faces-begun", f"/p/{quote(BEGUN)}/faces"),
    PageCase("train", f"/p/{COMPLETE}/train"),
    PageCase("train-begun", f"/p/{quote(BEGUN)}/train"),
    PageCase("film", f"/p/{COMPLETE}/film", keys=("Space", "w", "s")),
    PageCase("film-begun", f"/p/{quote(BEGUN)}/film"),
    PageCase("verify", "/verify"),
    PageCase("verify-none", "/verify", empty=True),
]

CUT_OFF = """() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth - clientWidth} px wider than the window`] : [];
  const words = (e) => (e.getAttribute("aria-label") || e.textContent).trim().slice(0, 60);
  const name = (e) => `${e.tagName.toLowerCase()}.${e.className} "${words(e)}"`;
  for (const control of document.querySelectorAll("a[href], button, input, select, textarea, [role=button]")) {
    if (!control.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const box = control.getBoundingClientRect();
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    if (box.width < 2 || box.height < 2 || y < 0 || y >= innerHeight) continue;  // for screen readers, or further down
    if (control.closest(".dc-skip, [data-scrolls]")) continue;
    if (box.left < -1 || box.right > innerWidth + 1) {
      found.push(`${name(control)} sticks out of the window`);
      continue;
    }
    const top = document.elementFromPoint(x, y);
    if (!top || top.contains(control) || control.contains(top)) continue;
    if ([...(control.labels || []), control.closest(".q-field")].some((around) => around?.contains(top))) continue;
    found.push(`${name(control)} is covered by ${name(top)}`);
  }
  return found;
}"""  #: what is outside the window or under something else, in words

DEAD_ENDS = """() => [...document.querySelectorAll(".dc-empty")]
  .filter((e) => e.checkVisibility() && !e.querySelector("a[href], button:not([disabled]), input, [data-next]"))
  .map((e) => e.textContent.trim())"""  #: empty states without anything to do next


@pytest.fixture(scope="module")
def studios(demo_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, RunningStudio]]:
    """A studio with a complete and a begun production, and (True) one without any."""
    place = tmp_path_factory.mktemp("pages")
    folder = place / "productions"
    folder.mkdir()
    shutil.copytree(demo_made / "keys", place / "keys")
    shutil.copytree(demo_made / "demo", folder / COMPLETE)
    Production(folder / BEGUN).close()
    (place / "none").mkdir()
    with running(folder, place / "keys") as full, running(place / "none", place / "keys") as none:
        yield {False: full, True: none}


@pytest.fixture(params=["light", "dark"])
def dark(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "dark")


@pytest.mark.parametrize("case", PAGES, ids=str)
def test_page(case: PageCase, dark: bool, studios: dict[bool, RunningStudio], open_page: OpenPage, eyes: Eyes) -> None:
    studio = studios[case.empty]
    if case.stranger:
        eyes.forgive("401")
    page = open_page(studio.base + case.path, dark=dark, session=None if case.stranger else studio.session())
    settle(page)
    if not case.stranger:
        assert page.evaluate("document.body.classList.contains('body--dark')") is dark
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(150)
        faults += [f"{width} px: {fault}" for fault in page.evaluate(CUT_OFF)]
    faults += [f"nothing to do next: {words}" for words in page.evaluate(DEAD_ENDS)]
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    faults += map(str, axe(page))
    assert not faults, "\n".join(faults)
    assert page.locator("h1").count() == 1
    if not case.stranger:
        keys_are_listed(page, case.keys)


def keys_are_listed(page: Page, own: tuple[str, ...]) -> None:
    """The overlay opens and closes with the keyboard alone, and has the page's own keys."""
    page.keyboard.press("?")
    overlay = page.get_by_role("dialog", name="Keys")
    overlay.wait_for()
    listed = ["".join(row.locator("kbd").all_inner_texts()) for row in overlay.locator("dt").all()]
    assert {"?", "gp", "gv", "t", *own} <= set(listed), listed
    assert not axe(page)
    page.keyboard.press("Escape")
    overlay.wait_for(state="hidden")


def test_the_theme_is_changed_with_a_key_and_remembered(
    studios: dict[bool, RunningStudio], open_page: OpenPage
) -> None:
    studio = studios[False]
    page = open_page(studio.base, session=studio.session())
    settle(page)
    page.keyboard.press("t")
    page.reload()
    settle(page)
    assert page.evaluate("document.body.classList.contains('body--dark')")


def test_with_the_keyboard_alone_one_comes_to_every_page(
    studios: dict[bool, RunningStudio], open_page: OpenPage
) -> None:
    studio = studios[False]
    page = open_page(studio.base, session=studio.session())
    settle(page)
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the page"
    assert skip.bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
