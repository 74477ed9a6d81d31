"""The server's log, where it goes: every line of it is JSON."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from dinv.server.web.log import log_to

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("dinv.server", "uvicorn", "uvicorn.error", "asyncio", "sqlalchemy")


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    before = {name: (each.handlers, each.propagate, each.level) for name, each in _loggers()}
    yield
    for name, logger in _loggers():
        logger.handlers, logger.propagate, level = before[name]
        logger.setLevel(level)


def _loggers() -> list[tuple[str, logging.Logger]]:
    return [(name, logging.getLogger(name)) for name in NAMES]


def test_what_libraries_warn_of_is_json_too() -> None:
    stream = io.StringIO()
    log_to(stream)

    for name in ("dinv.server.work", "uvicorn.error", "asyncio", "sqlalchemy.pool"):
        logging.getLogger(name).warning("SSL connection is closed")

    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(entry["level"], entry["message"]) for entry in entries] == [
        ("warning", "SSL connection is closed")
    ] * 4
