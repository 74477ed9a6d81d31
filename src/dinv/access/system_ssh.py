"""Replace this process by the system's ssh, for machines with their own SSH server."""

from __future__ import annotations

from dinv.drivers.ssh_address import ssh_command
from dinv.system import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.access.ssh_options import Option
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.lifecycle.hosts import Hosts


def of_machine(name: str, hosts: Hosts) -> SSHAddress | None:
    """Return a machine's SSH address; None if its guest channel is used. Raises MachineNotRunning."""
    return hosts.get(name).driver.ssh_address()


def run(
    address: SSHAddress, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> int:
    """Replace this process by ssh; see `programs.replace_process`. Raises InputError."""
    return programs.replace_process(ssh_command(address, options, words, terminal=terminal))
