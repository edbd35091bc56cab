"""Making productions: the form of a new one, further takes, and the choice between people."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from nicegui import ui
from pydantic import BaseModel, Field
from starlette.requests import Request

from doublecast.errors import ConsentError, DoublecastError, ProductionError
from doublecast.pipeline.overview import overview
from doublecast.production import SIDES, Side
from doublecast.studio import cards
from doublecast.studio.layout import empty, frame, path_of, problem
from doublecast.studio.making import More, Wish, add_takes, bases, choose, make, open_question
from doublecast.studio.pages.productions import styles
from doublecast.studio.plain import plain
from doublecast.trust.lettering import WORDS

if TYPE_CHECKING:
    from doublecast.studio.server import Studio


class NewProduction(ui.element, component="../components/new_production.js"):
    """The form."""

    def __init__(self, *, limit: int) -> None:
        super().__init__()
        self._props.update(bases=bases(), limit=limit, languages=dict(WORDS))


class MoreTakes(ui.element, component="../components/more_takes.js"):
    """The form for further takes. recorded: whether a side's basis is known."""

    def __init__(self, production: str, *, limit: int, recorded: dict[Side, bool], takes: dict[str, list[str]]) -> None:
        super().__init__()
        self._props.update(production=production, bases=bases(), limit=limit, recorded=recorded, takes=plain(takes))


class PersonChoice(ui.element, component="../components/person_choice.js"):
    """The people of a contact sheet."""

    def __init__(self, production: str, side: Side, job: str, sheet: dict[str, Any]) -> None:
        super().__init__()
        self._props.update(production=production, side=side, job=job, sheet=sheet)


class Choice(BaseModel):
    """Who is meant, as an answer to a job that failed."""

    job: Annotated[str, Field(max_length=12)]
    side: Side
    face: Annotated[int, Field(ge=0, le=10_000)]


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the pages and their routes."""
    _pages(studio)

    @app.post("/api/productions")
    def create(wish: Wish) -> dict[str, str]:
        folder = make(studio, wish)
        return {"name": folder.name, "address": path_of(folder.name, "train" if wish.then == "film" else "faces")}

    @app.post("/api/p/{name}/takes")
    def more(name: str, wish: More) -> dict[str, str]:
        add_takes(studio, studio.config.production(name), wish)
        return {"address": f"{path_of(name)}?side={wish.side}"}

    @app.post("/api/p/{name}/person")
    def person(name: str, choice: Choice) -> dict[str, str]:
        job = choose(studio.config.production(name), choice.job, choice.side, choice.face)
        return {"job": job.id, "address": path_of(name, "train" if job.kind == "swap" else "faces")}


def _pages(studio: "Studio") -> None:
    @ui.page("/new")
    def new(request: Request) -> None:
        styles()
        with frame(studio, request, "New production", section="productions"):
            NewProduction(limit=studio.config.upload_limit)

    @ui.page("/p/{name}/takes")
    async def takes(request: Request, name: str) -> None:
        styles()
        with frame(studio, request, f"Add takes to {name}", section="takes", name=name):
            try:
                recorded, known = await asyncio.to_thread(_sides, studio, name)
            except DoublecastError as error:
                problem(str(error))
                return
            MoreTakes(name, limit=studio.config.upload_limit, recorded=recorded, takes=known)

    @ui.page("/p/{name}/person/{side}")
    async def person(request: Request, name: str, side: Side) -> None:
        styles()
        with frame(studio, request, f"Who is the {side}?", section="person", name=name):
            try:
                folder = studio.config.production(name)
            except DoublecastError as error:
                problem(str(error))
                return
            seen = await asyncio.to_thread(overview, folder)
            question, sheet = open_question(seen.jobs), await asyncio.to_thread(cards.people, folder, side)
            if question is None or question[1] != side or sheet is None:
                words = f"Nobody has to be chosen for the {side} now."
                empty(words, action=("Go to the faces", path_of(name, "faces")))
                return
            ui.label(question[0].error.split(": ")[0] + ". Choose who is meant; the job then goes on.").classes(
                "dc-dim"
            )
            PersonChoice(name, side, question[0].id, sheet)


def _sides(studio: "Studio", name: str) -> tuple[dict[Side, bool], dict[str, list[str]]]:
    """Whether each side's basis is recorded, and the names of its takes. Raises DoublecastError."""
    from doublecast.pipeline.consent import recorded

    folder = studio.config.production(name)
    seen = overview(folder)
    if seen.problems:
        raise ProductionError(seen.problems)
    known: dict[Side, bool] = {}
    for side in SIDES:
        try:
            known[side] = recorded(folder, side) is not None
        except ConsentError:
            known[side] = False
    return known, {"actor": list(seen.actor), "target": list(seen.target)}
