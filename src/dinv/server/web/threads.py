"""Handlers that wait for the database run in a thread, and nothing else of their requests does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool


class InThread(APIRoute):
    """A route of a plain function.

    FastAPI would go to a thread a second time to check what it returns, which waits for the interpreter twice
    more.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_thread(endpoint), **options)


def _in_thread(handler: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(handler):
        return handler

    @functools.wraps(handler)
    async def run(*arguments: Any, **named: Any) -> Any:
        return await run_in_threadpool(handler, *arguments, **named)

    return run
