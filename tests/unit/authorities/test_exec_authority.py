"""The authority "exec": what a command is told, what is taken from it, and what its failures look like."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from documents import blocks
from fake_driver import install
from own_certificates import names as names_in
from own_certificates import read
from signed_chains import CLIENT, MIDDLE, ROOT, certificate, key_pem, openssl_refusal, pem
from until_there import UntilThere

import dinv
from dinv.authorities import exec as exec_module
from dinv.authorities import open_authority
from dinv.authorities.exec import ExecAuthority, environment
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
    from pathlib import Path

    from fake_driver import World

    from dinv.authorities import CertificateRequest
    from dinv.errors import (
        DinvError,
    )
    from dinv.machines import Machines
    from dinv.pki.requests import Role

NAMES = ("dev.example.com", "10.0.0.7", "fd00::1")


def script(directory: Path, body: str, name: str = "sign") -> str:
    path = directory / name
    path.write_text("#!/bin/sh\n" + textwrap.dedent(body))
    path.chmod(0o755)
    return shlex.quote(str(path))


def authority(command: str, directory: Path, **more: Any) -> ExecAuthority:
    return ExecAuthority(machine="dev", directory=str(directory), options={"exec_command": command, **more})


def asked(role: Role = "client", **more: Any) -> CertificateRequest:
    names = NAMES if role == "server" else ()
    return certificates.request(key_pem(CLIENT), role=role, names=names, machine="dev", **more)


@pytest.fixture(scope="module")
def openssl_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page says, done."""
    directory = tmp_path_factory.mktemp("page")
    making, _ = [each.text for each in blocks("docs/authorities.md") if "test_exec_authority" in each.reason]
    subprocess.run(["sh", "-euc", making], cwd=directory, check=True, capture_output=True, timeout=60)
    return directory / "machine-ca"


# --- the example of the page ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["server", "client"])
def test_openssl_signs_as_the_page_says(openssl_ca: Path, tmp_path: Path, role: Role) -> None:
    there = authority(str(openssl_ca / "sign"), tmp_path)
    there.check()
    certified = certificates.certify(there, asked(role, lifetime=86400 * 7))
    assert certified.remarks == ()
    assert there.trust_anchor() == (openssl_ca / "ca.pem").read_bytes()
    name = NAMES[0] if role == "server" else ""
    assert openssl_refusal(tmp_path, certified.chain, there.trust_anchor(), role, name) == ""
    if role == "server":
        assert names_in(certified.chain) == list(NAMES)
    assert stat.S_IMODE((openssl_ca / "key.pem").stat().st_mode) == 0o600


def test_a_lifetime_that_openssl_rounds_is_told(openssl_ca: Path, tmp_path: Path) -> None:
    (remark,) = certificates.certify(
        authority(str(openssl_ca / "sign"), tmp_path), asked(lifetime=8 * 3600)
    ).remarks
    assert "valid for 1 day, until" in remark
    assert "not for 8 hours as asked. DINV_LIFETIME has the seconds that were asked for." in remark


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return dinv.Machines(str(tmp_path / "store"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return install(monkeypatch, str(tmp_path / "endpoint"))


def test_a_machine_is_made_with_it_and_remembers_it(
    openssl_ca: Path, machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(openssl_ca.parent)
    machines.create(
        "dev", driver="fake", context=False, authority="exec", exec_command="machine-ca/sign", exec_timeout=9
    ).close()
    directory = tmp_path / "store" / "machines" / "dev"
    record = json.loads((directory / "config.json").read_text())["Dinv"]
    assert record["Authority"] == "exec"
    assert record["AuthorityOptions"] == {"exec_command": str(openssl_ca / "sign"), "exec_timeout": 9.0}
    assert (directory / "ca.pem").read_bytes() == (openssl_ca / "ca.pem").read_bytes()
    assert "localhost" in names_in((directory / "server.pem").read_bytes())
    assert read((directory / "cert.pem").read_bytes()).issuer.rfc4514_string() == "CN=Machines"


# --- what it is told --------------------------------------------------------------------------------------


def test_what_a_command_is_told(tmp_path: Path) -> None:
    command = script(tmp_path, f"cat >{tmp_path}/csr; env | grep ^DINV_ | sort >{tmp_path}/told; exit 1")
    request = asked("server", lifetime=3600)
    with pytest.raises(AuthorityRefused):
        authority(command, tmp_path).certificate(request)
    assert (tmp_path / "csr").read_bytes() == request.csr
    told = dict(line.split("=", 1) for line in (tmp_path / "told").read_text().splitlines())
    assert json.loads(told.pop("DINV_REQUEST")) == {
        "version": 1,
        "role": "server",
        "names": list(NAMES),
        "machine": "dev",
        "holder": "",
        "lifetime": 3600,
        "common_name": "dev",
    }
    assert {key: told[key] for key in environment(request) if key != "DINV_REQUEST"} == {
        "DINV_ROLE": "server",
        "DINV_USAGE": "serverAuth",
        "DINV_NAMES": "dev.example.com,10.0.0.7,fd00::1",
        "DINV_SAN": "DNS:dev.example.com,IP:10.0.0.7,IP:fd00::1",
        "DINV_MACHINE": "dev",
        "DINV_HOLDER": "",
        "DINV_LIFETIME": "3600",
        "DINV_COMMON_NAME": "dev",
    }


def test_a_share_is_told_by_its_holder() -> None:
    told = environment(asked(holder="alice"))
    assert (told["DINV_ROLE"], told["DINV_NAMES"], told["DINV_LIFETIME"]) == ("client", "", "")
    assert (told["DINV_HOLDER"], told["DINV_COMMON_NAME"]) == ("alice", "alice")


def test_words_are_split_as_by_a_shell_and_none_is_run(tmp_path: Path) -> None:
    command = script(tmp_path, f'printf "<%s>" "$@" >{tmp_path}/words; exit 1', name="a b")
    with pytest.raises(AuthorityRefused):
        authority(command + " 'x y' $HOME ';' z", tmp_path).certificate(asked())
    assert (tmp_path / "words").read_text() == "<x y><$HOME><;><z>"


def test_a_relative_program_is_found_again_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "exit 3")
    monkeypatch.chdir(tmp_path)
    there = authority("./sign -x", tmp_path)
    assert there.options["exec_command"] == f"{tmp_path}/sign -x"
    # A long one is cut, and how long this is depends on where tests are run.
    assert there.ca_elsewhere.startswith(f'kept by the authority "exec" ({str(tmp_path)[:40]}')
    assert authority("openssl x509", tmp_path).options["exec_command"] == "openssl x509"


# --- what is taken from it --------------------------------------------------------------------------------


def signed(tmp_path: Path, *made: bytes, command: str = "", **more: Any) -> ExecAuthority:
    (tmp_path / "answer").write_bytes(b"".join(made))
    return authority(command or f"cat {tmp_path}/answer", tmp_path, **more)


CHAIN = [pem(certificate(CLIENT, MIDDLE)), pem(certificate(MIDDLE, ROOT)), pem(certificate(ROOT, ROOT))]


def test_the_root_at_the_end_is_trusted(tmp_path: Path) -> None:
    there = signed(tmp_path, b"Certificate:\n    text\n", *CHAIN)
    certified = certificates.certify(there, asked())
    assert certified.chain == b"".join(CHAIN[:2])
    assert there.trust_anchor() == CHAIN[2]


def test_a_named_root_need_not_be_printed(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"text\n" + CHAIN[2] + key_pem(CLIENT))
    there = signed(tmp_path, *CHAIN[:2], exec_ca=str(tmp_path / "root"))
    there.check()
    certified = certificates.certify(there, asked())
    assert certified.chain == b"".join(CHAIN[:2])
    assert there.trust_anchor() == CHAIN[2]


def test_a_root_that_is_not_the_named_one_is_not_trusted(tmp_path: Path) -> None:
    other = ROOT.but(name="other")
    (tmp_path / "root").write_bytes(pem(certificate(other, other)))
    there = signed(tmp_path, *CHAIN, exec_ca=str(tmp_path / "root"))
    with pytest.raises(ChainRefused, match="does not lead to the trust anchor") as caught:
        certificates.certify(there, asked())
    assert caught.value.remedy == "It has to print the issuers' certificates too, after the certificate."


def test_without_a_root_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="did not print the root") as caught:
        certificates.certify(signed(tmp_path, *CHAIN[:2]), asked())
    assert str(caught.value).endswith("or name a file with it by exec_ca=FILE.")


def test_an_existing_machines_root_is_known(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CHAIN[2])
    assert certificates.certify(signed(tmp_path, *CHAIN[:2]), asked()).chain == b"".join(CHAIN[:2])


def test_what_is_wrong_with_a_chain_is_told_with_what_to_do(tmp_path: Path) -> None:
    both = pem(certificate(CLIENT.but(usages=("client", "server")), MIDDLE))
    with pytest.raises(ChainRefused, match="besides clientAuth") as caught:
        certificates.certify(signed(tmp_path, both, *CHAIN[1:]), asked())
    assert caught.value.remedy == (
        "For clients it has to sign with extendedKeyUsage=clientAuth (DINV_USAGE) alone."
    )


# --- how it fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("exit 3", AuthorityRefused, "ended with exit status 3"),
        ("echo no such profile >&2; exit 3", AuthorityRefused, "ended with exit status 3: no such profile"),
        ("printf 'a\\nb\\033[31m\\n' >&2; exit 3", AuthorityRefused, "status 3:\n  a\n  b\\x1b[31m"),
        ("kill -KILL $$", AuthorityRefused, "was ended by SIGKILL"),
        ("kill -KILL $PPID", AuthorityError, "was lost: the process that looks after it has ended"),
        ("exit 0", AuthorityError, "ended well, and printed no certificate in PEM"),
        ("echo hello; echo oh >&2", AuthorityError, "printed no certificate in PEM: oh"),
        ("head -c 9000000 /dev/zero", AuthorityError, "printed more than 1048576 bytes, and was stopped"),
        (
            "echo '-----BEGIN CERTIFICATE-----'",
            CertificateError,
            "No certificate can be read from the output of",
        ),
    ],
)
def test_one_that_fails_is_one_clear_error(
    tmp_path: Path, body: str, kind: type[DinvError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        authority(script(tmp_path, body), tmp_path).certificate(asked())
    assert said in str(caught.value)
    assert str(tmp_path / "sign") in str(caught.value)


def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = script(tmp_path, f"echo asking the other one >&2; : > {tmp_path}/asks; sleep 300")
    monkeypatch.setattr(exec_module, "Deadline", lambda _seconds: UntilThere(tmp_path / "asks"))
    with pytest.raises(AuthorityUnreachable, match=r"did not end within 0\.5 s, and was stopped") as caught:
        authority(command, tmp_path, exec_timeout=0.5).certificate(asked())
    assert "asking the other one" in str(caught.value)
    assert "exec_timeout=SECONDS" in str(caught.value)


@pytest.mark.parametrize("where", ["", " >&2; exit 1"])
def test_a_key_is_neither_kept_nor_shown(tmp_path: Path, where: str) -> None:
    (tmp_path / "key").write_bytes(key_pem(CLIENT))
    command = script(tmp_path, f"cat {tmp_path}/key{where}")
    with pytest.raises(AuthorityError, match="private key") as caught:
        authority(command, tmp_path).certificate(asked())
    secret = key_pem(CLIENT).decode().splitlines()[1]
    assert secret not in str(caught.value)


def test_words_that_are_long_are_cut(tmp_path: Path) -> None:
    command = script(tmp_path, "yes no | head -n 100000 >&2; exit 1")
    with pytest.raises(AuthorityRefused) as caught:
        authority(command + " " + "x" * 5000, tmp_path).certificate(asked())
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "is not given"),
        ("/nowhere/sign", "cannot be run: there is no such program"),
        ("no-such-program-here", "cannot be run: there is no such program"),
        ("/etc", "may not be executed"),
        ("/etc/passwd", "may not be executed"),
        ("'open", "cannot be split into words"),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, command: str, said: str
) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        open_authority(
            "exec", machine="dev", directory=str(tmp_path), options={"exec_command": command}
        ).check()
    assert caught.value.option == "exec-command"


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("#!/nowhere/sh\n", 0o755, "not the interpreter that its first line names"),
        ("not a program\n", 0o755, "neither a program nor a script"),
        ("#!/bin/sh\n", 0o644, "it may not be executed"),
    ],
)
def test_a_command_that_cannot_be_run_any_more(tmp_path: Path, content: str, mode: int, said: str) -> None:
    path = tmp_path / "sign"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(AuthorityError, match=said):
        authority(str(path), tmp_path).certificate(asked())


@pytest.mark.parametrize("content", [None, b"hello", CHAIN[1]])
def test_a_root_that_is_none_is_refused_before_anything_is_made(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "root"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CertificateError, match="root"):
        authority("cat", tmp_path, exec_ca=str(path)).check()


# --- a machine's life with it -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["exit 1", "sleep 300", "echo hello", "cat /etc/hostname; kill -9 $$"])
def test_a_create_that_nobody_signs_leaves_nothing(
    tmp_path: Path, machines: Machines, world: World, body: str
) -> None:
    with pytest.raises(AuthorityError):
        machines.create(
            "dev",
            driver="fake",
            context=False,
            authority="exec",
            exec_command=script(tmp_path, body),
            exec_timeout=0.5,
        )
    assert not os.path.exists(tmp_path / "store" / "machines" / "dev")
    assert os.listdir(world.directory) == []


def test_a_renewal_that_nobody_signs_leaves_the_old_set_in_use(
    openssl_ca: Path, tmp_path: Path, machines: Machines, world: World
) -> None:
    command = script(tmp_path, f"exec {openssl_ca}/sign")
    options: dict[str, Any] = {"driver": "fake", "context": False, "authority": "exec"}
    machines.create("dev", **options, exec_command=command, exec_timeout=60).close()
    directory = tmp_path / "store" / "machines" / "dev"
    before = {path.name: path.read_bytes() for path in directory.glob("*.pem")}
    assert set(before) == {"ca.pem", "cert.pem", "key.pem", "server.pem", "server-key.pem"}
    record = json.loads((directory / "config.json").read_text())
    for body, seconds in (("exit 1", 60), ("sleep 300", 0.5), (f"cat {openssl_ca}/ca.pem", 60)):
        script(tmp_path, body)
        record["Dinv"]["AuthorityOptions"]["exec_timeout"] = seconds
        (directory / "config.json").write_text(json.dumps(record))
        with machines.get("dev") as machine, pytest.raises(CertificateError):
            machine.renew_certificates()
        assert {path.name: path.read_bytes() for path in directory.glob("*.pem")} == before
        assert not (directory / ".renewal").exists()
