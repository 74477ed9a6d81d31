"""The docker driver: made, started, moved, removed; and nothing of anybody else's touched."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, container, made, new_driver
from fake_engine import FakeEngine, port_taken

from dinv.drivers import AddressTaken, find
from dinv.drivers.docker import containers, volumes
from dinv.drivers.docker.driver import DockerDriver
from dinv.endpoints.resolve import Endpoint
from dinv.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    ImageError,
    MachineError,
    MachineGone,
    NotDone,
    PreCreateCheckFailed,
    ServerError,
)
from dinv.labels import LABEL, LABEL_CONTRACT, LABEL_ID, LABEL_ROLE
from dinv.progress import Progress
from dinv.states import ERROR, PAUSED, RUNNING, STARTING, STOPPED
from dinv.store.record import READY
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.drivers.docker.site import Site


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def test_it_is_built_in() -> None:
    assert find("docker") is DockerDriver


# Making


def test_what_it_makes_says_whose_it_is(engine: FakeEngine) -> None:
    driver = made(engine, label=("mine=1",))
    labels = engine.containers.there["dinv-dev"]["Config"]["Labels"]
    assert (labels[LABEL], labels[LABEL_ID], labels[LABEL_ROLE], labels["mine"]) == (
        "dev",
        "x",
        "machine",
        "1",
    )
    volume = engine.volumes.there["dinv-dev-cache"]["Labels"]
    assert (volume[LABEL], volume[LABEL_ID], volume[LABEL_ROLE]) == ("dev", "x", "cache")
    assert driver.config.driver["ContainerID"] == "id-of-dinv-dev"
    assert engine.containers.there["dinv-dev"]["Config"]["Env"] == ["X=1"]


def test_a_long_name_is_a_host_name_still(engine: FakeEngine) -> None:
    name = "a" * 62 + ".-b"
    made(engine, name)
    assert engine.containers.there[f"dinv-{name}"]["Config"]["Hostname"] == "a" * 62


def test_a_volume_that_was_kept_is_taken_as_it_is(engine: FakeEngine) -> None:
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": None}
    driver = made(engine, cache_volume="mine")
    assert driver.config.driver["CacheVolumeKept"]
    assert ("create volume", "mine") not in engine.calls


def _two_on_one_volume(engine: FakeEngine) -> tuple[DockerDriver, DockerDriver]:
    """Both have found it to be free."""
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": None}
    one, two = (new_driver(engine, name, identity=name, cache_volume="mine") for name in ("one", "two"))
    for driver in (one, two):
        driver.pre_create_check(Progress())
    return one, two


def _created_on(volume: str, name: str) -> dict[str, Any]:
    return container(
        name,
        identity=name,
        Mounts=[{"Name": volume, "Destination": "/var/lib/docker"}],
        State={"Status": "created", "Running": False},
    )


def test_of_two_creates_on_one_kept_volume_the_later_one_fails(engine: FakeEngine) -> None:
    one, two = _two_on_one_volume(engine)
    two.create({}, (), MOUNTS)
    two.start(timeout=1)
    with pytest.raises(PreCreateCheckFailed, match="in use by dinv-two: two daemons"):
        one.create({}, (), MOUNTS)
    one.remove()
    assert list(engine.containers.there) == ["dinv-two"]
    assert list(engine.volumes.there) == ["mine"]


def test_of_two_that_see_each_other_one_stays(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = _two_on_one_volume(engine)
    engine.containers.there["dinv-two"] = _created_on("mine", "two")

    def other_gives_way(_seconds: float) -> None:
        engine.containers.there["dinv-one"]["State"]["Status"] = "created"
        with pytest.raises(PreCreateCheckFailed, match="in use by dinv-one"):
            volumes.check_sole_user(two.site)
        del engine.containers.there["dinv-two"]

    monkeypatch.setattr(time, "sleep", other_gives_way)
    one.create({}, (), MOUNTS)
    assert list(engine.containers.there) == ["dinv-one"]


def test_who_neither_starts_nor_gives_way_is_not_waited_for_long(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "_GIVE_WAY_SECONDS", 0.2)
    one, _ = _two_on_one_volume(engine)
    engine.containers.there["dinv-two"] = _created_on("mine", "two")
    with pytest.raises(PreCreateCheckFailed, match="in use by dinv-two"):
        one.create({}, (), MOUNTS)


def test_volumes_that_the_image_declares_get_names(engine: FakeEngine) -> None:
    """Anonymous ones would be left behind by who removes the container without them."""
    engine.images.there["dinv:latest"] = {
        "Config": {"Labels": {LABEL_CONTRACT: "dinv"}, "Volumes": {"/var/lib/docker": {}, "/certs": {}}}
    }
    driver = new_driver(engine)
    driver.pre_create_check(Progress())
    assert driver.prepare(Progress()) == "dinv"
    driver.create({}, (), MOUNTS)
    mounts = {mount["Destination"]: mount["Name"] for mount in engine.containers.there["dinv-dev"]["Mounts"]}
    assert set(mounts) == {"/var/lib/docker", "/certs"}
    assert set(mounts.values()) == set(engine.volumes.there)
    driver.remove()
    assert engine.volumes.there == {}


def test_an_image_that_is_no_machine_image_is_refused(engine: FakeEngine) -> None:
    engine.images.there["dinv:latest"] = {"Config": {"Labels": None}}
    with pytest.raises(ImageError, match="dinv image build"):
        new_driver(engine).prepare(Progress())


@pytest.mark.parametrize("key", ["Memory", "NanoCpus"])
def test_a_limit_that_is_not_honoured_is_a_failure(engine: FakeEngine, key: str) -> None:
    engine.containers.ignores = {key}
    with pytest.raises(PreCreateCheckFailed, match="no swap limit"):
        made(engine, memory="1g", cpus="1")


def test_a_name_taken_since_the_check_is_a_failure(engine: FakeEngine) -> None:
    driver = new_driver(engine)
    driver.pre_create_check(Progress())
    engine.containers.there["dinv-dev"] = container("dev", identity="other")
    with pytest.raises(PreCreateCheckFailed, match="somebody else"):
        driver.create({}, (), MOUNTS)
    driver.remove()
    assert "dinv-dev" in engine.containers.there
    assert engine.volumes.there == {}


def test_a_volume_made_since_the_check_is_not_taken_over(engine: FakeEngine) -> None:
    driver = new_driver(engine)
    driver.pre_create_check(Progress())
    engine.volumes.there["dinv-dev-cache"] = {"Name": "dinv-dev-cache", "Labels": {LABEL_ID: "other"}}
    with pytest.raises(PreCreateCheckFailed, match="somebody else"):
        driver.create({}, (), MOUNTS)
    driver.remove()
    assert "dinv-dev-cache" in engine.volumes.there


def test_an_endpoint_that_refuses_is_told_in_its_words(engine: FakeEngine) -> None:
    engine.volumes.refusal = ServerError("quota not supported", status=500)
    with pytest.raises(PreCreateCheckFailed, match="xfs"):
        made(engine, cache_size="1g")
    engine.volumes.refusal = None
    engine.containers.refusal = BadRequest("invalid IP", status=400)
    with pytest.raises(PreCreateCheckFailed, match="invalid IP"):
        made(engine)


# Running


def test_a_port_taken_at_the_start_is_moved_away_from(engine: FakeEngine) -> None:
    driver = made(engine)
    before = driver.url
    engine.containers.refusal = port_taken()
    with pytest.raises(AddressTaken):
        driver.start(timeout=5)
    driver.move()
    assert "dinv-dev" not in engine.containers.there
    assert not driver.config.driver["ContainerID"]  # a kill may leave the next one in the making
    assert driver.url != before
    engine.containers.refusal = None
    driver.create({}, (), MOUNTS)
    driver.start(timeout=5)
    assert driver.state(timeout=1).state == RUNNING


@pytest.mark.parametrize("finished", [True, False])
def test_a_port_that_was_promised_is_not_moved_away_from(engine: FakeEngine, *, finished: bool) -> None:
    driver = made(engine) if finished else made(engine, publish="[::1]:4000")
    if finished:
        driver.config.ours["Phase"] = READY
    engine.containers.refusal = port_taken()
    with pytest.raises(PreCreateCheckFailed, match="publish=ADDRESS:PORT") as caught:
        driver.start(timeout=5)
    address = f"127.0.0.1:{driver.config.driver['Port']}" if finished else "[::1]:4000"
    assert f"Port {address} of machine" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "Error starting userland proxy: listen tcp4 8.8.8.8:25141: bind: cannot assign requested address",
        "netavark: rootlessport listen tcp 8.8.8.8:25141: bind: Cannot assign requested address",
    ],
)
def test_an_address_that_the_host_does_not_have(engine: FakeEngine, words: str) -> None:
    driver = made(engine, publish="8.8.8.8")
    engine.containers.refusal = ServerError(words, status=500)
    with pytest.raises(PreCreateCheckFailed, match=r"8\.8\.8\.8.* has no such address"):
        driver.start(timeout=5)


def test_a_start_that_fails_otherwise_says_why(engine: FakeEngine) -> None:
    driver = made(engine)
    engine.containers.refusal = ServerError("no space left on device", status=500)
    with pytest.raises(MachineError, match="no space left"):
        driver.start(timeout=5)


def test_what_is_gone_is_told_as_gone(engine: FakeEngine) -> None:
    driver = made(engine)
    engine.containers.there.clear()
    calls: list[Callable[[], object]] = [
        lambda: driver.start(timeout=5),
        lambda: driver.stop(timeout=5),
        driver.kill,
        lambda: list(driver.logs(tail=None, follow=False, timestamps=False)),
    ]
    for call in calls:
        with pytest.raises(MachineGone, match="dinv-dev"):
            call()
    assert driver.last_log_lines(5) == []


def test_stop_kill_and_signals_go_to_the_container(engine: FakeEngine) -> None:
    driver = made(engine)
    driver.start(timeout=5)
    driver.stop(timeout=7)
    assert driver.state(timeout=1).state == STOPPED
    driver.kill()
    driver.signal_init("SIGHUP")
    assert engine.calls[-2:] == [("SIGKILL", "dinv-dev"), ("SIGHUP", "dinv-dev")]


# Removing


def test_all_of_it_goes_and_twice_is_fine(engine: FakeEngine) -> None:
    driver = made(engine)
    assert driver.remove() == []
    assert (engine.containers.there, engine.volumes.there) == ({}, {})
    assert driver.remove() == []


def test_what_a_killed_create_had_asked_for_may_come_while_it_is_removed(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = made(engine)
    (container_there,) = engine.containers.there.values()
    engine.containers.there.clear()
    monkeypatch.setattr("dinv.drivers.docker.containers.time.sleep", lambda _: None)
    remove = engine.volumes.remove

    def in_use(name: str, *, timeout: float) -> None:
        # The engine comes to making it between our look for it and the volume's removal.
        engine.volumes.remove = remove  # type: ignore[method-assign]
        engine.containers.there["dinv-dev"] = container_there
        raise Conflict("volume is in use", status=409)

    engine.volumes.remove = in_use  # type: ignore[method-assign]
    assert late.remove() == []
    assert (engine.containers.there, engine.volumes.there) == ({}, {})


def test_what_comes_after_the_removal_is_removed_too(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine)
    there = dict(engine.containers.there)
    engine.containers.there.clear()
    killed = _killed(driver)
    looks = []

    def late(seconds: float) -> None:
        looks.append(seconds)
        if sum(looks) > 2:
            engine.containers.there.update(there)

    monkeypatch.setattr("dinv.drivers.docker.containers.time.sleep", late)
    assert killed.remove() == []
    assert (engine.containers.there, engine.volumes.there) == ({}, {})
    # Nothing comes after the container.
    assert 2 < sum(looks) <= 3


def _killed(driver: DockerDriver) -> DockerDriver:
    """The machine of a create that was killed before it had an answer, as the next command finds it."""
    driver.config.driver.pop("ContainerID")
    return _found(driver)


def _found(driver: DockerDriver) -> DockerDriver:
    """The same machine, as another process finds it."""
    found = DockerDriver(driver.config, driver.store)
    found.site._engine = driver.site._engine
    return found


def test_where_nothing_can_come_any_more_nothing_is_waited_for(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(seconds: float) -> None:
        pytest.fail(f"waits {seconds} s")

    monkeypatch.setattr("dinv.drivers.docker.containers.time.sleep", never)
    # The container is there, and it is the last thing that was asked for.
    assert _killed(made(engine)).remove() == []
    # It was there, and somebody has removed it.
    gone = made(engine)
    engine.containers.there.clear()
    assert _found(gone).remove() == []
    # All calls of this process were answered.
    here = made(engine)
    engine.containers.there.clear()
    here.config.driver.pop("ContainerID")
    assert here.remove() == []
    assert engine.volumes.there == {}


def test_what_this_process_has_no_answer_to_may_come_late(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume, for instance: what is made before the container is looked for as long."""
    driver = made(engine)
    there = dict(engine.volumes.there)
    engine.containers.there.clear()
    engine.volumes.there.clear()
    engine.unanswered.append("/volumes/create")
    monkeypatch.setattr(
        "dinv.drivers.docker.containers.time.sleep", lambda _: engine.volumes.there.update(there)
    )
    assert driver.remove() == []
    assert engine.volumes.there == {}


def test_a_container_that_a_killed_upgrade_had_asked_for_goes_with_the_machine(engine: FakeEngine) -> None:
    """The upgrade was taken back before it came."""
    driver = made(engine)
    driver.config.phase = READY
    engine.containers.there["dinv-dev_new"] = {**engine.containers.there["dinv-dev"], "Id": "new"}
    driver.remove()
    assert engine.containers.there == {}


@pytest.mark.parametrize(
    ("volume", "keep", "left"),
    [
        ({"Name": "dinv-dev-cache", "Labels": None}, False, False),
        ({"Name": "dinv-dev-cache", "Labels": None}, True, True),
        ({"Name": "dinv-dev-cache", "Labels": {"whose": "somebody's"}}, False, True),
        ({"Name": "theirs", "Labels": None}, False, True),
    ],
)
def test_a_volume_that_the_engine_makes_for_what_comes_late_goes_too(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, *, volume: dict[str, Any], keep: bool, left: bool
) -> None:
    """The one that was labelled is gone by then, and the engine makes another of its name."""
    driver = made(engine)
    there = dict(engine.containers.there)
    there["dinv-dev"]["Mounts"] = [{"Name": volume["Name"], "Destination": "/var/lib/docker"}]
    engine.containers.there.clear()
    engine.volumes.there.clear()
    killed = _killed(driver)

    def late(_: float) -> None:
        engine.containers.there.update(there)
        engine.volumes.there[volume["Name"]] = volume

    monkeypatch.setattr("dinv.drivers.docker.containers.time.sleep", late)
    killed.remove(keep_cache=keep)
    assert engine.containers.there == {}
    assert (volume["Name"] in engine.volumes.there) == left


def test_what_was_never_configured_has_nothing_to_remove(engine: FakeEngine) -> None:
    driver = new_driver(engine)
    driver.config.driver.clear()
    assert driver.remove() == []
    assert engine.calls == []


def test_the_cache_stays_when_asked_for(engine: FakeEngine) -> None:
    (left,) = made(engine).remove(keep_cache=True)
    assert "--cache-volume dinv-dev-cache" in left
    assert set(engine.volumes.there) == {"dinv-dev-cache"}


def test_a_volume_that_was_there_before_stays(engine: FakeEngine) -> None:
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": {LABEL_ID: "earlier"}}
    (left,) = made(engine, cache_volume="mine").remove()
    assert "mine" in left
    assert set(engine.volumes.there) == {"mine"}


def test_what_belongs_to_another_machine_of_the_same_name_stays(engine: FakeEngine) -> None:
    """Of another store, or one that was made anew: the name alone proves nothing."""
    made(engine, identity="theirs")
    new_driver(engine, identity="ours").remove()
    assert (set(engine.containers.there), set(engine.volumes.there)) == ({"dinv-dev"}, {"dinv-dev-cache"})


# What it is like


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *[("created", STOPPED), ("running", RUNNING), ("paused", PAUSED), ("restarting", STARTING)],
        *[("exited", STOPPED), ("dead", ERROR), ("something new", ERROR)],
    ],
)
def test_states(engine: FakeEngine, status: str, state: str) -> None:
    driver = made(engine)
    engine.containers.there["dinv-dev"]["State"]["Status"] = status
    assert driver.state(timeout=1).state == state


def test_an_unhealthy_daemon_is_told(engine: FakeEngine) -> None:
    driver = made(engine)
    engine.containers.there["dinv-dev"]["State"].update(Status="running", Text="Up 2 minutes (unhealthy)")
    status = driver.state(timeout=1)
    assert status.running
    assert "dinv logs" in status.error


def test_another_container_with_its_labels_is_not_the_machine(engine: FakeEngine) -> None:
    """Labels leak from one container to another (vic#8545)."""
    driver = made(engine)
    engine.containers.there["other"] = engine.containers.there.pop("dinv-dev")
    status = driver.state(timeout=1)
    assert status.state == ERROR
    assert "dinv rm dev" in status.error


def test_machines_of_one_endpoint_are_asked_for_at_once(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, gone = (
        made(engine, "one"),
        made(engine, "two", identity="y"),
        new_driver(engine, "gone", identity="z"),
    )
    one.start(timeout=5)
    keys = {DockerDriver.group_key(driver.config) for driver in (one, two, gone)}
    assert len(keys) == 1
    monkeypatch.setattr(Endpoint, "engine", lambda _endpoint, **_: engine)
    found = DockerDriver.states([one.config, two.config, gone.config], Store("/s"), timeout=2)
    assert {name: status.state for name, status in found.items()} == {
        "one": RUNNING,
        "two": STOPPED,
        "gone": ERROR,
    }
    assert engine.closed == 1


def test_on_a_network_without_ipv4_it_is_the_other_one(engine: FakeEngine) -> None:
    driver = made(engine, publish="none")
    driver.start(timeout=5)
    network = engine.containers.there["dinv-dev"]["NetworkSettings"]["Networks"]["bridge"]
    network.update(IPAddress="", GlobalIPv6Address="fd00::9")
    assert driver.refresh_address()
    assert driver.url == "tcp://[fd00::9]:2376"
    network.update(IPAddress="10.0.0.9")
    assert driver.refresh_address()
    assert driver.url == "tcp://10.0.0.9:2376"


def test_a_start_that_takes_too_long_names_what_gives_it_longer(engine: FakeEngine) -> None:
    driver = made(engine)
    engine.containers.refusal = DeadlineExceeded("POST /containers/dinv-dev/start", 60)
    with pytest.raises(MachineError, match=r"within 90 s\. timeout=SECONDS") as caught:
        driver.start(timeout=90)
    assert caught.value.machine == "dev"


def test_an_own_address_is_known_after_the_start(engine: FakeEngine) -> None:
    driver = made(engine, publish="none")
    assert not driver.address_known
    assert driver.url == ""
    driver.start(timeout=5)
    assert driver.refresh_address()
    assert driver.url == "tcp://172.17.0.9:2376"
    assert not driver.refresh_address()


def test_a_published_address_does_not_change_with_its_own(engine: FakeEngine) -> None:
    driver = made(engine)
    url = driver.url
    assert driver.address_known
    driver.start(timeout=5)
    assert not driver.refresh_address()
    assert (driver.url, driver.own_ip) == (url, "172.17.0.9")


@pytest.mark.parametrize(
    ("state", "restarts", "ended"),
    [
        ({"Running": True}, 0, None),
        ({"Running": False, "ExitCode": 3}, 0, 3),
        ({"Running": True, "Restarting": True, "ExitCode": 1}, 0, 1),
        ({"Running": True, "ExitCode": 0}, 2, 0),
    ],
)
def test_a_machine_that_dies_again_and_again_has_ended(
    engine: FakeEngine, state: dict[str, object], restarts: int, ended: int | None
) -> None:
    driver = made(engine)
    engine.containers.there["dinv-dev"].update(State=state, RestartCount=restarts)
    assert driver.ended() == ended


def test_the_last_lines_are_of_both_streams(engine: FakeEngine) -> None:
    assert made(engine).last_log_lines(2) == ["two", "three"]


def test_closing_closes_the_client_once(engine: FakeEngine) -> None:
    driver = made(engine)
    driver.close()
    driver.close()
    assert engine.closed == 1


def test_what_somebody_is_changing_is_not_called_gone(engine: FakeEngine, tmp_path: Path) -> None:
    driver = made(engine)
    driver.store = mine = Store(str(tmp_path))
    del engine.containers.there["dinv-dev"]
    gone = driver.state(timeout=1)
    assert "clean up" in gone.error
    os.makedirs(mine.directory("dev"))
    with Store(mine.path).lock("dev", "removing it"):
        assert "another dinv is at work on it (removing it" in driver.state(timeout=1).error
        driver.config.ours["Upgrade"] = {"Running": True}
        assert "at work" in driver.state(timeout=1).error
    assert "dinv start dev" in driver.state(timeout=1).error


# What the endpoint says that it has done


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "LAG_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_what_was_stopped_and_runs_is_an_error(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """As a proxy may answer that lets reads through only."""
    driver = made(engine)
    driver.start(timeout=1)
    monkeypatch.setattr(engine.containers, verb, lambda *_, **__: None)
    with pytest.raises(NotDone, match="said that it has stopped container dinv-dev, but lists it as running"):
        driver.stop(timeout=1) if verb == "stop" else driver.kill()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", ["containers", "volumes"])
def test_what_was_removed_and_is_there_is_an_error(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    driver = made(engine)
    monkeypatch.setattr(getattr(engine, what), "remove", lambda *_, **__: None)
    with pytest.raises(NotDone, match=f"said that it has removed {what[:-1]} dinv-dev.*, but still has it"):
        driver.remove()


def test_what_is_shown_a_little_longer_is_waited_for(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine)
    real, asked = engine.containers.remove, 0
    own_id = containers.own_id

    def later(site: Site, name: str) -> str:
        nonlocal asked
        asked += 1
        if asked == 3:
            real("dinv-dev", force=True, volumes=True, timeout=1)
        return own_id(site, name)

    monkeypatch.setattr(engine.containers, "remove", lambda *_, **__: None)
    monkeypatch.setattr(containers, "own_id", later)
    assert driver.remove() == []
    assert not engine.containers.there
