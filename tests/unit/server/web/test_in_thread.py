"""A handler's thread: its own for what it does, none for what FastAPI does with its answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import fastapi.routing
import httpx
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from dinv.server.web.api.routes import machines, operate, people
from dinv.server.web.threads import InThread

if TYPE_CHECKING:
    import pytest


class Where(BaseModel):
    thread: str


async def _get(app: FastAPI, path: str) -> tuple[str, Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return threading.current_thread().name, (await client.get(path)).json()


def test_it_alone_is_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    def nowhere(*_: object, **__: object) -> None:
        raise AssertionError("FastAPI goes to a thread")

    monkeypatch.setattr(fastapi.routing, "run_in_threadpool", nowhere)
    router = APIRouter(route_class=InThread)

    @router.get("/plain")
    def plain(word: str = "") -> Where:
        return Where(thread=threading.current_thread().name + word)

    @router.get("/coroutine")
    async def coroutine() -> Where:
        return Where(thread=threading.current_thread().name)

    app = FastAPI()
    app.include_router(router, prefix="/x")
    loop, answer = asyncio.run(_get(app, "/x/plain?word=!"))
    assert answer["thread"] not in (loop + "!", "")
    assert answer["thread"].endswith("!")
    loop, answer = asyncio.run(_get(app, "/x/coroutine"))
    assert answer == {"thread": loop}


def test_all_routes_of_the_api_are_like_that() -> None:
    routes = [route for part in (machines, operate, people) for route in part.router.routes]
    assert len(routes) > 30
    assert {type(route) for route in routes} == {InThread}
