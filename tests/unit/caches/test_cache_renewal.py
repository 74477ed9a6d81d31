"""`renew --all`: the certificates of caches, on an endpoint that is made up."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from fake_program import Program

from dinv.caches import creation, renewal
from dinv.caches.site import CacheSite
from dinv.errors import CacheBusy, EndpointError
from dinv.machines import Machines
from dinv.pki import certificates
from dinv.pki.validity import in_directory
from dinv.registries import cache_ca
from dinv.registries.cache_ca import CacheAuthority
from dinv.registries.cache_record import KEPT, READY, CacheRecord, Registry
from dinv.registries.cache_store import CacheStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.channel import File
    from dinv.lifecycle.renew.when_due import Renewed
    from dinv.store.store import Store


class Containers:
    """What the containers of caches hold, and whether they run; in place of their endpoint."""

    def __init__(self) -> None:
        self.stopped: set[str] = set()
        self.unreached: set[str] = set()
        self.killed_at = ""
        self.time = ""
        self.files: dict[str, dict[str, bytes]] = {}
        self.reloads: list[str] = []

    def container(self, site: CacheSite) -> dict[str, Any]:
        if site.record.name in self.unreached:
            raise EndpointError("unix:///nowhere.sock", "nothing is listening there")
        return {"State": {"Running": site.record.name not in self.stopped}}

    def system_time(self, _site: CacheSite) -> str:
        return self.time

    def reload(self, site: CacheSite) -> None:
        if self.killed_at == "reload":
            raise KeyboardInterrupt
        self.reloads.append(site.record.name)

    def channel(self, site: CacheSite) -> Channel:
        return Channel(self.files.setdefault(site.record.name, {}))


class Channel:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def put(self, files: Iterable[File]) -> None:
        self.files |= {os.path.basename(file.path): file.content for file in files}


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> Containers:
    made = Containers()
    for name in ("container", "reload", "channel", "system_time"):
        answer = getattr(made, name)
        monkeypatch.setattr(CacheSite, name, lambda site, answer=answer: answer(site))
    monkeypatch.setattr(renewal, "wait_until_served", lambda *_: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return made


def add(store: Store, name: str, *, days: float = 800, phase: str = READY) -> str:
    """A cache whose server's certificate has this long to live; return its directory."""
    caches = CacheStore(store.path)
    record = CacheRecord.new(
        name,
        identity="id",
        created="",
        endpoint={"URL": "unix:///nowhere.sock"},
        registries=[Registry("docker.io", "https://registry-1.docker.io", 5000)],
    )
    record["Host"] = "10.0.0.9"
    record["Phase"] = phase
    directory = caches.directory(name)
    with caches.claim(name, "creating it"):
        cache_ca.server(name, directory, record.names)
        if days != 800:
            key = certificates.new_key()
            request = certificates.request(
                key, role="server", names=record.names, machine=name, lifetime=int(days * 86400)
            )
            with open(os.path.join(directory, "server.pem"), "wb") as file:
                file.write(CacheAuthority(name, directory).certificate(request))
        record["Given"] = creation.serial(directory)
        caches.save(record)
    return directory


def renew(store: Store, **terms: Any) -> dict[str, Renewed]:
    return {each.name: each for each in Machines(store.path).renew(**terms)}


def test_what_is_due_is_renewed_and_in_use(store: Store, containers: Containers) -> None:
    due, fine = add(store, "due", days=20), add(store, "fine")
    ca = in_directory(due).ca
    found = renew(store, before="30d")
    assert [(each.title, each.roles, each.reason) for each in found.values()] == [
        ("cache due", ("server",), ""),
        ("cache fine", (), "nothing is due"),
    ]
    after = in_directory(due)
    assert after.server is not None
    assert (after.server.life > 800 * 86400, after.ca) == (True, ca)
    with open(os.path.join(due, "server.pem"), "rb") as file:
        assert containers.files["due"]["server.pem"] == file.read()
    assert containers.files["due"]["server-key.pem"]
    assert (containers.reloads, list(containers.files)) == (["due"], ["due"])
    assert CacheStore(store.path).load("due").given == after.server.serial
    assert in_directory(fine).server is not None
    assert renew(store, before="30d")["due"].reason == "nothing is due"


def test_what_is_removed_or_made_meanwhile_is_no_failure(
    store: Store, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "due", days=20)
    monkeypatch.setattr(CacheStore, "names", lambda _: ["due", "gone", "new"])
    with CacheStore(store.path).claim("new", "creating it"):
        found = renew(store, before="30d")
    assert {name: (each.roles, bool(each.error)) for name, each in found.items()} == {
        "due": (("server",), False),
        "new": ((), False),
    }
    assert "another dinv is at work on it (creating it" in found["new"].reason


def test_one_that_is_busy_is_tried_again_at_the_end(
    store: Store, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "due", days=20)
    holding = contextlib.ExitStack()
    holding.enter_context(CacheStore(store.path).lock("due", "pruning it"))
    each, done = renewal.renew_due, []

    def renew_due(*given: Any, **more: Any) -> Renewed:
        found = each(*given, **more)
        done.append(found)
        holding.close()
        return found

    monkeypatch.setattr(renewal, "renew_due", renew_due)
    assert renew(store, before="30d")["due"].roles == ("server",)
    assert isinstance(done[0].error, CacheBusy)


def test_only_those_of_a_whole_store(store: Store, containers: Containers) -> None:
    add(store, "due", days=20)
    assert renew(store, names=[], before="30d") == {}
    assert containers.reloads == []


def test_a_dry_run_changes_nothing(store: Store, containers: Containers) -> None:
    before = in_directory(add(store, "due", days=20))
    assert renew(store, before="30d", dry_run=True)["due"].roles == ("server",)
    assert in_directory(CacheStore(store.path).directory("due")) == before
    assert (containers.files, containers.reloads) == ({}, [])


def test_one_that_does_not_run_is_left_to_its_start(store: Store, containers: Containers) -> None:
    before = in_directory(add(store, "due", days=20))
    add(store, "gone", days=20, phase=KEPT)
    containers.stopped.add("due")
    for dry in (True, False):
        found = renew(store, before="30d", dry_run=dry)
        assert (found["due"].roles, found["due"].later) == ((), ("server",))
        assert found["gone"].reason == "the cache is not there now"
    assert in_directory(CacheStore(store.path).directory("due")) == before


def test_one_that_was_killed_is_finished(store: Store, containers: Containers) -> None:
    directory = add(store, "due", days=20)
    containers.killed_at = "reload"
    with pytest.raises(KeyboardInterrupt):
        renew(store, before="30d")
    containers.killed_at = ""
    issued = in_directory(directory).server
    assert issued is not None
    assert issued.life > 800 * 86400
    assert renew(store)["due"].roles == ("server",), "its registries may still use the old one"
    assert containers.reloads == ["due"]
    assert renew(store)["due"].reason == "nothing is due"


def test_by_a_clock_that_differs_nothing_is_renewed(store: Store, containers: Containers) -> None:
    before = in_directory(add(store, "hub", days=20))
    containers.time = "2020-01-01T00:00:00Z"
    assert "the clock of this computer" in str(renew(store, before="30d")["hub"].error)
    assert in_directory(CacheStore(store.path).directory("hub")) == before
    assert containers.reloads == []


def test_a_ca_near_its_end_is_told_and_stays(store: Store, containers: Containers) -> None:
    before = in_directory(add(store, "hub")).ca
    found = renew(store, before="3660d", ca=True)["hub"]
    assert "cache rm --force hub" in found.remark
    assert in_directory(CacheStore(store.path).directory("hub")).ca == before


def test_a_ca_that_cannot_be_used_is_told_with_what_helps(store: Store, containers: Containers) -> None:
    os.unlink(os.path.join(add(store, "hub", days=20), "ca-key.pem"))
    error = renew(store, before="30d")["hub"].error
    assert error is not None
    assert "cache rm --force hub" in error.text
    assert "--keep-data" not in error.text, "the CA would be kept, too"
    assert containers.reloads == []


class TestProgram:
    @pytest.fixture
    def program(
        self,
        containers: Containers,
        store: Store,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Program:
        monkeypatch.setenv("MACHINE_STORAGE_PATH", store.path)
        monkeypatch.setattr("sys.argv", ["/usr/bin/dinv"])
        for name in ("away", "hub"):
            add(store, name, days=20)
        containers.unreached.add("away")
        return Program(capsys)

    def test_one_that_fails_does_not_keep_the_others(self, program: Program, containers: Containers) -> None:
        assert program("renew", "--all", "--before", "30d") == 1
        assert "cache hub: server renewed, valid until 20" in program.out
        assert "registry cache away was not renewed" in program.err
        assert containers.reloads == ["hub"]

    def test_what_a_dry_run_says(self, program: Program, containers: Containers) -> None:
        containers.unreached.clear()
        assert program("renew", "--all", "--before", "30d", "--dry-run") == 0
        assert "cache hub: server would be renewed; its registries would start anew" in program.out

    def test_as_records(self, program: Program) -> None:
        assert program("renew", "--all", "--before", "30d", "--format", "json") == 1
        records = {record["Name"]: record for record in json.loads(program.out)}
        assert (records["hub"]["Kind"], records["hub"]["Renewed"]) == ("cache", ["server"])
        assert records["away"]["Error"]
