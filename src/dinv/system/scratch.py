"""Temporary files, with clear errors where none can be made, as in a read-only container."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


def file() -> IO[bytes]:
    """Open a file without a name, gone when it is closed. Raises InputError."""
    import tempfile

    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _nowhere(error) from error


def small() -> IO[bytes]:
    """Open a file for a few lines, kept in memory if the system can do that. Raises InputError."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # as under an old kernel, or a seccomp profile
            return open(os.memfd_create("dinv"), "w+b")
    return file()


@contextlib.contextmanager
def directory(prefix: str) -> Iterator[str]:
    """Yield an empty directory that only the user can read, and remove it at the end. Raises InputError."""
    import tempfile

    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise _nowhere(error) from error
    with made as path:
        yield path


def place() -> str:
    """Return the directory for temporary files. Raises InputError."""
    import tempfile

    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise _nowhere(error) from error


def _nowhere(error: OSError) -> InputError:
    return InputError(
        f"No temporary file can be made ({error.strerror}). Set TMPDIR to a directory that you may write to."
    )
