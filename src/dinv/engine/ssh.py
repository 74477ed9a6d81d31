"""An endpoint behind ssh: the system's `ssh HOST docker system dial-stdio`, as the docker CLI does it."""

from __future__ import annotations

import socket
import subprocess
import tempfile

from dinv.engine.bytestream import ByteStream
from dinv.errors import EndpointUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from dinv.engine.deadline import Deadline
    from dinv.errors import DinvError

_LAST_LINES = 5
_CONFIG_SECONDS = 5.0

# What ssh or the far side says -> what to do about it.
_HINTS = (
    (
        "Permission denied (",
        "dinv never asks for passwords: load the key into ssh-agent, or name it in ~/.ssh/config",
    ),
    ("Host key verification failed", "connect once by hand with ssh to accept its key"),
    ("dial-stdio", "the docker CLI on that host is too old (18.09 is needed)"),
    ("docker: command not found", "the docker CLI must be installed on that host"),
    ("docker: not found", "the docker CLI must be installed on that host"),
)


def host_name(destination: str) -> str:
    """Return the name or address that ssh connects to for `destination`, by the user's configuration.

    `ssh -G` says it without connecting (ssh(1)); an ssh that cannot leaves the destination as it is.
    """
    try:
        said = subprocess.run(
            ["ssh", "-G", "--", destination],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CONFIG_SECONDS,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return destination
    names = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("hostname ")]
    return names[0] if names else destination


def open_stream(argv: list[str], address: str, deadline: Deadline) -> SSHByteStream:
    """Start ssh on one end of a socket pair and return the other end.

    ssh runs in a session of its own: a Ctrl-C in the terminal must not cut the connection that
    cleaning up needs. It ends when its end of the pair closes, even if we are killed.
    Raises EndpointUnreachable when there is no ssh. Whether the far side answers shows at the
    first use.
    """
    remaining = deadline.remaining()
    if remaining is not None:
        argv = [argv[0], "-o", f"ConnectTimeout={max(1, round(remaining))}", *argv[1:]]
    ours, theirs = socket.socketpair()
    # A file and not a pipe: nobody has to read it for ssh to go on, and a ControlMaster left
    # behind by ssh may hold it open without keeping us waiting for its end.
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
    try:
        child = subprocess.Popen(
            argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said, start_new_session=True
        )
    except BaseException as exc:
        ours.close()
        said.close()
        if isinstance(exc, FileNotFoundError):
            raise EndpointUnreachable(address, "ssh is not installed on this machine") from exc
        if isinstance(exc, OSError):
            raise EndpointUnreachable(address, f"ssh cannot be started: {exc.strerror}") from exc
        raise
    finally:
        theirs.close()
    return SSHByteStream(ours, address, child, said)


class SSHByteStream(ByteStream):
    """Our end of the socket pair, and the ssh process at the other."""

    def __init__(
        self, sock: socket.socket, address: str, child: subprocess.Popen[bytes], said: IO[bytes]
    ) -> None:
        super().__init__(sock, address)
        self._child = child
        self._said = said

    def lost(self, what: str, exc: OSError | None = None) -> DinvError:
        """Return the error that says why the stream broke off: in ssh's own words, where it said some."""
        try:
            # ssh closes its end just before it exits.
            status = self._child.wait(1)
        except subprocess.TimeoutExpired:
            return super().lost(what, exc)
        words = self._words()
        if not words:
            return EndpointUnreachable(self.address, f"ssh ended with status {status} during {what}")
        hint = next((hint for part, hint in _HINTS if part in words), "")
        return EndpointUnreachable(self.address, f"{words} ({hint})" if hint else words)

    def _words(self) -> str:
        if self._said.closed:
            return ""
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines()]
        return "; ".join([line for line in lines if line][-_LAST_LINES:])

    def close(self) -> None:
        """Close the connection and reap ssh."""
        super().close()
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(1)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._said.close()
