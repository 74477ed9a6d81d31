"""A registry cache for a machine that exists, another one, or none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import install
from own_certificates import CLIENT, Own

from dinv.drivers.alteration import RELOAD, RESTART
from dinv.errors import CacheError, CacheNotFound, DinvError, PreCreateCheckFailed
from dinv.lifecycle.change import caching
from dinv.lifecycle.change.plan import Plan
from dinv.lifecycle.host import Host, registry_cache
from dinv.registries import cache_files
from dinv.registries.cache_record import KEPT, READY, CacheRecord, Registry
from dinv.registries.cache_store import CacheStore
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dinv.channel import File
    from dinv.store.store import Store

ENDPOINT = "unix:///e.sock"


def add_cache(store: Store, name: str, host: str, *registries: Registry) -> CacheRecord:
    caches = CacheStore(store.path)
    record = CacheRecord.new(
        name,
        identity=name,
        created="",
        endpoint={"URL": ENDPOINT},
        registries=list(registries) or [Registry("docker.io", "https://registry-1.docker.io", 5000)],
    )
    record["Host"], record["Phase"] = host, READY
    with caches.claim(name, "creating it"):
        caches.save(record)
    return record


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[File]:
    """The files that were put into the machine."""
    return []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, put: list[File]) -> Host:
    install(monkeypatch, str(tmp_path / "endpoint"))
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver["Endpoint"] = {"URL": ENDPOINT}
    config.engine_options["RegistryMirror"] = ["https://mine.test"]
    with store.claim("dev", "creating it"):
        store.save(config)
    host = Host(config, store)

    class Channel:
        def put(self, files: Iterable[File]) -> None:
            put[:] = files

    monkeypatch.setattr(host.driver, "channel", Channel)
    return host


def use(machine: Host, name: str) -> dict[str, Any]:
    options, changed = caching.translated(machine, {"registry_cache": name})
    with caching.taken(machine, changed):
        pass
    added = options.get("engine_registry_mirror", ())
    gone = options.get("engine_registry_mirror_rm", ())
    mirrors = machine.config.engine_options["RegistryMirror"]
    mirrors[:] = [*(each for each in mirrors if each not in gone), *added]
    return options


def test_a_cache_is_a_mirror_and_files(machine: Host, store: Store, put: list[File]) -> None:
    add_cache(store, "hub", "10.0.0.9")
    assert use(machine, "hub") == {"engine_registry_mirror": ("https://10.0.0.9:5000",)}
    assert store.load("dev").registry_cache == "hub"
    assert "/etc/docker/certs.d/10.0.0.9:5000/client.key" in {file.path for file in put}


def test_another_cache_takes_its_place(machine: Host, store: Store, put: list[File]) -> None:
    add_cache(store, "hub", "10.0.0.9")
    add_cache(store, "other", "10.0.0.10")
    use(machine, "hub")
    assert use(machine, "other") == {
        "engine_registry_mirror": ("https://10.0.0.10:5000",),
        "engine_registry_mirror_rm": ("https://10.0.0.9:5000",),
    }
    (toml,) = [file for file in put if file.path == "/etc/docker/certs.d/docker.io/hosts.toml"]
    assert b"10.0.0.10:5000" in toml.content


def test_none_leaves_no_way_to_the_former_one(machine: Host, store: Store, put: list[File]) -> None:
    add_cache(store, "hub", "10.0.0.9")
    use(machine, "hub")
    assert use(machine, "") == {"engine_registry_mirror_rm": ("https://10.0.0.9:5000",)}
    assert [(file.path, file.content) for file in put] == [
        ("/etc/docker/certs.d/docker.io/hosts.toml", b'server = "https://registry-1.docker.io"\n')
    ]
    assert store.load("dev").registry_cache == ""
    assert not os.path.exists(os.path.join(machine.directory, "registry-cache"))


def test_what_it_has_already_and_what_was_not_said_is_no_change(machine: Host, store: Store) -> None:
    add_cache(store, "hub", "10.0.0.9")
    use(machine, "hub")
    for options in ({"registry_cache": "hub"}, {"registry_cache": None}, {}):
        assert caching.translated(machine, options) == ({}, None)


def test_a_mirror_that_was_taken_away_by_itself_is_not_missed(machine: Host, store: Store) -> None:
    add_cache(store, "hub", "10.0.0.9")
    use(machine, "hub")
    machine.config.engine_options["RegistryMirror"] = []
    assert caching.translated(machine, {"registry_cache": ""}) == ({}, "")


def test_when_the_rest_fails_the_former_one_is_back(machine: Host, store: Store, put: list[File]) -> None:
    add_cache(store, "hub", "10.0.0.9")
    add_cache(store, "other", "10.0.0.10")
    use(machine, "hub")
    with pytest.raises(DinvError), caching.taken(machine, "other"):
        raise DinvError("no")
    assert store.load("dev").registry_cache == "hub"
    kept = cache_files.kept(machine.directory)
    assert kept is not None
    assert kept[0]["Name"] == "hub"
    assert any(b"10.0.0.9:5000" in file.content for file in put)


def test_the_plan_says_it_and_needs_no_more_than_before(machine: Host) -> None:
    plan = Plan("dev", [], means=(RESTART,), running=True)
    assert caching.planned(plan, machine, None) is plan
    found = caching.planned(plan, machine, "hub")
    assert found.means == (RESTART,)
    assert [each.said for each in found.differences] == ["none -> hub"]
    assert caching.planned(Plan("dev", [], means=(), running=True), machine, "hub").means == (RELOAD,)


def test_a_cache_that_it_cannot_have(machine: Host, store: Store) -> None:
    with pytest.raises(CacheNotFound):
        registry_cache.usable(machine, "hub")
    record = add_cache(store, "hub", "10.0.0.9")
    record["Phase"] = KEPT
    CacheStore(store.path).save(record)
    with pytest.raises(CacheError, match="is not there now"):
        registry_cache.usable(machine, "hub")
    record["Phase"], record["Endpoint"] = READY, {"URL": "unix:///other.sock"}
    CacheStore(store.path).save(record)
    with pytest.raises(PreCreateCheckFailed, match="would not be reached"):
        registry_cache.usable(machine, "hub")


def test_a_cache_that_moved_is_followed_and_one_that_is_gone_is_told(machine: Host, store: Store) -> None:
    record = add_cache(store, "hub", "10.0.0.9")
    use(machine, "hub")
    first = cache_files.kept(machine.directory)
    assert registry_cache.give(machine) == ""
    assert cache_files.kept(machine.directory) == first, "what is current is left"
    record["Host"] = "10.0.0.77"
    CacheStore(store.path).save(record)
    assert registry_cache.give(machine) == ""
    assert machine.config.engine_options["RegistryMirror"] == ["https://10.0.0.77:5000", "https://mine.test"]
    with CacheStore(store.path).lock("hub", "removing it"):
        CacheStore(store.path).remove("hub")
    assert "does not exist any more" in registry_cache.give(machine)


@pytest.mark.parametrize(("left", "renewed"), [(60, False), (40, True)])
def test_its_certificate_lasts_until_the_machines_are_renewed_again(
    machine: Host, store: Store, left: int, *, renewed: bool
) -> None:
    record = add_cache(store, "hub", "10.0.0.9")
    use(machine, "hub")
    old = Own("dev", CLIENT, days=(left - 100, left)).pem
    cache_files.keep(machine.directory, record, (b"ca", old, b"key"))
    assert registry_cache.give(machine) == ""
    kept = cache_files.kept(machine.directory)
    assert kept is not None
    assert (kept[1] != old) is renewed
