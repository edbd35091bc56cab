"""The Train page: start and pause, the loss curve, previews of every checkpoint, measures and snapshots."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.errors import DoublecastError
from doublecast.studio.layout import Keys, frame, problem
from doublecast.studio.pages import train_api
from doublecast.studio.pages.jobs_panel import JobsPanel

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

KEYS: Keys = (
    ("← →", "Preview before, after"),
    ("Home End", "First, newest preview"),
    ("n", "Follow the newest preview"),
    ("c", "Compare: off, wipe, side by side"),
)


class _Part(ui.element):
    """A component that shows a part of a production's training and follows changes by itself."""

    def __init__(self, production: str) -> None:
        super().__init__()
        self._props["production"] = production


class TrainControl(_Part, component="../components/train_control.js"):
    """Budget, size and start."""


class LossChart(_Part, component="../components/loss_chart.js"):
    """The losses over time or steps."""


class PreviewSlider(_Part, component="../components/preview_slider.js"):
    """Preview sheets of all checkpoints, with comparison."""


class Evaluation(_Part, component="../components/evaluation.js"):
    """Measures of the last film."""


class Snapshots(_Part, component="../components/snapshots.js"):
    """Kept states, to restore."""


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page and its routes."""
    train_api.register(studio, app)

    @ui.page("/p/{name}/train")
    def train(request: Request, name: str) -> None:
        ui.add_head_html(f'<link rel="stylesheet" href="/static/train.css?{__version__}">')
        with frame(studio, request, f"Train {name}", section="train", name=name, keys=KEYS):
            try:
                studio.config.production(name)
            except DoublecastError as error:
                problem(str(error))
                return
            _parts(name)


def _parts(name: str) -> None:
    with ui.element("div").classes("dc-train"):
        with ui.element("div").classes("dc-train-side"):
            TrainControl(name)
            JobsPanel(name)
            Snapshots(name)
        with ui.element("div").classes("dc-train-main"):
            PreviewSlider(name)
            LossChart(name)
            Evaluation(name)
