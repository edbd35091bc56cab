"""The first page: all productions."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request

from doublecast.studio.layout import empty, frame, path_of

if TYPE_CHECKING:
    from doublecast.studio.server import Studio


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page."""

    @ui.page("/")
    def productions(request: Request) -> None:
        with frame(studio, request, "Productions", section="productions"):
            folders = studio.config.productions()
            if not folders:
                empty("No productions yet. Start one with a take of the actor and a take of the target.")
            for folder in folders:
                with ui.element("a").props(f'href="{path_of(folder.name)}"').classes("dc-card"):
                    ui.label(folder.name)
