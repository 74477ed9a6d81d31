"""The system's ssh, for machines with an SSH server of their own: run in place of this process, or set up.

What it is told is in the words of ssh_config(5), for `dinv ssh-config`. Only what is recorded goes into that:
no machine is asked, and none need run.
"""

from __future__ import annotations

from dinv.drivers.ssh_address import quoted, ssh_command
from dinv.errors import DinvError, NotSupported
from dinv.system import programs
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dinv.access.ssh_options import Option
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.lifecycle.host import Host
    from dinv.lifecycle.hosts import Hosts


def of_machine(name: str, hosts: Hosts) -> SSHAddress | None:
    """Return a machine's SSH address; None if its guest channel is used. Raises MachineNotRunning."""
    return hosts.get(name).driver.ssh_address()


def run(
    address: SSHAddress, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> int:
    """Replace this process by ssh; see `programs.replace_process`. Raises InputError."""
    return programs.replace_process(ssh_command(address, options, words, terminal=terminal))


def configuration(machine: Host) -> str:
    """Return the section of ~/.ssh/config for a machine, with a line break at its end.

    Raises NotSupported for one without an SSH server that clients reach, MachineNotRunning, MachineError.
    """
    address = machine.driver.ssh_server()
    if address is None:
        raise NotSupported(
            machine.name,
            f'Machine "{machine.name}" has no SSH server that plain ssh could reach. '
            + command("ssh", machine.name)
            + " gets in without one, and so do scp, mount, and programs that can be told which ssh to run. A "
            "machine has a server if its image does, as one of "
            + command("image", "build", "--with", "sshd", "--tag", "NAME")
            + "; then "
            + command("upgrade", "--image", "NAME", machine.name),
        )
    entries = {
        "HostName": address.host,
        "Port": str(address.port),
        "User": address.user,
        **({"IdentityFile": quoted(address.key), "IdentitiesOnly": "yes"} if address.key else {}),
        "PasswordAuthentication": "no",
        **address.checking,
    }
    return f"Host {machine.name}\n" + "".join(f"    {key} {value}\n" for key, value in entries.items())


def configurations(machines: Iterable[Host]) -> str:
    """Return the sections of all that have one; for each of the others a comment that says how to get in."""
    return "\n".join(_configuration_or_comment(machine) for machine in machines)


def _configuration_or_comment(machine: Host) -> str:
    try:
        return configuration(machine)
    except NotSupported:
        return f"# {machine.name}: no SSH server; " + command("ssh", machine.name) + "\n"
    except DinvError as error:
        return f"# {machine.name}: {str(error).splitlines()[0]}\n"
