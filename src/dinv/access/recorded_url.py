"""The URL of a machine's daemon from its record alone: `url` runs in shell prompts, so it must be fast.

Usually the record is enough. Only if dinv itself stopped the machine, or the URL is not recorded, is a Host
needed, which takes longer to load than everything else here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Trace = Callable[[str], None] | None


def url(config: MachineConfig, store: Store, *, trace: Trace = None) -> str:
    """Return what `Machine.known_url` returns. Raises MachineNotRunning."""
    if config.url and not config.stopped:
        return config.url
    if not config.by_dinv:
        from dinv import drivers

        if known := drivers.url(config):
            return known
    from dinv.lifecycle.host import Host

    return Host(config, store, trace=trace).known_url()
