"""The boundary of the studio: who gets in, from where, and to which files."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from studio_clients import HOST, LINK, Client, client, studio

from doublecast.errors import InputError
from doublecast.production import Production
from doublecast.studio import access
from doublecast.studio.access import Access
from doublecast.studio.cards import cards
from doublecast.studio.config import StudioConfig
from doublecast.studio.places import listing, takes_of

PASSWORD = "a long password"


def test_nothing_without_a_session(tmp_path: Path) -> None:
    out = client(tmp_path, inside=False)
    assert out.get("/").status == 401
    assert "link" in out.get("/p/x/faces").text
    answer = out.get("/api/productions")
    assert answer.status == 401 and "link" in answer.json()["error"]
    upload = out.post("/api/uploads?name=x", body=b"x" * 100)
    assert (upload.status, upload.read) == (401, 0)
    for path in ("/_nicegui/3/static/nicegui.js", "/static/studio.js", "/docs", "/openapi.json"):
        assert out.get(path).status == 401, path
    assert out.get("/static/login.css").status == 200
    assert out.socket("/_nicegui_ws/socket.io") == [{"type": "websocket.close", "code": 4403}]


def test_a_link_opens_once(tmp_path: Path) -> None:
    made = studio(tmp_path)
    token = made.access.link_token()
    first, second = Client(made, inside=False), Client(made, inside=False)
    answer = first.get(f"/api/productions?a=1&token={token}", headers={"sec-fetch-site": "none"})
    assert (answer.status, answer.headers["location"]) == (303, "/api/productions?a=1")
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags and "samesite=lax" in flags and "path=/" in flags and "domain" not in flags
    assert first.get("/api/productions").status == 200
    assert second.get(f"/?token={token}").status == 401
    assert second.get("/api/productions").status == 401
    assert second.get("/?token=").status == 401


def test_a_link_is_used_up_also_by_who_is_in_already(tmp_path: Path) -> None:
    made = studio(tmp_path)
    token = made.access.link_token()
    assert Client(made).get(f"/?token={token}").headers["location"] == "/"
    assert Client(made, inside=False).get(f"/?token={token}").status == 401


def test_a_link_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = studio(tmp_path)
    token = made.access.link_token()
    later = time.monotonic() + access.LINK_LASTS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not made.access.redeem(token)


def test_sessions_outlive_a_restart_but_not_their_time_nor_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = StudioConfig(tmp_path)
    session = Access(config).session()
    again = Access(config)
    assert again.valid(session)
    assert not again.valid(session[:-1] + ("0" if session[-1] != "0" else "1"))
    body, until, signature = session.split(".")
    assert not again.valid(f"{body}.{int(until) + 1}.{signature}")
    for odd in ("", ".", "..", "a.b.c", session + ".", "é" * 200, "9" * 9000):
        assert not again.valid(odd), odd
    assert not Access(StudioConfig(tmp_path / "other")).valid(session)
    assert not Access(StudioConfig(tmp_path, token=PASSWORD)).valid(session)
    monkeypatch.setattr(time, "time", lambda: int(until) + 1.0)
    assert not again.valid(session)


def test_a_password_is_typed_and_guesses_are_slowed(tmp_path: Path) -> None:
    out = client(tmp_path, inside=False, token=PASSWORD)
    form = out.get("/")
    assert form.status == 401 and 'type="password"' in form.text
    assert out.get("/", query={"token": PASSWORD}).status == 401  # never in an address
    assert "the password is wrong" in out.post("/login", form={"token": "wrong"}).text
    at_once = out.post("/login", form={"token": PASSWORD})
    assert at_once.status == 401 and "a moment ago" in at_once.text
    time.sleep(access.WRONG_WAIT)
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert out.post("/login", form={"token": PASSWORD}, headers=foreign).status == 403
    good = out.post("/login", form={"token": PASSWORD})
    assert (good.status, good.headers["location"]) == (303, "/")
    assert out.get("/api/productions").status == 200


def test_the_form_is_not_read_without_end(tmp_path: Path) -> None:
    out = client(tmp_path, inside=False, token=PASSWORD)
    answer = out.post("/login", body=(b"token=" + b"x" * 1000 for _ in range(100_000)))
    assert answer.status == 413 and answer.read < 10_000


def test_a_form_that_does_not_arrive_is_waited_for_shortly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can begin to send one, and break it off."""
    out = client(tmp_path, inside=False, token=PASSWORD)
    monkeypatch.setattr(access, "SLOWEST_FORM", 0.05)

    async def send(receive: Any) -> int:
        got: list[Any] = []

        async def sending(message: Any) -> None:
            got.append(message)

        scope = out._scope("http", "/login", {"host": HOST}, None) | {"method": "POST"}
        await out.app(scope, receive, sending)
        return int(got[0]["status"])

    async def silent() -> dict[str, Any]:
        await asyncio.sleep(20)
        return {}

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert [asyncio.run(send(receive)) for receive in (silent, gone)] == [408, 408]


def test_without_a_password_the_form_opens_nothing(tmp_path: Path) -> None:
    made = studio(tmp_path)
    token = made.access.link_token()
    out = Client(made, inside=False)
    assert out.post("/login", form={"token": ""}).status == 401
    assert out.post("/login", form={"token": token}).status == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "127.0.0.1:80:90", "localhost@evil.example",
        "localhost:1/static/login.css?", "127.0.0.1#", "[::1", "127.0.0.1:8000 ", "0.0.0.0:8000",
    ],
)  # fmt: skip
def test_other_hosts_are_refused(tmp_path: Path, host: str) -> None:
    out = client(tmp_path)
    assert out.get("/api/productions", headers={"host": host}).status == 421, host
    assert out.socket("/_nicegui_ws/socket.io", {"host": host})[0]["code"] == 4403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_our_own_hosts(tmp_path: Path, host: str) -> None:
    assert client(tmp_path).get("/api/productions", headers={"host": host}).status == 200


@pytest.mark.parametrize("path", ["/static/login.css%3F/../../api/productions", "/static/login.css%23", "/%2e%2e/x"])
def test_the_open_files_open_nothing_else(tmp_path: Path, path: str) -> None:
    assert client(tmp_path, inside=False).get(path).status == 401


def test_a_host_that_hides_a_path_opens_nothing(tmp_path: Path) -> None:
    out = client(tmp_path, inside=False, host="0.0.0.0", token=PASSWORD)
    assert out.get("/api/productions", headers={"host": "x/static/login.css?"}).status == 421
    assert out.get("/api/productions", headers={"host": "studio.example:8000"}).status == 401


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_writing_and_sockets_of_other_sites_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    out = client(tmp_path)
    routes = [("POST", "/api/productions"), ("POST", "/api/uploads?name=x"), ("DELETE", "/api/uploads/x")]
    for method, path in [*routes, ("GET", "/api/productions")]:
        answer = out.request(method, path, headers=headers, body=b"x" * 50)
        assert (answer.status, answer.read) == (403, 0), (method, path)
    assert out.socket("/_nicegui_ws/socket.io", headers) == [{"type": "websocket.close", "code": 4403}]


def test_our_own_pages_and_followed_links_pass(tmp_path: Path) -> None:
    out = client(tmp_path)
    own = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    own["origin"] = f"http://{HOST}"
    assert out.get("/api/productions", headers=own).status == 200
    assert out.request("DELETE", "/api/uploads/x", headers=own).status == 200
    link = {"sec-fetch-site": "cross-site", **LINK}
    assert out.get("/nowhere", headers=link).status == 404
    assert out.get("/api/productions", headers=link).status == 403
    assert out.post("/nowhere", headers=link).status == 403
    assert out.get("/nowhere", headers={**link, "sec-fetch-dest": "iframe"}).status == 403
    assert out.get("/static/studio.js", headers={"sec-fetch-site": "cross-site"}).status == 403


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/x", "/%5C%5Cevil.example"])
def test_no_redirect_leads_elsewhere(tmp_path: Path, path: str) -> None:
    made = studio(tmp_path)
    answer = Client(made, inside=False).get(f"{path}?token={made.access.link_token()}")
    where = answer.headers["location"]
    assert answer.status == 303 and where.startswith("/") and where[1:2] not in ("/", "\\"), where


def test_bodies_are_bounded(tmp_path: Path) -> None:
    block = b"[" * (1 << 20)
    answer = client(tmp_path).post(
        "/api/verify", body=(block for _ in range(1000)), headers={"content-type": "application/json"}
    )
    assert answer.status == 400 and answer.read <= access.LONGEST_BODY + len(block)


def test_headers(tmp_path: Path) -> None:
    out = client(tmp_path)
    for answer in (out.get("/api/productions"), out.get("/", headers={"host": "evil"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


# -- files ---------------------------------------------------------------------------------------------------------

ODD_NAMES = [
    "..", ".", ".uploads", "a/b", "a\\b", "..%2f..", "../x", "/etc", "C:x", "x\0y", "x\ny", " x", "x ", "x.", "",
    "n" * 101,
    "ü" * 101, "💡" * 60, "CON", "nul.txt", "x\u202ey", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "P").mkdir()
    with pytest.raises(InputError):
        StudioConfig(tmp_path / "P").production(name)


@pytest.mark.parametrize("name", ["film", "Ein Film", "映画 2", "a.b", "it's", "100 %"])
def test_names_that_are_fine(tmp_path: Path, name: str) -> None:
    assert StudioConfig(tmp_path).place(name) == tmp_path / name


@pytest.mark.parametrize("name", ["..%2f..", "%2e%2e", "..%5c..", "x%00", "%2fetc", "n" * 4000, ".uploads", "none"])
def test_names_in_addresses(tmp_path: Path, name: str) -> None:
    made = studio(tmp_path / "P")
    (tmp_path / "P").mkdir()
    Production(tmp_path / "secret").close()
    (tmp_path / "secret" / "report.html").write_text("secret")
    out = Client(made)
    for path in (f"/api/p/{name}/report", f"/api/p/{name}/portrait/actor", f"/api/p/{name}/people/actor"):
        answer = out.get(path)
        assert answer.status in (400, 404), path
        assert "secret" not in answer.text


def test_a_production_that_is_a_link_is_none(tmp_path: Path) -> None:
    (tmp_path / "P").mkdir()
    Production(tmp_path / "elsewhere").close()
    (tmp_path / "P" / "link").symlink_to(tmp_path / "elsewhere")
    config = StudioConfig(tmp_path / "P")
    assert config.productions() == []
    with pytest.raises(InputError, match="link"):
        config.production("link")


def test_a_report_runs_nothing_and_links_are_not_followed(tmp_path: Path) -> None:
    made = studio(tmp_path)
    Production(tmp_path / "a").close()
    (tmp_path / "a" / "report.html").write_text("<script>alert(1)</script>")
    Production(tmp_path / "b").close()
    (tmp_path / "secret").write_text("secret")
    for name in ("report.html", "actor-people.png"):
        (tmp_path / "b" / name).symlink_to(tmp_path / "secret")
    out = Client(made)
    policy = out.get("/api/p/a/report").headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "script" not in policy
    assert out.get("/api/p/b/report").status == 400
    assert out.get("/api/p/b/people/actor").status == 400
    assert out.get("/api/p/a/portrait/..").status in (404, 422)


@pytest.mark.parametrize(
    "place", ["report.html", "jobs", "model-128/previews", "model-128/log.jsonl", "jobs/worker.log"]
)
def test_a_production_with_a_link_out_is_not_opened(tmp_path: Path, place: str) -> None:
    """What lies in a production is read, sent, appended to and removed."""
    made = studio(tmp_path / "P")
    Production(tmp_path / "P" / "hostile").close()
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "P" / "hostile" / place
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{place} in the production 'hostile' is a link that leads out"):
        made.config.production("hostile")
    [card] = cards(made)
    assert card["address"] is None and "leads out" in card["problems"]
    assert (
        StudioConfig(tmp_path / "P", roots=(tmp_path / "elsewhere",)).production("hostile")
        == path.parents[place.count("/")]
    )


def test_nothing_is_listed_outside_of_the_roots(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside, inside / "sub", tmp_path / "P"):
        folder.mkdir()
    for name in ("a.mp4", "notes.txt", ".hidden.mp4", "sub/b.png"):
        (inside / name).write_bytes(b"x")
    (outside / "c.mp4").write_bytes(b"x")
    (inside / "escape").symlink_to(outside)
    (inside / "escape.mp4").symlink_to(outside / "c.mp4")
    config = StudioConfig(tmp_path / "P", roots=(inside,))
    assert [entry["path"] for entry in listing(config)["entries"]] == [str(tmp_path / "P"), str(inside)]
    shown = listing(config, str(inside))
    assert [entry["name"] for entry in shown["entries"]] == ["sub", "a.mp4"]
    assert [crumb["name"] for crumb in listing(config, str(inside / "sub"))["crumbs"]] == [str(inside), "sub"]
    assert "notes.txt" in [entry["name"] for entry in listing(config, str(inside), wanted="any")["entries"]]
    odd = [
        outside,
        inside / "..",
        inside / "escape",
        f"{inside}/../out/c.mp4",
        "/",
        "/etc/passwd",
        "~",
        "~nobody-here/x",
    ]
    further = ["a\0b", "", " ", "x" * 5000, inside / ("n" * 300), inside / "escape.mp4", "relative.mp4"]
    for path in map(str, [*odd, *further]):
        with pytest.raises(InputError):
            config.existing(path)
    out = client(tmp_path / "P", roots=(inside,))
    for path in map(str, odd):
        answer = out.get("/api/places", query={"path": path})
        assert answer.status == 400 and "c.mp4" not in answer.text.replace(path, ""), path


def test_a_folder_with_a_link_to_elsewhere_is_no_take(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "c.png").write_bytes(b"x")
    (tmp_path / "in" / "a.png").write_bytes(b"x")
    config = StudioConfig(tmp_path / "P", roots=(tmp_path / "in",))
    assert len(takes_of(config, [tmp_path / "in"])) == 1
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "c.png")
    with pytest.raises(InputError, match="outside"):
        takes_of(config, [tmp_path / "in"])
    with pytest.raises(InputError):
        takes_of(config, [f"{tmp_path}/in/*.png"])


def test_files_that_a_record_names(tmp_path: Path) -> None:
    folder = tmp_path / "P" / "a"
    Production(folder).close()
    (folder / "film.mp4").write_bytes(b"x")
    (folder / "link.mp4").symlink_to("/etc/passwd")
    config = StudioConfig(tmp_path / "P")
    assert config.file(folder, "film.mp4") == config.file(folder, folder / "film.mp4") == folder / "film.mp4"
    for path in ("link.mp4", "/etc/passwd", "../../x", ".", "gone.mp4"):
        with pytest.raises(InputError):
            config.file(folder, path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": "0.0.0.0"}, "choose a password"),
        ({"host": "192.168.1.5"}, "choose a password"),
        ({"host": "example.org"}, "choose a password"),
        ({"token": "short"}, "12 to 200"),
        ({"token": "line\nbreak in it"}, "can be typed"),
        ({"roots": (Path("/nowhere/at/all"),)}, "no such folder"),
        ({"upload_limit": 0}, "largest upload"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        StudioConfig(tmp_path, **options)  # type: ignore[arg-type]


def test_errors_of_forms_are_plain(tmp_path: Path) -> None:
    out = client(tmp_path)
    bodies: list[Any] = [{}, {"name": 5}, [], {"name": "x", "actor": {"takes": [{"upload": "x" * 99}]}, "target": {}}]
    for body in bodies:
        answer = out.post("/api/productions", json=body)
        assert answer.status == 422 and answer.json()["error"]
