"""Routes by which files come in: uploads, and the folders of this machine that may be looked into."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request

from doublecast.errors import InputError
from doublecast.studio.places import Wanted, listing
from doublecast.studio.uploads import IDLE, Purpose

if TYPE_CHECKING:
    from doublecast.studio.server import Studio


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the routes."""
    uploads = studio.uploads

    @app.post("/api/uploads")
    async def receive(
        request: Request,
        name: Annotated[str, Query(max_length=1000)],
        purpose: Purpose = "take",
        group: Annotated[str, Query(max_length=32)] = "",
    ) -> dict[str, Any]:
        """The body is the file itself. Answers its id, name and size, and what kind of take it is."""
        declared = request.headers.get("content-length")
        if declared is not None and not (declared.isascii() and declared.isdigit()):
            raise InputError(f"the length of an upload must be a number, got {declared[:20]!r}")
        size = None if declared is None else int(declared)
        done = await uploads.receive(request.stream(), name, purpose, size=size, group=group)
        asyncio.get_running_loop().call_later(IDLE + 1, lambda: asyncio.ensure_future(asyncio.to_thread(uploads.rest)))
        info = done.info
        return {
            "id": done.id, "name": done.path.name, "size": done.size, "kind": info and info.kind,
            "width": info and info.width, "height": info and info.height, "seconds": info and info.seconds,
        }  # fmt: skip

    @app.delete("/api/uploads/{id}")
    def remove(id: str) -> dict[str, bool]:
        uploads.remove(id)
        return {"removed": True}

    @app.get("/api/places")
    def places(path: Annotated[str, Query(max_length=5000)] = "", wanted: Wanted = "takes") -> dict[str, Any]:
        return listing(studio.config, path, wanted=wanted)
