"""Atomic writes of files and of sets of files; removal of directories.

Files that only work together, such as a key and its certificate, are a set: `stage_set`, `move_set`,
`end_set`. No call replaces several files at once, so between two moves there is a mix of old and new.
That is safe because all the new files lie ready in `PENDING` before the first is moved, and any process that
finds this directory moves the rest: no set is left half replaced, whatever killed the process that began.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PENDING = ".pending"
"""The directory beside a set's files that holds the new ones until they are moved into place."""

_SUFFIX = ".dinv-tmp"

NOT_OFFERED = (errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of file systems that lack a call, such as chmod, or fsync of a directory."""

_OTHERS = 0o077

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""Names for entries of a directory that are not files, directories or links."""


LARGEST = 16 * 1024 * 1024
"""Bytes. What dinv reads as a whole, configurations and certificates, is a few hundred thousand at most."""


def read(path: str, *, largest: int = LARGEST) -> bytes:
    """Return the content of a regular file; a symbolic link to one counts.

    Nothing else is opened: a named pipe would block, and opening a device may have effects. Raises OSError,
    with a `strerror` fit to be shown, also for a file of more than `largest` bytes.
    """
    _check_kind(os.stat(path), path)
    # O_NONBLOCK: in case it has become a pipe by now.
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
    """Raise OSError for anything `read` would refuse; for files that other libraries will open."""
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
        raise OSError(errno.EINVAL, f"it is {KINDS.get(kind, 'something else')}, not a file", path)


def write(path: str, data: bytes, *, mode: int, staging: str = "") -> None:
    """Write `data` to `path` atomically: a reader sees the old content or the new, never a part.

    Works as `write_all` does, for one file.
    """
    write_all([(path, data, mode)], staging=staging)


def write_all(files: Iterable[tuple[str, bytes, int]], *, staging: str = "") -> None:
    """Write several files: all are on the disk before the first is moved into place, in the order given.

    Each item of `files` is a path, its bytes and its permission bits. The bits hold as soon as there is
    something to read, whatever the umask. `staging` is a directory on the same file system for unfinished
    files; by default that is each file's own directory. Raises OSError, having removed what was not moved
    yet. A process killed between two moves leaves the first files new and the others old; `sweep` removes
    the unfinished ones.
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
                # The write reports a full disk, without the file's name.
                error.filename = error.filename or path
                raise
        while staged:
            os.replace(*staged[0])
            del staged[0]
    finally:
        for temporary, _ in staged:
            _unlink(temporary)


def replace_set(directory: str, files: Iterable[tuple[str, bytes, int]]) -> None:
    """Replace a set of files in `directory`: `stage_set`, `move_set`, `end_set`. Raises OSError."""
    stage_set(directory, files)
    move_set(directory)
    end_set(directory)


def stage_set(directory: str, files: Iterable[tuple[str, bytes, int]]) -> None:
    """Stage a set of files in `directory`. From here on any process may finish the replacement.

    Each item of `files` is a name, its bytes and its permission bits. The caller must hold the lock. A set
    that was staged earlier is moved into place first. Raises OSError, with nothing staged.
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
    """Move a staged set into place, if there is one; `end_set` comes after it.

    Several processes may do this at the same time, and while another set is being staged: PENDING always
    holds the latest content. Raises OSError.
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
    """Return the path to read a file of a set from: the staged file if it is not in place yet.

    Nothing is moved, but another process may move the file before the caller opens it.
    """
    pending = os.path.join(directory, PENDING, name)
    return pending if os.path.exists(pending) else os.path.join(directory, name)


def is_pending(directory: str, *names: str) -> bool:
    """Return whether a set is staged and not ended; with `names`, whether any of these is not yet moved."""
    pending = os.path.join(directory, PENDING)
    return any(os.path.exists(os.path.join(pending, name)) for name in names or ("",))


def end_set(directory: str) -> None:
    """Remove the marker of a finished replacement. The caller must hold the lock. Raises OSError."""
    import contextlib

    with contextlib.suppress(FileNotFoundError):
        os.rmdir(os.path.join(directory, PENDING))


def sweep(directory: str) -> None:
    """Remove what killed writers left unfinished in `directory`, which need not exist.

    The caller must hold the machine's lock. Raises OSError.
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
    """Make files created, renamed or removed in a directory survive a power cut. Raises OSError."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """Remove a directory with everything in it, or a file; it is fine if there is nothing.

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
    # O_EXCL: never write through a file or symbolic link that somebody else put there.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        _set_mode(descriptor, path, mode)
        file.write(data)
        file.flush()
        _sync(descriptor)


def _set_mode(descriptor: int, path: str, mode: int) -> None:
    """Set the permission bits of an empty file. Raises OSError if others could still read it.

    exFAT, FAT and CIFS have one set of bits for all files, chosen at mount time; they refuse a change or
    silently ignore it. Fewer bits than asked for do no harm.
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
    """Move a directory to a path where a killed process may have left an empty one."""
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
