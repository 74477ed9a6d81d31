"""Export and import: round trips, docker-machine's directories, hostile archives."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_ca import shared_ca

from dinv import open as open_store
from dinv.endpoints import contexts
from dinv.errors import (
    AlreadyInStore,
    ConfigError,
    DinvError,
    InputError,
    MachineExists,
    MachineNotFound,
    MachineUnfinished,
    StoreError,
    StoreNotWritable,
)
from dinv.lifecycle import transfer
from dinv.lifecycle.remove import remove
from dinv.lifecycle.transfer import LARGEST_FILE, export, import_
from dinv.pki import ssh_keys
from dinv.progress import Progress
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store
from dinv.system import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = {
    "ca.pem": b"CA",
    "ca-key.pem": b"CA KEY",
    "cert.pem": b"CERT",
    "key.pem": b"KEY",
    "server.pem": b"SERVER",
    "server-key.pem": b"SERVER KEY",
    "registry-ca/registry.test:5000.crt": b"REGISTRY",
    "access.log": b"{}\n",
}


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    warn = note


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with the machine dev."""
    store = Store(str(tmp_path / "store"))
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    config.driver.update(URL="tcp://127.0.0.1:1000", IPAddress="127.0.0.1", Container="dinv-dev")
    config.driver["Endpoint"] = {"URL": "unix:///var/run/docker.sock"}
    config.ours.update(Phase=READY, Context="dev")
    config.document()["Later"] = {"kept": [1, 2]}
    with store.claim("dev", "creating it"):
        store.save(config)
        os.mkdir(os.path.join(config.directory, "registry-ca"))
        for path, data in {**FILES, ".renewal": b"", "config.json.bak": b"", "disk.vmdk": b"D"}.items():
            with open(os.path.join(config.directory, path), "wb") as file:
                file.write(data)
    return store


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "other"))


def exported(store: Store, name: str = "dev") -> io.BytesIO:
    out = io.BytesIO()
    export(store, name, out)
    out.seek(0)
    return out


def archive(content: Mapping[str, bytes], **changes: Any) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in content.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            for key, value in changes.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(data))
    out.seek(0)
    return out


def config_of(**changes: Any) -> bytes:
    config = MachineConfig.new(name="dev", store_path="/s", driver_name="docker", identity="x", created="")
    config.ours["Phase"] = READY
    return json.dumps(config.document() | changes).encode()


def read(store: Store, name: str) -> dict[str, tuple[bytes, int]]:
    found = {}
    for directory, _, names in os.walk(store.directory(name)):
        for file in names:
            path = os.path.join(directory, file)
            with open(path, "rb") as opened:
                found[os.path.relpath(path, store.directory(name))] = (
                    opened.read(),
                    os.stat(path).st_mode & 0o777,
                )
    return found


# There and back


@pytest.mark.parametrize("name", ["", "prod"])
def test_a_machine_moves_with_all_that_is_its_own(store: Store, other: Store, name: str) -> None:
    got = import_(other, exported(store), Notes(), name=name, context=False)
    assert got == (name or "dev")
    content = read(other, got)
    assert {path: data for path, (data, _) in content.items() if path in FILES} == FILES
    assert set(content) == {*FILES, "config.json", ".lock"}
    private = {path for path, (_, mode) in content.items() if mode == 0o600}
    assert private == {"ca-key.pem", "key.pem", "server-key.pem", "config.json", "access.log", ".lock"}
    config = other.load(got)
    assert config.identity == "x"
    assert config.driver["Container"] == "dinv-dev"
    assert config.driver["MachineName"] == got
    assert config.document()["Later"] == {"kept": [1, 2]}
    assert config.shown()["HostOptions"]["AuthOptions"]["CaCertPath"] == f"{other.directory(got)}/ca.pem"
    assert os.stat(other.directory(got)).st_mode & 0o777 == 0o700


def test_the_endpoint_of_another_computer_is_pointed_out(store: Store, other: Store) -> None:
    notes = Notes()
    import_(other, exported(store), notes, context=False)
    assert any("unix:///var/run/docker.sock" in note for note in notes.notes)


def test_by_file_by_directory_and_open(store: Store, other: Store, tmp_path: Path) -> None:
    (tmp_path / "dev.tar").write_bytes(exported(store).read())
    assert import_(other, str(tmp_path / "dev.tar"), Notes(), name="a", context=False) == "a"
    notes = Notes()
    with pytest.raises(AlreadyInStore, match='in the store already, as "a"'):
        import_(other, store.directory("dev") + "/", notes, context=False)
    other.remove("a")
    assert import_(other, store.directory("dev") + "/", notes, context=False) == "dev"
    assert any("disk.vmdk" in note for note in notes.notes)
    assert not any(".renewal" in note or ".bak" in note for note in notes.notes)
    assert other.names() == ["dev"]


def test_of_a_directory_where_certificates_were_being_replaced_the_new_ones_count(
    store: Store, other: Store
) -> None:
    pair = [("ca-key.pem", b"NEW CA KEY", 0o600), ("key.pem", b"NEW KEY", 0o600)]
    files.stage_set(store.directory("dev"), pair)
    import_(other, store.directory("dev"), Notes(), context=False)
    found = {path: data for path, (data, _) in read(other, "dev").items() if path in FILES}
    assert found == {**FILES, "ca-key.pem": b"NEW CA KEY", "key.pem": b"NEW KEY"}
    assert sorted(os.listdir(os.path.join(store.directory("dev"), files.PENDING))) == [
        "ca-key.pem",
        "key.pem",
    ]


def test_of_a_shared_ca_the_certificate_comes_along_and_where_it_was_does_not(
    store: Store, other: Store, tmp_path: Path
) -> None:
    """An archive that names a CA of whoever imports it would have that sign."""
    config = store.load("dev")
    shared_ca(tmp_path, client=True).record(config)
    (tmp_path / "ca-key.pem").write_bytes(b"THE CA'S KEY")
    os.unlink(os.path.join(config.directory, "ca-key.pem"))
    with store.lock("dev", "test"):
        store.save(config)
    out, notes = exported(store), Notes()
    assert b"THE CA'S KEY" not in out.getvalue()
    import_(other, out, notes, name="moved", context=False)
    auth = other.load("moved").auth_options
    assert auth["CaCertPath"] == "machines/moved/ca.pem"
    assert auth["CaPrivateKeyPath"] == ""
    assert (auth["ClientCertPath"], auth["ClientKeyPath"]) == (
        "machines/moved/cert.pem",
        "machines/moved/key.pem",
    )
    assert any("its private key has not come along" in note for note in notes.notes)


def test_it_gets_a_context_of_its_own(store: Store, other: Store) -> None:
    import_(other, exported(store), Notes())
    context = contexts.read("dev")
    assert context is not None
    assert context.host == "tcp://127.0.0.1:1000"
    assert other.load("dev").ours["Context"] == "dev"


def test_a_context_that_is_there_stays_whosever_it_is(store: Store, other: Store) -> None:
    """Also the machine's own, by the other store: the removal here would take it away there."""
    contexts.write("dev", host="tcp://h:1", description="", owner="x", ca=b"c", cert=b"c", key=b"k")
    notes = Notes()
    import_(other, exported(store), notes)
    assert any("context" in note for note in notes.notes)
    assert other.load("dev").ours["Context"] == ""


def test_a_name_that_no_context_can_have(store: Store, other: Store) -> None:
    notes = Notes()
    assert import_(other, exported(store), notes, name="default") == "default"
    assert other.load("default").ours["Context"] == ""


def test_what_is_there_is_not_replaced(store: Store, other: Store) -> None:
    with pytest.raises(MachineExists):
        import_(store, exported(store), Notes())
    half = MachineConfig.new(
        name="half", store_path=other.path, driver_name="docker", identity="y", created=""
    )
    with other.claim("half", "creating it"):
        other.save(half)
    with pytest.raises(MachineExists):
        import_(other, exported(store), Notes(), name="half")
    assert other.load("half").identity == "y"


def test_what_a_killed_import_left_is_no_obstacle(store: Store, other: Store) -> None:
    with other.claim("dev", "importing it"), open(f"{other.directory('dev')}/ca.pem", "wb") as file:
        file.write(b"half")
    import_(other, exported(store), Notes(), context=False)
    assert other.load("dev").identity == "x"


def test_the_stores_certificates_come_along_with_a_host_that_is_reached_by_them(
    tmp_path: Path, other: Store
) -> None:
    machines = open_store(str(tmp_path / "with-certs"))
    certs = tmp_path / "with-certs" / "certs"
    certs.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (certs / name).write_text(f"-----BEGIN {name}-----")
    machines.create("given", driver="none", url="tcp://h:2376", context=False).close()
    import_(other, exported(machines._store, "given"), Notes(), context=False)
    machine = open_store(other.path).get("given")
    assert machine.environment()["DOCKER_CERT_PATH"] == machine.directory
    assert read(other, "given")["key.pem"] == (b"-----BEGIN key.pem-----", 0o600)
    (certs / "key.pem").unlink()
    with pytest.raises(InputError, match=r"certs/key\.pem: No such file"):
        exported(machines._store, "given")


def test_an_archive_does_not_say_where_the_store_is(store: Store) -> None:
    with tarfile.open(fileobj=exported(store)) as tar:
        record = tar.extractfile("dev/config.json")
        assert record is not None
        assert store.path.encode() not in record.read()


def test_killed_before_its_config_is_written_rm_by_force_removes_it(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", die)
        patch.setattr(Store, "remove", die)
        with pytest.raises(Killed):
            import_(other, exported(store), Notes(), context=False)
    assert other.names() == ["dev"]
    # There are keys, and what they are for is not known any more.
    with pytest.raises(StoreError, match=r"dinv rm -f dev"):
        remove(other, "dev")
    remove(other, "dev", force=True)
    assert other.names() == []


def test_what_cannot_be_written_leaves_nothing(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    out = exported(store)
    monkeypatch.setattr("dinv.system.files.write_all", full)
    with pytest.raises(StoreNotWritable, match="No space"):
        import_(other, out, Notes(), context=False)
    assert other.names() == []


JOURNAL = {"Driver": {}, "ImageContract": "dinv", "DockerVersion": "", "Running": True, "Answers": False}


@pytest.mark.parametrize("change", [{"Phase": CREATING}, {"Upgrade": JOURNAL}])
def test_what_is_half_done_is_not_exported(store: Store, change: dict[str, Any]) -> None:
    config = store.load("dev")
    config.ours.update(change)
    with store.lock("dev", "test"):
        store.save(config)
    with pytest.raises(MachineUnfinished, match="cannot be exported"):
        exported(store)
    with pytest.raises(MachineNotFound):
        exported(store, "nosuch")


# docker-machine's


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A directory as docker-machine makes one, of a virtualbox machine."""
    base = tmp_path / "home" / ".docker" / "machine"
    directory = base / "machines" / "vm"
    directory.mkdir(parents=True)
    auth = {
        "CertDir": f"{base}/certs",
        "CaCertPath": f"{base}/certs/ca.pem",
        "CaPrivateKeyPath": f"{base}/certs/ca-key.pem",
        "ServerCertPath": f"{directory}/server.pem",
        "ServerKeyPath": f"{directory}/server-key.pem",
        "ClientKeyPath": f"{base}/certs/key.pem",
        "ClientCertPath": f"{base}/certs/cert.pem",
        "StorePath": str(directory),
    }
    driver = {
        "IPAddress": "192.0.2.7",
        "MachineName": "vm",
        "SSHKeyPath": f"{directory}/id_rsa",
        "StorePath": str(base),
    }
    document = {
        "ConfigVersion": 3,
        "Driver": driver,
        "DriverName": "virtualbox",
        "HostOptions": {"EngineOptions": {}, "SwarmOptions": {}, "AuthOptions": auth},
        "Name": "vm",
    }
    (directory / "config.json").write_text(json.dumps(document))
    for name in ("ca.pem", "cert.pem", "key.pem", "server.pem", "server-key.pem", "id_rsa", "id_rsa.pub"):
        (directory / name).write_bytes(name.encode())
    (directory / "boot2docker.iso").write_bytes(b"x" * 2 * LARGEST_FILE)
    (directory / "vm").mkdir()
    return directory


def test_docker_machines_directories_come_without_its_disks(foreign: Path, other: Store) -> None:
    before = {path: path.stat().st_mtime_ns for path in [foreign, *foreign.iterdir()]}
    notes = Notes()
    assert import_(other, str(foreign), notes, name="box") == "box"
    assert {path: path.stat().st_mtime_ns for path in [foreign, *foreign.iterdir()]} == before
    assert any("boot2docker.iso" in note for note in notes.notes)
    files = read(other, "box")
    assert files["id_rsa"] == (b"id_rsa", 0o600)
    assert files["id_rsa.pub"] == (b"id_rsa.pub", 0o644)
    document = other.load("box").document()
    assert "Dinv" not in document
    assert document["Driver"]["MachineName"] == "vm"
    assert document["Driver"]["SSHKeyPath"] == f"{other.path}/machines/box/id_rsa"
    auth = document["HostOptions"]["AuthOptions"]
    assert auth["ClientCertPath"] == f"{other.path}/machines/box/cert.pem"
    assert auth["CaPrivateKeyPath"] == ""
    assert str(foreign.parent.parent) not in json.dumps(document)


def test_docker_machines_can_be_exported_and_are_not_touched(foreign: Path, other: Store) -> None:
    store = Store(str(foreign.parent.parent))
    names = set(os.listdir(foreign))
    assert import_(other, exported(store, "vm"), Notes()) == "vm"
    assert set(os.listdir(foreign)) == names


def test_ssh_comes_along(store: Store, other: Store) -> None:
    config = store.load("dev")
    ssh_keys.user_key(config.directory, "dinv dev")
    ssh_keys.server_key(config.directory, "dinv dev", "dinv-x")
    config.driver.update(SSHUser="root", SSHPort=22, SSHKeyPath="machines/dev/id_ed25519")
    store.save(config)
    before = read(store, "dev")
    notes = Notes()
    import_(other, exported(store), notes, name="box", context=False)
    names = (
        "id_ed25519",
        "id_ed25519.pub",
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
        "known_hosts",
    )
    assert {name: read(other, "box")[name] for name in names} == {name: before[name] for name in names}
    assert read(other, "box")["ssh_host_ed25519_key"][1] == 0o600
    assert read(other, "box")["known_hosts"][1] == 0o644
    assert other.load("box").driver["SSHKeyPath"] == "machines/box/id_ed25519"
    # From a directory, too, the key's second name is no loss.
    other.remove("box")
    import_(other, config.directory, notes, name="box", context=False)
    assert not [note for note in notes.notes if "id_rsa" in note]
    assert "id_ed25519" in read(other, "box")


# What is not to be trusted


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ca.pem",
        "dev/../../ca.pem",
        "dev/registry-ca/../../../x.crt",
        "dev/registry-ca/.hidden.crt",
        "dev/.lock",
        "dev/x/ca.pem",
        "dev/CA.pem",
        "dev/ca.pem\n",
        "dev/id_rsa/../../x",
        "ca.pem",
    ],
)
def test_other_paths_are_not_taken(other: Store, tmp_path: Path, path: str) -> None:
    notes = Notes()
    import_(other, archive({"dev/config.json": config_of(), path: b"evil"}), notes, context=False)
    assert set(read(other, "dev")) == {"config.json", ".lock"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"other"}
    assert len(notes.notes) == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_regular_files_are_taken(other: Store, kind: bytes) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        import_(other, archive({"dev/config.json": b""}, type=kind, linkname="/etc/passwd"), Notes())
    assert other.names() == []


def test_modes_and_owners_are_ours(other: Store) -> None:
    content = {"dev/config.json": config_of(), "dev/key.pem": b"KEY", "dev/ca.pem": b"CA"}
    import_(other, archive(content, mode=0o6777, uid=12345), Notes(), context=False)
    files = read(other, "dev")
    assert (files["key.pem"][1], files["ca.pem"][1]) == (0o600, 0o644)
    assert os.stat(os.path.join(other.directory("dev"), "key.pem")).st_uid == os.getuid()


def test_too_much_is_refused(other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="more than"):
        import_(other, archive({"dev/config.json": config_of(), "dev/ca.pem": b"x" * 1024**2 * 2}), Notes())
    many = {f"dev/registry-ca/r{number}.crt": b"x" for number in range(200)}
    with pytest.raises(InputError, match="more than"):
        import_(other, archive({"dev/config.json": config_of(), **many}), Notes())
    monkeypatch.setattr(transfer, "MOST_MEMBERS", 3)
    with pytest.raises(InputError, match="more than 3"):
        import_(other, archive({f"x{number}": b"" for number in range(9)}), Notes())
    assert other.names() == []


def test_what_claims_to_be_large_and_is_not_there(other: Store) -> None:
    out = io.BytesIO()
    member = tarfile.TarInfo("dev/ca.pem")
    member.size = 1000
    out.write(member.tobuf() + b"short")
    out.seek(0)
    with pytest.raises(InputError, match="damaged"):
        import_(other, out, Notes())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "no config.json"),
        ({"dev/config.json": b"{"}, "not valid JSON"),
        ({"dev/config.json": b"\xff"}, "not valid JSON"),
        ({"dev/config.json": b"[" * 100_000}, "not valid JSON"),
        ({"-x/config.json": config_of()}, "ame"),
        ({"../config.json": config_of()}, "ame"),
        ({"dev/config.json": config_of(), "b/ca.pem": b""}, "2 machines"),
        ({"dev/config.json": config_of(), "../ca.pem": b""}, "2 machines"),
        ({"dev/config.json": config_of(Dinv={"ID": "x", "Version": 1, "Phase": CREATING})}, "did not finish"),
    ],
)
def test_what_is_no_machine_is_refused(other: Store, content: dict[str, bytes], said: str) -> None:
    with pytest.raises((InputError, MachineUnfinished), match=said):
        import_(other, archive(content), Notes())
    assert other.names() == []


def test_a_config_of_the_wrong_shape_is_refused(other: Store) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"Driver": 3},
        {"Dinv": {"ID": 3}},
        {"HostOptions": {"AuthOptions": []}},
    )
    for change in changes:
        with pytest.raises(ConfigError):
            import_(other, archive({"dev/config.json": config_of(**change)}), Notes())
    assert other.names() == []


def test_a_config_that_lacks_something_is_refused_before_anything_is_written(other: Store) -> None:
    config = json.loads(config_of())
    del config["Dinv"]["Authority"]
    with pytest.raises(ConfigError, match=r"Authority is missing\. Nothing was imported\.") as caught:
        import_(other, archive({"dev/config.json": json.dumps(config).encode()}), Notes())
    assert caught.value.hints == []
    assert other.names() == []


def test_twice_the_same_file_is_refused(other: Store) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for _ in range(2):
            member = tarfile.TarInfo("dev/config.json")
            member.size = len(config_of())
            tar.addfile(member, io.BytesIO(config_of()))
    out.seek(0)
    with pytest.raises(InputError, match="twice"):
        import_(other, out, Notes())


def test_compressed_archives_are_not_unpacked(store: Store, other: Store) -> None:
    import gzip

    with pytest.raises(InputError, match="not an archive"):
        import_(other, io.BytesIO(gzip.compress(exported(store).read())), Notes())


@given(st.data())
def test_no_archive_whatever_is_more_than_an_error(data: st.DataObject) -> None:
    """Of a good archive some bytes are changed, or something else altogether is read."""
    whole = archive({"dev/config.json": config_of(), "dev/ca.pem": b"CA", "dev/key.pem": b"K"}).getvalue()
    if data.draw(st.booleans()):
        content = bytearray(whole)
        for place in data.draw(st.lists(st.integers(0, 4095), max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        content = bytearray(data.draw(st.binary(max_size=2048)))
    try:
        _, found, _ = transfer.read_archive(io.BytesIO(bytes(content)), None)
        transfer._config(found, "dev", "/store")
    except DinvError:
        pass


# Made to do harm

OUTSIDE = "/home/exporter/.docker/machine/certs/secret.pem"


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "path", [OUTSIDE, "../../../../etc/shadow", "machines/other/ca-key.pem", "certs/ca-key.pem"]
)
@pytest.mark.parametrize("ours", [True, False])
def test_nothing_in_the_record_leads_out_of_the_archive(other: Store, path: str, *, ours: bool) -> None:
    document = json.loads(config_of())
    auth = document["HostOptions"]["AuthOptions"]
    for key in auth:
        auth[key] = [] if key == "ServerCertSANs" else path
    auth["SomeKeyPath"] = path
    document["Driver"].update(SSHKeyPath=path, SSHKey=path, StorePath=path, CertificateSource=path)
    tls = {"CA": path, "Cert": path, "Key": path, "Verify": True}
    document["Driver"]["Endpoint"] = {"URL": "tcp://10.0.0.1:2376", "Context": "prod", "TLS": tls}
    document["Dinv"]["Authority"] = "vault"
    document["Dinv"]["AuthorityOptions"] = {"key": path, "url": "https://ca.test", "role": "machines"}
    if not ours:
        del document["Dinv"]
        document["Driver"]["Endpoint"] = None
    notes = Notes()
    import_(other, archive({"dev/config.json": json.dumps(document).encode()}), notes, context=False)
    config = other.load("dev")
    assert path not in strings(config.document())
    shown = config.shown()
    for each in [*strings(shown["HostOptions"]["AuthOptions"]), shown["Driver"]["SSHKeyPath"]]:
        assert each in ("", other.path) or each.startswith(config.directory)
    if ours:
        tls = {"CA": "", "Cert": "", "Key": "", "Verify": True}
        assert config.driver["Endpoint"] == {"URL": "tcp://10.0.0.1:2376", "Context": "", "TLS": tls}
        assert config.authority_options == {}
        assert config.imported_authority_options == {"url": "https://ca.test", "role": "machines"}
        assert any(
            "Dinv.AuthorityOptionsImported: look whether you trust them" in note for note in notes.notes
        )
        assert any('docker context "prod"' in note and "tcp://10.0.0.1:2376" in note for note in notes.notes)


def test_certificates_for_the_endpoint_that_stayed_behind_are_told(other: Store) -> None:
    document = json.loads(config_of())
    tls = {"CA": OUTSIDE, "Cert": "", "Key": "", "Verify": False}
    document["Driver"]["Endpoint"] = {"URL": "tcp://10.0.0.1:2376", "Context": "", "TLS": tls}
    notes = Notes()
    import_(other, archive({"dev/config.json": json.dumps(document).encode()}), notes, context=False)
    assert any("certificates for it" in note for note in notes.notes)
    assert other.load("dev").driver["Endpoint"]["TLS"]["Verify"] is False


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_without_end_is_not_read(other: Store, kind: bytes) -> None:
    class Endless(io.RawIOBase):
        """A header that says 8 GiB, and as many bytes as are asked for."""

        given = 0
        first = tarfile.TarInfo("x")

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            assert self.given < 20 * 1024 * 1024, "read on and on"
            begin = b"" if self.given else self.first.tobuf(tarfile.GNU_FORMAT)
            self.given += size
            return (begin + bytes(max(0, size - len(begin))))[:size]

    Endless.first.type, Endless.first.size = kind, 8 << 30
    with pytest.raises(InputError, match="damaged: a header of"):
        import_(other, Endless(), Notes())  # type: ignore[arg-type]
    assert other.names() == []


def test_headers_within_headers_are_an_error(other: Store) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    with pytest.raises(InputError, match="damaged"):
        import_(other, io.BytesIO(header.tobuf(tarfile.USTAR_FORMAT) * 3000), Notes())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_an_archive_is_it_is_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    other = Store(str(tmp_path_factory.mktemp("fuzz")))
    whole = bytearray(archive({"dev/config.json": config_of(), "dev/ca.pem": b"CA"}).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 3000))
        new = data.draw(st.binary(min_size=1, max_size=12))
        whole[at : at + len(new)] = new
    for start in range(0, 3072, 512):  # with sums that are right
        block = whole[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    try:
        import_(other, io.BytesIO(bytes(whole)), Notes(), context=False)
    except DinvError:
        assert other.names() == []
    else:
        assert len(other.names()) == 1
