"""A machine's part in a cluster of machines, at the moments when something happens to the machine.

Machines that are in none cost nothing here: their provisioner is not even loaded.
"""

from __future__ import annotations

import contextlib

from dinv.errors import ClusterExists, DinvError
from dinv.provisioners.membership import CLUSTER
from dinv.states import RUNNING
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.provisioners.membership import Membership


def of(host: Host) -> Membership | None:
    """Return its part in a cluster, if it has one by its record. Raises PluginNotFound, PluginBroken."""
    return host.provisioner.membership() if host.config.membership else None


def check_name(host: Host, membership: Membership) -> None:
    """Check that the cluster that it begins, if it begins one, would not have another's name.

    A cluster keeps the name of its first machine when that is gone. Raises ClusterExists.
    """
    if not membership.begins:
        return
    members = []
    for name in host.store.names():
        with contextlib.suppress(DinvError):
            if name != host.name and host.store.load(name).membership.get(CLUSTER) == host.name:
                members.append(name)
    if members:
        raise ClusterExists(host.name, members)


def rest(host: Host, progress: Progress) -> None:
    """Have its work handed to others, before it is stopped. Nothing of that keeps it from being stopped."""
    if not host.config.membership:
        return
    try:
        membership = of(host)
        if membership is not None and host.driver.state(timeout=STATE_SECONDS).state == RUNNING:
            membership.rest(progress)
    except DinvError as error:
        progress.warn(f"{host.name} is stopped with what it does in its cluster: {error.text}")


def resume(host: Host, progress: Progress, *, timeout: float) -> None:
    """Have it take on work again, once it serves; `timeout` in seconds.

    If that fails, it runs all the same, and `progress` is warned.
    """
    if not host.config.membership or host.config.unfinished or host.cluster_lost:
        return
    try:
        membership = of(host)
        if membership is not None:
            membership.resume(progress, timeout=timeout)
    except DinvError as error:
        again = command("provision", host.name)
        progress.warn(f"{host.name} runs, but does not work in its cluster: {error.text} Try again: {again}")


def check_leave(host: Host) -> None:
    """Raise ClusterError if its cluster would not survive its removal."""
    membership = of(host)
    if membership is not None:
        membership.check_leave()


def leave(host: Host, progress: Progress, *, force: bool) -> list[str]:
    """Take it out of its cluster, and forget what this computer has of that; return what is left.

    With `force` errors are among what is left. Raises ClusterError otherwise.
    """
    if not host.config.membership:
        return []
    left = []
    try:
        membership = of(host)
        if membership is None:
            return []
        try:
            left = membership.leave(progress, force=force)
        except DinvError as error:
            if not force:
                raise
            left = [error.text]
        membership.forget()
    except DinvError as error:
        if not force:
            raise
        left.append(error.text)
    return left
