"""The record of the certificates that were issued and revoked for a machine: `access.log` in its directory.

One line of JSON per event, only ever appended, readable by its owner alone:

    time       RFC 3339 in UTC, to the second
    event      "issued"; "revoked": the machine is to refuse it; "ended": it is of no use any more, since its
               CA was replaced or its key was thrown away
    role       "server" or "client"
    holder     whose client certificate it is; "" for the machine's owner, and for the server's
    serial     the certificate's serial number, lower-case hex without leading zeros
    not_after  when it expires, RFC 3339 in UTC
    by         USER@HOST of whoever ran dinv: a note, not proof
    names      DNS names and addresses in it

A certificate is recorded before anybody can have it, and a revocation before the machine is told. Writers
hold the machine's lock. A line that a kill or a power cut left unfinished is closed by the next writer, and
passed over by readers, who say so; so is any other that cannot be read.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time

from dinv.errors import StoreError
from dinv.store.layout import writing
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FILE = "access.log"
ISSUED, REVOKED, ENDED = "issued", "revoked", "ended"
LARGEST = 64 * 1024 * 1024
"""Bytes. A record has some 300, so that is more than two hundred thousand of them."""
LONGEST_LINE = 64 * 1024
"""Bytes. The longest are of server certificates with hundreds of names."""

_FORGOTTEN_SECONDS = 7 * 86400
_EVENTS = (ISSUED, REVOKED, ENDED)
_ROLES = ("server", "client")
_LONGEST_CALLER = 200
_HEX = frozenset("0123456789abcdef")
_MOST_DIGITS = 40
"""A serial number has at most 20 octets (RFC 5280, 4.1.2.2)."""


class Record:
    """One line of the record; the module says what its fields are."""

    __slots__ = ("by", "event", "holder", "names", "not_after", "role", "serial", "time")

    def __init__(
        self,
        *,
        event: str,
        role: str,
        serial: str,
        not_after: str,
        holder: str = "",
        names: Iterable[str] = (),
        by: str = "",
        time: str = "",
    ) -> None:
        self.time = time or now()
        self.event = event
        self.role = role
        self.holder = holder
        self.serial = serial
        self.not_after = not_after
        self.by = by or caller()
        self.names = tuple(names)

    def __repr__(self) -> str:
        return f"<Record {self.event} {self.role} {self.holder!r} {self.serial}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]

    def document(self) -> dict[str, object]:
        """Return it as it is written."""
        return {
            "time": self.time,
            "event": self.event,
            "role": self.role,
            "holder": self.holder,
            "serial": self.serial,
            "not_after": self.not_after,
            "by": self.by,
            "names": list(self.names),
        }

    def again(self, event: str) -> Record:
        """Return the record that something has happened to the same certificate, now and by this caller."""
        return Record(
            event=event,
            role=self.role,
            holder=self.holder,
            serial=self.serial,
            not_after=self.not_after,
            names=self.names,
        )


def now() -> str:
    """Return the time as the record has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def caller() -> str:
    """Return USER@HOST of this process, as far as the environment and the system say."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry; since Python 3.13 it is an OSError
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"[:_LONGEST_CALLER]


def append(directory: str, records: Iterable[Record]) -> None:
    """Add records to the log of the machine with this directory, which exists; they are on the disk then.

    The caller must hold the machine's lock. Raises StoreNotWritable, with nothing added.
    """
    path = os.path.join(directory, FILE)
    data = b"".join(
        json.dumps(record.document(), separators=(",", ":")).encode() + b"\n" for record in records
    )
    if not data:
        return
    with writing(path):
        is_new = not os.path.lexists(path)
        # O_NOFOLLOW: not through a link that was imported or put there.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a file", path)
            _add(descriptor, path, data)
        finally:
            os.close(descriptor)
        if is_new:
            files.sync_directory(directory)


def _add(descriptor: int, path: str, data: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        data = b"\n" + data
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError as error:
        # Of a disk that is full, what fitted is taken back: all of the records are there, or none.
        if error.errno not in files.NOT_OFFERED:
            os.ftruncate(descriptor, size)
            error.filename = error.filename or path
            raise


def read(directory: str) -> tuple[list[Record], list[str]]:
    """Return a machine's records, oldest first, and remarks about lines that cannot be read.

    Both are empty if there is no log: the machine is from an earlier dinv. Raises StoreError.
    """
    path = os.path.join(directory, FILE)
    try:
        content = files.read(path, largest=LARGEST)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise StoreError(f"The record of access cannot be read: {path}: {error.strerror}") from error
    return parse(content, path)


def parse(content: bytes, path: str = FILE) -> tuple[list[Record], list[str]]:
    """Return what `read` does, from the content of a log; `path` is for the remarks."""
    found: list[Record] = []
    remarks: list[str] = []
    lines = content.split(b"\n")
    unfinished = bool(lines.pop())
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is not None:
            found.append(record)
        elif line:
            remarks.append(f"{path}: line {number} cannot be read; it is passed over")
    if unfinished:
        remarks.append(f"{path}: the last line was not finished; it is passed over")
    return found, remarks


def _record(line: bytes) -> Record | None:
    if len(line) > LONGEST_LINE:
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    names = document.get("names")
    texts: dict[str, Any] = {key: document.get(key) for key in Record.__slots__ if key != "names"}
    if not isinstance(names, list) or not all(isinstance(text, str) for text in (*texts.values(), *names)):
        return None
    record = Record(names=names, **texts)
    right = record.event in _EVENTS and record.role in _ROLES and is_serial(record.serial)
    return record if right and record.document() == {**texts, "names": names} else None


def is_serial(text: str) -> bool:
    """Return whether it is a serial number as it stands in the record."""
    return bool(text) and len(text) <= _MOST_DIGITS and _HEX.issuperset(text) and text[0] != "0"


def revoked(records: Iterable[Record]) -> list[str]:
    """Return the serial numbers that the machine is to refuse, in the order of their revocation.

    What has ended since, because its CA is not trusted any more, is refused without that; so is what has
    expired for a week, whatever the machine's clock says.
    """
    long_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - _FORGOTTEN_SECONDS))
    found: dict[str, None] = {}
    for record in records:
        if record.event == REVOKED and not "" < record.not_after < long_ago:
            found[record.serial] = None
        elif record.event == ENDED:
            found.pop(record.serial, None)
    return list(found)
