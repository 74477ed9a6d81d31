"""Name constraints of CAs (RFC 5280, section 4.2.1.10), on DNS names and IP addresses.

Those on other kinds of names are left to the clients.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re

from cryptography import x509
from cryptography.x509.oid import NameOID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DNS_NAME = re.compile(r"\w[\w-]*(?<!-)(?:\.\w[\w-]*(?<!-))+", re.ASCII)


def refusal(path: Sequence[x509.Certificate]) -> str:
    """Return why a certificate's names are outside what an issuer above it may sign for; "" if none are.

    `path` are a certificate and its issuers, which are held to it as well: Go and OpenSSL look at each
    certificate below the one with the constraints. Wildcards count by what is below them.
    """
    for place, certificate in enumerate(path):
        names = _names(certificate, leaf=place == 0)
        for issuer in path[place + 1 :]:
            outside = _outside(names, issuer)
            if outside is not None:
                whose = "its issuer" if place == 0 else f'the issuer of "{_shown(certificate)}",'
                return f'{whose} "{_shown(issuer)}" may not sign for {outside.value}'
    return ""


def _names(certificate: x509.Certificate, *, leaf: bool) -> list[x509.GeneralName]:
    """Those that are constrained.

    The common name of a leaf that has no DNS name counts as one for OpenSSL, if it looks like one and has a
    dot (crypto/x509/v3_ncons.c, cn2dnsid).
    """
    names: list[x509.GeneralName] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    if leaf and not any(isinstance(name, x509.DNSName) for name in names):
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names += [x509.DNSName(str(each.value)) for each in common if _DNS_NAME.fullmatch(str(each.value))]
    return names


def _outside(names: Iterable[x509.GeneralName], issuer: x509.Certificate) -> x509.GeneralName | None:
    """Return the first name that the issuer may not sign for."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    for name in names:
        kind = type(name)
        permitted = [each for each in constraints.permitted_subtrees or () if isinstance(each, kind)]
        excluded = [each for each in constraints.excluded_subtrees or () if isinstance(each, kind)]
        if (permitted and not _any(name, permitted)) or _any(name, excluded):
            return name
    return None


def _shown(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _any(name: x509.GeneralName, subtrees: Iterable[x509.GeneralName]) -> bool:
    return any(_inside(name, each) for each in subtrees)


def _inside(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName):
        lower, base = name.value.lower(), str(subtree.value).lower()
        if base.startswith("."):
            return lower.endswith(base)
        return not base or lower == base or lower.endswith(f".{base}")
    return isinstance(subtree, x509.IPAddress) and name.value in _network(subtree)


def _network(subtree: x509.IPAddress) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(str(subtree.value))  # it is one already; this is for the type checker
