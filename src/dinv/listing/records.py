"""The records that a list of machines is made from; nobody is asked for them."""

from __future__ import annotations

from dinv.errors import ConfigError, MachineNotFound
from dinv.states import ERROR, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.listing.filters import Filters
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Configs = dict[str, MachineConfig | None]


def load(store: Store) -> tuple[Configs, dict[str, Status]]:
    """All records, and a status for each that is there and cannot be read."""
    configs: Configs = {}
    statuses: dict[str, Status] = {}
    for name in store.names():
        try:
            configs[name] = store.load(name)
        except MachineNotFound:
            continue  # removed since its name was read
        except ConfigError as error:
            configs[name] = None
            statuses[name] = Status(ERROR, f"{error.path}: {error.reason}")
    return configs, statuses


def copies(configs: Configs) -> dict[str, str]:
    """What is said of records that are copies of others, by name."""
    found = [config for config in configs.values() if config is not None and config.identity]
    if len({config.identity for config in found}) == len(found):
        return {}
    from dinv.store import twins

    return {name: twins.text(name, original) for name, original in twins.originals(found).items()}


def masters(configs: Configs) -> dict[str, str]:
    """Names of swarm masters, by the URL that their swarm is discovered with."""
    return {
        str(config.swarm_options["Discovery"]): name
        for name, config in configs.items()
        if config is not None and config.swarm_options.get("Master") and config.swarm_options.get("Discovery")
    }


def taken(configs: Configs, filters: Filters | None) -> Configs:
    """Those that a filter takes by their records alone."""
    if filters is None:
        return configs
    found = masters(configs)
    return {name: config for name, config in configs.items() if filters.take_record(name, config, found)}


def names(store: Store, filters: Filters | None = None, *, unreadable: bool) -> list[str]:
    """The names of the machines that are not filtered out, in natural order.

    Those whose record cannot be read are among them if `unreadable`.
    """
    configs, _ = load(store)
    found = taken(configs, filters)
    return [name for name, config in found.items() if unreadable or config is not None]
