"""What a pool has of its machines: a certificate to make them with, which they refuse from then on.

A machine is sealed as the last thing before it is ready in its pool. Whoever claims it gets a certificate of
their own, and nobody has had one before: not the pool, and not a claim that came to nothing.
"""

from __future__ import annotations

import contextlib
import os

from dinv.errors import CannotRevoke, CertificateError
from dinv.lifecycle.host import issuance
from dinv.pki import pem
from dinv.store import access_log
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.lifecycle.host import Host

_CLIENT = ("key.pem", "cert.pem")


def seal(host: Host) -> None:
    """Have the machine refuse the certificate that it was made with, and throw that away with its key.

    An image that cannot refuse a certificate lets it in still, and nobody has its key. A pair of the user's
    own, for all machines, is left alone. The caller must hold the machine's lock.
    """
    if host.authority().client_pair() is not None:
        return
    from dinv.pki.certificates import issued

    with contextlib.suppress(CertificateError, FileNotFoundError):
        chain = pem.read(os.path.join(host.directory, "cert.pem"))
        serial = issued("client", chain).serial
        try:
            refuse(host, [serial])
        except CannotRevoke:
            issuance.end(host, {serial})
    throw_away(host)


def can_refuse(host: Host) -> bool:
    """Whether the machine can be told to refuse a certificate."""
    return host.provisioner.rotates_in_place()


def throw_away(host: Host) -> None:
    """Remove the client's key and certificate from the machine's directory."""
    for name in _CLIENT:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(host.directory, name))
    files.sync_directory(host.directory)


def left_by_claims(host: Host) -> list[str]:
    """Return the serial numbers of client certificates that nobody is to have, though they are let in.

    They are of claims that were killed, or came to nothing, before they took the machine.
    """
    records, _ = access_log.read(host.directory)
    over = {record.serial for record in records if record.event != access_log.ISSUED}
    return [
        record.serial
        for record in records
        if record.event == access_log.ISSUED and record.role == "client" and record.serial not in over
    ]


def refuse(host: Host, serials: Iterable[str]) -> None:
    """Have the running machine refuse certificates of the owner's from now on. Raises CannotRevoke.

    It is recorded first; what is killed after that is finished by the next start or `provision`.
    """
    if not can_refuse(host):
        raise CannotRevoke(host.name, None)
    serials = set(serials)
    records, _ = access_log.read(host.directory)
    known = set(access_log.revoked(records))
    host.config.revoking = True
    host.store.save(host.config)
    access_log.append(
        host.directory,
        [
            record.again(access_log.REVOKED)
            for record in records
            if record.event == access_log.ISSUED and record.serial in serials - known
        ],
    )
    host.provisioner.provision()
    host.provisioner.activate_certificates()
    host.config.revoking = False
    host.store.save(host.config)
