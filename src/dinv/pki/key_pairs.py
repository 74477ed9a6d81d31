"""A certificate and its private key in two files of the user's: read, or created if neither exists.

Only one process creates them: of several at once the first does, and the others use its pair. The key is
written first. A process killed between the two leaves a key alone, which the next one takes up, since the
lock file still says that it was being made. Any other half of a pair is a mistake of the user's.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import CertificateError
from dinv.pki import pem
from dinv.system import files, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.pki.certificates import Pair

    Paths = tuple[str, str]
    """The paths of the certificate and of the key, absolute."""

LOCK_SECONDS = 30.0
"""How long to wait for another process that is creating them, which takes milliseconds."""
LOCK_POLL_SECONDS = 0.02


def read(certificate_path: str, key_path: str) -> Pair:
    """Read both files. Raises CertificateError."""
    from dinv.pki.certificates import Pair

    key = pem.read(key_path)
    return Pair(key, pem.read(certificate_path), key_path, certificate_path)


def both_there(paths: Paths) -> bool:
    """Return whether both files exist. Raises CertificateError if only one does."""
    if not any(os.path.lexists(path) for path in paths):
        return False
    if not _found(paths):
        # Another process may be making them right now, or may have been killed while it was.
        with contextlib.suppress(OSError), _exclusive(paths[1]) as lock:
            if lock.was_making(paths):
                return False
    if _found(paths):
        return True
    there, missing = (0, 1) if os.path.lexists(paths[0]) else (1, 0)
    raise CertificateError(
        f"{paths[there]} is there, but not its {('certificate', 'key')[missing]} {paths[missing]}. "
        f"Put it there, or name two files that do not exist: then both are made."
    )


def make(paths: Paths, new_key: Callable[[], bytes], certify: Callable[[bytes], bytes]) -> bool:
    """Create both files unless they exist; return whether they were created.

    `certify` returns the certificate for a key. The key has the mode 0600. Raises CertificateError.
    """
    if _found(paths):
        return False  # and nothing is written, since the place may be read-only
    certificate_path, key_path = paths
    try:
        for path in paths:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with _exclusive(key_path) as lock:
            if lock.was_making(paths):
                key = pem.read(key_path)
            elif any(os.path.lexists(path) for path in paths):
                return False
            else:
                key = new_key()
                lock.note(key)
                files.write(key_path, key, mode=0o600)
            files.write(certificate_path, certify(key), mode=0o644)
            for path in paths:
                files.sync_directory(os.path.dirname(path))
            lock.keep = False
    except OSError as error:
        where = error.filename or certificate_path
        raise CertificateError(f"{where} cannot be written: {error.strerror or error}") from error
    return True


def _found(paths: Paths) -> bool:
    return all(os.path.lexists(path) for path in paths)


class _Lock:
    """The lock file, open and locked, which remembers the key being made.

    `keep`: it still does, and must not be removed.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.keep = False

    def note(self, key: bytes) -> None:
        """Record that a key is about to be written."""
        self.keep = True
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, _digest(key), 0)
        os.fsync(self._descriptor)

    def was_making(self, paths: Paths) -> bool:
        """Return whether the key has no certificate because its writer was killed in between."""
        if os.path.lexists(paths[0]):
            return False
        try:
            self.keep = os.pread(self._descriptor, 100, 0) == _digest(files.read(paths[1]))
        except OSError:
            return False
        return self.keep


def _digest(key: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(key).hexdigest().encode()


@contextlib.contextmanager
def _exclusive(key_path: str) -> Iterator[_Lock]:
    """Keep other processes from making the key.

    The lock is a file beside the key, removed at the end unless it has something to remember; the kernel
    drops it when its holder dies.

    Raises OSError, LocksNotKept, and CertificateError when it takes too long.
    """
    directory, name = os.path.split(key_path)
    path = os.path.join(directory, f".{name}.lock")
    wait = locks.until(time.monotonic() + LOCK_SECONDS, LOCK_POLL_SECONDS)
    try:
        descriptor = locks.open_locked(path, wait=wait)
    except BlockingIOError as error:
        raise CertificateError(
            f"Another process has been making {key_path} for {LOCK_SECONDS:g} s. Try again."
        ) from error
    lock = _Lock(descriptor)
    try:
        yield lock
    finally:
        try:
            if not lock.keep:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        finally:
            os.close(descriptor)
