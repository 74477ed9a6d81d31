"""How an endpoint is reached: what all ways have in common, and `unix://`, the one most taken."""

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
    secure = False

    def __init__(self, path: str) -> None:
        self.path = path
        self.address = f"unix://{path}"
        self.absent = ""
        """What to do where nothing listens, for the error: whose socket it is, the caller knows."""

    def name_by_address(self) -> bool:
        """There is no address to say."""
        return False

    def another_way(self, error: EndpointUnreachable) -> bool:
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
                # Linux: the listener's queue is full, and it will not tell when there is room.
                if deadline.expired:
                    raise EndpointUnreachable(
                        self.address, f"it took no connection within {deadline.seconds:g} s"
                    ) from None
                sleep(0.005)
            else:
                return
