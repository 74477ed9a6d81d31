"""Programs of this computer that dinv runs: no library does what they do, or the user's own is meant."""

from __future__ import annotations

from dinv.errors import ProgramMissing


def find(name: str, needed_by: str) -> str:
    """The path of a program. Raises ProgramMissing, which says what needs it."""
    import shutil

    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(name, needed_by)
    return found
