"""Bytes to and from the endpoint, with a deadline on each wait."""

from __future__ import annotations

import select
from math import ceil

from dinv.errors import EndpointUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from dinv.errors import DinvError
    from dinv.system.deadline import Deadline

# poll() takes an int of milliseconds; a day is long enough for one round of it.
_LONGEST_POLL = 86_400_000


def poll_limit(deadline: Deadline) -> int:
    """Return the milliseconds for poll(); it may have to be called again before the deadline."""
    remaining = deadline.remaining()
    return _LONGEST_POLL if remaining is None else min(_LONGEST_POLL, ceil(remaining * 1000))


class ByteStream:
    """A connected stream socket, made non-blocking; all waiting is done here.

    `answered` tells whether anything was ever received: a stream that breaks before that was refused, not
    interrupted. `doubt` is then added to the error: what may be wrong with how the other side was spoken to.
    """

    def __init__(self, sock: _socket.socket, address: str, doubt: str = "") -> None:
        sock.settimeout(0)
        self.sock = sock
        self.address = address
        self.doubt = doubt
        self.answered = False

    def fileno(self) -> int:
        """Return the descriptor to select on. Check `pending` first."""
        return self.sock.fileno()

    def pending(self) -> int:
        """Bytes that `try_recv` has ready though the descriptor may not be readable (TLS)."""
        return 0

    def try_recv(self, size: int) -> bytes | None:
        """Receive what is there: None if nothing has arrived yet, b"" at the end of the stream."""
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return None
        if data:
            self.answered = True
        return data

    def try_send(self, data: bytes | memoryview) -> int:
        """Send what can be sent without waiting; return how many bytes of `data` were taken, 0 for none."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def flush(self) -> bool:
        """Pass on what `try_send` took and still holds; return True when nothing is held any more."""
        return True

    def wait(self, deadline: Deadline, what: str, *, read: bool = False, write: bool = False) -> None:
        """Wait until the socket can be read from, or written to. Raises DeadlineExceeded."""
        poll = select.poll()
        poll.register(self.sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
        while True:
            if poll.poll(poll_limit(deadline)):
                return
            deadline.raise_if_expired(what)

    def recv(self, size: int, deadline: Deadline, what: str) -> bytes:
        """Receive at least one byte, b"" at the end.

        Raises DeadlineExceeded, EndpointUnreachable (the connection broke), EndpointTLSError.
        """
        while True:
            deadline.raise_if_expired(what)
            try:
                data = self.try_recv(size)
            except OSError as exc:
                if self.ended(exc):
                    return b""
                raise self.lost(what, exc) from exc
            if data is not None:
                deadline.progress()
                return data
            self.wait(deadline, what, read=True)

    def send_all(self, data: bytes, deadline: Deadline, what: str) -> None:
        """Send all of `data`. Raises as `recv` does."""
        view = memoryview(data)
        while view or not self.flush():
            deadline.raise_if_expired(what)
            try:
                sent = self.try_send(view) if view else 0
            except OSError as exc:
                raise self.lost(what, exc) from exc
            if sent:
                deadline.progress()
                view = view[sent:]
            else:
                self.wait(deadline, what, write=True)

    def ended(self, exc: OSError) -> bool:
        """Whether an error of receiving is but the end: the other side has closed, with bytes of ours unread.

        Linux says so on a Unix socket, and only once all that the other side had sent has been received. By
        TCP a reset may have overtaken some of that.
        """
        import _socket

        return isinstance(exc, ConnectionResetError) and self.sock.family == _socket.AF_UNIX

    def lost(self, what: str, exc: OSError | None = None) -> DinvError:
        """Return the error that says why the stream broke off during `what`."""
        reason = f" ({exc.strerror})" if exc is not None and exc.strerror else ""
        doubt = f". {self.doubt}" if self.doubt and not self.answered else ""
        return EndpointUnreachable(self.address, f"it closed the connection during {what}{reason}{doubt}")

    def spoken_by_another(self, data: bytes) -> DinvError | None:  # nobody else is here
        """Return an error with the words in `data`, if something in between may have said them; else None."""
        return None

    def close_write(self) -> None:
        """Tell the other side that nothing more will be sent; reading goes on."""
        import _socket

        try:
            self.sock.shutdown(_socket.SHUT_WR)
        except OSError:
            # The other side is gone already; reading will report that with a better reason.
            return

    def close(self) -> None:
        """Close the connection. May be called again."""
        self.sock.close()
