"""Files of this computer, packed as a tar stream."""

from __future__ import annotations

import os
import stat
import tarfile

from dinv.errors import CopyError
from dinv.formats.archives.entries import END, LEFT_OUT, PERMISSIONS, content, header
from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(path: str, name: str, *, warn: Callable[[str], object]) -> Generator[bytes]:
    """Yield a file or a directory of this computer as a tar stream, in which it is called `name`.

    With an empty name the content of a directory is at the top. Raises CopyError.
    """
    yield from _pack_entry(path, name, warn)
    open_directories = [(path, name, iter(_listed(path)))] if os.path.isdir(path) else []
    while open_directories:
        above, prefix, names = open_directories[-1]
        found = next(names, None)
        if found is None:
            open_directories.pop()
            continue
        inner, entry = os.path.join(above, found), f"{prefix}/{found}" if prefix else found
        yield from _pack_entry(inner, entry, warn)
        if os.path.isdir(inner) and not os.path.islink(inner):
            open_directories.append((inner, entry, iter(_listed(inner))))
    yield END


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise CopyError(f"{one_line(path)}: {error.strerror}") from error


def _pack_entry(path: str, name: str, warn: Callable[[str], object]) -> Iterator[bytes]:
    entry = tarfile.TarInfo(name)
    try:
        found = os.lstat(path)
        entry.mode = found.st_mode & PERMISSIONS
        entry.mtime = int(found.st_mtime)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFREG:
            yield from _pack_file(path, entry)
        elif kind == stat.S_IFDIR:
            entry.type = tarfile.DIRTYPE
            if name:
                yield header(entry)
        elif kind == stat.S_IFLNK:
            entry.type = tarfile.SYMTYPE
            entry.linkname = os.readlink(path)
            yield header(entry)
        else:
            warn(f"{one_line(path)} is {LEFT_OUT.get(kind, 'no file')}: left out")
    except OSError as error:
        raise CopyError(f"{one_line(path)}: {error.strerror}") from error


def _pack_file(path: str, entry: tarfile.TarInfo) -> Iterator[bytes]:
    # Without blocking: if it has become a pipe by now, nobody may ever write into it.
    with open(os.open(path, _FLAGS), "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CopyError(f"{one_line(path)} changed while it was copied")
        entry.size = found.st_size
        yield header(entry)
        yield from content(file, entry.size, path)
