"""The film page: the take with its new face, how that is put into the shot, and the films that are made of it."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.studio.layout import Part, exists, frame
from doublecast.studio.pages import film_api
from doublecast.studio.pages.jobs_panel import JobsPanel

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

KEYS = (
    ("← →", "One frame back or on; with Shift ten"),
    ("Home End", "First or last frame of the take"),
    ("[ ]", "Shot before or after (also ↑ ↓)"),
    ("Space", "Hold to see the actor"),
    ("w", "Wipe: half, all new, all actor"),
    ("s", "Split the shot at the playhead"),
)


class FilmView(Part, component="../components/film_view.js"):
    """Viewer, timeline and settings of a production."""


class FilmOutput(Part, component="../components/film_output.js"):
    """The order to make a film, and the finished ones."""


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page and its routes."""
    film_api.register(studio, app)

    @ui.page("/p/{name}/film")
    def film(request: Request, name: str) -> None:
        ui.add_head_html(f'<link rel="stylesheet" href="/static/film.css?{__version__}">')
        with frame(studio, request, f"Film of {name}", section="film", name=name, keys=KEYS):
            if not exists(studio, name):
                return
            FilmView(name)
            with ui.element("div").classes("film-below"):
                FilmOutput(name)
                JobsPanel(name, heading="Queue")
