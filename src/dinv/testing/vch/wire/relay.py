"""Calls whose answers are passed on as they come: output, archives, streams, taken-over connections."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from dinv.testing.vch.wire.http import Answer
from dinv.testing.vch.wire.pump import pump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dinv.engine.wire.http import Response
    from dinv.testing.vch.state import Context
    from dinv.testing.vch.wire.http import Connection

# Of an answer's headers, those that are about what it holds.
_KEPT = ("content-type", "x-docker-container-path-stat")
_OUTPUT = "application/vnd.docker.raw-stream"
_SWITCHING = 101


def stream(
    context: Context,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make a call to the engine behind and pass its answer on, piece by piece.

    It ends when the client hangs up. Raises BehindError.
    """
    opened = contextlib.ExitStack()
    response = opened.enter_context(
        context.vch.behind.request(
            method, path, query=query, body=body, headers=headers, client=context.connection.stream
        )
    )
    kept = {name.title(): response.headers[name] for name in _KEPT if name in response.headers}
    return Answer(response.status, _pieces(response), kept, release=opened.close)


def _pieces(response: Response) -> Iterator[bytes]:
    while piece := response.read_some():
        yield piece


def take_over(context: Context, path: str, *, query: Mapping[str, str], body: Any = None) -> Answer:
    """Make a call that takes the connection over, and pass bytes both ways until it ends (exec, attach)."""
    opened = contextlib.ExitStack()
    behind, client = context.vch.behind, context.connection.stream
    response = opened.enter_context(
        behind.request(
            "POST",
            path,
            query=query,
            body=body,
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            client=client,
        )
    )
    behind.forget_client(client)

    def hijack(connection: Connection) -> None:
        connected, early = response.hijack()
        surplus = connection.take_now()
        pump(connection.stream, connected, to_behind=surplus, to_client=early)

    # A client that does not ask for it is given 200, and the connection all the same (docker 1.13).
    upgrading = "upgrade" in context.request.headers
    headers = {"Content-Type": _OUTPUT}
    if upgrading:
        headers |= {"Connection": "Upgrade", "Upgrade": "tcp"}
    return Answer(_SWITCHING if upgrading else 200, None, headers, hijack=hijack, release=opened.close)
