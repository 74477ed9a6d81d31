"""The entries of a tar stream, written and read. Streams that are read come from a machine: not trusted."""

from __future__ import annotations

import tarfile

from dinv.errors import CopyError, DinvError
from dinv.formats.archives.stream import PIECE
from dinv.formats.visible import one_line
from dinv.system.files import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from dinv.formats.archives.stream import Readable

BLOCK = 512
END = bytes(2 * BLOCK)
PERMISSIONS = 0o777
LEFT_OUT: dict[int | bytes, str] = {
    **dict(KINDS.items()),
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}
"""The kinds of entries that are left out, by their type on disk or in a tar."""
_LATEST = 1 << 36

LARGEST_HEADER = 1024 * 1024
"""Bytes of the names and attributes before an entry. A path has up to 4096, an attribute up to 65536."""


def header(entry: tarfile.TarInfo) -> bytes:
    """Return the blocks before an entry's content. GNU's format has names as bytes, as Linux does."""
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def content(file: Readable, size: int, what: str) -> Iterator[bytes]:
    """Yield `size` bytes of a file, padded to whole blocks. What was added to it since is left out."""
    left = size
    while left > 0:
        try:
            piece = file.read(min(PIECE, left))
        except tarfile.TarError as error:
            raise damaged(error) from error
        if not piece:
            raise CopyError(f"{one_line(what)} became shorter while it was copied")
        left -= len(piece)
        yield piece
    yield bytes(-size % BLOCK)


class _Headers:
    """The file that an archive is read from, with a limit on what tarfile reads before one entry.

    tarfile reads each name and each set of attributes as a whole, however large the header says it is.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._count = 0

    def read(self, size: int) -> bytes:
        self._count += size
        if size < 0 or self._count > LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size if size < 0 else self._count} bytes")
        data: bytes = self._file.read(size)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Entry(tarfile.TarInfo):
    """An entry whose invalid header is an error: tarfile would take it for the end of the archive.

    An impossible size is an error too.
    """

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        # Not by overriding `frombuf`: newer tarfile (Debian's 3.13.5-2+deb13u5, 3.14.8) does not call it.
        file = archive.fileobj
        archive.fileobj = _Headers(file)
        try:
            found = super().fromtarfile(archive)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]  # not in typeshed
            raise damaged(error) from error
        finally:
            archive.fileobj = file
        if found.size < 0:
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found


class _Source:
    """A tar stream that remembers the last bytes read."""

    def __init__(self, archive: Readable, moved: Callable[[int], object] | None) -> None:
        self._archive = archive
        self._moved = moved
        self._count = 0
        self._last = (b"", b"")

    def read(self, size: int, /) -> bytes:
        data = self._archive.read(size)
        self._count += len(data)
        self._last = (self._last[1], data)
        if self._moved is not None:
            self._moved(len(data))
        return data

    def ends_at(self, offset: int) -> bool:
        """Return whether the end mark of a tar is at `offset`, which was among the last bytes read."""
        data = b"".join(self._last)
        start = offset - (self._count - len(data))
        return start >= 0 and data[start : start + BLOCK] == bytes(BLOCK)


def entries(
    archive: Readable, moved: Callable[[int], object] | None = None
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, list[str]]]:
    """Yield the entries of a tar stream, each with its path; use each before asking for the next."""
    source = _Source(archive, moved)
    try:
        with tarfile.open(
            fileobj=source,  # type: ignore[call-overload]  # a stream is only read from
            mode="r|",
            bufsize=PIECE,
            encoding="utf-8",
            errors="surrogateescape",
            tarinfo=Entry,
        ) as tar:
            while (entry := tar.next()) is not None:
                check_global(tar)
                yield tar, entry, inside(entry.name)
                tar.members.clear()  # tarfile would keep them all
            # Once an engine has begun to send, it cannot report an error: it just stops.
            whole = source.ends_at(tar.offset)
    except (DinvError, OSError):
        raise
    except Exception as error:
        # TarError, and the other errors that crafted headers cause in tarfile.
        raise damaged(error) from error
    if not whole:
        raise damaged("its end is missing")


def inside(name: str) -> list[str]:
    """Return an entry's path below the top entry, whose own name does not matter. Raises CopyError."""
    parts = [part for part in name.split("/")[1:] if part not in ("", ".")]
    if ".." in parts:
        raise CopyError(f"The machine sent a name that leads elsewhere: {one_line(name)}")
    if "\0" in name:
        raise CopyError(f"The machine sent a name that cannot be: {one_line(name)}")
    return parts


def check_global(tar: tarfile.TarFile) -> None:
    """Raise TarError if the headers of all entries, which tarfile keeps, exceed the limit for one."""
    if sum(len(key) + len(value) for key, value in tar.pax_headers.items()) > LARGEST_HEADER:
        raise tarfile.ReadError("headers without end")


def damaged(why: object) -> CopyError:
    """Return the error for a tar stream of a machine that is invalid."""
    return CopyError(f"What the machine sent is cut short or damaged: {why}")


def extracted(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Readable:
    """Yield the content of a file's entry; read it before asking for the next entry. Raises CopyError."""
    file = tar.extractfile(entry)
    if file is None:
        raise damaged(f"{one_line(entry.name)} has no content")
    return file


def modified(entry: tarfile.TarInfo) -> int:
    """Return seconds since the epoch; PAX headers can say anything, infinity too."""
    return int(entry.mtime) if 0 <= entry.mtime < _LATEST else 0
