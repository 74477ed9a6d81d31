"""Pools of machines that are made before anybody asks for one."""

from __future__ import annotations

from dinv.errors.base import DinvError, InputError
from dinv.wording import command, joined, option


class PoolError(DinvError):
    """A pool cannot do what was asked. `pool` is its name."""

    def __init__(self, pool: str, message: str) -> None:
        super().__init__(message)
        self.pool = pool


class PoolNotFound(PoolError):
    """The store has no pool of this name. `alike`: a name that resembles it, or ""."""

    def __init__(self, pool: str, alike: str = "") -> None:
        meant = f'\nDid you mean "{alike}"?' if alike else ""
        super().__init__(
            pool,
            f'There is no pool "{pool}". '
            + command("pool", "ls")
            + " lists the existing ones, "
            + command("pool", "create", pool)
            + f" creates it.{meant}",
        )
        self.alike = alike


class PoolExists(PoolError):
    """There is a pool of this name already."""

    def __init__(self, pool: str) -> None:
        super().__init__(
            pool,
            f'There is a pool "{pool}" already. To change it: ' + command("pool", "set", pool, "..."),
        )


class PoolBusy(PoolError):
    """Another process reconciles or changes the pool; `holder` is what it says of itself, or ""."""

    def __init__(self, pool: str, holder: str = "") -> None:
        what = f" ({holder})" if holder else ""
        super().__init__(
            pool,
            f'Another dinv is at work on pool "{pool}"{what}. Wait until it has finished and try again.',
        )
        self.holder = holder


class PoolFull(PoolError):
    """The pool has no machine ready, and as many claimed ones as it may have: `maximum`."""

    def __init__(self, pool: str, maximum: int) -> None:
        super().__init__(
            pool,
            f'No machine of pool "{pool}" is free, and it may have no more than {maximum}, claimed ones '
            "included. Remove one that is not needed any more, with "
            + command("rm")
            + ", or let it have more: "
            + command("pool", "set", "--max", "NUMBER", pool),
        )
        self.maximum = maximum


class PoolsMachine(InputError):
    """An option that a claim cannot honour: machines of a pool are made already.

    `key` is its keyword, `value` what the pool has, None if it has none.
    """

    def __init__(self, pool: str, key: str, value: object) -> None:
        shown = option(key.replace("_", "-"))
        has = f"the pool has {value}" if value is not None else "the pool has none"
        super().__init__(
            joined(
                "",
                (
                    f'Machines of pool "{pool}" are made already, so ',
                    shown,
                    f" comes too late for one: {has}. Leave it out; or change the pool: ",
                    command("pool", "set", pool, "..."),
                    "; or leave out ",
                    option("pool"),
                    ", and a machine of its own is made.",
                ),
            )
        )
        self.pool = pool
        self.key = key


class ReconcileFailed(PoolError):
    """Machines could not be made; `said` is why, `retry` in how many seconds the pool tries again."""

    def __init__(self, pool: str, said: str, retry: float) -> None:
        super().__init__(
            pool,
            joined(
                "",
                (
                    f'Pool "{pool}" is short of machines: ',
                    said,
                    f"\nIt tries again in {retry:.0f} s at the earliest. What failed: ",
                    command("pool", "inspect", pool),
                ),
            ),
        )
        self.said = said
        self.retry = retry
