"""External programs that dinv runs."""

from __future__ import annotations

import os

from dinv.errors import LocalError, ProgramMissing


def find(name: str, needed_by: str) -> str:
    """Return the path of a program. Raises ProgramMissing, which says what needs it."""
    import shutil

    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(name, needed_by)
    return found


def replace_process(command: list[str]) -> int:
    """Become another program: its exit status, signals and terminal are the user's own.

    Returns only where `os.execv` has been replaced. Raises LocalError.
    """
    import signal
    import sys

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Python ignores it, and what is ignored is ignored after exec too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606  (without a shell is what is meant)
    except OSError as error:
        raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error
    return 0
