"""Keys, signing requests and certificates of a machine: created and checked.

A machine's directory holds them under docker-machine's names: `ca.pem` is what machine and users trust,
`cert.pem` and `key.pem` are the user's, `server.pem` and `server-key.pem` the machine's. Keys are made here
and never handed to an authority. This module imports cryptography, which takes 40 ms: import it only where
it is needed.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dinv.errors import CertificateError, StoreNotWritable
from dinv.pki.requests import CertificateRequest
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from dinv.pki.requests import Role, Signer

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
"""The curves that Go's TLS, and so a Docker daemon, can use."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_DNS_NAME = 253
_LONGEST_COMMON_NAME = 64  # RFC 5280, appendix A.1: ub-common-name


class _Unusable(Exception):
    """The reason why a certificate cannot be used."""


def new_key() -> bytes:
    """Create a private key, ECDSA on P-256; return it as unencrypted PEM in PKCS #8."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def server_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a machine's server certificate must be valid for: `names`, then this host's own.

    Names are written as `canonical_name` does, each once, in the order given; localhost, 127.0.0.1 and
    ::1 are added. Raises CertificateError for a name that no certificate can carry.
    """
    return tuple(dict.fromkeys(canonical_name(name) for name in (*names, *_LOCAL_NAMES)))


def canonical_name(name: str) -> str:
    """Return a DNS name in lower case, or an IP address in its short form.

    A DNS name may begin with the label `*`. Underscores are allowed, as in Go's crypto/x509. Raises
    CertificateError for anything else: other alphabets (their ASCII form, xn--..., is fine), a port, a
    zone, an empty label, a number that is not an IP address.
    """
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        if "%" in name:
            raise CertificateError(
                f'"{name}" cannot be in a certificate, where an address has no zone. Leave out the zone.'
            )
        return str(address)
    lower = name.lower() if name.isascii() else ""
    labels = lower.split(".")
    if labels[0] == "*" and len(labels) > 1:
        labels = labels[1:]
    if (
        len(lower) > _LONGEST_DNS_NAME
        or not all(_LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()  # a mistyped IP address: top-level domains are not numbers (RFC 3696, 2)
    ):
        raise CertificateError(
            f"{name!r} cannot be in a certificate: it is neither an IP address nor a DNS name. "
            f"Give a name such as host.example.com, in ASCII (other alphabets as xn--...) and without a port."
        )
    return lower


def general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Return `names` for a subjectAltName: addresses as iPAddress, the others as dNSName.

    Raises CertificateError as `canonical_name` does.
    """
    return [_general_name(canonical_name(name)) for name in names]


def subject(role: Role, machine: str, holder: str = "") -> x509.Name:
    """Return the subject of a machine's server or client certificate; `holder` as in CertificateRequest.

    Both have a common name: dockerd gives the client's to its authorization plugins as the user (moby:
    pkg/authorization), and without one RFC 5280 wants the subject alternative name to be critical.
    """
    return distinguished_name(machine if role == "server" else holder or f"{machine} client")


def distinguished_name(common_name: str) -> x509.Name:
    """Return an X.509 name for something that dinv makes, cut to the length of a common name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dinv"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_LONGEST_COMMON_NAME]),
        ]
    )


def request(
    key_pem: bytes,
    *,
    role: Role,
    names: Iterable[str],
    machine: str,
    holder: str = "",
    lifetime: int | None = None,
) -> CertificateRequest:
    """Create the request for an authority, with a CSR signed by `key_pem`; see CertificateRequest.

    Raises CertificateError for a name that no certificate can carry, or a server without names.
    """
    canonical = tuple(dict.fromkeys(canonical_name(name) for name in names))
    if role == "server" and not canonical:
        raise CertificateError(
            f'A server certificate for machine "{machine}" needs a name or an address at which it is reached.'
        )
    key = load_key(key_pem, "the private key")
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(role, machine, holder))
    if canonical:
        builder = builder.add_extension(x509.SubjectAlternativeName(general_names(canonical)), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[role]]), critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    csr = builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)
    return CertificateRequest(
        csr=csr, role=role, names=canonical, machine=machine, holder=holder, lifetime=lifetime
    )


class Pair(NamedTuple):
    """A key with its certificate, PEM, and the paths they were read from."""

    key: bytes
    chain: bytes
    key_path: str
    chain_path: str


class Issued(NamedTuple):
    """A certificate that an authority has signed: what is recorded of it.

    `serial` is in lower-case hex without leading zeros, `not_after` in RFC 3339, UTC.
    """

    role: Role
    serial: str
    not_after: str
    names: tuple[str, ...]


def issued(role: Role, chain: bytes) -> Issued:
    """Return what is recorded of a certificate, the first in `chain`. Raises CertificateError."""
    leaf = load_chain(chain, "the authority's answer")[0]
    return Issued(
        role, f"{leaf.serial_number:x}", f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", _names(leaf)
    )


def issue(
    authority: Signer,
    *,
    machine: str,
    directory: str,
    names: Iterable[str],
    client: Pair | None = None,
    record: Callable[[list[Issued]], object] = lambda _signed: None,
    lifetime: int | None = None,
) -> None:
    """Have `authority` sign new certificates for a machine, and write them and their keys to `directory`.

    `names`: where the machine is reached, in addition to this host's own names (see `server_names`).
    `client`: the user's pair, if none is to be created.
    `record`: called with what was signed, before there is a file of it.
    `lifetime`: for how many seconds the certificates are to be valid; None leaves that to the authority.

    The directory must exist, and the caller must hold the machine's lock. Existing files are replaced as a
    set (see `dinv.system.files`) once everything is created, checked and on the disk. Keys have the mode
    0600, certificates 0644. Raises CertificateError, and StoreNotWritable.
    """
    pairs: dict[Role, tuple[bytes, bytes]] = {}
    wanted: dict[Role, tuple[str, ...]] = {"server": server_names(names)}
    if client is None:
        wanted["client"] = ()
    try:
        files.sweep(directory)
        anchor = authority.trust_anchor()
        if client is not None:
            check_pair(client, anchor_pem=anchor, role="client")
            pairs["client"] = client.key, client.chain
        for role, role_names in wanted.items():
            key = new_key()
            asked = request(key, role=role, names=role_names, machine=machine, lifetime=lifetime)
            chain = authority.certificate(asked)
            check_chain(chain, key_pem=key, anchor_pem=anchor, role=role, names=role_names)
            pairs[role] = key, chain
        record([issued(role, pairs[role][1]) for role in wanted])
        files.replace_set(
            directory,
            [
                ("ca.pem", anchor, 0o644),
                ("key.pem", pairs["client"][0], 0o600),
                ("cert.pem", pairs["client"][1], 0o644),
                ("server-key.pem", pairs["server"][0], 0o600),
                ("server.pem", pairs["server"][1], 0o644),
            ],
        )
    except OSError as error:
        raise StoreNotWritable(str(error.filename or directory), error.strerror or str(error)) from error


def check_chain(
    chain_pem: bytes, *, key_pem: bytes, anchor_pem: bytes, role: Role, names: Iterable[str]
) -> None:
    """Raise CertificateError, with a plain reason, unless an authority's answer is what was asked for.

    The first certificate must have the public half of the key, be valid for `role` and all of `names`, and
    lead over the others to one of the trust anchors, all of them valid now. This tells the user early and in
    plain words what Go would refuse at the first connection (crypto/x509: verify.go), and does not replace
    that check. Name constraints and revocation are left to the clients.
    """
    leaf, *others = load_chain(chain_pem, "the authority's answer")
    anchors = load_chain(anchor_pem, "the authority's trust anchor")
    try:
        key = load_key(key_pem, "the private key")
        _check_key(leaf, key, "it is for another key than the one it was requested for")
        _check_use(leaf, role)
        _check_names(leaf, names)
        _check_path(leaf, others, anchors, role)
    except _Unusable as reason:
        raise CertificateError(
            f"The {role} certificate that the authority signed cannot be used: {reason}. It was not stored."
        ) from reason


def check_pair(pair: Pair, *, anchor_pem: bytes, role: Role) -> None:
    """Raise CertificateError unless a pair that was not made here is valid for `role`; see `check_chain`.

    Names are not checked.
    """
    leaf, *others = load_chain(pair.chain, pair.chain_path)
    key = load_key(pair.key, pair.key_path)
    try:
        _check_key(leaf, key, f"{pair.key_path} is not its key")
        _check_use(leaf, role)
        _check_path(leaf, others, load_chain(anchor_pem, "the authority's trust anchor"), role)
    except _Unusable as reason:
        raise CertificateError(f"{pair.chain_path} cannot be a {role}'s certificate: {reason}.") from reason


def unrooted(chain: list[x509.Certificate]) -> x509.Certificate | None:
    """Return the CA certificate in `chain` whose issuer is missing, following from the first; or None.

    OpenSSL, and so Python and curl, verifies up to a self-signed certificate; Go does not need one.
    """
    current, *remaining = chain
    while not _issued(current, current):
        issuer = next((each for each in remaining if _issued(current, each)), None)
        if issuer is None:
            return current
        remaining.remove(issuer)
        current = issuer
    return None


def load_key(pem: bytes, what: str) -> PrivateKey:
    """Read a private key that can sign; `what` names it in the CertificateError if there is none."""
    try:
        key: PrivateKeyTypes = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise CertificateError(
            f"The private key in {what} is encrypted, and dinv asks for no passphrase. Give it a copy that "
            f"is not (openssl pkey -in ENCRYPTED -out PLAIN), which only you can read."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # The parser's message is left out: nothing of a key is shown, not even by accident.
        raise CertificateError(f"No private key can be read from {what}: it is not one in PEM.") from error
    if not isinstance(key, PrivateKey):
        raise CertificateError(f"The key in {what} is neither ECDSA nor RSA nor Ed25519.")
    return key


def load_chain(pem: bytes, what: str) -> list[x509.Certificate]:
    """Read at least one certificate; `what` names the source in errors. Raises CertificateError if none."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for certificate in certificates:
            # Both are parsed on first access: errors in them come out here.
            certificate.extensions  # noqa: B018
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CertificateError(f"No certificate can be read from {what}: {error}") from error
    return certificates


def _general_name(canonical: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(canonical))
    except ValueError:
        return x509.DNSName(canonical)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    found = _extension(certificate, x509.SubjectAlternativeName)
    return tuple(str(name.value) for name in found or () if isinstance(name, x509.DNSName | x509.IPAddress))


def _covered(name: str, granted: set[str]) -> bool:
    if name in granted:
        return True
    _, dot, parent = name.partition(".")
    # A wildcard stands for one label (RFC 6125, 6.4.3); an address has no labels, so it is never covered.
    return bool(dot) and isinstance(_general_name(name), x509.DNSName) and f"*.{parent}" in granted


def _check_key(certificate: x509.Certificate, key: PrivateKey, reason: str) -> None:
    if certificate.public_key() != key.public_key():
        raise _Unusable(reason)


def _check_names(certificate: x509.Certificate, names: Iterable[str]) -> None:
    granted = {name.lower() for name in _names(certificate)}
    missing = [name for name in map(canonical_name, names) if not _covered(name, granted)]
    if missing:
        raise _Unusable(f"it is not valid for {', '.join(missing)}")


def _check_use(certificate: x509.Certificate, role: Role) -> None:
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None or USAGES[role] not in usage:
        raise _Unusable(f"its extended key usage does not have {role}Auth")
    key_usage = _extension(certificate, x509.KeyUsage)
    if key_usage is not None and not key_usage.digital_signature:
        raise _Unusable("its key usage does not allow digital signatures, on which TLS stands")
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _Unusable("it is the certificate of an authority, with which others could be made")


def _check_path(
    leaf: x509.Certificate, others: list[x509.Certificate], anchors: list[x509.Certificate], role: Role
) -> None:
    """Follow the issuers from `leaf` up to one of `anchors`."""
    current, remaining, between = leaf, list(others), 0
    while True:
        _check_dates(current)
        anchor = next((each for each in anchors if _issued(current, each)), None)
        issuer = anchor or next((each for each in remaining if _issued(current, each)), None)
        if issuer is None:
            raise _Unusable(
                f"it does not lead to the trust anchor: the issuer of {_show(current.subject)}, which is "
                f"{_show(current.issuer)}, is missing or has another key",
            )
        _check_issuer(issuer, between, role)
        if anchor is not None:
            _check_dates(anchor)
            return
        remaining.remove(issuer)
        current, between = issuer, between + 1


def _check_issuer(issuer: x509.Certificate, between: int, role: Role) -> None:
    constraints = _extension(issuer, x509.BasicConstraints)
    key_usage = _extension(issuer, x509.KeyUsage)
    usage = _extension(issuer, x509.ExtendedKeyUsage)
    name = _show(issuer.subject)
    if constraints is None or not constraints.ca or (key_usage is not None and not key_usage.key_cert_sign):
        raise _Unusable(f"its issuer {name} is not allowed to sign certificates")
    if constraints.path_length is not None and constraints.path_length < between:
        raise _Unusable(f"there are more issuers below {name} than it allows")
    if (
        usage is not None
        and USAGES[role] not in usage
        and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage
    ):
        raise _Unusable(f"its issuer {name} is not allowed to sign for {role}s")


def _check_dates(certificate: x509.Certificate) -> None:
    now = dt.datetime.now(dt.UTC)
    name = _show(certificate.subject)
    if now < certificate.not_valid_before_utc:
        raise _Unusable(
            f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC, and it is "
            f"{now:%Y-%m-%d %H:%M:%S} here; compare this host's clock with the authority's",
        )
    if now > certificate.not_valid_after_utc:
        raise _Unusable(f"{name} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _show(name: x509.Name) -> str:
    return f'"{name.rfc4514_string()}"'
