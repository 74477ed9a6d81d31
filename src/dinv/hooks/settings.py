"""The store's settings for hooks: the table `[hooks]` of its config.toml.

It is read only when there is a hook to run.
"""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.system import files

SECONDS = 30.0
"""How long a hook may take, unless the store says otherwise."""
MOST_SECONDS = 3600.0


def seconds(store: str) -> float:
    """Return how long a hook may take: `timeout` in `[hooks]`. Raises InputError."""
    path = os.path.join(store, "config.toml")
    try:
        content = files.read(path)
    except FileNotFoundError:
        return SECONDS
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    import tomllib

    try:
        document = tomllib.loads(content.decode())
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}.") from error
    table = document.get("hooks", {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: hooks is not a table. Write [hooks], and below it: timeout = 30")
    unknown = [key for key in table if key != "timeout"]
    if unknown:
        raise InputError(f"{path}: [hooks] has {unknown[0]}, which does not exist. It can have: timeout")
    value = table.get("timeout", SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_SECONDS:
        raise InputError(
            f"{path}: timeout in [hooks] is {value!r}. It is a number of seconds, up to {MOST_SECONDS:g}."
        )
    return float(value)
