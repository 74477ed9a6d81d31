"""Working copies: directories of machines on this server, made from records and kept in step with them.

The record in the database is what counts. Beside each copy a small file says which version it is of; a copy
of another version is made anew before it is used. A copy that was changed and whose record was not, because
the server was killed between the two, has the version of the record, and is used as it is: whoever does the
operation again finds what was done.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.problems import Unavailable
from dinv.server.work.hosts import Hosts
from dinv.server.work.records import Records
from dinv.system import files

PATIENCE = 5.0
"""Seconds to wait for whoever else uses a machine's copy: an operation, or another certificate."""


class Copies:
    """`directory` is the server's own. One machine is used by one thread at a time: see `holding`."""

    def __init__(self, database: Database, records: Records, hosts: Hosts, directory: str) -> None:
        self._database = database
        self._records = records
        self._hosts = hosts
        self._versions = os.path.join(directory, "versions")
        self._locks: dict[str, tuple[threading.Lock, list[int]]] = {}
        self._guard = threading.Lock()
        os.makedirs(self._versions, mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def holding(self, name: str, *, seconds: float = PATIENCE) -> Iterator[None]:
        """Use a machine's copy. Raises Unavailable if somebody else does, for so long."""
        with self._guard:
            lock, users = self._locks.setdefault(name, (threading.Lock(), [0]))
            users[0] += 1
        try:
            if not lock.acquire(timeout=seconds):
                raise Unavailable("Something else is being done with this machine. Try again.", retry_after=5)
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                users[0] -= 1
                if not users[0]:
                    del self._locks[name]

    def bring(self, machine_id: str, name: str) -> None:
        """Bring the copy up to the record's version, if there is a record. The caller holds it."""
        with self._database.read() as connection:
            wanted = self._records.version(connection, machine_id)
        if not wanted or (wanted == self.version(name) and self._hosts.facts(name) is not None):
            return
        found = self._records.read(machine_id)
        if found is not None:
            self._hosts.unpack(name, found[1])
            self.set_version(name, found[0])

    def keep(self, machine_id: str, name: str) -> bool:
        """Write the copy into the record; return False if that was changed elsewhere: the copy is not of use.

        The caller holds it.
        """
        pending = self.packed(machine_id, name)
        kept = self._database.write(pending.write)
        if kept:
            pending.written()
        else:
            self.distrust(name)
        return kept

    def packed(self, machine_id: str, name: str, *, anew: bool = False) -> Pending:
        """Return the copy as it is now, to be written in a transaction that does more than that.

        With `anew` it becomes the record of a machine that has none yet.
        """
        content = self._records.sealed(machine_id, self._hosts.pack(name))
        return Pending(self, machine_id, name, content, 0 if anew else self.version(name))

    def forget(self, name: str) -> None:
        """Remove the copy; nothing on an endpoint, and not the record."""
        self._hosts.forget(name)
        self._forget_version(name)

    def _forget_version(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._versions, name))

    distrust = _forget_version
    """Have the copy made anew from the record before its next use."""

    def version(self, name: str) -> int:
        """Return the version that the copy is of, 0 if it has none."""
        try:
            return int(files.read(os.path.join(self._versions, name), largest=64))
        except (OSError, ValueError):
            return 0

    def set_version(self, name: str, version: int) -> None:
        files.write(os.path.join(self._versions, name), str(version).encode(), mode=0o600)


class Pending:
    """A copy that is about to be written: `write` in a transaction, `written` after it."""

    def __init__(self, copies: Copies, machine_id: str, name: str, content: bytes, seen: int) -> None:
        self._copies = copies
        self._machine_id = machine_id
        self._name = name
        self._content = content
        self._seen = seen

    def write(self, connection: sa.Connection) -> bool:
        """Return False, with nothing done, if the record was changed meanwhile."""
        return Records.write(connection, self._machine_id, self._content, seen=self._seen)

    def written(self) -> None:
        """The transaction has ended, and was not undone."""
        self._copies.set_version(self._name, self._seen + 1)
