"""A new key and certificate for the user, by the machine's CA. The machine itself does not notice."""

from __future__ import annotations

import contextlib
import os

from dinv.engine import TLSFiles
from dinv.errors import CertificateError, DinvError, StoreNotWritable
from dinv.lifecycle.host import context, issuance, telling
from dinv.lifecycle.renew.serving import refusal
from dinv.pki import pem
from dinv.pki.certificates import certify, issued, new_key, request
from dinv.system import files
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def renew_client(host: Host, progress: Progress) -> None:
    """Replace the user's key and certificate, as one set with the docker context.

    The one before is let in until it expires. The caller must hold the machine's lock, and no other renewal
    may be unfinished. If the machine answers, it must let the new one in: it does not if the clock of this
    computer is ahead, for example. Raises CertificateError and HookRefused, with nothing changed, and
    StoreNotWritable.
    """
    authority, directory = host.authority(), host.directory
    if authority.client_pair() is not None:
        raise CertificateError(
            f'The client certificate of machine "{host.name}" is yours: dinv does not renew it. Put a new '
            f"one and its key where the old one came from, then: " + command("regenerate-certs", host.name)
        )
    key = new_key()
    asking = telling.Asking(authority, host, progress)
    wanted = request(key, role="client", names=(), machine=host.name, lifetime=host.config.cert_lifetime)
    try:
        chain, remarks = certify(asking, wanted, pem.read(os.path.join(directory, "ca.pem")))
    except CertificateError as error:
        error.add_note(
            "If its CA has changed, the machine has to know: " + command("regenerate-certs", host.name)
        )
        raise
    for remark in remarks:
        progress.warn(remark)
    with _storing(directory):
        files.sweep(directory)
        _check_let_in(host, key, chain)
        issuance.record(host, [issued("client", chain)])
        files.stage_set(directory, [("key.pem", key, 0o600), ("cert.pem", chain, 0o644)])
        files.move_set(directory)
        context.write(host.config, progress, had_one=True)
        files.end_set(directory)
    asking.tell()
    telling.tell(host, "renewed", progress, clients=True)


def _check_let_in(host: Host, key: bytes, chain: bytes) -> None:
    """Raise CertificateError if the machine refuses the new pair where it lets the present one in."""
    directory = host.directory
    # The name is one that `sweep` removes, if this process is killed.
    staging = os.path.join(directory, f".client.{os.urandom(6).hex()}.dinv-tmp")
    os.mkdir(staging, 0o700)
    try:
        new = os.path.join(staging, "cert.pem"), os.path.join(staging, "key.pem")
        files.write_all([(new[0], chain, 0o600), (new[1], key, 0o600)])
        old = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
        ca = os.path.join(directory, "ca.pem")
        reason = ""
        # It may be stopped, or out of reach from here now.
        with contextlib.suppress(OSError, DinvError):
            refused = refusal(host.url, TLSFiles(ca, *new, only_looks=True))
            if refused and not refusal(host.url, TLSFiles(ca, *old, only_looks=True)):
                reason = refused
        if reason:
            raise CertificateError(
                f'Machine "{host.name}" refuses the new client certificate, so the present one stays: '
                f"{reason}. Compare the clocks of this computer and the machine's."
            )
    finally:
        files.remove_tree(staging)


@contextlib.contextmanager
def _storing(directory: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreNotWritable(str(error.filename or directory), error.strerror or str(error)) from error
