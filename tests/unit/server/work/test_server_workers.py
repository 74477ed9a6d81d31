"""The threads of a server: they end in time, beat, take over, and outlive a database that is gone."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from working_server import Server

from dinv.server.database.schema import operations
from dinv.server.problems import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fake_machines import World

    from dinv.server.database.database import Database


@pytest.fixture
def quick(database: Database, world: World, tmp_path: Path) -> Iterator[Server]:
    server = Server(
        database,
        world,
        tmp_path / "quick",
        heartbeat_seconds=0.05,
        stale_seconds=0.5,
        reconcile_seconds=0.1,
    )
    yield server
    server.working.stop(timeout=5)


def wait(until: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_request_is_done_by_itself(quick: Server) -> None:
    ann = quick.prepared()
    quick.working.start()
    machines = [quick.fleet.request(ann) for _ in range(5)]
    wait(lambda: all(quick.row(machine.id).state == "ready" for machine in machines))


def test_a_server_that_ends_undoes_what_it_cannot_finish(quick: Server, world: World) -> None:
    ann = quick.prepared()
    machine = quick.fleet.request(ann)
    world.step_seconds = 0.3
    quick.working.start()
    wait(lambda: quick.operation_rows(machine.id)[0].state == "running")
    quick.working.stop(timeout=0.4)
    wait(lambda: quick.operation_rows(machine.id)[0].state == "queued")
    assert quick.operation_rows(machine.id)[0].attempt == 0
    assert world.things() == []
    world.step_seconds = 0
    quick.drain()
    assert quick.row(machine.id).state == "ready"


def test_what_a_dead_server_was_doing_is_taken_over(
    quick: Server, server: Server, world: World, tmp_path: Path
) -> None:
    ann = quick.prepared()
    machine = quick.fleet.request(ann)
    assert quick.working._operations.take() is not None, "it dies with it"
    secret = os.path.join(quick.settings.state, "secret")
    other = Server(quick.database, world, tmp_path / "other", secret=secret, stale_seconds=60)
    other.working.workers.beat()
    assert other.drain() == 0, "it may live"
    operation = quick.operation_rows(machine.id)[0]
    quick.change(operations, operation.id, heartbeat_at=operation.heartbeat_at - timedelta(minutes=2))
    other.working.workers.beat()
    assert other.drain() == 1
    assert quick.row(machine.id).state == "ready"


def test_who_has_lost_an_operation_writes_nothing(quick: Server, world: World, tmp_path: Path) -> None:
    ann = quick.prepared()
    machine = quick.fleet.request(ann)
    secret = os.path.join(quick.settings.state, "secret")
    other = Server(quick.database, world, tmp_path / "other", secret=secret)

    def stalls(_name: str, step: str) -> None:
        if step == "start":
            world.on_step = lambda _name, _step: None
            quick.change(operations, quick.operation_rows(machine.id)[0].id, state="queued", server="")
            assert other.drain() == 1

    world.on_step = stalls
    quick.drain()
    row = quick.row(machine.id)
    assert row.state == "ready"
    assert world.things() == [row.host_name]
    assert other.hosts.facts(row.host_name) == _brought(quick, row.id, row.host_name)
    quick.fleet.remove(ann, machine.id)
    quick.drain()
    assert world.things() == []


def _brought(server: Server, machine_id: str, name: str) -> object:
    server.place.copies.bring(machine_id, name)
    return server.hosts.facts(name)


def test_one_that_hangs_is_given_up_and_done_again(
    quick: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinv.server.work.workers.GRACE", 0.2)
    monkeypatch.setattr("dinv.server.work.workers.DEADLINES", {"create": 0.2})
    ann = quick.prepared()
    machine = quick.fleet.request(ann)
    held = threading.Event()

    def hangs(_name: str, step: str) -> None:
        if step == "check" and not held.is_set():
            held.wait(20)

    world.on_step = hangs
    quick.working.start()
    wait(lambda: quick.operation_rows(machine.id)[0].state == "running")
    # A call that never ends keeps its thread, and its place in the pool is another's.
    wait(lambda: not quick.working.workers._running)
    held.set()
    wait(lambda: quick.row(machine.id).state == "ready")
    assert world.things() == [machine.host_name]


def test_a_database_that_is_gone_for_a_while_costs_nothing(
    quick: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = quick.prepared()
    machine = quick.fleet.request(ann)
    taken = quick.working._operations.take()
    assert taken is not None
    write, gone = quick.database.write, [3]

    def sometimes(work: Callable[..., object]) -> object:
        if gone[0]:
            gone[0] -= 1
            raise Unavailable("The database does not answer. Try again.")
        return write(work)

    monkeypatch.setattr(quick.database, "write", sometimes)
    monkeypatch.setattr("dinv.server.work.doing.time.sleep", lambda _seconds: None)
    quick.working.workers._do(taken)
    assert gone == [0]
    assert quick.row(machine.id).state == "ready"
