"""The states of machines, from their endpoint's list of containers (`GET /containers/json`)."""

from __future__ import annotations

from dinv.drivers.docker.flavours import of_name
from dinv.drivers.docker.site import is_machine
from dinv.states import ERROR, PAUSED, RUNNING, STARTING, STOPPED, STOPPING, Status, at_work
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from dinv.engine import Engine
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

_STATES = {
    "created": STOPPED,
    "starting": STARTING,  # a VCH's, with a capital: the VM boots
    "running": RUNNING,
    "paused": PAUSED,
    "restarting": STARTING,
    "stopping": STOPPING,
    "removing": STOPPING,
    "exited": STOPPED,
    "dead": ERROR,
}


def ask(
    engine: Engine, configs: Sequence[MachineConfig], store: Store, *, timeout: float
) -> dict[str, Status]:
    """Return the states of machines of one endpoint, by name: one call for all. `timeout` in seconds."""
    listed = engine.containers.list(all=True, filters=_filters(configs), timeout=timeout)
    return {config.name: _status(config, listed, store) for config in configs}


def _filters(configs: Sequence[MachineConfig]) -> dict[str, list[str]]:
    """Return filters that keep these machines in the list: adopted ones have none of dinv's labels."""
    if any(config.driver.get("Adopted") for config in configs):
        return {}
    return of_name(str(configs[0].driver.get("Flavour") or "")).list_filters()


def _status(config: MachineConfig, listed: Iterable[Mapping[str, Any]], store: Store) -> Status:
    container = str(config.driver.get("Container", ""))
    for found in listed:
        if f"/{container}" not in (found.get("Names") or []):
            continue
        if not is_machine(config, str(found.get("Id", "")), found.get("Labels") or {}):
            continue
        state = _STATES.get(str(found.get("State", "")).lower(), ERROR)
        if config.unsettled:
            return Status(state, _or_who(store, config, unsettled(config)))
        # The health check's verdict is only in the text: "Up 2 minutes (unhealthy)".
        unhealthy = "(unhealthy)" in str(found.get("Status", ""))
        return Status(state, _unhealthy() if unhealthy else "")
    if config.unsettled:
        return Status(STOPPED, _or_who(store, config, unsettled(config)))
    gone = f"container {container} is gone from the endpoint; clean up: " + command("rm", config.name)
    return Status(ERROR, _or_who(store, config, gone))


def _unhealthy() -> str:
    return "its Docker daemon does not answer (" + command("logs") + " shows why)"


def unsettled(config: MachineConfig) -> str:
    """Return what users are told about a machine whose upgrade or change is in progress, or was killed."""
    return f"its {config.unsettled} has not finished; finish or undo it: " + command("start", config.name)


def _or_who(store: Store, config: MachineConfig, advice: str) -> str:
    """Return the advice, or who is changing the machine at this moment: then its state is not a fault."""
    holder = store.holder(config.name)
    return advice if holder is None else at_work(holder)
