"""The CAs and certificates of a cluster: k3s-io/k3s: pkg/daemons/control/deps/deps.go.

Two CAs: one for servers, one for clients. EC keys on P-256, ten years for a CA, 365 days for the rest. The
names in the server's certificate are those it was started with, since `tls-san-security` is on.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


class Authority:
    """A CA in two files."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, pem: bytes) -> None:
        self.certificate = certificate
        self.key = key
        self.pem = pem

    @classmethod
    def kept(cls, directory: str, name: str, subject: str) -> Authority:
        """Return the CA of a directory; make it if it is not there."""
        certificate_file, key_file = (
            os.path.join(directory, f"{name}.{ending}") for ending in ("crt", "key")
        )
        if not os.path.exists(certificate_file):
            key = ec.generate_private_key(ec.SECP256R1())
            full = _name(f"{subject}@{int(time.time())}", ())
            builder = _builder(full, full, key.public_key(), 3650)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            builder = builder.add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=True,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            write(key_file, key_pem(key))
            write(certificate_file, builder.sign(key, hashes.SHA256()).public_bytes(_PEM))
        with open(certificate_file, "rb") as stream:
            pem = stream.read()
        with open(key_file, "rb") as stream:
            loaded = serialization.load_pem_private_key(stream.read(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return cls(x509.load_pem_x509_certificate(pem), loaded, pem)

    def client(self, name: str, groups: tuple[str, ...], key: ec.EllipticCurvePublicKey) -> bytes:
        """Return the PEM of a client's certificate, followed by this CA, as k3s sends it."""
        return self._signed(_name(name, groups), key, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def server(self, name: str, sans: list[str], key: ec.EllipticCurvePublicKey) -> bytes:
        names: list[x509.GeneralName] = []
        for san in dict.fromkeys(sans):
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(san)))
            except ValueError:
                names.append(x509.DNSName(san))
        alternatives = x509.SubjectAlternativeName(names)
        return self._signed(_name(name, ()), key, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> bytes:
        builder = _builder(subject, self.certificate.subject, key, 365)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(_PEM) + self.pem


_PEM = serialization.Encoding.PEM


def _name(common: str, groups: tuple[str, ...]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + days * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


def kept_key(path: str) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file; make it if it is not there."""
    if not os.path.exists(path):
        write(path, key_pem(ec.generate_private_key(ec.SECP256R1())))
    with open(path, "rb") as stream:
        key = serialization.load_pem_private_key(stream.read(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a certificate signing request as k3s has it: DER, its subject is not looked at."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def requested_key(der: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of a signing request. Raises ValueError."""
    found = x509.load_der_x509_csr(der)
    key = found.public_key()
    if not found.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("not a valid certificate signing request")
    return key


def write(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file atomically."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = f"{path}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(content)
    os.replace(new, path)
