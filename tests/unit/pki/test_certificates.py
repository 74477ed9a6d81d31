"""Keys, requests and certificates: made, checked, read; and the verdicts of OpenSSL and Python on them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from own_certificates import CA, CLIENT, SERVER, Own, names, read

from dinv.authorities.local import LocalAuthority
from dinv.errors import CertificateError, StoreNotWritable
from dinv.pki import certificates
from dinv.system import files
from kills import killed_at_rename

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.pki.requests import CertificateRequest, Role

FILES = ["ca-key.pem", "ca.pem", "cert.pem", "key.pem", "server-key.pem", "server.pem"]


def issue(directory: Path, *names: str, machine: str = "dev") -> None:
    directory.mkdir(exist_ok=True)
    authority = LocalAuthority(machine=machine, directory=str(directory), options={})
    certificates.issue(authority, machine=machine, directory=str(directory), names=names)


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("machine")
    issue(directory, "dev.example.com", "*.example.net", "10.0.0.7")
    return directory


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("other")
    issue(directory, "dev.example.com")
    return directory


def openssl(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(["openssl", *arguments], check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


# --- what is issued ---------------------------------------------------------------------------------------


def test_the_files_have_docker_machines_names_and_the_right_modes(issued: Path) -> None:
    assert sorted(os.listdir(issued)) == FILES
    modes = {name: stat.S_IMODE((issued / name).stat().st_mode) for name in FILES}
    assert modes == {name: 0o600 if "key" in name else 0o644 for name in FILES}


def test_keys_differ_and_belong_to_their_certificates(issued: Path) -> None:
    keys = {}
    for key, certificate in (
        ("key.pem", "cert.pem"),
        ("server-key.pem", "server.pem"),
        ("ca-key.pem", "ca.pem"),
    ):
        loaded = certificates.load_key((issued / key).read_bytes(), key)
        found = certificates.load_chain((issued / certificate).read_bytes(), certificate)[0]
        assert loaded.public_key() == found.public_key()
        keys[key] = (issued / key).read_bytes()
        assert keys[key].startswith(b"-----BEGIN PRIVATE KEY-----")
    assert len(set(keys.values())) == 3


def test_issuing_again_makes_new_pairs_under_the_same_ca(tmp_path: Path) -> None:
    issue(tmp_path, "a.example.com")
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    (tmp_path / ".key.pem.0011.dinv-tmp").write_bytes(b"what a killed process left")
    issue(tmp_path, "b.example.com")
    after = {name: (tmp_path / name).read_bytes() for name in FILES}
    assert sorted(os.listdir(tmp_path)) == FILES
    assert {name for name in FILES if before[name] == after[name]} == {"ca.pem", "ca-key.pem"}
    assert "b.example.com" in names(after["server.pem"])
    assert "a.example.com" not in names(after["server.pem"])


@pytest.mark.parametrize("failing", range(7))
def test_a_kill_at_any_rename_is_put_right_by_issuing_again(tmp_path: Path, failing: int) -> None:
    with killed_at_rename(failing), pytest.raises(StoreNotWritable, match="killed"):
        issue(tmp_path, "dev.example.com")
    if (tmp_path / files.PENDING).exists():
        files.move_set(str(tmp_path))
        assert openssl_accepts(tmp_path, "cert.pem", "sslclient")
    issue(tmp_path, "dev.example.com")
    assert sorted(os.listdir(tmp_path)) == FILES
    assert openssl_accepts(tmp_path, "server.pem", "sslserver")
    assert openssl_accepts(tmp_path, "cert.pem", "sslclient")


def test_a_missing_directory_is_an_error_of_the_store(tmp_path: Path) -> None:
    authority = LocalAuthority(machine="dev", directory=str(tmp_path), options={})
    with pytest.raises(StoreNotWritable, match="No such file"):
        certificates.issue(authority, machine="dev", directory=str(tmp_path / "missing"), names=())


def test_what_the_authority_got_wrong_is_not_stored(tmp_path: Path) -> None:
    class Careless(LocalAuthority):
        def certificate(self, request: CertificateRequest) -> bytes:
            request.names = ("elsewhere.example.com",)
            return super().certificate(request)

    authority = Careless(machine="dev", directory=str(tmp_path), options={})
    with pytest.raises(CertificateError, match=r"not valid for a\.example\.com, localhost"):
        certificates.issue(authority, machine="dev", directory=str(tmp_path), names=["a.example.com"])
    assert sorted(os.listdir(tmp_path)) == ["ca-key.pem", "ca.pem"]


# --- the verdict of OpenSSL -------------------------------------------------------------------------------


def openssl_accepts(directory: Path, certificate: str, purpose: str, *more: str) -> bool:
    code, said = openssl(
        "verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, *more,
        "-CAfile", str(directory / "ca.pem"), str(directory / certificate),
    )  # fmt: skip
    assert code == 0 or "verification failed" in said
    return code == 0


def test_openssl_accepts_each_for_its_purpose_only(issued: Path) -> None:
    assert openssl_accepts(issued, "server.pem", "sslserver")
    assert openssl_accepts(issued, "cert.pem", "sslclient")
    assert not openssl_accepts(issued, "server.pem", "sslclient")
    assert not openssl_accepts(issued, "cert.pem", "sslserver")


@pytest.mark.parametrize("name", ["dev.example.com", "x.example.net", "localhost"])
def test_openssl_accepts_the_host_names(issued: Path, name: str) -> None:
    assert openssl_accepts(issued, "server.pem", "sslserver", "-verify_hostname", name)
    assert not openssl_accepts(issued, "server.pem", "sslserver", "-verify_hostname", f"{name}.evil")


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "::1"])
def test_openssl_accepts_the_addresses(issued: Path, address: str) -> None:
    assert openssl_accepts(issued, "server.pem", "sslserver", "-verify_ip", address)
    assert not openssl_accepts(issued, "server.pem", "sslserver", "-verify_ip", "10.0.0.8")


def test_openssl_refuses_another_machines_certificate(issued: Path, other: Path) -> None:
    code, _ = openssl("verify", "-CAfile", str(issued / "ca.pem"), str(other / "cert.pem"))
    assert code != 0


def test_a_server_certificate_says_whose_it_is(issued: Path) -> None:
    server = (issued / "server.pem").read_bytes()
    assert names(server) == ["dev.example.com", "*.example.net", "10.0.0.7", "localhost", "127.0.0.1", "::1"]
    assert read(server).subject.rfc4514_string() == "CN=dev,O=dinv"
    assert read(server).issuer == read((issued / "ca.pem").read_bytes()).subject
    assert isinstance(read(server).public_key(), ec.EllipticCurvePublicKey)


# --- the verdict of Python, as strict as 3.13 -------------------------------------------------------------


def handshake(server: Path, ca: Path, client: Path | None, name: str) -> str:
    """Shake hands in memory as dockerd --tlsverify and a client do; returns what went wrong."""
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
    server_side.verify_mode = ssl.CERT_REQUIRED
    server_side.load_cert_chain(server / "server.pem", server / "server-key.pem")
    client_side = ssl.create_default_context(cafile=str(ca / "ca.pem"))
    if client is not None:
        client_side.load_cert_chain(client / "cert.pem", client / "key.pem")
    for side in (server_side, client_side):
        side.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_side.wrap_bio(down, up, server_hostname=name),
        server_side.wrap_bio(up, down, server_side=True),
    ]
    done = [False, False]
    for _ in range(10):
        for which, end in enumerate(ends):
            if done[which]:
                continue
            try:
                end.do_handshake()
                done[which] = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return str(error)
    assert done == [True, True]
    assert ends[0].version() == "TLSv1.3"
    return ""


@pytest.mark.parametrize(
    "name", ["dev.example.com", "x.example.net", "10.0.0.7", "localhost", "127.0.0.1", "::1"]
)
def test_python_accepts_both_ends(issued: Path, name: str) -> None:
    assert handshake(issued, issued, issued, name) == ""


def test_python_refuses_a_client_without_certificate(issued: Path) -> None:
    assert "peer did not return a certificate" in handshake(issued, issued, None, "localhost")


def test_python_refuses_another_machines_client(issued: Path, other: Path) -> None:
    assert "certificate verify failed" in handshake(issued, issued, other, "localhost")


def test_python_refuses_another_machines_server(issued: Path, other: Path) -> None:
    assert "certificate verify failed" in handshake(other, issued, other, "localhost")


def test_python_refuses_another_name(issued: Path) -> None:
    assert "Hostname mismatch" in handshake(issued, issued, issued, "dev.example.org")


# --- names ------------------------------------------------------------------------------------------------

LABELS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,8}[A-Za-z0-9_])?", fullmatch=True)
DNS_NAMES = st.builds(
    lambda wildcard, labels, last: ".".join([*["*"] * wildcard, *labels, last]),
    st.booleans(),
    st.lists(LABELS, max_size=4),
    LABELS.filter(lambda label: not label.isdigit()),
)
NAMES = st.one_of(DNS_NAMES, st.ip_addresses().map(str))


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_names_come_back_from_the_certificate(names: list[str]) -> None:
    asked = certificates.request(certificates.new_key(), role="server", names=names, machine="dev")
    found = (
        x509.load_pem_x509_csr(asked.csr)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    values = [str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]
    assert tuple(values) == asked.names
    assert [value.lower() for value in values] == values
    expected = {
        str(ipaddress.ip_address(name)) if ":" in name or name.replace(".", "").isdigit() else name.lower()
        for name in names
    }
    assert set(values) == expected
    assert len(values) == len(expected)
    for name in found:
        is_address = isinstance(name, x509.IPAddress)
        assert is_address == (":" in str(name.value) or str(name.value).replace(".", "").isdigit())


@given(NAMES)
def test_a_canonical_name_stays_what_it_is(name: str) -> None:
    once = certificates.canonical_name(name)
    assert certificates.canonical_name(once) == once


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        name = certificates.canonical_name(text)
    except CertificateError:
        return
    certificates.general_names([name])
    assert name.isascii()
    assert name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a/b", "a:1", "a\n", "*", "*.", "a.*.b", "**.b",
        "*a.b", "bücher.example", "10.0.0.300", "1.2.3", "42", "[::1]", "fe80::1%eth0", "010.0.0.1", "a" * 64,
        ".".join(["a" * 60] * 5), "a\0b", "\u0131.example",
    ],
)  # fmt: skip
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(CertificateError, match="cannot be in a certificate"):
        certificates.canonical_name(name)


def test_server_names_add_this_host_once_and_keep_the_order() -> None:
    found = certificates.server_names(["B.example", "127.0.0.1", "a.example", "b.example", "0:0::7"])
    assert found == ("b.example", "127.0.0.1", "a.example", "::7", "localhost", "::1")


# --- requests and keys ------------------------------------------------------------------------------------


def test_a_request_carries_key_names_and_use(issued: Path) -> None:
    key = certificates.new_key()
    asked = certificates.request(key, role="client", names=["u.example"], machine="dev")
    csr = x509.load_pem_x509_csr(asked.csr)
    assert csr.is_signature_valid
    assert csr.public_key() == certificates.load_key(key, "").public_key()
    assert list(csr.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert csr.subject.rfc4514_string() == "CN=dev client,O=dinv"
    assert b"PRIVATE" not in asked.csr
    assert (asked.role, asked.names, asked.machine) == ("client", ("u.example",), "dev")


def test_a_request_for_a_server_needs_a_name() -> None:
    with pytest.raises(CertificateError, match="needs a name"):
        certificates.request(certificates.new_key(), role="server", names=(), machine="dev")


def test_a_key_is_never_in_a_message() -> None:
    damaged = certificates.new_key().replace(b"-----END", b"----END")
    with pytest.raises(CertificateError) as caught:
        certificates.load_key(damaged, "key.pem")
    secret = damaged.splitlines()[1].decode()
    assert secret not in str(caught.value)


# --- what an authority hands back -------------------------------------------------------------------------


NAMED = x509.SubjectAlternativeName([x509.DNSName("Dev.example.com"), x509.DNSName("*.example.net")])
SIGNS_NOTHING = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=True, data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
ROOT = Own("root", CA)
MIDDLE = Own("middle", CA, issuer=ROOT)
NO_CA = Own("no-ca", issuer=ROOT)
MAY_NOT_SIGN = Own("ku", CA, SIGNS_NOTHING, issuer=ROOT)
FOR_CLIENTS = Own("eku", CA, CLIENT, issuer=ROOT)
OLD = Own("old", CA, issuer=ROOT, days=(-2, -1))
SHORT = Own("short", x509.BasicConstraints(ca=True, path_length=0), issuer=ROOT)
LOW = Own("low", CA, issuer=SHORT)


def check(
    leaf: Own, *others: Own, anchor: Own = ROOT, role: Role = "server", names: tuple[str, ...] = ()
) -> None:
    certificates.check_chain(
        b"".join(made.pem for made in (leaf, *others)),
        key_pem=leaf.key_pem(),
        anchor_pem=anchor.pem,
        role=role,
        names=names,
        strict=False,
    )


def test_chains_that_are_fine() -> None:
    check(Own("leaf", SERVER, NAMED, issuer=ROOT), names=("dev.example.com", "x.example.net"))
    check(Own("leaf", SERVER, NAMED, issuer=ROOT), ROOT, names=("DEV.example.com",))
    check(Own("leaf", SERVER, issuer=MIDDLE), MIDDLE)
    check(Own("leaf", SERVER, issuer=MIDDLE), anchor=MIDDLE)
    check(Own("leaf", CLIENT, issuer=ROOT), role="client")


def test_one_anchor_of_several_will_do() -> None:
    leaf = Own("leaf", SERVER, issuer=ROOT)
    certificates.check_chain(
        leaf.pem,
        key_pem=leaf.key_pem(),
        anchor_pem=Own("elsewhere", CA).pem + ROOT.pem,
        role="server",
        names=(),
        strict=False,
    )


@pytest.mark.parametrize(
    ("chain", "names", "reason"),
    [
        ([Own("leaf", CLIENT, issuer=ROOT)], (), "does not have serverAuth"),
        ([Own("leaf", issuer=ROOT)], (), "no extended key usage"),
        ([Own("leaf", SERVER, SIGNS_NOTHING, issuer=ROOT)], (), "does not allow digital signatures"),
        ([Own("leaf", SERVER, CA, issuer=ROOT)], (), "certificate of an authority"),
        ([Own("leaf", SERVER, issuer=ROOT, days=(-2, -1))], (), 'leaf" expired on'),
        ([Own("leaf", SERVER, issuer=ROOT, days=(1, 2))], (), "not valid before .* compare this host"),
        ([Own("leaf", SERVER, NAMED, issuer=ROOT)], ("a.b.example.net",), r"for a\.b\.example\.net"),
        ([Own("leaf", SERVER, NAMED, issuer=ROOT)], ("example.net",), r"not valid for example\.net"),
        ([Own("leaf", SERVER, NAMED, issuer=ROOT)], ("10.0.0.1",), r"not valid for 10\.0\.0\.1"),
        ([Own("leaf", SERVER, issuer=ROOT)], ("a", "b"), "not valid for a, b"),
        ([Own("leaf", SERVER, issuer=MIDDLE)], (), 'the trust anchor: .* "CN=middle", is missing'),
        ([Own("leaf", SERVER, issuer=Own("root", CA))], (), "does not lead to the trust anchor"),
        ([Own("leaf", SERVER)], (), "does not lead to the trust anchor"),
        ([Own("leaf", SERVER, issuer=NO_CA), NO_CA], (), "not allowed to sign certificates"),
        ([Own("leaf", SERVER, issuer=MAY_NOT_SIGN), MAY_NOT_SIGN], (), "to sign cert"),
        ([Own("leaf", SERVER, issuer=FOR_CLIENTS), FOR_CLIENTS], (), "to sign for servers"),
        ([Own("leaf", SERVER, issuer=OLD), OLD], (), 'old" expired on'),
        ([Own("leaf", SERVER, issuer=LOW), LOW, SHORT], (), 'more issuers below "CN=short" than it allows'),
    ],
)  # fmt: skip
def test_chains_that_are_not(chain: list[Own], names: tuple[str, ...], reason: str) -> None:
    with pytest.raises(CertificateError, match=reason):
        check(*chain, names=names)


def test_an_expired_anchor_is_refused() -> None:
    old = Own("old-root", CA, days=(-2, -1))
    with pytest.raises(CertificateError, match='old-root" expired on'):
        check(Own("leaf", SERVER, issuer=old), anchor=old)


def test_another_key_is_refused() -> None:
    leaf = Own("leaf", SERVER, issuer=ROOT)
    with pytest.raises(CertificateError, match="another key"):
        certificates.check_chain(
            leaf.pem, key_pem=certificates.new_key(), anchor_pem=ROOT.pem, role="server", names=()
        )


def test_a_wildcard_does_not_stand_for_part_of_an_address() -> None:
    odd = x509.SubjectAlternativeName([x509.DNSName("*.0.0.1")])
    with pytest.raises(CertificateError, match=r"not valid for 10\.0\.0\.1"):
        check(Own("leaf", SERVER, odd, issuer=ROOT), names=("10.0.0.1",))


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_answer_that_is_no_certificate_is_refused(answer: bytes) -> None:
    with pytest.raises(CertificateError, match="the authority's answer"):
        certificates.check_chain(
            answer, key_pem=certificates.new_key(), anchor_pem=ROOT.pem, role="server", names=()
        )
    with pytest.raises(CertificateError, match="trust anchor"):
        certificates.check_chain(
            ROOT.pem, key_pem=certificates.new_key(), anchor_pem=answer, role="server", names=()
        )


@given(st.binary(max_size=60))
def test_damage_is_an_error_and_nothing_worse(damage: bytes) -> None:
    lines = ROOT.pem.splitlines(keepends=True)
    pem = b"".join([lines[0], damage, *lines[2:]])
    with contextlib.suppress(CertificateError):
        certificates.check_chain(pem, key_pem=ROOT.key_pem(), anchor_pem=ROOT.pem, role="server", names=())
