"""A machine's directory as bytes and back: everything is kept, and what was there is replaced in one step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dinv.errors import ArchiveError
from dinv.lifecycle.transfer import copies
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "elsewhere"))


def put(store: Store, name: str = "dev", phase: str = READY, identity: str = "x") -> None:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity=identity, created="now"
    )
    tls = {"CA": "/etc/dinv/ca.pem", "Cert": "/etc/dinv/cert.pem", "Key": "/etc/dinv/key.pem", "Verify": True}
    config.driver["Endpoint"] = {"URL": "tcp://192.0.2.1:2376", "Context": "", "TLS": tls}
    config.authority_options = {"url": "https://ca.example.com"}
    config.ours["Phase"] = phase
    with store.claim(name, "a test"):
        store.save(config)
        for file, mode in (("key.pem", 0o600), ("ca.pem", 0o644), (".renewal", 0o600)):
            path = os.path.join(config.directory, file)
            with open(path, "w", encoding="ascii") as opened:
                opened.write(file)
            os.chmod(path, mode)


def listed(store: Store, name: str = "dev") -> list[str]:
    return sorted(file for file in os.listdir(store.directory(name)) if file != ".lock")


def test_what_leads_to_the_endpoint_is_kept(store: Store, elsewhere: Store) -> None:
    put(store)
    copies.unpack(elsewhere, "dev", copies.pack(store, "dev"))
    found = elsewhere.load("dev")
    assert found.driver["Endpoint"] == store.load("dev").driver["Endpoint"]
    assert found.authority_options == {"url": "https://ca.example.com"}
    assert found.shown()["Driver"]["StorePath"] == elsewhere.path
    assert listed(elsewhere) == ["ca.pem", "config.json", "key.pem"]
    assert os.stat(os.path.join(elsewhere.directory("dev"), "key.pem")).st_mode & 0o777 == 0o600


def test_an_unfinished_one_is_packed_while_its_create_holds_the_lock(store: Store, elsewhere: Store) -> None:
    put(store, phase=CREATING)
    with store.lock("dev", "creating it"):
        data = copies.pack(Store(store.path), "dev")
    copies.unpack(elsewhere, "dev", data)
    assert elsewhere.load("dev").unfinished


def test_what_was_there_is_replaced_and_nothing_of_it_stays(store: Store, elsewhere: Store) -> None:
    put(store, identity="new")
    put(elsewhere, identity="old")
    with open(os.path.join(elsewhere.directory("dev"), "kubeconfig"), "w", encoding="ascii") as file:
        file.write("old")
    copies.unpack(elsewhere, "dev", copies.pack(store, "dev"))
    assert elsewhere.load("dev").identity == "new"
    assert listed(elsewhere) == ["ca.pem", "config.json", "key.pem"]
    assert [name for name in os.listdir(elsewhere.machines_directory) if name.startswith(".removed")] == []


def test_of_another_machine_is_refused(store: Store, elsewhere: Store) -> None:
    put(store)
    with pytest.raises(ArchiveError):
        copies.unpack(elsewhere, "other", copies.pack(store, "dev"))
    assert elsewhere.names() == []


def test_forgetting_is_done_twice(store: Store) -> None:
    put(store)
    copies.forget(store, "dev")
    copies.forget(store, "dev")
    assert store.names() == []
