"""Reconciling: a pool comes to its size, whatever fails or is killed on the way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver
from pool_world import Said, places, pool_of

from dinv import open as open_store
from dinv.errors import (
    EndpointUnreachable,
    InputError,
    Interrupted,
    MachineError,
    OptionError,
    PoolBusy,
    PoolError,
    PoolExists,
    PoolNotFound,
    ReconcileFailed,
)
from dinv.lifecycle.remove import remove
from dinv.pools import options, planning, reconciling
from dinv.pools.pools import Pools
from dinv.pools.records import PoolStore
from dinv.states import STOPPED
from kills import Killed

if TYPE_CHECKING:
    from typing import Any

    from fake_driver import World

    from dinv.machines import Machines
    from dinv.store.store import Store


def generations(machines: Machines) -> set[str]:
    return {each.generation for each in machines.pools.get("ci").machines}


def test_it_is_filled_and_nothing_of_it_is_in_the_store(machines: Machines, store: Store) -> None:
    status = pool_of(machines, 3)
    assert (status.ready, status.creating, status.state) == (3, 0, "ready")
    assert machines.names() == []
    assert [each.state for each in machines.pools.list()[0].machines] == ["ready"] * 3
    assert places(store.path) == {identity: ["pool"] for identity in places(store.path)}


def test_what_is_claimed_is_made_again(machines: Machines) -> None:
    pool_of(machines, 2, maximum=3)
    machines.create("dev", pool="ci")
    assert machines.pools.get("ci").state == "short"
    (status,) = machines.pools.reconcile(["ci"])
    assert (status.ready, status.claimed) == (2, 1)
    machines.create("two", pool="ci")
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.claimed) == (1, 2)


def test_other_options_replace_what_nobody_has_claimed(machines: Machines, store: Store) -> None:
    pool_of(machines, 2)
    dev = machines.create("dev", pool="ci")
    machines.pools.reconcile()
    before = generations(machines)
    changed = machines.pools.set("ci", cache_mark=["new"])
    assert changed.stale == 2
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.stale) == (2, 0)
    assert {each.generation for each in status.machines if each.state == "ready"}.isdisjoint(before)
    assert store.load("dev").identity == dev.config.identity
    assert machines.create("new", pool="ci").config.driver["Marks"] == ["new"]


def test_the_same_options_are_no_change(machines: Machines) -> None:
    pool_of(machines, 1, cache_mark=["a"])
    assert machines.pools.set("ci", size=2, cache_mark=["a"]).stale == 0


def test_two_changes_at_once_are_both_made(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins and ends while the first asks the endpoint, with no lock held."""
    pool_of(machines, 0, cache_mark=["a"])
    real = options.placed

    def slow(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(options, "placed", real)
        machines.pools.set("ci", size=0, engine_label=["by=second"])
        return real(*arguments)

    monkeypatch.setattr(options, "placed", slow)
    changed = machines.pools.set("ci", cache_mark=["b"]).pool.options
    assert (changed["cache_mark"], changed["engine_label"]) == (["b"], ["by=second"])


def test_one_that_is_removed_since_the_names_were_read_is_left_out(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool_of(machines, 0)
    monkeypatch.setattr(Pools, "_whole", lambda _pools: ["gone", "ci"])
    assert [each.name for each in machines.pools.list()] == ["ci"]
    assert [each.name for each in machines.pools.reconcile()] == ["ci"]
    with pytest.raises(PoolNotFound):
        machines.pools.reconcile(["gone", "ci"])


def test_an_image_that_fails_is_parked_and_tried_later(
    machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.pools.create("ci", size=2, driver="fake", parked=1, parallel=1)
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])

    def fail(step: str) -> None:
        if step == "health":
            raise MachineError("x", "the daemon has died")

    world.at = fail
    with pytest.raises(ReconcileFailed, match="the daemon has died") as caught:
        machines.pools.reconcile()
    assert caught.value.retry == planning.FIRST_RETRY_SECONDS
    status = machines.pools.get("ci")
    assert (status.ready, status.failed, status.parked, status.state) == (0, 0, 1, "waiting")
    assert status.said == "the daemon has died"
    assert status.next_attempt
    assert status.machines[0].why == "the daemon has died"
    # Before its time nothing is tried, and after each failure it is longer.
    world.steps.clear()
    with pytest.raises(ReconcileFailed):
        machines.pools.reconcile()
    assert "create container" not in world.steps
    now[0] += 20
    with pytest.raises(ReconcileFailed) as caught:
        machines.pools.reconcile()
    assert caught.value.retry == 2 * planning.FIRST_RETRY_SECONDS
    assert machines.pools.get("ci").parked == 1
    now[0] += 40
    world.at = lambda _step: None
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.next_attempt, status.said) == (2, "", "")


def test_what_cannot_begin_leaves_nothing_to_park(machines: Machines, world: World) -> None:
    machines.pools.create("ci", size=1, driver="fake")

    def fail(step: str) -> None:
        if step == "check":
            raise MachineError("x", "no room")

    world.at = fail
    with pytest.raises(ReconcileFailed, match="no room"):
        machines.pools.reconcile()
    assert machines.pools.get("ci").machines == []
    assert world.things() == {}


def test_one_that_does_not_run_any_more_is_replaced(machines: Machines, world: World, store: Store) -> None:
    pool_of(machines, 2)
    dead = PoolStore(store.path).machines("ci").names()[0]
    world.states[dead] = STOPPED
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.parked) == (2, 1)
    assert [each.why for each in status.machines if each.key == dead] == ["is stopped"]


def test_a_pause(machines: Machines, world: World) -> None:
    pool_of(machines, 1)
    machines.pools.pause("ci")
    machines.pools.set("ci", size=3)
    machines.create("dev", pool="ci")
    said = Said()
    (status,) = machines.pools.reconcile(progress=lambda _: said)
    assert (status.ready, status.claimed, status.state) == (0, 1, "paused")
    assert said.lines == ["Pool ci: it is paused"]
    machines.pools.resume("ci")
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.state) == (3, "ready")


def test_a_pause_in_the_middle_of_it(machines: Machines, world: World) -> None:
    machines.pools.create("ci", size=5, driver="fake", parallel=1)
    made = []

    def pause(step: str) -> None:
        if step == "create container":
            made.append(step)
            if len(made) == 2:
                machines.pools.pause("ci")

    world.at = pause
    (status,) = machines.pools.reconcile()
    assert status.ready == 2


def test_one_reconciler_at_a_time(machines: Machines, store: Store, world: World) -> None:
    machines.pools.create("ci", size=1, driver="fake")
    seen: list[str] = []

    def look(step: str) -> None:
        if step == "create container":
            other = open_store(store.path).pools
            with pytest.raises(PoolBusy, match="reconciling it"):
                other.reconcile(["ci"])
            assert [each.name for each in other.reconcile()] == ["ci"]  # cron's, which comes in the meantime
            seen.append(other.get("ci").reconciler)
            assert other.get("ci").creating == 1

    world.at = look
    machines.pools.reconcile()
    assert len(seen) == 1
    assert machines.pools.get("ci").reconciler == ""


def test_a_kill_at_any_moment(machines: Machines, store: Store, world: World) -> None:
    """What a killed reconciler has left is removed by the next one, and nothing stays on the endpoint."""
    machines.pools.create("ci", size=2, driver="fake", parallel=1)
    done = False
    for number in range(200):
        count = 0

        def kill(_step: str, number: int = number) -> None:
            nonlocal count
            count += 1
            if count > number:
                raise Killed

        world.at = kill
        try:
            machines.pools.reconcile()
            done = True
        except Killed:
            pass
        world.at = lambda _step: None
        (status,) = machines.pools.reconcile()
        assert (status.ready, status.failed, status.parked, status.creating) == (2, 0, 0, 0)
        keys = PoolStore(store.path).machines("ci").names()
        assert sorted(world.things()) == sorted(
            f"{kind}-{key}" for kind in ("container", "volume") for key in keys
        )
        if done:
            break
        for key in keys[1:] if number % 2 else keys:
            remove(PoolStore(store.path).machines("ci"), key)
    assert done


def test_rm_leaves_claimed_machines_to_their_owners(machines: Machines, store: Store, world: World) -> None:
    pool_of(machines, 3)
    dev = machines.create("dev", pool="ci")
    machines.pools.remove("ci")
    assert machines.pools.names() == []
    assert sorted(world.things()) == ["container-dev", "volume-dev"]
    assert machines.get("dev").config.identity == dev.config.identity
    with pytest.raises(PoolNotFound):
        machines.create("two", pool="ci")
    pool_of(machines, 1)
    assert machines.pools.get("ci").ready == 1


def test_rm_that_is_killed_goes_on_with_the_next_reconciler(machines: Machines, world: World) -> None:
    pool_of(machines, 2)

    def kill(step: str) -> None:
        if step == "remove":
            world.at = lambda _step: None
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        machines.pools.remove("ci")
    assert machines.pools.get("ci").state == "removing"
    with pytest.raises(PoolNotFound):
        machines.create("dev", pool="ci")
    assert machines.pools.reconcile() == []
    assert world.things() == {}
    assert machines.pools.names() == []


def test_an_endpoint_that_is_gone_keeps_a_pool(machines: Machines, world: World) -> None:
    pool_of(machines, 1)

    def fail(step: str) -> None:
        if step == "remove":
            raise MachineError("x", "the endpoint is gone")

    world.at = fail
    with pytest.raises(PoolError, match="is not removed"):
        machines.pools.remove("ci")
    world.at = lambda _step: None
    machines.pools.remove("ci")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": -1}, "size"),
        ({"size": "many"}, "size"),
        ({"size": 3, "maximum": 2}, "at most 2"),
        ({"size": 1, "parallel": 0}, "parallel"),
        ({"size": 1, "max_age": "soon"}, "max_age"),
        ({"size": 1, "max_age": "1s"}, "less than a minute"),
        ({"size": 1, "colour": "red"}, "colour"),
        ({"size": 1, "context": False}, "is not an option of a pool"),
        ({"size": 1, "driver": "none", "url": "tcp://192.0.2.1:2376"}, "makes none"),
    ],
)
def test_what_a_pool_cannot_be(machines: Machines, options: dict[str, object], said: str) -> None:
    with pytest.raises((InputError, OptionError), match=said):
        machines.pools.create("ci", **{"driver": "fake", **options})  # type: ignore[arg-type]
    assert machines.pools.names() == []


@pytest.mark.parametrize("name", ["", "my pool", ".ci", "a" * 49, "../x"])
def test_what_a_pool_cannot_be_called(machines: Machines, name: str) -> None:
    with pytest.raises(InputError):
        machines.pools.create(name, size=1, driver="fake")


def test_names_are_taken_once(machines: Machines) -> None:
    machines.pools.create("ci", size=1, driver="fake")
    with pytest.raises(PoolExists):
        machines.pools.create("ci", size=1, driver="fake")
    with pytest.raises(PoolNotFound, match='Did you mean "ci"'):
        machines.pools.get("cii")


def test_the_endpoint_is_that_of_when_it_was_made(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's context or DOCKER_HOST may have named it, and a reconciler has others."""
    monkeypatch.setattr(FakeDriver, "place", lambda _self: {"size": "here"})
    status = machines.pools.create("ci", size=1, driver="fake")
    assert status.pool.options == {"driver": "fake", "size": "here"}
    monkeypatch.setattr(FakeDriver, "place", lambda _self: {"size": "there"})
    assert machines.pools.set("ci", size=2).pool.options["size"] == "here"
    machines.pools.reconcile()
    assert machines.create("dev", pool="ci").config.driver["Size"] == "here"


def test_options_are_those_of_when_it_was_made(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SIZE", "large")
    machines.pools.create("ci", size=1, driver="fake")
    monkeypatch.setenv("FAKE_SIZE", "other")
    monkeypatch.setenv("FAKE_MARKS", "late")
    machines.pools.reconcile()
    machine = machines.create("dev", pool="ci")
    assert (machine.config.driver["Size"], machine.config.driver["Marks"]) == ("large", [])


def test_watching_goes_on_after_a_failure(
    machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.pools.create("ci", size=1, driver="fake")
    rounds: list[float] = []

    class Over(Exception):
        pass

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise Over

    def fail(step: str) -> None:
        if step == "check":
            raise MachineError("x", "no room")

    world.at = fail
    said = Said()
    monkeypatch.setattr("dinv.pools.pools.time.sleep", sleep)
    with pytest.raises(Over):
        machines.pools.watch(interval=7, progress=lambda _: said)
    assert rounds == [7, 7, 7]
    # It says once that it waits, though for how long is another each time.
    assert sum("is short of machines" in line for line in said.lines) == 1
    assert sum("the last create failed" in line for line in said.lines) == 1


@pytest.mark.parametrize("several", [False, True])
def test_watching_and_reconciling_end_when_they_are_interrupted(
    machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch, *, several: bool
) -> None:
    """Also while machines are made: what is under way is finished, and nothing more is begun."""
    for name in ("a", "b") if several else ("a",):
        machines.pools.create(name, size=2, driver="fake", parallel=1)
    real = vars(reconciling)["wait"]

    def interrupted(*_arguments: object, **_more: object) -> object:
        monkeypatch.setattr(reconciling, "wait", real)
        raise Interrupted(2)

    def sleep(_seconds: float) -> None:
        raise AssertionError("it goes on")

    monkeypatch.setattr("dinv.pools.pools.time.sleep", sleep)
    for act in (machines.pools.watch, machines.pools.reconcile):
        monkeypatch.setattr(reconciling, "wait", interrupted)
        with pytest.raises(Interrupted):
            act()
    status = machines.pools.get("a")
    assert (status.creating, status.failed, status.reconciler) == (0, 0, "")
    if several:
        assert machines.pools.get("b").ready == 0


def test_claims_while_it_is_reconciled(machines: Machines, store: Store) -> None:
    """Both go on at the same time, and no machine is lost or found twice."""
    pool_of(machines, 3)
    problems: list[Exception] = []

    def claim(first: int) -> None:
        try:
            for number in range(3):
                open_store(store.path).create(f"m{first}-{number}", pool="ci", context=False)
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        machines.pools.reconcile()
    for thread in threads:
        thread.join(60)
    assert problems == []
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.claimed) == (3, 9)
    assert all(len(where) == 1 for where in places(store.path).values())


def test_an_image_that_was_built_anew_replaces_what_nobody_has_claimed(
    machines: Machines, world: World, store: Store
) -> None:
    world.image = "one"
    pool_of(machines, 2)
    machines.create("dev", pool="ci")
    (status,) = machines.pools.reconcile()
    before = {each.key for each in status.machines if each.state == "ready"}
    assert (status.image, status.stale) == ("one", 0)
    assert machines.pools.reconcile()[0].ready == 2
    assert {each.key for each in machines.pools.get("ci").machines if each.state == "ready"} == before
    world.image = "two"
    (status,) = machines.pools.reconcile()
    ready = [each for each in status.machines if each.state == "ready"]
    assert {each.key for each in ready}.isdisjoint(before)
    assert [each.image for each in ready] == ["two", "two"]
    assert (status.image, status.stale, status.claimed) == ("two", 0, 1)
    assert store.load("dev").pool["Image"] == "one"


def test_what_cannot_be_told_of_an_image_replaces_nothing(machines: Machines, world: World) -> None:
    def unreachable(step: str) -> None:
        if step == "image id":
            raise EndpointUnreachable("unix:///fake", "connection refused")

    pool_of(machines, 1)  # by an endpoint that has no IDs
    world.image = "one"
    keys = {each.key for each in machines.pools.get("ci").machines}
    assert {each.key for each in machines.pools.reconcile()[0].machines} == keys
    machines.pools.set("ci", size=2)
    keys = {each.key for each in machines.pools.reconcile()[0].machines}
    for image, at in (("two", unreachable), ("", lambda _step: None)):
        world.image, world.at = image, at
        (status,) = machines.pools.reconcile()
        assert ({each.key for each in status.machines}, status.image) == (keys, "one")


def test_a_claim_takes_one_of_the_newest_image(machines: Machines, world: World, store: Store) -> None:
    world.image = "one"
    pool_of(machines, 2, parallel=1)
    world.image = "two"

    def claim(step: str) -> None:
        if world.steps.count("start") == 4 and step == "start":  # the old ones are there, and a new one is
            world.at = lambda _step: None
            open_store(store.path).create("dev", pool="ci", context=False)

    world.at = claim
    machines.pools.reconcile()
    assert store.load("dev").pool["Image"] == "two"
