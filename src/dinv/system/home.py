"""The user's home, and paths relative to it or to the working directory, even where neither exists.

cron, containers and CI jobs have users without an entry in the password file and without HOME, and run in
directories that are removed under them.
"""

from __future__ import annotations

import os

from dinv.errors import InputError


def directory() -> str:
    """Return the user's home: `$HOME`, else the password file's entry, "" if there is neither.

    An empty HOME counts as unset, as it does to docker (docker/cli: pkg/homedir). `os.path.expanduser` would
    take it for `/`, and would leave `~` unexpanded where the user has no entry.
    """
    found = os.environ.get("HOME", "")
    if found:
        return found
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""


def within(*names: str, instead: str) -> str:
    """Return a path in the user's home. Raises InputError, with `instead` as advice, if there is no home."""
    found = directory()
    if not found:
        raise InputError(
            f"There is no home directory: HOME is not set, and user {os.getuid()} has no entry in the "
            f"password file. Set HOME, or " + instead + "."
        )
    return os.path.join(found, *names)


def expanded(path: str) -> str:
    """Expand a leading `~` or `~user`. Raises InputError."""
    first, _, rest = path.partition("/")
    rest = rest.lstrip("/")
    if first == "~":
        return within(*([rest] if rest else ()), instead="give an absolute path")
    return os.path.expanduser(path)


def absolute(path: str) -> str:
    """Expand `~`, make the path absolute and normalise it. Raises InputError."""
    return os.path.normpath(from_here(expanded(path)))


def from_here(path: str) -> str:
    """Make the path absolute, and change nothing else. Raises InputError."""
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except OSError as error:
        raise InputError(
            f'"{path}" counts from the working directory, which is not there any more ({error.strerror}). '
            f"cd to another, or give an absolute path."
        ) from error
