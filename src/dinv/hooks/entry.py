"""The process of a hook that is an entry point: it calls what the package has, with the document.

That is a callable, or a class whose instances are callable; it gets the document as a dict. To refuse, it
raises `dinv.hooks.Refused` with the reason, or ends the process with another exit status than 0.
"""

from __future__ import annotations

import json
import sys

from dinv import plugins
from dinv.hooks import Refused


def main(value: str) -> None:
    """Load "module:attribute" and call it with the document on standard input."""
    found = plugins.load(value.partition(" ")[0])
    hook = found() if isinstance(found, type) else found
    try:
        hook(json.load(sys.stdin))
    except Refused as reason:
        sys.stdout.write(f"{reason}\n")
        sys.exit(1)
