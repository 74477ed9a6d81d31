"""An endpoint behind ssh: the system's `ssh HOST docker system dial-stdio`, as the docker CLI does it."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import subprocess

from dinv.engine.wire.byte_stream import ByteStream
from dinv.errors import EndpointUnreachable
from dinv.system import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from dinv.errors import DinvError
    from dinv.system.deadline import Deadline

_LAST_LINES = 5
_MOST_WORDS = 500
_NOISE = "Warning: Permanently added "
"""ssh's message about a new host if StrictHostKeyChecking is off: never the reason for a failure."""
_CONFIG_SECONDS = 5.0
_LAST_WORDS_SECONDS = 0.3
"""For ssh to end, when something else than docker has spoken: where nobody may log in, it does at once."""

_LOGIN = (
    "the docker CLI, or Podman, must be installed on that host, and in the PATH of commands run by ssh, "
    "which is another one than a login's"
)

# Messages of ssh or the far side, ignoring case -> advice. The first match counts.
_HINTS = (
    (
        r"permission denied \(",
        "dinv never asks for passwords: load the key into ssh-agent, or name it in ~/.ssh/config",
    ),
    (
        "too many authentication failures",
        "the agent offers too many keys: name the right one in ~/.ssh/config, with IdentitiesOnly yes",
    ),
    (
        "remote host identification has changed",
        (
            "another host answers than the one known by this name, or it was reinstalled: find out which; "
            "ssh-keygen -R removes the old key"
        ),
    ),
    ("host key verification failed", "connect once by hand with ssh to accept its key"),
    (
        "unrecognized command .*podman",
        (
            "Podman is there in docker's place, and has no dial-stdio; forward its socket with ssh -L, and "
            "name that"
        ),
    ),
    ("dial-stdio", "the docker CLI on that host is too old (18.09 is needed)"),
    (
        "permission denied.*docker daemon|permission denied.*docker.sock",
        "the user must be in the docker group on that host",
    ),
    (
        "podman.*(?:no such file|connection refused)",
        "Podman's service must run on that host: systemctl enable --now podman.socket",
    ),
    (
        "cannot connect to the docker daemon|dial unix .*: (?:no such file|connect: )",
        "the engine must run on that host",
    ),
)

# sh, bash, zsh, fish, csh, ksh, env, cmd.exe, PowerShell: each has its own message.
_MISSING = re.compile(
    r"\bdocker\W{0,3}:? .{0,30}(?:not found|no such file|not recognized|unknown command)"
    r"|(?:not found|unknown command|unknown program)\W{1,4}docker\b"
    r"|(?:the term )?['\"](?:docker|sh)['\"] is not recognized",
    re.IGNORECASE,
)
# The docker CLI is there, but no engine: Podman's users often have it installed.
_NO_ENGINE = re.compile(r"dial unix /var/run/docker\.sock: connect: no such file", re.IGNORECASE)
_NOT_FOUND = 127
"""The exit status of shells if there is no such command (POSIX, 2.8.2)."""

# In addition to the user's login PATH: Homebrew, MacPorts, snaps, Docker Desktop, OrbStack, Rancher Desktop.
_PLACES = (
    "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin:/opt/local/bin:/snap/bin:"
    "$HOME/bin:$HOME/.local/bin:$HOME/.docker/bin:$HOME/.orbstack/bin:$HOME/.rd/bin:"
    "/Applications/Docker.app/Contents/Resources/bin"
)
# If one of these exists, an engine is meant; else Podman, whose users often have the docker CLI as well.
_SOCKETS = (
    "/var/run/docker.sock /run/user/$(id -u 2>/dev/null)/docker.sock $HOME/.docker/run/docker.sock "
    "$HOME/.orbstack/run/docker.sock $HOME/.rd/docker.sock"
)
# One line, without quotation marks that the login shell would see: that may be csh or fish. A start-up file
# may print what it likes before PATH, and must not read what is meant for docker.
_LOOK = (
    'login=$("${SHELL:-sh}" -lc "printenv PATH" </dev/null 2>/dev/null | tail -n 1); '
    f'PATH="$PATH:$login:{_PLACES}"; export PATH; '
    "podman=$(command -v podman); "
    f"for socket in {_SOCKETS}; do if [ -S $socket ]; then podman=; fi; done; "
    'if [ -z "$podman" ] && command -v docker >/dev/null 2>&1; then exec docker HOST system dial-stdio; fi; '
    "if command -v podman >/dev/null 2>&1; then exec podman URL system dial-stdio; fi; "
    'echo "docker: not found, and no podman" >&2; exit 127'
)


class NoDockerThere(EndpointUnreachable):
    """The far side was reached, but has no docker in the PATH of the command, or no engine."""


def looking_for_docker(socket_path: str) -> list[str]:
    """Return the command for a far side without docker in its PATH: `socket_path` is the engine's, or ""."""
    where = shlex.quote(f"unix://{socket_path}")
    host, url = (f"--host {where} ", f"--url {where} ") if socket_path else ("", "")
    script = _LOOK.replace("HOST ", host).replace("URL ", url)
    if socket_path:
        script = script.replace("podman=$(command -v podman)", "podman=")  # the docker CLI reaches any
    return ["sh", "-c", shlex.quote(script)]


def _hint(words: str) -> str:
    return next((hint for part, hint in _HINTS if re.search(part, words, re.IGNORECASE)), "")


def host_name(destination: str) -> str:
    """Return the name or address that ssh connects to for `destination`, by the user's configuration.

    `ssh -G` prints it without connecting (ssh(1)); if it fails, the destination is returned unchanged.
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

    ssh runs in a session of its own: a Ctrl-C in the terminal must not cut the connection that cleaning up
    needs. It ends when our end of the pair closes, even if we are killed. Raises EndpointUnreachable if there
    is no ssh. Whether the far side answers shows at the first use.
    """
    remaining = deadline.remaining()
    if remaining is not None:
        argv = [argv[0], "-o", f"ConnectTimeout={max(1, round(remaining))}", *argv[1:]]
    ours, theirs = socket.socketpair()
    # A file and not a pipe: nobody has to read it for ssh to go on, and a ControlMaster left
    # behind by ssh may hold it open without keeping us waiting for its end.
    said = scratch.small()
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

    def ended(self, exc: OSError) -> bool:
        """Whether an error of receiving is but the end: ssh found nothing wrong."""
        try:
            return super().ended(exc) and self._child.wait(1) == 0
        except subprocess.TimeoutExpired:
            return False

    def lost(self, what: str, exc: OSError | None = None) -> DinvError:
        """Return the error that says why the stream broke off: in ssh's own words, if there are any."""
        try:
            # ssh closes its end just before it exits.
            status = self._child.wait(1)
        except subprocess.TimeoutExpired:
            return super().lost(what, exc)
        words = self._words()
        if _MISSING.search(words) or (status == _NOT_FOUND and not _hint(words)):
            return NoDockerThere(self.address, f"{words or f'status {status}'} ({_LOGIN})")
        if not words:
            return EndpointUnreachable(self.address, f"ssh ended with status {status} during {what}")
        hint = _hint(words)
        kind = NoDockerThere if _NO_ENGINE.search(words) else EndpointUnreachable
        return kind(self.address, f"{words} ({hint})" if hint else words)

    def spoken_by_another(self, data: bytes) -> DinvError:
        """Return the error that the far side's shell printed something before docker did."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_LAST_WORDS_SECONDS)
        with contextlib.suppress(OSError):
            while len(data) < _MOST_WORDS and (more := self.try_recv(_MOST_WORDS)):
                data += more
        lines = data[:_MOST_WORDS].decode(errors="replace").splitlines()
        said = "; ".join(filter(None, (*map(str.strip, lines), self._words())))
        return EndpointUnreachable(
            self.address,
            f'something over there said "{said}" before Docker could answer (a start-up file of that user\'s '
            f"shell, such as ~/.bashrc or ~/.zshenv, that prints for commands run by ssh, too; it has to be "
            f"silent for them)",
        )

    def _words(self) -> str:
        if self._said.closed:
            return ""
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines()]
        return "; ".join([line for line in lines if line and not line.startswith(_NOISE)][-_LAST_LINES:])

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
