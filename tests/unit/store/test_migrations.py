"""config.json of docker-machine's older versions: read as version 3, and never changed."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.errors import ConfigError
from dinv.formats import kinds
from dinv.store.migrations import migrate
from dinv.store.record import MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

HOME = "/home/ann/.docker/machine"
DRIVER = {"IPAddress": "192.168.99.100", "MachineName": "dev", "SSHUser": "docker", "SSHPort": 53507}
PATHS = {
    "CaCertPath": f"{HOME}/certs/ca.pem",
    "ServerCertPath": f"{HOME}/machines/dev/server.pem",
    "ServerKeyPath": f"{HOME}/machines/dev/server-key.pem",
    "ClientKeyPath": f"{HOME}/certs/key.pem",
    "ClientCertPath": f"{HOME}/certs/cert.pem",
}


def version_0() -> dict[str, Any]:
    """As docker-machine 0.0.1 wrote one: flat."""
    return {
        "DriverName": "virtualbox",
        "Driver": dict(DRIVER),
        "StorePath": f"{HOME}/machines/dev",
        **PATHS,
        "PrivateKeyPath": f"{HOME}/certs/ca-key.pem",
        "SwarmHost": "tcp://0.0.0.0:3376",
        "SwarmMaster": True,
        "SwarmDiscovery": "token://1",
    }


def version_1() -> dict[str, Any]:
    return {
        "ConfigVersion": 1,
        "DriverName": "virtualbox",
        "Driver": dict(DRIVER),
        "StorePath": f"{HOME}/machines/dev",
        "HostOptions": {
            "Driver": "",
            "Memory": 0,
            "Disk": 0,
            "EngineOptions": {"Labels": ["a=b"]},
            "SwarmOptions": {"Master": True, "Host": "tcp://0.0.0.0:3376", "Discovery": "token://1"},
            "AuthOptions": {
                **PATHS,
                "StorePath": f"{HOME}/machines/dev",
                "PrivateKeyPath": f"{HOME}/certs/ca-key.pem",
            },
        },
    }


def version_2() -> dict[str, Any]:
    found = version_1()
    del found["StorePath"]
    auth = found["HostOptions"]["AuthOptions"]
    auth["CaPrivateKeyPath"] = auth.pop("PrivateKeyPath")
    auth["CertDir"] = f"{HOME}/certs"
    return {**found, "ConfigVersion": 2, "Name": "dev"}


def version_3() -> dict[str, Any]:
    found = version_2()
    found["Driver"]["StorePath"] = HOME
    return {**found, "ConfigVersion": 3}


def with_raw_driver() -> dict[str, Any]:
    """As docker-machine 0.5.0 wrote one."""
    found = version_3()
    raw = base64.b64encode(json.dumps(found["Driver"]).encode()).decode()
    return {**found, "Driver": None, "RawDriver": raw}


ALL = [version_0, version_1, version_2, version_3, with_raw_driver]


@pytest.mark.parametrize("made", ALL, ids=lambda made: str(made.__name__))
def test_every_version_becomes_the_same(made: Any) -> None:
    migrated = migrate(made())
    assert migrated["ConfigVersion"] == 3
    assert migrated["Name"] == "dev"
    assert migrated["DriverName"] == "virtualbox"
    assert migrated["Driver"] == {**DRIVER, "StorePath": HOME}
    auth = migrated["HostOptions"]["AuthOptions"]
    assert auth == {
        **PATHS,
        "CaPrivateKeyPath": f"{HOME}/certs/ca-key.pem",
        "CertDir": f"{HOME}/certs",
        "StorePath": f"{HOME}/machines/dev",
    }
    swarm = migrated["HostOptions"]["SwarmOptions"]
    assert swarm == {"Master": True, "Host": "tcp://0.0.0.0:3376", "Discovery": "token://1"}
    assert not {"StorePath", "PrivateKeyPath", "SwarmHost", "RawDriver"} & set(migrated)


@pytest.mark.parametrize("made", ALL, ids=lambda made: str(made.__name__))
def test_migrating_changes_nothing_of_what_was_read_and_nothing_the_second_time(made: Any) -> None:
    document = made()
    before = copy.deepcopy(document)
    migrated = migrate(document)
    assert document == before
    assert migrate(migrated) == migrated


def test_the_file_stays_as_it_is(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    os.makedirs(store.directory("dev"))
    path = os.path.join(store.directory("dev"), "config.json")
    content = json.dumps(version_0()).encode()
    with open(path, "wb") as file:
        file.write(content)
    assert store.load("dev").driver["IPAddress"] == "192.168.99.100"
    with open(path, "rb") as file:
        assert file.read() == content
    assert os.listdir(store.directory("dev")) == ["config.json"]


def test_what_a_version_0_had_in_its_options_already_is_kept() -> None:
    document = version_0() | {"HostOptions": {"EngineOptions": {"Labels": ["a=b"]}, "Memory": 7}}
    options = migrate(document)["HostOptions"]
    assert options["EngineOptions"] == {"Labels": ["a=b"]}
    assert options["Memory"] == 7
    assert options["Disk"] == 0
    assert options["AuthOptions"]["CaCertPath"] == f"{HOME}/certs/ca.pem"


def test_the_driver_wins_over_the_raw_one() -> None:
    """As in libmachine since 0.5.2."""
    document = with_raw_driver() | {"Driver": {"MachineName": "dev"}}
    assert migrate(document)["Driver"] == {"MachineName": "dev"}
    assert migrate(document | {"RawDriver": "%"})["Driver"] == {"MachineName": "dev"}


def test_a_store_of_windows() -> None:
    document = version_1() | {"StorePath": r"C:\Users\ann\.docker\machine\machines\dev"}
    document["HostOptions"]["AuthOptions"] = {}
    migrated = migrate(document)
    assert migrated["Driver"]["StorePath"] == r"C:\Users\ann\.docker\machine"
    assert migrated["HostOptions"]["AuthOptions"]["CertDir"] == r"C:\Users\ann\.docker\machine\certs"


@pytest.mark.parametrize(
    "changed",
    [
        {"Driver": None},
        {"Driver": []},
        {"HostOptions": "x"},
        {"HostOptions": {"AuthOptions": 1}},
        {"StorePath": 7},
        {"Driver": None, "RawDriver": "%"},
        {"Driver": None, "RawDriver": 7},
        {"Driver": None, "RawDriver": base64.b64encode(b"[1]").decode()},
        {"Driver": None, "RawDriver": base64.b64encode(b"[" * 100_000).decode()},
    ],
)
def test_what_is_spoilt_is_told_with_the_file(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        MachineConfig.read(version_0() | changed, name="dev", path="/s/config.json", store_path="/s")
    assert "/s/config.json: ConfigVersion 0: " in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["Driver", "HostOptions", "StorePath", "PrivateKeyPath", "SwarmHost", "Name", "DriverName", "RawDriver"]
)
AUTH = st.sampled_from(["StorePath", "CertDir", "PrivateKeyPath", "CaPrivateKeyPath"])


@given(
    st.sampled_from(ALL),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.dictionaries(AUTH, VALUES, max_size=2),
    st.integers(0, 3) | VALUES,
)
def test_any_document_is_read_or_refused(
    made: Any, changed: dict[str, Any], auth: dict[str, Any], version: object
) -> None:
    document = {**made(), "ConfigVersion": version}
    document.setdefault("HostOptions", {}).setdefault("AuthOptions", {}).update(auth)
    document |= changed
    before = copy.deepcopy(document)
    try:
        config = MachineConfig.read(document, name="dev", path="/s/config.json", store_path="/s")
    except ConfigError:
        pass
    else:
        assert config.document()["ConfigVersion"] == 3
        json.dumps(config.shown())
    assert document["ConfigVersion"] == before["ConfigVersion"]


@given(st.sampled_from([version_0, version_1, version_2]), st.dictionaries(st.text(min_size=1), VALUES))
@example(version_0, {"ConfigVersion": None})
@example(version_0, {"ConfigVersion": True})
@example(version_0, {"ConfigVersion": -1})
@example(version_0, {"ConfigVersion": 7})
def test_keys_that_are_not_known_are_kept(made: Any, more: dict[str, Any]) -> None:
    document = {**more, **made()}
    gone = {"StorePath", "PrivateKeyPath", "RawDriver", *PATHS, "SwarmHost", "SwarmMaster", "SwarmDiscovery"}
    if not kinds.is_version(document.get("ConfigVersion", 0)):
        with pytest.raises(ValueError, match="ConfigVersion is not a number"):
            migrate(document)
        return
    migrated = migrate(document)
    for key in more.keys() - made().keys() - gone - {"ConfigVersion", "Name", "HostOptions"}:
        assert migrated[key] == more[key]


@pytest.mark.parametrize("path", ["/" * 1_000_000 + "x", "\\" * 1_000_000, "/a" * 500_000])
def test_a_path_made_to_take_long_takes_no_time(path: str) -> None:
    with contextlib.suppress(ValueError):
        migrate(
            {"ConfigVersion": 1, "DriverName": "none", "Driver": {}, "StorePath": path, "HostOptions": {}}
        )
