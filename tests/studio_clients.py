"""A studio's routes behind its gate, spoken to as a server would, without one and without NiceGUI's pages."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlencode

from doublecast.studio.access import Access, Gate
from doublecast.studio.config import StudioConfig
from doublecast.studio.pages import events, faces_api, jobs_panel, new, productions, uploads, verify
from doublecast.studio.server import Studio, bare

HOST = "127.0.0.1:8000"
LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}  #: headers of a followed link


@dataclass(frozen=True)
class Answer:
    """What came back. read: bytes of the request's body that were taken."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    read: int = 0

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A browser without a mind of its own: it sends what it is told, and its cookie where it has one."""

    studio: Studio
    inside: bool = True
    cookies: dict[str, str] = field(default_factory=dict)
    extra: tuple[ModuleType, ...] = ()  #: further modules with routes

    def __post_init__(self) -> None:
        app = bare()
        for module in (events, faces_api, jobs_panel, new, productions, uploads, verify, *self.extra):
            module.register(self.studio, app)
        self.app = Gate(app, self.studio.access, self.studio.config)
        if self.inside:
            self.cookies[self.studio.access.cookie] = self.studio.access.session()

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.request("POST", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] = b"",
    ) -> Answer:
        """Send it. body: whole, or in parts (then of undeclared length)."""
        sent = {"host": HOST, **(headers or {})}
        if json is not None:
            body, sent["content-type"] = _dumped(json), "application/json"
        if form is not None:
            body, sent["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        if isinstance(body, bytes):
            sent.setdefault("content-length", str(len(body)))
        parts = iter([body] if isinstance(body, bytes) else body)
        answer = asyncio.run(self._http(self._scope("http", path, sent, query) | {"method": method}, parts))
        cookie = answer.headers.get("set-cookie")
        if cookie:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def socket(self, path: str, headers: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """What is answered to the opening of a WebSocket."""
        return asyncio.run(self._websocket(self._scope("websocket", path, {"host": HOST, **(headers or {})}, None)))

    def _scope(
        self, kind: str, path: str, headers: Mapping[str, str], query: Mapping[str, str] | None
    ) -> dict[str, Any]:
        raw, _, asked = path.partition("?")
        if self.cookies:
            headers = {**headers, "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        return {
            "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
            "path": unquote(raw), "raw_path": raw.encode(), "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5),
            "query_string": (urlencode(query) if query else asked).encode(), "subprotocols": [],
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }  # fmt: skip

    async def _http(self, scope: dict[str, Any], parts: Iterable[bytes]) -> Answer:
        got: list[dict[str, Any]] = []
        read, waiting = 0, list[bytes]()
        source = iter(parts)

        async def receive() -> dict[str, Any]:
            nonlocal read
            part = next(source, None)
            if part is not None:
                read += len(part)
                return {"type": "http.request", "body": part, "more_body": True}
            if not waiting:
                waiting.append(b"")
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            got.append(dict(message))

        await self.app(scope, receive, send)
        start = next(message for message in got if message["type"] == "http.response.start")
        body = b"".join(message.get("body", b"") for message in got if message["type"] == "http.response.body")
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, body, read)

    async def _websocket(self, scope: dict[str, Any]) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            got.append(dict(message))

        await self.app(scope, receive, send)
        return got


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def studio(folder: Path, **options: Any) -> Studio:
    config = StudioConfig(folder, **options)
    return Studio(config, Access(config))


def client(folder: Path, *, inside: bool = True, extra: tuple[ModuleType, ...] = (), **options: Any) -> Client:
    """A client of a studio of its own. inside: with a session. extra: further modules with routes."""
    return Client(studio(folder, **options), inside, extra=extra)
