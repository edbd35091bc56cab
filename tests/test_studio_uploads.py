"""Files that come in through the browser: bounded, looked into, and gone where something is wrong with them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from pipeline_clips import empty_room, environment, write
from starlette.requests import ClientDisconnect
from studio_clients import Answer, Client, client, studio

from doublecast.errors import InputError
from doublecast.studio import uploads
from doublecast.studio.uploads import HIDDEN, BusyError, Uploads, free_name, safe_name


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("clip") / "room.mp4", empty_room(5, (96, 128))).read_bytes()


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Client]:
    made = client(tmp_path / "P")
    yield made
    made.studio.uploads.close()


def send(out: Client, data: Any, **query: str) -> Answer:
    return out.post("/api/uploads", query={"name": "a.mp4", **query}, body=data)


def left(out: Client) -> list[str]:
    """Files that lie in the folder of uploads."""
    folder = out.studio.config.folder / HIDDEN
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def test_a_film_arrives(out: Client, clip: bytes) -> None:
    answer = send(out, clip, name="My film.mp4").json()
    assert (answer["name"], answer["size"], answer["kind"]) == ("My film.mp4", len(clip), "video")
    assert (answer["width"], answer["height"]) == (128, 96) and answer["seconds"] == pytest.approx(0.2, abs=0.05)
    [path] = out.studio.uploads.files(answer["id"])
    assert path.read_bytes() == clip and path.parent.parent.name == HIDDEN
    if os.name == "posix":
        assert path.parent.stat().st_mode & 0o077 == 0
    parts = [clip[at : at + 1000] for at in range(0, len(clip), 1000)]
    assert send(out, parts).json()["size"] == len(clip)
    assert out.request("DELETE", f"/api/uploads/{answer['id']}").status == 200
    assert not path.exists() and left(out) == ["a.mp4"]


def test_a_text_that_is_called_a_film_is_refused_and_removed(out: Client) -> None:
    answer = send(out, b"this is a shopping list\n" * 50, name="holiday.mp4")
    assert answer.status == 400
    assert answer.json()["error"] == (
        "holiday.mp4: cannot be opened as a video (Invalid data found when processing input). Is it complete?"
    )
    assert left(out) == []
    assert send(out, b"", name="empty.mp4").json()["error"].startswith("empty.mp4: the file is empty")
    assert "jpg" in send(out, b"\xff\xd8\xff" + b"x" * 99, name="x.jpg").json()["error"]
    assert left(out) == [] and not any((out.studio.config.folder / HIDDEN).iterdir())


def test_half_a_film_is_told(out: Client, clip: bytes) -> None:
    answer = out.post(
        "/api/uploads", query={"name": "a.mp4"}, body=[clip[:500]], headers={"content-length": str(len(clip))}
    )
    assert answer.status == 400 and f"500 of {len(clip)} bytes" in answer.json()["error"]
    assert left(out) == []


def test_evidence_and_files_to_verify_may_be_anything(out: Client) -> None:
    for purpose in ("evidence", "verify"):
        answer = send(out, b"%PDF-", name="signed.pdf", purpose=purpose)
        assert answer.status == 200 and answer.json()["kind"] is None
    assert send(out, b"x", purpose="other").status == 422


def test_five_gigabytes_are_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    out = client(tmp_path, upload_limit=1 << 30)
    answer = out.post("/api/uploads", query={"name": "a.mp4"}, body=[b"x"], headers={"content-length": str(5 << 30)})
    assert (answer.status, answer.read) == (413, 0)
    assert answer.json()["error"] == "the file has 5.4 GB; an upload may have 1.1 GB"
    for odd in ("-1", "1e9", "²"):
        assert out.post("/api/uploads?name=a", body=[b"x"], headers={"content-length": odd}).status == 400
    assert left(out) == []


def test_more_than_the_disk_has_is_refused(out: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = uploads.SPARE + 1000

    monkeypatch.setattr("doublecast.studio.uploads.shutil.disk_usage", lambda _: Usage)
    declared = out.post("/api/uploads?name=a", body=[b"x"], headers={"content-length": "2000"})
    assert (declared.status, declared.read) == (413, 0) and "1.0 kB to spare" in declared.json()["error"]
    assert send(out, (b"x" * 100 for _ in range(20)), purpose="verify").status == 413
    assert left(out) == []


def test_a_body_of_unknown_length_is_cut_off(tmp_path: Path) -> None:
    out = client(tmp_path, upload_limit=100_000)
    answer = out.post("/api/uploads?name=a.bin&purpose=verify", body=(b"x" * 10_000 for _ in range(1000)))
    assert answer.status == 413 and answer.read <= 120_000 and "100.0 kB" in answer.json()["error"]
    assert left(out) == []


def test_so_many_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        store, gate = Uploads(studio(tmp_path).config), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"x"
            await gate.wait()

        running = [asyncio.create_task(store.receive(slow(), "a", "verify")) for _ in range(uploads.AT_ONCE)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await store.receive(slow(), "b", "verify")
        gate.set()
        done = await asyncio.gather(*running)
        assert len({one.id for one in done}) == uploads.AT_ONCE
        await store.receive(slow(), "c", "verify")

    asyncio.run(run())


def test_a_lost_or_cancelled_connection_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 5000
        raise ClientDisconnect

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    async def run() -> None:
        store = Uploads(studio(tmp_path).config)
        with pytest.raises(ClientDisconnect):
            await store.receive(broken(), "a.mp4", "take")
        task = asyncio.create_task(store.receive(endless(), "b.mp4", "take"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not any((tmp_path / HIDDEN).iterdir())


def picture(tmp_path: Path) -> bytes:
    path = tmp_path / "picture.png"
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(path)
    return path.read_bytes()


def test_pictures_that_come_together_are_one_series(out: Client, tmp_path: Path, clip: bytes) -> None:
    data = picture(tmp_path)
    first = send(out, data, name="a.png").json()
    for name in ("b.png", "a.png"):
        assert send(out, data, name=name, group=first["id"]).json()["id"] == first["id"]
    assert [path.name for path in out.studio.uploads.files(first["id"])] == ["a-2.png", "a.png", "b.png"]
    assert "only pictures" in send(out, clip, name="c.mp4", group=first["id"]).json()["error"]
    assert len(out.studio.uploads.files(first["id"])) == 3
    for group in ("0" * 32, "..", "../..", "a" * 31):
        assert send(out, data, name="d.png", group=group).status == 400, group


def test_left_uploads_are_swept(tmp_path: Path) -> None:
    store = studio(tmp_path).uploads
    assert store.sweep() == 0
    for name, age in (("a" * 32, 2 * uploads.KEPT), ("b" * 32, 60.0)):
        folder = tmp_path / HIDDEN / name
        folder.mkdir(parents=True)
        (folder / ".film.mp4.part").write_bytes(b"x")
        for path in (folder / ".film.mp4.part", folder):
            os.utime(path, (time.time() - age,) * 2)
    assert store.sweep() == 1
    assert not (tmp_path / HIDDEN / ("a" * 32)).exists()
    with pytest.raises(InputError, match="gone"):
        store.files("b" * 32)  # not finished


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("film.mp4", "film.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\film.mov", "film.mov"),
        ("/etc/cron.d/x", "x"),
        ("..", "upload"),
        ("", "upload"),
        (".hidden.mp4", "hidden.mp4"),
        ("a\0b\nc.mp4", "a_b_c.mp4"),
        ('a<b>:"c|?*.png', "a_b___c___.png"),
        ("con.mp4", "_con.mp4"),
        ("evil\u202e4pm.exe", "evil_4pm.exe"),
        (".mp4", "mp4"),
        ("映画.mp4", "映画.mp4"),
        ("x.mp4 .", "x.mp4"),
    ],
)
def test_safe_names(given: str, name: str) -> None:
    assert safe_name(given) == name


@pytest.mark.parametrize("given", ["n" * 5000 + ".mp4", "ü" * 5000 + ".mp4", "x." + "y" * 5000])
def test_long_names_are_cut(given: str, tmp_path: Path) -> None:
    name = safe_name(given)
    assert len(name.encode()) <= uploads.LONGEST
    assert not given.endswith(".mp4") or name.endswith(".mp4")
    (tmp_path / name).touch()
    assert free_name(tmp_path, name) != tmp_path / name


def test_names_do_not_leave_their_folder(out: Client) -> None:
    answer = send(out, b"x", name="../../../escaped.toml", purpose="verify").json()
    [path] = out.studio.uploads.files(answer["id"])
    assert answer["name"] == "escaped.toml" and path.parent.parent == out.studio.config.folder / HIDDEN
    assert send(out, b"x", name="n" * 2000).status == 422


def test_a_real_server_refuses_at_once_and_knows_sessions_after_a_restart(tmp_path: Path) -> None:
    cookie = ""
    for turn in range(2):
        with running(tmp_path) as (host, port, query):
            if turn == 0:
                cookie = ask(host, port, "GET", f"/?{query}")[1]["set-cookie"].split(";")[0]
            session = {"cookie": cookie}
            assert ask(host, port, "GET", "/api/productions", session)[0] == 200
            assert ask(host, port, "GET", f"/?{query}")[0] == (401 if turn == 0 else 303)
            begin = time.monotonic()
            huge = {**session, "content-length": str(5 << 50)}
            status, _, text = ask(host, port, "POST", "/api/uploads?name=a.mp4", huge)
            assert status == 413 and "an upload may have" in text and time.monotonic() - begin < 2
            assert ask(host, port, "POST", "/login", {"content-length": "9"}, b"token=abc")[0] == 401
            assert ask(host, port, "GET", "/..%2f..%2fetc/passwd", session)[0] == 404
            assert ask(host, port, "GET", "/api/productions", {**session, "host": "evil.example"})[0] == 421


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, int, str]]:
    """A studio as the command line starts it: host, port and the query with the token."""
    command = [sys.executable, "-m", "doublecast", "studio", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stderr is not None
        address = urlsplit(process.stderr.readline().split()[-1])
        yield str(address.hostname), int(address.port or 0), address.query
    finally:
        process.terminate()
        process.communicate(timeout=20)


def ask(
    host: str, port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, dict[str, str], str]:
    """Send exactly these headers and this body, and wait for the answer."""
    connection = HTTPConnection(host, port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="host" in (headers or {}), skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
