"""How every change of a machine begins: its lock, its current record, and settling what a kill has left."""

from __future__ import annotations

import contextlib

from dinv.errors import MachineNotFound
from dinv.lifecycle.opening import check_finished
from dinv.timeouts import SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


@contextlib.contextmanager
def changing(host: Host, doing: str, progress: Progress | None = None) -> Iterator[bool]:
    """Hold its lock; yield whether an upgrade or a change that was killed was settled first."""
    host.driver_class.check_change(host.config, doing)
    with host.store.lock(host.name, doing):
        # Read before the lock was held: another process may have made another machine of this name since,
        # or have changed this one.
        now = host.store.load(host.name)
        if now.identity != host.config.identity:
            raise MachineNotFound(host.name)
        host.config.follow(now)
        check_finished(host.config)
        if now.name != now.first_name:
            from dinv.store import twins

            twins.check(host.store, now)
        host.finish_certificates()
        yield settle(host, progress, timeout=SERVE_SECONDS)


def settle(host: Host, progress: Progress | None, *, timeout: float) -> bool:
    """Finish or undo an upgrade, a change or a claim that was killed; return whether there was one.

    The caller must hold the machine's lock. `timeout`, in seconds, is for its daemon to answer.
    """
    from dinv.progress import Progress as Silent

    if host.config.upgrade:
        from dinv.lifecycle import upgrade

        upgrade.settle(host, progress or Silent(), timeout=timeout)
        return True
    if host.config.change:
        from dinv.lifecycle import change

        change.settle(host, progress or Silent(), timeout=timeout)
        return True
    if host.config.claim:
        from dinv.lifecycle import claim

        claim.settle(host, progress or Silent())
        return True
    return False
