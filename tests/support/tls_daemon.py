"""A daemon that serves /_ping by mutual TLS from files, and takes new ones when it is told to."""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket


_REVOKED = b'{"message":"this machine refuses your client certificate: it has been revoked"}'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: object) -> None:
        pass


class TLSDaemon(ThreadingHTTPServer):
    """`directory` is the machine's: ca.pem, server.pem and server-key.pem are read at each `reload`.

    Files that cannot be used change nothing, as in dinv's image. A file `revoked` has the serial numbers of
    clients that are refused, one a line.
    """

    daemon_threads = True

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._context: ssl.SSLContext | None = None
        self._revoked: frozenset[int] = frozenset()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.server_address[1]}"

    def reload(self) -> None:
        ca, certificate, key = (
            os.path.join(self.directory, name) for name in ("ca.pem", "server.pem", "server-key.pem")
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        with contextlib.suppress(OSError):
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(ca)
            self._context = context
        with contextlib.suppress(OSError), open(os.path.join(self.directory, "revoked")) as file:
            self._revoked = frozenset(int(line, 16) for line in file)

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client: Any) -> None:
        assert not isinstance(request, tuple)
        assert self._context is not None
        request.settimeout(5)
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(request, server_side=True) as connection,
        ):
            shown = connection.getpeercert() or {}
            if int(str(shown.get("serialNumber", "0")), 16) not in self._revoked:
                super().finish_request(connection, client)
                return
            # As the front of dinv's image does.
            connection.recv(65536)
            head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(_REVOKED)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + _REVOKED)
