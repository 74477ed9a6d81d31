"""Members of a cluster that are locked after a start: the key, and unlocking one."""

from __future__ import annotations

from dinv.errors import NotSupported
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import cluster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.provisioners.membership import Membership


def unlock_key(host: Host, progress: Progress, *, rotate: bool) -> str:
    """Return the key that unlocks members of its cluster. Raises NotSupported, ClusterError."""
    with changing(host, "asking for its cluster's key", progress):
        return _membership(host).unlocking_key(progress, rotate=rotate)


def unlock(host: Host, progress: Progress) -> None:
    """Unlock it by a key that the store has. Raises NotSupported, ClusterError."""
    with changing(host, "unlocking it", progress):
        _membership(host).unlock(progress)


def _membership(host: Host) -> Membership:
    membership = cluster.of(host)
    if membership is None:
        raise NotSupported(host.name, f'Machine "{host.name}" is not part of a cluster.')
    return membership
