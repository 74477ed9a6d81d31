"""A machine's lease lasts longer."""

from __future__ import annotations

from dinv.errors import NoLease, OptionError
from dinv.formats.durations import about
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import leasing
from dinv.lifecycle.opening import check_looked_after
from dinv.pki.validity import rfc3339
from dinv.store.lease import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

    from dinv.drivers.remote import Remote
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def seconds(duration: float | timedelta | str) -> int:
    """Return a duration in seconds: those, a timedelta, or a text such as "4h". Raises OptionError."""
    from dinv.options import EXTENSION

    try:
        return int(EXTENSION.value(duration, {}) or 0)
    except OptionError as error:  # at a command line it is no flag
        raise OptionError(f'"{error.value}" {error.reason}', value=error.value) from error


def extend(host: Host, seconds: int, progress: Progress, *, give: bool = False) -> bool:
    """Have its lease last for `seconds` from now, by its endpoint's clock; return whether that is longer.

    With more than that left, nothing changes. One that has none, or no end, gets it with `give`, and else
    NoLease is raised. Raises NotSupported, MachineBusy, MachineUnfinished, EndpointError, EngineError.
    """
    if (remote := host.driver.remote()) is not None:
        return _by_its_keeper(host, remote, seconds)
    check_looked_after(host)
    with changing(host, "extending its lease", progress):
        lease = host.config.lease
        if lease is None or not lease.expires:
            if not give:
                raise NoLease(host.name, unused=about(lease.idle_ttl) if lease is not None else "")
            lease = lease or Lease()
            lease.ttl = seconds
            host.config.lease = lease
        there = leasing.now(host)
        if there is None:
            raise NoLease(
                host.name, f'the driver "{host.config.driver_name}" cannot tell its endpoint\'s time'
            )
        before = lease.expires
        expires = rfc3339(there + seconds)
        if before >= expires:
            return False
        leasing.extend(host, expires)
        host.store.save(host.config)
        return True


def _by_its_keeper(host: Host, remote: Remote, seconds: int) -> bool:
    with host.store.lock(host.name, "extending its lease"):
        host.config.follow(host.store.load(host.name))
        before = host.config.lease.expires if host.config.lease is not None else ""
        expires = remote.extend(seconds)
        host.store.save(host.config)
        return expires > before
