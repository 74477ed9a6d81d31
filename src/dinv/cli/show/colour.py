"""Whether colours and live lines are wanted: by terminals, their users and CI systems.

NO_COLOR (no-color.org): any value but "" means no. CLICOLOR=0 (bixense.com/clicolors): no. TERM=dumb, or
none: no. CI, which GitLab, GitHub, Jenkins' plugins and others set: no. A pipe or a file: never.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_NO = ("", "0", "false")
_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2"}


def is_looked_at(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a person looks at this stream, on a terminal that can move its cursor."""
    if environ.get("CI", "").lower() not in _NO or environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def wanted(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether output on this stream may be coloured."""
    if environ.get("NO_COLOR") or environ.get("CLICOLOR") == "0":
        return False
    return is_looked_at(stream, environ)


def painted(text: str, colour: str) -> str:
    """Return the text in one of the terminal's colours; "" means none."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour else text
