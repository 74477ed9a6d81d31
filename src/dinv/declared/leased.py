"""The lease that a machine has against what its file says of it."""

from __future__ import annotations

from dinv.declared.changes import LEASED
from dinv.drivers import Difference
from dinv.lifecycle.change.unchangeable import LEASE
from dinv.lifecycle.create.options import lease_of
from dinv.options import LEASE as DECLARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.store.lease import Lease


def differences(
    there: Lease | None, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[list[Difference], Lease | None]:
    """Return what of a lease is to change, and the lease, without its end, that is to be; None for none.

    `before` is what the file has said, `after` what it says; of what it never said, as when somebody has
    given a lease by hand, nothing changes. Raises OptionError.
    """
    named = {key for key in LEASE if key in after or key in before}
    has = _options(there)
    wanted = {key: after.get(key) if key in named else has[key] for key in LEASE}
    lease = lease_of(wanted)
    found = []
    for option in DECLARED:
        one, other = has[option.key], _options(lease)[option.key]
        if option.key in named and one != other:
            difference = Difference(option.name, option.shown(one), option.shown(other), (option.key,))
            difference.means = LEASED
            found.append(difference)
    return found, lease


def _options(lease: Lease | None) -> dict[str, Any]:
    """Return a lease by the keywords of `create`."""
    if lease is None:
        return {"ttl": 0, "idle_ttl": 0, "on_expiry": "", "keep_cache_on_expiry": False}
    return {
        "ttl": lease.ttl,
        "idle_ttl": lease.idle_ttl,
        "on_expiry": lease.on_expiry,
        "keep_cache_on_expiry": lease.keep_cache,
    }
