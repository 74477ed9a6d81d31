"""The layout of the store: where machines are on disk, their names, and how a directory is removed.

It is docker-machine's: `<store>/machines/NAME/config.json` beside the machine's certificates. Names that
begin with a dot are not machines. dinv adds in a machine's directory: `ca-key.pem` (the key of the machine's
own CA), `access.log` (`access_log.py`), `.lock`, and while certificates are replaced `.pending` and
`.renewal`.
"""

from __future__ import annotations

import errno
import os

from dinv import errors
from dinv.errors import InputError, MachineBusy, MachineNotFound, StoreError, StoreNotWritable
from dinv.system import home
from dinv.system.files import read, remove_tree, sync_directory
from dinv.wording import either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

NAME = r"[a-zA-Z0-9][a-zA-Z0-9.-]*"
"""The pattern of libmachine: libmachine/host/host.go, without its needless backslash."""

DEFAULT_NAME = "default"
"""The machine that is meant when none is named, as in docker-machine."""

LONGEST_NAME = 68
"""`dinv-NAME-cache` may have at most 80 characters, vSphere's limit (design decision 8), with one spare; and
a host name at most 64 (Linux: HOST_NAME_MAX), which the docker driver takes care of."""


def default_path() -> str:
    """Return `$MACHINE_STORAGE_PATH`, or `~/.docker/machine`. Raises InputError if there is no home."""
    named = os.environ.get("MACHINE_STORAGE_PATH")
    instead = "MACHINE_STORAGE_PATH, or give " + either("a path to dinv.open", "--storage-path")
    return named or home.within(".docker", "machine", instead=instead)


def check_name(name: str) -> None:
    """Raise InputError unless `name` is valid for a machine."""
    import re

    if not re.fullmatch(NAME, name):
        raise errors.InvalidName(name, _nearest(name))
    if len(name) > LONGEST_NAME:
        raise InputError(
            f'The machine name "{name}" has {len(name)} characters; at most {LONGEST_NAME} are allowed.'
        )


def _nearest(name: str) -> str:
    """Return a valid name that resembles an invalid one; "" if there is none."""
    import re

    found = re.sub(r"[^a-zA-Z0-9.-]+", "-", name).strip("-.")
    return found if len(found) <= LONGEST_NAME else ""


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key: `m` before `m2` before `m10`, ignoring case."""
    from itertools import groupby

    key = []
    for digits, letters in groupby(name.lower(), str.isdecimal):
        part = "".join(letters)
        key.append((1, int(part), "") if digits else (2, 0, part))
    return [*key, (0, 0, name)]


def is_entry(name: str) -> bool:
    """Return whether `name` is a plain name in the directory of machines; docker-machine allows more."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


def _is_one(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a machine's directory; a symbolic link loop may have been meant as one."""
    try:
        return entry.is_dir()
    except OSError:
        return True


class writing:  # noqa: N801  (used as a function)
    """A context in which the store is written: an OSError there is raised as StoreNotWritable."""

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


class Layout:
    """The directory on the user's side that holds the machines' directories.

    `path` is the store's, and `root` where its `machines` are: the same, or a pool's directory `within` it.
    """

    def __init__(self, path: str | None = None, *, within: str = "") -> None:
        self.path = home.absolute(path or default_path())
        self.root = os.path.join(self.path, within) if within else self.path
        self.machines_directory = os.path.join(self.root, "machines")
        self.held: set[str] = set()
        """Names of the machines whose locks this process holds."""
        self.still_open = False
        """Whether a removed machine's files stay for as long as its lock is open."""

    def directory(self, name: str) -> str:
        """Return the directory of one machine, which need not exist."""
        return os.path.join(self.machines_directory, name)

    def names(self) -> list[str]:
        """Return the names of all machines, even if their config.json cannot be read. Raises StoreError."""
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
        """Return whether the machine's directory exists, even if half created or half removed."""
        return is_entry(name) and os.path.isdir(self.directory(name))

    def has_record(self, name: str) -> bool:
        """Return whether there is a config.json of this name; a create makes the directory before it."""
        return is_entry(name) and os.path.exists(os.path.join(self.directory(name), "config.json"))

    def content(self, name: str) -> bytes:
        """Read a config.json. Raises MachineNotFound, OSError.

        Raises MachineBusy where there is none yet because another process is just making what has this name.
        """
        if not is_entry(name):
            raise self.missing(name)
        path = os.path.join(self.directory(name), "config.json")
        try:
            return read(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
            holder = self.holder(name)
            if holder is not None:
                raise MachineBusy(name, holder) from error
        try:
            return read(path)  # whoever was making it may have let go between the two looks
        except OSError as error:
            if self.exists(name):
                raise
            raise self.missing(name) from error

    def holder(self, name: str) -> str | None:
        """Return what another process that holds a machine's lock says it is doing; None if nobody holds it.

        This is a snapshot: the answer may be outdated by the time it is read. None also if it is not known.
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

    def missing(self, name: str) -> MachineNotFound:
        """Return the error that there is no machine of this name; it suggests a similar one."""
        from dinv.suggestions import closest

        try:
            return MachineNotFound(name, closest(name, self.names()))
        except StoreError:
            return MachineNotFound(name)

    def empty(self, name: str) -> None:
        """Remove everything in a machine's directory but the lock, which the caller must hold."""
        directory = self.directory(name)
        with writing(directory), os.scandir(directory) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)
                elif entry.name != ".lock":
                    os.unlink(entry.path)

    def remove(self, name: str) -> None:
        """Remove a machine's directory. The caller must hold its lock. Raises StoreNotWritable.

        It is renamed first, so that a half removed machine is never seen, and what a crash leaves is removed
        by the next removal.
        """
        directory = self.directory(name)
        with writing(directory):
            # Not by the number of the process: in a container that may well be that of one that was killed.
            doomed = os.path.join(self.machines_directory, f".removed-{name}-{os.urandom(8).hex()}")
            os.rename(directory, doomed)
            sync_directory(self.machines_directory)
            self.sweep_removed()

    def sweep_removed(self) -> None:
        """Remove the remains of removed machines. Raises OSError."""
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
