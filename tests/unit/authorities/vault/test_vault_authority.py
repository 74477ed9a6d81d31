"""Vault's PKI, against a real OpenBao: what dinv asks for, and what a server may give instead."""

from __future__ import annotations

import http.server
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from openbao import CLIENT, ROOT_TOKEN, SERVER, program, running, usages
from own_certificates import names, read

from dinv.authorities import CertificateRequest, of_machine
from dinv.authorities.vault import client as vault_client
from dinv.authorities.vault.authority import VaultAuthority
from dinv.authorities.vault.options import OPTIONS
from dinv.declaration import values
from dinv.errors import (
    AuthorityError,
    AuthorityRefused,
    AuthorityUnreachable,
    CertificateError,
    DinvError,
    OptionError,
)
from dinv.pki.certificates import certify, issue, load_key, new_key, request, server_names
from dinv.progress import Progress
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openbao import Bao

KEY = new_key()
HOST = server_names(["172.30.0.2"])
PAIRS = ("cert.pem", "key.pem", "server-key.pem", "server.pem")


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A server with a mount `pki`, that has a root and the roles that docs/authorities.md describes."""
    program()
    with running(tmp_path_factory.mktemp("bao")) as found:
        found.root("pki")
        found.role("pki", "dinv-server", SERVER)
        found.role("pki", "dinv-client", CLIENT)
        found.call("POST", "sys/auth/approle", {"type": "approle"})
        yield found


@pytest.fixture(autouse=True)
def nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("VAULT_", "BAO_", "DINV_VAULT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(vault_client, "_logins", {})


def opened(bao: Bao, **options: Any) -> VaultAuthority:
    """The authority of a machine `dev`, with the options given, and otherwise those that work."""
    given = {
        "vault_addr": bao.url,
        "vault_role": "dinv-server",
        "vault_client_role": "dinv-client",
        "vault_token": ROOT_TOKEN,
    } | options
    return VaultAuthority(machine="dev", directory="", options=values(OPTIONS, given, {}))


def server(authority: VaultAuthority, names: tuple[str, ...] = HOST, lifetime: int | None = None) -> bytes:
    """A certificate for the machine, checked as a machine's are."""
    asked = request(KEY, role="server", names=names, machine="dev", lifetime=lifetime)
    return certify(authority, asked, authority.trust_anchor()).chain


def client(authority: VaultAuthority, holder: str = "") -> bytes:
    asked = request(KEY, role="client", names=(), machine="dev", holder=holder)
    return certify(authority, asked, authority.trust_anchor()).chain


def refusal(call: Any, *arguments: Any) -> str:
    """What it says where it has to fail."""
    with pytest.raises(DinvError) as caught:
        call(*arguments)
    assert ROOT_TOKEN not in str(caught.value)
    return str(caught.value)


# What works


def test_it_signs_for_both_sides(bao: Bao) -> None:
    authority = opened(bao)
    authority.check()
    chain = server(authority)
    assert sorted(names(chain)) == sorted(HOST)
    assert usages(chain) == ["serverAuth"]
    assert read(chain).subject.rfc4514_string() == "CN=dev"
    assert authority.trust_anchor().strip() == bao.issuer("pki")
    chain = client(authority)
    assert (usages(chain), read(chain).subject.rfc4514_string()) == (["clientAuth"], "CN=dev client")
    assert read(client(authority, "alice")).subject.rfc4514_string() == "CN=alice"


def test_a_role_that_goes_by_the_request_signs_the_same(bao: Bao) -> None:
    bao.role("pki", "by-csr", SERVER, use_csr_common_name=True, use_csr_sans=True)
    chain = server(opened(bao, vault_role="by-csr"))
    assert sorted(names(chain)) == sorted(HOST)
    assert "CN=dev" in read(chain).subject.rfc4514_string()


def test_a_check_signs_nothing(bao: Bao) -> None:
    before = bao.issued("pki")
    opened(bao).check()
    assert bao.issued("pki") == before


def test_a_lifetime_is_asked_for(bao: Bao) -> None:
    leaf = read(server(opened(bao), lifetime=5400))
    assert 5400 <= (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() <= 5400 + 60


def test_a_machine_gets_all_of_its_files(bao: Bao, tmp_path: Path) -> None:
    """And its record has what is needed to sign again, and no token."""
    config = MachineConfig.new(
        name="dev", store_path=str(tmp_path), driver_name="fake", identity="x", created="now"
    )
    os.makedirs(config.directory)
    opened(bao, vault_namespace="").record(config)
    assert config.authority == "vault"
    assert ROOT_TOKEN not in repr(config.authority_options)
    again = of_machine(config, secrets={"vault_token": ROOT_TOKEN})
    issue(again, machine="dev", directory=config.directory, names=["172.30.0.2"])
    assert set(os.listdir(config.directory)) == {"ca.pem", *PAIRS}
    assert again.ca_elsewhere == f'kept by the authority "vault" ({bao.url}, pki)'


def test_who_is_let_in_is_said(bao: Bao) -> None:
    class Kept(Progress):
        notes: list[str] = []  # noqa: RUF012

        def note(self, text: str) -> None:
            self.notes.append(text)

    kept = Kept()
    opened(bao).prepare(kept)
    assert kept.notes == ['Whoever has a client certificate from "Root of pki", or below, can reach dev too']


# Roles that would not do: found before anything is made where the token may read them, and afterwards else


@pytest.mark.parametrize(
    ("changes", "beforehand", "afterwards"),
    [
        ({"client_flag": True}, "client and server", "has clientAuth besides serverAuth"),
        ({"server_flag": False}, "no usage at all", "it has no extended key usage"),
        ({"server_flag": False, "client_flag": True}, "grants client,", "does not have serverAuth"),
        ({"code_signing_flag": True}, "code_signing and server", "has 1.3.6.1.5.5.7.3.3 besides serverAuth"),
    ],
    ids=["both", "none", "other", "more"],
)
def test_a_role_with_other_usages_is_refused_and_named(
    bao: Bao, changes: dict[str, bool], beforehand: str, afterwards: str
) -> None:
    bao.role("pki", "usages", SERVER, **changes)
    said = refusal(opened(bao, vault_role="usages").check)
    assert beforehand in said
    advice = 'Set server_flag=true client_flag=false on the role "usages" of pki'
    assert advice in said
    blind = bao.token("pki/sign/usages", "pki/sign/dinv-client")
    unread = opened(bao, vault_role="usages", vault_token=blind)
    unread.check()
    said = refusal(server, unread)
    assert afterwards in said
    assert advice in said


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"key_type": "rsa"}, "key_type=ec and key_bits=256"),
        ({"key_type": "ec", "key_bits": 384}, "key_type=ec and key_bits=256"),
        ({"allow_ip_sans": False}, "allow_ip_sans=true"),
        ({"allow_localhost": False}, "allow_localhost=true"),
        ({"cn_validations": ["hostname"]}, "cn_validations=disabled"),
    ],
    ids=["rsa", "bits", "addresses", "localhost", "common name"],
)
def test_a_role_that_refuses_is_named_with_what_to_change(
    bao: Bao, changes: dict[str, Any], advice: str
) -> None:
    bao.role("pki", "strict", SERVER, **changes)
    token = bao.token("pki/sign/strict", "pki/sign/dinv-client")
    authority = opened(bao, vault_role="strict", vault_token=token)
    authority.check()
    said = refusal(server, authority)
    assert f'Set {advice} on the role "strict" of pki' in said


@pytest.mark.parametrize("changes", [{"key_type": "rsa"}, {"allow_ip_sans": False}], ids=["rsa", "addresses"])
def test_a_role_that_may_be_read_is_refused_beforehand(bao: Bao, changes: dict[str, Any]) -> None:
    bao.role("pki", "strict", SERVER, **changes)
    assert 'the role "strict" of pki' in refusal(opened(bao, vault_role="strict").check)


def test_a_name_outside_the_roles_domains_is_refused(bao: Bao) -> None:
    wanted = server_names(["vm.corp.example"])
    said = refusal(server, opened(bao), wanted)
    assert "subject alternate name vm.corp.example not allowed by this role" in said
    assert 'Let the role "dinv-server" of pki allow it: allowed_domains has to have' in said
    bao.role("pki", "corp", SERVER, allowed_domains="corp.example", allow_subdomains=True)
    assert "vm.corp.example" in names(server(opened(bao, vault_role="corp"), wanted))


def test_a_lifetime_that_is_cut_is_told_with_the_servers_words(bao: Bao) -> None:
    """The server answers 200, and says so in `warnings` only."""
    bao.role("pki", "short", SERVER, max_ttl="1h")
    authority = opened(bao, vault_role="short")
    asked = request(KEY, role="server", names=HOST, machine="dev", lifetime=7200)
    (said,) = certify(authority, asked, authority.trust_anchor()).remarks
    assert said.startswith("The server certificate is valid for ")
    assert "not for 2 hours as asked" in said
    assert 'Raise max_ttl of the role "short" of pki' in said
    assert 'Vault said: TTL "2h0m0s" is longer than permitted maxTTL "1h0m0s"' in said
    assert "use_csr" not in said
    asked = request(KEY, role="server", names=HOST, machine="dev")
    assert certify(authority, asked, authority.trust_anchor()).remarks == ()


def test_a_role_with_an_end_of_its_own_is_told(bao: Bao) -> None:
    bao.role("pki", "fixed", SERVER, not_after="2029-01-01T00:00:00Z")
    said = refusal(server, opened(bao, vault_role="fixed"), HOST, 3600)
    assert 'Take not_after off the role "fixed" of pki' in said


def test_a_ca_that_ends_before_the_certificate_is_told(bao: Bao) -> None:
    bao.root("pki-ends", ttl="2h")
    bao.role("pki-ends", "dinv-server", SERVER)
    bao.role("pki-ends", "dinv-client", CLIENT)
    authority = opened(bao, vault_mount="pki-ends")
    said = refusal(server, authority, HOST, 86400)
    assert "beyond the expiration of the CA certificate" in said
    assert "have the CA of pki-ends renewed" in said
    server(authority, HOST, 3600)


def test_a_holder_is_not_who_the_request_says(bao: Bao) -> None:
    """Somebody else's request may have any name, and a role by default goes by the request."""
    bao.role("pki", "by-csr", CLIENT, use_csr_common_name=True)
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name.from_rfc4514_string("CN=bob"))
    pem = builder.sign(load_key(KEY, "it"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    asked = CertificateRequest(csr=pem, role="client", names=(), machine="dev", holder="alice")
    said = refusal(opened(bao, vault_client_role="by-csr").certificate, asked)
    assert 'it is for "CN=bob", and not for "alice"' in said
    assert "use_csr_common_name=false" in said
    assert read(opened(bao).certificate(asked)).subject.rfc4514_string() == "CN=alice"


def test_nobody_gets_a_certificate_without_a_name(bao: Bao) -> None:
    """A subject that is empty would need a critical alternative name (RFC 5280, 4.1.2.6)."""
    bao.role("pki", "nameless", CLIENT, use_csr_common_name=True, require_cn=False)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    pem = builder.sign(load_key(KEY, "it"), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    asked = CertificateRequest(csr=pem, role="client", names=(), machine="dev", holder="alice")
    chain = opened(bao, vault_client_role="nameless").certificate(asked)
    assert read(chain).subject.rfc4514_string() == "CN=alice"


# Chains


def test_an_intermediate_comes_with_the_chain_below_the_root(bao: Bao) -> None:
    bao.intermediate("pki-under", of="pki", with_root=True)
    bao.role("pki-under", "dinv-server", SERVER)
    bao.role("pki-under", "dinv-client", CLIENT)
    authority = opened(bao, vault_mount="pki-under")
    authority.check()
    chain = server(authority)
    assert chain.count(b"BEGIN CERTIFICATE") == 2
    assert authority.trust_anchor() == opened(bao).trust_anchor()


def test_a_chain_without_its_root_is_told_and_the_root_may_be_named(bao: Bao, tmp_path: Path) -> None:
    bao.intermediate("teams/pki", of="pki", with_root=False)
    bao.role("teams/pki", "dinv-server", SERVER)
    bao.role("teams/pki", "dinv-client", CLIENT)
    said = refusal(opened(bao, vault_mount="teams/pki").check)
    assert 'ends at "CN=Intermediate of teams/pki", which is not a root' in said
    assert '"CN=Root of pki"' in said
    assert "vault_anchor=FILE" in said
    anchor = tmp_path / "root.pem"
    anchor.write_bytes(opened(bao).trust_anchor())
    authority = opened(bao, vault_mount="teams/pki", vault_anchor=str(anchor))
    authority.check()
    assert server(authority).count(b"BEGIN CERTIFICATE") == 2


def test_a_role_of_another_issuer_is_followed_or_told(bao: Bao) -> None:
    bao.root("pki-two")
    body = {"common_name": "Second", "issuer_name": "second", "key_type": "ec", "ttl": "9000h"}
    bao.call("POST", "pki-two/root/generate/internal", body)
    bao.role("pki-two", "dinv-server", SERVER, issuer_ref="second")
    bao.role("pki-two", "dinv-client", CLIENT)
    authority = opened(bao, vault_mount="pki-two")
    server(authority)
    client(authority)
    assert authority.trust_anchor().count(b"BEGIN CERTIFICATE") == 2
    blind = bao.token("pki-two/sign/dinv-server", "pki-two/sign/dinv-client")
    said = refusal(server, opened(bao, vault_mount="pki-two", vault_token=blind))
    assert 'path "pki-two/roles/dinv-server" { capabilities = ["read"] }' in said
    assert "issuer_ref=default" in said


def test_a_mount_without_a_ca_is_told(bao: Bao) -> None:
    bao.mount("pki-empty")
    bao.role("pki-empty", "dinv-server", SERVER)
    bao.role("pki-empty", "dinv-client", CLIENT)
    said = refusal(opened(bao, vault_mount="pki-empty").check)
    assert "pki-empty has no CA yet" in said


# Who may, and where


def test_a_token_without_the_policy_is_told_which_line_it_lacks(bao: Bao) -> None:
    token = bao.token("pki/sign/dinv-server")
    said = refusal(opened(bao, vault_token=token).check)
    assert "permission denied" in said
    assert 'path "pki/sign/dinv-client" { capabilities = ["update"] }' in said
    with pytest.raises(AuthorityRefused) as caught:
        opened(bao, vault_token=token).check()
    assert caught.value.status == 403
    assert token not in str(caught.value)


def test_a_token_that_is_none_is_told(bao: Bao) -> None:
    said = refusal(opened(bao, vault_token="s.nothing").check)
    assert "the token has expired or is another server's" in said
    assert "s.nothing" not in said


def test_an_unknown_role_is_told(bao: Bao) -> None:
    said = refusal(opened(bao, vault_client_role="nobody").check)
    assert "unknown role: nobody" in said
    assert "bao list pki/roles" in said


def test_a_mount_that_is_not_there_is_told(bao: Bao) -> None:
    said = refusal(opened(bao, vault_mount="nowhere").check)
    assert 'Nothing is mounted at "nowhere" in the root namespace' in said


def test_a_mount_of_something_else_is_told(bao: Bao) -> None:
    assert "PKI secrets engine" in refusal(opened(bao, vault_mount="secret").check)


def test_namespaces(bao: Bao) -> None:
    bao.call("POST", "sys/namespaces/team", {})
    bao.root("pki", X_Vault_Namespace="team/")
    for name, facts in (("dinv-server", SERVER), ("dinv-client", CLIENT)):
        bao.call("POST", f"pki/roles/{name}", facts, X_Vault_Namespace="team/")
    authority = opened(bao, vault_namespace="/team/")
    authority.check()
    assert server(authority)
    assert authority.trust_anchor() != opened(bao).trust_anchor()
    assert 'There is no namespace "tema"' in refusal(opened(bao, vault_namespace="tema").check)


def test_a_sealed_server_is_told(bao: Bao) -> None:
    with bao.sealed():
        said = refusal(opened(bao).check)
    assert "sealed" in said
    assert "has to unseal it" in said


def test_a_server_with_tls_is_known_by_its_ca(tmp_path: Path) -> None:
    program()
    with running(tmp_path, tls=True) as bao:
        bao.root("pki")
        bao.role("pki", "dinv-server", SERVER)
        bao.role("pki", "dinv-client", CLIENT)
        with pytest.raises(AuthorityUnreachable, match=r"signed by another CA.*vault_ca_cert=FILE"):
            opened(bao).check()
        authority = opened(bao, vault_ca_cert=bao.ca)
        authority.check()
        server(authority)


# Where the token comes from


def approle(bao: Bao, **changes: Any) -> tuple[str, str]:
    """A role id and a secret id that may sign by the usual roles."""
    rules = 'path "pki/sign/dinv-*" { capabilities = ["update"] }'
    bao.call("PUT", "sys/policies/acl/dinv", {"policy": rules})
    bao.call("POST", "auth/approle/role/dinv", {"token_policies": "dinv", "token_ttl": "5m"} | changes)
    role = bao.call("GET", "auth/approle/role/dinv/role-id")["data"]["role_id"]
    secret = bao.call("POST", "auth/approle/role/dinv/secret-id", {})["data"]["secret_id"]
    return role, secret


def test_an_approle_logs_in_once_for_a_process(bao: Bao, tmp_path: Path) -> None:
    """A create opens its authority twice; a secret id for one use is enough for it."""
    role, secret = approle(bao, secret_id_num_uses=1)
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    options = {"vault_token": None, "vault_role_id": role, "vault_secret_id_file": str(file)}
    authority = opened(bao, **options)
    authority.check()
    server(authority)
    client(opened(bao, **options))
    vault_client._logins.clear()
    said = refusal(opened(bao, **options).check)
    assert "invalid role or secret ID" in said
    assert "used up or expired" in said
    assert secret not in said


def test_a_secret_id_of_the_variable_is_taken(bao: Bao) -> None:
    role, secret = approle(bao, secret_id_num_uses=0)
    opened(bao, vault_token=None, vault_role_id=role, vault_secret_id=secret).check()


def test_a_login_whose_token_was_revoked_is_made_anew(bao: Bao) -> None:
    role, secret = approle(bao, secret_id_num_uses=0)
    options = {"vault_token": None, "vault_role_id": role, "vault_secret_id": secret}
    opened(bao, **options).check()
    ((token, _),) = vault_client._logins.values()
    bao.call("POST", "auth/token/revoke", {"token": token})
    opened(bao, **options).check()
    assert next(iter(vault_client._logins.values()))[0] != token


def test_an_approle_without_the_policy_is_told_so_and_not_of_its_secret(bao: Bao) -> None:
    role, secret = approle(bao, secret_id_num_uses=1, token_policies="default")
    said = refusal(opened(bao, vault_token=None, vault_role_id=role, vault_secret_id=secret).check)
    assert 'path "pki/sign/dinv-server"' in said


@pytest.mark.parametrize("given", [{"vault_secret_id": "wrong"}, {}], ids=["wrong", "none"])
def test_a_secret_id_that_is_wrong_is_told(bao: Bao, given: dict[str, str]) -> None:
    role, _ = approle(bao, secret_id_num_uses=0)
    said = refusal(opened(bao, vault_token=None, vault_role_id=role, **given).check)
    assert "DINV_VAULT_SECRET_ID" in said


def test_a_secret_id_that_has_expired_is_told(bao: Bao) -> None:
    role, secret = approle(bao, secret_id_num_uses=0, secret_id_ttl="1s")
    end, said = time.monotonic() + 20, ""
    while not said and time.monotonic() < end:
        vault_client._logins.clear()
        try:
            opened(bao, vault_token=None, vault_role_id=role, vault_secret_id=secret).check()
            time.sleep(0.2)
        except AuthorityRefused as error:
            said = str(error)
    assert "used up or expired" in said


def test_an_approle_mount_that_is_not_there_is_told(bao: Bao) -> None:
    said = refusal(opened(bao, vault_token=None, vault_role_id="x", vault_approle_mount="other").check)
    assert "vault_approle_mount" in said


def test_a_token_is_taken_from_a_file_that_is_read_each_time(bao: Bao, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s.old")
    options = {"vault_token": "s.not-this", "vault_token_file": str(file)}
    assert "permission denied" in refusal(opened(bao, **options).check)
    file.write_text(f"{ROOT_TOKEN}\n")
    opened(bao, **options).check()
    file.unlink()
    assert f"The token cannot be read from {file}" in refusal(opened(bao, **options).check)


def test_the_token_of_the_command_line_client_is_the_last_resort(bao: Bao, tmp_path: Path) -> None:
    said = refusal(opened(bao, vault_token=None).check)
    assert "neither VAULT_TOKEN nor BAO_TOKEN is set, and there is no ~/.vault-token" in said
    (tmp_path / ".vault-token").write_text(ROOT_TOKEN)
    opened(bao, vault_token=None).check()


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak: x", "ümlaut"])
def test_what_cannot_be_a_token_goes_nowhere(bao: Bao, tmp_path: Path, secret: str) -> None:
    file = tmp_path / "token"
    file.write_text(secret)
    said = refusal(opened(bao, vault_token_file=str(file)).check)
    assert f"What is in {file} is not one" in said


def test_the_variables_of_both_clients_are_taken(bao: Bao) -> None:
    environ = {
        "VAULT_ADDR": "https://v",
        "VAULT_TOKEN": "v",
        "VAULT_NAMESPACE": "n",
        "VAULT_CACERT": "/c.pem",
    }
    found = values(OPTIONS, {}, environ)
    assert (found["vault_addr"], found["vault_token"]) == ("https://v", "v")
    assert (found["vault_namespace"], found["vault_ca_cert"]) == ("n", "/c.pem")
    environ |= {"BAO_ADDR": "https://b", "DINV_VAULT_TOKEN": "d"}
    found = values(OPTIONS, {}, environ)
    assert (found["vault_addr"], found["vault_token"]) == ("https://b", "d")
    assert values(OPTIONS, {"vault_addr": "https://given"}, environ)["vault_addr"] == "https://given"


# Options that cannot be used: told before anything is asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vault_addr": None}, "vault_addr is not given"),
        ({"vault_role": None}, "vault_role is not given"),
        ({"vault_client_role": None}, "vault_client_role is not given"),
        ({"vault_client_role": "dinv-server"}, "is the same as vault_role"),
        ({"vault_role": "../sys"}, "is not the name of a role"),
        ({"vault_mount": "pki/../sys"}, "is not the path of a mount"),
        ({"vault_mount": "pki/sign?x"}, "is not the path of a mount"),
        ({"vault_approle_mount": ""}, "is not the path of a mount"),
        ({"vault_addr": "http://vault.example"}, "is not https"),
        ({"vault_role_id": "x", "vault_token_file": "/t"}, "is given beside vault_role_id"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], said: str) -> None:
    class Nowhere:
        url = "https://vault.example"

    with pytest.raises(OptionError, match=said.replace(".", r"\.")):
        opened(Nowhere(), **options).check()  # type: ignore[arg-type]


# Servers that answer something else


@pytest.fixture
def answers() -> Iterator[dict[str, Any]]:
    """A server that gives one answer, `status` and `body`, to everything; `url` is its address."""
    facts: dict[str, Any] = {"status": 200, "body": b"{}"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(facts["status"])
            self.send_header("Content-Length", str(len(facts["body"])))
            self.end_headers()
            self.wfile.write(facts["body"])

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        facts["url"] = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield facts
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b'{"data": {}}'),
        (200, b'{"data": {"certificate": 7, "ca_chain": {"a": 1}}}'),
        (200, b'{"data": {"certificate": "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"}}'),
        (200, b"<html>"),
        (200, b"[]"),
        (500, b"<html>no</html>"),
        (502, b""),
        (503, b'{"errors": [7, null]}'),
        (429, b'{"errors": "slow"}'),
        (403, b'{"errors": ["permission denied", "the-root-of-tests"]}'),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_of_ours(
    answers: dict[str, Any], status: int, body: bytes
) -> None:
    answers |= {"status": status, "body": body}

    class There:
        url = answers["url"]

    authority = opened(There())  # type: ignore[arg-type]
    asked = request(KEY, role="client", names=(), machine="dev")
    for call in (authority.check, authority.trust_anchor, lambda: authority.certificate(asked)):
        with pytest.raises((CertificateError, AuthorityError)) as caught:
            call()
        assert ROOT_TOKEN not in str(caught.value)
