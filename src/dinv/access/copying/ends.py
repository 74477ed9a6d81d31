"""The two ends of a copy: what is at a place, and its content as a tar stream."""

from __future__ import annotations

import os
import posixpath
import stat
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager

from dinv.access.place import HOME
from dinv.channel import FileStat
from dinv.errors import CopyError, MachineError
from dinv.formats.archives.packing import pack
from dinv.formats.archives.renaming import renamed
from dinv.formats.archives.stream import Stream
from dinv.formats.units import format_size
from dinv.formats.visible import one_line
from dinv.states import ERROR, STARTING
from dinv.system import home
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from dinv.access.place import Place
    from dinv.channel import Channel
    from dinv.lifecycle.host import Host
    from dinv.lifecycle.hosts import Hosts
    from dinv.progress import Progress

_NOT_FILES = ("/dev", "/proc", "/sys")
"""The archive API does not see what a running machine mounts here, nor the machine what it puts here."""
_MOST_WARNINGS = 10


class Report:
    """Reports the bytes copied, and warns of the first few items that were left out."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bytes = 0
        self._left_out = 0

    def begin(self) -> None:
        self._bytes = 0

    def moved(self, count: int) -> None:
        self._bytes += count
        self._progress.update(format_size(self._bytes))

    def warn(self, text: str) -> None:
        self._left_out += 1
        if self._left_out <= _MOST_WARNINGS:
            self._progress.warn(text)

    def close(self) -> None:
        if self._left_out > _MOST_WARNINGS:
            self._progress.warn(f"{self._left_out - _MOST_WARNINGS} more were left out")


class End(ABC):
    """One end of a copy: a place, opened."""

    def __init__(self, place: Place, path: str) -> None:
        self.place = place
        self.path = path
        """Absolute, but not normalized: a last part such as "." matters."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:  # noqa: B027  (nothing is open by default)
        """Close connections."""

    @abstractmethod
    def stat(self, path: str) -> FileStat | None:
        """Return what is at an absolute path, following links, or None. Raises CopyError."""

    @property
    def means_directory(self) -> bool:
        """Whether the path can only mean a directory."""
        return posixpath.basename(self.path) in ("", ".", "..")

    @property
    def means_content(self) -> bool:
        """Whether a source path means the content of a directory, not the directory itself."""
        return posixpath.basename(self.path.rstrip("/")) in ("", ".", "..")


class Here(End):
    """A place on this computer."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, home.from_here(place.path))

    def stat(self, path: str) -> FileStat | None:
        # A file with a trailing slash is reported as a file, not as missing.
        while (bare := path.removesuffix("/.").rstrip("/")) not in ("", path):
            path = bare
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CopyError(f"{one_line(path)}: {error.strerror}") from error
        directory, regular = stat.S_ISDIR(found.st_mode), stat.S_ISREG(found.st_mode)
        # /dev/stdout may lead to a pipe, which has no path.
        path = path if is_special(path) else os.path.realpath(path)
        return FileStat(path, is_directory=directory, is_regular=regular, size=found.st_size)

    @contextmanager
    def packed(self, path: str, name: str, report: Report) -> Iterator[Stream]:
        """Yield what is at `path` as a tar stream, in which it is called `name`."""
        pieces = pack(os.path.realpath(path), name, warn=report.warn)
        with closing(Stream(pieces, report.moved)) as stream:
            yield stream


class InMachine(End):
    """A place in a machine, which need not be running."""

    def __init__(self, place: Place, machine: Host) -> None:
        path = place.as_root().path or "."
        if path == "~" or path.startswith("~/"):
            path = HOME + path[1:]
        super().__init__(place, posixpath.join(HOME, path))
        self._machine = machine
        status = machine.status()
        if status.state == ERROR or (status.state == STARTING and status.error):
            raise MachineError(machine.name, f'Machine "{machine.name}" cannot be used: ' + status.error)
        # Not machine.channel(), which requires a running machine: archives only need its disk.
        self.channel: Channel = machine.driver.channel()

    def __exit__(self, *exc: object) -> None:
        self._machine.close()

    def stat(self, path: str) -> FileStat | None:
        path = "/" + posixpath.normpath(path).lstrip("/")
        found = self.channel.stat(path)
        for shown in (path, found.path if found else path):
            if shown.startswith(tuple(f"{root}/" for root in _NOT_FILES)) or shown in _NOT_FILES:
                raise CopyError(
                    f"{self.place}: {one_line(shown)} is not on the machine's disk, and cannot be "
                    "copied. Use a command: " + command("ssh", str(self.place.machine), "...")
                )
        return found

    @contextmanager
    def packed(self, path: str, name: str, report: Report) -> Iterator[Stream]:
        """Yield what is at `path` as a tar stream, in which it is called `name`."""
        with self.channel.get_archive(path) as archive:
            pieces = renamed(archive, name, warn=report.warn)
            with closing(Stream(pieces, report.moved)) as stream:
                yield stream


def opened(place: Place, hosts: Hosts) -> Here | InMachine:
    """Return the end of a copy at `place`, as a context manager. Raises MachineError."""
    return Here(place) if place.machine is None else InMachine(place, hosts.get(place.machine))


def is_special(path: str) -> bool:
    """Whether a local file must be written into, never replaced: /dev/null, /dev/stdout, a pipe."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    if stat.S_ISDIR(mode):
        return False
    return not stat.S_ISREG(mode) or path.startswith(("/dev/", "/proc/"))
