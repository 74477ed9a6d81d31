"""Temporary files, and words for where there can be none: a container with a read-only file system."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


def file() -> IO[bytes]:
    """A file without a name, gone when it is closed. Raises InputError."""
    import tempfile

    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _nowhere(error) from error


def small() -> IO[bytes]:
    """One for a few lines, in memory where the system has such files. Raises InputError."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # as under an old kernel, or a seccomp profile
            return open(os.memfd_create("dinv"), "w+b")
    return file()


@contextlib.contextmanager
def directory(prefix: str) -> Iterator[str]:
    """An empty directory for the user alone, removed at the end. Raises InputError."""
    import tempfile

    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise _nowhere(error) from error
    with made as path:
        yield path


def place() -> str:
    """The directory that temporary files are made in. Raises InputError."""
    import tempfile

    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise _nowhere(error) from error


def _nowhere(error: OSError) -> InputError:
    return InputError(
        f"No temporary file can be made ({error.strerror}). Name a directory that you may write to in TMPDIR."
    )
