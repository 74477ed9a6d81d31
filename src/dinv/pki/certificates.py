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
import time
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from dinv.errors import CertificateError, ChainRefused, StoreNotWritable
from dinv.pki.chain import USAGES, Checks, Unusable, check, check_holder, check_key, names_of
from dinv.pki.remarks import another_lifetime
from dinv.pki.requests import CertificateRequest
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from dinv.pki.requests import Role, Signer

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
"""The curves that Go's TLS, and so a Docker daemon, can use."""

_ANCHOR = "the authority's trust anchor"
_ANOTHER_KEY = "it is for another key than the one it was requested for"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_MOST_AHEAD_SECONDS = 10.0
"""How far an authority's clock may be ahead: for so long its certificates are waited for."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_DNS_NAME = 253
_LONGEST_COMMON_NAME = 64  # RFC 5280, appendix A.1: ub-common-name


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


def issued(role: Role, chain: bytes, what: str = "the authority's answer") -> Issued:
    """Return what is recorded of a certificate, the first in `chain`; `what` names it in errors.

    Raises CertificateError.
    """
    leaf = load_chain(chain, what)[0]
    return Issued(
        role, f"{leaf.serial_number:x}", f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", names_of(leaf)
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
) -> list[str]:
    """Have `authority` sign new certificates for a machine, and write them and their keys to `directory`.

    `names`: where the machine is reached, in addition to this host's own names (see `server_names`).
    `client`: the user's pair, if none is to be created.
    `record`: called with what was signed, before there is a file of it.
    `lifetime`: for how many seconds the certificates are to be valid; None leaves that to the authority.

    Returns sentences for the user: how what was signed differs from what was asked.

    The directory must exist, and the caller must hold the machine's lock. Existing files are replaced as a
    set (see `dinv.system.files`) once everything is created, checked and on the disk. Keys have the mode
    0600, certificates 0644. Raises CertificateError, and StoreNotWritable.
    """
    pairs: dict[Role, tuple[bytes, bytes]] = {}
    remarks: list[str] = []
    wanted: dict[Role, tuple[str, ...]] = {"server": server_names(names)}
    if client is None:
        wanted["client"] = ()
    try:
        files.sweep(directory)
        for role, role_names in wanted.items():
            key = new_key()
            asked = request(key, role=role, names=role_names, machine=machine, lifetime=lifetime)
            certified = certify(authority, asked)
            pairs[role] = key, certified.chain
            remarks += certified.remarks
        # After signing: some authorities tell their root only with a chain.
        anchor = only_certificates(authority.trust_anchor(), _ANCHOR)
        if client is not None:
            check_pair(client, anchor_pem=anchor, role="client")
            pairs["client"] = client.key, client.chain
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
    return remarks


class Certified(NamedTuple):
    """A certificate that was checked: its `chain` in PEM, from it to below the trust anchor, in order.

    `remarks` are sentences for the user: what it is valid for differs from what was asked, and can be used.
    """

    chain: bytes
    remarks: tuple[str, ...] = ()


def certify(authority: Signer, request: CertificateRequest, anchor_pem: bytes = b"") -> Certified:
    """Have `authority` sign a request, and check what comes back against it; see `check_chain`.

    Needs no private key: the certificate has to be for the key in the CSR. `anchor_pem` is what the chain has
    to lead to, by default the authority's trust anchor. Raises CertificateError; a ChainRefused names what to
    change at the authority.
    """
    # Noted before an authority gets hold of the request.
    wanted = Checks(request.role, request.names, strict=authority.strict)
    key, lifetime, holder = _csr(request.csr).public_key(), request.lifetime, request.holder
    leaf, *others = load_chain(authority.certificate(request), "the authority's answer")
    _wait_until_valid(leaf)
    try:
        check_key(leaf, key, _ANOTHER_KEY)
        anchors = load_chain(anchor_pem or authority.trust_anchor(), _ANCHOR)
        between = check(leaf, others, anchors, wanted)
        check_holder(leaf, holder)
    except Unusable as reason:
        remedy = authority.remedy(reason.fault, wanted.role)
        raise ChainRefused(wanted.role, reason.fault, str(reason), remedy) from reason
    remarks = []
    differs = another_lifetime(leaf, [*between, *anchors], lifetime)
    if differs:
        said = f"The {wanted.role} certificate is {differs}"
        remedy = authority.remedy("lifetime", wanted.role)
        remarks.append(said + ". " + remedy if remedy else said)
    return Certified(
        b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, *between)), tuple(remarks)
    )


def _wait_until_valid(leaf: x509.Certificate) -> None:
    """Wait for a certificate of an authority whose clock is a little ahead, and that sets no date back."""
    ahead = (leaf.not_valid_before_utc - dt.datetime.now(dt.UTC)).total_seconds()
    if 0 < ahead <= _MOST_AHEAD_SECONDS:
        time.sleep(ahead)


def check_chain(
    chain_pem: bytes,
    *,
    key_pem: bytes,
    anchor_pem: bytes,
    role: Role,
    names: Iterable[str],
    strict: bool = True,
) -> None:
    """Raise CertificateError, with a plain reason, unless a certificate is what an authority is asked for.

    The first certificate must have the public half of the key, be valid for `role` alone and for all of
    `names`, and lead over the others to a root among the trust anchors, all of them valid now. This tells the
    user early and in plain words what a client would refuse at the first connection (`dinv.pki.chain`), and
    does not replace that check. With `strict` off the root may be missing, and the issuers may lack
    what OpenSSL's strict mode asks for, as the CAs of docker-machine do.
    """
    leaf, *others = load_chain(chain_pem, "the authority's answer")
    anchors = load_chain(anchor_pem, _ANCHOR)
    key = load_key(key_pem, "the private key")
    canonical = tuple(map(canonical_name, names))
    try:
        check_key(leaf, key.public_key(), _ANOTHER_KEY)
        check(leaf, others, anchors, Checks(role, canonical, strict=strict))
    except Unusable as reason:
        raise ChainRefused(role, reason.fault, str(reason)) from reason


def check_pair(pair: Pair, *, anchor_pem: bytes, role: Role) -> None:
    """Raise CertificateError unless a pair that was not made here is valid for `role`.

    It may be valid for other uses too. Names are not checked.
    """
    leaf, *others = load_chain(pair.chain, pair.chain_path)
    key = load_key(pair.key, pair.key_path)
    try:
        check_key(leaf, key.public_key(), f"{pair.key_path} is not its key")
        check(leaf, others, load_chain(anchor_pem, _ANCHOR), Checks(role, exactly=False, strict=False))
    except Unusable as reason:
        raise CertificateError(f"{pair.chain_path} cannot be a {role}'s certificate: {reason}.") from reason


def only_certificates(pem: bytes, what: str) -> bytes:
    """Return the certificates in `pem` and nothing else: no key, no text. Raises CertificateError if none."""
    found = load_chain(pem, what)
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in dict.fromkeys(found))


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


def _csr(pem: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"The certificate signing request cannot be read: {error}") from error
