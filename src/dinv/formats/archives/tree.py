"""A directory in which the entries of a tar are created, safe against their names and links."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from dinv.errors import CopyError
from dinv.formats.archives.entries import PERMISSIONS, modified
from dinv.formats.archives.stream import PIECE
from dinv.formats.visible import one_line
from dinv.system.files import NOT_OFFERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from typing import Self

_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A directory in which entries are created by relative path, without following symbolic links.

    Each component of a path is opened from the one before, so what is checked is what is used.
    """

    def __init__(self, path: str) -> None:
        try:
            self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CopyError(f"{one_line(path)}: {error.strerror}") from error
        self._made: list[tuple[list[str], tarfile.TarInfo]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            # A directory that its owner may not write to gets its mode once its content is complete.
            for place, entry in reversed(self._made):
                with contextlib.suppress(OSError), self._opened(place) as directory:
                    _finish(directory, entry)
        finally:
            os.close(self._top)

    @contextlib.contextmanager
    def _opened(self, place: list[str]) -> Iterator[int]:
        here = os.dup(self._top)
        try:
            for part in place:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_LINKS, dir_fd=here)
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    @contextlib.contextmanager
    def _replacing(self, place: list[str]) -> Iterator[tuple[int, str]]:
        """Yield a directory and a free name in it; what is created there is moved to its place at the end."""
        temporary = f".dinv-{os.urandom(8).hex()}.dinv-tmp"
        with self._opened(place[:-1]) as above:
            try:
                yield above, temporary
                os.rename(temporary, place[-1], src_dir_fd=above, dst_dir_fd=above)
            finally:
                # Renaming one name of a file to another name of the same file does nothing: hard links.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=above)

    def directory(self, place: list[str], entry: tarfile.TarInfo) -> None:
        with self._opened(place[:-1]) as above:
            try:
                os.mkdir(place[-1], 0o700, dir_fd=above)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(place[-1], dir_fd=above, follow_symlinks=False).st_mode):
                    raise
            else:
                self._made.append((place, entry))

    def file(self, place: list[str], entry: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        with self._replacing(place) as (above, temporary):
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600, dir_fd=above)
            try:
                write(file, content, entry.size)
                _finish(file, entry)
            finally:
                os.close(file)

    def symlink(self, place: list[str], entry: tarfile.TarInfo) -> bool:
        """Create a symbolic link; return False if the file system has none, as exFAT."""
        try:
            with self._replacing(place) as (above, temporary):
                os.symlink(entry.linkname, temporary, dir_fd=above)
        except OSError as error:
            if error.errno not in NOT_OFFERED:
                raise
            return False
        return True

    def hard_link(self, place: list[str], linked: list[str]) -> None:
        if not linked:
            raise CopyError("The machine sent a hard link to a directory")
        with self._opened(linked[:-1]) as beside, self._replacing(place) as (above, temporary):
            try:
                os.link(linked[-1], temporary, src_dir_fd=beside, dst_dir_fd=above, follow_symlinks=False)
            except OSError as error:
                if error.errno not in NOT_OFFERED:
                    raise
                _copy(linked[-1], beside, temporary, above)


def _copy(source: str, beside: int, name: str, above: int) -> None:
    """Copy a file instead of linking it, where the file system has no hard links."""
    with (
        open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS, dir_fd=beside), "rb") as there,
        open(
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600, dir_fd=above), "wb"
        ) as copy,
    ):
        found = os.fstat(there.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "the machine sent a hard link to something that is not a file")
        while piece := there.read(PIECE):
            copy.write(piece)
        copy.flush()
        os.utime(copy.fileno(), ns=(found.st_mtime_ns, found.st_mtime_ns))
        _set_mode(copy.fileno(), stat.S_IMODE(found.st_mode))


def _finish(file: int, entry: tarfile.TarInfo) -> None:
    """Give a written file its mode and modification time."""
    os.utime(file, (modified(entry), modified(entry)))
    _set_mode(file, entry.mode & PERMISSIONS)


def _set_mode(file: int, mode: int) -> None:
    try:
        os.fchmod(file, mode)
    except OSError as error:
        # Where no permissions can be kept, the user chose the place.
        if error.errno not in NOT_OFFERED:
            raise


def write(file: int, content: Iterator[bytes], size: int) -> None:
    """Write `size` bytes, then skip the padding of the last block."""
    left = size
    for piece in content:
        data = memoryview(piece)[:left]
        left -= len(data)
        while data:
            data = data[os.write(file, data) :]
