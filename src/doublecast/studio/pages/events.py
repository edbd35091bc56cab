"""Server-sent events: what changed in a production."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

ALIVE = 15.0  #: seconds between two signs of life on a quiet connection


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the route."""

    @app.get("/api/p/{name}/events")
    async def events(name: str) -> StreamingResponse:
        folder = studio.config.production(name)

        async def stream() -> AsyncIterator[str]:
            yield "retry: 1000\n\n"
            async with studio.watcher.subscribed(folder) as changes:
                while not studio.watcher.stopped:
                    try:
                        kinds = await asyncio.wait_for(changes.get(), ALIVE)
                    except TimeoutError:
                        yield ": alive\n\n"
                    else:
                        yield f"data: {json.dumps(sorted(kinds))}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})
