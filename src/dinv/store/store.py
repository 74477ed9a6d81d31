"""Machines on disk: where they are, who may write them now, how they are read and replaced.

The layout is docker-machine's: `<store>/machines/NAME/config.json` beside the machine's certificates.
Names that begin with a dot are not machines. What dinv adds in a machine's directory: `ca-key.pem` (the
key of the machine's own CA), `.lock`, and while certificates are replaced `.pending` and `.renewal`.

Writers hold an advisory lock (`dinv.system.locks`) on `machines/NAME/.lock`. It lies inside the directory
that it protects, so that removing a machine leaves no lock behind; whoever gets the lock looks whether the
file is still the one in place. The kernel drops the lock when its holder dies, however it dies. Readers take
no lock: config.json is only ever replaced as a whole.
"""

from __future__ import annotations

import errno
import os

from dinv.errors import (
    ConfigError,
    InputError,
    InvalidName,
    MachineNotFound,
    StoreError,
    StoreNotWritable,
)
from dinv.formats import json_text
from dinv.store.record import MachineConfig
from dinv.system import home
from dinv.system.files import read, remove_tree, sweep, sync_directory, write
from dinv.wording import either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

NAME = r"[a-zA-Z0-9][a-zA-Z0-9.-]*"
"""libmachine: libmachine/host/host.go, without its needless backslash."""

DEFAULT_NAME = "default"
"""The machine meant when none is named, as in docker-machine."""

LONGEST_NAME = 68
"""`dinv-NAME-cache` has at most 80 characters, vSphere's limit (design decision 8), one spare; and a
host name at most 64 (Linux: HOST_NAME_MAX), which the docker driver sees to."""


def default_path() -> str:
    """`$MACHINE_STORAGE_PATH`, or `~/.docker/machine`. Raises InputError where there is no home."""
    named = os.environ.get("MACHINE_STORAGE_PATH")
    instead = "MACHINE_STORAGE_PATH, or give " + either("a path to dinv.open", "--storage-path")
    return named or home.within(".docker", "machine", instead=instead)


def check_name(name: str) -> None:
    """Raise InputError unless `name` can be a machine's."""
    import re

    if not re.fullmatch(NAME, name):
        raise InvalidName(name, _nearest(name))
    if len(name) > LONGEST_NAME:
        raise InputError(
            f'The machine name "{name}" has {len(name)} characters; at most {LONGEST_NAME} are allowed.'
        )


def _nearest(name: str) -> str:
    """A name that can be a machine's, and is like one that cannot; "" when there is none."""
    import re

    found = re.sub(r"[^a-zA-Z0-9.-]+", "-", name).strip("-.")
    return found if len(found) <= LONGEST_NAME else ""


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key: `m` before `m2` before `m10`, upper and lower case alike."""
    from itertools import groupby

    key = []
    for digits, letters in groupby(name.lower(), str.isdecimal):
        part = "".join(letters)
        key.append((1, int(part), "") if digits else (2, 0, part))
    return [*key, (0, 0, name)]


def _is_entry(name: str) -> bool:
    """Whether `name` is a plain name in the directory of machines; docker-machine's own may be looser."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


def _is_one(entry: os.DirEntry[str]) -> bool:
    """Whether it is a machine's directory; a link that leads to itself was meant for one, perhaps."""
    try:
        return entry.is_dir()
    except OSError:
        return True


class writing:  # noqa: N801  (used as a function)
    """A with-statement in which something is written to the store: an OSError there is StoreNotWritable."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise StoreNotWritable(
                os.fspath(error.filename or self._path), error.strerror or str(error)
            ) from error


class Store:
    """The directory on the user's side that holds the machines."""

    def __init__(self, path: str | None = None) -> None:
        self.path = home.absolute(path or default_path())
        self.machines_directory = os.path.join(self.path, "machines")
        self.held: set[str] = set()
        """Names of the machines whose locks this process has."""
        self.still_open = False
        """Whether a removed machine is there for as long as its lock is open."""

    def directory(self, name: str) -> str:
        """The directory of one machine, which may not be there."""
        return os.path.join(self.machines_directory, name)

    def names(self) -> list[str]:
        """The names of all machines, also those whose config.json cannot be read. Raises StoreError."""
        try:
            with os.scandir(self.machines_directory) as entries:
                found = [entry.name for entry in entries if not entry.name.startswith(".") and _is_one(entry)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"The store cannot be read: {self.machines_directory}: {error.strerror}"
            ) from error
        return sorted(found, key=natural_order)

    def exists(self, name: str) -> bool:
        """Whether there is a machine of this name, or the beginning or end of one."""
        return _is_entry(name) and os.path.isdir(self.directory(name))

    def missing(self, name: str) -> MachineNotFound:
        """The error that there is no machine of this name; it says which one may have been meant."""
        from dinv.suggestions import closest

        try:
            return MachineNotFound(name, closest(name, self.names()))
        except StoreError:
            return MachineNotFound(name)

    def load(self, name: str) -> MachineConfig:
        """Read a machine's config.json. Raises MachineNotFound, ConfigError, ConfigTooNew.

        Nothing is written. A caller that uses its certificates has `Host.finish_certificates` for that.
        """
        if not _is_entry(name):
            raise self.missing(name)
        path = os.path.join(self.directory(name), "config.json")
        try:
            content = read(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR) and not self.exists(name):
                raise self.missing(name) from error
            raise ConfigError(name, path, error.strerror or str(error)) from error
        try:
            document = json_text.parse(content)
        except ValueError as error:
            raise ConfigError(name, path, f"not valid JSON ({error})") from error
        return MachineConfig.read(document, name=name, path=path, store_path=self.path)

    def save(self, config: MachineConfig) -> None:
        """Replace a machine's config.json; the caller holds its lock. Raises StoreNotWritable."""
        import json

        directory = self.directory(config.name)
        content = json.dumps(config.shown(), indent=4).encode()
        with writing(directory):
            sweep(directory)
            write(os.path.join(directory, "config.json"), content, mode=0o600)
            sync_directory(directory)

    def lock(self, name: str, doing: str) -> AbstractContextManager[None]:
        """Hold the lock of a machine that exists; `doing` is what others are told of it.

        Raises MachineNotFound, or MachineBusy at once when another process has it.
        """
        from dinv.store.claims import locked

        return locked(self, name, doing)

    def holder(self, name: str) -> str | None:
        """What another process that holds a machine's lock says that it does; None when nobody holds it.

        A look only: it is over by the time that anybody reads it. None also where it cannot be told.
        """
        if name in self.held:
            return None
        from dinv.system import locks

        path = os.path.join(self.directory(name), ".lock")
        descriptor = locks.is_held(path)
        if descriptor is None:
            return None
        try:
            return locks.said(descriptor)
        finally:
            os.close(descriptor)

    def claim(self, name: str, doing: str) -> AbstractContextManager[bool]:
        """Take `name` for a new machine: make its directory and hold its lock.

        Yields whether something is in the directory already: what a create that was killed has left.
        Raises MachineExists when a machine is there, ConfigError when one is that cannot be read,
        MachineBusy, StoreNotWritable, LocksNotKept.
        """
        from dinv.store.claims import claimed

        return claimed(self, name, doing)

    def abandon(self, name: str) -> None:
        """Remove the directory of a claim in which nothing has been written yet; any other stays."""
        import contextlib

        with contextlib.suppress(StoreError), self.lock(name, "removing it"):
            if os.listdir(self.directory(name)) == [".lock"]:
                self.remove(name)

    def empty(self, name: str) -> None:
        """Remove all in a machine's directory but the lock, which the caller holds."""
        directory = self.directory(name)
        with writing(directory), os.scandir(directory) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)
                elif entry.name != ".lock":
                    os.unlink(entry.path)

    def remove(self, name: str) -> None:
        """Remove a machine's directory; the caller holds its lock. Raises StoreNotWritable.

        It is renamed first, so that no half removed machine is ever seen, and what a crash leaves is
        swept up by the next removal.
        """
        directory = self.directory(name)
        with writing(directory):
            doomed = os.path.join(self.machines_directory, f".removed-{name}-{os.getpid()}")
            os.rename(directory, doomed)
            sync_directory(self.machines_directory)
            self.sweep_removed()

    def sweep_removed(self) -> None:
        """Remove what is left of removed machines. Raises OSError."""
        self.still_open = False
        with os.scandir(self.machines_directory) as entries:
            remains = [entry.path for entry in entries if entry.name.startswith(".removed-")]
        for path in remains:
            try:
                remove_tree(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
                    raise
                # NFS and FUSE keep a removed file, under another name, for as long as somebody has it open:
                # here it is the lock.
                self.still_open = True
