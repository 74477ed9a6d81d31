"""Writing an archive's members into a container as VIC's unpack program does (lib/archive/unpack_unix.go).

It makes directories and files, and symbolic links where there is nothing. It removes nothing first, sets no
owners and times, nor modes of existing files, ignores all other kinds, and stops at what it cannot do, after
writing what came before. The engine behind would do otherwise: the result is worked out here, member by
member, and given to it in one archive.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import posixpath
import sys
import tarfile
import tempfile
import time
from typing import TYPE_CHECKING

from dinv.testing.vch.wire.behind import BehindError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Self

    from dinv.testing.vch.wire.behind import Behind

_UMASK = 0o022
_FILE_BITS = 0o7777
_DIRECTORY_BITS = 0o1777
"""The mode bits that mkdir applies: no set-id bits."""
_GO_DIRECTORY, _GO_SYMLINK = 1 << 31, 1 << 27
_MOST_LINKS = 40
_IN_MEMORY = 1 << 20
_ERROR = 400
STAT_HEADER = "x-docker-container-path-stat"


class CannotWrite(Exception):
    """A member at which VIC's unpack stops."""


class Found:
    """What is at a path: a directory, a symbolic link with its target, or something else."""

    __slots__ = ("directory", "link")

    def __init__(self, *, directory: bool = False, link: str = "") -> None:
        self.directory = directory
        self.link = link


class Unpacker:
    """Members for one container. `flush` hands over what was added; `close` ends it."""

    def __init__(self, behind: Behind, container: str) -> None:
        self._behind = behind
        self._path = f"/containers/{container}/archive"
        self._known: dict[str, Found | None] = {"/": Found(directory=True)}
        self._made: set[str] = set()
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (closed by close)
        self._tape = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def add(self, path: str, member: tarfile.TarInfo, data: IO[bytes] | None) -> None:
        """Write a member at an absolute path. Raises CannotWrite."""
        if member.isdir():
            self._make(path, member.mode)
        elif member.issym():
            self._link(path, member.linkname)
        elif member.isreg() and data is not None:
            self._write(path, member, data)

    def _make(self, path: str, mode: int) -> None:
        there = self._follow(path)[1]
        if there is not None:
            if not there.directory:
                raise CannotWrite(path)
            return
        if self._look(path) is not None:
            # A link to nowhere is in the way.
            raise CannotWrite(path)
        self._make(posixpath.dirname(path), mode)
        self._add(path, tarfile.DIRTYPE, mode & _DIRECTORY_BITS & ~_UMASK)
        self._known[path] = Found(directory=True)
        self._made.add(path)

    def _link(self, path: str, target: str) -> None:
        if self._look(path) is not None:
            raise CannotWrite(path)
        self._need_parent(path)
        self._add(path, tarfile.SYMTYPE, 0o777, link=target)
        self._known[path] = Found(link=posixpath.join(posixpath.dirname(path), target))

    def _write(self, path: str, member: tarfile.TarInfo, data: IO[bytes]) -> None:
        path, there = self._follow(path)
        self._need_parent(path)
        if there is None:
            self._add(path, tarfile.REGTYPE, member.mode & _FILE_BITS & ~_UMASK, size=member.size, data=data)
            self._known[path] = Found()
            return
        if there.directory:
            raise CannotWrite(path)
        was = self._header(path)
        self._add(path, tarfile.REGTYPE, was.mode, size=member.size, data=data, owner=(was.uid, was.gid))

    def _need_parent(self, path: str) -> None:
        above = self._follow(posixpath.dirname(path))[1]
        if above is None or not above.directory:
            raise CannotWrite(path)

    def _add(
        self,
        path: str,
        kind: bytes,
        mode: int,
        *,
        size: int = 0,
        data: IO[bytes] | None = None,
        link: str = "",
        owner: tuple[int, int] = (0, 0),
    ) -> None:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
        entry.uid, entry.gid = owner
        entry.mtime = int(time.time())
        self._tape.addfile(entry, data)
        self._empty = False

    # What is there

    def _follow(self, path: str) -> tuple[str, Found | None]:
        """Return where a path ends, and what is there."""
        for _ in range(_MOST_LINKS):
            found = self._look(path)
            if found is None or not found.link:
                return path, found
            path = posixpath.normpath(found.link)
        raise CannotWrite(path)

    def _look(self, path: str) -> Found | None:
        if path not in self._known:
            above = posixpath.dirname(path)
            self._known[path] = None if above in self._made else self._ask(path)
        return self._known[path]

    def _ask(self, path: str) -> Found | None:
        try:
            with self._behind.request("HEAD", self._path, query={"path": path}) as response:
                stat = json.loads(base64.b64decode(response.headers[STAT_HEADER]))
        except BehindError:
            # Not there, or below something that is no directory.
            return None
        link = str(stat["linkTarget"]) if stat["mode"] & _GO_SYMLINK else ""
        return Found(directory=bool(stat["mode"] & _GO_DIRECTORY), link=link)

    def _header(self, path: str) -> tarfile.TarInfo:
        """Return an existing file's mode and owner, which stay. Raises CannotWrite."""
        with (
            contextlib.suppress(BehindError, tarfile.TarError),
            self._behind.request("GET", self._path, query={"path": path}) as response,
            tarfile.open(fileobj=Pieces(response.read_some), mode="r|") as tape,
        ):
            found = tape.next()
            if found is not None and found.isreg():
                return found
        raise CannotWrite(path)

    # Handing over

    def flush(self) -> None:
        """Give all members to the engine behind. Raises BehindError."""
        if self._empty:
            return
        self._tape.close()
        self._file.seek(0)
        headers = {"Content-Type": "application/x-tar"}
        with self._behind.request(
            "PUT", self._path, query={"path": "/"}, body=self._file, headers=headers
        ) as response:
            response.read()


class Pieces(io.RawIOBase):
    """A body that comes in pieces of its own size, read as a file is."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._more = read
        self._held = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, which are read again; fewer only at the end."""
        while len(self._held) < size:
            piece = self._more()
            if not piece:
                break
            self._held += piece
        return self._held[:size]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        data = self.peek(size if size >= 0 else sys.maxsize)
        self._held = self._held[len(data) :]
        return data
