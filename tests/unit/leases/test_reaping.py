"""What has run out is stopped or removed; what is used, or cannot be asked, is not."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, without_keys
from heard import Heard

import dinv
from dinv.endpoints import own_network
from dinv.errors import (
    DeadlineExceeded,
    EndpointUnreachable,
    HookRefused,
    NoLease,
    OptionError,
    ProtocolError,
)
from dinv.leases import activity, reaping
from dinv.leases.activity import Activity
from dinv.lifecycle.host import leasing, telling
from dinv.lifecycle.renew import when_due
from dinv.store.lease import Lease
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from fake_driver import World

    from dinv.leases.reaped import Reaped
    from dinv.machines import Machines

HOUR = 3600


class Clock:
    """The endpoint's, with an offset from this computer's."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def seconds(self) -> float:
        return time.time() + self.ahead

    def says(self, *_: object, **__: object) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.seconds()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(FakeDriver, "system_time", lambda _, **__: clock.says())
    return clock


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    note = lambda host, event, _, **facts: events.append((event, facts))  # noqa: E731, ARG005
    monkeypatch.setattr(telling, "ask", note)
    monkeypatch.setattr(telling, "tell", note)
    return events


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> World:
    without_keys(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    monkeypatch.setattr(FakeDriver, "channel", lambda _: None)
    monkeypatch.setattr(leasing, "told", lambda _: "")
    monkeypatch.setattr(leasing, "tell", lambda *_: None)
    return install(monkeypatch, str(tmp_path / "endpoint"))


@pytest.fixture
def machines(tmp_path: Path, world: World) -> Machines:
    return dinv.open(str(tmp_path / "store"))


def made(machines: Machines, name: str = "dev", **lease: Any) -> None:
    machines.create(name, driver="fake", context=False, **lease)


def used(monkeypatch: pytest.MonkeyPatch, found: Activity | Exception) -> None:
    def of(_: object) -> Activity:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(activity, "of", of)


def one(machines: Machines, **terms: Any) -> Reaped:
    (found,) = machines.reap(**terms)
    assert found.error is None
    return found


def test_what_has_time_stays_and_what_has_none_goes(world: World, machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h")
    made(machines, "free")
    assert one(machines).action == "kept"
    clock.ahead = 4 * HOUR
    found = one(machines, dry_run=True)
    assert (found.action, found.why, machines.names()) == ("removed", "ttl", ["dev", "free"])
    assert one(machines).action == "removed"
    assert machines.names() == ["free"]
    assert set(world.things()) == {"container-free", "volume-free"}


def test_the_clock_is_the_endpoints(machines: Machines, clock: Clock) -> None:
    clock.ahead = -5 * 86400
    made(machines, ttl="4h")
    assert one(machines).action == "kept"
    clock.ahead = -5 * 86400 + 4 * HOUR
    assert one(machines).action == "removed"


def test_a_clock_that_jumps_ends_nothing(machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h")
    made(machines, "two", ttl="4h")
    machines.reap()
    clock.ahead = 3 * 86400
    said = Heard()
    found = machines.reap(progress=lambda _name: said)
    assert {(each.action, each.reason) for each in found} == {
        ("kept", "the clock of its endpoint is not believed")
    }
    (warning,) = said.warnings
    assert "one of the two is wrong" in warning
    assert machines.names() == ["dev", "two"]


class Endpoint:
    """One without containers, as far as `reap` with `endpoint` asks it."""

    address = "unix:///fake"

    def __init__(self, says: Callable[[], str]) -> None:
        self.says = says
        self.asked = 0
        self.containers = self

    def info(self, **_: object) -> dict[str, str]:
        return {"ServerVersion": "26.1.5", "SystemTime": self.says()}

    def list(self, **_: object) -> list[object]:
        self.asked += 1
        return []

    def reaped(
        self, machines: Machines, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Sequence[Reaped], Sequence[str]]:
        monkeypatch.setattr(machines, "endpoint", lambda *_, **__: contextlib.nullcontext(self))
        monkeypatch.setattr(own_network, "remove_unused", lambda _: None)
        said = Heard()
        return machines.reap(endpoint=self.address, progress=lambda _name: said), said.warnings


@pytest.mark.parametrize(
    ("ahead", "warning"), [(0, ""), (3 * 86400, "unix:///fake: the clock of the endpoint is 2 days ")]
)
def test_a_clock_is_doubted_once_for_all_on_an_endpoint(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch, ahead: int, warning: str
) -> None:
    """For machines of this store and for those of others, which are only looked for if it is believed."""
    made(machines, ttl="4h")
    made(machines, "two", ttl="4h")
    clock.ahead = ahead
    there = Endpoint(clock.says)
    found, warnings = there.reaped(machines, monkeypatch)
    assert [each.action for each in found] == ["kept", "kept"]
    assert [text[: len(warning)] for text in warnings] == [warning] * bool(warning)
    assert there.asked == (not warning)


def test_without_a_clock_nothing_is_ended_by_labels(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Endpoint(lambda: "")
    assert there.reaped(machines, monkeypatch) == (
        [],
        ["unix:///fake does not say what time it is: nothing is ended there by labels alone"],
    )
    assert not there.asked


def test_the_cache_stays_if_it_was_said(world: World, machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h", keep_cache_on_expiry=True)
    clock.ahead = 5 * HOUR
    assert one(machines).left == ["The volume stays"]
    assert set(world.things()) == {"volume-dev"}


def test_it_is_stopped_once(world: World, machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h", on_expiry="stop")
    clock.ahead = 5 * HOUR
    assert one(machines).action == "stopped"
    assert machines.get("dev").config.stopped
    world.steps.clear()
    assert one(machines).action == "kept"
    assert not any(step.startswith("stop") for step in world.steps)


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (Activity(0, 0, 2 * HOUR), "removed"),
        (Activity(0, 0, 2 * HOUR - 1), "warned"),
        (Activity(0, 0, HOUR), "kept"),
        (Activity(1, 0, 0), "kept"),
        (Activity(0, 3, 0), "kept"),
        (Activity(1, 1, 9 * HOUR), "kept"),
        (ProtocolError("it says nothing"), "kept"),
        (EndpointUnreachable("unix:///fake", "gone"), "kept"),
    ],
)
def test_only_what_nobody_uses_is_unused(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, found: Activity | Exception, action: str
) -> None:
    made(machines, idle_ttl="2h")
    used(monkeypatch, found)
    assert one(machines).action == action


def test_the_end_of_a_lease_counts_although_somebody_is_connected(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    made(machines, ttl="4h", idle_ttl="2h")
    used(monkeypatch, Activity(5, 5, 0))
    clock.ahead = 4 * HOUR
    assert one(machines).why == "ttl"


def test_what_does_not_run_is_not_unused(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    made(machines, idle_ttl="2h")
    used(monkeypatch, Activity(0, 0, 9 * HOUR))
    machines.get("dev").stop()
    assert one(machines).action == "kept"


def test_hooks_are_told_once_that_an_end_is_near(
    machines: Machines, clock: Clock, events: list[tuple[str, dict[str, Any]]]
) -> None:
    made(machines, ttl="4h")
    clock.ahead = 3.5 * HOUR
    events.clear()
    assert one(machines, dry_run=True).action == "warned"
    assert events == []
    assert [one(machines).action for _ in range(3)] == ["warned", "kept", "kept"]
    ((event, facts),) = events
    assert event == "lease-expiring"
    assert 1700 < facts["seconds_left"] <= 1800
    machines.get("dev").extend("1h")
    assert one(machines).action == "warned"


def test_hooks_are_told_once_that_it_ends_unless_it_is_used(
    machines: Machines,
    clock: Clock,
    events: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made(machines, idle_ttl="2h", on_expiry="stop")
    events.clear()
    actions = []
    # Unused for so many minutes, one look after another: used after the fourth, and idle again.
    for before, unused in enumerate((89, 91, 101, 111, 5, 89, 95)):
        clock.ahead = before * 600
        used(monkeypatch, Activity(0, 0, unused * 60))
        actions.append(one(machines).action)
        (listed,) = machines.list()
        assert ("nobody used it" in listed.error) is (actions[-1] == "warned" or unused in (101, 111))
    assert actions == ["kept", "warned", "kept", "kept", "kept", "kept", "warned"]
    assert [event for event, _ in events] == ["lease-expiring"] * 2
    facts = events[0][1]
    assert (facts["why"], facts["seconds_left"], facts["on_expiry"]) == ("idle", 29 * 60, "stop")
    clock.ahead = 600
    ends = datetime.fromisoformat(facts["expires"]).timestamp() - 29 * 60
    assert clock.seconds() - 60 < ends <= clock.seconds()


@pytest.mark.parametrize("action", ["remove", "stop"])
def test_what_a_hook_has_extended_is_spared(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def extend(_host: object, event: str, _progress: object, **_: object) -> None:
        if event == "pre-reap":
            machines.get("dev").extend("4h")

    made(machines, ttl="4h", on_expiry=action)
    monkeypatch.setattr(telling, "ask", extend)
    clock.ahead = 5 * HOUR
    found = one(machines)
    assert (found.action, found.reason) == ("kept", "it was extended or used meanwhile")
    assert not machines.get("dev").config.stopped


def test_what_is_used_after_the_look_is_spared(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(machines, idle_ttl="2h")
    looks = [Activity(0, 0, 2 * HOUR), Activity(1, 0, 0)]
    monkeypatch.setattr(activity, "of", lambda _: looks.pop(0))
    assert one(machines).action == "kept"
    assert machines.names() == ["dev"]


def test_several_are_ended_at_the_same_time_and_one_that_hangs_holds_up_none(
    world: World, machines: Machines, clock: Clock
) -> None:
    names = [f"m{number}" for number in range(when_due.AT_ONCE + 2)]
    for name in names:
        made(machines, name, ttl="4h")
    clock.ahead = 5 * HOUR
    others = threading.Event()

    def wait(step: str) -> None:
        if step != "remove":
            return
        begun = world.steps.count("remove")
        if begun == len(names):
            others.set()
        elif begun == 1:
            assert others.wait(20)
            raise EndpointUnreachable("unix:///fake", "gone")

    world.at = wait
    found = machines.reap()
    assert [each.name for each in found] == names
    assert len([each for each in found if each.error]) == 1
    assert len(machines.names()) == 1


def test_members_of_a_cluster_leave_one_after_the_other(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        made(machines, name, ttl="4h")
    clock.ahead = 5 * HOUR
    monkeypatch.setattr(reaping, "rounds", lambda *_: [["c"], ["b"], ["a"]])
    assert [each.name for each in machines.reap()] == ["c", "b", "a"]


def test_an_endpoint_is_asked_once(world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        made(machines, name, ttl="4h")
    asked = []

    def hang(*_: object, **__: object) -> str:
        asked.append(1)
        raise DeadlineExceeded("Asking unix:///fake", 10)

    monkeypatch.setattr(FakeDriver, "system_time", hang)
    found = machines.reap()
    assert [(type(each.error), each.error and each.error.about) for each in found] == [
        (DeadlineExceeded, name) for name in ("a", "b", "c")
    ]
    assert len(asked) == 1


def test_hooks_are_asked_before_and_told_afterwards(
    machines: Machines, clock: Clock, events: list[tuple[str, dict[str, Any]]]
) -> None:
    made(machines, ttl="4h")
    clock.ahead = 5 * HOUR
    events.clear()
    one(machines)
    assert [event for event, _ in events] == ["pre-reap", "pre-remove", "removed", "lease-expired"]
    assert events[0][1]["why"] == "ttl"


def test_a_hook_may_keep_it(machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_host: object, event: str, _progress: object, **_: object) -> None:
        if event == "pre-reap":
            raise HookRefused("mine", event, "has ended with exit status 1", [], "/h")

    made(machines, ttl="4h")
    monkeypatch.setattr(telling, "ask", refuse)
    clock.ahead = 5 * HOUR
    assert one(machines).action == "kept"
    assert machines.names() == ["dev"]


def test_an_extension_that_was_killed_before_the_record_counts(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(machines, ttl="4h")
    clock.ahead = 9 * HOUR
    later = clock.says()
    monkeypatch.setattr(leasing, "told", lambda _: later)
    clock.ahead = 5 * HOUR
    assert one(machines).action == "kept"
    clock.ahead = 9 * HOUR + 1
    assert one(machines).action == "removed"


def test_what_another_process_changes_is_left_alone(machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h")
    clock.ahead = 5 * HOUR
    with Store(machines.path).lock("dev", "starting it"):
        assert "at work" in one(machines).reason
    assert one(machines).action == "removed"


def test_one_whose_endpoint_is_away_does_not_keep_the_others(
    world: World, machines: Machines, clock: Clock
) -> None:
    made(machines, "a", ttl="4h")
    made(machines, "b", ttl="4h")

    def fail(step: str) -> None:
        if step == "remove":
            world.at = lambda _step: None
            raise EndpointUnreachable("unix:///fake", "gone")

    clock.ahead = 5 * HOUR
    world.at = fail
    failed, done = sorted(machines.reap(), key=lambda each: each.error is None)
    assert isinstance(failed.error, EndpointUnreachable)
    assert done.action == "removed"
    assert machines.names() == [failed.name]


def test_a_create_that_was_killed_goes_when_its_lease_is_over(
    world: World, machines: Machines, clock: Clock
) -> None:
    made(machines, ttl="4h")
    store = Store(machines.path)
    config = store.load("dev")
    config.phase = "creating"
    with store.lock("dev", "x"):
        store.save(config)
    clock.ahead = 5 * HOUR
    assert one(machines).action == "removed"
    assert (machines.names(), world.things()) == ([], {})


def test_without_a_lease_there_is_nothing_to_extend(machines: Machines) -> None:
    made(machines)
    with pytest.raises(NoLease, match="give=True"):
        machines.get("dev").extend("4h")
    assert machines.get("dev").extend("4h", give=True)
    lease = machines.get("dev").lease
    assert lease is not None
    assert (lease.ttl, lease.on_expiry) == (4 * HOUR, "remove")


def test_one_that_only_want_of_use_ends_is_not_said_to_have_no_end(machines: Machines) -> None:
    made(machines, idle_ttl="2h")
    with pytest.raises(NoLease, match="unused for 2 hours"):
        machines.get("dev").extend("4h")
    for duration in ("0", "8x", "10s", "9999d"):
        with pytest.raises(OptionError, match=f'^"{duration}" is not') as failed:
            machines.get("dev").extend(duration, give=True)
        assert failed.value.value == duration
    assert machines.get("dev").extend("4h", give=True)
    lease = machines.get("dev").lease
    assert lease is not None
    assert (lease.ttl, lease.idle_ttl) == (4 * HOUR, 2 * HOUR)


def test_a_cache_stays_on_a_removal_only(machines: Machines) -> None:
    with pytest.raises(OptionError, match="keeps its cache anyway"):
        made(machines, ttl="4h", on_expiry="stop", keep_cache_on_expiry=True)


def test_a_start_warns_of_a_lease_that_is_over(machines: Machines, clock: Clock) -> None:
    made(machines, ttl="4h", on_expiry="stop")
    machines.get("dev").stop()
    config = machines.get("dev").config
    assert config.lease is not None
    config.lease = Lease(ttl=14400, on_expiry="stop", expires="2020-01-01T00:00:00Z")
    store = Store(machines.path)
    with store.lock("dev", "x"):
        store.save(config)
    (listed,) = machines.list()
    assert listed.error == ""

    said = Heard()
    machines.get("dev").start(said)
    assert said.warnings == [
        "dev: its lease is over, it is stopped by the next reap: dinv extend dev DURATION"
    ]


@pytest.mark.parametrize("used_again", [False, True])
def test_one_that_somebody_begins_to_change_meanwhile_is_kept(
    machines: Machines, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, used_again: bool
) -> None:
    if used_again:
        made(machines, idle_ttl="2h")
        used(monkeypatch, Activity(0, 0, 2 * HOUR - 60))
        assert one(machines, warn_before="10m").action == "warned"
        used(monkeypatch, Activity(0, 0, 0))
    else:
        made(machines, ttl="4h")
        clock.ahead = 4 * HOUR - 60
    with Store(machines.path).lock("dev", "stopping it"):
        # It has begun after it was looked whether anybody has.
        monkeypatch.setattr(Store, "holder", lambda *_: None)
        found = one(machines, warn_before="10m")
    assert found.action == "kept"
    assert "another dinv is at work on it (stopping it" in found.reason
