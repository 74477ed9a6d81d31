"""The user's kubeconfig: which file it is, and changes that no other program gets in the way of.

As kubernetes/client-go does it (tools/clientcmd/config.go and loader.go): the file that is named; else the
first file of `$KUBECONFIG` that is there, or the last of them; else `~/.kube/config`. Whoever changes FILE
holds FILE.lock, a file that is made only if there is none and removed afterwards, also by kind. It
has no holder that the kernel knows: what a killed program leaves keeps all others out. A lock of dinv's says
which process made it, and is taken away once that is gone.

What is written is the text with its entry, in a new file that takes the place of the old one, for its owner,
with its mode; a symbolic link stays one. What is in it: `dinv.formats.kubeconfig`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

from dinv.errors import InputError, KubeconfigError, KubeconfigLocked, LocksNotKept
from dinv.system import files, home, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import TypeVar

    Result = TypeVar("Result")

LARGEST = 4 << 20
"""Bytes: two hundred clusters need one million."""
LOCK_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_WAITING_SECONDS = 600.0
"""How old a file beside the lock has to be before nobody can be waiting with it."""
_TRIES = 5
_MARK = b"dinv\n"
"""What dinv's lock files say; those of client-go are empty."""
_EXTRA = "pip install 'dinv[kubernetes]', or apt install python3-yaml"


class Owner:
    """Whose an entry is: a machine, by its name, its identity and the store that has it."""

    def __init__(self, machine: str, identity: str, store: str) -> None:
        self.machine = machine
        self.identity = identity
        self.store = store


# Which file


def listed(*, but_below: str = "") -> list[str]:
    """Return the files that make up the user's configuration, in the order in which they are read.

    Not those below `but_below`: `dinv env` names a machine's own file, which is no place for others' entries.
    Raises InputError where there is no home.
    """
    named = [path for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    found = [home.from_here(path) for path in dict.fromkeys(named)]
    own = os.path.join(os.path.realpath(but_below), "") if but_below else ""
    found = [path for path in found if not own or not os.path.realpath(path).startswith(own)]
    return found or [home.within(".kube", "config", instead="KUBECONFIG")]


def target(explicit: str = "", *, but_below: str = "") -> str:
    """Return the path of the file that new entries go into. Raises InputError."""
    if explicit:
        return home.absolute(explicit)
    paths = listed(but_below=but_below)
    return next((path for path in paths if os.path.exists(path)), paths[-1])


# Changes


def check(path: str) -> None:
    """Raise KubeconfigError if no entry could be added now. It is locked for a moment, and left as it is."""
    formats = _formats(path)
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        while not os.path.lexists(directory):
            directory = os.path.dirname(directory)
        if not os.path.isdir(directory) or not os.access(directory, os.W_OK):
            raise KubeconfigError(path, f"it cannot be made: {directory} cannot be written")
        return
    with _locked(path):
        try:
            formats.names(_read(path))
        except ValueError as error:
            raise KubeconfigError(path, str(error)) from error
        _check_writable(path)


def add(
    path: str,
    name: str,
    *,
    cluster_ca: bytes,
    server: str,
    client_certificate: bytes,
    client_key: bytes,
    owner: Owner,
    use: bool | None = None,
) -> str:
    """Put cluster, user and context of a machine into a kubeconfig, or replace them; return their name.

    That is `name`; where something else is called so, "dinv-" and `name`. Nothing that is not the machine's
    is changed. The context becomes the current one if `use` is True, or None and there is no other. All
    certificates are PEM. A file that is missing is made, for the user alone. Raises KubeconfigError,
    KubeconfigLocked.
    """
    formats = _formats(path)
    entry = formats.Entry(
        name,
        cluster_ca=cluster_ca,
        server=server,
        client_certificate=client_certificate,
        client_key=client_key,
        identity=owner.identity,
        machine=owner.machine,
        store=owner.store,
    )
    taken, chosen = _others(path, owner.identity)
    wanted = False if use is None and chosen else use

    def change(content: bytes) -> tuple[bytes, str]:
        found: tuple[bytes, str] = formats.added(content, entry, taken=taken, use=wanted)
        return found

    return _change(path, change)


def add_from(path: str, name: str, source: str, *, owner: Owner, use: bool | None = None) -> str:
    """Put what the current context of the kubeconfig `source` leads to into another one, as `add` does.

    Raises KubeconfigError also for a source that has not all of its certificates and its key in it.
    """
    try:
        found = _formats(path).reached(_read(source))
    except ValueError as error:
        raise KubeconfigError(source, str(error)) from error
    return add(
        path,
        name,
        cluster_ca=found.cluster_ca,
        server=found.server,
        client_certificate=found.client_certificate,
        client_key=found.client_key,
        owner=owner,
        use=use,
    )


def remove(path: str, owner: Owner) -> list[str]:
    """Take a machine's entries out of a kubeconfig; return the names of its contexts there.

    If one of them is the current context, there is none afterwards. A file that is missing has none. Raises
    KubeconfigError, KubeconfigLocked.
    """
    if not os.path.exists(path):
        return []
    if owner.identity.encode() not in _read(path):
        return []
    formats = _formats(path)
    return _change(path, lambda content: formats.removed(content, owner.identity))


def _change(path: str, change: Callable[[bytes], tuple[bytes, Result]]) -> Result:
    """Change the content of a file while nobody else does. Raises KubeconfigError."""
    with _locked(path):
        for _ in range(_TRIES):
            seen = _seen(path)
            content = _read(path)
            try:
                new, result = change(content)
            except ValueError as error:
                raise KubeconfigError(path, str(error)) from error
            if new == content:
                return result
            _check_writable(path)
            # An editor takes no lock.
            if _seen(path) == seen:
                _replace(path, new)
                return result
    raise KubeconfigError(path, "another program changes it again and again")


def _formats(path: str) -> ModuleType:
    try:
        from dinv.formats import kubeconfig
    except ImportError as error:
        if error.name != "yaml":
            raise
        reason = "PyYAML, by which its entries are found, is not installed"
        raise KubeconfigError(path, reason, f"Install it: {_EXTRA}") from error
    return kubeconfig


def _others(path: str, identity: str) -> tuple[set[str], str]:
    """Return the names in the other files that are read along with this one, and a current context there."""
    with contextlib.suppress(InputError):
        paths = listed()
        if path in paths:
            taken: set[str] = set()
            current = ""
            for other in paths:
                if other != path:
                    # One that is broken is for kubectl to complain of.
                    with contextlib.suppress(KubeconfigError, ValueError):
                        content = _read(other)
                        taken |= _formats(path).names(content, but=identity)
                        current = current or _formats(path).current(content)
            return taken, current
    return set(), ""


# The file


def _read(path: str) -> bytes:
    try:
        return files.read(path, largest=LARGEST)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise KubeconfigError(path, f"it cannot be read ({_why(error)})") from error


def _seen(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _check_writable(path: str) -> None:
    """Raise KubeconfigError for a file that is there, and protected from changes."""
    with contextlib.suppress(FileNotFoundError):
        # Root may write everything; somebody has protected it all the same.
        if not os.stat(path).st_mode & 0o222 or not os.access(path, os.W_OK):
            raise KubeconfigError(path, "it is read-only", f"Make it writable: chmod u+w {path}")


def _replace(path: str, content: bytes) -> None:
    """Put a new file in the place of the old one, with its mode and owner. Raises KubeconfigError."""
    real = os.path.realpath(path)
    temporary = f"{real}.dinv-{os.urandom(6).hex()}"
    try:
        try:
            _write_like(real, temporary, content)
            os.replace(temporary, real)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A file that is mounted, as into containers, cannot be replaced.
            with open(real, "wb") as file:
                file.write(content)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    except OSError as error:
        raise KubeconfigError(path, f"it cannot be written ({_why(error)})") from error


def _write_like(real: str, temporary: str, content: bytes) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        with contextlib.suppress(FileNotFoundError):
            old = os.stat(real)
            new = os.fstat(descriptor)
            if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        file.write(content)
        file.flush()
        os.fsync(descriptor)


# The lock


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold FILE.lock, as client-go does. Raises KubeconfigLocked, KubeconfigError."""
    lock = f"{path}.lock"
    descriptor = _take(path, lock)
    try:
        _sweep(path)
        yield
    finally:
        # Removed before it is let go: whoever takes over a lock looks whether it is still there.
        with contextlib.suppress(OSError):
            os.unlink(lock)
        os.close(descriptor)


def _sweep(path: str) -> None:
    """Remove what a killed dinv was writing: files with keys in them. The caller holds the lock."""
    for beside, age in ((os.path.realpath(path), 0.0), (f"{path}.lock", _WAITING_SECONDS)):
        directory, name = os.path.split(f"{beside}.dinv-")
        with contextlib.suppress(OSError):
            for entry in os.scandir(directory):
                if entry.name.startswith(name) and time.time() - entry.stat().st_mtime >= age:
                    os.unlink(entry.path)


def _take(path: str, lock: str) -> int:
    """Make the lock's file and hold it in the kernel as well, which tells dinv's from those left behind."""
    own = f"{lock}.dinv-{os.urandom(6).hex()}"
    try:
        os.makedirs(os.path.dirname(lock), mode=0o700, exist_ok=True)
        descriptor = os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        where = os.path.dirname(lock)
        reason = f"it cannot be locked, since nothing can be made in {where} ({_why(error)})"
        raise KubeconfigError(path, reason) from error
    held = -1
    try:
        os.write(descriptor, _MARK)
        with contextlib.suppress(LocksNotKept):
            locks.take(descriptor, own)
        held = _put(path, own, lock, descriptor)
    except OSError as error:
        raise KubeconfigError(path, f"it cannot be locked ({_why(error)})") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(own)
        if held != descriptor:
            os.close(descriptor)
    return held


def _put(path: str, own: str, lock: str, descriptor: int) -> int:
    """Put our file in the lock's place, or take over one left behind there; return the lock's descriptor."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            _link(own, lock)
        except FileExistsError:
            left = _left_behind(lock)
        else:
            return descriptor
        if left is not None:
            return left
        if time.monotonic() >= end:
            raise KubeconfigLocked(path, lock, LOCK_SECONDS)
        time.sleep(_PAUSE_SECONDS)


def _link(own: str, lock: str) -> None:
    """Give the file its name as a lock, if there is no other of that name. Raises FileExistsError."""
    try:
        os.link(own, lock)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links.
        os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _left_behind(lock: str) -> int | None:
    """Take over a lock of a dinv that is gone; None for one that is held, or that is not dinv's."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if os.pread(descriptor, len(_MARK), 0) == _MARK:
            locks.take(descriptor, lock)
            if locks.is_current(descriptor, lock):
                return descriptor
    except (OSError, LocksNotKept):
        pass
    os.close(descriptor)
    return None


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
