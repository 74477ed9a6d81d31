"""The folder that vic-machine leaves beside itself: certificates, keys and `<vch>.env`.

vmware/vic: cmd/vic-machine/common/certificate.go, pkg/certificate/certificate.go,
lib/install/management/inspect.go.
The certificates are as VIC's: RSA 2048, a day of clock allowance, a year; a server certificate without key
identifiers, a CA and a client certificate without a common name.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dinv.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.testing.vch.settings import TLSMode

    _Signed = tuple[x509.Certificate, rsa.RSAPrivateKey]

_BITS = 2048
_DAY = dt.timedelta(days=1)
_YEAR = dt.timedelta(days=365)

SERVER_FILES = ("server-cert.pem", "server-key.pem")
CLIENT_FILES = ("cert.pem", "key.pem")
CA_FILES = ("ca.pem", "ca-key.pem")


def make(folder: str, *, name: str, common_name: str, names: Iterable[str], tls: TLSMode) -> None:
    """Make the folder and the files for TLS. Existing files of those names are used again.

    `common_name` is the server's (--tls-cname), `names` everything it is reached by. With server-only TLS the
    certificate is self-signed, and there is no CA to verify it with. Raises OSError.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if tls == "none":
        return
    wanted = (*CA_FILES, *SERVER_FILES, *CLIENT_FILES) if tls == "verify" else SERVER_FILES
    if all(os.path.exists(os.path.join(folder, file)) for file in wanted):
        return
    addresses = list(dict.fromkeys((common_name, *names)))
    if tls == "server":
        _write(folder, SERVER_FILES, _sign(_subject(name, common_name), None, names=addresses))
        return
    ca = _sign(_subject(name), None, ca=True)
    server = _sign(_subject(name, common_name), ca, names=addresses)
    client = _sign(_subject(name), ca)
    _write(folder, CA_FILES, ca)
    _write(folder, SERVER_FILES, server)
    _write(folder, CLIENT_FILES, client)
    bundle = pkcs12.serialize_key_and_certificates(
        None, client[1], client[0], [ca[0]], serialization.NoEncryption()
    )
    files.write(os.path.join(folder, "cert.pfx"), bundle, mode=0o600)


def write_env(folder: str, *, name: str, host: str, port: int, tls: TLSMode, wrong_path: bool) -> str:
    """Write `<vch>.env`, one line; return its path.

    `wrong_path`: VIC's bug, which writes the folder's base name, made absolute from where vic-machine was
    run, instead of from where the folder is.
    """
    certificates = os.path.abspath(os.path.basename(folder) if wrong_path else folder)
    variables = [f"DOCKER_HOST={f'[{host}]' if ':' in host else host}:{port}"]
    if tls == "verify":
        variables = ["DOCKER_TLS_VERIFY=1", f"DOCKER_CERT_PATH={certificates}", *variables]
    if tls != "none":
        variables.append("COMPOSE_TLS_VERSION=TLSv1_2")
    path = os.path.join(folder, f"{name}.env")
    files.write(path, f"{' '.join(variables)}\n".encode(), mode=0o644)
    return path


def _subject(organization: str, common_name: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64])]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]))
    return x509.Name(attributes)


def _sign(
    subject: x509.Name, issuer: _Signed | None, *, names: Iterable[str] = (), ca: bool = False
) -> _Signed:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _YEAR)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(_usage(ca=ca), critical=True)
    )
    general = [_general(name) for name in names]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    if not ca:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if general else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if issuer and not general:
        # Issuer and client have one name, by which OpenSSL, which serves here, takes the client's certificate
        # for self-signed; Go, which serves in VIC, goes by the signature. Identifiers tell them apart.
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()), critical=False
        )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        key_encipherment=not ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(folder: str, names: tuple[str, str], signed: _Signed) -> None:
    certificate, key = signed
    files.write_all(
        [
            (os.path.join(folder, names[0]), certificate.public_bytes(serialization.Encoding.PEM), 0o644),
            (
                os.path.join(folder, names[1]),
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                ),
                0o600,
            ),
        ]
    )
