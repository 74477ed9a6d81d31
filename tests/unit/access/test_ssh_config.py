"""`dinv ssh-config`: what plain ssh makes of it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import needs
import pytest
from fake_program import Program

from dinv.drivers.ssh_address import SSHAddress
from dinv.errors import MachineNotFound, NotSupported
from dinv.machines import open_machines
from dinv.pki import ssh_keys
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def add(store: Store, name: str, **driver: object) -> MachineConfig:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity=f"id-{name}", created="now"
    )
    config.phase = READY
    config.driver.update(
        {"Port": 0, "IP": "", "OwnAddress": "10.9.0.5", "ImageFeatures": ["services", "sshd"], **driver}
    )
    os.makedirs(config.directory, mode=0o700)
    ssh_keys.server_key(config.directory, name, f"dinv-id-{name}")
    ssh_keys.user_key(config.directory, name)
    store.save(config)
    return config


@pytest.fixture(params=["store", "a store of 100% mine"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    path = tmp_path / str(request.param)
    path.mkdir(mode=0o700)
    return Store(str(path))


def effective(text: str, host: str, path: Path) -> dict[str, str]:
    """What OpenSSH makes of a configuration: `ssh -G`."""
    path.write_text(text)
    said = subprocess.run(
        ["ssh", "-G", "-F", path, host], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


@needs.programs("ssh")
def test_plain_ssh_knows_where_and_whom(store: Store, tmp_path: Path) -> None:
    config = add(store, "dev")
    text = open_machines(store.path).get("dev").ssh_config()
    found = effective(text, "dev", tmp_path / "config")
    expected = {
        "hostname": "10.9.0.5",
        "port": "22",
        "user": "root",
        "identitiesonly": "yes",
        "hostkeyalias": "dinv-id-dev",
        "passwordauthentication": "no",
        "globalknownhostsfile": "/dev/null",
    }
    assert {key: found[key] for key in expected} == expected
    assert found["stricthostkeychecking"] in ("true", "yes")
    # -G prints these two before %% is a %.
    assert found["identityfile"].replace("%%", "%") == os.path.join(config.directory, "id_ed25519")
    assert found["userknownhostsfile"].replace("%%", "%") == os.path.join(config.directory, "known_hosts")
    assert effective(text, "other", tmp_path / "config")["hostname"] == "other"


def test_all_of_them_and_a_word_about_the_others(store: Store) -> None:
    add(store, "one")
    add(store, "plain", ImageFeatures=["services"])
    add(store, "two", OwnAddress="10.9.0.6")
    machines = open_machines(store.path)
    text = machines.ssh_config()
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "Host one",
        "# plain: no SSH server; dinv ssh plain",
        "Host two",
    ]
    assert machines.ssh_config(["two", "one"]).startswith("Host two\n    HostName 10.9.0.6\n")
    with pytest.raises(NotSupported, match='"plain" has no SSH server'):
        machines.ssh_config(["one", "plain"])
    with pytest.raises(MachineNotFound):
        machines.ssh_config(["none"])


def test_the_verb_prints_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", store.path)
    program = Program(capsys)
    assert program("ssh-config") == 0
    assert program.out == ""
    add(store, "dev")
    add(store, "plain", ImageFeatures=[])
    assert program("ssh-config", "dev") == 0
    assert program.out == open_machines(store.path).get("dev").ssh_config()
    assert program("ssh-config", "plain") == 1
    assert "dinv ssh plain gets in without one" in program.err


def test_a_server_that_is_known_is_checked() -> None:
    known = SSHAddress("h", 22, "root", "/k", whose="x", known_hosts="/a b/known", alias="dinv-7")
    words = known.options
    assert 'UserKnownHostsFile="/a b/known"' in words
    assert "StrictHostKeyChecking=yes" in words
    assert "HostKeyAlias=dinv-7" in words
    assert "StrictHostKeyChecking=no" in SSHAddress("h", 22, "root", "/k", whose="x").options
