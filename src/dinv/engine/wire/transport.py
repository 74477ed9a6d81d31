"""How an endpoint is reached: what all transports have in common, and `unix://`, the most common one."""

from __future__ import annotations

import errno
from time import sleep

from dinv.engine.wire.byte_stream import ByteStream
from dinv.errors import EndpointUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Protocol

    from dinv.system.deadline import Deadline

    class Transport(Protocol):
        """One way to reach an endpoint. Connecting twice gives two connections."""

        @property
        def address(self) -> str:
            """The endpoint as the user would write it, for messages."""

        @property
        def host(self) -> str | None:
            """The name or IP address by which ports published there are reached; None: this computer."""

        @property
        def http_host(self) -> str:
            """The value of HTTP's Host header."""

        @property
        def base_path(self) -> str:
            """The prefix of each call's path, for an endpoint behind a proxy; mostly ""."""

        def connect(self, deadline: Deadline) -> ByteStream:
            """Connect. Raises EndpointUnreachable, EndpointTLSError."""

        def name_by_address(self) -> bool:
            """Put the IP address in the Host header, not the name; return False if that changes nothing."""

        def another_way(self, error: EndpointUnreachable) -> bool:
            """After an error of a new connection: use another way from then on; False if there is none."""

else:
    # A Protocol costs importing typing, and nothing asks at run time.
    Transport = object

DEFAULT_SOCKET = "/var/run/docker.sock"
"""Where a Docker Engine listens unless it is told otherwise."""

CONNECT_REASONS = {
    errno.ENOENT: "there is no such socket; is the engine running?",
    errno.ECONNREFUSED: "nothing listens there (connection refused); is the engine running?",
    errno.EACCES: 'no permission for this socket. Add yourself to the "docker" group and log in again, '
    "or use sudo",
}


class UnixTransport:
    """A unix socket on this machine."""

    host = None
    http_host = "localhost"
    base_path = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.address = f"unix://{path}"
        self.absent = ""
        """Advice if nothing listens, for the error: only the caller knows whose socket it is."""

    def name_by_address(self) -> bool:
        """There is no address to use."""
        return False

    def another_way(self, error: EndpointUnreachable) -> bool:
        """There is no other way."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Connect. Raises EndpointUnreachable."""
        # The C part of `socket`, without the enums and selectors, which take 2 ms of `ls` and `status`.
        import _socket

        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._connect(sock, deadline)
        except OSError as exc:
            sock.close()
            # "AF_UNIX path too long" comes without an errno.
            reason = CONNECT_REASONS.get(exc.errno or 0, exc.strerror or str(exc))
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
                # Linux: the listener's queue is full, and there is no event for when it has room.
                if deadline.expired:
                    raise EndpointUnreachable(
                        self.address, f"it took no connection within {deadline.seconds:g} s"
                    ) from None
                sleep(0.005)
            else:
                return
