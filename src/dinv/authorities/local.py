"""The authority that needs nothing: a CA of its own for each machine, in the machine's directory.

`ca-key.pem` (0600) is written before `ca.pem` (0644). A process killed between the two leaves a key under
which nothing was signed yet: the CA is then completed with a new certificate for that key. Where
certificates lie beside a key alone, somebody has removed `ca.pem`, and that is an error.

The certificates hold what RFC 5280 wants of a CA and what Go, OpenSSL 3 with -x509_strict and Python 3.13's
VERIFY_X509_STRICT ask for: critical basic constraints and key usages, subject and authority key
identifiers, a non-empty subject, a positive serial number of at most 20 octets.
"""

from __future__ import annotations

import datetime as dt
import os

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from dinv import files
from dinv.certificates import (
    USAGES,
    distinguished_name,
    general_names,
    load_chain,
    load_key,
    new_key,
    subject,
)
from dinv.errors import CertificateError, InputError, StoreNotWritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.authorities import CertificateRequest

    _Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    _Signer = tuple[x509.Certificate, _Key]

CA_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=825)
"""The longest that the stricter TLS clients take (Apple: trusted certificates in iOS 13 and macOS 10.15)."""
CLOCK_ALLOWANCE = dt.timedelta(minutes=5)
"""How far the clock of who verifies may be behind ours."""

_SECOND = dt.timedelta(seconds=1)
_SMALLEST_RSA_KEY = 2048
_SIGNED = ("server.pem", "cert.pem")


class LocalAuthority:
    """Signs with the CA of one machine, which is made when it is first needed.

    See `dinv.authorities.Opener` for the arguments; it has no options. `certificate` and `trust_anchor`
    raise CertificateError when half of the CA is missing, or it is expired or not one; and
    StoreNotWritable when a new one cannot be written.
    """

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, str]) -> None:
        if options:
            raise InputError(
                f'The authority "local" has no option {", ".join(sorted(options))}. Leave it out.'
            )
        self._machine = machine
        self._directory = directory
        self._certificate_path = os.path.join(directory, "ca.pem")
        self._key_path = os.path.join(directory, "ca-key.pem")
        self._signer: _Signer | None = None

    def trust_anchor(self) -> bytes:
        """Return the CA's certificate."""
        return self._ca()[0].public_bytes(serialization.Encoding.PEM)

    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign for `request`: the key is the CSR's, all else comes from the request and from here.

        The certificate is valid for 825 days, or for as long as the CA is. It comes alone: its issuer is
        the trust anchor.
        """
        if request.machine != self._machine:
            raise CertificateError(
                f'The CA of machine "{self._machine}" does not sign for machine "{request.machine}". '
                f"Each machine has its own."
            )
        public_key = _requested_key(request)
        ca, ca_key = self._ca()
        names = general_names(request.names)
        if request.role == "server" and not names:
            raise CertificateError(
                "A server certificate without a name or an address is of no use. Give one."
            )
        not_before = dt.datetime.now(dt.UTC) - CLOCK_ALLOWANCE
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(request.role, request.machine))
            .issuer_name(ca.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            # Both ends count (RFC 5280, 4.1.2.5), so this is 825 days to the second.
            .not_valid_after(min(not_before + LIFETIME - _SECOND, ca.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([USAGES[request.role]]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_authority_key_identifier(ca, ca_key), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _ca(self) -> _Signer:
        if self._signer is None:
            self._signer = self._load_or_make()
        return self._signer

    def _load_or_make(self) -> _Signer:
        key_pem, certificate_pem = _read(self._key_path), _read(self._certificate_path)
        if key_pem is None and certificate_pem is None:
            key_pem = new_key()
            self._write(self._key_path, key_pem, 0o600)
        elif key_pem is None:
            raise self._broken(f"{self._certificate_path} is there, but not its key {self._key_path}")
        elif certificate_pem is None and any(
            os.path.exists(os.path.join(self._directory, name)) for name in _SIGNED
        ):
            raise self._broken(f"{self._key_path} is there, but not its certificate {self._certificate_path}")
        key = load_key(key_pem, self._key_path)
        if certificate_pem is None:
            certificate = _self_signed(key, self._machine)
            certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
            self._write(self._certificate_path, certificate_pem, 0o644)
        else:
            certificate = load_chain(certificate_pem, self._certificate_path)[0]
            self._check(certificate, key)
        return certificate, key

    def _check(self, ca: x509.Certificate, key: _Key) -> None:
        if ca.public_key() != key.public_key():
            raise self._broken(f"{self._key_path} is not the key of {self._certificate_path}")
        try:
            is_ca = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            is_ca = False
        if not is_ca:
            raise self._broken(f"{self._certificate_path} is not the certificate of a CA")
        now = dt.datetime.now(dt.UTC)
        if now > ca.not_valid_after_utc:
            raise self._broken(f"{self._certificate_path} expired on {ca.not_valid_after_utc:%Y-%m-%d}")
        if now < ca.not_valid_before_utc:
            raise CertificateError(
                f"{self._certificate_path} is not valid before {ca.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, "
                f"and it is {now:%Y-%m-%d %H:%M} here. Set this host's clock right."
            )

    def _write(self, path: str, data: bytes, mode: int) -> None:
        try:
            files.write(path, data, mode=mode)
        except OSError as error:
            raise StoreNotWritable(path, error.strerror or str(error)) from error

    def _broken(self, what: str) -> CertificateError:
        return CertificateError(
            f'The CA of machine "{self._machine}" cannot be used: {what}. Restore both files from a backup, '
            f"or make the machine anew: dinv rm {self._machine}, then dinv create {self._machine}"
        )


def _self_signed(key: _Key, machine: str) -> x509.Certificate:
    name = distinguished_name(f"dinv CA for {machine}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    not_before = dt.datetime.now(dt.UTC) - CLOCK_ALLOWANCE
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        # RFC 5280, 4.2.1.1 lets a self-signed certificate go without it; OpenSSL's strict mode does not
        # mind it, and some path builders want it.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _authority_key_identifier(ca: x509.Certificate, ca_key: _Key) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        # A CA that was put there, by Go before 1.15 say, which wrote none.
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
    """Return the key to certify, once its owner is known to have it (RFC 2986, 4.2)."""
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
        raise CertificateError("A key that TLS can use is ECDSA, RSA or Ed25519; this is none of them.")
    return key


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CertificateError(
            f"{path} cannot be read: {error.strerror}. Give its owner, whom dinv runs as, access to it."
        ) from error
