"""The page that says what a file is."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query
from nicegui import ui
from pydantic import BaseModel, Field
from starlette.requests import Request

from doublecast.errors import InputError
from doublecast.pipeline.verdict import verdict
from doublecast.production import Production
from doublecast.studio.layout import frame
from doublecast.studio.making import Given
from doublecast.studio.pages.productions import styles
from doublecast.studio.plain import plain
from doublecast.studio.turns import Turns

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

AT_ONCE = 2  #: files that are looked at at the same time; others wait
REMEMBERED = 64  #: verdicts of films that are kept


class VerifyFile(ui.element, component="../components/verify_file.js"):
    """Where a file is dropped, and its verdict."""

    def __init__(self, *, limit: int, productions: list[str]) -> None:
        super().__init__()
        self._props.update(limit=limit, productions=plain(productions))


class Asked(BaseModel):
    """A file, and the name of a production to hold it against ("" for none)."""

    file: Given
    production: Annotated[str, Field(max_length=1000)] = ""


class Verdicts:
    """Verdicts of files of this machine, made anew where a file, or its production's record, has changed."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
        self._lock, self._turns = Lock(), BoundedSemaphore(AT_ONCE)
        self._places = Turns("verdicts")

    def of(self, path: Path, production: Path | None, *, name: str = "", keep: bool = True) -> dict[str, Any]:
        """{"code", "verdict", "lines": [[what, text]]}. name: what the file is called where its path says nothing.

        Raises InputError, ProductionError, BusyError.
        """
        key = (path, production, _stamp(path), production and _stamp(production / "production.toml"))
        with self._lock:
            if key in self._known:
                return self._known[key]
        with self._places.one(), self._turns:
            found = verdict(path, production)
        shown = {
            "code": found.code, "verdict": found.sentence, "file": name or path.name,
            "lines": [[what, text.replace(str(path), name or path.name)] for what, text in found.lines],
        }  # fmt: skip
        if keep:
            with self._lock:
                self._known[key] = shown
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return shown


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def register(studio: "Studio", app: FastAPI) -> None:
    """Add the page and its routes."""
    verdicts = Verdicts()

    @ui.page("/verify")
    async def page(request: Request) -> None:
        folders = await asyncio.to_thread(studio.config.productions)
        styles()
        with frame(studio, request, "What is this file?", section="verify"):
            VerifyFile(limit=studio.config.upload_limit, productions=[folder.name for folder in folders])

    @app.post("/api/verify")
    def verify(asked: Asked) -> dict[str, Any]:
        production = studio.config.production(asked.production) if asked.production else None
        if bool(asked.file.upload) == bool(asked.file.path):
            raise InputError("name either an upload or a path of this machine")
        if asked.file.path:
            return verdicts.of(studio.config.existing(asked.file.path), production)
        path = studio.uploads.files(asked.file.upload)[0]
        return verdicts.of(path, production, name=path.name, keep=False)

    @app.get("/api/p/{name}/verdict")
    def film(name: str, film: Annotated[str, Query(max_length=5000)]) -> dict[str, Any]:
        """Of a finished film of a production, held against it. film: its path as the production's record has it."""
        folder = studio.config.production(name)
        record = Production(folder, create=False, lock=False).record
        if film not in record.films or not record.films[film].after:
            raise InputError(f"{film}: no finished film of {name}")
        return verdicts.of(studio.config.existing(film), folder)
