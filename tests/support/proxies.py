"""What may stand between dinv and an endpoint, or in its place: proxies that fail on cue, and fakes."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import ssl
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")


class _Server:
    """Accepts connections and gives each to a thread, until it is closed."""

    def __init__(self, listener: socket.socket, address: str) -> None:
        self.address = address
        self._listener = listener
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        # A shutdown wakes the thread in accept, which a close alone does not (Linux).
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(20)

    def drop(self) -> None:
        """Break all connections that there are now."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(connection,))
            with self._lock:
                self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            # What a broken connection raises is what the tests are about, on the other side of it.
            stack.enter_context(contextlib.suppress(OSError, ValueError))
            self._own(connection, stack)
            self.serve(connection, stack)

    def _own(self, connection: socket.socket, stack: contextlib.ExitStack) -> None:
        with self._lock:
            self._connections.add(connection)
        stack.callback(self._disown, connection)

    def _disown(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def serve(self, connection: socket.socket, stack: contextlib.ExitStack) -> None:
        raise NotImplementedError


class Proxy(_Server):
    """Passes a Docker API on, counts the requests, and calls `act` at the one with the number `at`.

    `act` is called before the request is passed on, or with `answered` when its answer has come and before
    that is passed on. If it raises an OSError, the connection ends there, and nothing is passed on. It may be
    called before the test has what `Popen` returns. With `tls` the proxy listens on TCP.
    """

    def __init__(
        self,
        target: str,
        *,
        at: int = 0,
        act: Callable[[], None] = lambda: None,
        answered: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[str] = []
        self.broken = False
        self._due = False
        self._target = target.removeprefix("unix://")
        self.at = at
        self.act, self._answered = act, answered
        self._tls = tls
        self._directory = tempfile.mkdtemp(prefix="dinv-proxy-")
        if tls is not None:
            listener = socket.create_server(("127.0.0.1", 0))
            address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        else:
            listener = socket.socket(socket.AF_UNIX)
            path = os.path.join(self._directory, "docker.sock")
            listener.bind(path)
            listener.listen(50)
            address = f"unix://{path}"
        super().__init__(listener, address)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._directory)

    def break_down(self) -> None:
        """From now on every connection is cut at once, as by an endpoint that went away."""
        self.broken = True
        self.drop()

    def mend(self) -> None:
        """Undo `break_down`."""
        self.broken = False

    def serve(self, connection: socket.socket, stack: contextlib.ExitStack) -> None:
        if self.broken:
            return
        client = connection
        if self._tls is not None:
            client = self._tls.wrap_socket(connection, server_side=True)
            stack.callback(client.close)
        upstream = socket.socket(socket.AF_UNIX)
        self._own(upstream, stack)
        upstream.connect(self._target)
        while not self.broken:
            pending = isinstance(client, ssl.SSLSocket) and client.pending()
            ready = [client] if pending else select.select([client, upstream], [], [])[0]
            if client in ready and not self._to_engine(client, upstream):
                return
            if upstream in ready and not self._to_client(client, upstream):
                return

    def _to_engine(self, client: socket.socket, upstream: socket.socket) -> bool:
        data = client.recv(65536)
        if not data:
            # Half closed, as at the end of an exec's input: what is still to come goes to the client.
            upstream.shutdown(socket.SHUT_WR)
            while data := upstream.recv(65536):
                client.sendall(data)
            return False
        request = _REQUEST.match(data)
        if request is not None and self._count(request):
            if self._answered:
                self._due = True
            else:
                self.act()
        if not self.broken:
            upstream.sendall(data)
        return not self.broken

    def _to_client(self, client: socket.socket, upstream: socket.socket) -> bool:
        data = upstream.recv(65536)
        if self._due:
            self._due = False
            self.act()
        if data and not self.broken:
            client.sendall(data)
        return bool(data) and not self.broken

    def _count(self, request: re.Match[bytes]) -> bool:
        with self._lock:
            method, path = request.groups()
            self.requests.append(f"{method.decode()} {path.partition(b'?')[0].decode()}")
            return len(self.requests) == self.at


class FakeEngine(_Server):
    """Something on TCP that answers every request alike, by plain HTTP or TLS: an engine of `api_version`."""

    def __init__(self, *, api_version: str = "1.41", tls: ssl.SSLContext | None = None) -> None:
        self._api_version = api_version
        self._tls = tls
        listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(listener, f"tcp://127.0.0.1:{listener.getsockname()[1]}")

    def serve(self, connection: socket.socket, stack: contextlib.ExitStack) -> None:
        client = connection
        if self._tls is not None:
            client = self._tls.wrap_socket(connection, server_side=True)
            stack.callback(client.close)
        while client.recv(65536):
            body = f'{{"ApiVersion": "{self._api_version}", "MinAPIVersion": "1.0"}}'
            client.sendall(
                f"HTTP/1.1 200 OK\r\nApi-Version: {self._api_version}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )


class SilentEngine(_Server):
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(listener, f"tcp://127.0.0.1:{listener.getsockname()[1]}")

    def serve(self, connection: socket.socket, stack: contextlib.ExitStack) -> None:
        while connection.recv(65536):
            pass
