"""The authority "cfssl" against the real server, and against servers that lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import cfssl_server
import needs
import pytest
from cfssl_server import AUTH_KEY
from documents import blocks
from engine_certificates import CA
from engine_server import answer, tcp_server
from fake_driver import install
from free_port import free_port
from own_certificates import names as names_in
from own_certificates import read
from signed_chains import CLIENT, MIDDLE, ROOT, certificate, key_pem, openssl_refusal, pem, python_refusal

import dinv
from dinv.authorities.cfssl import CfsslAuthority
from dinv.errors import (
    AuthorityError,
    AuthorityRefused,
    AuthorityUnreachable,
    CertificateError,
    ChainRefused,
    OptionError,
)
from dinv.pki import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cfssl_server import Cfssl
    from engine_server import Peer, Script
    from fake_driver import World

    from dinv.authorities import CertificateRequest
    from dinv.machines import Machines
    from dinv.pki.requests import Role

NAMES = ("dev.build.example", "10.0.0.7")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cfssl]:
    with cfssl_server.running(tmp_path_factory.mktemp("cfssl")) as found:
        yield found


def authority(url: str, *, directory: str = "", **more: Any) -> CfsslAuthority:
    options = {"cfssl_url": url, "cfssl_profile": "server", "cfssl_client_profile": "client", **more}
    return CfsslAuthority(machine="dev", directory=directory, options=options)


def asked(role: Role = "client", names: tuple[str, ...] = NAMES, **more: Any) -> CertificateRequest:
    return certificates.request(
        key_pem(CLIENT), role=role, names=names if role == "server" else (), machine="dev", **more
    )


# --- the real server --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["server", "client"])
def test_it_signs_for_each_role(server: Cfssl, tmp_path: Path, role: Role) -> None:
    there = authority(server.url)
    there.check()
    certified = certificates.certify(there, asked(role))
    root = there.trust_anchor()
    assert root.strip() == server.root.strip()
    name = NAMES[0] if role == "server" else ""
    assert openssl_refusal(tmp_path, certified.chain, root, role, name) == ""
    assert python_refusal(tmp_path, certified.chain, key_pem(CLIENT), root, role=role, name=name) == ""
    if role == "server":
        assert names_in(certified.chain) == list(NAMES)


@pytest.mark.parametrize(
    ("profiles", "role", "said"),
    [
        ({"cfssl_profile": "both"}, "server", '"both" grants server auth, client auth'),
        ({"cfssl_client_profile": "both"}, "client", '"both" grants server auth, client auth'),
        ({"cfssl_client_profile": "none"}, "client", '"none" grants no extended usage'),
        ({"cfssl_client_profile": "code"}, "client", '"code" grants client auth, code signing'),
        ({"cfssl_profile": "client", "cfssl_client_profile": "server"}, "server", "grants client auth"),
        # Not there: the default profile answers for it, with 200.
        ({"cfssl_profile": "servers"}, "server", '"servers" grants server auth, client auth'),
    ],
)
def test_a_profile_that_would_not_do_is_found_before_and_after(
    server: Cfssl, profiles: dict[str, str], role: Role, said: str
) -> None:
    there = authority(server.url, **profiles)
    with pytest.raises(AuthorityError, match=f"would not do for {role}s") as early:
        there.check()
    assert said in str(early.value)
    profile = profiles["cfssl_profile" if role == "server" else "cfssl_client_profile"]
    advice = f'Give the profile "{profile}" "usages": ["digital signature", "{role} auth"]'
    assert advice in str(early.value)
    # The server signs all the same.
    with pytest.raises(ChainRefused) as late:
        certificates.certify(there, asked(role))
    assert late.value.fault == "usage"
    assert advice in str(late.value)
    assert "If there is no profile of that name, the default one has answered." in str(late.value)


def test_a_lifetime_is_that_of_the_profile_and_told(server: Cfssl) -> None:
    there = authority(server.url, cfssl_client_profile="short")
    (remark,) = certificates.certify(there, asked(lifetime=90 * 86400)).remarks
    assert remark.startswith("The client certificate is valid for 3 days, until")
    assert 'as asked. Lifetimes are those of the profile "short": "expiry" in the server' in remark
    assert certificates.certify(there, asked()).remarks == ()


def test_names_that_the_profile_does_not_allow(server: Cfssl) -> None:
    there = authority(server.url, cfssl_profile="limited")
    names = ("dev.build.example",)
    assert names_in(certificates.certify(there, asked("server", names)).chain) == list(names)
    with pytest.raises(AuthorityRefused, match="whitelist") as caught:
        certificates.certify(there, asked("server", ("dev.example.com",)))
    assert '"name_whitelist" has to allow the names of machines, for the profile "limited"' in str(
        caught.value
    )


def test_hosts_would_replace_the_names_and_are_not_sent(server: Cfssl) -> None:
    """The server's own behaviour, and that a chain with other names is refused."""
    there = authority(server.url)
    body = {
        "certificate_request": asked("server").csr.decode(),
        "profile": "server",
        "hosts": ["other.example"],
    }
    found = there._server.post("api/v1/cfssl/sign", body).json()["result"]["certificate"].encode()
    assert names_in(found) == ["other.example"]

    class Replacing(CfsslAuthority):
        def certificate(self, request: CertificateRequest) -> bytes:
            return bytes(found)

    with pytest.raises(ChainRefused, match=r"not valid for dev\.build\.example, 10\.0\.0\.7") as caught:
        certificates.certify(Replacing(machine="dev", directory="", options=there.options), asked("server"))
    assert caught.value.fault == "names"


def test_a_key_that_profiles_want_is_used(server: Cfssl) -> None:
    sealed = {"cfssl_profile": "sealed-server", "cfssl_client_profile": "sealed-client"}
    there = authority(server.url, **sealed, cfssl_auth_key=AUTH_KEY)
    there.check()
    assert read(certificates.certify(there, asked()).chain).issuer.rfc4514_string() == "CN=Machines"
    with pytest.raises(AuthorityRefused, match="authentication required") as caught:
        authority(server.url, **sealed).certificate(asked())
    assert (
        'For clients, the profile "sealed-client" has an auth_key: put it, in hex, into the variable '
        "DINV_CFSSL_AUTH_KEY." in str(caught.value)
    )
    wrong = "ff" * 16
    with pytest.raises(AuthorityRefused, match="invalid token") as caught:
        authority(server.url, **sealed, cfssl_auth_key=wrong).certificate(asked())
    assert "DINV_CFSSL_AUTH_KEY is not the one of" in str(caught.value)
    assert wrong not in str(caught.value)
    with pytest.raises(AuthorityRefused, match="no authentication provider") as caught:
        authority(server.url, cfssl_auth_key=AUTH_KEY).certificate(asked())
    assert "has no auth_key: give it one, or unset DINV_CFSSL_AUTH_KEY" in str(caught.value)


def test_by_tls_with_a_client_certificate(tmp_path: Path) -> None:
    ca = CA(tmp_path, "tls")
    pair, mine = ca.issue("server"), ca.issue("client")
    flags = ("-tls-cert", pair[0], "-tls-key", pair[1], "-mutual-tls-ca", ca.path)
    with cfssl_server.running(tmp_path, *flags) as found:
        known = {"cfssl_ca_cert": ca.path, "cfssl_cert": mine[0], "cfssl_key": mine[1]}
        authority(found.url, **known).check()
        with pytest.raises(AuthorityUnreachable, match="client certificate"):
            authority(found.url, cfssl_ca_cert=ca.path).check()
        with pytest.raises(AuthorityUnreachable, match=r"signed by another CA.*cfssl_ca_cert=FILE"):
            authority(found.url).check()


def test_an_intermediate_needs_its_root_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(pem(certificate(MIDDLE, ROOT)))
    (tmp_path / "ca-key.pem").write_bytes(key_pem(MIDDLE))
    root = tmp_path / "root.pem"
    root.write_bytes(pem(certificate(ROOT, ROOT)))
    with cfssl_server.running(tmp_path) as found:
        with pytest.raises(AuthorityError, match=r'"CN=middle", which is not a root.*cfssl_anchor=FILE'):
            authority(found.url).check()
        there = authority(found.url, cfssl_anchor=str(root))
        there.check()
        certified = certificates.certify(there, asked())
        assert there.trust_anchor() == root.read_bytes()
        assert openssl_refusal(tmp_path, certified.chain, root.read_bytes(), "client") == ""
        root.write_bytes(pem(certificate(MIDDLE, ROOT)))
        with pytest.raises(CertificateError, match="has no root"):
            authority(found.url, cfssl_anchor=str(root)).check()


def test_the_example_of_the_page(tmp_path: Path) -> None:
    needs.program(cfssl_server.PROGRAM)
    serving, making = [
        each.text for each in blocks("docs/authorities.md") if "test_cfssl_authority" in each.reason
    ]
    port = free_port()
    for each in (serving, making):
        assert "127.0.0.1" in each
        assert "8888" in each
    script = serving.replace("8888", str(port)).replace(" &\n", ' & echo "$MACHINES_KEY" >key; wait\n')
    words = shlex.split(making.replace("8888", str(port)).replace("\\\n", " "))
    assert words[2:6] == ["dinv", "create", "--authority", "cfssl"]
    given = dict(zip(words[6:-1:2], words[7:-1:2], strict=True))
    process = subprocess.Popen(["bash", "-euc", script], cwd=tmp_path, start_new_session=True)
    try:
        cfssl_server.wait(port, process)
        there = authority(
            given["--cfssl-url"],
            cfssl_profile=given["--cfssl-profile"],
            cfssl_client_profile=given["--cfssl-client-profile"],
            cfssl_auth_key=(tmp_path / "key").read_text().strip(),
        )
        there.check()
        certificates.certify(there, asked("server"))
        certificates.certify(there, asked("client"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# --- a machine's life with it -----------------------------------------------------------------------------


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return dinv.Machines(str(tmp_path / "store"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return install(monkeypatch, str(tmp_path / "endpoint"))


def create(machines: Machines, url: str, **more: Any) -> None:
    options: dict[str, Any] = {"cfssl_profile": "server", "cfssl_client_profile": "client", **more}
    machines.create("dev", driver="fake", context=False, authority="cfssl", cfssl_url=url, **options).close()


def test_a_machine_remembers_all_but_the_key(
    server: Cfssl, machines: Machines, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = {"cfssl_profile": "sealed-server", "cfssl_client_profile": "sealed-client"}
    monkeypatch.setenv("DINV_CFSSL_AUTH_KEY", AUTH_KEY)
    create(machines, server.url, **sealed)
    directory = tmp_path / "store" / "machines" / "dev"
    text = (directory / "config.json").read_text()
    assert AUTH_KEY not in text
    assert json.loads(text)["Dinv"]["AuthorityOptions"] == {"cfssl_url": server.url, **sealed}
    assert (directory / "ca.pem").read_bytes().strip() == server.root.strip()


def test_a_create_that_is_refused_leaves_nothing(
    server: Cfssl, machines: Machines, world: World, tmp_path: Path
) -> None:
    with pytest.raises(CertificateError, match="no auth_key"):
        create(machines, server.url, cfssl_auth_key=AUTH_KEY)
    with pytest.raises(AuthorityUnreachable, match="nothing listens"):
        create(machines, "http://127.0.0.1:9")
    assert not os.path.exists(tmp_path / "store" / "machines" / "dev")
    assert os.listdir(world.directory) == []


# --- servers that lie -------------------------------------------------------------------------------------


def saying(*bodies: object, status: str = "200 OK", seen: list[bytes] | None = None) -> list[Script]:
    """One answer for each connection."""

    def one(body: object) -> Script:
        def play(peer: Peer) -> None:
            request = peer.request()
            if seen is not None:
                seen.append(request.body)
            peer.send(answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status))

        return play

    return [one(body) for body in bodies]


def good(result: object) -> dict[str, object]:
    return {"success": True, "result": result, "errors": [], "messages": []}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"<html>", {"success": True}, {"success": True, "result": []}, good({}),
     good({"certificate": 5}), good({"certificate": "\u00e9"}), good({"certificate": "hello"}),
     {"success": False, "errors": "x"}, {"success": False, "errors": [5, {"message": "no"}]},
     {"success": "yes", "result": {"certificate": ""}}],
)  # fmt: skip
def test_any_answer_is_a_chain_or_an_error(body: object) -> None:
    with tcp_server(*saying(body)) as port, pytest.raises(CertificateError) as caught:
        authority(f"http://127.0.0.1:{port}").trust_anchor()
    assert "dinv" not in str(caught.value)


def test_what_a_server_repeats_of_the_key_is_not_shown() -> None:
    body = {"success": False, "errors": [{"code": 1, "message": f"bad key {AUTH_KEY}\x1b[31m"}]}
    with (
        tcp_server(*saying(body, status="400 Bad Request")) as port,
        pytest.raises(AuthorityRefused) as caught,
    ):
        authority(f"http://127.0.0.1:{port}", cfssl_auth_key=AUTH_KEY).certificate(asked())
    assert AUTH_KEY not in str(caught.value)
    assert "bad key ***\\x1b[31m (code 1)" in str(caught.value)


def test_what_is_sent() -> None:
    """Neither `hosts` nor `subject`, and what the HMAC is of."""
    leaf, root = pem(certificate(CLIENT, ROOT)), pem(certificate(ROOT, ROOT))
    answers = [good({"certificate": each.decode(), "usages": ["client auth"]}) for each in (leaf, root)]
    seen: list[bytes] = []
    request = asked()
    with tcp_server(*saying(*answers, seen=seen)) as port:
        there = authority(f"http://127.0.0.1:{port}", cfssl_label="house", cfssl_auth_key=AUTH_KEY)
        assert there.certificate(request) == leaf + root
    sealed = json.loads(seen[0])
    inside = base64.b64decode(sealed["request"])
    digest = hmac.new(bytes.fromhex(AUTH_KEY), inside, hashlib.sha256).digest()
    assert base64.b64decode(sealed["token"]) == digest
    assert json.loads(inside) == {
        "certificate_request": asked().csr.decode()[: len("-----BEGIN")]
        + json.loads(inside)["certificate_request"][10:],
        "profile": "client",
        "label": "house",
    }
    assert json.loads(seen[1]) == {"label": "house", "profile": "server"}


def test_a_server_without_info_needs_its_root_named(tmp_path: Path) -> None:
    gone = saying(
        b"404 page not found\n", b"404 page not found\n", b"404 page not found\n", status="404 Not Found"
    )
    with tcp_server(*gone) as port, pytest.raises(AuthorityError, match=r"no /info.*cfssl_anchor=FILE"):
        authority(f"http://127.0.0.1:{port}").check()
    root = tmp_path / "root.pem"
    root.write_bytes(pem(certificate(ROOT, ROOT)))
    with tcp_server(*gone) as port:
        there = authority(f"http://127.0.0.1:{port}", cfssl_anchor=str(root))
        there.check()
        assert there.trust_anchor() == root.read_bytes()


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        ({"cfssl_url": ""}, "cfssl-url", "is not given"),
        ({"cfssl_url": "http://ca.example"}, "cfssl-url", "is not https"),
        ({"cfssl_profile": ""}, "cfssl-profile", "is not given"),
        ({"cfssl_client_profile": ""}, "cfssl-client-profile", "is not given"),
        ({"cfssl_client_profile": "server"}, "cfssl-client-profile", "is the same as"),
        ({"cfssl_cert": "/x"}, "cfssl-cert", "without cfssl_key"),
        ({"cfssl_key": "/x"}, "cfssl-key", "without cfssl_cert"),
        ({"cfssl_auth_key": "xyz"}, "cfssl-auth-key", "is not in hex"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, str], name: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        authority(**{"url": "https://127.0.0.1:9", **options}).check()
    assert caught.value.option == name
    assert "xyz" not in str(caught.value)


def test_it_says_where_the_ca_is() -> None:
    assert (
        authority("https://ca.example").ca_elsewhere == 'kept by the authority "cfssl" (https://ca.example)'
    )
