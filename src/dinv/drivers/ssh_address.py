"""Where a machine's own SSH server is, for drivers whose machines have one, and how ssh and scp get there.

Those are docker-machine's machines, and the programs are called as docker-machine calls them.
"""

from __future__ import annotations

from dinv.formats import host_port
from dinv.system import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = (
    # Those of docker/machine: libmachine/ssh/client.go, but LogLevel: `quiet` said nothing of what failed.
    *("-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectionAttempts=3"),
    *("-o", "ConnectTimeout=10", "-o", "ControlMaster=no", "-o", "ControlPath=none"),
)


class SSHAddress:
    """Host and port of an SSH server, the user and the key.

    `key` is the path of a private key, "" if ssh-agent has it; `whose` says what kind of machine it is, for
    the error that there is no ssh on this computer.
    """

    __slots__ = ("host", "key", "port", "user", "whose")

    def __init__(self, host: str, port: int, user: str, key: str, *, whose: str) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.key = key
        self.whose = whose

    def __repr__(self) -> str:
        return f"SSHAddress({self.user}@{host_port.join(self.host, self.port)})"

    @property
    def identity(self) -> list[str]:
        """Return the options for the key, of ssh and of scp."""
        return ["-o", "IdentitiesOnly=yes", "-i", self.key] if self.key else []


def ssh_command(
    address: SSHAddress, options: Sequence[tuple[str, str]], words: Sequence[str], *, terminal: bool = False
) -> list[str]:
    """The system's ssh as docker-machine calls it, for a command or, without words, a shell.

    `options` are ssh's own, letters with values; a user among them takes the place of the one stored. Raises
    InputError.
    """
    ssh = programs.find("ssh", address.whose)
    user = next((value for letter, value in options if letter == "l"), address.user)
    return [
        ssh,
        *_OPTIONS,
        *(["-t"] if terminal else []),
        f"{user}@{address.host}",
        *address.identity,
        *("-p", str(address.port)),
        *(f"-{letter}{value}" for letter, value in options if letter != "l"),
        *(["--"] if words and words[0].startswith("-") else []),
        *words,
    ]


def scp_command(address: SSHAddress, user: str, *, recursive: bool, quiet: bool) -> tuple[list[str], str]:
    """The system's scp for the machine, without its two paths, and what its path there begins with.

    `user` is "" for the one stored. Raises InputError.
    """
    scp = programs.find("scp", address.whose)
    command = [scp, *_OPTIONS, *address.identity, "-P", str(address.port)]
    command += [*(["-r"] if recursive else []), *(["-q"] if quiet else [])]
    return command, f"{user or address.user}@{host_port.bracketed(address.host)}:"
