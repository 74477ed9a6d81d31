"""Copying files to, from and between machines, by the rules of scp."""

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
    """Copy a file, or with `recursive` a directory. At least one of the two places is in a machine.

    If the target is a directory, the copy goes into it under the source's name; `SOURCE/.` copies the content
    of a directory. Otherwise the target names the copy, in an existing directory; with a trailing slash it
    must be a directory itself. In a machine, relative paths and `~` start from /root. A source that is a
    symbolic link is followed; links inside a directory stay links. `dinv.formats.archives` says which
    attributes are kept.

    Works on stopped machines, too. A file on this computer appears complete or not at all; after an
    interrupted copy, a directory, or a file in a machine, may be incomplete. Raises InputError, CopyError,
    MachineNotFound, MachineError.

    To and from machines that docker-machine made, the system's scp copies by its own rules; `quiet` applies
    to that.
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
        # scp can copy between two hosts (-3), but only with the same key and port for both, and dinv's own
        # machines have no SSH: so copy to a temporary directory here and from there.
        for place in ends:  # check both before the first copy takes its time
            if place not in by_ssh:
                place.as_root()
        with scratch.directory("dinv-scp-") as directory:
            for one, other in _halves(source, target, directory):
                copy(one, other, recursive=recursive, quiet=quiet, hosts=hosts, progress=progress)


def _halves(source: Place, target: Place, directory: str) -> Iterator[tuple[Place, Place]]:
    """Yield the copy to a local directory, then, once that is done, the copies from there."""
    yield source, Place(None, directory)
    found = sorted(os.listdir(directory))
    if posixpath.basename(source.path.rstrip("/")) in ("", ".", ".."):
        found = ["."]  # the content was meant, not the directory itself
    for name in found:
        yield Place(None, os.path.join(directory, name)), target
