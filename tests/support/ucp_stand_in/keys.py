"""Keys and certificates of the stand-in, and its client bundles."""

from __future__ import annotations

import datetime as dt
import io
import ipaddress
import json
import zipfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


def new_ca() -> tuple[bytes, bytes]:
    """Key and certificate of a CA, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("UCP Client Root CA")
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key(key), _certificate(certificate)


def signed(
    ca_key: bytes, ca: bytes, common_name: str, names: list[str], *, client: bool = False
) -> tuple[bytes, bytes]:
    """Key and certificate by the CA, PEM: for a server of these names and addresses, or for a client."""
    signer = serialization.load_pem_private_key(ca_key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    use = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        _builder(_name(common_name), issuer.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(name) for name in dict.fromkeys(names)]), critical=False
        )
    return _key(key), _certificate(builder.sign(signer, hashes.SHA256()))


def bundle(ca_key: bytes, ca: bytes, user: str, host: str, port: int) -> bytes:
    """A client bundle, as UCP's: for DOCKER_CERT_PATH, and for `docker context import`."""
    key, certificate = signed(ca_key, ca, user, [], client=True)
    endpoint = f"tcp://{host}:{port}"
    meta = {
        "Name": "ucp",
        "Metadata": {"StackOrchestrator": "swarm"},
        "Endpoints": {"docker": {"Host": endpoint, "SkipTLSVerify": False}},
    }
    public = x509.load_pem_x509_certificate(certificate).public_key()
    packed = {
        "ca.pem": ca,
        "cert.pem": certificate,
        "key.pem": key,
        "cert.pub": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "env.sh": f'export DOCKER_TLS_VERIFY=1\nexport DOCKER_CERT_PATH="$PWD"\n'
        f"export DOCKER_HOST={endpoint}\n".encode(),
        "kube.yml": b"apiVersion: v1\nkind: Config\n",
        "meta.json": json.dumps(meta).encode(),
        "tls/docker/ca.pem": ca,
        "tls/docker/cert.pem": certificate,
        "tls/docker/key.pem": key,
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in packed.items():
            opened.writestr(name, data)
    return archive.getvalue()


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _DAY)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
