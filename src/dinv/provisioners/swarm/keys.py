"""Unlock keys of swarms with autolock: in the machine's directory, for its owner only, and in no record.

A key that was replaced is kept behind the new one: a manager that was stopped meanwhile starts with the old.
"""

from __future__ import annotations

import os

from dinv.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "swarm-unlock-keys"
KEPT = 5


def read(directory: str) -> list[str]:
    """Return the keys in a machine's directory, the newest first; none if there are none."""
    from dinv.system import files

    try:
        text = files.read(os.path.join(directory, FILE)).decode(errors="replace")
    except (OSError, StoreError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def keep(directory: str, key: str) -> None:
    """Record a key as the newest one. Raises StoreError."""
    known = read(directory)
    if known[:1] != [key]:
        _write(directory, [key, *(each for each in known if each != key)][:KEPT])


def _write(directory: str, keys: Iterable[str]) -> None:
    from dinv.system import files

    files.write(os.path.join(directory, FILE), "".join(f"{key}\n" for key in keys).encode(), mode=0o600)


def drop(directory: str) -> None:
    """Remove them."""
    import contextlib

    with contextlib.suppress(OSError):
        os.unlink(os.path.join(directory, FILE))
