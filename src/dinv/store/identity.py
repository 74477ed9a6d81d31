"""The identity of a store: on what is made for it on endpoints, which several stores may share."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.layout import Layout

FILE = ".identity"
"""In the directory of machines, whose names do not begin with a dot."""
_DIGITS = 32


def _path(store: Layout) -> str:
    return os.path.join(store.path, "machines", FILE)


def known(store: Layout) -> str:
    """Return the store's identity, "" if it has none yet: nothing was made for it."""
    try:
        with open(_path(store), encoding="ascii") as file:
            return file.read(_DIGITS)
    except (OSError, UnicodeDecodeError):
        return ""


def of(store: Layout) -> str:
    """Return the store's identity, and give it one if it has none; "" if it cannot be written."""
    found = known(store)
    if found:
        return found
    path = _path(store)
    made = f"{path}.{os.urandom(6).hex()}"
    with contextlib.suppress(OSError):
        try:
            with open(made, "x", encoding="ascii") as file:
                file.write(os.urandom(_DIGITS // 2).hex())
            with contextlib.suppress(FileExistsError):
                _link(made, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made)
    return known(store)


def _link(made: str, path: str) -> None:
    """Give a file its name, unless another process was faster."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # exFAT has no links
        os.replace(made, path)
