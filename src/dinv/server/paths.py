"""Where a browser may be sent after it has signed in."""

from __future__ import annotations

_LONGEST = 1000


def local_path(path: str) -> str:
    """Return a path of this server, "/" for anything that a browser could take for another place."""
    fine = path.startswith("/") and path.isprintable() and path.isascii() and len(path) < _LONGEST
    return path if fine and not path.startswith("//") and "\\" not in path else "/"
