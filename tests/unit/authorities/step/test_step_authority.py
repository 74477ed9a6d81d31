"""step-ca, by a stand-in that checks as its source does (tests/support/step_ca.py)."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
import step_ca
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from documents import blocks
from hypothesis import given
from hypothesis import strategies as st
from jwk import private_jwk
from own_certificates import names, read
from step_ca import StepCA, running

from dinv.authorities import CertificateRequest, of_machine
from dinv.authorities.step.authority import StepAuthority
from dinv.authorities.step.options import OPTIONS
from dinv.authorities.step.token import ProvisionerKey, fitting
from dinv.declaration import values
from dinv.errors import (
    AuthorityRefused,
    AuthorityUnreachable,
    CertificateError,
    ChainRefused,
    DinvError,
)
from dinv.pki.certificates import certify, issue, load_key, new_key, request, server_names
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
JWKS = st.fixed_dictionaries(
    {"kty": st.sampled_from(["EC", "OKP", "RSA"])},
    optional={
        "crv": st.sampled_from(["P-256", "P-384", "Ed25519"]) | JSON,
        "d": st.just("AQ") | JSON,
        "kid": JSON,
    },
).map(lambda found: json.dumps(found).encode())
PAYLOADS = st.fixed_dictionaries({}, optional={"sub": JSON, "sans": JSON}).map(
    lambda claims: f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.e30"
)

KEY = new_key()
HOST = server_names(["172.30.0.2", "dinv-dev"])
HOUR = 3600


@pytest.fixture(autouse=True)
def nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("STEP_", "DINV_STEP_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[StepCA]:
    with running(StepCA(), tmp_path) as found:
        yield found


def opened(ca: StepCA, tmp_path: Path, **options: Any) -> StepAuthority:
    key = tmp_path / "provisioner.json"
    if "step_key" not in options:
        key.write_text(private_jwk(ca.key))
    given = {
        "step_url": ca.url,
        "step_fingerprint": ca.fingerprint,
        "step_provisioner": ca.name,
        "step_key": str(key),
    } | options
    return StepAuthority(machine="dev", directory="", options=values(OPTIONS, given, {}))


def server(authority: StepAuthority, lifetime: int | None = None, names: tuple[str, ...] = HOST) -> bytes:
    """A certificate for the machine, checked as a machine's are."""
    asked = request(KEY, role="server", names=names, machine="dev", lifetime=lifetime)
    return certify(authority, asked, authority.trust_anchor()).chain


def client(authority: StepAuthority, holder: str = "", lifetime: int | None = None) -> bytes:
    asked = request(KEY, role="client", names=(), machine="dev", holder=holder, lifetime=lifetime)
    return certify(authority, asked, authority.trust_anchor()).chain


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(DinvError) as caught:
        call(*arguments)
    return str(caught.value)


def test_it_signs_for_both_sides(ca: StepCA, tmp_path: Path) -> None:
    authority = opened(ca, tmp_path)
    authority.check()
    chain = server(authority)
    assert set(names(chain)) == set(HOST)
    assert read(chain).subject.rfc4514_string() == "CN=dev"
    assert chain.count(b"BEGIN CERTIFICATE") == 2
    assert authority.trust_anchor().decode() == ca.root_pem
    leaf = read(client(authority))
    assert leaf.subject.rfc4514_string() == "CN=dev client"
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert read(client(authority, "alice")).subject.rfc4514_string() == "CN=alice"
    assert ca.log == []


def test_a_machine_gets_all_of_its_files(ca: StepCA, tmp_path: Path) -> None:
    config = MachineConfig.new(
        name="dev", store_path=str(tmp_path), driver_name="fake", identity="x", created="now"
    )
    os.makedirs(config.directory)
    opened(ca, tmp_path).record(config)
    issue(of_machine(config), machine="dev", directory=config.directory, names=["172.30.0.2"])
    assert {"ca.pem", "cert.pem", "key.pem", "server-key.pem", "server.pem"} <= set(
        os.listdir(config.directory)
    )


@pytest.mark.parametrize("kind", ["P-256", "P-384", "Ed25519", "RSA", "PEM"])
def test_keys_of_each_kind_sign_tokens(tmp_path: Path, kind: str) -> None:
    made: dict[str, Any] = {
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
    }
    key = made.get(kind, made["P-256"])()
    path = tmp_path / "key"
    if kind in ("PEM", "RSA"):
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    else:
        path.write_text(private_jwk(key))
    with running(StepCA(key=key), tmp_path) as ca:
        authority = opened(ca, tmp_path, step_key=str(path))
        authority.check()
        server(authority)


def test_each_token_is_used_once(ca: StepCA, tmp_path: Path) -> None:
    authority = opened(ca, tmp_path)
    asked = request(KEY, role="client", names=(), machine="dev")
    token = authority._token(asked)
    assert token != authority._token(asked)
    given = opened(ca, tmp_path, step_token=token, step_key=None, step_provisioner=None)
    given.check()
    given.certificate(asked)
    with pytest.raises(AuthorityRefused) as caught:
        given.certificate(asked)
    assert ca.log == ["token already used"]
    assert caught.value.status == 401
    assert "The CA's log says why" in str(caught.value)
    assert token not in str(caught.value)


def test_given_tokens_are_told_apart_by_what_they_are_for(ca: StepCA, tmp_path: Path) -> None:
    authority = opened(ca, tmp_path)
    for_server = authority._token(request(KEY, role="server", names=HOST, machine="dev"))
    for_alice = authority._token(request(KEY, role="client", names=(), machine="dev", holder="alice"))
    given = opened(ca, tmp_path, step_token=f"{for_alice}, {for_server}", step_key=None)
    server(given)
    client(given, "alice")
    said = refusal(client, given, "bob")
    assert 'none is for the client certificate of "bob"' in said
    assert '`step ca token "bob"`' in said
    said = refusal(server, given, None, ("10.0.0.1",))
    assert '`step ca token "dev" --san 10.0.0.1`' in said


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "..", "e30.e30.", "e30.WzFd.e30", "e30.eyJzYW5zIjoxfQ.e30"]
)
def test_what_is_no_token_fits_nothing(ca: StepCA, tmp_path: Path, token: str) -> None:
    given = opened(ca, tmp_path, step_token=f"{token},", step_key=None)
    assert "none is for the client certificate" in refusal(client, given)


# What the provisioner grants


def test_the_default_template_grants_both_usages_and_is_refused(ca: StepCA, tmp_path: Path) -> None:
    ca.template = step_ca.default_template
    with pytest.raises(ChainRefused) as caught:
        server(opened(ca, tmp_path))
    assert caught.value.fault == "usage"
    assert 'Let the template of the provisioner "dinv" have "extKeyUsage": ["serverAuth"]' in str(
        caught.value
    )
    assert 'the token\'s dinv_role is "server"' in str(caught.value)


def test_the_template_of_the_page_is_that_of_the_stand_in() -> None:
    """As far as can be seen without Go: the same claim, and JSON with the one usage for each side."""
    (template,) = [block.text for block in blocks("docs/authorities.md") if "dinv_role" in block.text]
    pattern = r'\{\{- if eq \.Token\.dinv_role "server" \}\}(.*)\{\{- else \}\}(.*)\{\{- end \}\}'
    branches = re.search(pattern, template, re.DOTALL)
    assert branches is not None
    made = [
        json.loads(re.sub(r"\{\{ toJson (\S+) \}\}", r'"\1"', template.replace(branches[0], branches[side])))
        for side in (1, 2)
    ]
    both = {"subject": ".Subject", "keyUsage": ["digitalSignature"]}
    assert made == [
        {**both, "sans": ".SANs", "extKeyUsage": ["serverAuth"]},
        {**both, "extKeyUsage": ["clientAuth"]},
    ]


@pytest.mark.parametrize(
    ("lifetime", "said", "advice"),
    [
        (30 * 24 * HOUR, "authorized maximum certificate duration", "Raise maxTLSCertDuration"),
        (60, "authorized minimum certificate duration", "Ask for more, by cert_lifetime"),
    ],
)
def test_a_lifetime_outside_the_bounds_is_refused(
    ca: StepCA, tmp_path: Path, lifetime: int, said: str, advice: str
) -> None:
    error = refusal(server, opened(ca, tmp_path), lifetime)
    assert said in error
    assert advice in error


def test_a_lifetime_is_asked_for(ca: StepCA, tmp_path: Path) -> None:
    leaf = read(server(opened(ca, tmp_path), HOUR))
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == dt.timedelta(hours=1, minutes=1)


def test_a_request_in_another_name_is_refused(ca: StepCA, tmp_path: Path) -> None:
    """Somebody's own request, of `share --csr`: the CA compares its name with the token's."""
    builder = x509.CertificateSigningRequestBuilder()
    for subject, right in (("CN=bob", False), ("CN=alice", True), ("", True)):
        csr = builder.subject_name(x509.Name.from_rfc4514_string(subject)).sign(
            load_key(KEY, "it"), hashes.SHA256()
        )
        pem = csr.public_bytes(serialization.Encoding.PEM)
        asked = CertificateRequest(csr=pem, role="client", names=(), machine="dev", holder="alice")
        authority = opened(ca, tmp_path)
        if right:
            assert read(authority.certificate(asked)).subject.rfc4514_string() == "CN=alice"
        else:
            said = refusal(authority.certificate, asked)
            assert "got bob, want alice" in said
            assert "has to be made out to the name of whom it is for" in said


@pytest.mark.parametrize(
    ("changes", "log"),
    [
        ({"name": "other"}, "provisioner not found"),
        ({"kid": "other"}, "provisioner not found"),
        ({"dns_names": ["ca.example"]}, "invalid audience"),
        ({"clock_ahead": 600.0}, "invalid jwk claims"),
        ({"clock_ahead": -600.0}, "invalid jwk claims"),
        ({"start": 4e9}, "before the bootstrap"),
    ],
    ids=["name", "kid", "audience", "late", "early", "start"],
)
def test_a_token_that_it_does_not_take_is_told(
    ca: StepCA, tmp_path: Path, changes: dict[str, Any], log: str
) -> None:
    authority = opened(ca, tmp_path)
    for name, value in changes.items():
        setattr(ca, name, value)
    said = refusal(server, authority)
    assert log in ca.log[0]
    assert 'may not know the provisioner "dinv" or its key' in said
    assert "dnsNames" in said


@pytest.mark.parametrize("seconds", [-50.0, 50.0, 340.0])
def test_clocks_may_differ_a_little(ca: StepCA, tmp_path: Path, seconds: float) -> None:
    ca.clock_ahead = seconds
    server(opened(ca, tmp_path))


# The root


def test_the_root_may_be_a_file(ca: StepCA, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text(ca.root_pem)
    authority = opened(ca, tmp_path, step_root=str(root), step_fingerprint=None)
    authority.check()
    server(authority)


def test_a_fingerprint_may_be_written_as_openssl_does(ca: StepCA, tmp_path: Path) -> None:
    written = ":".join(re.findall("..", ca.fingerprint.upper()))
    opened(ca, tmp_path, step_fingerprint=written).check()


def test_another_fingerprint_is_refused_by_the_ca(ca: StepCA, tmp_path: Path) -> None:
    said = refusal(opened(ca, tmp_path, step_fingerprint="ab" * 32).check)
    assert "It has no root with this fingerprint: see step_fingerprint" in said


def test_another_root_than_asked_for_is_refused(ca: StepCA, tmp_path: Path) -> None:
    """Somebody in between who answers with a root of their own gets no token."""
    other = StepCA()
    ca.answer = 200, json.dumps({"ca": other.root_pem}).encode()
    said = refusal(opened(ca, tmp_path).check)
    assert "sent another root certificate than the one asked for by step_fingerprint" in said


def test_a_server_with_the_right_root_and_another_certificate_is_not_trusted(
    ca: StepCA, tmp_path: Path
) -> None:
    other = StepCA()
    root = tmp_path / "root.pem"
    root.write_text(other.root_pem)
    with pytest.raises(AuthorityUnreachable, match="signed by another CA"):
        opened(ca, tmp_path, step_root=str(root)).check()


# Before anything is made


def test_a_provisioner_that_is_not_there_is_told(ca: StepCA, tmp_path: Path) -> None:
    said = refusal(opened(ca, tmp_path, step_provisioner="dinw").check)
    assert 'those there are: "dinv"' in said


def test_a_key_of_another_provisioner_is_told(ca: StepCA, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(private_jwk(ec.generate_private_key(ec.SECP256R1())))
    said = refusal(opened(ca, tmp_path, step_key=str(path)).check)
    assert 'is not the key of the provisioner "dinv"' in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step_url": None}, "step_url is not given"),
        ({"step_url": "http://ca.example"}, "is not https"),
        ({"step_fingerprint": None}, "the CA has to be known by one of them"),
        ({"step_fingerprint": "abc"}, "is not the SHA-256 of a certificate"),
        ({"step_provisioner": None}, "step_provisioner is not given"),
        ({"step_key": None}, "step_key is not given"),
        ({"step_key": "/nowhere"}, "/nowhere cannot be read"),
    ],
)
def test_options_that_cannot_be_used(ca: StepCA, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert said in refusal(opened(ca, tmp_path, **options).check)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "[]",
        '{"kty": "oct", "k": "AAAA"}',
        '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}',
        '{"kty": "EC", "crv": "P-256", "d": "AA"}',
        '{"kty": "EC", "crv": "P-999", "d": "AQ"}',
        '{"kty": "OKP", "crv": "Ed25519", "d": "AQ"}',
        '{"kty": "EC", "crv": "P-256", "d": 7}',
        '{"kty": "EC", "crv": [], "d": "AQ"}',
    ],
)
def test_a_key_that_cannot_be_read_is_told_and_not_shown(content: str) -> None:
    with pytest.raises(CertificateError) as caught:
        ProvisionerKey(content.encode(), "/k")
    assert "/k" in str(caught.value)


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode), JWKS))
def test_no_content_of_a_key_file_is_a_bug(content: bytes) -> None:
    with contextlib.suppress(CertificateError):
        assert ProvisionerKey(content, "/k").token({}).count(".") == 2


@given(token=st.one_of(st.text(max_size=100), PAYLOADS), subject=st.text(max_size=10))
def test_no_token_is_a_bug(token: str, subject: str) -> None:
    assert fitting([token], subject, ("a",)) in ("", token)


def test_an_encrypted_key_is_told_what_to_do() -> None:
    sealed = json.dumps({"protected": "x", "encrypted_key": "x", "iv": "x", "ciphertext": "x", "tag": "x"})
    with pytest.raises(CertificateError, match=r"is encrypted.*step crypto jwe decrypt"):
        ProvisionerKey(sealed.encode(), "/k")
    with pytest.raises(CertificateError, match=r"is encrypted"):
        ProvisionerKey(b"eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1cifQ.a.b.c.d", "/k")


def test_the_kid_of_a_jwk_is_taken_as_it_is() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert ProvisionerKey(private_jwk(key, kid="mine").encode(), "/k").kid == "mine"
    head = ProvisionerKey(private_jwk(key, kid="mine").encode(), "/k").token({}).partition(".")[0]
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["kid"] == "mine"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, b"{}"),
        (201, b'{"certChain": {}}'),
        (201, b'{"certChain": [7]}'),
        (201, b'{"crt": "-----BEGIN CERTIFICATE-----", "ca": ""}'),
        (201, b"<html>"),
        (500, b'{"status": 500}'),
        (502, b"bad gateway"),
        (403, b'{"message": ["x"]}'),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_of_ours(
    ca: StepCA, tmp_path: Path, status: int, body: bytes
) -> None:
    root = tmp_path / "root.pem"
    root.write_text(ca.root_pem)
    authority = opened(ca, tmp_path, step_root=str(root))
    ca.answer = status, body
    asked = request(KEY, role="client", names=(), machine="dev")
    with pytest.raises(CertificateError):
        authority.certificate(asked)
    with pytest.raises(DinvError):
        authority.check()
