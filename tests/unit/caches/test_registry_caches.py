"""The caches of a store, as the library has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dinv.caches import status
from dinv.caches.registry_caches import RegistryCaches
from dinv.caches.site import CacheSite
from dinv.caches.status import CacheStatus
from dinv.errors import CacheError, CacheInUse, CacheNotFound
from dinv.pki import certificates
from dinv.registries.cache_ca import CacheAuthority
from dinv.registries.cache_record import CREATING, KEPT, READY, REMOVING, CacheRecord, Registry
from dinv.registries.cache_store import CacheStore
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from dinv.store.store import Store


def add(store: Store, phase: str) -> CacheStore:
    caches = CacheStore(store.path)
    record = CacheRecord.new(
        "hub",
        identity="id",
        created="",
        endpoint={"URL": "unix:///nowhere.sock"},
        registries=[Registry("docker.io", "https://registry-1.docker.io", 5000)],
    )
    record["Phase"] = phase
    with caches.claim("hub", "creating it"):
        caches.save(record)
    return caches


def add_user(store: Store) -> None:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    config.registry_cache = "hub"
    with store.claim("dev", "creating it"):
        store.save(config)


def test_a_damaged_record_is_listed_with_what_is_wrong(store: Store) -> None:
    caches = add(store, READY)
    with open(os.path.join(caches.directory("hub"), "config.json"), "w", encoding="utf-8") as file:
        file.write("{")
    (found,) = RegistryCaches(store.path).list()
    assert found.state == "Error"
    assert "not valid JSON" in found.error


@pytest.mark.parametrize(
    ("phase", "doing", "state"),
    [
        (CREATING, "creating it", "Starting"),
        (REMOVING, "removing it", "Stopping"),
        (READY, "creating it", "Error"),
        ("", "creating it", "Starting"),
    ],
)
def test_one_that_is_just_made_or_removed_is_not_called_interrupted(
    store: Store, monkeypatch: pytest.MonkeyPatch, phase: str, doing: str, state: str
) -> None:
    monkeypatch.setattr(CacheSite, "container", lambda _: None)
    caches = CacheStore(store.path)
    if phase:
        add(store, phase)
    with caches.claim("hub", doing):
        (found,) = RegistryCaches(store.path).list()
    assert found.state == state
    assert f"another dinv is at work on it ({doing}" in found.error
    (found,) = RegistryCaches(store.path).list()
    assert "at work" not in found.error
    assert found.error, "it was killed"


def test_one_that_is_removed_or_ready_meanwhile_is_looked_at_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = add(store, CREATING)
    monkeypatch.setattr(CacheSite, "container", lambda _: {"State": {"Running": False}})
    holder = CacheStore.holder

    def finish(looking: CacheStore, name: str) -> str | None:
        record = caches.load(name)
        record["Phase"] = READY
        caches.save(record)
        return holder(looking, name)

    monkeypatch.setattr(CacheStore, "holder", finish)
    (found,) = RegistryCaches(store.path).list()
    assert (found.state, found.error) == ("Stopped", "")
    monkeypatch.undo()

    def gone(_site: CacheSite) -> None:
        if caches.exists("hub"):
            caches.remove("hub")

    monkeypatch.setattr(CacheSite, "container", gone)
    assert RegistryCaches(store.path).list() == []
    monkeypatch.setattr(CacheStore, "names", lambda _: ["hub"])
    assert RegistryCaches(store.path).list() == []


def test_one_that_is_used_stays(store: Store) -> None:
    caches = add(store, READY)
    add_user(store)
    with pytest.raises(CacheInUse) as caught:
        RegistryCaches(store.path).remove("hub")
    assert caught.value.machines == ("dev",)
    assert caches.load("hub")["Phase"] == READY


def test_one_whose_endpoint_is_gone_can_be_forgotten(store: Store) -> None:
    add(store, READY)
    add_user(store)
    left = RegistryCaches(store.path).remove("hub", force=True)
    assert any("dev pulls from the registries themselves" in line for line in left)
    assert any("docker volume rm dinv-cache-hub-data" in line for line in left)
    assert RegistryCaches(store.path).names() == []


def test_what_needs_a_running_cache_says_how_to_get_it(store: Store) -> None:
    add(store, KEPT)
    for ask in (RegistryCaches(store.path).usage, RegistryCaches(store.path).prune):
        with pytest.raises(CacheError, match="cache create hub"):
            ask("hub")
        with pytest.raises(CacheNotFound):
            ask("none")


def test_a_certificate_that_has_ended_is_remarked_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = add(store, READY)
    fine = CacheStatus("hub", "", "", "Running", 0, (), ())
    monkeypatch.setattr(status, "status", lambda *_args, **_more: fine)
    authority, key = CacheAuthority("hub", caches.directory("hub")), certificates.new_key()
    for seconds, remark in ((8_640_000, False), (-1, True)):
        request = certificates.request(
            key, role="server", names=("10.0.0.9",), machine="hub", lifetime=seconds
        )
        with open(os.path.join(caches.directory("hub"), "server.pem"), "wb") as file:
            file.write(authority.certificate(request))
        assert ("cache create hub" in RegistryCaches(store.path).get("hub").error) is remark
