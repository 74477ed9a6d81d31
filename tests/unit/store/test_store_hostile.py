"""What lies in a store that is no machine's, or no machine's any more: one bad row, and nobody waits."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinv import drivers
from dinv.cli.show import machine_rows
from dinv.drivers.docker.driver import DockerDriver
from dinv.errors import ConfigError, DinvError, EndpointUnreachable
from dinv.lifecycle.host import certificates, context
from dinv.listing.active import active
from dinv.listing.asking import statuses
from dinv.listing.filters import Filters
from dinv.machine import Machine
from dinv.machines import open_machines as open_store
from dinv.progress import Progress
from dinv.shells import env
from dinv.states import ERROR
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store
from dinv.system import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
CONFIG = "machines/bad/config.json"


def good(store: Store, name: str = "good") -> MachineConfig:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity=f"id-{name}", created="2026-01-01"
    )
    config.ours["Phase"] = READY
    config.driver.update(
        URL="tcp://127.0.0.1:1", IPAddress="127.0.0.1", Container="dinv-good", Image="dinv:latest", Port=1,
        Host="127.0.0.1", IP="", PublishAddress="", Network="", Isolation="capabilities", Memory=0, CPUs=0,
        CacheSize=0, CacheVolume="v", CacheVolumeKept=False, CacheVolumeNamed=False, Published=True,
        PortChosen=False, Labels={}, DNS=[], VolumeStore="", Flavour="engine",
        Endpoint={"URL": "unix:///nosuch.sock", "Context": "", "TLS": None},
        OwnNetwork={"Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1", "Bridge": "b"},
        PublishPorts=[{"Address": "", "Port": 8000, "MachinePort": 80, "Protocol": "tcp"}],
        AddressPools=[{"Base": "172.18.0.0/20", "Size": 20}],
        Avoid=["10.2.0.0/24"],
        Reached="own address",
    )  # fmt: skip
    with store.claim(name, "testing"):
        store.save(config)
    return config


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "s"))
    good(made)
    os.mkdir(made.directory("bad"))
    return made


def loop(path: str) -> None:
    os.symlink(os.path.basename(path), path)


def listening(path: str) -> None:
    # Under a short name: that of a socket has 107 bytes (macOS: 103), and the tests' directory may be deep.
    with socket.socket(socket.AF_UNIX) as sock, contextlib.chdir(os.path.dirname(path)):
        sock.bind(os.path.basename(path))


def text(content: bytes) -> Callable[[str], None]:
    return lambda path: files.write(path, content, mode=0o600)


def huge(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 30)


BAD: dict[str, Callable[[str], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: os.symlink("/dev/zero", path),
    "socket": listening,
    "loop": loop,
    "directory": os.mkdir,
    "nothing": lambda path: os.symlink("/nonexistent/at/all", path),
    "a gigabyte": huge,
    "deep": text(b"[" * 100_000),
    "deep and whole": text(b'{"a":' * 400 + b"1" + b"}" * 400),
    "not JSON": text(b"\x00\xff"),
    "a long number": text(b"1" * 10_000),
    "surrogates": text(b'{"Driver": {"URL": "\\ud800"}, "DriverName": "docker", "HostOptions": {}}'),
    "a list": text(b"[]"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_one_bad_row(store: Store, kind: str) -> None:
    BAD[kind](os.path.join(store.path, CONFIG))
    found = {row.name: row for row in statuses(store, timeout=1, filters=Filters(["name=."]))}
    assert set(found) == {"bad", "good"}
    assert found["bad"].status.state == ERROR
    assert "config.json: " in found["bad"].status.error
    assert "nosuch.sock" in found["good"].status.error


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind not in {"directory", "device"}])
def test_a_bad_record_can_be_removed(store: Store, kind: str) -> None:
    BAD[kind](os.path.join(store.path, CONFIG))
    assert open_store(store.path).remove("bad", force=True)
    assert store.names() == ["good"]


def test_an_entry_that_leads_to_itself_is_one_bad_row(store: Store) -> None:
    loop(store.directory("loop"))
    found = {row.name: row.status for row in statuses(store, timeout=1)}
    assert found["loop"].state == ERROR
    assert found["good"].state == ERROR
    assert "nosuch.sock" in found["good"].error


def test_what_is_no_directory_is_no_machine(store: Store) -> None:
    os.mkfifo(store.directory("pipe"))
    listening(store.directory("socket"))
    os.symlink("/nonexistent/at/all", store.directory("nowhere"))
    os.symlink("/dev/null", store.directory("device"))
    assert store.names() == ["bad", "good"]


def test_a_name_that_is_no_text_is_one_bad_row(store: Store) -> None:
    os.mkdir(os.fsencode(store.machines_directory) + b"/caf\xe9")
    found = {row.name: row.status for row in statuses(store, timeout=1)}
    assert found["caf\udce9"].state == ERROR


@pytest.mark.parametrize("kind", ["pipe", "socket", "loop"])
def test_a_lock_that_is_no_file_is_told(store: Store, kind: str) -> None:
    os.unlink(os.path.join(store.directory("good"), ".lock"))
    BAD[kind](os.path.join(store.directory("good"), ".lock"))
    with pytest.raises(DinvError, match=r"\.lock"):
        open_store(store.path).remove("good")


def test_what_is_read_as_a_whole_is_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    for make, said in ((os.mkfifo, "named pipe"), (listening, "socket"), (os.mkdir, "directory")):
        make(path)
        with pytest.raises(OSError, match=said):
            files.read(path)
        with pytest.raises(OSError, match=said):
            files.check(path)
        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
    files.write(path, b"1234", mode=0o600)
    os.symlink(path, tmp_path / "link")
    assert files.read(str(tmp_path / "link"), largest=4) == b"1234"
    with pytest.raises(OSError, match="more than 3 bytes"):
        files.read(path, largest=3)
    with pytest.raises(OSError, match="more than 3 bytes"):
        files.check(path, largest=3)


def test_removing_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    os.symlink(tmp_path / "kept", tmp_path / "link")
    files.remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["file"]


# Records with values of any kind


def places(document: dict[str, Any]) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = [(key,) for key in document]
    for part in ("Driver", "Dinv", "HostOptions"):
        found += [(part, key) for key in document[part]]
    found += [
        ("HostOptions", part, key)
        for part in ("EngineOptions", "SwarmOptions", "AuthOptions")
        for key in (*document["HostOptions"][part], "Labels", "Env", "ServerCertSANs", "Discovery")
    ]
    found += [("Driver", "Endpoint", key) for key in ("URL", "Context", "TLS")]
    return [
        *found,
        ("Dinv", "Upgrade"),
        ("Dinv", "Stopped"),
        ("Driver", "OwnNetwork"),
        ("Driver", "PublishPorts"),
        ("Driver", "PublishPorts", 0),
        ("Driver", "PublishPorts", 0, "Port"),
        ("Driver", "AddressPools"),
        ("Driver", "AddressPools", 0),
        ("Driver", "AddressPools", 0, "Base"),
        ("Driver", "Avoid"),
        ("Driver", "OwnNetwork", "Subnet"),
        ("Driver", "SSHUser"),
        ("Driver", "OwnAddress"),
    ]


USES: tuple[Callable[[Machine, Store], object], ...] = (
    lambda machine, _: json.dumps(machine.inspect()),
    lambda machine, _: env.setting(machine, no_proxy=True, swarm=True),
    lambda machine, _: (machine.docker_flags(), machine.known_ip()),
    lambda machine, _: machine.own_ip(),
    lambda machine, _: machine.status(timeout=1),
    lambda machine, _: machine.start(Progress()),
    lambda machine, _: machine.stop(),
    lambda machine, _: certificates.issue(machine._host) if machine.config.ours else None,
    lambda machine, _: context.put(machine.config),
    lambda machine, _: machine.engine().close(),
    lambda machine, _: (
        machine._host.driver.facts(),
        machine._host.driver.addresses(),
        machine._host.driver.refresh_address(),
    ),
    lambda machine, _: machine._host.provisioner,
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(str(tmp_path_factory.mktemp("many")))
    good(made)
    good(made, "bad")
    return made


def unreachable(*_: object, **__: object) -> None:
    raise EndpointUnreachable("unix:///nosuch.sock", "not in this test")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_record_with_any_values_is_an_error_of_the_record(
    many: Store, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setattr("dinv.engine.calls.Connection", unreachable)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CONFIG", many.path)
    document = json.loads(json.dumps(good_document(many)))
    place = data.draw(st.sampled_from(places(document)))
    part = document
    for key in place[:-1]:
        part = part[key]
    if place[-1] in part and data.draw(st.booleans(), label="taken away"):
        del part[place[-1]]
    else:
        part[place[-1]] = data.draw(JSON)
    files.write(os.path.join(many.path, CONFIG), json.dumps(document).encode(), mode=0o600)
    filters = Filters(["label=x", "swarm=x", "state=Error"])
    assert [row.name for row in statuses(many, timeout=1)] == ["bad", "good"]
    for row in statuses(many, timeout=1):
        machine_rows.cells(row), machine_rows.document(row), machine_rows.fields(row)
    statuses(many, timeout=1, filters=filters)
    with_errors(lambda: active(many, timeout=1))
    try:
        machine = Machine.recorded(many.load("bad"), many)
    except ConfigError:
        return
    with machine:
        for use in USES:
            with_errors(lambda use=use: use(machine, many))  # type: ignore[misc]


def good_document(store: Store) -> dict[str, Any]:
    return store.load("good").document()


def with_errors(use: Callable[[], object]) -> None:
    with contextlib.suppress(DinvError):
        use()


def test_the_driver_says_of_what_kind_everything_is_that_it_keeps(store: Store) -> None:
    kept = set(store.load("good").driver) - {
        "IPAddress", "MachineName", "SSHUser", "SSHPort", "SSHKeyPath", "StorePath", "URL",
        "SwarmMaster", "SwarmHost", "SwarmDiscovery",
    }  # fmt: skip
    assert kept <= set(DockerDriver.kinds)
    assert drivers.find("docker") is DockerDriver
