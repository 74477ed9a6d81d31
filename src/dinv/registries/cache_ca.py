"""The certificates of a registry cache: a CA of its own, which signs its server's and its clients'.

Clients are the machines that use it, each with a key of its own. A certificate is made anew well before its
end.
"""

from __future__ import annotations

import datetime as dt
import os

from cryptography import x509

from dinv.authorities.local import LocalAuthority
from dinv.errors import CertificateError
from dinv.pki import certificates, pem
from dinv.pki.certificates import canonical_name, load_chain
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LEFT = 1 / 3
"""The part of its life that a certificate has left when it is made anew."""
CLIENT_LEFT = 1 / 2
"""The same for a machine's. It is looked at only when the machine's own certificates are renewed, which live
as long, and has to last until the next time."""


class CacheAuthority(LocalAuthority):
    """The CA of one cache, in the cache's directory; it is made when it is first needed."""

    def __init__(self, name: str, directory: str) -> None:
        super().__init__(machine=name, directory=directory, options={})

    def _broken(self, what: str) -> CertificateError:
        return CertificateError(
            f'The CA of registry cache "{self.machine}" cannot be used: {what}. Restore both files from a '
            "backup, or make the cache anew, which has nothing stored then: " + anew(self.machine)
        )


def anew(name: str) -> str:
    """Return how a cache gets a new CA. One whose data are kept keeps its CA as well."""
    return (
        command("cache", "rm", "--force", name)
        + ", then "
        + command("cache", "create", name)
        + ", then for the machines that use it "
        + command("provision", "NAME")
    )


def server(name: str, directory: str, names: Iterable[str], *, anew: bool = False) -> bool:
    """See that the cache has a server certificate for `names`, good for long enough; with `anew` a new one.

    Returns whether a new one was issued. The caller must hold the cache's lock. Raises CertificateError,
    StoreNotWritable.
    """
    wanted = [each for each in names if each]
    if not anew and _good(os.path.join(directory, "server.pem"), wanted):
        return False
    certificates.issue(CacheAuthority(name, directory), machine=name, directory=directory, names=wanted)
    return True


def client(name: str, directory: str, machine: str) -> tuple[bytes, bytes, bytes]:
    """Return the CA, a new certificate for `machine` as a client of the cache, and its key, all PEM.

    Raises CertificateError, StoreNotWritable.
    """
    authority = CacheAuthority(name, directory)
    key = certificates.new_key()
    request = certificates.request(key, role="client", names=(), machine=name, holder=machine)
    return authority.trust_anchor(), authority.certificate(request), key


def lasts(certificate: bytes, left: float = CLIENT_LEFT) -> bool:
    """Return whether a certificate has more than this part of its life left. Raises CertificateError."""
    leaf = load_chain(certificate, "the certificate for the registry cache")[0]
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return end - dt.datetime.now(dt.UTC) > (end - begin) * left


def _good(path: str, names: Iterable[str]) -> bool:
    content = pem.read_if_there(path)
    if content is None:
        return False
    try:
        if not lasts(content, LEFT):
            return False
        found = load_chain(content, path)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (CertificateError, x509.ExtensionNotFound):
        return False
    there = {str(name.value) for name in found.value}
    return all(canonical_name(name) in there for name in names)
