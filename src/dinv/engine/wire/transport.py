"""How an endpoint is reached: `unix://`, `tcp://` with or without TLS, `ssh://`."""

from __future__ import annotations

import errno
from functools import cached_property
from time import sleep

from dinv.engine.wire.byte_stream import ByteStream
from dinv.engine.wire.http_syntax import quote
from dinv.errors import EndpointUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    import socket
    import ssl
    from typing import Protocol

    from dinv.system.deadline import Deadline

    class Transport(Protocol):
        """One way to reach an endpoint. Connecting twice gives two connections."""

        @property
        def address(self) -> str:
            """The endpoint as the user would write it, for messages."""

        @property
        def host(self) -> str | None:
            """The name or IP by which ports published there are reached; None: this machine."""

        @property
        def http_host(self) -> str:
            """What goes into HTTP's Host header."""

        @property
        def base_path(self) -> str:
            """What comes before the path of each call, for an endpoint behind a proxy; mostly ""."""

        @property
        def secure(self) -> bool:
            """Whether TLS is spoken."""

        def connect(self, deadline: Deadline) -> ByteStream:
            """Connect. Raises EndpointUnreachable, EndpointTLSError."""

        def name_by_address(self) -> bool:
            """Say the IP address for the name in the Host header; False where nothing changes by that."""

        def another_way(self, error: EndpointUnreachable) -> bool:
            """After an error of a new connection: go another way from now on; False where there is none."""

else:
    # A Protocol costs importing typing, and nothing asks at run time.
    Transport = object

DEFAULT_SOCKET = "/var/run/docker.sock"

_CONNECT_REASONS = {
    errno.ENOENT: "there is no such socket; is the engine running?",
    errno.ECONNREFUSED: "nothing listens there (connection refused); is the engine running?",
    errno.EACCES: 'no permission for this socket. Add yourself to the "docker" group and log in again, '
    "or use sudo",
}


class TLSFiles:
    """The files of TLS, as in docker's DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem; each may be None.

    `verify=False` is docker's `--tls`: the server may be anybody.
    """

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(
        self, ca: str | None = None, cert: str | None = None, key: str | None = None, *, verify: bool = True
    ) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify


class UnixTransport:
    """A unix socket on this machine."""

    host = None
    http_host = "localhost"
    base_path = ""
    secure = False

    def __init__(self, path: str) -> None:
        self.path = path
        self.address = f"unix://{path}"
        self.absent = ""
        """What to do where nothing listens, for the error: whose socket it is, the caller knows."""

    def name_by_address(self) -> bool:
        """There is no address to say."""
        return False

    def another_way(self, error: EndpointUnreachable) -> bool:  # whatever it is
        """There is none."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Connect. Raises EndpointUnreachable."""
        # What `socket` is made of, without the enums and selectors, which take 2 ms of `ls` and `status`.
        import _socket

        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._connect(sock, deadline)
        except OSError as exc:
            sock.close()
            # "AF_UNIX path too long" comes without an errno.
            reason = _CONNECT_REASONS.get(exc.errno or 0, exc.strerror or str(exc))
            if self.absent and exc.errno in (errno.ENOENT, errno.ECONNREFUSED):
                reason = self.absent
            raise EndpointUnreachable(self.address, reason) from exc
        except BaseException:
            sock.close()
            raise
        return ByteStream(sock, self.address)

    def _connect(self, sock: _socket.socket, deadline: Deadline) -> None:
        while True:
            try:
                sock.settimeout(deadline.remaining() or 1)
                sock.connect(self.path)
            except BlockingIOError:
                # Linux: the listener's queue is full, and it will not tell when there is room.
                if deadline.expired:
                    raise EndpointUnreachable(
                        self.address, f"it took no connection within {deadline.seconds:g} s"
                    ) from None
                sleep(0.005)
            else:
                return


class TCPTransport:
    """A TCP port, with TLS when `tls` is given. `host` may be an IPv6 address with a zone, `fe80::1%eth0`."""

    def __init__(self, host: str, port: int, tls: TLSFiles | None = None, *, base_path: str = "") -> None:
        from dinv.formats.host_port import join

        self.host = host
        self.port = port
        self.tls = tls
        self.base_path = base_path
        self.secure = tls is not None
        # A zone means something on this computer only (RFC 6874, section 4).
        self.http_host = join(host.partition("%")[0], port)
        self.address = f"tcp://{join(host.replace('%', '%25'), port)}{base_path}"
        self._context: ssl.SSLContext | None = None
        self._peer = ""

    def name_by_address(self) -> bool:
        """Say the address last connected to in the Host header; False where that is what is said already."""
        from dinv.formats.host_port import join

        said = self.http_host
        if self._peer:
            self.http_host = join(self._peer.partition("%")[0], self.port)
        return self.http_host != said

    def another_way(self, error: EndpointUnreachable) -> bool:  # whatever it is
        """There is none."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Connect, and shake hands. Raises EndpointUnreachable, EndpointTLSError, DeadlineExceeded."""
        if self.tls is None:
            return ByteStream(self._connect(deadline), self.address)
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
                # An address that swallows packets may not eat the time of the next one.
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
        return _CONNECT_REASONS[errno.ECONNREFUSED]
    return "no address" if exc is None else exc.strerror or str(exc)


def _resolve(host: str, port: int, deadline: Deadline, address: str) -> list[tuple]:  # type: ignore[type-arg]
    """Look a name up, with a deadline, which the resolver of the C library does not have."""
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


_SHOWN = "/@\\+=,!"
"""What is not percent-encoded in an ssh:// address beside what never is."""


class SSHTransport:
    """A docker CLI behind ssh, or Podman. `host` may be an alias of ~/.ssh/config.

    `socket_path` is the engine's socket over there, where it is not docker's default.
    """

    http_host = "localhost"
    base_path = ""
    secure = False

    def __init__(
        self, host: str, *, user: str | None = None, port: int | None = None, socket_path: str | None = None
    ) -> None:
        from dinv.formats.host_port import bracketed

        self.destination = host
        self.user = user
        self.port = port
        self.socket_path = socket_path
        self._looking = False
        self.address = "".join(
            (
                "ssh://",
                f"{quote(user, _SHOWN)}@" if user else "",
                bracketed(host).replace("%", "%25"),
                f":{port}" if port else "",
                quote(socket_path or "", _SHOWN),
            )
        )

    @cached_property
    def host(self) -> str:
        """The host name or address behind `destination`, which may be an alias that only ssh knows."""
        from dinv.engine.wire.ssh import host_name

        return host_name(self.destination)

    def argv(self) -> list[str]:
        """Return the command that connects: asks nothing, forwards nothing, takes no terminal."""
        import shlex

        argv = [
            "ssh",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "ClearAllForwardings=yes",
            "-o",
            "ServerAliveInterval=30",
        ]
        if self.user:
            argv += ["-l", self.user]
        if self.port:
            argv += ["-p", str(self.port)]
        if self._looking:
            from dinv.engine.wire.ssh import looking_for_docker

            command = looking_for_docker(self.socket_path or "")
        else:
            where = ["--host", shlex.quote(f"unix://{self.socket_path}")] if self.socket_path else []
            command = ["docker", *where, "system", "dial-stdio"]
        return [*argv, "--", self.destination, *command]

    def name_by_address(self) -> bool:
        """The far side is a socket there."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Start ssh. Raises EndpointUnreachable; what the far side says comes with the first answer."""
        from dinv.engine.wire.ssh import open_stream

        return open_stream(self.argv(), self.address, deadline)

    def another_way(self, error: EndpointUnreachable) -> bool:
        """Look for docker, or Podman, beside the PATH of commands run by ssh, where none is in that."""
        from dinv.engine.wire.ssh import NoDockerThere

        if self._looking or not isinstance(error, NoDockerThere):
            return False
        self._looking = True
        return True
