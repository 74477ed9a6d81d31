"""The guest channel of a VCH, whose archive calls differ from what `docker cp` expects.

What VIC's archive calls do differently (seen on its own personality, and read in vmware/vic:
lib/archive/util.go): reading `x` also returns neighbours whose names begin with x; writing stops at an
existing symbolic link, after writing what came before it, and keeps the permissions of an existing file.

So on a running machine, files go by exec and tar, which have none of these faults. On a stopped one there are
only the archive calls: a file's neighbours are filtered out, and other faults are detected and reported.
"""

from __future__ import annotations

import io
import posixpath
import tarfile

from dinv.channel import IDLE_SECONDS, ContainerChannel
from dinv.engine.wire.streams import Demultiplexer
from dinv.errors import CopyError, NotFound, ProtocolError, ServerError
from dinv.formats.archives.renaming import alone
from dinv.formats.archives.stream import Stream
from dinv.system.deadline import IdleDeadline
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from dinv.channel import TarStream
    from dinv.engine import Engine
    from dinv.engine.containers import Archive
    from dinv.engine.wire.hijack import HijackedStream
    from dinv.engine.wire.http import Readable

TRY_SECONDS = 60.0
"""Seconds for a command that only looks; a VM under load takes its time."""
_MOST_CHECKED = 50
"""How many files and names are checked after a copy to or from a stopped machine: each costs a call."""
_MOST_SAID = 2000
_PERMISSIONS = 0o777
_BLOCK = 512

_HAS_TAR = "command -v tar >/dev/null 2>&1"
# GNU's tar and busybox's both remove existing files first: links are replaced, and modes are the archive's.
_UNPACK = 'umask 0; exec tar -xpf - -C "$1"'
_PACK = 'cd "$1" && exec tar -cf - -- "$2"'
_CHANGING = ("file changed as we read it", "file removed before we read it", "socket ignored")
"""GNU tar's messages about a directory that is in use; it has packed what it could."""


class VmChannel(ContainerChannel):
    """The guest channel of a container VM: archive calls and exec."""

    def __init__(self, engine: Engine, container: str, machine: str) -> None:
        super().__init__(engine, container)
        self._machine = machine
        self._tar: bool | None = None

    def put_archive(self, directory: str, archive: bytes | Readable) -> None:
        if self._by_tar():
            self._unpack(directory, archive)
            return
        passing = _Passing(io.BytesIO(archive) if isinstance(archive, bytes) else archive)
        if isinstance(archive, bytes):
            # What can be sent again is, if the VCH is just busy.
            passing.read(len(archive))
        try:
            super().put_archive(directory, archive if isinstance(archive, bytes) else passing)
        except ServerError as error:
            if _CANNOT_WRITE not in error.message:
                raise
            raise CopyError(
                f"{error.message}. In a machine that does not run, a VCH cannot replace a symbolic link, nor "
                f"a file by a directory or the other way round; what came before may be there. "
                f"{self._start_first()}"
            ) from error
        self._check_modes(directory, passing.files)

    def get_archive(self, path: str) -> TarStream:
        # "/" contains /proc and the like, and has no neighbours.
        if path != "/" and self._by_tar():
            directory, name = posixpath.split(path)
            return _Packed(self._engine, self._container, ["/bin/sh", "-c", _PACK, "sh", directory, name])
        deadline = IdleDeadline(IDLE_SECONDS)
        found = self._engine.containers.archive_get(self._container, path, body_timeout=deadline)
        return _Alone(self, path, found)

    def check_neighbours(self, path: str, names: Iterable[str]) -> None:
        """Check that what came with a directory is its own. Raises CopyError for a neighbour's content."""
        for name in names:
            if self.stat(path + name) is not None:
                raise CopyError(
                    f"{path + name} came along with {path}, as {name} in it: of a machine that does not run, "
                    f"a VCH sends everything whose path begins alike. {self._start_first()}"
                )

    def _start_first(self) -> str:
        return "Start it, and try again: " + command("start", self._machine)

    def _by_tar(self) -> bool:
        """Whether it runs, and has a tar."""
        state = self._engine.containers.inspect(self._container).get("State") or {}
        if not state.get("Running"):
            return False
        if self._tar is None:
            self._tar = self.run(["/bin/sh", "-c", _HAS_TAR], timeout=TRY_SECONDS) == 0
        return self._tar

    def _unpack(self, directory: str, archive: bytes | Readable) -> None:
        said = _Said()
        # For a file, only `read` is used.
        stdin: Any = io.BytesIO(archive) if isinstance(archive, bytes) else archive
        status = self._engine.execs.run(
            self._container,
            ["/bin/sh", "-c", _UNPACK, "sh", directory],
            stdin=stdin,
            stdout=said,
            stderr=said,
            timeout=IdleDeadline(IDLE_SECONDS),
        )
        if status:
            raise CopyError(f"tar in the machine ended with status {status}: {said.text()}")

    def _check_modes(self, directory: str, files: list[tuple[str, int]]) -> None:
        """Check that a file does not have wider permissions than asked for; secrets first."""
        files = sorted(files, key=lambda file: bool(file[1] & 0o077))[:_MOST_CHECKED]
        for name, mode in files:
            path = posixpath.join(directory, name)
            try:
                found = self._engine.containers.archive_stat(self._container, path).permissions
            except (NotFound, ServerError):
                continue
            if found & ~mode & _PERMISSIONS:
                raise CopyError(
                    f"{path} in machine {self._machine} has the permissions that it had before, {found:04o} "
                    f"and not {mode:04o}: in a machine that does not run, a VCH changes what is in a file "
                    f"that exists, and nothing else. {self._start_first()}"
                )


_CANNOT_WRITE = "error writing files to device"


class _Said:
    """The beginning of a command's message, on one line."""

    def __init__(self) -> None:
        self._data = bytearray()

    def __call__(self, data: bytes) -> None:
        self._data += data[: _MOST_SAID - len(self._data)]

    def text(self) -> str:
        lines = self._data.decode(errors="replace").splitlines()
        return "; ".join(line.strip() for line in lines if line.strip()) or "it said nothing"


class _Packed:
    """A tar stream that a command in the machine writes. The caller closes it."""

    def __init__(self, engine: Engine, container: str, argv: list[str]) -> None:
        self._engine = engine
        self._said = _Said()
        self._held = bytearray()
        self._ended = False
        self._decoder = Demultiplexer()
        self._deadline = IdleDeadline(IDLE_SECONDS)
        self._exec = engine.execs.create(container, argv)
        self._stream: HijackedStream = engine.execs.start(self._exec)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            # A reader that has reached the archive's end has not yet seen how tar ended.
            while exc[0] is None and not self._ended:
                self._receive()
        finally:
            self.close()

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end. Raises CopyError if tar failed."""
        while len(self._held) < size and not self._ended:
            self._receive()
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    def _receive(self) -> None:
        data = self._stream.recv(timeout=self._deadline)
        self._deadline.progress()
        if not data:
            self._decoder.end()
            self._ended = True
            status = self._engine.execs.exit_code(self._exec)
            said = self._said.text()
            if status and not (status == 1 and all(_is_use(line) for line in said.split("; "))):
                raise CopyError(f"tar in the machine ended with status {status}: {said}")
            return
        try:
            for name, piece in self._decoder.feed(data):
                if name == "stdout":
                    self._held += piece
                else:
                    self._said(piece)
        except ValueError as error:
            raise ProtocolError(f"The output of tar in the machine cannot be used: {error}") from error

    def close(self) -> None:
        """Stop reading."""
        self._stream.close()


def _is_use(line: str) -> bool:
    return line.lower().endswith(_CHANGING)


class _Passing:
    """A tar stream being sent, which remembers its files and their modes."""

    def __init__(self, archive: Readable) -> None:
        self._archive = archive
        self._header = bytearray()
        self._skip = 0
        self._long = False
        self.files: list[tuple[str, int]] = []

    def read(self, size: int = -1, /) -> bytes:
        data = self._archive.read(size)
        self._look(data)
        return data

    def _look(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - at)
                self._skip -= passed
                at += passed
                continue
            taken = data[at : at + _BLOCK - len(self._header)]
            self._header += taken
            at += len(taken)
            if len(self._header) == _BLOCK:
                self._block(bytes(self._header))
                self._header.clear()

    def _block(self, block: bytes) -> None:
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            return  # the end
        # The header after that of a long name has it cut short.
        if entry.isreg() and not self._long:
            self.files.append((entry.name, entry.mode & _PERMISSIONS))
        self._long = entry.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        self._skip = -(-entry.size // _BLOCK) * _BLOCK if entry.isreg() or self._long else 0


class _Alone:
    """A VCH's tar stream of one path of a stopped machine, without its neighbours. The caller closes it."""

    def __init__(self, channel: VmChannel, path: str, archive: Archive) -> None:
        self._channel = channel
        self._path = path
        self._archive = archive
        self._seen: dict[str, None] = {}
        pieces = alone(
            archive,
            posixpath.basename(path) or ".",
            is_directory=archive.stat.is_dir,
            seen=self._note,
        )
        self._stream = Stream(pieces, lambda _: None)

    def _note(self, name: str) -> None:
        if len(self._seen) < _MOST_CHECKED:
            self._seen[name] = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        if exc[0] is None and self._path != "/":
            self._channel.check_neighbours(self._path, self._seen)

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end."""
        return self._stream.read(size)

    def close(self) -> None:
        """Stop reading."""
        self._stream.close()
        self._archive.close()
