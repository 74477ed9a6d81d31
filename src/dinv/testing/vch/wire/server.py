"""The port that a VCH listens on: TCP, with TLS or without; a thread for each connection."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from dinv.engine.wire.byte_stream import ByteStream
from dinv.testing.vch.wire.behind import hang_up
from dinv.testing.vch.wire.http import Connection, TLSServerStream, is_connection_error
from dinv.testing.vch.wire.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.testing.vch.calls.routes import Router
    from dinv.testing.vch.settings import TLSMode

_HANDSHAKE_SECONDS = 10.0
_CLOSE_SECONDS = 10.0
_CONNECT_SECONDS = 5.0


def tls_context(mode: TLSMode, folder: str) -> ssl.SSLContext | None:
    """How TLS is spoken, with the files that vic-machine made. None for plain HTTP.

    TLS 1.2 and nothing else: VIC's Go (1.8) knows no newer one, and VIC takes no older one.
    """
    if mode == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(os.path.join(folder, "server-cert.pem"), os.path.join(folder, "server-key.pem"))
    if mode == "verify":
        context.load_verify_locations(os.path.join(folder, "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Server:
    """Serves until it is closed. `port` is the actual one, even if any was asked for.

    `holder` returns the address of the container that has taken the port from the API, None if there is none:
    one that was started with it published. New connections then go there, as iptables sends them; open ones
    stay.
    """

    def __init__(
        self,
        listener: socket.socket,
        router: Router,
        context: ssl.SSLContext | None,
        holder: Callable[[], tuple[str, int] | None] = lambda: None,
    ) -> None:
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        self._router = router
        self._context = context
        self._holder = holder
        self._lock = threading.Lock()
        self._closed = False
        self._streams: set[ByteStream] = set()
        self._threads: set[threading.Thread] = set()
        self._acceptor = threading.Thread(target=self._accept, name="vch listener", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(sock,), name="vch connection", daemon=True)
            with self._lock:
                if self._closed:
                    sock.close()
                    return
                self._threads.add(thread)
            thread.start()

    def _run(self, sock: socket.socket) -> None:
        try:
            holder = self._holder()
            if holder is not None:
                self._forward(sock, holder)
                return
            stream = self._shake_hands(sock)
            if stream is not None:
                self._serve(stream)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _shake_hands(self, sock: socket.socket) -> ByteStream | None:
        address = "a client of the VCH simulator"
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return ByteStream(sock, address)
            sock.settimeout(_HANDSHAKE_SECONDS)
            return TLSServerStream(self._context.wrap_socket(sock, server_side=True), address)
        except (OSError, ValueError):
            # A client without a certificate, or not speaking TLS. It has been told in TLS's own way.
            sock.close()
            return None

    def _forward(self, sock: socket.socket, address: tuple[str, int]) -> None:
        client = ByteStream(sock, "a client of the VCH simulator")
        with contextlib.closing(client), self._kept(client), contextlib.suppress(OSError):
            there = socket.create_connection(address, timeout=_CONNECT_SECONDS)
            with contextlib.closing(ByteStream(there, "a container")) as stream, self._kept(stream):
                pump(client, stream, to_behind=b"", to_client=b"")

    @contextlib.contextmanager
    def _kept(self, stream: ByteStream) -> Iterator[None]:
        """Hang up on a stream when the server closes."""
        with self._lock:
            self._streams.add(stream)
            if self._closed:
                hang_up(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)

    def _serve(self, stream: ByteStream) -> None:
        with self._lock:
            if self._closed:
                stream.close()
                return
            self._streams.add(stream)
        connection = Connection(stream)
        try:
            while True:
                request = connection.read_request()
                if request is None or not self._router.serve(request, connection):
                    return
        except Exception as error:
            if not is_connection_error(error):
                raise
        finally:
            with self._lock:
                self._streams.discard(stream)
            connection.close()

    def close(self) -> None:
        """Stop listening, hang up on everybody, wait for the threads."""
        with self._lock:
            self._closed = True
        with contextlib.suppress(OSError):
            # Wakes accept(), which close() alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(_CLOSE_SECONDS)
        with self._lock:
            threads = list(self._threads)
            for stream in self._streams:
                hang_up(stream)
        for thread in threads:
            thread.join(_CLOSE_SECONDS)


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 is any. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener
