"""Files copied to, from and between machines, with the rules of cp and scp, by archive on their endpoints."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager

from dinv.access import system_ssh
from dinv.channel import FileStat
from dinv.errors import CopyError, EngineError, InputError, MachineError
from dinv.formats.archives.packing import pack
from dinv.formats.archives.renaming import renamed
from dinv.formats.archives.stream import PIECE, Stream
from dinv.formats.archives.unpacking import unpack, unpack_file
from dinv.formats.units import format_size
from dinv.formats.visible import one_line
from dinv.progress import Progress
from dinv.states import ERROR, STARTING
from dinv.system import home
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from dinv.channel import Channel
    from dinv.formats.archives.stream import Readable
    from dinv.lifecycle.host import Host
    from dinv.machines import Machines

HOME = "/root"
"""What paths in a machine are relative to."""
_HERE = "localhost"
_USER = "root"
_NOT_FILES = ("/dev", "/proc", "/sys")
"""What a running machine mounts there is not seen by archive; a file put there would be seen by nobody."""
_MOST_WARNINGS = 10


class Place:
    """One end of a copy: a path in a machine, or here when `machine` is None.

    `user` is the machine's, "" when none is named.
    """

    __slots__ = ("machine", "path", "user")

    def __init__(self, machine: str | None, path: str, user: str = "") -> None:
        self.machine = machine
        self.path = path
        self.user = user

    def __str__(self) -> str:
        return one_line(self.path if self.machine is None else f"{self.machine}:{self.path}")

    def __repr__(self) -> str:
        return f"Place({self.machine!r}, {self.path!r})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A place as scp has it: `NAME:PATH`, `USER@NAME:PATH`, `localhost:PATH`, or a path here.

        A path here that has a colon in its first part is written with `./`. Raises InputError.
        """
        if not text:
            raise InputError("A path to copy is empty")
        if "\0" in text:
            raise InputError("A path to copy has a zero byte in it")
        before, colon, path = text.partition(":")
        if not colon or not before or "/" in before:
            return cls(None, text)
        user, _, name = before.rpartition("@")
        if name == _HERE:
            return cls(None, path or ".")
        return cls(name, path, user)

    def as_root(self) -> Self:
        """Itself, when it does not name another user. Raises InputError."""
        if self.user not in ("", _USER):
            raise InputError(
                f'"{self.user}@{self.machine}": files in a machine are {_USER}\'s; '
                f"write {self.machine}:{self.path}"
            )
        return self


def copy(
    source: Place,
    target: Place,
    *,
    recursive: bool,
    machines: Machines,
    quiet: bool = False,
    progress: Progress | None = None,
) -> None:
    """Copy a file, or with `recursive` a directory. One of the two places at least is in a machine.

    A target that is a directory gets a copy of the source's name; `SOURCE/.` copies what is in it. Otherwise
    the target is the copy's name, in a directory that exists; with a slash at its end it must be a directory
    itself. In a machine, relative paths and `~` start from /root. A source that is a symbolic link is
    followed; those inside a directory stay links. `dinv.formats.archives` says what travels.

    Works on stopped machines, too. A file here appears whole or not at all; a directory, or a file in a
    machine, may be there in part when a copy is broken off. Raises CopyError, MachineNotFound, MachineError.

    To and from machines that docker-machine made it is the system's scp that copies, by its own rules;
    `quiet` is for that one.
    """
    progress = progress or Progress()
    if source.machine is None and target.machine is None:
        raise InputError(f"Neither {source} nor {target} is in a machine (NAME:PATH). To copy here, use cp.")
    check_exists(source, machines)
    check_exists(target, machines)
    if any(place.machine and system_ssh.of_machine(place.machine, machines) for place in (source, target)):
        from dinv.access import system_scp

        system_scp.copy(
            source, target, recursive=recursive, quiet=quiet, machines=machines, progress=progress
        )
        return
    with _open(source, machines) as origin, _open(target, machines) as goal:
        found = _source(origin, recursive=recursive)
        directory, name = _destination(origin, found, goal)
        if source.machine == target.machine:
            _check_apart(source, target, found.path, posixpath.join(directory, name))
        report = _Report(progress)
        with progress.working("Copy", f"{source} to {target}"):
            try:
                _transfer(origin, found, goal, (directory, name), report)
            except EngineError as error:
                raise CopyError(f"Copying {source} to {target} failed: {error.message}") from error
            except CopyError as error:
                raise CopyError(f"Copying {source} to {target} failed: {error}") from error
            finally:
                report.close()


def check_exists(place: Place, machines: Machines) -> None:
    """Tell of a machine that is not there, before either end is touched."""
    if place.machine is None or machines.store.exists(place.machine):
        return
    error = machines.store.missing(place.machine)
    text = f"{place.machine}:{place.path}"
    if os.path.lexists(text):
        error.add_note(f"There is a file of this name here; to copy it, write ./{one_line(text)}")
    raise error


# The two ends


class _End(ABC):
    """A place, opened."""

    def __init__(self, place: Place, path: str) -> None:
        self.place = place
        self.path = path
        """Absolute, but as it was given: a last part such as "." counts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:  # noqa: B027  (here nothing is open)
        """Close connections."""

    @abstractmethod
    def stat(self, path: str) -> FileStat | None:
        """What is at an absolute path, links followed. Raises CopyError."""

    @property
    def means_directory(self) -> bool:
        """Whether only a directory can be meant."""
        return posixpath.basename(self.path) in ("", ".", "..")

    @property
    def means_content(self) -> bool:
        """Whether a source means what is in a directory, and not the directory."""
        return posixpath.basename(self.path.rstrip("/")) in ("", ".", "..")


class _Here(_End):
    def __init__(self, place: Place) -> None:
        super().__init__(place, home.from_here(place.path))

    def stat(self, path: str) -> FileStat | None:
        # A file with a slash behind it is told as what it is, and not as missing.
        while (bare := path.removesuffix("/.").rstrip("/")) not in ("", path):
            path = bare
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CopyError(f"{one_line(path)}: {error.strerror}") from error
        directory, regular = stat.S_ISDIR(found.st_mode), stat.S_ISREG(found.st_mode)
        # What /dev/stdout leads to may be a pipe without a name.
        path = path if _is_special(path) else os.path.realpath(path)
        return FileStat(path, is_directory=directory, is_regular=regular, size=found.st_size)

    @contextmanager
    def packed(self, path: str, name: str, report: _Report) -> Iterator[Stream]:
        """What is at a path as tar stream for another place, where it is called `name`."""
        pieces = pack(os.path.realpath(path), name, warn=report.warn)
        with closing(Stream(pieces, report.moved)) as stream:
            yield stream


class _InMachine(_End):
    def __init__(self, place: Place, machine: Host) -> None:
        path = place.as_root().path or "."
        if path == "~" or path.startswith("~/"):
            path = HOME + path[1:]
        super().__init__(place, posixpath.join(HOME, path))
        self._machine = machine
        status = machine.status()
        if status.state == ERROR or (status.state == STARTING and status.error):
            raise MachineError(machine.name, f'Machine "{machine.name}" cannot be used: {status.error}')
        # Not machine.channel(), which wants it running: archives need no more than its disk.
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
    def packed(self, path: str, name: str, report: _Report) -> Iterator[Stream]:
        """What is at a path as tar stream for another place, where it is called `name`."""
        with self.channel.get_archive(path) as archive:
            pieces = renamed(archive, name, warn=report.warn)
            with closing(Stream(pieces, report.moved)) as stream:
                yield stream


def _open(place: Place, machines: Machines) -> _Here | _InMachine:
    return _Here(place) if place.machine is None else _InMachine(place, machines.get(place.machine).host)


# Which names


def _source(origin: _End, *, recursive: bool) -> FileStat:
    found = origin.stat(origin.path)
    if found is None:
        raise CopyError(f"{origin.place}: no such file or directory")
    if found.is_directory:
        if not recursive:
            raise CopyError(f"{origin.place} is a directory. To copy it with all in it, add -r")
    elif origin.means_directory:
        raise CopyError(f"{origin.place}: is not a directory")
    elif not found.is_regular:
        raise CopyError(f"{origin.place} is neither a file nor a directory")
    return found


def _destination(origin: _End, found: FileStat, goal: _End) -> tuple[str, str]:
    """Where the copy goes: an existing directory, and a name in it.

    The name is empty where the content of the source goes straight into the directory, which then keeps
    its own mode.
    """
    there = goal.stat(goal.path)
    if there is not None and there.is_directory:
        if origin.means_content:
            return there.path, ""
        name = posixpath.basename(origin.path.rstrip("/"))
        inner = goal.stat(posixpath.join(there.path, name))
        if inner is None:
            return there.path, name
        if inner.is_directory != found.is_directory:
            kinds = "a directory", "a file"
            what, other = kinds if inner.is_directory else kinds[::-1]
            raise CopyError(f"{goal.place}: there is {what} {one_line(name)}; {other} cannot replace it")
        return (inner.path, "") if inner.is_directory else _split(inner.path)
    if there is not None:
        if goal.means_directory or found.is_directory:
            raise CopyError(f"{goal.place}: is not a directory")
        return _split(there.path)
    if goal.means_directory:
        raise CopyError(f"{goal.place}: no such directory")
    above = goal.stat(posixpath.dirname(goal.path))
    if above is None:
        raise CopyError(f"{goal.place}: there is no directory {one_line(posixpath.dirname(goal.path))}")
    if not above.is_directory:
        raise CopyError(f"{goal.place}: {one_line(above.path)} is not a directory")
    return above.path, posixpath.basename(goal.path)


def _split(path: str) -> tuple[str, str]:
    return posixpath.dirname(path), posixpath.basename(path)


def _check_apart(source: Place, target: Place, path: str, final: str) -> None:
    """Within one machine: nothing is copied onto itself or into itself."""
    final = final.rstrip("/") or "/"
    if final == path:
        raise CopyError(f"{source} and {target} are the same")
    if final.startswith(path.rstrip("/") + "/"):
        raise CopyError(f"{source} cannot be copied into itself, {target}")


# The bytes


class _Report:
    """Tells how much has gone through, and what was left out, up to a number that can be read."""

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


def _transfer(
    origin: _Here | _InMachine,
    found: FileStat,
    goal: _Here | _InMachine,
    destination: tuple[str, str],
    report: _Report,
) -> None:
    directory, name = destination
    if isinstance(goal, _InMachine):
        _put(origin, found, goal, destination, report)
    elif isinstance(origin, _InMachine):
        path = os.path.join(directory, name)
        with origin.channel.get_archive(found.path) as archive:
            if not found.is_directory and _is_special(path):
                _write_into(path, archive)
            else:
                unpack(archive, directory, name, warn=report.warn, moved=report.moved)


def _put(
    origin: _Here | _InMachine,
    found: FileStat,
    goal: _InMachine,
    destination: tuple[str, str],
    report: _Report,
) -> None:
    """Copy into a machine; from the beginning again where the endpoint says that it was busy just then."""
    from dinv.engine.calls import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE_SECONDS

    directory, name = destination
    pause, end = FIRST_PAUSE, time.monotonic() + PATIENCE_SECONDS
    while True:
        report.begin()
        try:
            with _packed(origin, found, goal, name, report) as stream:
                goal.channel.put_archive(directory, stream)
        except EngineError as error:
            if time.monotonic() > end or not goal.channel.passing(error):
                raise
        else:
            return
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)


@contextmanager
def _packed(
    origin: _Here | _InMachine, found: FileStat, goal: _InMachine, name: str, report: _Report
) -> Iterator[Readable]:
    if origin.place.machine != goal.place.machine:
        with origin.packed(found.path, name, report) as stream:
            yield stream
        return
    from dinv.system import scratch

    # moby locks a container while it is read from (daemon/archive.go): first all out, then all in.
    # The file has no name, so that nothing can leave it behind.
    with scratch.file() as file:
        with origin.packed(found.path, name, report) as stream:
            try:
                while data := stream.read(PIECE):
                    file.write(data)
            except OSError as error:
                raise CopyError(f"{scratch.place()}: {error.strerror}") from error
        file.seek(0)
        yield file


def _is_special(path: str) -> bool:
    """Whether a file here is one to write into, and never to be replaced: /dev/null, /dev/stdout, a pipe."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    if stat.S_ISDIR(mode):
        return False
    return not stat.S_ISREG(mode) or path.startswith(("/dev/", "/proc/"))


def _write_into(path: str, archive: Readable) -> None:
    """Progress is not told: what is written to may be the terminal."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            unpack_file(archive, file)
        finally:
            os.close(file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CopyError(f"{one_line(path)}: {error.strerror}") from error
