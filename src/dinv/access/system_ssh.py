"""The system's ssh and scp, for machines with an SSH server of their own: with the key, port and user stored.

Those are docker-machine's machines, and ssh is called as docker-machine calls it.
"""

from __future__ import annotations

from dinv.formats.host_port import bracketed
from dinv.system import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.access.ssh_options import Option
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.lifecycle.hosts import Hosts

_OPTIONS = (
    # Those of docker/machine: libmachine/ssh/client.go, but LogLevel: `quiet` said nothing of what failed.
    *("-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectionAttempts=3"),
    *("-o", "ConnectTimeout=10", "-o", "ControlMaster=no", "-o", "ControlPath=none"),
)


def of_machine(name: str, hosts: Hosts) -> SSHAddress | None:
    """Where a machine's SSH server is; None where files go by its channel. Raises MachineNotRunning, ..."""
    return hosts.get(name).driver.ssh_address()


def ssh_command(
    address: SSHAddress, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> list[str]:
    """The system's ssh as docker-machine calls it, for a command or, without words, a shell.

    `options` are ssh's own, as there; a user among them takes the place of the one stored. Raises
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
    return command, f"{user or address.user}@{bracketed(address.host)}:"


def run(
    address: SSHAddress, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> int:
    """Run ssh in this process's place; see `programs.replace_process`. Raises InputError."""
    return programs.replace_process(ssh_command(address, options, words, terminal=terminal))
