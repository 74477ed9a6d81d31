"""`tcp://`: a port, with TLS or without."""

from __future__ import annotations

import errno

from dinv.engine.wire.byte_stream import ByteStream
from dinv.engine.wire.transport import CONNECT_REASONS
from dinv.errors import EndpointUnreachable
from dinv.formats.host_port import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl

    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.system.deadline import Deadline

_DOUBT = "A port that speaks TLS only may do so, and it was spoken to without"
"""haproxy and others close the connection; Go's server answers (`engine.calls`)."""


class TCPTransport:
    """A TCP port, with TLS when `tls` is given. `host` may be an IPv6 address with a zone, `fe80::1%eth0`."""

    def __init__(self, host: str, port: int, tls: TLSFiles | None = None, *, base_path: str = "") -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.base_path = base_path
        # A zone is only meaningful on this computer (RFC 6874, section 4).
        self.http_host = join(host.partition("%")[0], port)
        self.address = f"tcp://{join(host.replace('%', '%25'), port)}{base_path}"
        self._context: ssl.SSLContext | None = None
        self._peer = ""

    def name_by_address(self) -> bool:
        """Put the address last connected to in the Host header; return False if it is there already."""
        said = self.http_host
        if self._peer:
            self.http_host = join(self._peer.partition("%")[0], self.port)
        return self.http_host != said

    def another_way(self, error: EndpointUnreachable) -> bool:
        """There is no other way."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Connect, and shake hands. Raises EndpointUnreachable, EndpointTLSError, DeadlineExceeded."""
        if self.tls is None:
            return ByteStream(self._connect(deadline), self.address, _DOUBT)
        from dinv.engine.wire.tls import TLSByteStream, client_context

        if self._context is None:
            self._context = client_context(self.tls, self.address)
        sock = self._connect(deadline)
        try:
            stream = TLSByteStream(sock, self.address, self._context, self.host.partition("%")[0], self.tls)
            stream.handshake(deadline, f"the TLS handshake with {self.address}")
        except BaseException:
            sock.close()
            raise
        return stream

    def _connect(self, deadline: Deadline) -> socket.socket:
        import socket

        found = _resolve(self.host, self.port, deadline, self.address)
        failure: OSError | None = None
        for left, (family, kind, proto, _, where) in zip(range(len(found), 0, -1), found, strict=True):
            remaining = deadline.remaining()
            sock = socket.socket(family, kind, proto)
            try:
                # An address that drops packets must not use up the time of the next one.
                sock.settimeout(None if remaining is None else max(0.001, remaining / left))
                sock.connect(where)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self._peer = str(sock.getpeername()[0])
            except OSError as exc:
                sock.close()
                failure = exc
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise EndpointUnreachable(self.address, _tcp_reason(failure, deadline)) from failure


def _tcp_reason(exc: OSError | None, deadline: Deadline) -> str:
    if isinstance(exc, TimeoutError) and exc.errno is None:
        return f"no answer within {deadline.seconds:g} s"
    if isinstance(exc, ConnectionRefusedError):
        return CONNECT_REASONS[errno.ECONNREFUSED]
    return "no address" if exc is None else exc.strerror or str(exc)


def _resolve(host: str, port: int, deadline: Deadline, address: str) -> list[tuple]:  # type: ignore[type-arg]
    """Look a name up, with a deadline, which the C library's resolver does not have."""
    import socket

    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):  # UnicodeError: a label is empty or too long
        pass
    import threading

    answer: list[list[tuple] | OSError] = []  # type: ignore[type-arg]

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            answer.append(exc if isinstance(exc, OSError) else OSError(errno.EINVAL, "not a host name"))

    thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if not answer:
        raise EndpointUnreachable(address, f'no answer about the name "{host}" within {deadline.seconds:g} s')
    if isinstance(answer[0], OSError):
        reason = f'the name "{host}" cannot be resolved: {answer[0].strerror}'
        raise EndpointUnreachable(address, reason) from answer[0]
    return answer[0]
