"""Connections that stop being HTTP and become a container's standard streams: exec and attach."""

from __future__ import annotations

import select

from dinv.engine.wire.byte_stream import poll_limit
from dinv.engine.wire.streams import Demultiplexer, Plain
from dinv.errors import ProtocolError
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Mapping
    from typing import BinaryIO, Self

    from dinv.engine.wire.byte_stream import ByteStream

    Sink = Callable[[bytes], object] | BinaryIO | None

_PIECE = 65536


class HijackedStream:
    """A container's standard streams. The caller closes it.

    With a TTY, bytes go both ways unchanged. To drive it with select or poll: check `pending()`, else wait
    for `socket` to be readable; then call `recv_now()`. Without a TTY, the output is multiplexed: see `copy`.
    """

    def __init__(self, stream: ByteStream, early: bytes, *, tty: bool, what: str) -> None:
        self.tty = tty
        self._stream = stream
        self._early = early
        self._what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def socket(self) -> _socket.socket:
        """The socket to select on, non-blocking. With TLS do not read from it: use `recv_now`."""
        return self._stream.sock

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._stream.fileno()

    def pending(self) -> int:
        """Bytes already received, for which select would wait in vain."""
        return len(self._early) + self._stream.pending()

    def recv_now(self, size: int = _PIECE) -> bytes | None:
        """Return what is there: None if there is nothing yet, b"" at the end. Raises EndpointUnreachable."""
        if self._early:
            data, self._early = self._early[:size], self._early[size:]
            return data
        try:
            return self._stream.try_recv(size)
        except OSError as exc:
            if self._stream.ended(exc):
                return b""
            raise self._stream.lost(self._what, exc) from exc

    def recv(self, size: int = _PIECE, timeout: float | Deadline | None = None) -> bytes:
        """Return the next bytes, b"" at the end; by default wait for them without limit."""
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        if self._early:
            return self.recv_now(size) or b""
        return self._stream.recv(size, deadline, self._what)

    def sendall(self, data: bytes, timeout: float | Deadline | None = None) -> None:
        """Send to standard input; by default wait without limit."""
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        self._stream.send_all(data, deadline, self._what)

    def close_write(self) -> None:
        """End standard input; output goes on."""
        self._stream.close_write()

    def close(self) -> None:
        """Close the connection. May be called again."""
        self._stream.close()

    def copy(
        self,
        *,
        stdin: BinaryIO | None = None,
        stdout: Sink = None,
        stderr: Sink = None,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Copy bytes until the other side ends its output.

        `stdin` is read to its end, which ends the command's standard input (but not a terminal's); if it has
        a file descriptor, it is only read when it has something. Output goes to functions or open files, or
        nowhere. Raises DeadlineExceeded, ProtocolError, EndpointUnreachable, and the errors of the sinks.
        """
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(timeout)
        sinks = {"stdout": _writer(stdout), "stderr": _writer(stderr)}
        _Copy(self, self._stream, self._what, stdin, sinks).run(deadline)


def _writer(sink: Sink) -> Callable[[bytes], object] | None:
    if sink is None or callable(sink):
        return sink

    def write(data: bytes) -> None:
        sink.write(data)
        sink.flush()

    return write


class _Copy:
    """The state of one `HijackedStream.copy`."""

    def __init__(
        self,
        hijacked: HijackedStream,
        stream: ByteStream,
        what: str,
        stdin: BinaryIO | None,
        sinks: Mapping[str, Callable[[bytes], object] | None],
    ) -> None:
        self._hijacked = hijacked
        self._stream = stream
        self._what = what
        self._stdin = stdin
        self._stdin_fd = _descriptor(stdin)
        self._sinks = sinks
        self._decoder = Plain() if hijacked.tty else Demultiplexer()
        self._unsent = memoryview(b"")

    def run(self, deadline: Deadline) -> None:
        while True:
            deadline.raise_if_expired(self._what)
            received = self._receive()
            if received is False:
                return
            sent = self._send()
            if received or sent:
                deadline.progress()
            else:
                self._wait(deadline)

    def _receive(self) -> bool | None:
        """Pass on what has arrived: True for some, None for nothing yet, False at the end."""
        data = self._hijacked.recv_now()
        if data is None:
            return None
        try:
            if not data:
                self._decoder.end()
                return False
            pieces = self._decoder.feed(data)
        except ValueError as exc:
            raise ProtocolError(f"The output of {self._what} cannot be used: {exc}") from exc
        for name, piece in pieces:
            sink = self._sinks[name]
            if sink is not None:
                sink(piece)
        return True

    def _send(self) -> bool:
        """Send pending standard input; return False if nothing can be sent now."""
        if not self._unsent and not self._read_stdin():
            return False
        try:
            taken = self._stream.try_send(self._unsent)
        except OSError:
            # The command no longer reads; its remaining output is what counts.
            self._stdin = None
            self._unsent = memoryview(b"")
            return False
        self._unsent = self._unsent[taken:]
        return taken > 0

    def _read_stdin(self) -> bool:
        """Take the next piece of standard input, if there is one now."""
        if self._stdin is None or (self._stdin_fd is not None and not _readable(self._stdin_fd)):
            return False
        # read1: what is there, where read would wait for the buffer to be full.
        read = getattr(self._stdin, "read1", self._stdin.read)
        data: bytes | None = read(_PIECE)
        if data is None:  # a non-blocking file, and another reader took what was there
            return False
        if not data:
            self._stdin = None
            if not self._hijacked.tty:
                # On a terminal the engine takes it for a detach, and ends the output too
                # (moby: container/stream/attach.go).
                self._stream.close_write()
            return False
        self._unsent = memoryview(data)
        return True

    def _wait(self, deadline: Deadline) -> None:
        poll = select.poll()
        sending = bool(self._unsent) or not self._stream_flushed()
        poll.register(self._stream.fileno(), select.POLLIN | (select.POLLOUT if sending else 0))
        if self._stdin is not None and self._stdin_fd is not None and not self._unsent:
            poll.register(self._stdin_fd, select.POLLIN)
        poll.poll(poll_limit(deadline))

    def _stream_flushed(self) -> bool:
        try:
            return self._stream.flush()
        except OSError:
            return True


def _descriptor(stdin: BinaryIO | None) -> int | None:
    """Return what to poll before reading; None for what is in memory and never waits."""
    if stdin is None:
        return None
    try:
        return stdin.fileno()
    except (OSError, AttributeError):
        return None


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
