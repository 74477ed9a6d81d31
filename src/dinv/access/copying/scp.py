"""Files copied to, from and between machines, with the rules of scp."""

from __future__ import annotations

import os
import posixpath

from dinv.access import system_ssh
from dinv.access.copying import archive, system_scp
from dinv.access.place import Place, check_exists
from dinv.errors import InputError
from dinv.progress import Progress
from dinv.system import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.lifecycle.hosts import Hosts


def copy(
    source: Place,
    target: Place,
    *,
    recursive: bool,
    hosts: Hosts,
    quiet: bool = False,
    progress: Progress | None = None,
) -> None:
    """Copy a file, or with `recursive` a directory. One of the two places at least is in a machine.

    A target that is a directory gets a copy of the source's name; `SOURCE/.` copies what is in it. Otherwise
    the target is the copy's name, in a directory that exists; with a slash at its end it must be a directory
    itself. In a machine, relative paths and `~` start from /root. A source that is a symbolic link is
    followed; those inside a directory stay links. `dinv.formats.archives` says what travels.

    Works on stopped machines, too. A file here appears whole or not at all; a directory, or a file in a
    machine, may be there in part when a copy is broken off. Raises CopyError, MachineNotFound, MachineError.

    To and from machines that docker-machine made it is the system's scp that copies, by its own rules;
    `quiet` is for that one.
    """
    progress = progress or Progress()
    if source.machine is None and target.machine is None:
        raise InputError(f"Neither {source} nor {target} is in a machine (NAME:PATH). To copy here, use cp.")
    check_exists(source, hosts)
    check_exists(target, hosts)
    ends = (source, target)
    by_ssh = [place for place in ends if place.machine and system_ssh.of_machine(place.machine, hosts)]
    if not by_ssh:
        archive.copy(source, target, recursive=recursive, hosts=hosts, progress=progress)
    elif source.machine is None or target.machine is None:
        system_scp.copy(source, target, recursive=recursive, quiet=quiet, hosts=hosts)
    else:
        # scp can pass it on (-3), but takes one key and one port for both, and dinv's own machines have no
        # SSH: it lies in a temporary directory here for a while.
        for place in ends:  # both, before the first of them takes its time
            if place not in by_ssh:
                place.as_root()
        with scratch.directory("dinv-scp-") as directory:
            for one, other in _halves(source, target, directory):
                copy(one, other, recursive=recursive, quiet=quiet, hosts=hosts, progress=progress)


def _halves(source: Place, target: Place, directory: str) -> Iterator[tuple[Place, Place]]:
    """The copy to a directory here, and once it is done the copies from there."""
    yield source, Place(None, directory)
    found = sorted(os.listdir(directory))
    if posixpath.basename(source.path.rstrip("/")) in ("", ".", ".."):
        found = ["."]  # its content was meant, not itself
    for name in found:
        yield Place(None, os.path.join(directory, name)), target
