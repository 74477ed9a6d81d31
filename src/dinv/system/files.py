"""Files written whole or not at all: beside their place first, then moved onto it. Directories removed.

Files that only work together, a key and its certificate say, are a set: `stage_set`, `move_set`, `end_set`.
No call replaces several files at once, so between two moves there is a moment with some of both. What makes
up for that is that all of the new ones lie ready in `PENDING` before the first is moved, and whoever finds
that directory moves the rest: a set is never left half replaced, whatever killed the process that began.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PENDING = ".pending"
"""The directory, beside the files of a set, with those that have not been moved to their places yet."""

_SUFFIX = ".dinv-tmp"

NOT_OFFERED = (errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say of calls that they do not have: chmod, or fsync of a directory."""

_OTHERS = 0o077

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What things in a directory are called that are no files, directories or links."""


LARGEST = 16 * 1024 * 1024
"""Bytes. What dinv reads as a whole, configurations and certificates, has some hundred thousand at most."""


def read(path: str, *, largest: int = LARGEST) -> bytes:
    """Read a regular file as a whole; a symbolic link to one is one.

    Nothing else is opened: a named pipe would wait for a writer, a device may do something. Raises OSError,
    with `strerror` fit to be shown, also for a file of more than `largest` bytes.
    """
    _check_kind(os.stat(path), path)
    # O_NONBLOCK: should it have become a pipe by now.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        _check_kind(os.fstat(descriptor), path)
        pieces, left = [], largest + 1
        while left > 0 and (piece := file.read(left)):
            pieces.append(piece)
            left -= len(piece)
    if left <= 0:
        raise OSError(errno.EFBIG, f"it has more than {largest} bytes", path)
    return b"".join(pieces)


def check(path: str, *, largest: int = LARGEST) -> None:
    """Raise OSError for what `read` would not read; for files that somebody else's code opens."""
    found = os.stat(path)
    _check_kind(found, path)
    if found.st_size > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest} bytes", path)
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))


def _check_kind(found: os.stat_result, path: str) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'something else')}, and no file", path)


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
            try:
                _create(temporary, data, mode)
            except OSError as error:
                # A disk that is full is told by the write, which knows no name.
                error.filename = error.filename or path
                raise
        while staged:
            os.replace(*staged[0])
            del staged[0]
    finally:
        for temporary, _ in staged:
            _unlink(temporary)


def replace_set(directory: str, files: Iterable[tuple[str, bytes, int]]) -> None:
    """Replace a set of files in `directory`, as `stage_set`, `move_set` and `end_set` do. Raises OSError."""
    stage_set(directory, files)
    move_set(directory)
    end_set(directory)


def stage_set(directory: str, files: Iterable[tuple[str, bytes, int]]) -> None:
    """Decide what a set of files in `directory` will be; after this it will, whoever moves them.

    Each of `files` is a name, its bytes and its permission bits. The caller keeps other writers out. A set
    that was decided on earlier is moved first. Raises OSError, with nothing decided.
    """
    move_set(directory)
    staging = os.path.join(directory, f".set.{os.urandom(6).hex()}{_SUFFIX}")
    try:
        os.mkdir(staging, 0o700)
        for name, data, mode in files:
            _create(os.path.join(staging, name), data, mode)
        sync_directory(staging)
        _take_place_of_empty(staging, os.path.join(directory, PENDING))
    except BaseException:
        remove_tree(staging)
        raise
    sync_directory(directory)


def move_set(directory: str) -> None:
    """Move what was decided on to its place, if there is anything; `end_set` comes after it.

    Several processes may do that at the same time, and while another set is being decided on: what lies
    in PENDING is always what the files are to be. Raises OSError.
    """
    import contextlib

    pending = os.path.join(directory, PENDING)
    try:
        names = sorted(os.listdir(pending))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.replace(os.path.join(pending, name), os.path.join(directory, name))
    sync_directory(directory)


def current(directory: str, name: str) -> str:
    """Where a file of a set is to be read from: what was decided on counts, in its place already or not.

    Nothing is moved; it may be by another process before the file is opened.
    """
    pending = os.path.join(directory, PENDING, name)
    return pending if os.path.exists(pending) else os.path.join(directory, name)


def is_pending(directory: str, *names: str) -> bool:
    """Whether a set was decided on and not ended; with names, whether any of them is not in its place yet."""
    pending = os.path.join(directory, PENDING)
    return any(os.path.exists(os.path.join(pending, name)) for name in names or ("",))


def end_set(directory: str) -> None:
    """Forget that a set was replaced; for who keeps other writers out. Raises OSError."""
    import contextlib

    with contextlib.suppress(FileNotFoundError):
        os.rmdir(os.path.join(directory, PENDING))


def sweep(directory: str) -> None:
    """Remove what killed writers left unfinished in `directory`, which need not exist.

    Only for who keeps other writers out of the directory, by the machine's lock. Raises OSError.
    """
    try:
        with os.scandir(directory) as entries:
            left = [entry for entry in entries if entry.name.startswith(".") and entry.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return
    for entry in left:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            _unlink(entry.path)


def sync_directory(path: str) -> None:
    """Make what was created, renamed or removed in a directory outlast a power cut. Raises OSError."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """Remove a directory with all in it, or a file; nothing there is fine.

    Symbolic links are not followed. Raises OSError.
    """
    import contextlib

    if os.path.islink(path):
        _unlink(path)
        return
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
        _set_mode(descriptor, path, mode)
        file.write(data)
        file.flush()
        _sync(descriptor)


def _set_mode(descriptor: int, path: str, mode: int) -> None:
    """Set the permission bits of an empty file. Raises OSError where others could read it after all.

    exFAT, FAT and CIFS have one set of bits for all, which the mount chooses; they refuse a change or pass
    over it in silence. Bits that are fewer than asked for do no harm.
    """
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
    if not mode & _OTHERS and os.fstat(descriptor).st_mode & _OTHERS:
        raise OSError(
            errno.EPERM,
            "its file system keeps no permissions, so that others on this computer could read what is to be "
            "private. Have it mounted for you alone (umask=077; CIFS: file_mode=0600,dir_mode=0700; WSL: "
            "metadata)",
            os.path.dirname(path),
        )


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def _take_place_of_empty(directory: str, place: str) -> None:
    """Move a directory to a place where an empty one may be, which a killed process has left."""
    import contextlib

    try:
        os.rename(directory, place)
    except OSError:
        # POSIX has rename(2) replace it; not all that is mounted by FUSE does.
        with contextlib.suppress(OSError):
            os.rmdir(place)
            os.rename(directory, place)
            return
        raise


def _unlink(path: str) -> None:
    import contextlib

    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
