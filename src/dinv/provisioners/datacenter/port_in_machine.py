"""A TLS connection to a port as the machine sees it, by the guest channel.

So a UCP is reached wherever `dinv ssh` gets: with its port published or not, and behind any firewall that
lets the endpoint's API through.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from math import inf

from dinv.channel import relay
from dinv.engine.wire.tls import TLSByteStream, client_context
from dinv.errors import DinvError, EndpointUnreachable
from dinv.formats.host_port import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from dinv.channel import Channel
    from dinv.engine.wire.byte_stream import ByteStream
    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.system.deadline import Deadline

_MOST_WORDS = 300


class PortInMachine:
    """A port at an address that the machine reaches. `files` are those of TLS.

    `names`: its certificate has to be for one of these names and addresses; by default for `host`.
    """

    def __init__(
        self, channel: Channel, host: str, port: int, files: TLSFiles, *, names: tuple[str, ...] = ()
    ) -> None:
        self._channel = channel
        self.host = host
        self.port = port
        self.names = names or (host,)
        self.address = f"https://{join(host, port)}"
        self.files = files
        self._context: ssl.SSLContext | None = None

    def connect(self, name: str, deadline: Deadline) -> ByteStream:
        """Connect, and see that the certificate is for `name`; the caller closes it.

        Raises EndpointUnreachable, EndpointTLSError, DeadlineExceeded.
        """
        if self._context is None:
            self._context = client_context(self.files, self.address)
        ours, theirs = socket.socketpair()
        said = bytearray()
        limit = deadline.remaining()
        limit = inf if limit is None else limit
        thread = threading.Thread(
            target=self._pass_on, args=(theirs, said, limit), name=f"to port {self.port}", daemon=True
        )
        thread.start()
        try:
            stream = TLSByteStream(ours, self.address, self._context, name, self.files)
            stream.handshake(deadline, f"the TLS handshake with {self.address}")
        except EndpointUnreachable as error:
            ours.close()
            thread.join(1.0)
            if said:
                words = said.decode(errors="replace").strip().splitlines()[-1][:_MOST_WORDS]
                raise EndpointUnreachable(self.address, words) from error
            raise
        except BaseException:
            ours.close()
            raise
        return stream

    def _pass_on(self, theirs: socket.socket, said: bytearray, limit: float) -> None:
        with contextlib.suppress(OSError, ValueError), theirs, theirs.makefile("rb", buffering=0) as stdin:
            try:
                self._channel.run(
                    relay(self.port, self.host),
                    stdin=stdin,  # type: ignore[arg-type]  # a SocketIO: only readinto and fileno are needed
                    stdout=theirs.sendall,
                    stderr=lambda data: said.extend(data[: 1000 - len(said)]),
                    timeout=limit,
                )
            except DinvError as error:
                said.extend(str(error).encode()[:1000])
