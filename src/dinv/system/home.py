"""The user's home, and paths that count from it or from here: also where there is neither.

cron, containers and CI jobs have users without an entry in the password file and without HOME, and run in
directories that are removed under them.
"""

from __future__ import annotations

import os

from dinv.errors import InputError


def directory() -> str:
    """The user's home: `$HOME`, else what the password file has; "" where there is neither.

    An empty HOME is none, as it is to docker (docker/cli: pkg/homedir). `os.path.expanduser` would take it
    for `/`, and leave `~` as it is where there is no entry.
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
    """A path in the user's home; `instead` says what to set where there is none. Raises InputError."""
    found = directory()
    if not found:
        raise InputError(
            f"There is no home directory: HOME is not set, and user {os.getuid()} has no entry in the "
            f"password file. Set HOME, or " + instead + "."
        )
    return os.path.join(found, *names)


def expanded(path: str) -> str:
    """`~` and `~user` at the beginning replaced. Raises InputError."""
    first, _, rest = path.partition("/")
    rest = rest.lstrip("/")
    if first == "~":
        return within(*([rest] if rest else ()), instead="give an absolute path")
    return os.path.expanduser(path)


def absolute(path: str) -> str:
    """The path with `~` replaced, counting from the working directory, normalised. Raises InputError."""
    return os.path.normpath(from_here(expanded(path)))


def from_here(path: str) -> str:
    """The path, counting from the working directory; nothing else is changed. Raises InputError."""
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except OSError as error:
        raise InputError(
            f'"{path}" counts from the working directory, which is not there any more ({error.strerror}). '
            f"cd to another, or give an absolute path."
        ) from error
