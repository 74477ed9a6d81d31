"""The engine behind the simulator: calls to it, and connections to it that end when their client has gone."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from math import inf
from typing import TYPE_CHECKING, Any

from dinv.engine import Engine, parse_address
from dinv.engine.wire.http import Connection, Request
from dinv.engine.wire.http_syntax import quote
from dinv.errors import DinvError
from dinv.system.deadline import Deadline
from dinv.testing.vch.rules.errors import VicError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dinv.engine.wire.byte_stream import ByteStream
    from dinv.engine.wire.http import Readable, Response
    from dinv.engine.wire.tls_files import TLSFiles

CALL_SECONDS = 60.0
_LOOK_MILLISECONDS = 200
_ERROR = 400
_PIECE = 65536
# Linux tells of a client that has hung up while its answer is awaited; elsewhere that shows later.
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class BehindError(VicError):
    """The engine behind's answer to a call: its status and its message."""


class Behind:
    """A Docker Engine, spoken to in the newest API version both sides know."""

    def __init__(self, url: str, tls: TLSFiles | None = None) -> None:
        self._transport = parse_address(url, tls)
        self._closed = False
        self._lock = threading.Lock()
        self._open: dict[ByteStream, ByteStream | None] = {}
        self._changed = threading.Event()
        with Engine(self._transport) as engine:
            self.api_version = engine.api_version
            self.info = engine.info()
        self._watcher = threading.Thread(target=self._watch, name="vch hang-ups", daemon=True)
        self._watcher.start()

    @property
    def address(self) -> str:
        """The engine's address, for messages."""
        return self._transport.address

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        client: ByteStream | None = None,
        seconds: float = inf,
    ) -> Iterator[Response]:
        """Make a call; the answer's body is unread. `body` is JSON, or something with `read`.

        When `client` hangs up, so does this. Raises BehindError for an answer of 400 or more, and DinvError
        if the engine cannot be reached.
        """
        sent = dict(headers or {})
        payload: bytes | Readable | None
        if body is None or hasattr(body, "read"):
            payload = body
        else:
            sent["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        words = "&".join(f"{name}={quote(value)}" for name, value in (query or {}).items())
        target = f"/v{self.api_version}{path}{'?' if words else ''}{words}"
        stream = self._transport.connect(Deadline(CALL_SECONDS))
        self._keep(stream, client)
        try:
            response = Connection(stream, self._transport.http_host).exchange(
                Request(method, target, sent, payload),
                deadline=Deadline(seconds),
                release=lambda connection: connection.close(),
            )
            with response:
                if response.status >= _ERROR:
                    raise BehindError(response.status, _message(response.read(_PIECE)))
                yield response
        finally:
            with self._lock:
                self._open.pop(stream, None)
            stream.close()

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """Make a call and read its answer: JSON, or None for an empty one. Raises as `request` does."""
        with self.request(method, path, query=query, body=body, headers=headers, seconds=seconds) as response:
            data = response.read()
        return json.loads(data) if data.strip() else None

    def forget_client(self, client: ByteStream) -> None:
        """From now on the client may end its input, and that is no hanging up (exec, attach)."""
        with self._lock:
            self._open.update({stream: None for stream, whose in self._open.items() if whose is client})

    def _keep(self, stream: ByteStream, client: ByteStream | None) -> None:
        with self._lock:
            if self._closed:
                stream.close()
                raise DinvError("the simulator is closing")
            self._open[stream] = client
        self._changed.set()

    def _watch(self) -> None:
        """Hang up on the engine if the client has hung up on us."""
        while not self._closed:
            with self._lock:
                watched = {client.fileno(): stream for stream, client in self._open.items() if client}
            # A client that is closed meanwhile has -1.
            watched.pop(-1, None)
            if not watched:
                self._changed.wait(1)
                self._changed.clear()
                continue
            poll = select.poll()
            for descriptor in watched:
                poll.register(descriptor, _HUNG_UP)
            for descriptor, events in poll.poll(_LOOK_MILLISECONDS):
                if events & _HUNG_UP:
                    with self._lock:
                        stream = watched[descriptor]
                        if self._open.get(stream) is not None:
                            self._open[stream] = None
                            hang_up(stream)

    def close(self) -> None:
        """End all calls, also those that are being waited for."""
        with self._lock:
            self._closed = True
            for stream in self._open:
                hang_up(stream)
        self._changed.set()
        self._watcher.join(5)


def hang_up(stream: ByteStream) -> None:
    """End a connection that another thread reads from, which then sees its end."""
    with contextlib.suppress(OSError):
        # Not the SSLSocket's own shutdown: that would take TLS away from under the reader.
        socket.socket.shutdown(stream.sock, socket.SHUT_RDWR)


def _message(data: bytes) -> str:
    text = data.decode(errors="replace").strip()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
