"""Starts the studio: our own FastAPI application behind the gate, NiceGUI's pages mounted in it."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from doublecast.errors import DoublecastError, InputError, OutputError
from doublecast.studio.access import Access, Gate
from doublecast.studio.config import StudioConfig
from doublecast.studio.plain import PlainJSON
from doublecast.studio.uploads import BusyError, TooLargeError, Uploads
from doublecast.studio.watch import Watcher

STATUS: Mapping[type[DoublecastError], int] = {OutputError: 409, TooLargeError: 413, BusyError: 429}
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Studio:
    """What all pages share."""

    config: StudioConfig
    access: Access
    watcher: Watcher = field(default_factory=Watcher)

    @cached_property
    def uploads(self) -> Uploads:
        """Files that came in through the browser."""
        return Uploads(self.config)


def serve(config: StudioConfig, on_ready: Callable[[str, Studio], None] = lambda url, studio: None) -> None:
    """Run the studio until it is interrupted.

    on_ready: called once the socket is bound, with the address to open (with a token, unless the user chose one).
    Raises InputError (address in use or not of this machine), OutputError (folder cannot be made), KeysError.
    """
    try:
        config.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{config.folder}: cannot be made ({error.strerror}); name another folder") from error
    listening = _bound(config)
    studio = Studio(config, Access(config))
    studio.uploads.sweep()
    with tempfile.TemporaryDirectory(prefix="doublecast-studio-") as storage:
        os.environ["NICEGUI_STORAGE_PATH"] = storage  # NiceGUI reads it at import; nothing of ours is kept there
        server = _server(studio)
        on_ready(_address(studio, listening), studio)
        asyncio.run(server.serve(sockets=[listening]))


def _server(studio: Studio):  # type: ignore[no-untyped-def]  # uvicorn is imported here only
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            studio.watcher.stop()  # or pages that are open would hold it up
            super().handle_exit(sig, frame)

    options = uvicorn.Config(
        application(studio), log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=2, ws_max_size=4 << 20,
    )  # fmt: skip
    return Server(options)


def application(studio: Studio) -> Gate:
    """The whole ASGI application."""
    from nicegui import ui

    from doublecast.studio import pages

    app = bare()
    pages.register(studio, app)
    ui.run_with(
        app, title="doublecast studio", favicon=STATIC / "favicon.svg", dark=None, tailwind=False,
        binding_refresh_interval=None, reconnect_timeout=5.0, show_welcome_message=False, language="en-US",
    )  # fmt: skip
    return Gate(app, studio.access, studio.config)


def bare() -> FastAPI:
    """The application before any page: static files, and errors in the words of the command line."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, default_response_class=PlainJSON)
    app.add_exception_handler(DoublecastError, _told)
    app.add_exception_handler(RequestValidationError, _odd)
    app.mount("/static", _Static(directory=STATIC), name="static")
    return app


class _Static(StaticFiles):
    """Files that a browser asks for again each time (304 where nothing changed): an update is seen at once."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        answer = super().file_response(*args, **more)
        answer.headers["cache-control"] = "no-cache"
        return answer


async def _told(request: Request, error: Exception) -> PlainJSON:
    """What the user did wrong, in the words of the command line, with the fields of a form that it belongs to."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    fields = {name: getattr(error, name) for name in ("field", "errors") if hasattr(error, name)}
    return PlainJSON({"error": str(error), **fields}, status)


async def _odd(request: Request, error: Exception) -> PlainJSON:
    """A request that no page of ours sends."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
    place = ".".join(str(part) for part in first["loc"][1:])
    return PlainJSON({"error": f"{place}: {first['msg']}".strip(": ")}, 422)


def _bound(config: StudioConfig) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)  # who opens the address at once waits, and is not refused
    except OSError as error:
        raise InputError(
            f"cannot listen on {config.host} port {config.port} ({error.strerror}); choose another --host or --port"
        ) from error
    return listening


def _address(studio: Studio, listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(
        host, f"[{host}]" if ":" in host else host
    )
    query = "" if studio.config.token is not None else f"?token={studio.access.link_token()}"
    return f"http://{shown}:{port}/{query}"
