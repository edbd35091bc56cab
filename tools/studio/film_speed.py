"""How long a change on the film page takes until it is painted: python tools/studio/film_speed.py URL NAME.

In a real browser (Chromium through Playwright). URL: the link that `doublecast studio` printed. NAME: a production with
a model. Measured from the slider's input event to the picture of exactly that look being painted (goal: 300 ms at
720p), and the same for another frame. The production's usual look is the default one afterwards.
"""

import argparse
import shutil
import statistics
import sys
from typing import Any
from urllib.parse import quote, urlsplit

GOAL = 300.0  #: milliseconds, for a change of the look
CHANGE = """async ([name, value]) => {
  const view = document.querySelector('.film'), slider = document.getElementById('film-' + name);
  slider.value = value;
  const wanted = +slider.value, begun = performance.now();
  const painted = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('nothing was painted for 30 seconds')), 30000);
    view.addEventListener('painted', function told(e) {
      if (e.detail.look[name] !== wanted) return;
      view.removeEventListener('painted', told);
      resolve(e.detail);
    });
  });
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  const told = await painted;
  const canvas = document.querySelector('.film-stage canvas').width;
  return { total: told.at - begun, drawing: told.seconds * 1000, canvas };
}"""
SEEK = """async (index) => {
  const view = document.querySelector('.film'), bar = document.querySelector('.film-scrub'), begun = performance.now();
  const painted = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('nothing was painted for 30 seconds')), 30000);
    view.addEventListener('painted', function told(e) {
      if (e.detail.index !== index) return;
      view.removeEventListener('painted', told);
      resolve(e.detail.at - begun);
    });
  });
  bar.value = index;
  bar.dispatchEvent(new Event('input', { bubbles: true }));
  return painted;
}"""


def main() -> int:
    """Measure, print, and say by the exit code whether the goal is met."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("--times", type=int, default=30)
    given = parser.parse_args()
    parts = urlsplit(given.url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(given.url)
        page.goto(f"{parts.scheme}://{parts.netloc}/p/{quote(given.name, safe='')}/film")
        page.wait_for_function("document.querySelectorAll('.film-stage canvas')[1]?.offsetParent", timeout=120_000)
        page.wait_for_timeout(3000)
        found = [page.evaluate(CHANGE, _change(n)) for n in range(given.times)]
        seeks = [page.evaluate(SEEK, 3 + 2 * n) for n in range(10)]
        for reset in page.locator(".film-reset").all():  # the production's look is the usual one again
            if reset.is_enabled():
                reset.click()
        page.wait_for_timeout(1500)
        browser.close()
    totals = [one["total"] for one in found]
    print(f"picture: {found[0]['canvas']} px wide")
    _tell("change of the look, input event to painted picture", totals)
    _tell("  of which drawing in the preview process", [one["drawing"] for one in found])
    _tell("another frame, input event to painted new face", seeks)
    slow = sum(total > GOAL for total in totals)
    print(f"{len(totals) - slow} of {len(totals)} changes within {GOAL:g} ms")
    return int(statistics.median(totals) > GOAL)


def _change(n: int) -> list[Any]:
    """Slider and value of the n-th change: all five in turn, no value twice in a row."""
    values = {"grow": 0.05, "feather": 1.6, "colour": 0.5, "sharpness": 0.4, "blend": 0.7}
    name = list(values)[n % len(values)]
    return [name, values[name] - 0.05 * (n // len(values) % 4)]


def _tell(what: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    worst, p95 = ordered[-1], ordered[int(0.95 * (len(ordered) - 1))]
    print(f"{what}: median {statistics.median(ordered):.0f} ms, 95 % {p95:.0f} ms, worst {worst:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
