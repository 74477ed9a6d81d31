"""The mark of a client's renewal in the background: when it was tried last, and why it failed.

A file in the machine's directory, written before the attempt, so that one that is killed counts as failed.
"""

from __future__ import annotations

import contextlib
import os
import time

MARK = ".client-renewal"
AGAIN_SECONDS = 3600
"""How long after a failure it is not tried again."""
BUSY_SECONDS = 60
"""The same, when another command held the machine's lock."""
_LONGEST = 1000  # bytes of a reason


def begin(directory: str) -> bool:
    """Return whether an attempt may be made now; if so, it is marked."""
    path = os.path.join(directory, MARK)
    # The clock may have been set back since: then the time is in the future.
    with contextlib.suppress(OSError):
        if abs(time.time() - os.stat(path).st_mtime) < AGAIN_SECONDS:
            return False
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        os.utime(path)
    except OSError:  # the store is read-only, or somebody else's
        return False
    return True


def failure(directory: str) -> str:
    """Return why the last attempt failed; "" if it did not."""
    from dinv.system.files import read

    try:
        return read(os.path.join(directory, MARK), largest=_LONGEST).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def failed(directory: str, reason: str, *, again: float = AGAIN_SECONDS) -> None:
    """Note why an attempt failed; it is not made again for `again` seconds."""
    path = os.path.join(directory, MARK)
    with contextlib.suppress(OSError):
        with open(path, "r+b") as file:  # not if the machine is gone
            file.write(" ".join(reason.split()).encode()[: _LONGEST - 1])
            file.truncate()
        last = time.time() + again - AGAIN_SECONDS
        os.utime(path, (last, last))


def succeeded(directory: str) -> None:
    """Note that there is nothing to be done again."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(directory, MARK))
