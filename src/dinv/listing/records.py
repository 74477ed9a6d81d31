"""The records behind a list of machines, read without asking any endpoint."""

from __future__ import annotations

from dinv.errors import ConfigError, MachineBusy, MachineNotFound
from dinv.states import ERROR, STARTING, Status, at_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.listing.filters import Filters
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Configs = dict[str, MachineConfig | None]


def load(store: Store) -> tuple[Configs, dict[str, Status]]:
    """Return all records by name (None: not readable, or not there yet), and a status for each of those."""
    configs: Configs = {}
    statuses: dict[str, Status] = {}
    for name in store.names():
        try:
            configs[name] = store.load(name)
        except MachineNotFound:
            continue  # removed since its name was read
        except MachineBusy as error:
            configs[name] = None
            statuses[name] = awaited(error)
        except ConfigError as error:
            configs[name] = None
            statuses[name] = unreadable(error)
    return configs, statuses


def unreadable(error: ConfigError) -> Status:
    """Return the status of a machine whose record cannot be read."""
    return Status(ERROR, f"{error.path}: {error.reason}")


def awaited(error: MachineBusy) -> Status:
    """Return the status of a machine that has no record yet, because it is just being made."""
    return Status(STARTING, at_work(error.holder))


def copies(configs: Configs) -> dict[str, str]:
    """Return the error text for each record that is a copy of another, by name."""
    found = [config for config in configs.values() if config is not None and config.identity]
    if len({config.identity for config in found}) == len(found):
        return {}
    from dinv.store import twins

    return {name: twins.text(name, original) for name, original in twins.originals(found).items()}


def masters(configs: Configs) -> dict[str, str]:
    """Return the names of swarm masters by the discovery URL of their swarm."""
    return {
        str(config.swarm_options["Discovery"]): name
        for name, config in configs.items()
        if config is not None and config.swarm_options.get("Master") and config.swarm_options.get("Discovery")
    }


def taken(configs: Configs, filters: Filters | None) -> Configs:
    """Return the machines that pass every filter that needs no state."""
    if filters is None:
        return configs
    found = masters(configs)
    return {name: config for name, config in configs.items() if filters.take_record(name, config, found)}


def names(store: Store, filters: Filters | None = None, *, unreadable: bool) -> list[str]:
    """Return the names of the machines that pass the filters, in natural order.

    Machines with an unreadable record are included if `unreadable`.
    """
    configs, _ = load(store)
    found = taken(configs, filters)
    return [name for name, config in found.items() if unreadable or config is not None]
