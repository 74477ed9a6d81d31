"""`dinv scp --delta`: what differs is copied, by the system's rsync, with `dinv ssh` in ssh's place."""

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
    """The command line of rsync that copies what differs between `source` and `target`.

    One of the two is in a running machine, and it goes by rsync's rules: `DIR/` is what is in DIR, and
    a directory's copy is in the target, whether or not that was there. As with scp, permission bits and
    times travel and set-id bits do not, and links that lead out of the tree do not come here. Raises
    InputError, MachineNotFound, MachineNotRunning, MachineError.
    """
    places = (source, target)
    theirs = [place for place in places if place.machine is not None]
    if not theirs:
        raise InputError(
            f"Neither {source} nor {target} is in a machine (NAME:PATH). To copy here: rsync itself."
        )
    for place in theirs:
        check_exists(place, hosts)
    if len(theirs) > 1:
        raise InputError(
            DELTA
            + f" is rsync's, and rsync has one of its ends here: it cannot copy {source} to {target}. Leave "
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
        # Times, since without them rsync compares the content of all files at each run.
        *("--perms", "--times", "--chmod=ug-s"),
        *(["--recursive", "--links"] if recursive else []),
        *(["--safe-links"] if recursive and target.machine is None else []),
        *(["--quiet"] if quiet else ["--progress"]),
        # Names go over as they are, and not through a shell's hands.
        "--protect-args",
        "--",
        *map(_path, places),
    ]


def quoted(words: Sequence[str]) -> str:
    """Words as rsync's `-e` splits them again: a quote within quotes is written twice (rsync(1))."""
    return " ".join("'" + word.replace("'", "''") + "'" for word in words)


def _path(place: Place) -> str:
    if place.machine is None:
        # Neither a host's nor an option.
        return os.path.join(os.curdir, place.path)
    path = place.path.removeprefix("~/") if place.path != "~" else ""
    login = f"{place.user}@{place.machine}" if place.user else place.machine
    return f"{login}:{path}"
