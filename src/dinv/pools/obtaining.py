"""A machine for somebody: claimed from a pool, or made by the pool's options where none of it is ready."""

from __future__ import annotations

import os

from dinv.errors import PoolNotFound, PoolsMachine
from dinv.pools import claiming
from dinv.pools.records import PoolStore
from dinv.store import login
from dinv.store.store import Store
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.lifecycle.create import CreateOptions
    from dinv.lifecycle.host import Host
    from dinv.pools.records import PoolRecord
    from dinv.progress import Progress
    from dinv.store.lease import Lease

LEASE = ("ttl", "idle_ttl", "on_expiry", "keep_cache_on_expiry")
OF_A_CLAIM = ("context", "label", *LEASE, "timeout", "keep_on_failure")
"""Options that may be given with a pool; the last two are for a machine that has to be made."""


def obtain(
    path: str,
    pool: str,
    name: str,
    given: Mapping[str, object],
    progress: Progress,
    *,
    run: bool = False,
    trace: Callable[[str], None] | None = None,
) -> Host:
    """Return the host of a machine `name` of the store at `path`, from a pool; `given` as for a create.

    `run`: it is for one command, so what the pool says of leases is not for it.
    Raises PoolsMachine for an option that comes too late, PoolNotFound, PoolFull, and the errors of a claim
    and of a create.
    """
    pools = PoolStore(path)
    try:
        record = pools.load(pool)
    except PoolNotFound as error:
        if login.exists(path):
            error.add_note(
                "Pools of a dinv server belong to its templates, and are used by themselves: "
                + command("create", "--template", "NAME", name)
            )
        raise
    given = {key: value for key, value in given.items() if value is not None}
    _check(record, given)
    host = claiming.take(
        pools,
        record,
        claiming.Wanted(
            Store(path),
            name,
            context=given.get("context") is not False,
            labels=_labels(given.get("label")),
            lease=_lease(record, given, run=run),
            run=run,
        ),
        progress,
        trace=trace,
    )
    return host if host is not None else _made(path, pool, name, given, progress, run=run, trace=trace)


def _labels(given: object) -> dict[str, str]:
    if not given:
        return {}
    from dinv.drivers.docker.flags import FLAGS, parse_label

    declared = next(option for option in FLAGS if option.key == "label")
    return dict(parse_label(text) for text in declared.value(given, {}))


def _lease(pool: PoolRecord, given: Mapping[str, object], *, run: bool) -> Lease | None:
    """Return until when the machine is wanted: as given, else as its pool has it. Raises OptionError."""
    found = {key: given.get(key, None if run else pool.options.get(key)) for key in LEASE}
    if not any(found.values()):
        return None
    from dinv.declaration import values
    from dinv.lifecycle.create.options import lease_of
    from dinv.options import LEASE as DECLARED

    return lease_of(values(DECLARED, found, {}))


def _check(pool: PoolRecord, given: Mapping[str, object]) -> None:
    """Raise PoolsMachine for an option whose value is not the pool's."""
    late = [key for key in given if key not in OF_A_CLAIM]
    if not late:
        return
    from dinv.options import Table
    from dinv.store.settings import Defaults

    table = Table.chosen(pool.options, {}, Defaults())
    declared = {option.key: option for option in table}
    table.values({key: given[key] for key in late}, {})
    for key in late:
        option, has = declared[key], pool.options.get(key)
        value = option.value(given[key], {})
        if (list(value) if isinstance(value, tuple) else value) != (option.default if has is None else has):
            raise PoolsMachine(pool.name, key, option.shown(has) or None)


def _made(
    path: str,
    pool: str,
    name: str,
    given: Mapping[str, object],
    progress: Progress,
    *,
    run: bool,
    trace: Callable[[str], None] | None,
) -> Host:
    """Make a machine by the pool's options, which counts as claimed from it."""
    from dinv.lifecycle.create import create
    from dinv.pools import places

    with places.taken(PoolStore(path), Store(path), pool, places.OWNERS, name) as record:
        progress.note(f"No machine of pool {pool} is ready: one is made with its options")
        return create(Store(path), name, _options(record, given, run=run), progress, trace=trace)


def _options(record: PoolRecord, given: Mapping[str, object], *, run: bool) -> CreateOptions:
    from dinv.options import TIMEOUT
    from dinv.pools import members
    from dinv.pools.options import for_create
    from dinv.pools.planning import CLAIMED

    options = for_create(record.options, os.environ)
    options.pool = members.entry(record.name, CLAIMED, generation=record.generation)
    options.lease = _lease(record, given, run=run)
    options.run = run
    options.context = given.get("context") is not False
    options.keep_on_failure = bool(given.get("keep_on_failure"))
    options.timeout = TIMEOUT.value(given.get("timeout") or options.timeout, {})
    if labels := _labels(given.get("label")):
        before = options.driver_values.get("label") or ()
        options.driver_values["label"] = (*before, *(f"{key}={value}" for key, value in labels.items()))
    return options
