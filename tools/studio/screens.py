"""Take pictures of every page of the studio: ``python tools/studio/screens.py PRODUCTIONS_DIR OUT``.

Light and dark, 1280 px wide, and at 200 % (``--width 640``); of every production there is. Needs the test extra and
Debian's Chromium. The pictures are looked at before a release, and two go into the docs.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from doublecast.production import RECORD

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SECTIONS = ("faces", "train", "film", "takes")
WAITS = {"film": 15_000}  #: milliseconds after which the pictures of a page are there; others: `USUAL`
USUAL = 2_500


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """A running studio; the link that opens it once."""
    command = [sys.executable, "-m", "doublecast", "studio", str(folder), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                found = re.search(r"http\S+", line)
                if found:
                    yield found[0]
                    return
            raise SystemExit("the studio did not start")
        finally:
            process.terminate()


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Name of a picture and address of a page."""
    yield from (("productions", "/"), ("new", "/new"), ("verify", "/verify"))
    for record in sorted(folder.glob(f"*/{RECORD}")):
        name = record.parent.name
        for section in SECTIONS:
            yield f"{name}-{section}", f"/p/{quote(name, safe='')}/{section}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the productions lie")
    parser.add_argument("output", type=Path, help="folder for the pictures")
    parser.add_argument("--width", type=int, default=1280, help="of the window, in CSS pixels")
    parser.add_argument("--whole", action="store_true", help="the whole page, not what the window shows of it")
    options = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("no Chromium on this machine; on Debian: apt-get install chromium")
    options.output.mkdir(parents=True, exist_ok=True)
    with studio(options.folder) as link, sync_playwright() as playwright:
        base = link.split("/?")[0]
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        first = browser.new_context()
        first.new_page().goto(link)
        session = first.storage_state()
        for theme in ("light", "dark"):
            size = {"width": options.width, "height": 800}
            context = browser.new_context(viewport=size, color_scheme=theme, storage_state=session)  # type: ignore[arg-type]
            page = context.new_page()
            for name, path in pages(options.folder):
                page.goto(base + path)
                page.wait_for_timeout(WAITS.get(path.rpartition("/")[2], USUAL))
                picture = options.output / f"{name}-{theme}.png"
                page.screenshot(path=picture, full_page=options.whole)
                print(picture, flush=True)
        browser.close()


if __name__ == "__main__":
    main()
