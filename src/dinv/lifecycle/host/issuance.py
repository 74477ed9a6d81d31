"""What is recorded of a machine's certificates as they are issued, thrown away and replaced.

See `dinv.store.access_log`. Recording needs the machine's lock, and raises StoreNotWritable and StoreError.
"""

from __future__ import annotations

import contextlib
import os

from dinv.errors import CertificateError, StoreError
from dinv.pki import pem
from dinv.pki.certificates import issued
from dinv.store import access_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.lifecycle.host import Host
    from dinv.pki.certificates import Issued
    from dinv.pki.requests import Role

_FILES: tuple[tuple[Role, str], ...] = (("server", "server.pem"), ("client", "cert.pem"))


def record(host: Host, signed: Iterable[Issued], *, holder: str = "") -> None:
    """Record what was signed for a machine; `holder` is whose it is, "" for the owner's."""
    access_log.append(
        host.directory,
        [
            access_log.Record(
                event=access_log.ISSUED,
                role=one.role,
                holder=holder,
                serial=one.serial,
                not_after=one.not_after,
                names=one.names,
            )
            for one in signed
        ],
    )


def in_use(directory: str) -> list[Issued]:
    """Return the server's and the owner's certificate in a directory, as far as they are there."""
    found = []
    for role, name in _FILES:
        with contextlib.suppress(CertificateError):  # half written by a process that was killed
            chain = pem.read_if_there(os.path.join(directory, name))
            found += [issued(role, chain)] if chain else []
    return found


def end_unused(host: Host, directory: str) -> None:
    """Record that certificates in `directory`, about to be removed, have ended, if they were not put in use.

    That this cannot be recorded, on a full disk, keeps nobody from removing them.
    """
    used = {one.serial for one in in_use(host.directory)}
    with contextlib.suppress(StoreError):
        end(host, {one.serial for one in in_use(directory)} - used)


def end_earlier(host: Host) -> list[str]:
    """Record that all certificates but those in use have ended: their CA is not trusted any more.

    Returns who has lost access by that, each once.
    """
    records, _ = access_log.read(host.directory)
    used = {one.serial for one in in_use(host.directory)}
    refused, now = set(access_log.revoked(records)), access_log.now()
    ended = end(host, {record.serial for record in records} - used)
    lost = [record for record in ended if record.serial not in refused and record.not_after > now]
    return list(dict.fromkeys(record.holder for record in lost if record.holder))


def end(host: Host, serials: set[str]) -> list[access_log.Record]:
    """Record that the certificates with these serial numbers have ended, as far as they are on record.

    Returns what was recorded.
    """
    if not serials:
        return []
    records, _ = access_log.read(host.directory)
    over = {record.serial for record in records if record.event == access_log.ENDED}
    ended = [
        record.again(access_log.ENDED)
        for record in records
        if record.event == access_log.ISSUED and record.serial in serials - over
    ]
    access_log.append(host.directory, ended)
    return ended
