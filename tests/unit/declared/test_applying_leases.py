"""A file says for how long machines are wanted, and changes its mind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from declared_world import apply, means, planned
from fake_driver import FakeDriver

from dinv.declared.changes import CHANGE, CREATE, FAIL, LEASED, NOTHING
from dinv.errors import MachineError
from dinv.labels import FEATURE_ACTIVITY
from dinv.lifecycle.host import leasing
from dinv.store.lease import Lease
from dinv.store.store import Store

if TYPE_CHECKING:
    from fake_driver import World

    from dinv.declared.changes import Change
    from dinv.machines import Machines


class Endpoint:
    """Its clock, and what containers were told of their ends."""

    def __init__(self) -> None:
        self.now = "2031-01-01T00:00:00Z"
        self.told: list[str] = []


@pytest.fixture
def endpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    found = Endpoint()
    monkeypatch.setattr(FakeDriver, "system_time", lambda *_, **__: found.now)
    monkeypatch.setattr(FakeDriver, "channel", lambda _self: None)
    monkeypatch.setattr(FakeDriver, "features", frozenset({FEATURE_ACTIVITY}))
    monkeypatch.setattr(leasing, "tell", lambda _channel, expires: found.told.append(expires))
    return found


def file(options: str) -> str:
    return f"machines:\n  dev: {{{options}}}\n"


def lease() -> Lease | None:
    return Store().load("dev").lease


def said(change: Change) -> dict[str, str]:
    return {difference.option: difference.said for difference in change.differences}


def test_another_length_counts_from_when_it_is_applied(
    machines: Machines, world: World, endpoint: Endpoint
) -> None:
    assert apply(machines, file("ttl: 8h")) == [(CREATE, "dev", "")]
    assert lease() == Lease(ttl=28800, expires="2031-01-01T08:00:00Z")
    assert apply(machines, file("ttl: 8h")) == [(NOTHING, "dev", "")]
    endpoint.now = "2031-01-01T02:00:00Z"
    (change,) = planned(machines, file("ttl: 1d"))
    assert (change.action, change.stops) == (CHANGE, False)
    assert (said(change), means(change)) == ({"ttl": "8h -> 1d"}, {"ttl": LEASED})
    world.steps = []
    assert apply(machines, file("ttl: 1d")) == [(CHANGE, "dev", "")]
    assert lease() == Lease(ttl=86400, expires="2031-01-02T02:00:00Z")
    assert endpoint.told == ["2031-01-02T02:00:00Z"]
    assert set(world.steps) <= {"state", "check options"}
    assert apply(machines, file("ttl: 1d")) == [(NOTHING, "dev", "")]
    # Shorter: the container is told, too, or the end that it was told last would count.
    assert apply(machines, file("ttl: 60m")) == [(CHANGE, "dev", "")]
    assert lease() == Lease(ttl=3600, expires="2031-01-01T03:00:00Z")
    assert endpoint.told[1:] == ["2031-01-01T03:00:00Z"]


def test_what_happens_then_changes_without_a_new_end(machines: Machines, endpoint: Endpoint) -> None:
    apply(machines, file("ttl: 8h"))
    endpoint.now = "2031-01-01T02:00:00Z"
    text = file("ttl: 8h, keep-cache-on-expiry: true")
    (change,) = planned(machines, text)
    assert said(change) == {"keep-cache-on-expiry": "false -> true"}
    assert apply(machines, text) == [(CHANGE, "dev", "")]
    expected = Lease(ttl=28800, expires="2031-01-01T08:00:00Z", keep_cache=True)
    assert (lease(), endpoint.told) == (expected, [])
    text = file("ttl: 8h, on-expiry: stop, idle-ttl: 2h")
    assert apply(machines, text) == [(CHANGE, "dev", "")]
    expected = Lease(ttl=28800, expires="2031-01-01T08:00:00Z", idle_ttl=7200, on_expiry="stop")
    assert (lease(), endpoint.told) == (expected, [])


def test_what_the_file_says_no_more_is_taken_back(machines: Machines, endpoint: Endpoint) -> None:
    apply(machines, file("ttl: 8h, on-expiry: stop"))
    (change,) = planned(machines, file(""))
    assert said(change) == {"ttl": "8h -> none", "on-expiry": "stop -> none"}
    assert apply(machines, file("")) == [(CHANGE, "dev", "")]
    assert lease() is None
    # Its labels still have an end: whoever knows it by these alone is told another.
    assert endpoint.told[0] > "2040"
    assert apply(machines, file("")) == [(NOTHING, "dev", "")]


def test_a_lease_that_was_given_or_made_longer_by_hand_stays(machines: Machines, endpoint: Endpoint) -> None:
    apply(machines, file(""))
    with machines.get("dev") as machine:
        machine.extend("4h", give=True)
    assert apply(machines, file("")) == [(NOTHING, "dev", "")]
    (change,) = planned(machines, file("ttl: 8h"))
    assert said(change) == {"ttl": "4h -> 8h"}
    assert apply(machines, file("ttl: 8h")) == [(CHANGE, "dev", "")]
    with machines.get("dev") as machine:
        machine.extend("20h")
    assert apply(machines, file("ttl: 8h")) == [(NOTHING, "dev", "")]
    assert getattr(lease(), "expires", "") == "2031-01-01T20:00:00Z"


def test_a_lease_that_cannot_be_had_is_said(
    machines: Machines, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(machines, file(""))
    (change,) = planned(machines, file("on-expiry: stop"))
    assert (change.action, "is for a machine with an end" in str(change.error)) == (FAIL, True)
    monkeypatch.setattr(FakeDriver, "features", frozenset())
    assert apply(machines, file("idle-ttl: 2h")) == [(CHANGE, "dev", "PreCreateCheckFailed")]
    monkeypatch.setattr(FakeDriver, "system_time", lambda *_, **__: "")
    assert apply(machines, file("ttl: 2h")) == [(CHANGE, "dev", "OptionError")]
    assert lease() is None


def test_killed_once_the_container_was_told_the_next_goes_on(
    machines: Machines, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(machines, file("ttl: 8h"))

    def killed(_channel: object, _expires: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(leasing, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            apply(machines, file("ttl: 1d"))
    assert lease() == Lease(ttl=28800, expires="2031-01-01T08:00:00Z")
    assert apply(machines, file("ttl: 1d")) == [(CHANGE, "dev", "")]


def test_other_changes_and_the_lease_go_together(machines: Machines, endpoint: Endpoint) -> None:
    apply(machines, file("size: small"))
    assert apply(machines, file("size: large, ttl: 2h")) == [(CHANGE, "dev", "")]
    assert Store().load("dev").driver["Size"] == "large"
    assert getattr(lease(), "ttl", 0) == 7200


def test_an_endpoint_that_does_not_answer_leaves_the_lease(
    machines: Machines, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(machines, file("ttl: 8h"))

    def silent(_channel: object, _expires: str) -> None:
        raise MachineError("dev", "It does not answer.")

    monkeypatch.setattr(leasing, "tell", silent)
    assert apply(machines, file("ttl: 1d")) == [(CHANGE, "dev", "MachineError")]
    assert getattr(lease(), "ttl", 0) == 28800


def test_a_lease_of_a_pool_counts_from_the_next_claim(machines: Machines, endpoint: Endpoint) -> None:
    text = "pools:\n  ci: {size: 0, ttl: 8h}\n"
    apply(machines, text)
    (change,) = planned(machines, text.replace("8h", "90m"))
    assert said(change) == {"ttl": "8h -> 1h30m"}
    assert means(change) == {"ttl": "from the next claim on"}
    before = machines.pools.get("ci").pool.generation
    assert apply(machines, text.replace("8h", "90m")) == [(CHANGE, "ci", "")]
    assert apply(machines, text.replace(", ttl: 8h", "")) == [(CHANGE, "ci", "")]
    pool = machines.pools.get("ci").pool
    assert (pool.options.get("ttl"), pool.generation) == (None, before)
