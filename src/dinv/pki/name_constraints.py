"""Name constraints of CAs (RFC 5280, section 4.2.1.10), on DNS names and IP addresses.

Those on other kinds of names are left to the clients.
"""

from __future__ import annotations

import ipaddress

from cryptography import x509

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def refusal(path: Sequence[x509.Certificate]) -> str:
    """Return why the first certificate's names are outside what an issuer may sign for; "" if they are not.

    `path` are the certificate and its issuers. Wildcards count by what is below them.
    """
    try:
        names = path[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    for issuer in path[1:]:
        try:
            constraints = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        for name in names:
            kind = type(name)
            permitted = [each for each in constraints.permitted_subtrees or () if isinstance(each, kind)]
            excluded = [each for each in constraints.excluded_subtrees or () if isinstance(each, kind)]
            if (permitted and not _any(name, permitted)) or _any(name, excluded):
                return f'its issuer "{issuer.subject.rfc4514_string()}" may not sign for {name.value}'
    return ""


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
