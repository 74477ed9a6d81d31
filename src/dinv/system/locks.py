"""Locks on files, which the kernel drops when their holder dies, however it dies.

By flock(2); where a file system has none (NFS without a lock daemon says ENOLCK, Lustre without `-o flock`
ENOSYS, some of FUSE EOPNOTSUPP), by the locks of open file descriptions of fcntl(2), which behave alike: they
belong to the descriptor and its copies in children, not to the process. Where there are neither, it is an
error: a lock file that nobody drops would have to be guessed at after each kill -9.

Names are imported late: `ls` and `env` lock nothing.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import LocksNotKept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TRIES = 100
"""How often a file may be replaced while it is being locked before its inode numbers are not believed."""


LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a lock file is opened by somebody who only looks."""


def take(descriptor: int, path: str, *, shared: bool = False) -> None:
    """Lock an open file at once or not at all; `path` is for messages. It ends when the file is closed.

    Without `shared` the file must be open for writing. Raises BlockingIOError when somebody else holds
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
    if command is None:  # no Linux
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
    """Whether an open file is still the one at `path`. Raises OSError."""
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
    """Lock the file at `path`, made with mode 0600 if need be; return its descriptor.

    It is the file that is at `path` now: one that its last holder removed meanwhile is let go. While somebody
    else holds it `wait` is asked for how many seconds to sleep before the next try; None is the end.
    Raises BlockingIOError then, LocksNotKept, OSError (FileNotFoundError: the directory is gone).
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
    raise LocksNotKept(path, "it gives a file another number each time that it is looked at")


def take_in_time(descriptor: int, path: str, wait: Callable[[], float | None]) -> None:
    """Lock an open file, waiting as `open_locked` does. Raises as `take`."""
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
    """A way to wait: in steps of `pause` seconds, until `time.monotonic()` is at `end`."""
    return lambda: pause if time.monotonic() < end else None


@contextlib.contextmanager
def held(path: str, *, wait: Callable[[], float | None] = lambda: None) -> Iterator[int]:
    """Hold the lock that `open_locked` takes."""
    descriptor = open_locked(path, wait=wait)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: str) -> int | None:
    """The descriptor of a lock file that somebody else holds, for the caller to close; None when nobody does.

    A look only: it is over by the time that anybody reads it. None also where it cannot be told.
    """
    try:
        descriptor = os.open(path, LOOK)
    except OSError:
        return None
    try:
        # Shared, so that those who look do not see each other.
        take(descriptor, path, shared=True)
    except BlockingIOError:
        return descriptor
    except (LocksNotKept, OSError):
        pass
    os.close(descriptor)
    return None


def said(descriptor: int) -> str:
    """What the holder of a lock has written into its file: what it does, and which process it is."""
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip()
