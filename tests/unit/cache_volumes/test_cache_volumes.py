"""Volumes: whose they are, what is removed and what never is, and copies, on an endpoint in memory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_driver import World, install
from fake_engine import Containers, FakeEngine

from dinv.cache_volumes import CacheVolumes, cloning, found
from dinv.errors import (
    Conflict,
    EndpointUnreachable,
    ImageMissing,
    InputError,
    MachineBusy,
    NotFound,
    ServerError,
    VolumeError,
    VolumeInUse,
    VolumeMissing,
)
from dinv.labels import LABEL, LABEL_CLONE_OF, LABEL_CONTRACT, LABEL_ID, LABEL_ROLE, LABEL_STORE
from dinv.lifecycle import power
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store import identity
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.engine import Engine

VCH = {"ID": "vSphere Integrated Containers", "SystemStatus": [["VolumeStores", "default"]]}


class Copying(Containers):
    """A container that copies is done at once, unless `at_start` does something else with it."""

    status = 0
    at_start: Callable[[str], None] = staticmethod(lambda _name: None)

    def start(self, container: str, *, timeout: float) -> None:
        super().start(container, timeout=timeout)
        container = self._name(container)
        if container.startswith(found.COPIER):
            self.at_start(container)
            self.inspect(container)["State"].update(Status="exited", Running=False, ExitCode=self.status)


class Endpoint(FakeEngine):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.containers: Copying = Copying(self)
        labels = {LABEL_CONTRACT: "dinv"}
        self.images.there["dinv:latest"] = {"Id": "sha256:d1", "RepoTags": ["dinv:latest"], "Labels": labels}

    def volume(self, name: str, *, age: float = 86400, **labels: str) -> None:
        made = datetime.now(UTC) - timedelta(seconds=age)
        keys = {
            "machine": LABEL,
            "id": LABEL_ID,
            "role": LABEL_ROLE,
            "store": LABEL_STORE,
            "of": LABEL_CLONE_OF,
        }
        self.volumes.there[name] = {
            "Name": name,
            "Labels": {keys[key]: value for key, value in labels.items()} or None,
            "CreatedAt": made.isoformat(),
            "Options": {},
        }

    def clock(self, ahead: float) -> None:
        """Have it say what time it is: ours, and `ahead` seconds more."""
        self._info["SystemTime"] = (datetime.now(UTC) + timedelta(seconds=ahead)).isoformat()

    def container(self, name: str, *volumes: str, state: str = "exited", **labels: str) -> None:
        self.containers.there[name] = {
            "Id": f"id-of-{name}",
            "Config": {"Labels": {LABEL_ID: labels["id"]} if "id" in labels else None},
            "HostConfig": {},
            "Mounts": [{"Name": volume, "Destination": "/var/lib/docker"} for volume in volumes],
            "State": {"Status": state, "Running": state == "running", "ExitCode": 0},
        }


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return install(monkeypatch, str(tmp_path / "endpoint"))


@pytest.fixture
def store(world: World, tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"))
    os.makedirs(store.machines_directory)
    return store


@pytest.fixture
def volumes(store: Store, endpoint: Endpoint) -> Iterator[CacheVolumes]:
    with CacheVolumes(store, [(cast("Engine", endpoint), False)]) as volumes:
        yield volumes


def record(store: Store, name: str, identity: str, volume: str = "") -> None:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="fake", identity=identity, created="now"
    )
    config.driver.update(
        CacheVolume=volume or f"dinv-{name}-cache",
        URL="tcp://127.0.0.1:1000",
        IPAddress="127.0.0.1",
        Port=1000,
        Container=f"dinv-{name}",
    )
    config.ours["Phase"] = READY
    with store.claim(name, "testing"):
        store.save(config)
    World.current.states[name] = STOPPED


def states(volumes: CacheVolumes) -> dict[str, str]:
    return {volume.name: volume.state for volume in volumes.list()}


def scene(store: Store, endpoint: Endpoint) -> None:
    """A machine of this store, one of another, one that each of the two has removed, a copy, and others'."""
    mine = identity.of(store)
    record(store, "dev", "i1")
    endpoint.volume("dinv-dev-cache", machine="dev", id="i1", role="cache", store=mine)
    endpoint.container("dinv-dev", "dinv-dev-cache", state="running", id="i1")
    endpoint.volume("dinv-theirs-cache", machine="theirs", id="i2", role="cache", store="other")
    endpoint.container("dinv-theirs", "dinv-theirs-cache", id="i2")
    endpoint.volume("dinv-old-cache", machine="old", id="i3", role="cache", store=mine)
    endpoint.volume("dinv-gone-cache", machine="gone", id="i4", role="cache", store="other")
    endpoint.volume("copy", role="cache", of="dinv-old-cache", store=mine)
    endpoint.volume("database")
    endpoint.volume("dinv-hub-data", role="cache", store=mine)  # as of a registry cache
    record(store, "named", "i5", volume="images")
    endpoint.volume("images")


def test_each_has_a_state_and_others_are_not_shown(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    assert states(volumes) == {
        "copy": "unused",
        "dinv-dev-cache": "in use",
        "dinv-gone-cache": "left",
        "dinv-old-cache": "left",
        "dinv-theirs-cache": "in use",
        "images": "kept",
    }
    listed = {volume.name: volume for volume in volumes.list()}
    dev = listed["dinv-dev-cache"]
    assert (dev.machine, dev.owner, dev.users, dev.running) == ("dev", "dev", ["dinv-dev"], ["dinv-dev"])
    assert (dev.size, dev.created[:2], dev.ours) == (140, "20", True)
    assert (listed["dinv-theirs-cache"].ours, listed["images"].owner) == (False, "named")
    assert listed["copy"].clone_of == "dinv-old-cache"


def test_a_vch_tells_no_sizes_and_mounts_only_one_by_one(store: Store) -> None:
    endpoint = Endpoint(info=VCH)
    scene(store, endpoint)
    with CacheVolumes(store, [(cast("Engine", endpoint), False)]) as volumes:
        listed = {volume.name: volume for volume in volumes.list()}
    assert {volume.size for volume in listed.values()} == {None}
    assert listed["dinv-theirs-cache"].users == ["dinv-theirs"]


def test_prune_takes_what_this_store_left(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    assert [volume.name for volume in volumes.unused()] == ["dinv-old-cache"]
    assert [volume.name for volume in volumes.prune()] == ["dinv-old-cache"]
    assert "dinv-old-cache" not in endpoint.volumes.there
    assert len(endpoint.volumes.there) == 7


def test_prune_for_everyone_takes_what_other_stores_have_left(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    removed = volumes.prune(everyone=True)
    assert [volume.name for volume in removed] == ["dinv-gone-cache", "dinv-old-cache"]
    assert "copy" in endpoint.volumes.there
    assert "database" in endpoint.volumes.there


def test_what_another_store_may_be_about_to_use_stays(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    endpoint.volume("dinv-new-cache", age=60, machine="new", id="i9", role="cache", store="other")
    assert volumes.unused(everyone=True) == []
    endpoint.volume("dinv-new-cache", age=3600, machine="new", id="i9", role="cache", store="other")
    assert len(volumes.unused(everyone=True)) == 1


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_how_old_a_volume_is_the_endpoints_clock_says(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, ahead: float
) -> None:
    endpoint.clock(ahead)
    endpoint.volume("dinv-new-cache", age=60 - ahead, machine="new", id="i9", role="cache", store="other")
    assert volumes.unused(everyone=True) == []
    endpoint.volume("dinv-new-cache", age=3600 - ahead, machine="new", id="i9", role="cache", store="other")
    assert len(volumes.unused(everyone=True)) == 1


def test_a_create_of_this_store_that_was_killed_keeps_its_volume(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    record(store, "half", "i7")
    endpoint.volume("dinv-half-cache", age=0, machine="half", id="i7", role="cache", store=identity.of(store))
    assert states(volumes) == {"dinv-half-cache": "kept"}
    assert volumes.prune(everyone=True) == []


def test_a_record_that_cannot_be_read_keeps_what_has_its_name(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    os.makedirs(store.directory("old"))
    with open(os.path.join(store.directory("old"), "config.json"), "w", encoding="utf-8") as file:
        file.write("{")
    assert volumes.prune() == []
    with pytest.raises(VolumeInUse, match='the one of machine "old"'):
        volumes.remove("dinv-old-cache")


def test_what_gets_a_user_meanwhile_is_not_pruned(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(store, endpoint)
    real = CacheVolumes.unused

    def unused(self: CacheVolumes, **more: Any) -> list[found.CacheVolume]:
        left = real(self, **more)
        endpoint.container("quick", "dinv-old-cache")
        return left

    monkeypatch.setattr(CacheVolumes, "unused", unused)
    assert volumes.prune() == []
    assert "dinv-old-cache" in endpoint.volumes.there


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dinv-dev-cache", 'is the one of machine "dev". It is removed with the machine: dinv rm dev'),
        ("images", 'is the one of machine "named"'),
        ("dinv-theirs-cache", "in use by machine theirs of another store: dinv-theirs"),
    ],
)
def test_what_a_machine_has_is_not_removed(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, name: str, said: str
) -> None:
    scene(store, endpoint)
    for force in (False, True):
        with pytest.raises(VolumeInUse) as caught:
            volumes.remove(name, force=force)
        assert said in str(caught.value)
    assert name in endpoint.volumes.there


@pytest.mark.parametrize("name", ["database", "nothing"])
def test_what_is_not_dinvs_is_not_touched(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, name: str
) -> None:
    scene(store, endpoint)
    with pytest.raises(VolumeMissing, match=f"no volume {name} of dinv's"):
        volumes.remove(name)
    assert "database" in endpoint.volumes.there


def test_what_nobody_has_is_removed(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    for name in ("dinv-old-cache", "copy", "dinv-gone-cache"):
        volumes.remove(name)
        assert name not in endpoint.volumes.there


def test_a_name_on_two_endpoints_is_asked_about(store: Store, endpoint: Endpoint) -> None:
    other = Endpoint(host="far")
    for each in (endpoint, other):
        each.volume("copy", of="one", store=identity.of(store))
    both = [(cast("Engine", endpoint), False), (cast("Engine", other), False)]
    with CacheVolumes(store, both) as volumes:
        assert [volume.endpoint for volume in volumes.list()] == ["unix:///e.sock", "tcp://h:2376"]
        with pytest.raises(VolumeError, match=r"on unix:///e\.sock and tcp://h:2376"):
            volumes.remove("copy")


def test_an_endpoint_that_is_away_is_a_warning_unless_it_is_the_one(
    store: Store, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Endpoint(host="far")

    def refuse(**_: Any) -> list[Any]:
        raise EndpointUnreachable("tcp://h:2376", "no route")

    monkeypatch.setattr(away.volumes, "list", refuse)
    endpoint.volume("copy", of="one", store=identity.of(store))
    warned: list[str] = []

    class Heard(Progress):
        def warn(self, text: str) -> None:
            warned.append(text)

    both = [(cast("Engine", endpoint), False), (cast("Engine", away), False)]
    with CacheVolumes(store, both) as volumes:
        assert [volume.name for volume in volumes.list(progress=Heard())] == ["copy"]
        assert "no route" in warned[0]
        volumes.remove("copy")
    for only in ([(away, False)], [(endpoint, False), (away, True)]):
        with CacheVolumes(store, cast("Any", only)) as volumes, pytest.raises(EndpointUnreachable):
            volumes.list()


# Copies


def test_a_copy_is_made_by_a_container_that_is_gone_afterwards(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    seen: list[dict[str, Any]] = []

    def at_start(name: str) -> None:
        seen.append(endpoint.containers.inspect(name))
        assert states(volumes)["two"] == "copying"
        with pytest.raises(VolumeInUse, match="is being made, as a copy of dinv-old-cache"):
            volumes.remove("two")
        assert "two" not in [volume.name for volume in volumes.unused(everyone=True)]

    endpoint.containers.at_start = at_start
    made = volumes.clone("dinv-old-cache", "two")
    assert (made.name, made.state, made.clone_of, made.ours) == ("two", "unused", "dinv-old-cache", True)
    host = seen[0]["HostConfig"]
    assert host["Binds"] == ["dinv-old-cache:/from:ro", "two:/to"]
    assert "SYS_ADMIN" in host["CapAdd"]
    assert "RestartPolicy" not in host
    assert "dinv-clone-two" not in endpoint.containers.there


def test_a_machines_name_means_its_volume(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    assert volumes.clone("named", "two").clone_of == "images"


@pytest.mark.parametrize("stop", [False, True])
def test_images_in_use_are_not_copied_unless_the_machine_is_stopped(
    store: Store,
    endpoint: Endpoint,
    volumes: CacheVolumes,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stop: bool,
) -> None:
    scene(store, endpoint)
    World.current.states["dev"] = RUNNING
    done: list[str] = []
    state = endpoint.containers.inspect("dinv-dev")["State"]

    def stopped(host: Any, *_: Any) -> None:
        done.append(f"stop {host.name}")
        state.update(Status="exited", Running=False)

    monkeypatch.setattr(power, "stop", stopped)
    monkeypatch.setattr(power, "start", lambda host, *_: done.append(f"start {host.name}"))

    def at_start(_name: str) -> None:
        done.append("copy")
        with pytest.raises(MachineBusy), Store(store.path).lock("dev", "testing"):
            pass

    endpoint.containers.at_start = at_start
    if stop:
        volumes.clone("dev", "two", stop=True)
        assert done == ["stop dev", "copy", "start dev"]
        return
    with pytest.raises(VolumeInUse, match="or have that done for as long as it takes, with stop"):
        volumes.clone("dev", "two")
    assert done == []
    assert "two" not in endpoint.volumes.there


def test_a_machine_that_was_stopped_for_it_is_started_whatever_happens(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(store, endpoint)
    World.current.states["dev"] = RUNNING
    started: list[str] = []
    monkeypatch.setattr(power, "stop", lambda *_: None)  # it goes on running
    monkeypatch.setattr(power, "start", lambda host, *_: started.append(host.name))
    with pytest.raises(VolumeInUse, match="in use by dinv-dev"):
        volumes.clone("dev", "two", stop=True)
    assert started == ["dev"]


def test_what_another_store_runs_is_not_copied(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    endpoint.containers.inspect("dinv-theirs")["State"]["Status"] = "running"
    with pytest.raises(VolumeInUse, match="in use by dinv-theirs"):
        volumes.clone("dinv-theirs-cache", "two", stop=True)
    endpoint.containers.inspect("dinv-theirs")["State"]["Status"] = "exited"
    volumes.clone("dinv-theirs-cache", "two")


def test_a_copy_that_fails_leaves_nothing(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    endpoint.containers.status = 11
    endpoint.containers.log = [(2, b"rsync: write failed: No space left on device (28)\n")]
    with pytest.raises(VolumeError, match=r"could not be copied to two, .*No space left on device"):
        volumes.clone("dinv-old-cache", "two")
    assert "two" not in endpoint.volumes.there
    assert "dinv-clone-two" not in endpoint.containers.there
    assert "dinv-old-cache" in endpoint.volumes.there


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ServerError("no such device", status=500)])
def test_a_copy_that_is_broken_off_leaves_nothing(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, error: BaseException
) -> None:
    scene(store, endpoint)

    def at_start(_name: str) -> None:
        raise error

    endpoint.containers.at_start = at_start
    with pytest.raises(type(error)):
        volumes.clone("dinv-old-cache", "two")
    assert "two" not in endpoint.volumes.there
    assert "dinv-clone-two" not in endpoint.containers.there


def broken_off(store: Store, endpoint: Endpoint) -> None:
    """What a kill -9 during a copy leaves, once the container has ended."""
    endpoint.volume("two", role="cache", of="dinv-old-cache", store=identity.of(store))
    endpoint.container("dinv-clone-two", "dinv-old-cache", "two")


def test_what_a_kill_leaves_is_unfinished_and_can_be_removed(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    broken_off(store, endpoint)
    assert states(volumes)["two"] == "unfinished"
    volumes.remove("two")
    assert "two" not in endpoint.volumes.there
    broken_off(store, endpoint)
    assert "two" in [volume.name for volume in volumes.prune()]
    assert "dinv-clone-two" not in endpoint.containers.there


@pytest.mark.parametrize("state", ["created", "exited"])
@pytest.mark.parametrize("ahead", [-7200, 0, 7200])
def test_a_copy_that_nobody_has_looked_after_for_a_moment_is_not_broken_off(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, state: str, ahead: float
) -> None:
    """Its container is made and then started, and taken away a moment after it has ended."""
    scene(store, endpoint)
    broken_off(store, endpoint)
    endpoint.clock(ahead)
    just = (datetime.now(UTC) + timedelta(seconds=ahead - 5)).isoformat()
    copier = endpoint.containers.inspect("dinv-clone-two")
    copier["Created"] = just if state == "created" else "2026-01-01T00:00:00.123456789Z"
    copier["State"] |= {"Status": state, "StartedAt": "0001-01-01T00:00:00Z"}
    copier["State"]["FinishedAt"] = just if state == "exited" else "0001-01-01T00:00:00Z"
    assert states(volumes)["two"] == "copying"
    assert "two" not in [volume.name for volume in volumes.prune(everyone=True)]
    with pytest.raises(VolumeInUse, match="is being made"):
        volumes.remove("two")
    with pytest.raises(VolumeInUse, match="is being made"):
        volumes.clone("dinv-theirs-cache", "two")
    assert "two" in endpoint.volumes.there
    assert "dinv-clone-two" in endpoint.containers.there
    endpoint.clock(ahead + 90)
    assert states(volumes)["two"] == "unfinished"
    assert "two" in [volume.name for volume in volumes.prune(everyone=True)]


@pytest.mark.parametrize("how", ["prune", "remove", "clone"])
def test_of_those_that_remove_a_broken_copy_one_goes_on(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Another has removed it, and makes a new one."""
    scene(store, endpoint)
    broken_off(store, endpoint)

    def remove(container: str, **_: Any) -> None:
        endpoint.containers.there["dinv-clone-two"]["Id"] = "the new one"
        raise NotFound(f"no such container: {container}", status=404)

    monkeypatch.setattr(endpoint.containers, "remove", remove)
    if how == "prune":
        assert "two" not in [volume.name for volume in volumes.prune()]
    else:
        with pytest.raises(VolumeInUse, match="just being removed, or made anew, by another dinv"):
            volumes.remove("two") if how == "remove" else volumes.clone("dinv-theirs-cache", "two")
    assert "two" in endpoint.volumes.there


def test_of_two_copies_to_one_name_the_second_removes_nothing(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(store, endpoint)
    real = endpoint.volumes.create

    def create(name: str, **more: Any) -> Any:
        endpoint.volume("two", role="cache", of="dinv-old-cache", store=identity.of(store))
        endpoint.container("dinv-clone-two", "dinv-old-cache", "two", state="running")
        return real(name, **more)

    monkeypatch.setattr(endpoint.volumes, "create", create)
    with pytest.raises(VolumeError, match="has a volume two already"):
        volumes.clone("dinv-old-cache", "two")
    assert states(volumes)["two"] == "copying"


def test_a_container_of_its_name_is_not_removed(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    endpoint.container("dinv-clone-two", "database", state="running")
    with pytest.raises(Conflict):
        volumes.clone("dinv-old-cache", "two")
    assert "dinv-clone-two" in endpoint.containers.there
    assert "two" not in endpoint.volumes.there


def test_a_call_that_was_repeated_finds_what_it_has_made(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(store, endpoint)

    def twice(real: Callable[..., Any]) -> Callable[..., None]:
        def create(*given: Any, **more: Any) -> None:
            real(*given, **more)
            raise Conflict("is there already", status=409)

        return create

    for calls in (endpoint.volumes, endpoint.containers):
        monkeypatch.setattr(calls, "create", twice(calls.create))
    assert volumes.clone("dinv-old-cache", "two").state == "unused"


def test_a_copy_in_the_making_is_broken_off_by_force(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    endpoint.containers.at_start = lambda _name: volumes.remove("two", force=True)
    with pytest.raises(VolumeError, match="the container that makes it was removed meanwhile"):
        volumes.clone("dinv-old-cache", "two")
    assert "two" not in endpoint.volumes.there
    assert "dinv-clone-two" not in endpoint.containers.there


def test_a_copy_that_is_removed_as_soon_as_it_is_whole(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(store, endpoint)
    real = endpoint.containers.remove

    def remove(container: str, **more: Any) -> None:
        real(container, **more)
        del endpoint.volumes.there["two"]

    monkeypatch.setattr(endpoint.containers, "remove", remove)
    with pytest.raises(VolumeMissing, match="was copied, and somebody has removed it since"):
        volumes.clone("dinv-old-cache", "two")


def test_what_a_kill_leaves_is_made_again(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    broken_off(store, endpoint)
    assert volumes.clone("dinv-old-cache", "two").state == "unused"
    assert endpoint.calls.count(("remove volume", "two")) == 1


def test_what_is_unfinished_is_not_copied(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    scene(store, endpoint)
    broken_off(store, endpoint)
    with pytest.raises(VolumeError, match="itself a copy that is not finished"):
        volumes.clone("two", "three")


@pytest.mark.parametrize("target", ["database", "copy", "dinv-dev-cache"])
def test_a_volume_that_is_there_is_not_copied_over(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, target: str
) -> None:
    scene(store, endpoint)
    with pytest.raises(VolumeError, match=f"has a volume {target} already"):
        volumes.clone("dinv-old-cache", target)
    assert target in endpoint.volumes.there


@pytest.mark.parametrize("target", ["", "a", "a b", "../x", "x" * 81, "-x", "a:b"])
def test_a_name_that_no_volume_can_have(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes, target: str
) -> None:
    scene(store, endpoint)
    with pytest.raises(InputError, match="cannot be a volume"):
        volumes.clone("dinv-old-cache", target)


def test_without_a_machine_image_nothing_is_stopped(
    store: Store, endpoint: Endpoint, volumes: CacheVolumes
) -> None:
    scene(store, endpoint)
    endpoint.images.there.clear()
    with pytest.raises(ImageMissing, match="image build"):
        volumes.clone("dev", "two", stop=True)
    assert World.current.steps == []


def test_a_copy_on_a_vch_is_as_large_and_in_the_same_store(store: Store) -> None:
    endpoint = Endpoint(info=VCH)
    endpoint.volume("one", of="zero", store=identity.of(store))
    endpoint.volumes.there["one"]["Options"] = {"Capacity": "20480", "VolumeStore": "fast", "flags": "rw"}
    bodies: list[dict[str, Any]] = []
    endpoint.containers.at_start = lambda name: bodies.append(endpoint.containers.inspect(name)["HostConfig"])
    with CacheVolumes(store, [(cast("Engine", endpoint), False)]) as volumes:
        volumes.clone("one", "two")
    assert endpoint.volumes.there["two"]["Options"] == {"Capacity": "20480", "VolumeStore": "fast"}
    assert "CapAdd" not in bodies[0]
    assert "PortBindings" not in bodies[0]


def test_a_source_that_is_nothing(store: Store, endpoint: Endpoint, volumes: CacheVolumes) -> None:
    with pytest.raises(VolumeMissing):
        volumes.clone("nothing", "two")
    assert cloning.container("two") == "dinv-clone-two"


# The store's identity


def test_a_store_has_an_identity_once_something_is_made_for_it(store: Store) -> None:
    assert identity.known(store) == ""
    first = identity.of(store)
    assert len(first) == 32
    assert identity.of(Store(store.path)) == first == identity.known(store)
    assert store.names() == []
    assert os.listdir(store.machines_directory) == [".identity"]


def test_a_store_that_cannot_be_written_has_none(tmp_path: Path) -> None:
    assert identity.of(Store(str(tmp_path / "nowhere"))) == ""
