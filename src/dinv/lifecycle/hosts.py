"""The hosts of a store, opened by name: for operations on several, or on one again and again."""

from __future__ import annotations

from dinv.lifecycle.host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.store.store import Store


class Hosts:
    """Opens hosts of `store`; `trace` is called with each API call that they make."""

    def __init__(self, store: Store, *, trace: Callable[[str], None] | None = None) -> None:
        self.store = store
        self.trace = trace

    def get(self, name: str) -> Host:
        """Return the host of this name, with connections of its own. Raises MachineNotFound, ConfigError."""
        return Host(self.store.load(name), self.store, trace=self.trace)
