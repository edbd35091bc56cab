"""The pages and the data they load, a module each; `register` is called once for a server."""

from typing import TYPE_CHECKING

from fastapi import FastAPI

if TYPE_CHECKING:
    from doublecast.studio.server import Studio


def register(studio: "Studio", app: FastAPI) -> None:
    """Add every page (to NiceGUI) and every route (to ``app``)."""
    from doublecast.studio.pages import (
        events,
        faces,
        faces_api,
        film,
        jobs_panel,
        new,
        productions,
        train,
        uploads,
        verify,
    )

    for module in (events, faces, faces_api, film, jobs_panel, new, productions, train, uploads, verify):
        module.register(studio, app)
