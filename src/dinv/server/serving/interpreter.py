"""How this process shares a processor and its memory between its threads, of which the server has some sixty.

`prepare` comes first, and `settle` when everything is there that stays to the end.

Measured by benchmarks/server_web.py.
"""

from __future__ import annotations

import ctypes
import gc
import sys

SWITCH_SECONDS = 0.0005
"""A request's thread leaves the interpreter at each query, and gets it back after at most this, not 5 ms."""
ARENAS = 2
"""malloc has one for each thread, up to 8 a processor: two serve as well, with 12 MB less."""
_M_ARENA_MAX = -8
"""malloc.h of glibc."""


def prepare() -> None:
    """Set both, for the rest of the process."""
    sys.setswitchinterval(SWITCH_SECONDS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have no such thing
        mallopt(_M_ARENA_MAX, ARENAS)


def settle() -> None:
    """Leave what there is out of the collection of garbage.

    Looking through it takes 0.1 s, for which all threads stand still.
    """
    gc.collect()
    gc.freeze()
