"""The CA of each machine's own."""

from __future__ import annotations

import datetime as dt
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from dinv.authorities.local import LocalAuthority
from dinv.errors import CertificateError, InputError, StoreNotWritable
from dinv.pki import certificates, signing
from dinv.pki.requests import CertificateRequest
from dinv.pki.validity import validities

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from dinv.pki.requests import Role

WITHIN = dt.timedelta(minutes=3)
"""The longest that signing may take in a test."""


def local(directory: Path, machine: str = "dev") -> LocalAuthority:
    return LocalAuthority(machine=machine, directory=str(directory), options={})


def request(role: Role = "server", *names: str, machine: str = "dev") -> CertificateRequest:
    return certificates.request(certificates.new_key(), role=role, names=names, machine=machine)


def certificate_of(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def at(monkeypatch: pytest.MonkeyPatch, *, later: dt.timedelta) -> None:
    """Let the authority believe that it is later."""
    real = dt.datetime

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return real.now(tz) + later

    class Module:
        datetime = Clock
        timedelta = dt.timedelta
        UTC = dt.UTC

    monkeypatch.setattr(signing, "dt", Module)


def test_nothing_is_touched_before_it_is_used(tmp_path: Path) -> None:
    local(tmp_path / "not-there")
    assert os.listdir(tmp_path) == []


def test_an_option_is_refused() -> None:
    with pytest.raises(InputError, match="no option url"):
        LocalAuthority(machine="dev", directory="/d", options={"url": "https://ca"})


def test_the_ca(tmp_path: Path) -> None:
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    pem = local(tmp_path).trust_anchor()
    ca = certificate_of(pem)
    assert (tmp_path / "ca.pem").read_bytes() == pem
    assert stat.S_IMODE((tmp_path / "ca-key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca.pem").stat().st_mode) == 0o644
    assert sorted(os.listdir(tmp_path)) == ["ca-key.pem", "ca.pem"]
    assert ca.version is x509.Version.v3
    assert ca.subject == ca.issuer
    assert ca.subject.rfc4514_string() == "CN=dinv CA for dev,O=dinv"
    assert isinstance(ca.signature_hash_algorithm, hashes.SHA256)
    assert 0 < ca.serial_number < 1 << 159  # 20 octets with the sign
    assert ca.serial_number.bit_length() > 96
    assert ca.not_valid_before_utc >= before - dt.timedelta(minutes=5)
    assert ca.not_valid_before_utc <= dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    assert ca.not_valid_after_utc - ca.not_valid_before_utc == dt.timedelta(days=3650)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = ca.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == identifier.digest
    key = ca.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


@pytest.mark.parametrize(
    ("role", "usage"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_a_certificate(tmp_path: Path, role: Role, usage: x509.ObjectIdentifier) -> None:
    authority = local(tmp_path)
    ca = certificate_of(authority.trust_anchor())
    leaf = certificate_of(
        authority.certificate(request(role, "Dev.example.com", "*.example.net", "10.0.0.7", "::1"))
    )
    leaf.verify_directly_issued_by(ca)
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=False, path_length=None)
    key_usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert key_usage.critical
    assert key_usage.value.digital_signature
    assert not key_usage.value.key_cert_sign
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["dev.example.com", "*.example.net"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7", "::1"]
    leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    authority_identifier = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ca_identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority_identifier.key_identifier == ca_identifier.digest
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == dt.timedelta(days=825, seconds=-1)
    assert leaf.subject.rdns


def test_a_client_needs_no_names(tmp_path: Path) -> None:
    leaf = certificate_of(local(tmp_path).certificate(request("client")))
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_serial_numbers_differ(tmp_path: Path) -> None:
    authority = local(tmp_path)
    serials = {certificate_of(authority.certificate(request("client"))).serial_number for _ in range(20)}
    assert len(serials) == 20


def test_the_csr_gives_its_key_and_nothing_else(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("evil.example.com")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    asked = CertificateRequest(csr=csr, role="server", names=("good.example.com",), machine="dev")
    leaf = certificate_of(local(tmp_path).certificate(asked))
    assert leaf.public_key() == key.public_key()
    assert leaf.subject.rfc4514_string() == "CN=dev,O=dinv"
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["good.example.com"]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def _csr_with_another_signature() -> bytes:
    asked = x509.load_pem_x509_csr(request("client").csr)
    der = bytearray(asked.public_bytes(serialization.Encoding.DER))
    at_letter = der.find(b"dev client")  # a letter of the subject: still DER, not what was signed
    der[at_letter] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)


def test_a_csr_that_its_key_did_not_sign_is_refused(tmp_path: Path) -> None:
    asked = CertificateRequest(csr=_csr_with_another_signature(), role="client", names=(), machine="dev")
    with pytest.raises(CertificateError, match="not signed with the key"):
        local(tmp_path).certificate(asked)
    assert os.listdir(tmp_path) == []


def test_a_csr_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        local(tmp_path).certificate(CertificateRequest(csr=b"x", role="client", names=(), machine="dev"))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (rsa.generate_private_key(65537, 1024), "2048 bits or more"),  # noqa: S505 - that is the point
        (ed448.Ed448PrivateKey.generate(), "of another kind"),
        (ed25519.Ed25519PrivateKey.generate(), ""),
        (ec.generate_private_key(ec.SECP384R1()), ""),
    ],
    ids=["rsa-1024", "ed448", "ed25519", "p-384"],
)
def test_keys_that_tls_can_use(tmp_path: Path, key: CertificateIssuerPrivateKeyTypes, reason: str) -> None:
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, None if edwards else hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    asked = CertificateRequest(csr=csr, role="client", names=(), machine="dev")
    if reason:
        with pytest.raises(CertificateError, match=reason):
            local(tmp_path).certificate(asked)
    else:
        assert certificate_of(local(tmp_path).certificate(asked)).public_key() == key.public_key()


@pytest.mark.parametrize("name", ["", "a b", "*", "bücher.example", "10.0.0.300", "host:2376"])
def test_a_name_that_no_certificate_can_carry_is_refused(tmp_path: Path, name: str) -> None:
    asked = CertificateRequest(csr=request("client").csr, role="server", names=(name,), machine="dev")
    with pytest.raises(CertificateError, match="cannot be in a certificate"):
        local(tmp_path).certificate(asked)


def test_a_server_without_names_is_refused(tmp_path: Path) -> None:
    asked = CertificateRequest(csr=request("client").csr, role="server", names=(), machine="dev")
    with pytest.raises(CertificateError, match="without a name"):
        local(tmp_path).certificate(asked)


def test_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match='machine "dev" does not sign for machine "prod"'):
        local(tmp_path).certificate(request("client", machine="prod"))


def test_a_ca_that_is_there_is_used(tmp_path: Path) -> None:
    anchor = local(tmp_path).trust_anchor()
    again = local(tmp_path)
    assert again.trust_anchor() == anchor
    certificate_of(again.certificate(request("client"))).verify_directly_issued_by(certificate_of(anchor))


def test_a_kill_between_key_and_certificate_is_recovered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        if target.endswith("ca.pem"):
            raise OSError(5, "killed")
        real(source, target)

    with monkeypatch.context() as killed:
        killed.setattr(os, "replace", replace)
        with pytest.raises(StoreNotWritable, match="killed"):
            local(tmp_path).trust_anchor()
    assert os.listdir(tmp_path) == ["ca-key.pem"]
    key = (tmp_path / "ca-key.pem").read_bytes()
    ca = certificate_of(local(tmp_path).trust_anchor())
    assert (tmp_path / "ca-key.pem").read_bytes() == key
    assert ca.public_key() == certificates.load_key(key, "").public_key()


@pytest.mark.parametrize("signed", ["server.pem", "cert.pem"])
def test_a_key_alone_beside_certificates_is_an_error(tmp_path: Path, signed: str) -> None:
    local(tmp_path).trust_anchor()
    (tmp_path / "ca.pem").unlink()
    (tmp_path / signed).touch()
    with pytest.raises(
        CertificateError, match=r"ca-key\.pem is there, but not its certificate.*Restore both"
    ):
        local(tmp_path).trust_anchor()
    assert not (tmp_path / "ca.pem").exists()


def test_a_certificate_alone_is_an_error(tmp_path: Path) -> None:
    local(tmp_path).trust_anchor()
    (tmp_path / "ca-key.pem").unlink()
    with pytest.raises(CertificateError, match=r"ca\.pem is there, but not its key.*Restore both"):
        local(tmp_path).trust_anchor()
    assert not (tmp_path / "ca-key.pem").exists()


def test_a_key_of_another_ca_is_an_error(tmp_path: Path) -> None:
    local(tmp_path).trust_anchor()
    (tmp_path / "ca-key.pem").write_bytes(certificates.new_key())
    with pytest.raises(CertificateError, match="is not the key of"):
        local(tmp_path).trust_anchor()


def test_a_certificate_that_is_no_ca_is_an_error(tmp_path: Path) -> None:
    key = certificates.new_key()
    leaf = local(tmp_path).certificate(certificates.request(key, role="client", names=(), machine="dev"))
    (tmp_path / "ca-key.pem").write_bytes(key)
    (tmp_path / "ca.pem").write_bytes(leaf)
    with pytest.raises(CertificateError, match="is not the certificate of a CA"):
        local(tmp_path).trust_anchor()


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_file_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    local(tmp_path).trust_anchor()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CertificateError, match="can be read from"):
        local(tmp_path).trust_anchor()


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ca-key.pem").mkdir()
    with pytest.raises(CertificateError, match=r"ca-key\.pem cannot be read: Is a directory"):
        local(tmp_path).trust_anchor()


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreNotWritable, match="No such file"):
        local(tmp_path / "missing").trust_anchor()


def test_an_expired_ca_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local(tmp_path).trust_anchor()
    at(monkeypatch, later=dt.timedelta(days=3651))
    with pytest.raises(CertificateError, match="expired on"):
        local(tmp_path).trust_anchor()


def test_a_ca_of_the_future_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local(tmp_path).trust_anchor()
    at(monkeypatch, later=dt.timedelta(hours=-1))
    with pytest.raises(CertificateError, match="clock right"):
        local(tmp_path).trust_anchor()


def test_a_certificate_does_not_outlive_its_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = certificate_of(local(tmp_path).trust_anchor())
    at(monkeypatch, later=dt.timedelta(days=3600))
    leaf = certificate_of(local(tmp_path).certificate(request("client")))
    assert leaf.not_valid_after_utc == ca.not_valid_after_utc


def test_a_ca_without_key_identifier_is_used(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "old")])
    now = dt.datetime.now(dt.UTC)
    ca = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "ca-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    leaf = certificate_of(local(tmp_path).certificate(request("client")))
    leaf.verify_directly_issued_by(ca)
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found.key_identifier == x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


def test_a_long_machine_name_still_has_a_subject(tmp_path: Path) -> None:
    machine = "m" * 68
    authority = local(tmp_path, machine)
    authority.certificate(request("server", "a", machine=machine))
    authority.certificate(request("client", machine=machine))
    assert "CN=dinv CA for mmm" in certificate_of(authority.trust_anchor()).subject.rfc4514_string()


def test_a_holder_is_the_common_name_and_a_lifetime_is_kept(tmp_path: Path) -> None:
    wanted = certificates.request(
        certificates.new_key(), role="client", names=(), machine="dev", holder="alice", lifetime=3600
    )
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    signed = certificate_of(local(tmp_path).certificate(wanted))
    common_names = signed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in common_names] == ["alice"]
    assert dt.timedelta(0) <= signed.not_valid_after_utc - before - dt.timedelta(hours=1) < WITHIN


def test_a_lifetime_ends_with_the_ca(tmp_path: Path) -> None:
    authority = local(tmp_path)
    wanted = certificates.request(
        certificates.new_key(), role="client", names=(), machine="dev", lifetime=100 * 365 * 86400
    )
    signed = certificate_of(authority.certificate(wanted))
    assert signed.not_valid_after_utc == certificate_of(authority.trust_anchor()).not_valid_after_utc


@given(st.integers(300, 3650 * 86400), st.integers(3600, 36500 * 86400))
@settings(max_examples=15, deadline=None)
def test_any_lifetimes_of_certificate_and_ca(lifetime: int, of_ca: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        authority = local(Path(directory))
        authority.ca_lifetime = of_ca
        now = dt.datetime.now(dt.UTC)
        key = certificates.new_key()
        asked = certificates.request(key, role="client", names=(), machine="dev", lifetime=lifetime)
        chain = authority.certificate(asked)
        ca = certificate_of(authority.trust_anchor())
        certificates.check_chain(
            chain, key_pem=key, anchor_pem=authority.trust_anchor(), role="client", names=()
        )
    assert abs(ca.not_valid_after_utc - now - dt.timedelta(seconds=of_ca)) < WITHIN
    end = min(now + dt.timedelta(seconds=lifetime), ca.not_valid_after_utc)
    assert abs(certificate_of(chain).not_valid_after_utc - end) < WITHIN
    (dates,) = validities(chain)
    assert dates is not None
    assert dates.not_after == certificate_of(chain).not_valid_after_utc
