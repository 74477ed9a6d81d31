"""Tar streams: made from files here, renamed on their way between machines, unpacked here.

All of them flow: nothing holds more than a piece of a file. Permission bits and the time of the last change
travel, set-id and sticky bits do not; what arrives is owned by root in a machine and by the user here.
Symbolic links stay links. Sockets, pipes and devices are left out, with a warning.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile

from dinv.errors import CopyError, DinvError
from dinv.system.files import KINDS, NOT_OFFERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Protocol, Self

    class Readable(Protocol):
        """A tar stream."""

        def read(self, size: int, /) -> bytes:
            """Return `size` bytes, fewer at the end."""


PIECE = 65536
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_PERMISSIONS = 0o777
_DIRECTORY = 0o755
_LATEST = 1 << 36
_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS: dict[int | bytes, str] = {
    **dict(KINDS.items()),
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}


class Stream:
    """What a generator gives, as a file to read from and to close. `moved` is told of bytes that went."""

    def __init__(self, pieces: Generator[bytes], moved: Callable[[int], object]) -> None:
        self._pieces = pieces
        self._moved = moved
        self._held = bytearray()

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._held) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._held += piece
        data = bytes(self._held[:size])
        del self._held[:size]
        self._moved(len(data))
        return data

    def close(self) -> None:
        """Close what the generator has open."""
        self._pieces.close()


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
        return start >= 0 and data[start : start + _BLOCK] == bytes(_BLOCK)


def printable(text: str) -> str:
    """A name as it can be shown: control characters, which a terminal would obey, and stray bytes escaped."""
    return text if text.isprintable() else repr(text)[1:-1]


# Made


def pack(path: str, name: str, *, warn: Callable[[str], object]) -> Generator[bytes]:
    """A file or a directory of this computer as tar stream, in which it is called `name`.

    With an empty name a directory's content stands at the top. Raises CopyError.
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
    yield _END


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise CopyError(f"{printable(path)}: {error.strerror}") from error


def _pack_entry(path: str, name: str, warn: Callable[[str], object]) -> Iterator[bytes]:
    entry = tarfile.TarInfo(name)
    try:
        found = os.lstat(path)
        entry.mode = found.st_mode & _PERMISSIONS
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
            warn(f"{printable(path)} is {_KINDS.get(kind, 'no file')}: left out")
    except OSError as error:
        raise CopyError(f"{printable(path)}: {error.strerror}") from error


def _pack_file(path: str, entry: tarfile.TarInfo) -> Iterator[bytes]:
    # O_NONBLOCK: should it have become a pipe by now, nobody may ever write into that.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS), "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CopyError(f"{printable(path)} changed while it was copied")
        entry.size = found.st_size
        yield header(entry)
        yield from _content(file, entry.size, path)


def _content(file: Readable, size: int, what: str) -> Iterator[bytes]:
    """So many bytes of a file, filled up to whole blocks. What has been added to it since stays out."""
    left = size
    while left > 0:
        try:
            piece = file.read(min(PIECE, left))
        except tarfile.TarError as error:
            raise _damaged(error) from error
        if not piece:
            raise CopyError(f"{printable(what)} became shorter while it was copied")
        left -= len(piece)
        yield piece
    yield bytes(-size % _BLOCK)


def header(entry: tarfile.TarInfo) -> bytes:
    """The blocks that stand before an entry's content. GNU's format takes names as bytes, as Linux does."""
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


# Read


def _inside(name: str) -> list[str]:
    """The way to an entry below the top one, whose own name does not matter. Raises CopyError."""
    parts = [part for part in name.split("/")[1:] if part not in ("", ".")]
    if ".." in parts:
        raise CopyError(f"The machine sent a name that leads elsewhere: {printable(name)}")
    if "\0" in name:
        raise CopyError(f"The machine sent a name that cannot be: {printable(name)}")
    return parts


LARGEST_HEADER = 1024 * 1024
"""Bytes of a name, or of attributes, that stand before an entry. A path has 4096, an attribute 65536."""
_HEADER_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class Entry(tarfile.TarInfo):
    """A header that makes no sense is an error: tarfile takes it for the archive's end.

    So is one of a size that nothing has: tarfile reads what stands before an entry as a whole.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _HEADER_TYPES and found.size > LARGEST_HEADER):
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]  # not in typeshed
            raise _damaged(error) from error


def _entries(
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
                yield tar, entry, _inside(entry.name)
                tar.members.clear()  # it would keep them all
            # The engine cannot tell of an error once it has begun to send: it just stops.
            whole = source.ends_at(tar.offset)
    except (DinvError, OSError):
        raise
    except Exception as error:
        # TarError, and what else tarfile makes of headers that somebody has thought up.
        raise _damaged(error) from error
    if not whole:
        raise _damaged("its end is missing")


def check_global(tar: tarfile.TarFile) -> None:
    """Raise TarError when headers for all entries, which tarfile keeps, are more than one may be."""
    if sum(len(key) + len(value) for key, value in tar.pax_headers.items()) > LARGEST_HEADER:
        raise tarfile.ReadError("headers without end")


def _damaged(why: object) -> CopyError:
    return CopyError(f"What the machine sent is cut short or damaged: {why}")


def _extracted(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Readable:
    file = tar.extractfile(entry)
    if file is None:
        raise _damaged(f"{printable(entry.name)} has no content")
    return file


def _modified(entry: tarfile.TarInfo) -> int:
    """Seconds since the epoch; PAX headers can say anything, infinity too."""
    return int(entry.mtime) if 0 <= entry.mtime < _LATEST else 0


# On their way between machines


def renamed(archive: Readable, name: str, *, warn: Callable[[str], object]) -> Generator[bytes]:
    """A machine's tar stream with its top entry called `name`, and all of it root's.

    With an empty name a directory's content stands at the top. Raises CopyError.
    """
    top = [name] if name else []
    for tar, entry, parts in _entries(archive):
        path = "/".join([*top, *parts])
        if not path:
            continue
        made = tarfile.TarInfo(path)
        made.mode = entry.mode & _PERMISSIONS
        made.mtime = _modified(entry)
        made.type = entry.type
        if entry.isreg():
            made.type = tarfile.REGTYPE
            made.size = entry.size
            yield header(made)
            yield from _content(_extracted(tar, entry), entry.size, path)
            continue
        if entry.islnk():
            made.linkname = "/".join([*top, *_inside(entry.linkname)])
        elif entry.issym():
            made.linkname = entry.linkname
        elif not entry.isdir():
            warn(f"{printable(path)} is {_KINDS.get(entry.type, 'no file')}: left out")
            continue
        yield header(made)
    yield _END


def alone(
    archive: Readable, name: str, *, is_directory: bool, seen: Callable[[str], object]
) -> Generator[bytes]:
    """A VCH's tar stream of a file or a directory, as an engine's would be. Raises CopyError.

    VIC goes by the beginning of a path's text (vmware/vic: lib/archive/util.go): `xy` and `x.d/z` beside `x`
    come along as `x/y` and `x/.d/z`. What is below a file is none of it; of a directory's, `seen` is told
    each first part, which may be such a one. A directory that is a volume's own has no entry: it gets one.
    """
    begun = False
    for tar, entry, parts in _entries(archive):
        if parts and not is_directory:
            continue
        if parts and not begun:
            top = tarfile.TarInfo(name)
            top.type, top.mode = tarfile.DIRTYPE, _DIRECTORY
            yield header(top)
        begun = True
        if parts:
            seen(parts[0])
        entry.name = "/".join([name, *parts])
        if entry.islnk():
            entry.linkname = "/".join([name, *_inside(entry.linkname)])
        yield header(entry)
        if entry.isreg():
            yield from _content(_extracted(tar, entry), entry.size, entry.name)
    yield _END


# Unpacked


def unpack_file(archive: Readable, file: int) -> None:
    """Write the one file in a machine's tar stream to an open descriptor. Raises CopyError, OSError."""
    for tar, entry, parts in _entries(archive):
        if parts or not entry.isreg():
            raise CopyError(f"The machine sent more than a file: {printable(entry.name)}")
        _write(file, _content(_extracted(tar, entry), entry.size, entry.name), entry.size)


def unpack(
    archive: Readable,
    directory: str,
    name: str,
    *,
    warn: Callable[[str], object],
    moved: Callable[[int], object],
) -> None:
    """Unpack a machine's tar stream in an existing directory, its top entry as `name`.

    With an empty name a directory's content goes straight into `directory`. The machine is not trusted:
    nothing is written outside, nothing through a symbolic link, and links that lead out of what is copied
    are left out with a warning. Each file appears whole, in place of what had its name. Directories that
    are there keep their modes. A copy broken off leaves what has arrived. Raises CopyError.
    """
    shown = directory
    with _Tree(directory) as tree:
        for tar, entry, parts in _entries(archive, moved):
            place = [name, *parts] if name else parts
            if not place:
                continue
            shown = os.path.join(directory, *place)
            try:
                if entry.isreg():
                    tree.file(place, entry, _content(_extracted(tar, entry), entry.size, shown))
                elif entry.isdir():
                    tree.directory(place, entry)
                elif entry.issym() and leads_out(entry.linkname, depth=len(parts) - 1):
                    where, target = printable(shown), printable(entry.linkname)
                    warn(f"{where} is a symbolic link to {target}, out of what is copied: left out")
                elif entry.issym():
                    if not tree.symlink(place, entry):
                        warn(f"{printable(shown)} is a symbolic link; its file system has none: left out")
                elif entry.islnk():
                    linked = _inside(entry.linkname)
                    tree.hard_link(place, [name, *linked] if name else linked)
                else:
                    warn(f"{printable(shown)} is {_KINDS.get(entry.type, 'no file')}: left out")
            except OSError as error:
                raise CopyError(f"{printable(shown)}: {error.strerror}") from error


def leads_out(target: str, *, depth: int) -> bool:
    """Whether a symbolic link, `depth` directories below the top, may lead out of the tree it is in.

    Leading ".." are counted. One further on is not to be trusted: what stands before it may be a link too.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    return target.startswith("/") or up > depth or ".." in parts[up:] or "\0" in target


class _Tree:
    """A directory in which things are made by their way from it, no symbolic link being followed.

    Each step of a way is opened from the one before: what is checked is what is used.
    """

    def __init__(self, path: str) -> None:
        try:
            self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CopyError(f"{printable(path)}: {error.strerror}") from error
        self._made: list[tuple[list[str], tarfile.TarInfo]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            # A directory that its owner may not write to gets its mode when all is in it.
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
        """A directory and a name in it that is free; what is made there gets its place at the end."""
        temporary = f".dinv-{os.urandom(8).hex()}.dinv-tmp"
        with self._opened(place[:-1]) as above:
            try:
                yield above, temporary
                os.rename(temporary, place[-1], src_dir_fd=above, dst_dir_fd=above)
            finally:
                # Renaming one name of a file to another name of it does nothing: hard links.
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
                _write(file, content, entry.size)
                _finish(file, entry)
            finally:
                os.close(file)

    def symlink(self, place: list[str], entry: tarfile.TarInfo) -> bool:
        """Make a symbolic link; False where the file system has none, as exFAT."""
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
    """A second file in place of a second name, where the file system has no hard links."""
    with (
        open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS, dir_fd=beside), "rb") as there,
        open(
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600, dir_fd=above), "wb"
        ) as copy,
    ):
        found = os.fstat(there.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "the machine sent a hard link to something that is no file")
        while piece := there.read(PIECE):
            copy.write(piece)
        copy.flush()
        os.utime(copy.fileno(), ns=(found.st_mtime_ns, found.st_mtime_ns))
        _set_mode(copy.fileno(), stat.S_IMODE(found.st_mode))


def _finish(file: int, entry: tarfile.TarInfo) -> None:
    """Give what is written its mode and the time of its last change."""
    os.utime(file, (_modified(entry), _modified(entry)))
    _set_mode(file, entry.mode & _PERMISSIONS)


def _set_mode(file: int, mode: int) -> None:
    try:
        os.fchmod(file, mode)
    except OSError as error:
        # Where no permissions can be kept, the place was chosen by whoever copies to it.
        if error.errno not in NOT_OFFERED:
            raise


def _write(file: int, content: Iterator[bytes], size: int) -> None:
    """Write so many bytes; what follows fills a block."""
    left = size
    for piece in content:
        data = memoryview(piece)[:left]
        left -= len(data)
        while data:
            data = data[os.write(file, data) :]
