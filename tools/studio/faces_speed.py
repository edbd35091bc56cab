"""How quick the page of faces is: time to the first picture, frames per second while scrolling, memory of the server.

    python tools/studio/faces_speed.py [--faces 10000] [--scale 60] [--chromium /usr/bin/chromium] [--out numbers.json]

Makes a production of that many faces on each side (tests/faceset_many.py), starts the studio, and drives a headless
Chromium through it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

SCROLL = """
async ({ pixels, seconds }) => {
  const tree = document.querySelector(".fc-grid").shadowRoot, box = tree.querySelector(".fc-scroll"), steps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  box.scrollTop = 0;
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    steps.push(now - last);
    box.scrollTop += pixels * (now - last) / 1000;
    last = now;
    if (box.scrollTop >= box.scrollHeight - box.clientHeight - 2) box.scrollTop = 0;
  }
  const seen = [...tree.querySelectorAll(".fc-cell")].filter((cell) => cell.style.display !== "none");
  return { steps, pictures: seen.filter((cell) => cell.classList.contains("there")).length, cells: seen.length };
}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=10_000)
    parser.add_argument("--scale", type=float, default=60, help="pixels between the eyes; 60: crops of 192 px")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        numbers = measured(Path(folder), args)
    for name, value in numbers.items():
        print(f"{name:32} {value}")
    if args.out:
        args.out.write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")


def measured(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    from faceset_many import many_production

    many_production(folder / "productions" / "many", args.faces, scale=args.scale)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DOUBLECAST_KEYS": str(folder / "keys")}
    command = [sys.executable, "-m", "doublecast", "studio", str(folder / "productions"), "--no-browser"]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        found = re.search(r"http\S+", server.stderr.readline())
        assert found is not None, "the studio did not start"
        numbers: dict[str, Any] = {"faces of a side": args.faces, "memory at first, MB": memory(server.pid)}
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=args.chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(found[0])
            address = found[0].split("/?")[0] + "/p/many/faces"
            numbers["first picture, s (new browser)"] = first_picture(page, address)
            numbers["first picture, s (again)"] = min(first_picture(page, address) for _ in range(3))
            for pixels in (1000, 4000, 20000):
                numbers |= scrolled(page, pixels)
            numbers |= changed(page)
            browser.close()
        numbers["memory at last, MB"] = memory(server.pid)
        return numbers
    finally:
        server.terminate()
        server.wait(20)


def first_picture(page: Page, address: str) -> float:
    """Seconds from asking for the page until a face can be seen."""
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".fc-cell.there")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return round(time.perf_counter() - start, 2)


def scrolled(page: Page, pixels: int) -> dict[str, Any]:
    """Frames per second: median, and what 95 of 100 frames reach."""
    told = page.evaluate(SCROLL, {"pixels": pixels, "seconds": 5})
    steps = sorted(told["steps"][5:])
    median, slow = steps[len(steps) // 2], steps[int(len(steps) * 0.95)]
    shown = f"{1000 / median:.0f} median, {1000 / slow:.0f} at the 5th percentile, {len(steps) / 5:.0f} on average"
    return {f"frames/s at {pixels} px/s": f"{shown}; {told['pictures']} of {told['cells']} pictures there at the end"}


def changed(page: Page) -> dict[str, Any]:
    """Milliseconds of sorting and grouping all faces."""
    ask = """async ([label, value]) => {
      const select = [...document.querySelectorAll(".fc-bar select")].find((s) => s.labels[0].textContent === label);
      const start = performance.now();
      select.value = value;
      select.dispatchEvent(new Event("change"));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return Math.round(performance.now() - start);
    }"""
    return {"sort by sharpness, ms": page.evaluate(ask, ["Sort", "sharpness"]),
            "group by person, ms": page.evaluate(ask, ["Group", "person"])}  # fmt: skip


def memory(pid: int) -> int:
    """Megabytes that a process holds (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) // 1024


if __name__ == "__main__":
    main()
