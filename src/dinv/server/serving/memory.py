"""How much memory the C library keeps for threads: glibc's malloc has an arena for each, up to 8 a processor.

The server has some sixty threads that work for moments; two arenas serve them as well, with 12 MB less of
150 (benchmarks/server_web.py). mallopt(3).
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""malloc.h of glibc."""
ARENAS = 2


def keep_few_arenas() -> bool:
    """Have malloc use no more than two, from now on; return False where the C library has no such thing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt is not None and mallopt(_M_ARENA_MAX, ARENAS))
