"""The log: a line of JSON for each event and each request. No secret is in it: no query, header or body.

Of a request's address only the route is logged ("/first/{secret}"), never what stood in its place.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

LOG = logging.getLogger("dinv.server")
_FIELDS = (
    "request_id",
    "address",
    "actor",
    "method",
    "route",
    "status",
    "milliseconds",
    "problem",
    "operation",
    "machine",
    "endpoint",
    "server",
)


class JsonLines(logging.Formatter):
    """A record as JSON on one line; of its extra fields those that are known."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        found |= {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None}
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)


def log_to(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send the server's log to `stream`, and what the libraries under it warn of.

    asyncio warns of connections that break; without a handler, Python prints that between the lines of JSON.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in ("dinv.server", "uvicorn", "uvicorn.error", "asyncio", "sqlalchemy"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level if name == "dinv.server" else "WARNING")
