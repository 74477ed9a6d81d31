"""The guest channel: how files and commands get into a machine.

On an endpoint these are its archive calls (what `docker cp` uses) and exec. Files need nothing that runs in
the machine, and commands need no SSH.
"""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import BinaryIO, Protocol, Self

    from dinv.engine import Engine
    from dinv.engine.wire.http import Readable
    from dinv.errors import EngineError

    class TarStream(Protocol):
        """A tar archive to read, and to close."""

        def read(self, size: int, /) -> bytes:
            """Return `size` bytes, fewer only at the end."""

        def __enter__(self) -> Self:
            """Return self."""

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
            /,
        ) -> None:
            """Close it."""


IDLE_SECONDS = 60.0
"""Seconds that a copy may make no progress."""
RESIZE_SECONDS = 2.0
_MOST_LINKS = 40
"""How many symbolic links are followed in a row, as in Linux."""

# "$1" is the host, "$2" the port. Only socat can close one direction and continue with the other. bash and nc
# are for images without socat; with those, output may follow the end of the input for at most a minute.
_RELAY = r"""
if command -v socat >/dev/null 2>&1; then
    exec socat -t 600 - "TCP:$1:$2"
elif command -v bash >/dev/null 2>&1; then
    exec bash -c '
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        cat <&3 & reader=$!
        cat >&3
        (sleep 60; kill "$reader") >/dev/null 2>&1 3>&- & timer=$!
        wait "$reader"; kill "$timer" 2>/dev/null' relay "$1" "$2"
elif command -v nc >/dev/null 2>&1; then
    exec nc "$1" "$2"
fi
echo "this image has neither socat, bash nor nc" >&2
exit 127
"""


def relay(port: int, host: str = "127.0.0.1") -> list[str]:
    """Return the command that connects its standard streams with a port, as seen from the machine.

    It fails, with a line on standard error, where nothing listens.
    """
    return ["sh", "-c", _RELAY, "relay", host, str(port)]


class File:
    """A file to be put into a machine: absolute path, content, mode."""

    def __init__(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.path = path
        self.content = content
        self.mode = mode


class FileStat:
    """What is at a path in a machine, symbolic links followed: `path` is where they lead.

    `size` in bytes.
    """

    def __init__(self, path: str, *, is_directory: bool, is_regular: bool, size: int = 0) -> None:
        self.path = path
        self.is_directory = is_directory
        self.is_regular = is_regular
        self.size = size


class Channel(ABC):
    """Files and commands for one machine. Files work while it is stopped, too."""

    def put(self, files: Iterable[File]) -> None:
        """Write files, owned by root, and create the directories they need; all files, or an error."""
        self.put_archive("/", pack(files))

    @abstractmethod
    def put_archive(self, directory: str, archive: bytes | Readable) -> None:
        """Unpack a tar archive in an existing directory.

        Entries keep the owners that the archive gives; a directory is never replaced by something else.
        Raises NotFound, BadRequest, Unauthorized (read-only), ServerError (no space).
        """

    def passing(self, error: EngineError) -> bool:  # an endpoint's
        """Return whether an operation that failed with `error` is likely to succeed a little later."""
        return False

    @abstractmethod
    def get_archive(self, path: str) -> TarStream:
        """Return a file or a directory as a tar archive, for the caller to read and close.

        Entries are named from the last component of the path on; a symbolic link is an entry, and not
        followed. Raises NotFound.
        """

    @abstractmethod
    def stat(self, path: str) -> FileStat | None:
        """Return what is at an absolute path, links followed; None if there is nothing."""

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = inf,
    ) -> int:
        """Run a command as root; return its exit status. Streams are kept apart. `timeout` in seconds.

        The call ends when the command does, even if `stdin` has more.
        """

    @abstractmethod
    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> Terminal:
        """Start a command on a terminal of its own."""


class Terminal(ABC):
    """A command that runs on a terminal in the machine. The caller closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def copy(self, *, stdin: BinaryIO | None, stdout: Callable[[bytes], object]) -> None:
        """Copy bytes until the command ends. The end of `stdin` does not end the command's input."""

    @abstractmethod
    def resize(self, *, rows: int, columns: int) -> None:
        """Tell the command the size of the terminal; may be called from another thread."""

    @abstractmethod
    def exit_status(self) -> int:
        """Return the command's exit status, once `copy` has returned."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; a command that has not ended keeps running."""


def pack(files: Iterable[File]) -> bytes:
    """Return a tar archive of files, to be unpacked at `/`. Directories in it are 0755."""
    import io
    import tarfile
    import time

    packed = io.BytesIO()
    now = int(time.time())
    directories: set[str] = set()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            path = file.path.strip("/")
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                directory = "/".join(parts[:depth])
                if depth > 1 and directory not in directories:
                    # Top-level directories (/etc) belong to the image: their modes must not change.
                    directories.add(directory)
                    entry = tarfile.TarInfo(directory)
                    entry.type = tarfile.DIRTYPE
                    entry.mode = 0o755
                    entry.mtime = now
                    archive.addfile(entry)
            entry = tarfile.TarInfo(path)
            entry.size = len(file.content)
            entry.mode = file.mode
            entry.mtime = now
            archive.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


class ContainerChannel(Channel):
    """The guest channel of a machine that is a container: archive calls and exec."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container

    def put_archive(self, directory: str, archive: bytes | Readable) -> None:
        from dinv.system.deadline import IdleDeadline

        self._engine.containers.archive_put(
            self._container,
            directory,
            archive,
            no_overwrite_dir_non_dir=True,
            timeout=IdleDeadline(IDLE_SECONDS),
        )

    def passing(self, error: EngineError) -> bool:
        return self._engine.transient is not None and self._engine.transient(error)

    def get_archive(self, path: str) -> TarStream:
        from dinv.system.deadline import IdleDeadline

        return self._engine.containers.archive_get(
            self._container, path, body_timeout=IdleDeadline(IDLE_SECONDS)
        )

    def stat(self, path: str) -> FileStat | None:
        from dinv.errors import NotFound, ServerError

        for _ in range(_MOST_LINKS):
            try:
                found = self._engine.containers.archive_stat(self._container, path)
            except NotFound:
                return None
            except ServerError:
                # moby answers 500 to a path that leads through a file, and a HEAD's answer says nothing more.
                if path == "/":
                    raise
                above = self.stat(posixpath.dirname(path))
                if above is not None and above.is_directory:
                    raise
                return None
            if not found.is_symlink:
                return FileStat(path, is_directory=found.is_dir, is_regular=found.is_regular, size=found.size)
            # moby reports where the link ends, other engines what it says.
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), found.link_target))
        return None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = inf,
    ) -> int:
        return self._engine.execs.run(
            self._container,
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            timeout=timeout,
        )

    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> Terminal:
        identity = self._engine.execs.create(self._container, argv, stdin=True, tty=True, env=environment)
        return _ContainerTerminal(self._engine, identity)


class _ContainerTerminal(Terminal):
    def __init__(self, engine: Engine, identity: str) -> None:
        self._engine = engine
        self._identity = identity
        self._stream = engine.execs.start(identity, tty=True)

    def copy(self, *, stdin: BinaryIO | None, stdout: Callable[[bytes], object]) -> None:
        self._stream.copy(stdin=stdin, stdout=stdout)

    def resize(self, *, rows: int, columns: int) -> None:
        self._engine.execs.resize(self._identity, height=rows, width=columns, timeout=RESIZE_SECONDS)

    def exit_status(self) -> int:
        return self._engine.execs.exit_code(self._identity)

    def close(self) -> None:
        self._stream.close()
