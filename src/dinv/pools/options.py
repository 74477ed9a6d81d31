"""The options that a pool's machines are made with: recorded once, and the same whoever reconciles.

What was given, what the variables said and what the store's config.toml has for `create` are taken together
when the pool is created or changed. A reconciler, which may be started by cron or by another user's shell,
reads none of these but secrets, which are never recorded. The endpoint is one of them, also where nothing
was given and docker's context said it.
"""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.lifecycle.create import CreateOptions
from dinv.lifecycle.create.creation import Creation
from dinv.options import Table
from dinv.pools.planning import generation
from dinv.progress import Progress
from dinv.store.settings import Defaults
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.declaration import Option
    from dinv.store.store import Store

NOT_A_POOLS = {
    "context": "a machine gets its docker context when it is claimed",
    "keep_on_failure": "what fails is parked: a pool says how many of these it keeps",
}
"""Options of a create that a pool does not take, and why."""
AT_A_CLAIM = ("ttl", "idle_ttl", "on_expiry", "keep_cache_on_expiry", "timeout")
"""Options that make no difference to an unclaimed machine."""


def recorded(given: Mapping[str, Any], environ: Mapping[str, str], defaults: Defaults) -> dict[str, Any]:
    """Return what to record of options, by keyword: all that differs from what an option has by default.

    Raises InputError, as a create with them would.
    """
    for key, why in NOT_A_POOLS.items():
        if given.get(key) is not None:
            raise InputError(option(key.replace("_", "-")) + f" is not an option of a pool: {why}.")
    table = Table.chosen(given, environ, defaults)
    values = table.values(given, environ)
    found = {**values.common, **values.driver_values, **values.provisioner_values}
    found |= {**values.authority_values, **values.contract_values}
    found |= {"driver": values.driver, "provisioner": values.provisioner, "authority": values.authority}
    declared = {each.key: each for each in table}
    kept = {
        key: _plain(declared[key], value)
        for key, value in found.items()
        if key in declared and not declared[key].secret and key not in NOT_A_POOLS
    }
    empty: tuple[object, ...] = (None, "", (), [])
    return {
        key: value for key, value in kept.items() if value not in empty and value != declared[key].default
    }


def _plain(declared: Option, value: Any) -> Any:
    """Return a value as JSON has it; files among pairs by absolute paths, wherever the reconciler runs."""
    if not isinstance(value, tuple):
        return value
    if declared.metavar.endswith("=FILE"):
        parts = (each.partition("=") for each in value)
        return [f"{key}={os.path.abspath(path)}" if path else key for key, _, path in parts]
    return list(value)


def for_create(options: Mapping[str, Any], environ: Mapping[str, str]) -> CreateOptions:
    """Return the options of a create of one of the pool's machines; it keeps what fails.

    Of `environ` only secrets are read. Raises InputError.
    """
    table = Table.chosen(options, {}, Defaults())
    secret = {name for each in table if each.secret for name in each.envs}
    values = table.values(options, {key: value for key, value in environ.items() if key in secret})
    found = CreateOptions.of(values)
    found.context = False
    found.lease = None  # it begins with the claim
    found.keep_on_failure = True
    return found


def placed(
    store: Store, pool: str, options: Mapping[str, Any], trace: Callable[[str], None] | None
) -> dict[str, Any]:
    """Return options with the endpoint in them that they mean here and now, which may be asked.

    Raises InputError unless there can be several machines with these options.
    """
    creation = Creation(store, f"{pool}-0", for_create(options, os.environ), Progress(), trace)
    host = creation.machine
    try:
        if not host.driver_class.provisioned:
            raise InputError(
                f'A pool is of machines that dinv makes here: the driver "{host.config.driver_name}" makes '
                "none. For one on an endpoint of yours, name a driver, such as "
                + option("driver", "docker")
                + (". Those of a dinv server are its operators' to set up." if host.driver.remote() else ".")
            )
        creation.configure()
        if host.provisioner.membership() is not None:
            raise InputError(
                f'A pool has no machines of the provisioner "{host.config.provisioner}": members of clusters '
                "have their names in it, and machines of a pool get theirs when they are claimed."
            )
        if why := host.driver.single():
            raise InputError(f"These options are not for a pool, which has several machines, because {why}.")
        return {**options, **host.driver.place()}
    finally:
        host.close()


def generation_of(options: Mapping[str, Any]) -> str:
    """Return the generation of machines that are made with these options; leases begin with a claim."""
    return generation({key: value for key, value in options.items() if key not in AT_A_CLAIM})
