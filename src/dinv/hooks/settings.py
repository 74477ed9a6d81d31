"""The store's settings for hooks: the table `[hooks]` of its config.toml (`dinv.store.settings`).

It is read only when there is a hook to run.
"""

from __future__ import annotations

from dinv.store.settings import read

SECONDS = 30.0
"""How long a hook may take, unless the store says otherwise."""
MOST_SECONDS = 3600.0


def seconds(store: str) -> float:
    """Return how long a hook may take: `timeout` in `[hooks]`. Raises InputError."""
    settings = read(store, "hooks")
    for key in settings.values:
        if key != "timeout":
            raise settings.refused(key, "does not exist. There is timeout")
    value = settings.values.get("timeout", SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_SECONDS:
        raise settings.refused("timeout", f"= {value!r} is not a number of seconds, up to {MOST_SECONDS:g}")
    return float(value)
