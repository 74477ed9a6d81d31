"""What `dinv pool` prints, and which options go with which of its actions."""

from __future__ import annotations

from dinv.cli.show.fitting import show as show_rows
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.cli.parser import Options
    from dinv.cli.show.formatting import Format
    from dinv.pools.pools import PoolStatus

_NAMED = ("inspect", "set", "pause", "resume", "rm")


def check(options: Options, given: dict[str, Any]) -> None:
    """Raise InputError for options of another action, and for a number of pools that it does not take."""
    from dinv.errors import InputError

    action = options.action
    if given and action not in ("create", "set"):
        flag = min(given).replace("_", "-").replace("maximum", "max")
        raise InputError(f"--{flag} is for pool create and set, and not for pool {action}")
    for flag, whose in (("watch", "reconcile"), ("force", "rm"), ("yes", "rm")):
        if getattr(options, flag) and action != whose:
            shown = "-y" if flag == "yes" else f"--{flag}"
            meant = ". A format is --format, written out" if flag == "force" else ""
            raise InputError(f"{shown} is for pool {whose}, and not for pool {action}{meant}")
    if action == "create" and len(options.pool) != 1:
        raise InputError("pool create takes one name")
    if action in _NAMED and not options.pool:
        raise InputError(f"pool {action} takes the name of a pool")
    if action == "set" and not given:
        raise InputError("pool set takes what is to be changed, such as --size 5 or --memory 4g")


def show(pools: list[PoolStatus], form: Format | None, *, quiet: bool) -> None:
    """Print pools by `form`, or their names with `quiet`, or as a table."""
    if form is not None:
        form.show_all(map(record, pools))
        return
    if quiet:
        for pool in pools:
            put(pool.name)
        return
    rows = [
        (
            pool.name,
            pool.state,
            f"{pool.ready}/{pool.pool.size}" + (f" ({pool.stale} old)" if pool.stale else ""),
            str(pool.creating),
            str(pool.failed),
            str(pool.parked),
            f"{pool.claimed}" + (f", max {pool.pool.maximum}" if pool.pool.maximum else ""),
            pool.pool.generation,
            pool.next_attempt,
        )
        for pool in pools
    ]
    columns = "POOL", "STATE", "READY", "CREATING", "FAILED", "PARKED", "CLAIMED", "GENERATION", "NEXT"
    show_rows(columns, rows)


def record(pool: PoolStatus) -> dict[str, Any]:
    """Return what `--format` knows of a pool."""
    return {
        "Name": pool.name,
        "State": pool.state,
        "Size": pool.pool.size,
        "Max": pool.pool.maximum,
        "Ready": pool.ready,
        "Stale": pool.stale,
        "Creating": pool.creating,
        "Failed": pool.failed,
        "Parked": pool.parked,
        "Claimed": pool.claimed,
        "Generation": pool.pool.generation,
        "NextAttempt": pool.next_attempt,
        "Error": pool.said,
        "Reconciler": pool.reconciler,
    }


def changed(pool: PoolStatus) -> str:
    """Return the line about a pool that was changed."""
    are = "1 machine is" if pool.stale == 1 else f"{pool.stale} machines are"
    return f"Pool {pool.name} was changed" + (f"; {are} to be replaced." if pool.stale else ".")


def inspected(pool: PoolStatus) -> dict[str, Any]:
    """Return everything that is known of a pool."""
    from dinv.pki.validity import rfc3339

    machines = [
        {
            "Name": each.key,
            "State": each.state,
            "Generation": each.generation,
            "Image": each.image,
            "Since": rfc3339(each.since) if each.since else "",
            "Error": each.why,
            "URL": each.config.url if each.config is not None else "",
        }
        for each in pool.machines
    ]
    kept = pool.pool
    return {
        **record(pool),
        "Image": pool.image,
        "Options": kept.options,
        "OneAtATime": kept.one_at_a_time,
        "KeepParked": kept.parked,
        "MaxAge": kept.max_age,
        "Parallel": kept.parallel,
        "Paused": kept.paused,
        "Created": kept.created,
        "Store": pool.directory,
        "Machines": machines,
    }
