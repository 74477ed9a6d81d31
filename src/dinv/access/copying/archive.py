"""Copies through the endpoint's archive API: by the rules of cp and scp, with no program in the machine."""

from __future__ import annotations

import os
import posixpath
import time
from contextlib import contextmanager

from dinv.access.copying.ends import InMachine, Report, is_special, opened
from dinv.errors import CopyError, EngineError
from dinv.formats.archives.stream import PIECE
from dinv.formats.archives.unpacking import unpack, unpack_file
from dinv.formats.visible import one_line
from dinv.wording import either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.access.copying.ends import End, Here
    from dinv.access.place import Place
    from dinv.channel import FileStat
    from dinv.formats.archives.stream import Readable
    from dinv.lifecycle.hosts import Hosts
    from dinv.progress import Progress


def copy(source: Place, target: Place, *, recursive: bool, hosts: Hosts, progress: Progress) -> None:
    """Copy `source` to `target`; see `dinv.access.copying.scp.copy`. Raises CopyError, MachineError."""
    with opened(source, hosts) as origin, opened(target, hosts) as goal:
        found = _source(origin, recursive=recursive)
        directory, name = _destination(origin, found, goal)
        if source.machine == target.machine:
            _check_apart(source, target, found.path, posixpath.join(directory, name))
        report = Report(progress)
        with progress.working("Copy", f"{source} to {target}"):
            try:
                _transfer(origin, found, goal, (directory, name), report)
            except EngineError as error:
                raise CopyError(f"Copying {source} to {target} failed: {error.message}") from error
            except CopyError as error:
                raise CopyError(f"Copying {source} to {target} failed: {error}") from error
            finally:
                report.close()


# Which names


def _source(origin: End, *, recursive: bool) -> FileStat:
    found = origin.stat(origin.path)
    if found is None:
        raise CopyError(f"{origin.place}: no such file or directory")
    if found.is_directory:
        if not recursive:
            how = either("recursive=True", "-r")
            raise CopyError(f"{origin.place} is a directory. To copy it with its content, add " + how)
    elif origin.means_directory:
        raise CopyError(f"{origin.place}: is not a directory")
    elif not found.is_regular:
        raise CopyError(f"{origin.place} is neither a file nor a directory")
    return found


def _destination(origin: End, found: FileStat, goal: End) -> tuple[str, str]:
    """Return where the copy goes: an existing directory, and a name in it. Raises CopyError.

    The name is empty if the content of the source goes directly into the directory, which then keeps its own
    mode.
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
    """Within one machine, refuse to copy something onto itself or into itself. Raises CopyError."""
    final = final.rstrip("/") or "/"
    if final == path:
        raise CopyError(f"{source} and {target} are the same")
    if final.startswith(path.rstrip("/") + "/"):
        raise CopyError(f"{source} cannot be copied into itself, {target}")


# The bytes


def _transfer(
    origin: Here | InMachine,
    found: FileStat,
    goal: Here | InMachine,
    destination: tuple[str, str],
    report: Report,
) -> None:
    directory, name = destination
    if isinstance(goal, InMachine):
        _put(origin, found, goal, destination, report)
    elif isinstance(origin, InMachine):
        path = os.path.join(directory, name)
        with origin.channel.get_archive(found.path) as archive:
            if not found.is_directory and is_special(path):
                _write_into(path, archive)
            else:
                unpack(archive, directory, name, warn=report.warn, moved=report.moved)


def _put(
    origin: Here | InMachine,
    found: FileStat,
    goal: InMachine,
    destination: tuple[str, str],
    report: Report,
) -> None:
    """Copy into a machine; start over if the endpoint reports that it was momentarily busy."""
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
    origin: Here | InMachine, found: FileStat, goal: InMachine, name: str, report: Report
) -> Iterator[Readable]:
    if origin.place.machine != goal.place.machine:
        with origin.packed(found.path, name, report) as stream:
            yield stream
        return
    from dinv.system import scratch

    # moby locks a container while reading from it (daemon/archive.go): read everything first, then write.
    # The temporary file has no name, so it cannot be left behind.
    with scratch.file() as file:
        with origin.packed(found.path, name, report) as stream:
            try:
                while data := stream.read(PIECE):
                    file.write(data)
            except OSError as error:
                raise CopyError(f"{scratch.place()}: {error.strerror}") from error
        file.seek(0)
        yield file


def _write_into(path: str, archive: Readable) -> None:
    """Write the content of one file to `path`; no progress, since `path` may be the terminal."""
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
