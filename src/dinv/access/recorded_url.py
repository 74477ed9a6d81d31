"""Where a machine's daemon listens, as its record has it: what `url` prints, in prompts.

A record that says so is enough. Only where dinv itself has stopped the machine, or nothing is known, does a
Machine have its say, which takes longer to load than all else there is to do.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Trace = Callable[[str], None] | None


def url(config: MachineConfig, store: Store, *, trace: Trace = None) -> str:
    """`Machine.known_url`. Raises MachineNotRunning."""
    if config.url and not config.stopped:
        return config.url
    if not config.by_dinv:
        from dinv import drivers

        if known := drivers.url(config):
            return known
    from dinv.lifecycle.host import Host

    return Host(config, store, trace=trace).known_url()
