"""A hook that refuses a machine when its store has as many as it may have.

How many that are is in the file hooks/quota.txt in the store; without the file, any number.
"""

from __future__ import annotations

import os
from typing import Any

from dinv import open as open_store
from dinv.hooks import Refused


def quota(told: dict[str, Any]) -> None:
    """Refuse what would be one too many; `told` is what docs/hooks.md says."""
    try:
        with open(os.path.join(told["store"], "hooks", "quota.txt"), encoding="ascii") as file:
            most = int(file.read())
    except FileNotFoundError:
        return
    # The one that is about to be made has claimed its name.
    there = [name for name in open_store(told["store"]).names() if name != told["machine"]["name"]]
    if len(there) >= most:
        raise Refused(f"this store may have {most} machines, and has {', '.join(there)}")
