"""The store's settings for hooks: the table `[hooks]` of its config.toml.

It is read only when there is a hook to run.
"""

from __future__ import annotations

from dinv.errors import InputError
from dinv.store.settings import read

SECONDS = 30.0
"""How long a hook may take, unless the store says otherwise."""
MOST_SECONDS = 3600.0


def seconds(store: str) -> float:
    """Return how long a hook may take: `timeout` in `[hooks]`. Raises InputError."""
    table = read(store, "hooks")
    unknown = [key for key in table.values if key != "timeout"]
    if unknown:
        place = table.place(unknown[0])
        raise InputError(f"{place}: [hooks] has {unknown[0]}, which does not exist. It can have: timeout")
    value = table.values.get("timeout", SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_SECONDS:
        place = table.place("timeout")
        raise InputError(
            f"{place}: timeout in [hooks] is {value!r}. It is a number of seconds, up to {MOST_SECONDS:g}."
        )
    return float(value)
