"""Copies to and from machines with an SSH server (docker-machine's): by the system's scp and its rules."""

from __future__ import annotations

import os
import posixpath

from dinv.access import system_ssh
from dinv.access.scp import Place
from dinv.errors import CopyError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.machines import Machines
    from dinv.progress import Progress


def copy(
    source: Place, target: Place, *, recursive: bool, quiet: bool, machines: Machines, progress: Progress
) -> None:
    """Copy between such a machine and a path here, or another machine of either kind.

    What is copied from one machine to another lies in a temporary directory here for a while: scp can pass
    it on (-3), but takes one key and one port for both, and dinv's own machines have no SSH. Raises
    CopyError, InputError, MachineNotRunning.
    """
    if source.machine is None or target.machine is None:
        _scp(source, target, recursive=recursive, quiet=quiet, machines=machines)
        return
    from dinv.access import scp
    from dinv.system import scratch

    # Both, before the first of them takes its time.
    for place in (source, target):
        _check(place, machines)
    with scratch.directory("dinv-scp-") as directory:
        for one, other in _halves(source, target, directory):
            scp.copy(one, other, recursive=recursive, quiet=quiet, machines=machines, progress=progress)


def _halves(source: Place, target: Place, directory: str) -> Iterator[tuple[Place, Place]]:
    yield source, Place(None, directory)
    found = sorted(os.listdir(directory))
    if posixpath.basename(source.path.rstrip("/")) in ("", ".", ".."):
        found = ["."]  # its content was meant, not itself
    for name in found:
        yield Place(None, os.path.join(directory, name)), target


def _check(place: Place, machines: Machines) -> None:
    if system_ssh.of_machine(str(place.machine), machines) is None:
        place.as_root()


def _scp(source: Place, target: Place, *, recursive: bool, quiet: bool, machines: Machines) -> None:
    import subprocess

    theirs = target if source.machine is None else source
    address = system_ssh.of_machine(str(theirs.machine), machines)
    if address is None:
        raise InputError(f"{theirs} is in a machine that has no SSH server")
    command, login = system_ssh.scp_command(address, theirs.user, recursive=recursive, quiet=quiet)
    paths = [
        # A path here with a colon or a dash is taken for something else; ~/ is where paths there begin.
        os.path.join(".", place.path) if place.machine is None else login + place.path.removeprefix("~/")
        for place in (source, target)
    ]
    try:
        status = subprocess.run([*command, *paths], check=False).returncode
    except OSError as error:
        raise CopyError(f"{command[0]} cannot be run: {error.strerror}") from error
    if status:
        raise CopyError(f"Copying {source} to {target} failed: scp ended with status {status}")
