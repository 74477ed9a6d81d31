"""Where a machine's own SSH server is, for machines that have one, and how ssh and scp get there.

The programs are called as docker-machine calls them; but the server's key is checked where it is known, as it
is of the machines that dinv has made.
"""

from __future__ import annotations

from dinv.formats import host_port
from dinv.system import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.store.record import MachineConfig

_NONE = "/dev/null"
_OPTIONS = (
    # Those of docker/machine: libmachine/ssh/client.go, but LogLevel: `quiet` said nothing of what failed.
    *("-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "LogLevel=ERROR"),
    *("-o", "ConnectionAttempts=3", "-o", "ConnectTimeout=10"),
    *("-o", "ControlMaster=no", "-o", "ControlPath=none"),
)


class SSHAddress:
    """Host and port of an SSH server, the user and the key.

    `key` is the path of a private key, "" if ssh-agent has it; `whose` says what kind of machine it is, for
    the error that there is no ssh on this computer. `known_hosts` is the path of the file that has the
    server's public keys, under the name `alias`; "" where they are not known: docker-machine checks none.
    """

    __slots__ = ("alias", "host", "key", "known_hosts", "port", "user", "whose")

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        key: str,
        *,
        whose: str,
        known_hosts: str = "",
        alias: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.key = key
        self.whose = whose
        self.known_hosts = known_hosts
        self.alias = alias

    def __repr__(self) -> str:
        return f"SSHAddress({self.user}@{host_port.join(self.host, self.port)})"

    @property
    def identity(self) -> list[str]:
        """Return the options for the key, of ssh and of scp."""
        return ["-o", "IdentitiesOnly=yes", "-i", self.key] if self.key else []

    @property
    def checking(self) -> dict[str, str]:
        """Return ssh's options for the server's key, by name: ssh_config(5)."""
        if not self.known_hosts:
            return {"StrictHostKeyChecking": "no", "UserKnownHostsFile": _NONE}
        return {
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": quoted(self.known_hosts),
            "GlobalKnownHostsFile": _NONE,
            "HostKeyAlias": self.alias,
            "UpdateHostKeys": "no",
        }

    @property
    def options(self) -> list[str]:
        """Return ssh's and scp's options for all connections to it."""
        return [*_OPTIONS, *(word for item in self.checking.items() for word in ("-o", "=".join(item)))]


def alias_of(config: MachineConfig) -> str:
    """Return the name under which the keys of a machine's SSH server are recorded: it stays the same."""
    return f"dinv-{config.identity}"


def quoted(path: str) -> str:
    """Return a path as an option of ssh takes it: `%` begins a token there, and blanks part names.

    A path with a quotation mark cannot be written (ssh_config(5)); OpenSSH then says that the line is wrong.
    """
    escaped = path.replace("%", "%%")
    return f'"{escaped}"' if any(letter in path for letter in " \t#=") else escaped


def ssh_command(
    address: SSHAddress, options: Sequence[tuple[str, str]], words: Sequence[str], *, terminal: bool = False
) -> list[str]:
    """The system's ssh, for a command or, without words, a shell.

    `options` are ssh's own, letters with values; a user among them takes the place of the one stored. Raises
    InputError.
    """
    ssh = programs.find("ssh", address.whose)
    user = next((value for letter, value in options if letter == "l"), address.user)
    return [
        ssh,
        *address.options,
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
    command = [scp, *address.options, *address.identity, "-P", str(address.port)]
    command += [*(["-r"] if recursive else []), *(["-q"] if quiet else [])]
    return command, f"{user or address.user}@{host_port.bracketed(address.host)}:"
