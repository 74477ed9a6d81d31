"""A machine of somebody else's: imported, used, and left alone; files made to do harm."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from fake_driver import install
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_machine import shared_machine

from dinv import open as open_store
from dinv.endpoints import contexts
from dinv.errors import (
    AlreadyInStore,
    ArchiveError,
    DinvError,
    MachineExists,
    NotSupported,
    ShareExpired,
    WithoutDriver,
)
from dinv.lifecycle.sharing import received, share_file
from dinv.pki import certificates
from dinv.states import RUNNING
from dinv.store import access_log
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.lifecycle.host import Host
    from dinv.machine import Machine
    from dinv.machines import Machines


@pytest.fixture
def alices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Alice's store, on her own computer."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return open_store(str(tmp_path / "alices"))


def imported(alices: Machines, data: bytes, **more: Any) -> Machine:
    return alices.get(alices.import_(io.BytesIO(data), **more))


def test_she_has_what_docker_needs(machine: Machine, alices: Machines) -> None:
    hers = imported(alices, machine.share("alice").data)
    assert hers.name == "dev"
    assert hers.url == machine.url
    assert hers.environment() == {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": "tcp://192.0.2.7:2376",
        "DOCKER_CERT_PATH": hers.directory,
        "DOCKER_MACHINE_NAME": "dev",
    }
    modes = {name: os.stat(os.path.join(hers.directory, name)).st_mode & 0o777 for name in ("key.pem",)}
    assert modes == {"key.pem": 0o600}
    assert sorted(name for name in os.listdir(hers.directory) if name.endswith(".pem")) == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]
    context = contexts.read("dev")
    assert context is not None
    assert context.host == machine.url
    assert hers.expiry() == ""
    assert hers.config.shared["Holder"] == "alice"


def test_under_another_name_and_beside_the_machine_itself(machine: Machine, store: Store) -> None:
    machines = open_store(store.path)
    data = machine.share("alice").data
    hers = imported(machines, data, name="hers", context=False)
    assert hers.config.identity != machine.config.identity
    with pytest.raises(AlreadyInStore, match="hers"):
        machines.import_(io.BytesIO(data), name="third")
    with pytest.raises(MachineExists):
        machines.import_(io.BytesIO(machine.share("alice").data))


@pytest.mark.parametrize("verb", ["start", "stop", "kill", "restart"])
def test_what_its_owner_alone_can_do(machine: Machine, alices: Machines, verb: str) -> None:
    hers = imported(alices, machine.share("alice").data)
    with pytest.raises(WithoutDriver, match=f"shared with you by bob@{os.uname().nodename}: only they"):
        getattr(hers, verb)()


@pytest.mark.parametrize(
    "change",
    [
        lambda machine: machine.renew_certificates(),
        lambda machine: machine.upgrade(),
        lambda machine: machine.provision(),
        lambda machine: machine.share("carol"),
        lambda machine: machine.access(),
        lambda machine: machine.access_log(),
        lambda machine: machine.revoke("alice"),
    ],
)
def test_what_nobody_changes_but_its_owner(machine: Machine, alices: Machines, change: Any) -> None:
    hers = imported(alices, machine.share("alice").data)
    with pytest.raises(NotSupported, match=f"shared with you by bob@{os.uname().nodename}, who looks"):
        change(hers)


def test_it_is_forgotten_by_rm_and_nothing_else_happens(
    machine: Machine, alices: Machines, world: World
) -> None:
    hers = imported(alices, machine.share("alice").data)
    world.steps.clear()
    hers.remove()
    assert alices.names() == []
    assert contexts.read("dev") is None
    assert world.steps == []
    assert world.states["dev"] == RUNNING


def test_it_can_be_exported_and_imported_again(machine: Machine, alices: Machines, tmp_path: Path) -> None:
    out = io.BytesIO()
    imported(alices, machine.share("alice").data).export(out)
    other = open_store(str(tmp_path / "laptop"))
    again = imported(other, out.getvalue(), context=False)
    assert again.config.shared["Owner"].startswith("bob@")
    with pytest.raises(NotSupported, match="shared with you by bob"):
        again.provision()


def her_key_and_csr() -> tuple[bytes, bytes]:
    key = certificates.new_key()
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = csr.sign(certificates.load_key(key, "it"), hashes.SHA256())
    return key, signed.public_bytes(serialization.Encoding.PEM)


def test_the_key_that_she_has_is_given_at_the_import(
    machine: Machine, alices: Machines, tmp_path: Path
) -> None:
    key, csr = her_key_and_csr()
    data = machine.share("alice", csr=csr).data
    with pytest.raises(ArchiveError, match=r"no private key.*dinv import --key KEYFILE FILE"):
        alices.import_(io.BytesIO(data))
    (tmp_path / "alice.key").write_bytes(key)
    hers = imported(alices, data, key=str(tmp_path / "alice.key"))
    with open(os.path.join(hers.directory, "key.pem"), "rb") as file:
        assert file.read() == key


def test_another_key_is_refused(machine: Machine, alices: Machines, tmp_path: Path) -> None:
    _, csr = her_key_and_csr()
    data = machine.share("alice", csr=csr).data
    (tmp_path / "other.key").write_bytes(certificates.new_key())
    with pytest.raises(ArchiveError, match="the key is not its key"):
        alices.import_(io.BytesIO(data), key=str(tmp_path / "other.key"))
    with pytest.raises(ArchiveError, match="takes no other"):
        alices.import_(io.BytesIO(machine.share("alice").data), key=str(tmp_path / "other.key"))
    assert alices.names() == []


def test_one_that_has_expired(machine: Machine, alices: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    data = machine.share("alice", lifetime="1h").data
    monkeypatch.setattr(access_log, "now", lambda: "2099-01-01T00:00:00Z")
    with pytest.raises(ShareExpired, match=r'share of machine "dev" expired on .*Ask bob@.* for a new one'):
        alices.import_(io.BytesIO(data))
    assert alices.names() == []


def test_whom_to_ask_for_a_new_one(
    machine: Machine, alices: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = imported(alices, machine.share("alice", lifetime="1h").data)
    assert "ask bob@" in hers.expiry(soon=True) or hers.expiry(soon=True) == ""
    assert hers._host.driver.renewal("cert.pem") == f"ask bob@{os.uname().nodename} for a new one"


# Not a share, or a damaged one


def packed(
    members: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE, form: int = tarfile.USTAR_FORMAT
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def with_meta(data: bytes, change: Any) -> bytes:
    found = members(data)
    meta = json.loads(found["meta.json"])
    change(meta)
    return packed(found | {"meta.json": json.dumps(meta).encode()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda meta: meta.pop("Metadata"), "docker context import takes it"),
        (lambda meta: meta["Metadata"].pop("io.dinv.share"), "docker context import takes it"),
        (lambda meta: meta["Metadata"]["io.dinv.share"].update(Version=2), "Upgrade dinv"),
        (lambda meta: meta["Metadata"]["io.dinv.share"].update(Owner=7), "Owner is not a short text"),
        (lambda meta: meta["Metadata"]["io.dinv.share"].update(Owner="x" * 400), "Owner is not a short"),
        (lambda meta: meta["Metadata"]["io.dinv.share"].pop("Holder"), "Holder is not a short text"),
        (lambda meta: meta["Metadata"]["io.dinv.share"].update(Serial="-1"), "not a serial number"),
        (lambda meta: meta["Endpoints"].pop("docker"), "URL is not that of a machine"),
        *(
            (lambda meta, url=url: meta["Endpoints"]["docker"].update(Host=url), "URL is not that")
            for url in ("unix:///var/run/docker.sock", "ssh://me@h", "", 7, "tcp://a b", "tcp://h:99999")
        ),
        (lambda meta: meta["Metadata"]["io.dinv.share"].update(Machine="../../x"), "valid machine name"),
    ],
)
def test_what_is_no_share(machine: Machine, alices: Machines, change: Any, said: str) -> None:
    with pytest.raises(DinvError, match=said):
        alices.import_(io.BytesIO(with_meta(machine.share("alice").data, change)))
    assert alices.names() == []


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"tls/docker/../../../etc/passwd": b"x"}, "not a share's"),
        ({"/tls/docker/ca.pem": b"x"}, "not a share's"),
        ({"config.json": b"{}"}, "not a share's"),
        ({f"tls/docker/{number}.pem": b"x" for number in range(30)}, "not a share's"),
        ({"tls/docker/ca.pem": bytes(2 * 1024**2)}, "not a small file"),
        ({"tls/docker/cert.pem": b"nothing"}, "No certificate can be read from cert.pem of the share"),
        ({"tls/docker/key.pem": b"nothing"}, "No private key"),
        ({"tls/docker/ca.pem": b"nothing"}, "No certificate can be read"),
    ],
)
def test_what_does_not_belong_in_one(
    machine: Machine, alices: Machines, extra: dict[str, bytes], said: str
) -> None:
    data = packed(members(machine.share("alice").data) | extra)
    with pytest.raises(DinvError, match=said):
        alices.import_(io.BytesIO(data))
    assert alices.names() == []


def test_a_certificate_of_another_machine(
    machine: Machine, alices: Machines, tmp_path: Path, world: World
) -> None:
    other = shared_machine(world, Store(str(tmp_path / "other")))
    with open(os.path.join(other.directory, "ca.pem"), "rb") as file:
        data = packed(members(machine.share("alice").data) | {"tls/docker/ca.pem": file.read()})
    with pytest.raises(ArchiveError, match="does not lead to the trust anchor"):
        alices.import_(io.BytesIO(data))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_are_taken_of_a_share(alices: Machines, kind: bytes) -> None:
    with pytest.raises(ArchiveError, match="not a small file"):
        alices.import_(io.BytesIO(packed({"meta.json": b""}, kind=kind)))


def test_one_that_is_cut_short(machine: Machine, alices: Machines) -> None:
    data = machine.share("alice").data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        last = tar.getmembers()[-1]
    for length in (*range(600, last.offset_data, 97), last.offset_data + last.size - 1):
        with pytest.raises(DinvError):
            alices.import_(io.BytesIO(data[:length]))
    assert alices.names() == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A share, made once."""
    directory = tmp_path_factory.mktemp("share")
    with pytest.MonkeyPatch.context() as patch:
        world = install(patch, str(directory / "endpoint"))
        shared_machine(world, Store(str(directory / "store")))
        return open_store(str(directory / "store")).get("dev").share("alice").data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_whatever_a_share_holds_it_is_one_or_an_error(whole: bytes, data: st.DataObject) -> None:
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        _, found = received.machine_files(share_file.read(io.BytesIO(bytes(content))))
    except DinvError:
        return
    assert set(found) == {"config.json", "ca.pem", "cert.pem", "key.pem"}
    assert json.loads(found["config.json"])["Driver"]["URL"].startswith("tcp://")


def test_the_owner_can_import_it_beside_the_machine_and_it_is_not_the_machine(
    machine: Machine, host: Host, store: Store
) -> None:
    machines = open_store(store.path)
    imported(machines, machine.share("alice").data, name="hers", context=False).remove()
    assert machines.names() == ["dev"]
    assert os.path.exists(os.path.join(host.directory, "ca-key.pem"))
