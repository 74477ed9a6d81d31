"""The SSH servers of docker-machine's machines, from their records."""

from __future__ import annotations

import os

from dinv.drivers.docker_machine.facts import located
from dinv.drivers.ssh_address import SSHAddress
from dinv.errors import MachineError, MachineNotRunning
from dinv.formats.host_port import SSH_PORT
from dinv.formats.kinds import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig

_USER = "root"
"""libmachine: libmachine/drivers/base.go."""


def address(config: MachineConfig) -> SSHAddress:
    """Return the address, with the recorded key, port and user. Raises MachineError, MachineNotRunning."""
    kept = config.driver
    # VirtualBox forwards a port of this computer to the machine (docker/machine: drivers/virtualbox).
    host = "127.0.0.1" if config.driver_name == "virtualbox" else text(kept.get("IPAddress"))
    if not host:
        raise MachineNotRunning(config.name, "without a known address")
    user = text(kept.get("SSHUser")) or _USER
    if user.startswith("-"):
        raise MachineError(
            config.name,
            f'Machine "{config.name}": its config.json has an invalid user for SSH: {user}',
        )
    port = kept.get("SSHPort")
    return SSHAddress(
        host,
        port if isinstance(port, int) and port > 0 else SSH_PORT,
        user,
        _key(config),
        whose="a machine that docker-machine made",
    )


def _key(config: MachineConfig) -> str:
    """Return its private key; "" if docker-machine leaves it to ssh-agent."""
    named = text(config.driver.get("SSHKeyPath")) or text(config.driver.get("SSHKey"))
    path = located(config, named) if named else os.path.join(config.directory, "id_rsa")
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError as error:
        if not named:
            return ""
        raise MachineError(
            config.name,
            f'The SSH key of machine "{config.name}" cannot be used: {path}: {error.strerror}',
        ) from error
    if mode & 0o077:
        raise MachineError(
            config.name,
            f"The SSH key {path} can be read by others, and ssh takes none such. Run: chmod 600 {path}",
        )
    return path
