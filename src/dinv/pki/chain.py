"""Whether a certificate and its issuers are what was asked for, and what Go, OpenSSL and Python accept.

The verifiers differ. Go takes any certificate in the CA file as the end of a chain; OpenSSL, and Python with
it, goes on to a self-signed one. OpenSSL's -x509_strict, which Python's own contexts have set since 3.13,
insists on what RFC 5280 says of extensions (OpenSSL: crypto/x509/x509_vfy.c, check_extensions). A chain that
passes here passes all of them, except for name constraints other than those of DNS names and addresses, for
certificate policies and for revocation, which are left to the clients.

The order of the search is OpenSSL's: trust anchors first, and from the first anchor on only anchors.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dinv.pki import name_constraints, strictness
from dinv.pki.strictness import extension

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from dinv.pki.requests import Fault, Role

USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

_CURVES = ("secp224r1", "secp256r1", "secp384r1", "secp521r1")
"""Those that Go's crypto/x509 verifies signatures with."""
_SMALLEST_RSA_KEY = 2048
_BROKEN_HASHES = (hashes.MD5, hashes.SHA1)


class Unusable(Exception):
    """The reason why a certificate cannot be used, and which kind of reason that is."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


class Checks(NamedTuple):
    """What a certificate is checked for.

    `exactly`: it may have no other extended key usage than its role's. `strict`: it and its issuers must have
    what OpenSSL's strict mode asks for, and lead to a self-signed root.
    """

    role: Role
    names: Sequence[str] = ()
    exactly: bool = True
    strict: bool = True


def check(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    wanted: Checks,
) -> list[x509.Certificate]:
    """Return the certificates between `leaf` and its trust anchor, in order. Raises Unusable.

    `names` must be canonical. `others` that lead nowhere are left out.
    """
    if leaf.serial_number <= 0:
        raise Unusable("strict", "its serial number is not above 0, and Go cannot read it")
    _check_use(leaf, wanted)
    _check_names(leaf, wanted.names)
    path = _path(leaf, list(others), list(anchors), wanted)
    outside = name_constraints.refusal(path)
    if outside:
        raise Unusable("names", outside)
    if wanted.strict:
        for certificate in path:
            wrong = strictness.refusal(certificate, root=certificate is path[-1])
            if wrong:
                raise Unusable("strict", f"{show(certificate.subject)} {wrong}")
    return [each for each in path[1:] if each not in anchors]


def check_key(certificate: x509.Certificate, key: PublicKeyTypes, reason: str) -> None:
    """Raise Unusable, with this reason, if it is for another key."""
    if certificate.public_key() != key:
        raise Unusable("key", reason)


def check_holder(certificate: x509.Certificate, holder: str) -> None:
    """Raise Unusable if a client's certificate is not for `holder`; "" is for whomever.

    dockerd gives the common name to its authorization plugins, as the user.
    """
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if holder and names != [holder]:
        named = " and ".join(f'"{name}"' for name in names) or "nobody by name"
        raise Unusable("holder", f'it is for {named}, and was asked for "{holder}"')


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the one is signed by the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def unrooted(chain: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Return the CA certificate in `chain` whose issuer is missing, following from the first; or None.

    OpenSSL, and so Python and curl, verifies up to a self-signed certificate; Go does not need one.
    """
    current, *remaining = chain
    while not signed_by(current, current):
        issuer = next((each for each in remaining if signed_by(current, each)), None)
        if issuer is None:
            return current
        remaining.remove(issuer)
        current = issuer
    return None


def show(name: x509.Name) -> str:
    """Return an X.509 name for a message, such as "CN=dev,O=dinv" with its quotes."""
    return f'"{name.rfc4514_string()}"'


# The certificate itself


def _check_use(leaf: x509.Certificate, wanted: Checks) -> None:
    usage = extension(leaf, x509.ExtendedKeyUsage)
    if usage is None and wanted.exactly:
        raise Unusable("usage", "it has no extended key usage, so it is good for servers and clients alike")
    if usage is None or USAGES[wanted.role] not in usage:
        raise Unusable("usage", f"its extended key usage does not have {wanted.role}Auth")
    more = [_usage_name(each) for each in usage if each != USAGES[wanted.role]]
    if more and wanted.exactly:
        raise Unusable("usage", f"its extended key usage has {', '.join(more)} besides {wanted.role}Auth")
    key_usage = extension(leaf, x509.KeyUsage)
    if key_usage is not None and not key_usage.digital_signature:
        raise Unusable("usage", "its key usage does not allow digital signatures, on which TLS stands")
    constraints = extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise Unusable("usage", "it is the certificate of an authority, with which others could be made")


def _usage_name(usage: x509.ObjectIdentifier) -> str:
    known = {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage"}
    known |= {oid: f"{role}Auth" for role, oid in USAGES.items()}
    return known.get(usage, usage.dotted_string)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names and IP addresses that a certificate is valid for."""
    found = extension(certificate, x509.SubjectAlternativeName)
    return tuple(str(name.value) for name in found or () if isinstance(name, x509.DNSName | x509.IPAddress))


def _check_names(certificate: x509.Certificate, names: Iterable[str]) -> None:
    granted = {name.lower() for name in names_of(certificate)}
    missing = [name for name in names if not _covered(name, granted)]
    if missing:
        raise Unusable("names", f"it is not valid for {', '.join(missing)}")


def _covered(name: str, granted: set[str]) -> bool:
    if name in granted:
        return True
    _, dot, parent = name.partition(".")
    # A wildcard stands for one label (RFC 6125, 6.4.3); an address has no labels, so it is never covered.
    return bool(dot) and not _is_address(name) and f"*.{parent}" in granted


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


# Its issuers


def _path(
    leaf: x509.Certificate,
    others: list[x509.Certificate],
    anchors: list[x509.Certificate],
    wanted: Checks,
) -> list[x509.Certificate]:
    """Follow the issuers from `leaf` up to one of `anchors`, or with `strict` on to a self-signed one."""
    path = [leaf]
    trusted = False
    while True:
        current = path[-1]
        _check_dates(current)
        if trusted and (not wanted.strict or _fits(current, current)):
            return path
        anchor = next((each for each in anchors if each not in path and _fits(current, each)), None)
        issuer = anchor
        if issuer is None and not trusted:
            issuer = next((each for each in others if each not in path and _fits(current, each)), None)
        if issuer is None:
            raise _no_issuer(current, trusted=trusted)
        _check_signature(current, issuer)
        _check_issuer(issuer, len(path) - 1, wanted.role)
        trusted = anchor is not None
        path.append(issuer)


def _no_issuer(current: x509.Certificate, *, trusted: bool) -> Unusable:
    if trusted:
        return Unusable(
            "root",
            f"the trust anchor {show(current.subject)} is not a root: OpenSSL and Python also want the "
            f"certificate of its issuer, {show(current.issuer)}, up to a self-signed one",
        )
    return Unusable(
        "chain",
        f"it does not lead to the trust anchor: the issuer of {show(current.subject)}, which is "
        f"{show(current.issuer)}, is missing or has another key",
    )


def _fits(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether it is signed by the other, and the identifiers of keys agree, if both have one."""
    mine = extension(certificate, x509.AuthorityKeyIdentifier)
    theirs = extension(issuer, x509.SubjectKeyIdentifier)
    if mine is not None:
        if mine.key_identifier and theirs is not None and mine.key_identifier != theirs.digest:
            return False
        if mine.authority_cert_serial_number not in (None, issuer.serial_number):
            return False
    return signed_by(certificate, issuer)


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if isinstance(certificate.signature_hash_algorithm, _BROKEN_HASHES):
        weak = certificate.signature_hash_algorithm.name.upper()
        raise Unusable(
            "strict", f"{show(certificate.subject)} is signed with {weak}, which TLS does not trust"
        )
    key = issuer.public_key()
    name = show(issuer.subject)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_RSA_KEY:
        raise Unusable(
            "strict", f"the RSA key of its issuer {name} has {key.key_size} bits, and TLS wants 2048"
        )
    curve = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    if not (curve or isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey)):
        raise Unusable("strict", f"the key of its issuer {name} is of a kind that Go does not know")


def _check_issuer(issuer: x509.Certificate, between: int, role: Role) -> None:
    constraints = extension(issuer, x509.BasicConstraints)
    key_usage = extension(issuer, x509.KeyUsage)
    usage = extension(issuer, x509.ExtendedKeyUsage)
    name = show(issuer.subject)
    if constraints is None or not constraints.ca or (key_usage is not None and not key_usage.key_cert_sign):
        raise Unusable("chain", f"its issuer {name} is not allowed to sign certificates")
    if constraints.path_length is not None and constraints.path_length < between:
        raise Unusable("chain", f"there are more issuers below {name} than it allows")
    # anyExtendedKeyUsage would do for Go, but not for OpenSSL.
    if usage is not None and USAGES[role] not in usage:
        raise Unusable("chain", f"its issuer {name} is not allowed to sign for {role}s")


def _check_dates(certificate: x509.Certificate) -> None:
    now = dt.datetime.now(dt.UTC)
    name = show(certificate.subject)
    if now < certificate.not_valid_before_utc:
        raise Unusable(
            "dates",
            f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC, and it is "
            f"{now:%Y-%m-%d %H:%M:%S} here; compare this host's clock with the authority's",
        )
    if now > certificate.not_valid_after_utc:
        raise Unusable("dates", f"{name} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
