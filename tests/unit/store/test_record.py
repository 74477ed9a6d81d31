"""config.json: what is in it, what is refused, what is kept."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import ConfigError, ConfigTooNew
from dinv.store.record import CONFIG_VERSION, CREATING, DINV_VERSION, READY, MachineConfig

PATH = "/s/machines/dev/config.json"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def new(name: str = "dev") -> MachineConfig:
    return MachineConfig.new(
        name=name, store_path="/s", driver_name="docker", identity="ab12", created="2026-01-02T03:04:05Z"
    )


def read(document: Any) -> MachineConfig:
    return MachineConfig.read(document, name="dev", path=PATH, store_path="/s")


def document(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(new().document()), **changes}


def docker_machines() -> dict[str, Any]:
    """As docker-machine 0.16 writes one: absolute paths, no part of ours."""
    found = document(DriverName="virtualbox")
    del found["Dinv"]
    found["Driver"] = {"IPAddress": "192.168.99.100", "MachineName": "dev", "StorePath": "/s", "SSHPort": 22}
    found["HostOptions"]["AuthOptions"] = {"CertDir": "/s/certs", "CaCertPath": "/s/certs/ca.pem"}
    return found


def test_a_new_one_is_unfinished_and_ours() -> None:
    config = new()
    assert config.unfinished
    assert config.identity == "ab12"
    assert config.driver_name == "docker"
    assert config.directory == "/s/machines/dev"
    assert config.ours["Phase"] == CREATING


def test_it_is_what_scripts_expect_of_docker_machines() -> None:
    found = new().document()
    assert found["ConfigVersion"] == 3
    assert found["Name"] == found["Driver"]["MachineName"] == "dev"
    assert set(found["HostOptions"]) >= {"EngineOptions", "SwarmOptions", "AuthOptions"}
    assert json.loads(json.dumps(found)) == found


def test_what_was_written_is_read_as_it_was() -> None:
    config = new()
    config.ours["Phase"] = READY
    again = read(json.loads(json.dumps(config.document())))
    assert again.document() == config.document()
    assert not again.unfinished


def test_keys_that_are_not_known_are_kept() -> None:
    found = document(Unknown={"a": [1]})
    found["HostOptions"]["Disk"] = 7
    found["Dinv"]["Later"] = True
    again = read(copy.deepcopy(found)).document()
    assert again == found


def test_paths_follow_a_store_that_was_moved() -> None:
    """In the file they are absolute, as docker-machine reads them (it takes no others: #1407)."""
    config = new()
    config.driver["SSHKeyPath"] = "machines/dev/id_rsa"
    config.auth_options["CaCertPath"] = "/etc/pki/ca.pem"
    config.auth_options["ClientCertPath"] = "/sibling/cert.pem"
    written = json.loads(json.dumps(config.shown()))
    assert written["Driver"]["StorePath"] == "/s"
    assert written["HostOptions"]["AuthOptions"]["StorePath"] == "/s/machines/dev"
    moved = MachineConfig.read(written, name="dev", path=PATH, store_path="/elsewhere")
    assert moved.document() == config.document()
    shown = moved.shown()
    assert shown["Driver"]["StorePath"] == "/elsewhere"
    assert shown["Driver"]["SSHKeyPath"] == "/elsewhere/machines/dev/id_rsa"
    auth = shown["HostOptions"]["AuthOptions"]
    assert auth["ServerKeyPath"] == "/elsewhere/machines/dev/server-key.pem"
    assert auth["CaCertPath"] == "/etc/pki/ca.pem", "it lies in no store"
    assert auth["ClientCertPath"] == "/sibling/cert.pem", "nor does what only begins alike"


def test_what_docker_machine_has_is_there() -> None:
    """As docker-machine 0.16 prints it for a host of the driver none (commands/create.go)."""
    options = new().shown()["HostOptions"]
    swarm = options["SwarmOptions"]
    assert not any(swarm[key] for key in ("IsSwarm", "Master", "Agent"))
    assert (swarm["Image"], swarm["Strategy"], swarm["Host"]) == (
        "swarm:latest",
        "spread",
        "tcp://0.0.0.0:3376",
    )
    assert set(options["AuthOptions"]) == {
        "CertDir",
        "CaCertPath",
        "CaPrivateKeyPath",
        "CaCertRemotePath",
        "ServerCertPath",
        "ServerKeyPath",
        "ClientKeyPath",
        "ServerCertRemotePath",
        "ServerKeyRemotePath",
        "ClientCertPath",
        "ServerCertSANs",
        "StorePath",
    }
    older = document()
    del older["HostOptions"]["AuthOptions"]["CaCertRemotePath"]
    assert read(older).shown()["HostOptions"]["AuthOptions"]["CaCertRemotePath"] == ""


def test_paths_are_relative_in_memory_and_absolute_when_shown() -> None:
    config = new()
    kept = config.document()["HostOptions"]["AuthOptions"]
    assert not any(os.path.isabs(value) for value in kept.values() if isinstance(value, str))
    shown = config.shown()
    assert shown["HostOptions"]["AuthOptions"]["CaCertPath"] == "/s/machines/dev/ca.pem"
    assert shown["Driver"]["StorePath"] == "/s"
    assert shown["Driver"]["SSHKeyPath"] == ""
    assert config.document()["HostOptions"]["AuthOptions"] == kept


def test_docker_machines_absolute_paths_stay_as_they_are() -> None:
    shown = read(docker_machines()).shown()
    assert shown["HostOptions"]["AuthOptions"]["CaCertPath"] == "/s/certs/ca.pem"


def test_docker_machines_own_is_read_and_known_as_such() -> None:
    config = read(docker_machines())
    assert config.ours == {}
    assert config.identity == ""
    assert not config.unfinished


def test_the_directorys_name_wins_over_the_files() -> None:
    assert read(document(Name="other")).shown()["Name"] == "dev"


@pytest.mark.parametrize("key", ["EngineOptions", "SwarmOptions", "AuthOptions"])
def test_options_that_are_not_there_are_empty(key: str) -> None:
    """Libmachine writes null for some of them, depending on the driver."""
    found = document()
    found["HostOptions"][key] = None
    config = read(found)
    assert [config.engine_options, config.swarm_options, config.auth_options].count({}) >= 1


@pytest.mark.parametrize("version", [CONFIG_VERSION + 1, 99])
def test_a_newer_version_is_refused_as_such(version: int) -> None:
    with pytest.raises(ConfigTooNew, match="Upgrade") as caught:
        read(document(ConfigVersion=version))
    assert caught.value.found == version


def test_a_newer_version_of_our_part_is_refused_as_such() -> None:
    found = document()
    found["Dinv"]["Version"] = DINV_VERSION + 1
    with pytest.raises(ConfigTooNew):
        read(found)


@pytest.mark.parametrize("changed", [0, 1, 2, -3, "3", None, 3.0, True])
def test_any_other_version_cannot_be_read(changed: object) -> None:
    with pytest.raises(ConfigError, match="ConfigVersion") as caught:
        read(document(ConfigVersion=changed))
    assert not isinstance(caught.value, ConfigTooNew)


@pytest.mark.parametrize("key", ["ConfigVersion", "Driver", "DriverName", "HostOptions"])
def test_what_is_needed_has_to_be_there(key: str) -> None:
    found = document()
    del found[key]
    with pytest.raises(ConfigError, match=key) as caught:
        read(found)
    assert caught.value.machine == "dev"
    assert caught.value.path == PATH


@pytest.mark.parametrize(
    "ours",
    [
        *([], "x", {}, {"ID": ""}, {"ID": 3}, {"ID": "a"}, {"ID": "a", "Version": "1"}),
        *({"ID": "a", "Version": True}, {"ID": "a", "Version": -1}),
        {"ID": "a", "Version": 1, "Adopting": ["x"]},
    ],
)
def test_our_part_has_to_say_whose_the_objects_are(ours: object) -> None:
    with pytest.raises(ConfigError, match="Dinv"):
        read(document(Dinv=ours))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else ()
    return [path, *(place for key, child in inside for place in places(child, (*path, key)))]


@given(st.data())
def test_a_document_with_anything_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    found: Any = data.draw(st.sampled_from([document, docker_machines]))()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(found)))
        value = data.draw(JSON)
        if not place:
            found = value
            continue
        parent = found
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = value
    try:
        config = read(found)
    except ConfigError:
        return
    config.shown()
    assert isinstance(config.driver, dict)
    assert isinstance(config.engine_options, dict)
    assert isinstance(config.auth_options, dict)
    assert isinstance(config.ours, dict)
    assert isinstance(config.driver_name, str)
    assert config.unfinished in (True, False)


def test_null_is_absent_as_go_writes_it() -> None:
    config = read(with_driver(ours=True, URL=None, IPAddress=None))
    assert (config.url, config.ip) == ("", "")


NO_URLS = [
    "tcp://h:1\nrm -rf /",
    "tcp://$(id):1",
    "tcp://h`id`:1",
    "tcp://h:1;id",
    "tcp://h:70000",
    "tcp://h:0",
    "tcp://-oProxyCommand=x:1",
    "ssh://-oProxyCommand=x@h",
    "-oProxyCommand=x",
    'tcp://h"x:1',
    "tcp://h:1 x",
    "tcp://\x1b[2J:1",
    "tcp://\u202eh:1",
    "javascript://h",
]


def with_driver(*, ours: bool, **kept: Any) -> dict[str, Any]:
    found = document() if ours else docker_machines()
    found["Driver"].update(kept)
    return found


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused_when_read(url: str, *, ours: bool) -> None:
    with pytest.raises(ConfigError, match="URL is not a URL"):
        read(with_driver(ours=ours, URL=url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "none",
        "tcp://127.0.0.1:2376",
        "tcp://[fe80::1%eth0]:2376",
        "tcp://vch.example.com:2376/",
        "unix:///var/run/docker.sock",
        "https://user@host:443/path",
        "ssh://DOM\\user@host",
        "tcp://bücher.example:1",
    ],
)
def test_a_url_is_one(url: str) -> None:
    assert read(with_driver(ours=True, URL=url)).url == url


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    "kept", [{"IPAddress": "-oProxyCommand=x"}, {"IPAddress": "h;id"}, {"SSHUser": "-x"}, {"SSHUser": "a b"}]
)
def test_what_is_no_address_or_user_is_refused_when_read(kept: dict[str, str], *, ours: bool) -> None:
    with pytest.raises(ConfigError, match=r"is not (an address|a user)"):
        read(with_driver(ours=ours, **kept))
