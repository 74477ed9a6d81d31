"""Signing with a CA whose key is at hand: the CA's own certificate and those it signs.

They contain what RFC 5280 requires of a CA and what Go, OpenSSL 3 with -x509_strict and Python 3.13's
VERIFY_X509_STRICT ask for: critical basic constraints and key usages, subject and authority key
identifiers, a non-empty subject, a positive serial number of at most 20 octets.
"""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dinv.errors import CertificateError
from dinv.pki.certificates import distinguished_name, general_names, subject
from dinv.pki.chain import USAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.pki.certificates import PrivateKey
    from dinv.pki.requests import CertificateRequest

CA_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=825)
"""The longest that strict TLS clients accept (Apple: trusted certificates in iOS 13, macOS 10.15)."""
CLOCK_ALLOWANCE = dt.timedelta(minutes=5)
"""How far the clock of a verifier may be behind ours."""

_SECOND = dt.timedelta(seconds=1)
_SMALLEST_RSA_KEY = 2048


def sign(request: CertificateRequest, signer: Callable[[], tuple[x509.Certificate, PrivateKey]]) -> bytes:
    """Sign for `request`: the key is the CSR's, everything else comes from the request and from here.

    The certificate is valid for the requested lifetime, by default 825 days, and at most as long as the CA
    is. It comes without a chain: its issuer is the CA that `signer` returns, with its key; `signer` is called
    once the request was checked. Raises CertificateError for a key that TLS cannot use, a CSR that its key
    did not sign, a server without names.
    """
    public_key = _requested_key(request)
    names = general_names(request.names)
    if request.role == "server" and not names:
        raise CertificateError("A server certificate without a name or an address is of no use. Give one.")
    ca, ca_key = signer()
    now = dt.datetime.now(dt.UTC)
    not_before = now - CLOCK_ALLOWANCE
    if request.lifetime is None:
        # Both ends are included (RFC 5280, 4.1.2.5), so this is 825 days to the second.
        not_after = not_before + LIFETIME - _SECOND
    else:
        not_after = now + dt.timedelta(seconds=request.lifetime)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(request.role, request.machine, request.holder))
        .issuer_name(ca.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(min(not_after, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([USAGES[request.role]]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_key_identifier(ca, ca_key), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca_key, _hash(ca_key)).public_bytes(serialization.Encoding.PEM)


def fault(ca: x509.Certificate, key: PrivateKey, certificate_path: str, key_path: str) -> str:
    """Return why these two are not a CA, "" if they are. Raises CertificateError if not valid yet."""
    if ca.public_key() != key.public_key():
        return f"{key_path} is not the key of {certificate_path}"
    if not _is_ca(ca):
        return f"{certificate_path} is not the certificate of a CA"
    if not _signs(ca):
        return f"the key usage of {certificate_path} does not allow to sign certificates"
    now = dt.datetime.now(dt.UTC)
    if now > ca.not_valid_after_utc:
        return f"{certificate_path} expired on {ca.not_valid_after_utc:%Y-%m-%d}"
    if now < ca.not_valid_before_utc:
        raise CertificateError(
            f"{certificate_path} is not valid before {ca.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, "
            f"and it is {now:%Y-%m-%d %H:%M} here. Set this host's clock right."
        )
    return ""


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signs(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    """Return the hash to sign with; None for Ed25519, which has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def self_signed(key: PrivateKey, common_name: str, *, lifetime: int | None = None) -> x509.Certificate:
    """Return the certificate of a CA of this name that signs leaf certificates only.

    `lifetime` is in seconds from now; None stands for ten years.
    """
    name = distinguished_name(common_name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = dt.datetime.now(dt.UTC)
    not_before = now - CLOCK_ALLOWANCE
    not_after = not_before + CA_LIFETIME if lifetime is None else now + dt.timedelta(seconds=lifetime)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        # RFC 5280, 4.2.1.1 lets a self-signed certificate omit it; OpenSSL's strict mode accepts it, and
        # some path builders want it.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, _hash(key))
    )


def _authority_key_identifier(ca: x509.Certificate, ca_key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        # A CA that the user put there, made by Go before 1.15 for example, has none.
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _requested_key(
    request: CertificateRequest,
) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    """Return the key to certify, after checking that the requester has it (RFC 2986, 4.2)."""
    try:
        csr = x509.load_pem_x509_csr(request.csr)
        key = csr.public_key()
        proven = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"The certificate signing request cannot be read: {error}") from error
    if not proven:
        raise CertificateError("The certificate signing request is not signed with the key that it carries.")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_RSA_KEY:
        raise CertificateError(f"An RSA key needs {_SMALLEST_RSA_KEY} bits or more; this has {key.key_size}.")
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise CertificateError("TLS can use an ECDSA, RSA or Ed25519 key; this is a key of another kind.")
    return key
