"""The entries of a tar stream, written and read. What is read comes from a machine, and is not trusted."""

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
"""What does not travel, by its kind on disk or in a tar."""
_LATEST = 1 << 36

LARGEST_HEADER = 1024 * 1024
"""Bytes of the names and attributes that stand before an entry. A path has 4096, an attribute 65536."""


def header(entry: tarfile.TarInfo) -> bytes:
    """The blocks that stand before an entry's content. GNU's format takes names as bytes, as Linux does."""
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def content(file: Readable, size: int, what: str) -> Iterator[bytes]:
    """So many bytes of a file, filled up to whole blocks. What has been added to it since stays out."""
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
    """The file that an archive is read from, while tarfile reads what stands before one entry.

    tarfile reads each name and each set of attributes as a whole, however large its header says it is.
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
    """A header that makes no sense is an error: tarfile takes it for the archive's end.

    So is one of a size that nothing has.
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
    """A tar stream that remembers what was read last."""

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
        """Whether the mark of a tar's end is at `offset`, which was among the last that was read."""
        data = b"".join(self._last)
        start = offset - (self._count - len(data))
        return start >= 0 and data[start : start + BLOCK] == bytes(BLOCK)


def entries(
    archive: Readable, moved: Callable[[int], object] | None = None
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, list[str]]]:
    """The entries of a tar stream with the way to each, to be used before the next is asked for."""
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
                tar.members.clear()  # it would keep them all
            # The engine cannot tell of an error once it has begun to send: it just stops.
            whole = source.ends_at(tar.offset)
    except (DinvError, OSError):
        raise
    except Exception as error:
        # TarError, and what else tarfile makes of headers that somebody has thought up.
        raise damaged(error) from error
    if not whole:
        raise damaged("its end is missing")


def inside(name: str) -> list[str]:
    """The way to an entry below the top one, whose own name does not matter. Raises CopyError."""
    parts = [part for part in name.split("/")[1:] if part not in ("", ".")]
    if ".." in parts:
        raise CopyError(f"The machine sent a name that leads elsewhere: {one_line(name)}")
    if "\0" in name:
        raise CopyError(f"The machine sent a name that cannot be: {one_line(name)}")
    return parts


def check_global(tar: tarfile.TarFile) -> None:
    """Raise TarError when headers for all entries, which tarfile keeps, are more than one may be."""
    if sum(len(key) + len(value) for key, value in tar.pax_headers.items()) > LARGEST_HEADER:
        raise tarfile.ReadError("headers without end")


def damaged(why: object) -> CopyError:
    """The error that a machine's tar stream makes no sense."""
    return CopyError(f"What the machine sent is cut short or damaged: {why}")


def extracted(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Readable:
    """The content of a file's entry, to be read before the next entry is asked for. Raises CopyError."""
    file = tar.extractfile(entry)
    if file is None:
        raise damaged(f"{one_line(entry.name)} has no content")
    return file


def modified(entry: tarfile.TarInfo) -> int:
    """Seconds since the epoch; PAX headers can say anything, infinity too."""
    return int(entry.mtime) if 0 <= entry.mtime < _LATEST else 0
