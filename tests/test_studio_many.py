"""Ten thousand faces in the browser: how soon they are seen, how they scroll, and what the server needs for it."""

import shutil
import time
from collections.abc import Iterator

import pytest
from faceset_many import many_production
from playwright.sync_api import Page
from studio_browser import OpenPage, RunningStudio, running, settle

FACES = 10_000
FIRST = 2.0  #: seconds to the first picture that the studio promises on a quiet machine
BUSY = 3.0  #: times as long may it take while other tests run on the same cores
MEMORY = 1024  #: MiB
IDLE = 20.0  #: seconds of looking at an open page
SCROLL = """(list) => new Promise((done) => {
  const times = [];
  const step = (now) => {
    times.push(now);
    list.scrollTop += 120;
    times.length < 120 ? requestAnimationFrame(step) : done(times.slice(1).map((time, n) => time - times[n]));
  };
  requestAnimationFrame(step);
})"""  #: milliseconds between pictures while scrolling


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio over one production with 10,000 faces on each side."""
    place = tmp_path_factory.mktemp("many")
    many_production(place / "productions" / "many", FACES)
    with running(place / "productions", place / "keys") as studio:
        yield studio
    shutil.rmtree(place)


def first_picture(page: Page, studio: RunningStudio) -> float:
    """Seconds from asking for the page to the first face on it."""
    start = time.monotonic()
    page.goto(f"{studio.base}/p/many/faces", wait_until="commit")
    page.locator(".fc-cell.there").first.wait_for()
    return time.monotonic() - start


@pytest.mark.slow
def test_ten_thousand_faces(many: RunningStudio, open_page: OpenPage) -> None:
    page = open_page(session=many.session())
    seconds = first_picture(page, many)
    settle(page)
    grid = page.locator(".fc-scroll")
    between = sorted(grid.evaluate(SCROLL))
    for part in range(1, 41):  # to the end, past every face
        grid.evaluate("(list, share) => (list.scrollTop = share * list.scrollHeight)", part / 40)
        page.wait_for_timeout(60)
    memory = many.rss_mb()
    grid.evaluate("(list) => (list.scrollTop = 0)")
    page.wait_for_timeout(2000)
    before = many.cpu_seconds()
    page.wait_for_timeout(IDLE * 1000)
    idle = (many.cpu_seconds() - before) / IDLE
    usual = between[len(between) // 2]
    said = f"first picture {seconds:.2f} s, {1000 / usual:.0f} pictures/s, {memory:.0f} MiB, idle {idle:.1%} of a core"
    print(said)
    assert seconds < FIRST * BUSY, said
    assert usual < 1000 / 30 * BUSY, said
    assert memory < MEMORY, said
    assert idle < 0.05, said
