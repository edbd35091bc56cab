"""Fixtures of the studio's browser tests: a running studio, pages that watch for faults, axe-core, a production.

Playwright's sync API keeps an event loop running in this thread while it is started, and `asyncio.run` fails beside it:
Chromium is therefore a module's own, and a module with browser tests has no tests of coroutines.
"""

import importlib.resources
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import pytest
from faces_clips import require_weights
from pipeline_clips import environment, frames, write
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from doublecast.trust import keys

CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
REQUIRED = "DOUBLECAST_BROWSER"  #: environment variable; "required": a missing Chromium fails instead of skipping
FAMILY = "DOUBLECAST_TEST_FAMILY"  #: environment variable by which all processes of a studio are found again
DEMO = Path(str(importlib.resources.files("doublecast") / "assets" / "demo"))
DEMO_FRAMES = 60  #: of each take of the shared production
STARTS = 60.0  #: seconds that a studio may take to say its address
BASIS = "synthetic:performers of the demo"


@dataclass
class RunningStudio:
    """A `doublecast studio` of its own, with its own keys."""

    folder: Path
    keys: Path
    options: tuple[str, ...] = ()
    url: str = ""  #: the link with a token that opens it once
    family: str = field(default_factory=lambda: secrets.token_hex(8))
    _process: subprocess.Popen[bytes] | None = None
    _session: tuple[str, str] | None = None

    @property
    def base(self) -> str:
        """Address without a path, such as http://127.0.0.1:8080."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.keys.parent / f"studio-{self.family}.log"

    def start(self, port: int = 0) -> None:
        """Start it and wait for its address."""
        command = [sys.executable, "-m", "doublecast", "studio", str(self.folder), "--no-browser", "--port", str(port)]
        own = {**environment(), keys.FOLDER: str(self.keys), FAMILY: self.family, "PYTHONUNBUFFERED": "1"}
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen([*command, *self.options], env=own, stdout=out, stderr=out)
        until = time.monotonic() + STARTS
        while time.monotonic() < until and self._process.poll() is None:
            found = re.search(rb"studio: (http\S+)\s", self.log.read_bytes()[before:])
            if found:
                self.url = found[1].decode()
                return
            time.sleep(0.05)
        raise AssertionError(f"the studio did not start: {self.log.read_text()}")

    def session(self) -> tuple[str, str]:
        """Name and value of the cookie of an open session: the link is used the first time."""
        if self._session is None:
            answer = httpx.get(self.url, follow_redirects=False)
            self._session = next(iter(answer.cookies.items()))
        return self._session

    def kill(self) -> None:
        """End the server with SIGKILL (its jobs go on), as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again on the same port; `url` is a new link."""
        self.start(self.port)

    def rss_mb(self) -> float:
        """Memory of the server process in MiB (resident set)."""
        line = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert line is not None
        return int(line[1]) / 1024

    def cpu_seconds(self) -> float:
        """CPU seconds that the server process used since it started."""
        parts = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def relatives(self) -> dict[int, str]:
        """Processes that this studio started, and those that they started: pid -> command line."""
        mark, found = f"{FAMILY}={self.family}".encode(), {}
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return found

    def close(self) -> None:
        """End the server and everything it started."""
        if self._process is not None:
            self.kill()
        for _ in range(20):
            alive = self.relatives()
            for pid in alive:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if not alive:
                return
            time.sleep(0.1)


@dataclass
class Eyes:
    """What the pages of one test complained of, and what they asked for.

    faults: console errors and warnings, exceptions, failed requests, answers from 400 on. hosts: host names of all
    requests. forgive: regular expressions of faults that the test causes on purpose.
    """

    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    forgiven: list[str] = field(default_factory=list)

    def forgive(self, *patterns: str) -> None:
        """Expect faults that match one of these."""
        self.forgiven.extend(patterns)

    def forgive_outage(self) -> None:
        """Expect what a page says while its server is away, and what it aborts when it loads itself again."""
        self.forgive(r"ERR_CONNECTION_|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_NETWORK_CHANGED", "socket.io")

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def left(self) -> list[str]:
        """Faults that nobody expected."""
        return [fault for fault in self.faults if not any(re.search(known, fault) for known in self.forgiven)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or parts.scheme)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"answer {response.status}: {response.request.method} {response.url}")


class OpenPage(Protocol):
    """A new page in a browser profile of its own. url: opened where given. session: see `RunningStudio.session`."""

    def __call__(
        self, url: str | None = None, *, dark: bool = False, width: int = 1280, session: tuple[str, str] | None = None
    ) -> Page: ...


def chromium() -> str | None:
    """Path of the system's Chromium."""
    return next((path for path in map(shutil.which, CHROMIUM) if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, headless, for the tests of one module."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the browser tests look into /proc: on Linux only")
    program = chromium()
    if program is None:
        said = "no Chromium on this machine (Debian: apt-get install chromium); the studio's pages are not tested"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(said)
        pytest.skip(said)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def eyes() -> Eyes:
    """What the pages of this test complained of; what is left over fails the test (see `open_page`)."""
    return Eyes()


@pytest.fixture
def open_page(browser: Browser, eyes: Eyes) -> Iterator[OpenPage]:
    """Opens pages; at the end no page may have had a fault that was not forgiven, or asked another host."""
    contexts = []

    def opened(
        url: str | None = None, *, dark: bool = False, width: int = 1280, session: tuple[str, str] | None = None
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        if session is not None:
            context.add_cookies([{"name": session[0], "value": session[1], "domain": "127.0.0.1", "path": "/"}])
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        eyes.watch(page)
        if url is not None:
            page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not eyes.left(), "\n".join(eyes.left())
    assert eyes.hosts <= {"127.0.0.1", "localhost"}, f"requests to other hosts: {sorted(eyes.hosts)}"


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """One page, light, 1280 px wide."""
    return open_page()


def settle(page: Page) -> None:
    """Wait until a page has its data and the connection to its server."""
    page.locator("main").first.wait_for()
    page.wait_for_function("(!window.socket || window.socket.connected) && !document.querySelector('[aria-busy=true]')")
    page.wait_for_timeout(200)


@contextmanager
def running(folder: Path, own: Path, *options: str) -> Iterator[RunningStudio]:
    """A studio over a folder of productions, with a folder of keys; it and all its jobs end with the context."""
    own.mkdir(exist_ok=True)
    studio = RunningStudio(folder, own, options)
    try:
        studio.start()
        yield studio
    finally:
        studio.close()


class StartStudio(Protocol):
    """Starts a studio over a folder of productions; options: further words of its command line."""

    def __call__(self, folder: Path, *options: str) -> RunningStudio: ...


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[StartStudio]:
    """Starts studios; they and all their jobs end with the test."""
    with ExitStack() as stack:
        yield lambda folder, *options: stack.enter_context(running(folder, tmp_path / "keys", *options))


@dataclass(frozen=True)
class Violation:
    """A rule of axe-core that a page breaks."""

    rule: str
    impact: str
    help: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.impact} {self.rule}: {self.help}\n    " + "\n    ".join(self.nodes)


def axe(page: Page) -> list[Violation]:
    """Serious and critical violations of the rules of accessibility that axe-core finds on a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        Violation(row["id"], row["impact"], row["help"], tuple(
            f"{node['html'][:200]} {' '.join(check['message'] for check in node['any'])[:300]}" for node in row["nodes"]
        ))
        for row in found["violations"] if row["impact"] in ("serious", "critical")
    ]  # fmt: skip


def once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``base/name``, made by the first of all test processes that ask for it; the others wait."""
    whole, partial, failed = base / name, base / f"{name}.making", base / f"{name}.failed"
    try:
        partial.mkdir()
    except FileExistsError:
        until = time.monotonic() + 240
        while partial.exists() or not whole.exists():
            if failed.exists() or time.monotonic() > until:
                pytest.fail(f"{name} could not be made by another test process")
            if whole.exists() and not partial.exists():
                break
            time.sleep(0.2)
        return whole
    if whole.exists():
        partial.rmdir()
        return whole
    try:
        make(partial)
    except BaseException:
        failed.touch()
        raise
    partial.rename(whole)
    return whole


def shared_between_workers(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share."""
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def make_demo(folder: Path) -> None:
    """A complete small production of the first frames of the demo's clips, with its takes, film and keys."""
    for side in ("actor", "target"):
        write(folder / f"{side}.mp4", frames(DEMO / f"{side}.mp4", DEMO_FRAMES))
    job = folder / "demo"
    command = [
        sys.executable, "-m", "doublecast", "swap", str(folder / "actor.mp4"), str(folder / "target.mp4"),
        "-o", str(job / "film.mp4"), "--work", str(job), "--minutes", "0.05", "--size", "96", "--device", "cpu",
        "--actor-consent", BASIS, "--target-consent", BASIS,
    ]  # fmt: skip
    own = {**environment(), keys.FOLDER: str(folder / "keys"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shared production lies: takes, keys, and the folder "demo". Copied by `demo_production`."""
    require_weights()
    return once(shared_between_workers(tmp_path_factory), "studio-demo", make_demo)


@pytest.fixture
def demo_production(demo_made: Path, tmp_path: Path) -> Path:
    """A copy of a complete small production, tmp_path/productions/demo: extracted, curated, trained, with its film.

    Its takes are tmp_path/productions/takes/actor.mp4 and target.mp4; the keys that signed its consent become those of
    the test's studio.
    """
    folder = tmp_path / "productions"
    (folder / "takes").mkdir(parents=True)
    shutil.copytree(demo_made / "demo", folder / "demo")
    shutil.copytree(demo_made / "keys", tmp_path / "keys", dirs_exist_ok=True)
    for side in ("actor", "target"):
        shutil.copy2(demo_made / f"{side}.mp4", folder / "takes")
    moved = [(f"{side}.mp4", folder / "takes" / f"{side}.mp4") for side in ("actor", "target")]
    moved.append(("demo", folder / "demo"))
    record = folder / "demo" / "production.toml"
    text = record.read_text("utf-8")
    for name, to in moved:
        for old in (demo_made / name, demo_made.with_name(f"{demo_made.name}.making") / name):
            text = text.replace(f'"{old}', f'"{to}')
    record.write_text(text, "utf-8")
    return folder / "demo"
