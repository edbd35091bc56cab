"""Routes of some of the studio's modules, asked directly: without gate and without NiceGUI's pages."""

import asyncio
from types import ModuleType
from typing import Any

import httpx
from fastapi import FastAPI

from doublecast.errors import DoublecastError
from doublecast.studio.server import _told


class Client:
    """Asks an application that has the routes of these modules only. studio: what is given to their `register`."""

    def __init__(self, studio: Any, *modules: ModuleType) -> None:
        self._app = FastAPI()
        self._app.add_exception_handler(DoublecastError, _told)
        for module in modules:
            module.register(studio, self._app)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self._ask("POST", path, **given)

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://studio") as client:
                return await client.request(method, path, **given)

        return asyncio.run(asked())
