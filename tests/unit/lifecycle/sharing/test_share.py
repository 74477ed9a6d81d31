"""Sharing: what is in the file, who can use it, what is on record."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import needs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from heard import Heard
from own_certificates import read
from shared_ca import shared_ca
from shared_machine import shared_machine

from dinv import open as open_store
from dinv.authorities.local import LocalAuthority
from dinv.errors import (
    CertificateError,
    InvalidHolder,
    MachineUnfinished,
    OptionError,
)
from dinv.lifecycle.host import issuance
from dinv.lifecycle.sharing.share import unreachable
from dinv.pki import certificates
from dinv.store import access_log

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.lifecycle.host import Host
    from dinv.lifecycle.sharing.share import Share
    from dinv.machine import Machine
    from dinv.pki.requests import CertificateRequest
    from dinv.store.store import Store


def entries(share: Share) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(share.data)) as tar:
        return {
            member.name: (file.read() if (file := tar.extractfile(member)) else b"", member.mode)
            for member in tar
        }


def request(common_name: str = "whatever", key: certificates.PrivateKey | None = None) -> bytes:
    private = key or certificates.load_key(certificates.new_key(), "the key")
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_the_file_is_a_docker_context_with_a_client_of_her_own(machine: Machine, host: Host) -> None:
    share = machine.share("alice", lifetime="8h")
    found = entries(share)
    assert {name: mode for name, (_, mode) in found.items()} == {
        "meta.json": 0o644,
        "tls": 0o700,
        "tls/docker": 0o700,
        "tls/docker/ca.pem": 0o600,
        "tls/docker/cert.pem": 0o600,
        "tls/docker/key.pem": 0o600,
    }
    meta = json.loads(found["meta.json"][0])
    assert meta["Name"] == "dev"
    assert meta["Endpoints"] == {"docker": {"Host": "tcp://192.0.2.7:2376", "SkipTLSVerify": False}}
    facts = meta["Metadata"]["io.dinv.share"]
    assert (facts["Holder"], facts["Owner"]) == ("alice", f"bob@{os.uname().nodename}")
    leaf = read(found["tls/docker/cert.pem"][0])
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "alice"
    assert share.serial == facts["Serial"] == f"{leaf.serial_number:x}"
    left = leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=7.9) < left <= dt.timedelta(hours=8)


def test_no_key_of_the_owners_is_in_it(machine: Machine, host: Host) -> None:
    data = machine.share("alice").data
    for name in ("key.pem", "ca-key.pem", "server-key.pem"):
        with open(os.path.join(host.directory, name), "rb") as file:
            body = file.read().splitlines()[1]
        assert body not in data
    assert data.count(b"PRIVATE KEY-----") == 2  # hers: begin and end


def test_it_is_on_record_and_the_machine_is_not_asked(machine: Machine, host: Host, world: World) -> None:
    share = machine.share("alice")
    assert world.steps == []
    records, _ = access_log.read(host.directory)
    last = records[-1]
    assert (last.event, last.role, last.holder, last.serial) == ("issued", "client", "alice", share.serial)
    assert last.not_after == share.not_after
    assert last.by == f"bob@{os.uname().nodename}"


def test_twice_is_two_certificates(machine: Machine) -> None:
    first, second = machine.share("alice"), machine.share("alice")
    assert first.serial != second.serial
    assert [access.serial for access in machine.access() if access.holder] == [first.serial, second.serial]


def test_with_her_request_no_key_is_in_it_and_her_name_is_the_owners_choice(machine: Machine) -> None:
    csr = request("root")
    share = machine.share("alice", csr=csr)
    found = entries(share)
    assert "tls/docker/key.pem" not in found
    assert b"PRIVATE" not in share.data
    assert not share.has_key
    leaf = read(found["tls/docker/cert.pem"][0])
    assert leaf.public_key() == x509.load_pem_x509_csr(csr).public_key()
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "alice"


@pytest.mark.parametrize(
    ("csr", "said"),
    [
        (b"nothing", "not a certificate signing request"),
        (request()[:-40], "not a certificate signing request"),
        (request(key=rsa.generate_private_key(65537, 1024)), "2048 bits"),  # noqa: S505
    ],
)
def test_a_request_that_cannot_be_used(machine: Machine, csr: bytes, said: str) -> None:
    before = machine.access_log()
    with pytest.raises(CertificateError, match=said):
        machine.share("alice", csr=csr)
    assert machine.access_log() == before


def test_a_request_that_somebody_else_has_signed(machine: Machine) -> None:
    der = bytearray(x509.load_pem_x509_csr(request()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateError, match="not signed with the key"):
        machine.share("alice", csr=forged)


def test_a_request_that_is_not_there(machine: Machine) -> None:
    with pytest.raises(CertificateError, match=r"/nowhere/alice\.csr: No such file"):
        machine.share("alice", csr="/nowhere/alice.csr")


@pytest.mark.parametrize("holder", ["", "a b", "-alice", "x" * 65, "älice", "a/b", "a\nb", "@x"])
def test_names_that_nobody_can_have(machine: Machine, holder: str) -> None:
    with pytest.raises(InvalidHolder):
        machine.share(holder)


@pytest.mark.parametrize("holder", ["a", "alice@example.com", "ci-runner_7", "x" * 64])
def test_names_that_somebody_can_have(machine: Machine, holder: str) -> None:
    assert machine.share(holder).holder == holder


@pytest.mark.parametrize("ttl", ["8", "x", "59s", "9999999d", 0, -1])
def test_times_that_cannot_be(machine: Machine, ttl: str | int) -> None:
    with pytest.raises(OptionError):
        machine.share("alice", lifetime=ttl)


def test_by_default_it_is_valid_as_long_as_the_machines_own(world: World, store: Store) -> None:
    host = shared_machine(world, store)
    host.config.cert_lifetime = 7200
    with store.lock("dev", "a test"):
        store.save(host.config)
    share = open_store(store.path).get("dev").share("alice")
    left = dt.datetime.fromisoformat(share.not_after) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=1.9) < left <= dt.timedelta(hours=2)


def test_an_authority_that_gives_more_time_than_asked_is_refused(
    machine: Machine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalAuthority.certificate

    def longer(self: LocalAuthority, asked: CertificateRequest) -> bytes:
        asked.lifetime = None
        return real(self, asked)

    monkeypatch.setattr(LocalAuthority, "certificate", longer)
    with pytest.raises(CertificateError, match="longer than was asked for"):
        machine.share("alice", lifetime="8h")
    (access,) = [access for access in machine.access() if access.holder]
    assert access.state == "ended"


def test_during_a_renewal_that_was_killed_nothing_is_given(machine: Machine, host: Host) -> None:
    os.mkdir(os.path.join(host.directory, ".renewal"))
    with pytest.raises(MachineUnfinished, match="renewal"):
        machine.share("alice")


def test_a_ca_of_the_users_own_signs_where_its_key_is(world: World, store: Store, tmp_path: Path) -> None:
    shared_machine(world, store, ca=shared_ca(tmp_path / "pki"))
    machine = open_store(store.path).get("dev")
    share = machine.share("alice")
    assert (
        read(entries(share)["tls/docker/cert.pem"][0]).issuer
        == read((tmp_path / "pki" / "ca.pem").read_bytes()).subject
    )
    os.unlink(tmp_path / "pki" / "ca-key.pem")
    with pytest.raises(CertificateError, match=r"ca-key\.pem"):
        machine.share("bob")


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:2376", "tcp://localhost:2376", "tcp://[::1]:2376"])
def test_who_cannot_reach_it_is_said(world: World, store: Store, url: str) -> None:
    shared_machine(world, store, url=url)
    progress = Heard()
    open_store(store.path).get("dev").share("alice", progress=progress)
    (said,) = progress.warnings
    assert "can only be reached from the computer" in said
    assert "ssh -N -L 2376:" in said


def test_an_address_that_others_reach_needs_no_remark(machine: Machine, host: Host) -> None:
    progress = Heard()
    machine.share("alice", progress=progress)
    assert progress.warnings == []
    assert unreachable(host) == ""


@needs.programs("docker")
def test_dockers_own_cli_imports_it(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "alice.dinv"
    share = machine.share("alice")
    file.write_bytes(share.data)
    environment = {"DOCKER_CONFIG": str(tmp_path / "docker"), "PATH": os.environ["PATH"]}

    def docker(*words: str) -> str:
        done = subprocess.run(
            ["docker", "context", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    docker("import", "work", str(file))
    (found,) = json.loads(docker("inspect", "work"))
    assert found["Endpoints"]["docker"]["Host"] == "tcp://192.0.2.7:2376"
    assert found["TLSMaterial"] == {"docker": ["ca.pem", "cert.pem", "key.pem"]}
    assert found["Metadata"]["io.dinv.share"]["Holder"] == "alice"
    identifier = hashlib.sha256(b"work").hexdigest()
    key = tmp_path / "docker" / "contexts" / "tls" / identifier / "docker" / "key.pem"
    assert key.read_bytes() == entries(share)["tls/docker/key.pem"][0]
    # What the CLI writes of it is a share still.
    docker("export", "work", str(tmp_path / "again.dinv"))
    assert open_store(str(tmp_path / "alices")).import_(str(tmp_path / "again.dinv"), context=False) == "dev"


def test_what_is_on_record_of_it_is_a_fact_of_the_certificate(machine: Machine, host: Host) -> None:
    share = machine.share("alice")
    one = certificates.issued("client", entries(share)["tls/docker/cert.pem"][0])
    assert (one.serial, one.not_after) == (share.serial, share.not_after)
    assert one.serial not in {used.serial for used in issuance.in_use(host.directory)}
