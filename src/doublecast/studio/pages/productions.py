"""The first page: all productions, live; and the pictures on their cards."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.errors import InputError
from doublecast.production import Side
from doublecast.studio.cards import cards, portrait, state
from doublecast.studio.layout import frame
from doublecast.studio.plain import plain

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

EVERY = 1.0  #: seconds between two looks while the page is open somewhere
ALIVE = 15  #: looks without a change after which a sign of life is sent
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}  #: of what has its state in its address
NOBODY = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" fill="#8a8f99"><circle cx="32" cy="26" r="11"/>'
    '<path d="M10 60c2-14 11-20 22-20s20 6 22 20z"/></svg>'
)  #: in place of a face that is not found yet
REPORT = {
    "content-security-policy": (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
    "cache-control": "no-store",
}  #: a report may come from another machine, so nothing in it runs, and it has no origin of ours


class ProductionCards(ui.element, component="../components/production_cards.js"):
    """The cards, drawn and kept up to date in the browser."""

    def __init__(self, first: list[dict[str, Any]]) -> None:
        super().__init__()
        self._props["first"] = plain(first)


def styles() -> None:
    """Add the style sheet of these pages."""
    ui.add_head_html(f'<link rel="stylesheet" href="/static/productions.css?{__version__}">')


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page and its routes."""

    @ui.page("/")
    async def productions(request: Request) -> None:
        first = await asyncio.to_thread(cards, studio)
        styles()
        with frame(studio, request, "Productions", section="productions"):
            ProductionCards(first)

    @app.get("/api/productions")
    def listed() -> list[dict[str, Any]]:
        return cards(studio)

    @app.get("/api/productions/events")
    async def events() -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            yield "retry: 1000\n\n"
            seen, quiet = await asyncio.to_thread(state, studio), 0
            while not studio.watcher.stopped:
                await asyncio.sleep(EVERY)
                now, quiet = await asyncio.to_thread(state, studio), quiet + 1
                if now != seen:
                    seen, quiet = now, 0
                    yield "data: changed\n\n"
                elif quiet >= ALIVE:
                    quiet = 0
                    yield ": alive\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    @app.get("/api/p/{name}/portrait/{side}")
    def face(name: str, side: Side) -> Response:
        data = portrait(studio.config.production(name), side)
        if data is None:
            return Response(NOBODY, media_type="image/svg+xml", headers={"cache-control": "no-store"})
        return Response(data, media_type="image/jpeg", headers=FOREVER)

    @app.get("/api/p/{name}/report")
    def report(name: str) -> Response:
        folder = studio.config.production(name)
        path = folder / "report.html"
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{name} has no report yet; it is written when its film is made")
        return HTMLResponse(path.read_bytes(), headers=REPORT)

    @app.get("/api/p/{name}/people/{side}")
    def sheet(name: str, side: Side) -> Response:
        path = studio.config.production(name) / f"{side}-people.png"
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{name} has no contact sheet of the {side}'s people")
        return FileResponse(path, media_type="image/png", headers=FOREVER)
