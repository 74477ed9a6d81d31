"""The guest channel: how files and commands get into a machine.

On an endpoint that is archive (what `docker cp` does) and exec; nothing in the machine has to run for
files, and no SSH for commands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, BinaryIO

    from dinv.engine import Engine


class File:
    """A file to be put into a machine: absolute path, content, mode."""

    def __init__(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self.path = path
        self.content = content
        self.mode = mode


class Channel(ABC):
    """Files and commands for one machine."""

    @abstractmethod
    def put(self, files: Iterable[File]) -> None:
        """Write files, owned by root, making the directories they need; all or an error."""

    @abstractmethod
    def put_archive(self, directory: str, archive: Any) -> None:
        """Unpack a tar archive (bytes, or a file object) in an existing directory."""

    @abstractmethod
    def get_archive(self, path: str) -> Any:
        """A file or a directory as tar archive: a file object to read, and close."""

    @abstractmethod
    def is_directory(self, path: str) -> bool | None:
        """Whether a path is a directory, links followed; None when there is nothing."""

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
        timeout: float = inf,
    ) -> int:
        """Run a command as root, streams apart; returns its exit status. `timeout` in seconds."""

    @abstractmethod
    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> Terminal:
        """Start a command on a terminal of its own."""


class Terminal(ABC):
    """A command that runs on a terminal in the machine."""

    @abstractmethod
    def fileno(self) -> int:
        """To wait for with select, unless `pending`."""

    @abstractmethod
    def pending(self) -> bool:
        """Whether bytes are here already that select does not see."""

    @abstractmethod
    def read(self) -> bytes | None:
        """What the command has written: None when nothing is there yet, b"" at its end."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Give the command input."""

    @abstractmethod
    def resize(self, *, rows: int, columns: int) -> None:
        """Tell the command how large the terminal is."""

    @abstractmethod
    def close(self) -> int:
        """End the session; returns the command's exit status."""


def pack(files: Iterable[File]) -> bytes:
    """A tar archive of files, to be unpacked at `/`. Directories that are made are 0755."""
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
                    # Top-level directories (/etc) are the image's: their modes are not ours to set.
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
    """Archive and exec on the container that is the machine."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container

    def put(self, files: Iterable[File]) -> None:
        self.put_archive("/", pack(files))

    def put_archive(self, directory: str, archive: Any) -> None:
        self._engine.containers.archive_put(self._container, directory, archive)

    def get_archive(self, path: str) -> Any:
        return self._engine.containers.archive_get(self._container, path)

    def is_directory(self, path: str) -> bool | None:
        from dinv.errors import NotFound

        try:
            found = self._engine.containers.archive_stat(self._container, path)
            if found.is_symlink:
                # The engine resolves the target as far as it can, within the container.
                found = self._engine.containers.archive_stat(self._container, found.link_target)
        except NotFound:
            return None
        return found.is_dir

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
        timeout: float = inf,
    ) -> int:
        return self._engine.execs.run(
            self._container, argv, stdin=stdin, stdout=stdout, stderr=stderr, timeout=timeout
        )

    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> Terminal:
        identity = self._engine.execs.create(self._container, argv, stdin=True, tty=True, env=environment)
        return _ContainerTerminal(self._engine, identity)


class _ContainerTerminal(Terminal):
    def __init__(self, engine: Engine, identity: str) -> None:
        self._engine = engine
        self._identity = identity
        self._stream = engine.execs.start(identity, tty=True)

    def fileno(self) -> int:
        return self._stream.fileno()

    def pending(self) -> bool:
        return bool(self._stream.pending())

    def read(self) -> bytes | None:
        return self._stream.recv_now()

    def write(self, data: bytes) -> None:
        self._stream.sendall(data)

    def resize(self, *, rows: int, columns: int) -> None:
        self._engine.execs.resize(self._identity, height=rows, width=columns)

    def close(self) -> int:
        self._stream.close()
        return self._engine.execs.exit_code(self._identity)
