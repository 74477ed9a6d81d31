"""What clusters say of their members: asked beside the endpoints, and not waited for longer than those."""

from __future__ import annotations

import threading
import time

from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.provisioners import Provisioner
    from dinv.provisioners.membership import Standing
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


class Standings:
    """The standings of machines that are part of clusters. Asking begins at once, in threads."""

    def __init__(
        self,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """`configs` are records with a membership; `timeout`, in seconds, is for all of them together."""
        from dinv import provisioners
        from dinv.provisioners import membership

        self._end = time.monotonic() + timeout
        self._found: dict[str, Standing] = {}
        self._unknown: set[str] = set()
        """Machines whose clusters have not answered."""
        self._threads = []
        # So that what is known by then is heard of.
        patience = timeout * 0.95
        groups: dict[type[Provisioner], list[MachineConfig]] = {}
        for config in configs:
            known = membership.recorded(config)
            if known is not None:
                self._found[config.name] = known
            try:
                groups.setdefault(provisioners.of(config), []).append(config)
            except DinvError:  # a plugin's, which is not installed: the record is all that is known
                continue

        def ask(provisioner: type[Provisioner], members: list[MachineConfig]) -> None:
            try:
                said = provisioner.standings(members, store, timeout=patience, trace=trace)
            except Exception as error:  # noqa: BLE001  (from a plugin, or from a damaged record)
                if trace is not None:
                    trace(f"the clusters of {provisioner.name} cannot be asked: {error}")
            else:
                self._found.update(said)
                self._unknown.difference_update(config.name for config in members)

        for group in groups.items():
            self._unknown.update(config.name for config in group[1])
            thread = threading.Thread(target=ask, args=group, daemon=True)
            thread.start()
            self._threads.append(thread)

    def found(self) -> dict[str, Standing]:
        """Wait until all have answered, or their time is up; return standings by machine name.

        Of machines whose clusters have not answered, it is what their records say, in the state UNKNOWN.
        """
        from dinv.provisioners.membership import UNKNOWN, Standing

        for thread in self._threads:
            thread.join(max(0.0, self._end - time.monotonic()))
        found = dict(self._found)
        for name in self._unknown & found.keys():
            found[name] = Standing(found[name].cluster, found[name].role, UNKNOWN)
        return found
