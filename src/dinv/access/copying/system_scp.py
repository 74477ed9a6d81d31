"""Copies to and from machines with an SSH server (docker-machine's), by the system's scp and its rules."""

from __future__ import annotations

import os
import subprocess

from dinv.access import system_ssh
from dinv.drivers.ssh_address import scp_command
from dinv.errors import CopyError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.access.place import Place
    from dinv.lifecycle.hosts import Hosts


def copy(source: Place, target: Place, *, recursive: bool, quiet: bool, hosts: Hosts) -> None:
    """Copy between such a machine and a local path. Raises CopyError, InputError, MachineNotRunning."""
    theirs = target if source.machine is None else source
    address = system_ssh.of_machine(str(theirs.machine), hosts)
    if address is None:
        raise InputError(f"{theirs} is in a machine that has no SSH server")
    command, login = scp_command(address, theirs.user, recursive=recursive, quiet=quiet)
    paths = [
        # ./ keeps a local path with a colon or dash from being misread; remote paths start from ~/ anyway.
        os.path.join(".", place.path) if place.machine is None else login + place.path.removeprefix("~/")
        for place in (source, target)
    ]
    try:
        status = subprocess.run([*command, *paths], check=False).returncode
    except OSError as error:
        raise CopyError(f"{command[0]} cannot be run: {error.strerror}") from error
    if status:
        raise CopyError(f"Copying {source} to {target} failed: scp ended with status {status}")
