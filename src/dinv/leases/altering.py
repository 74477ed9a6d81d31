"""A machine gets another lease than it has, or none: what its file says (`dinv.declared`)."""

from __future__ import annotations

from dinv.errors import NotSupported
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import leasing
from dinv.lifecycle.opening import check_looked_after
from dinv.pki.validity import rfc3339
from dinv.store.lease import LONGEST_SECONDS, Lease
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def alter(host: Host, wanted: Lease | None, progress: Progress) -> None:
    """Give a machine a lease, without its end; None for none.

    Another `ttl` counts from now, by its endpoint's clock; with the same one it ends when it did. The labels
    of its container stay as they are until that is made anew: whoever knows the machine by these alone goes
    by them, but for a later end, which is in its container. Raises OptionError, PreCreateCheckFailed,
    NotSupported, MachineBusy, MachineUnfinished, EndpointError, EngineError.
    """
    if host.driver.remote() is not None:
        raise NotSupported(
            host.name,
            f'The lease of machine "{host.name}" is its server\'s. It can be made longer: '
            + command("extend", host.name, "DURATION"),
        )
    check_looked_after(host)
    with changing(host, "changing its lease", progress):
        before = host.config.lease
        lease = Lease.of(wanted.document()) if wanted is not None else None
        end, warned = (before.expires, before.warned) if before is not None else ("", "")
        goes_on = bool(lease is not None and before is not None and end and before.ttl == lease.ttl)
        if lease is not None and goes_on:
            lease.expires, lease.warned = end, warned
        host.config.lease = lease
        if not goes_on:
            leasing.begin(host)
        leasing.check_idle(host)
        _tell(host, end)
        host.store.save(host.config)


def _tell(host: Host, before: str) -> None:
    """Write the end into the container, where it is another: killed after that, it is told again."""
    lease = host.config.lease
    expires = lease.expires if lease is not None else ""
    if before and not expires:
        there = leasing.now(host)
        if there is None:
            return
        expires = rfc3339(there + LONGEST_SECONDS)
    if expires and expires != before:
        leasing.tell(host.driver.channel(), expires)
