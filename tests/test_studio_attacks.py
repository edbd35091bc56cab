"""Attacks on a running studio: whoever has no session, sends from another site, leads out of the folder, floods it."""

import base64
import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from studio_browser import Eyes, OpenPage, RunningStudio, running, settle

from doublecast.production import Production

NAME = "film"  #: the production that is there
SECRET = "what nobody outside may read"
CLIMBS = (
    "../outside",
    "..%2foutside",
    "%2e%2e%2foutside",
    "..%5coutside",
    "%2e%2e",
    "..",
    "%252e%252e%252foutside",
    ".",
)
POSTS = (
    ("/api/productions", {"name": "taken", "actor": {"takes": []}, "target": {"takes": []}}),
    ("/api/verify", {"file": {"path": "x"}}),
    ("/api/uploads?name=a.mp4", None),
    ("/login", None),
)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio over a folder with one production; beside the folder lie another production and a file with a secret."""
    place = tmp_path_factory.mktemp("attacked")
    (place / "productions").mkdir()
    Production(place / "productions" / NAME).close()
    Production(place / "outside").close()
    (place / "secret.mp4").write_text(SECRET)
    (place / "productions" / "leads-out").symlink_to(place / "outside")
    with running(place / "productions", place / "keys") as studio:
        yield studio


def ask(
    studio: RunningStudio,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    *,
    inside: bool = True,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Status and text of an answer; the path is sent as it stands. inside: with the cookie of a session."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=20)
    cookie = {"Cookie": "=".join(studio.session())} if inside else {}
    try:
        connection.request(method, path, body, {**cookie, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def opens_websocket(studio: RunningStudio, *, inside: bool = True, headers: Mapping[str, str] | None = None) -> bool:
    """Whether NiceGUI's WebSocket lets somebody in."""
    status, _ = ask(
        studio, "/_nicegui_ws/socket.io/?EIO=4&transport=websocket", inside=inside,
        headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **(headers or {}),
        },
    )  # fmt: skip
    return status == 101


@pytest.mark.parametrize("path", ["/", "/new", "/verify", f"/p/{NAME}/faces", "/api/productions", "/static/studio.js"])
def test_without_a_session_nothing_is_told(attacked: RunningStudio, path: str) -> None:
    for headers in ({}, {"Cookie": f"{attacked.session()[0]}=made.up.1999999999.{'0' * 64}"}):
        status, text = ask(attacked, path, inside=False, headers=headers)
        assert status == 401 and NAME not in text.replace("film</", "")
    status, _ = ask(attacked, f"{path}?token=wrong", inside=False)
    assert status == 401
    assert not opens_websocket(attacked, inside=False)


def test_without_a_session_nothing_is_done(attacked: RunningStudio) -> None:
    for path, body in POSTS[:3]:
        status, _ = ask(attacked, path, "POST", json.dumps(body).encode(), inside=False)
        assert status == 401, path
    assert not (attacked.folder / "taken").exists()


def test_a_link_opens_once(attacked: RunningStudio, open_page: OpenPage, eyes: Eyes) -> None:
    attacked.session()  # the first use
    eyes.forgive("401")
    page = open_page(attacked.url)
    expect(page.get_by_role("alert")).to_contain_text("used already")
    assert NAME not in page.locator("body").inner_text().split()


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
], ids=str)  # fmt: skip
def test_another_sites_page_can_do_nothing(attacked: RunningStudio, headers: dict[str, str]) -> None:
    for path, body in POSTS:
        status, text = ask(attacked, path, "POST", json.dumps(body).encode(), headers=headers)
        assert status == 403 and "another site" in text, path
    assert not opens_websocket(attacked, headers=headers)
    assert not (attacked.folder / "taken").exists()


def test_the_studios_own_page_can(attacked: RunningStudio) -> None:
    assert opens_websocket(attacked, headers={"Origin": attacked.base})
    status, text = ask(attacked, "/api/verify", "POST", b'{"file": {}}', headers={
        "Origin": attacked.base, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json",
    })  # fmt: skip
    assert status == 400 and "name either" in text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "", "a@127.0.0.1"]
)
def test_another_name_for_this_machine_is_refused(attacked: RunningStudio, host: str) -> None:
    """DNS rebinding: a page of evil.example whose name suddenly leads to 127.0.0.1."""
    status, text = ask(attacked, "/", headers={"Host": host.format(port=attacked.port)})
    assert status in (400, 421) and "productions" not in text.lower()


@pytest.mark.parametrize("climb", CLIMBS)
def test_no_name_leads_out(attacked: RunningStudio, climb: str) -> None:
    for path in (f"/api/p/{climb}/events", f"/api/p/{climb}/report", f"/static/{climb}/secret.mp4"):
        status, text = ask(attacked, path)
        assert status in (400, 404) and SECRET not in text, (path, text)
    status, text = ask(attacked, f"/p/{climb}/takes")
    assert status == 404 or "cannot name a production" in text or "there is no production" in text
    for name in (climb, "a/../../outside", "leads-out", "..", "C:\\x", "a\0b", "x" * 300):
        body = json.dumps({"name": name, "actor": {"takes": []}, "target": {"takes": []}}).encode()
        status, _ = ask(attacked, "/api/productions", "POST", body, headers={"Content-Type": "application/json"})
        assert status in (400, 409, 422), name
    assert {path.name for path in attacked.folder.parent.iterdir() if path.is_dir()} == {
        "keys",
        "outside",
        "productions",
    }


def test_no_path_leads_out(attacked: RunningStudio) -> None:
    secret = attacked.folder.parent / "secret.mp4"
    for path in (
        str(secret), "../secret.mp4", f"{attacked.folder}/../secret.mp4", f"{attacked.folder}/leads-out",
        "/etc/passwd", "~", f"{attacked.folder}/\0", f"file://{secret}",
    ):  # fmt: skip
        status, text = ask(attacked, f"/api/places?path={quote(path)}")
        assert status == 400 and SECRET not in text, (path, text)
        body = json.dumps({"file": {"path": path}}).encode()
        status, text = ask(attacked, "/api/verify", "POST", body, headers={"Content-Type": "application/json"})
        assert status == 400 and SECRET not in text, (path, text)


def test_a_name_in_an_address_is_text_and_a_missing_production_is_told(
    attacked: RunningStudio, open_page: OpenPage
) -> None:
    for section in ("takes", "faces", "train", "film"):
        page = open_page(
            f"{attacked.base}/p/{quote('<img src=x onerror=alert(1)>', safe='')}/{section}", session=attacked.session()
        )
        settle(page)
        assert "<img src=x onerror=alert(1)>" in (page.locator("h1").text_content() or "")
        assert page.locator("h1 *").count() == 0 and page.locator("img").count() == 0
        expect(page.get_by_role("alert")).to_contain_text("cannot name a production")
        page.close()


def declare(studio: RunningStudio, size: int) -> socket.socket:
    """Begin an upload of so many bytes."""
    line = socket.create_connection(("127.0.0.1", studio.port), timeout=20)
    line.sendall(
        f"POST /api/uploads?name=big.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\n"
        f"Cookie: {'='.join(studio.session())}\r\nContent-Length: {size}\r\n\r\n".encode()
    )
    return line


def uploads(studio: RunningStudio) -> list[Path]:
    """Files that uploads left or are writing."""
    return [path for path in (studio.folder / ".uploads").rglob("*") if path.is_file()]


def test_more_than_the_disk_holds_is_refused_before_it_comes(attacked: RunningStudio) -> None:
    with declare(attacked, max(5 << 30, shutil.disk_usage(attacked.folder).free)) as line:
        assert line.recv(4096).startswith(b"HTTP/1.1 413")
    assert not uploads(attacked)


def test_5_gb_that_never_come_take_neither_memory_nor_disk(attacked: RunningStudio) -> None:
    before = attacked.rss_mb()
    with declare(attacked, 5 << 30) as line:
        for _ in range(100):  # refused at once where the disk has no room, else written as it comes
            try:
                line.sendall(bytes(1 << 20))
            except ConnectionError:
                break
        assert attacked.rss_mb() - before < 50
    until = time.monotonic() + 10
    while uploads(attacked) and time.monotonic() < until:
        time.sleep(0.1)
    assert not uploads(attacked)


def test_a_text_file_is_no_film(attacked: RunningStudio, open_page: OpenPage, eyes: Eyes, tmp_path: Path) -> None:
    text = tmp_path / "take.mp4"
    text.write_text("this is no film\n" * 1000)
    eyes.forgive("400")
    page = open_page(f"{attacked.base}/new", session=attacked.session())
    settle(page)
    page.locator("input[type=file]").first.set_input_files(text)
    expect(page.get_by_role("alert")).to_contain_text("cannot be opened as a video")
    assert not uploads(attacked)
