"""The directories of dinv's own engine: made, the user's own where root makes them, and fit for sockets."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import LocalEngineError
from dinv.wording import command


def make(store: str, directory: str, socket: str) -> None:
    """Make the store if need be, `directory` in it, and that of `socket`. Raises LocalEngineError.

    What root makes in a user's directory gets the user as owner.
    """
    import stat

    missing, path = [], store
    while not os.path.isdir(path) and path != os.path.dirname(path):
        missing.append(path)
        path = os.path.dirname(path)
    try:
        owner = os.stat(path)
        for each in reversed(missing):
            # Another start may be making them right now; it sets their owner then.
            with contextlib.suppress(FileExistsError):
                os.mkdir(each, 0o700)
                os.chown(each, owner.st_uid, owner.st_gid)
        # Other users who may use the socket must be able to get to it.
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o711)
        beside = os.path.dirname(socket)
        if beside != directory:
            with contextlib.suppress(FileExistsError):
                os.mkdir(beside, 0o700)
            found = os.lstat(beside)
            private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
            if not private or found.st_uid != os.geteuid():
                raise LocalEngineError(
                    f"{beside}, where the engine's socket has to be because the store's path is so "
                    f"long, is not a directory for root alone. Remove it, or use another store."
                )
    except OSError as error:
        raise LocalEngineError(f"{error.filename}: {error.strerror}") from error
    _check_file_system(directory)


def _check_file_system(directory: str) -> None:
    """Raise if no socket can be made (exFAT, sshfs): dockerd could neither listen nor keep layers."""
    import socket

    with contextlib.ExitStack() as stack:
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, opened)
            probe = stack.enter_context(socket.socket(socket.AF_UNIX))
            # By descriptor: a path may be longer than a socket's address.
            name = f".socket.{os.urandom(6).hex()}"
            probe.bind(f"/proc/self/fd/{opened}/{name}")
            os.unlink(name, dir_fd=opened)
        except OSError as error:
            raise LocalEngineError(
                f"No engine can be kept in {directory}: its file system has no sockets "
                f"({error.strerror}). Use a store on a local disk: sudo "
                + command("-s", "DIR", "engine", "start")
            ) from error
