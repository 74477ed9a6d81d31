"""Hooks are told of an end that is near, once for each end: of a lease, and of one that nobody uses.

The second is not at a time that anybody has set, but at one that moves with each use. It is another end than
the one that was told when it is later by more than what the looks of one differ by.
"""

from __future__ import annotations

from dinv.leases.reaped import IDLE, TTL
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import telling
from dinv.pki.validity import rfc3339
from dinv.store.lease import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.leases.reaped import Terms
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.lease import Lease

BLUR_SECONDS = 60
"""What the end of one and the same idleness may differ by, from one look to the next."""


class Near:
    """An end that is near: `why` is TTL or IDLE, `expires` when it is, `left` the seconds until then."""

    def __init__(self, why: str, expires: str, left: float) -> None:
        self.why = why
        self.expires = expires
        self.left = left

    def is_told(self, lease: Lease) -> bool:
        """Whether hooks have been told of it, as the lease in a record says."""
        if self.why == TTL:
            return lease.warned == self.expires
        told, now = seconds(lease.warned_idle), seconds(self.expires)
        blur = min(BLUR_SECONDS, lease.idle_ttl / 4)
        return told is not None and now is not None and abs(now - told) <= blur

    def note(self, lease: Lease) -> None:
        """Have the lease say that they have."""
        if self.why == TTL:
            lease.warned = self.expires
        else:
            lease.warned_idle = self.expires


def near(lease: Lease, terms: Terms, *, now: float, left: float | None, unused: int | None) -> Near | None:
    """Return the end that is near and that hooks have not been told of; None if there is none.

    `now` is the time of its endpoint, in seconds since 1970, `left` the seconds that the lease has, and
    `unused` those for which nobody has used it; None for what is not known or has no end.
    """
    found = []
    if left is not None and lease.is_near(left, within=terms.warn_before):
        found.append(Near(TTL, lease.expires, left))
    if lease.idle_ttl and unused:
        idle = lease.idle_ttl - unused
        if lease.is_idle_near(idle, within=terms.warn_before):
            found.append(Near(IDLE, rfc3339(now + idle), idle))
    found.sort(key=lambda each: each.left)
    return next((each for each in found if not each.is_told(lease)), None)


def tell(host: Host, end: Near, progress: Progress) -> bool:
    """Note that hooks are told, and tell them; False if another process has, or the lease is another now."""
    with changing(host, "noting that its end is near"):
        current = host.config.lease
        if current is None or end.is_told(current) or (end.why == TTL and current.expires != end.expires):
            return False
        end.note(current)
        host.config.lease = current
        host.store.save(host.config)
    telling.tell(
        host,
        "lease-expiring",
        progress,
        why=end.why,
        expires=end.expires,
        seconds_left=int(end.left),
        on_expiry=current.on_expiry,
        keep_cache=current.keep_cache,
    )
    return True


def take_back(host: Host, lease: Lease, *, now: float, unused: int | None) -> None:
    """Have the record no longer say that its idleness ends soon, if it has been used since."""
    if not lease.warned_idle or unused is None:
        return
    if Near(IDLE, rfc3339(now + lease.idle_ttl - unused), 0).is_told(lease):
        return
    with changing(host, "noting that it is used"):
        current = host.config.lease
        if current is not None and current.warned_idle == lease.warned_idle:
            current.warned_idle = ""
            host.config.lease = current
            host.store.save(host.config)
