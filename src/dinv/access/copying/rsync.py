"""`dinv scp --delta`: copy only what differs, by the system's rsync over `dinv ssh`."""

from __future__ import annotations

import os

from dinv.access import ssh
from dinv.access.place import check_exists
from dinv.errors import InputError
from dinv.system import programs
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.access.place import Place
    from dinv.lifecycle.hosts import Hosts


DELTA = option("delta")


def rsync_command(source: Place, target: Place, *, recursive: bool, quiet: bool, hosts: Hosts) -> list[str]:
    """Return the rsync command line that copies what differs from `source` to `target`.

    One of the two is in a running machine. The rules are rsync's: `DIR/` means the content of DIR, and a
    directory is copied into the target whether or not the target existed. As with scp, permission bits and
    times are kept and set-id bits are not, and links that lead out of the tree are not copied to this
    computer. Raises InputError, MachineNotFound, MachineNotRunning, MachineError, ProgramMissing.
    """
    places = (source, target)
    theirs = [place for place in places if place.machine is not None]
    if not theirs:
        raise InputError(
            f"Neither {source} nor {target} is in a machine (NAME:PATH). To copy here, use rsync itself."
        )
    for place in theirs:
        check_exists(place, hosts)
    if len(theirs) > 1:
        raise InputError(
            DELTA
            + f" uses rsync, which needs one end here: it cannot copy {source} to {target}. Leave "
            + DELTA
            + " out, or copy to a directory here first."
        )
    rsync = programs.find("rsync", DELTA)
    with hosts.get(str(theirs[0].machine)) as machine:
        if machine.driver.ssh_address() is None:
            theirs[0].as_root()
            ssh.check_has(machine, "command -v rsync >/dev/null", "rsync", "rsync")
    return [
        rsync,
        *("-e", quoted(ssh.transport(hosts.store.path))),
        # Keep times: without them rsync compares the content of all files on every run.
        *("--perms", "--times", "--chmod=ug-s"),
        *(["--recursive", "--links"] if recursive else []),
        *(["--safe-links"] if recursive and target.machine is None else []),
        *(["--quiet"] if quiet else ["--progress"]),
        # Send names as they are, without expansion by a shell.
        "--protect-args",
        "--",
        *map(_path, places),
    ]


def quoted(words: Sequence[str]) -> str:
    """Quote words the way rsync's `-e` splits them: a quote within quotes is doubled (rsync(1))."""
    return " ".join("'" + word.replace("'", "''") + "'" for word in words)


def _path(place: Place) -> str:
    if place.machine is None:
        # With a leading ./ it is taken neither for HOST:PATH nor for an option.
        return os.path.join(os.curdir, place.path)
    path = place.path.removeprefix("~/") if place.path != "~" else ""
    login = f"{place.user}@{place.machine}" if place.user else place.machine
    return f"{login}:{path}"
