"""`dinv link`: other names to call dinv by, such as docker-machine."""

from __future__ import annotations

import os
import shutil
import sys

from dinv.errors import InputError, LinkError
from dinv.system import home

PROGRAM = "dinv"


def link(name: str, directory: str | None = None) -> tuple[str, list[str]]:
    """Make `name` in `directory` (by default dinv's own) a symbolic link to dinv.

    Returns its path, and remarks about it, a line each. An existing link to dinv is updated; anything else of
    this name is left alone. Raises InputError for an invalid name, LinkError.
    """
    target = executable()
    if not name or name in (".", "..", PROGRAM) or os.sep in name or name.startswith("-"):
        raise InputError(f'"{name}" cannot be another name for {PROGRAM}: it has to be a plain, other name.')
    directory = home.absolute(directory or os.path.dirname(target))
    path = os.path.join(directory, name)
    if os.path.lexists(path) and not _is_ours(path):
        raise LinkError(
            f"{path} is there already, and is not a link to {PROGRAM}. "
            f"Remove it first, or name another directory."
        )
    try:
        if os.path.islink(path):
            _replace(path, target)
        else:
            os.symlink(target, path)
    except OSError as error:
        raise LinkError(
            f"{path} cannot be made: {error.strerror}. Name a directory that you may write to."
        ) from error
    return path, _notes(name, path)


def _replace(path: str, target: str) -> None:
    """Replace a link by a new one atomically, so that there always is one."""
    temporary = f"{path}.{os.getpid()}"
    os.symlink(target, temporary)
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def executable() -> str:
    """Return the absolute path of dinv's executable, as called or beside Python's. Raises LinkError."""
    called = shutil.which(sys.argv[0]) if sys.argv and sys.argv[0] else None
    seen = set()
    while called and called not in seen:
        called = home.absolute(called)
        if os.path.basename(called) == PROGRAM:
            return called
        seen.add(called)
        # Called by another name: follow the link that this command has made.
        called = (
            os.path.join(os.path.dirname(called), os.readlink(called)) if os.path.islink(called) else None
        )
    beside = os.path.join(os.path.dirname(sys.executable), PROGRAM)
    if os.access(beside, os.X_OK):
        return beside
    raise LinkError(f"The executable {PROGRAM} is not to be found. Call this command as {PROGRAM} link ...")


def _is_ours(path: str) -> bool:
    return os.path.islink(path) and os.path.basename(os.readlink(path)) == PROGRAM


def _notes(name: str, path: str) -> list[str]:
    found = shutil.which(name)
    if found is None:
        return [f"{os.path.dirname(path)} is not in PATH: put it there, to call {name} by its name."]
    if not os.path.samefile(found, path):
        return [f"{found} comes before it in PATH."]
    return []
