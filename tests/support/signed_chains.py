"""Chains of certificates as strict verifiers want them, with any single thing done wrong on purpose."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)
EKU = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "code": ExtendedKeyUsageOID.CODE_SIGNING,
}


@cache
def key(which: str) -> ec.EllipticCurvePrivateKey:
    """A key by its name: making one takes time, and the same will do again."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Made:
    """How one certificate is made; the defaults are as they should be."""

    name: str = "leaf"
    key: str = ""
    ca: bool = False
    usages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    names_critical: bool = False
    constraints: bool = True
    constraints_critical: bool = True
    path_length: int | None = None
    key_usage: bool = True
    signs: bool | None = None
    subject: bool = True
    subject_identifier: bool = True
    authority_identifier: bool = True
    identifier_critical: bool = False
    wrong_identifier: bool = False
    unknown_critical: bool = False
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    days: tuple[int, int] = (-1, 30)

    def but(self, **changes: object) -> Made:
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def own_key(self) -> ec.EllipticCurvePrivateKey:
        return key(self.key or self.name)


ROOT = Made("root", ca=True)
MIDDLE = Made("middle", ca=True)
SERVER = Made("leaf", usages=("server",), names=("dev.example.com", "10.0.0.7"))
CLIENT = Made("leaf", usages=("client",))


def certificate(made: Made, issuer: Made) -> x509.Certificate:
    """Sign one."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(made) if made.subject else x509.Name([]))
        .issuer_name(_name(issuer))
        .public_key(made.own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + made.days[0] * DAY)
        .not_valid_after(now + made.days[1] * DAY)
    )
    if made.constraints:
        length = made.path_length if made.ca else None
        builder = builder.add_extension(
            x509.BasicConstraints(ca=made.ca, path_length=length), critical=made.constraints_critical
        )
    if made.key_usage:
        signs = made.ca if made.signs is None else made.signs
        builder = builder.add_extension(_key_usage(signs=signs, digital=not made.ca), critical=True)
    if made.usages:
        usages = x509.ExtendedKeyUsage([EKU[each] for each in made.usages])
        builder = builder.add_extension(usages, critical=False)
    if made.names:
        names = x509.SubjectAlternativeName([_general(name) for name in made.names])
        builder = builder.add_extension(names, critical=made.names_critical)
    if made.permitted or made.excluded:
        constraints = x509.NameConstraints(
            [_subtree(each) for each in made.permitted] or None,
            [_subtree(each) for each in made.excluded] or None,
        )
        builder = builder.add_extension(constraints, critical=True)
    if made.subject_identifier:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(made.own_key.public_key()),
            critical=made.identifier_critical,
        )
    if made.authority_identifier:
        of = key("somebody") if made.wrong_identifier else issuer.own_key
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(of.public_key()), critical=False
        )
    if made.unknown_critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(issuer.own_key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def key_pem(made: Made) -> bytes:
    return made.own_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def openssl_refusal(directory: Path, chain: bytes, anchors: bytes, role: str, name: str = "") -> str:
    """What `openssl verify` says in strict mode; "" if it accepts."""
    leaf, between, trusted = (directory / each for each in ("leaf", "between", "anchors"))
    leaf.write_bytes(chain)
    between.write_bytes(chain)
    trusted.write_bytes(anchors)
    if not name:
        host = []
    elif name[0].isdigit():
        host = ["-verify_ip", name]
    else:
        host = ["-verify_hostname", name]
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", f"ssl{role}", *host, "-no-CApath", "-no-CAstore",
         "-CAfile", str(trusted), "-untrusted", str(between), str(leaf)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr or "refused"


def python_refusal(directory: Path, chain: bytes, key: bytes, anchors: bytes, *, role: str, name: str) -> str:
    """What Python's ssl, trusting `anchors`, says of `chain` in a handshake; "" if it accepts."""
    (directory / "chain").write_bytes(chain)
    (directory / "key").write_bytes(key)
    os.chmod(directory / "key", 0o600)
    text = anchors.decode()
    sides = {
        "server": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        "client": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    }
    shown, verifying = sides[role], sides["client" if role == "server" else "server"]
    shown.load_cert_chain(directory / "chain", directory / "key")
    verifying.load_verify_locations(cadata=text)
    verifying.verify_mode = ssl.CERT_REQUIRED
    verifying.verify_flags |= ssl.VERIFY_X509_STRICT
    verifying.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    if role == "client":
        # Whom this one speaks to does not matter.
        shown.check_hostname, shown.verify_mode = False, ssl.CERT_NONE
        pair = pem(_ANYBODY), key_pem(SERVER.but(name="anybody"))
        (directory / "chain").write_bytes(pair[0])
        (directory / "key").write_bytes(pair[1])
        verifying.load_cert_chain(directory / "chain", directory / "key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        sides["client"].wrap_bio(down, up, server_hostname=name or "dev.example.com"),
        sides["server"].wrap_bio(up, down, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return str(error)
    return ""


def _name(made: Made) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, made.name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtree(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_network(name)) if "/" in name else x509.DNSName(name)


def _key_usage(*, signs: bool, digital: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


_ANYBODY = certificate(SERVER.but(name="anybody"), SERVER.but(name="anybody"))
