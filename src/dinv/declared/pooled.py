"""Pools that a file declares: compared with what their records say, created, changed, and removed."""

from __future__ import annotations

from dinv.declared.changes import CHANGE, CREATE, NOTHING, REMOVE, Change
from dinv.declared.kinds import POOL_OPTIONS
from dinv.declared.wanted import POOL
from dinv.drivers import Difference
from dinv.errors import PoolBusy, PoolNotFound
from dinv.options import Table
from dinv.pools import options as of_pools
from dinv.pools import planning
from dinv.pools.pools import PARALLEL, Pools, check_numbers
from dinv.pools.records import PoolStore
from dinv.store.settings import Defaults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.declared.wanted import Wanted
    from dinv.pools.records import PoolRecord
    from dinv.progress import Progress

NUMBERS, REPLACED, CLAIMS = "numbers", "unclaimed machines are replaced", "from the next claim on"
"""What a difference of a pool does."""
_KEYWORDS = {"max": "maximum"}
_OWN = tuple(option.key for option in POOL_OPTIONS)
_PLACE = ("endpoint", "endpoint_cert_path")
_USUAL: dict[str, Any] = {
    "size": 1,
    "max": 0,
    "one_at_a_time": False,
    "parked": planning.PARKED_KEPT,
    "max_age": 0,
    "parallel": PARALLEL,
}


def compare(path: str, wanted: Wanted) -> Change:
    """Return what would be done about a pool. Raises ConfigError, InputError."""
    check_numbers(**{_KEYWORDS.get(key, key): value for key, value in _own(wanted).items()})
    try:
        pool = PoolStore(path).load(wanted.name)
    except PoolNotFound:
        return Change(POOL, wanted.name, CREATE, wanted=wanted)
    if pool.removing:
        return Change(POOL, wanted.name, CREATE, wanted=wanted, notes=["its removal was interrupted"])
    differences = [*_numbers(pool, wanted), *_options(pool, wanted)]
    action = CHANGE if differences else NOTHING
    return Change(POOL, wanted.name, action, wanted=wanted, differences=differences)


def _own(wanted: Wanted) -> dict[str, Any]:
    """Return the pool's own numbers, checked; those that the file does not say are the usual ones."""
    said = {
        key: wanted.declared[key].value(value, {}) for key, value in wanted.options.items() if key in _OWN
    }
    return {**_USUAL, **said}


def _numbers(pool: PoolRecord, wanted: Wanted) -> list[Difference]:
    found = []
    for key, after in _own(wanted).items():
        before = getattr(pool, _KEYWORDS.get(key, key))
        if before != after:
            name = key.replace("_", "-")
            found.append(_difference(name, str(before).lower(), str(after).lower(), NUMBERS))
    return found


def _settings(pool: PoolRecord, wanted: Wanted) -> dict[str, Any]:
    """Return the options of create as `Pools.set` takes them: what the file says no more is reset."""
    before = pool.applied.get("Options") or {} if pool.applied.get("File") == wanted.file else {}
    # Of the endpoint the pool has what the file's word for it meant when it was made.
    said = {key: value for key, value in wanted.recorded().items() if key in _PLACE}
    same = {key for key, value in said.items() if before.get(key) == value}
    # An empty word, such as ${TEAM_ENDPOINT:-}, is none: the pool keeps the endpoint that it was made on.
    same |= {key for key in _PLACE if not wanted.options.get(key, True) and not before.get(key)}
    given = {key: value for key, value in wanted.options.items() if key not in (*_OWN, *same)}
    gone = [key for key in before if key not in given and key not in (*_OWN, *same)]
    return {**{key: [] if isinstance(before[key], list) else "" for key in gone}, **given}


def _options(pool: PoolRecord, wanted: Wanted) -> list[Difference]:
    after = of_pools.recorded({**pool.options, **_settings(pool, wanted)}, {}, Defaults())
    declared = {option.key: option for option in Table.chosen({**pool.options, **after}, {}, Defaults())}
    return [
        _difference(
            key.replace("_", "-"),
            declared[key].shown(pool.options.get(key)),
            declared[key].shown(after.get(key)),
            CLAIMS if key in of_pools.AT_A_CLAIM else REPLACED,
        )
        for key in dict.fromkeys([*after, *pool.options])
        if pool.options.get(key) != after.get(key)
    ]


def _difference(option: str, before: str, after: str, means: str) -> Difference:
    found = Difference(option, before, after, (option,))
    found.means = means
    return found


def carry_out(
    path: str, change: Change, progress: Progress, trace: Callable[[str], None] | None
) -> list[str]:
    """Do what a change says, and have the pool's machines be made; return what stays."""
    pools, wanted = Pools(path, trace=trace), change.wanted
    if change.action == REMOVE or wanted is None:
        return pools.remove(change.name, progress=progress)
    store = PoolStore(path)
    own = {_KEYWORDS.get(key, key): value for key, value in _own(wanted).items()}
    if change.action == CREATE:
        if change.notes:  # its removal was killed
            pools.remove(change.name, progress=progress)
        given = {key: value for key, value in wanted.options.items() if key not in _OWN}
        pools.create(change.name, applied=wanted.applied(), progress=progress, **own, **given)
    elif change.action == CHANGE or store.load(change.name).applied != wanted.applied():
        settings = _settings(store.load(change.name), wanted)
        pools.set(change.name, applied=wanted.applied(), progress=progress, **own, **settings)
    try:
        pools.reconcile([change.name], progress=lambda _name: progress)
    except PoolBusy:
        progress.note(f"Pool {change.name} is reconciled by another process")
    return []
