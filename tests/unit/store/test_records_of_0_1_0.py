"""Records that dinv 0.1.0 wrote are read, say the same, and are written so that nothing is lost.

records/0.1.0/ has the config.json of machines that it (commit 0555bee) made on Docker 20.10 and on the VCH
simulator, in each state that a machine can be left in; they are as it wrote them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dinv import drivers, provisioners
from dinv.authorities import of_machine
from dinv.lifecycle.host import Host, unfinished
from dinv.machine import Machine
from dinv.store.record import MachineConfig
from dinv.store.store import Store

RECORDS = Path(__file__).parent / "records" / "0.1.0"
NAMES = sorted(path.stem for path in RECORDS.glob("*.json"))


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text())
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with all of them."""
    store = Store(str(tmp_path / "store"))
    for name in NAMES:
        directory = Path(store.directory(name))
        directory.mkdir(parents=True)
        (directory / "config.json").write_bytes((RECORDS / f"{name}.json").read_bytes())
    return store


def host(store: Store, name: str) -> Host:
    return Host(store.load(name), store)


def test_there_is_one_of_each_state() -> None:
    assert [
        *("options", "plain", "renewing", "running", "shared", "stopped", "tls", "unfinished", "upgrading"),
        "vch",
    ] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_read_as_it_was_meant(store: Store, name: str) -> None:
    written, config = document(name), store.load(name)
    kept, ours = written["Driver"], written["Dinv"]
    assert config.by_dinv
    assert (config.name, config.first_name, config.identity) == (name, name, ours["ID"])
    assert config.driver_name == written["DriverName"]
    assert (drivers.url(config), drivers.ip(config)) == (kept["URL"], kept["IPAddress"])
    assert config.unfinished == (name == "unfinished")
    assert config.stopped == (name == "stopped")
    assert bool(config.upgrade) == (name == "upgrading")
    assert config.context == ours["Context"] == ("" if name in ("plain", "shared") else name)
    assert config.docker_version == ours["DockerVersion"]
    assert config.provisioner == ("none" if config.driver_name == "none" else "docker")
    assert config.directory == store.directory(name)


@pytest.mark.parametrize("name", NAMES)
def test_its_driver_provisioner_and_authority_take_it(store: Store, name: str) -> None:
    with host(store, name) as machine:
        assert machine.driver.url == machine.url
        assert provisioners.of(machine.config).name == machine.config.provisioner
        authority = of_machine(machine.config)
        assert authority.name == ("shared" if name == "shared" else "local")
        assert machine.has_tls == (name != "plain")
        variables = machine.environment()
        assert variables["DOCKER_HOST"] == machine.url
        assert variables.get("DOCKER_CERT_PATH") == (None if name == "plain" else machine.directory)
        assert machine.driver.facts()["machine"]


def test_what_was_asked_for_is_known(store: Store) -> None:
    config = store.load("options")
    assert config.engine_options["Labels"] == ["a=b"]
    assert config.engine_options["Env"] == ["HTTP_PROXY=http://192.0.2.1:3128"]
    assert config.auth_options["ServerCertSANs"] == ["dev.invalid"]
    assert (config.driver["CPUs"], config.driver["Memory"]) == (0.5, 512 << 20)
    with host(store, "options") as machine:
        assert machine.driver.replacement() is not None


def test_a_shared_ca_is_found_in_the_store(store: Store) -> None:
    assert Machine(host(store, "shared")).ca_elsewhere == f"shared ({store.path}/ca/ca.pem)"
    assert Machine(host(store, "running")).ca_elsewhere == ""


def test_a_create_and_an_upgrade_that_were_killed_are_known_as_such(store: Store) -> None:
    assert "dinv create unfinished" in unfinished.status(store.load("unfinished")).error
    journal = store.load("upgrading").upgrade
    assert journal["Running"]
    assert not journal["Answers"]
    assert journal["ImageContract"] == "dinv"
    assert journal["Driver"]["ContainerID"] != ""


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_has_all_that_there_was(store: Store, name: str) -> None:
    config = store.load(name)
    with store.lock(name, "testing it"):
        store.save(config)
    again = store.load(name)
    assert missing(config.document(), again.document()) == []
    written = json.loads(Path(config.directory, "config.json").read_text())
    before = document(name)
    for part in ("Dinv", "DriverName", "Name", "ConfigVersion"):
        assert written[part] == before[part]
    assert missing(before, written) == []
    # Its paths are absolute by now, as docker-machine wants them.
    assert written["Driver"]["StorePath"] == store.path
    assert written["HostOptions"]["AuthOptions"]["StorePath"] == config.directory


def missing(before: Any, after: Any, path: str = "") -> list[str]:
    """The keys that were there and are not any more."""
    if not isinstance(before, dict):
        return []
    return [
        found
        for key in before
        for found in (
            missing(before[key], after[key], f"{path}.{key}") if key in after else [f"{path}.{key}"]
        )
    ]


def test_the_settings_are_those_of_a_new_one_of_today(store: Store) -> None:
    """What records have had since is either optional, or set when it is first needed."""
    new = MachineConfig.new(name="new", store_path=store.path, driver_name="docker", identity="x", created="")
    old = store.load("running")
    assert set(new.ours) <= {*old.ours, "Step"}
