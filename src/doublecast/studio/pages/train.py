"""The Train page: start and pause, the loss curve, previews of every checkpoint, measures and snapshots."""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.studio.layout import Keys, Part, exists, frame
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


class TrainControl(Part, component="../components/train_control.js"):
    """Budget, size and start."""


class LossChart(Part, component="../components/loss_chart.js"):
    """The losses over time or steps."""


class PreviewSlider(Part, component="../components/preview_slider.js"):
    """Preview sheets of all checkpoints, with comparison."""


class Evaluation(Part, component="../components/evaluation.js"):
    """Measures of the last film."""


class Snapshots(Part, component="../components/snapshots.js"):
    """Kept states, to restore."""


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page and its routes."""
    train_api.register(studio, app)

    @ui.page("/p/{name}/train")
    def train(request: Request, name: str) -> None:
        ui.add_head_html(f'<link rel="stylesheet" href="/static/train.css?{__version__}">')
        with frame(studio, request, f"Train {name}", section="train", name=name, keys=KEYS):
            if not exists(studio, name):
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
