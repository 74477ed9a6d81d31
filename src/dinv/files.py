"""Files written whole or not at all: beside their place first, then moved onto it. Directories removed."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX = ".dinv-tmp"


def write(path: str, data: bytes, *, mode: int, staging: str = "") -> None:
    """Put `data` at `path` in one step: a reader sees the file as it was or as it is, never a part.

    See `write_all`, of which this is the case of one file.
    """
    write_all([(path, data, mode)], staging=staging)


def write_all(files: Iterable[tuple[str, bytes, int]], *, staging: str = "") -> None:
    """Put several files in place: all are on the disk before the first is moved, in the order given.

    Each of `files` is a path, its bytes and its permission bits. The bits hold from the moment there is
    something to read, whatever the umask. `staging` is a directory of the same file system for what is
    not finished yet; without it that is each file's own. Raises OSError, having removed what was not
    moved yet. A process killed between two moves leaves the first ones new and the others old; what it
    leaves unfinished is removed by `sweep`.
    """
    staged: list[tuple[str, str]] = []
    try:
        for path, data, mode in files:
            directory, name = os.path.split(path)
            temporary = os.path.join(staging or directory, f".{name}.{os.urandom(6).hex()}{_SUFFIX}")
            staged.append((temporary, path))
            _create(temporary, data, mode)
        while staged:
            os.replace(*staged[0])
            del staged[0]
    finally:
        for temporary, _ in staged:
            _unlink(temporary)


def sweep(directory: str) -> None:
    """Remove what killed writers left unfinished in `directory`, which need not exist.

    Only for who keeps other writers out of the directory, by the machine's lock. Raises OSError.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(".") and name.endswith(_SUFFIX):
            _unlink(os.path.join(directory, name))


def sync_directory(path: str) -> None:
    """Make what was created, renamed or removed in a directory outlast a power cut. Raises OSError."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """Remove a directory with all in it, or a file; nothing there is fine.

    Symbolic links are not followed. Raises OSError.
    """
    try:
        with os.scandir(path) as entries:
            inside = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except NotADirectoryError:
        os.unlink(path)
        return
    except FileNotFoundError:
        return
    for child, is_directory in inside:
        if is_directory:
            remove_tree(child)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(child)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(path)


def _create(path: str, data: bytes, mode: int) -> None:
    # O_EXCL: what somebody else put there, a symbolic link say, is not written through.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
