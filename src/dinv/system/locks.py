"""Locks on files, and on names, which the kernel drops when their holder dies, however it dies.

Those on files are taken with flock(2). Where a file system has none (NFS without a lock daemon says ENOLCK,
Lustre without `-o flock` ENOSYS, some FUSE file systems EOPNOTSUPP), the open file description locks of
fcntl(2) are used. Those behave alike: they belong to the descriptor and its copies in children, not to the
process. A file system with neither is an error: a lock file that nobody drops would be a guess after each
kill -9. Those on names are bound sockets: `alone`.

Modules are imported inside the functions: `ls` and `env` lock nothing.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import LocksNotKept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEP_SECONDS = 0.01
_TRIES = 100
"""How often a file may be replaced while we lock it before we stop trusting its inode numbers."""


LOOKED_AT_SECONDS = (0.01, 0.03, 0.1)
"""Pauses before retrying a lock that a process may have taken only to look (see `is_held`)."""
LOOKED_AT_LONGER_SECONDS = (0.3, 1.0)
"""Further ones while nobody says that it holds the lock: who only looks may have lost the processor."""

LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags for opening a lock file just to see who holds it."""


def take(descriptor: int, path: str, *, shared: bool = False) -> None:
    """Lock an open file now or not at all; `path` is for messages. Closing the file ends the lock.

    Without `shared` the file must be open for writing. Raises BlockingIOError when another process holds
    it, LocksNotKept when the file system has no locks.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        _take_by_fcntl(descriptor, path, shared, error)


def _take_by_fcntl(descriptor: int, path: str, shared: bool, failed: OSError) -> None:  # noqa: FBT001
    import errno
    import fcntl
    import struct

    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:  # not Linux
        raise LocksNotKept(path, failed.strerror or str(failed)) from failed
    # struct flock of fcntl(2): type, whence, start, length (0: all), process (0 for these locks).
    wanted = struct.pack("hhqqi4x", fcntl.F_RDLCK if shared else fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(descriptor, command, wanted)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path) from error
        raise LocksNotKept(path, failed.strerror or str(failed)) from error


def is_current(descriptor: int, path: str) -> bool:
    """Return whether an open file is still the one at `path`. Raises OSError."""
    try:
        there = os.stat(path)
        held = os.fstat(descriptor)
    except OSError as error:
        import errno

        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):  # ESTALE: removed on an NFS server
            return False
        raise
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def open_locked(path: str, *, wait: Callable[[], float | None] = lambda: None) -> int:
    """Lock the file at `path`, creating it with mode 0600 if need be; return its descriptor.

    The file locked is the one at `path` now: if its last holder removed it meanwhile, that one is let go.
    While another process holds it, `wait` is asked how many seconds to sleep before the next try; None means
    give up. Raises BlockingIOError then, LocksNotKept, OSError (FileNotFoundError: the directory is gone).
    """
    for left in range(_TRIES, -1, -1):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            take_in_time(descriptor, path, wait)
            if is_current(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if left < _TRIES // 2:
            time.sleep(0.01)
    raise LocksNotKept(path, "its inode number is different each time")


def take_in_time(descriptor: int, path: str, wait: Callable[[], float | None]) -> None:
    """Lock an open file, waiting as `open_locked` does. Raises the errors of `take`."""
    while True:
        try:
            take(descriptor, path)
        except BlockingIOError:
            pause = wait()
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def until(end: float, pause: float) -> Callable[[], float | None]:
    """Return a `wait` function: steps of `pause` seconds until `time.monotonic()` reaches `end`."""
    return lambda: pause if time.monotonic() < end else None


def past_lookers(path: str) -> Callable[[], float | None]:
    """Return a `wait` function that outlasts processes that only look, and gives up for one that holds it.

    Whoever holds it is known by its words in the file (`said`), and those by a process that lives.
    """
    pauses, longer = iter(LOOKED_AT_SECONDS), iter(LOOKED_AT_LONGER_SECONDS)

    def wait() -> float | None:
        pause = next(pauses, None)
        return next(longer, None) if pause is None and not _names_a_holder(path) else pause

    return wait


def _names_a_holder(path: str) -> bool:
    """Return whether the words in a lock file are of a process that lives, or name no process."""
    try:
        descriptor = os.open(path, LOOK)
    except OSError:  # its holder has just removed it
        return False
    try:
        words = said(descriptor)
    finally:
        os.close(descriptor)
    number = words.rpartition("process ")[2]
    if not number.isdecimal():
        return bool(words)
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def held(path: str, *, wait: Callable[[], float | None] = lambda: None) -> Iterator[int]:
    """Hold the lock that `open_locked` takes for the duration of a `with`."""
    descriptor = open_locked(path, wait=wait)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(name: str, *, seconds: float) -> Iterator[None]:
    """Keep out other processes, of any user, that hold this name, for the duration of a `with`.

    Names of abstract sockets (unix(7)) belong to the network namespace, as bridges and firewall rules do, so
    exactly the right processes meet here. A process that never lets go is not waited for longer than
    `seconds`, which its work cannot take: anybody may take a name. After that, and on other systems than
    Linux, it is done without.
    """
    import errno
    import socket

    end = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        while True:
            try:
                lock.bind(f"\0{name}")
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= end:
                    break
            time.sleep(_STEP_SECONDS)
        yield


def is_held(path: str) -> int | None:
    """Return the descriptor of a lock file that another process holds, for the caller to close, else None.

    This is a snapshot: the answer may be outdated by the time it is read. None also where it is not known.
    """
    try:
        descriptor = os.open(path, LOOK)
    except OSError:
        return None
    try:
        # Shared, so that processes that only look do not block each other.
        take(descriptor, path, shared=True)
    except BlockingIOError:
        return descriptor
    except (LocksNotKept, OSError):
        pass
    os.close(descriptor)
    return None


def said(descriptor: int) -> str:
    """Return what the holder of a lock wrote into its file: what it is doing, and its process id."""
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip()
