"""The page of faces: thousands of crops to sort, set aside and correct."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request

from doublecast import __version__
from doublecast.production import SIDES
from doublecast.studio.layout import Keys, exists, frame, problem

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

MODULES = sorted(path.stem for path in (Path(__file__).parents[1] / "static" / "faces").glob("*.js"))
KEYS: Keys = (
    ("↑ ↓ ← →", "Move to another face; with Shift, select on the way"),
    ("Space", "Select or leave out the face"),
    ("Ctrl A", "Select all that are shown"),
    ("i", "Select the others instead"),
    ("Esc", "Select nothing"),
    ("x", "Set the selected faces aside; also Delete"),
    ("r", "Bring the selected faces back"),
    ("Ctrl Z", "Take back this tab's last step; with Shift, do it again"),
    ("Enter", "Look at the face closely"),
    ("h", "Show or hide the history"),
    ("e", "Looking closely: drag landmarks; + and - change the size"),
)


class FaceGrid(ui.element, component="../components/face_grid.js"):
    """The grid of faces with everything around it; it loads its data itself, see `faces_api`."""

    def __init__(self, production: str, side: str) -> None:
        super().__init__()
        self.props["production"] = production
        self.props["side"] = side


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page."""

    @ui.page("/p/{name}/faces")
    def faces(request: Request, name: str, side: str = "actor") -> None:
        with frame(studio, request, f"Faces of {name}", section="faces", name=name, keys=KEYS):
            if not exists(studio, name):
                return
            if side not in SIDES:
                problem(f"the sides of a production are {' and '.join(SIDES)}, not {side!r}; this is the actor")
            known = side if side in SIDES else "actor"
            data = f"/api/p/{quote(name, safe='')}/faces/{known}/columns"
            ui.add_head_html(f'<link rel="stylesheet" href="/static/faces.css?{__version__}">')
            ui.add_head_html(f'<link rel="preload" as="fetch" crossorigin href="{data}">')
            ui.add_head_html("".join(f'<link rel="modulepreload" href="/static/faces/{m}.js">' for m in MODULES))
            FaceGrid(name, known)
