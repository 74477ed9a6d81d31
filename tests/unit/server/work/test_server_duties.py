"""Duties of a server: pools kept, the stuck freed, endpoints watched, what is over reaped, old rows swept."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from working_server import Server

from dinv.errors import MachineNotReady
from dinv.server.database.schema import duties, endpoints, events, machines, operations, templates
from dinv.server.work.duties import reap
from dinv.server.work.duties.duty import HELD, Duty
from dinv.server.work.duties.reap import DISTRUST_SECONDS, Reaper
from dinv.server.work.duties.sweep import sweep
from dinv.server.work.duties.watch import GONE, STARTED, STOPPED

if TYPE_CHECKING:
    from pathlib import Path

    from fake_machines import World

    from dinv.server.database.database import Database
    from dinv.server.models import Actor, Machine


def ready(server: Server, ann: Actor, ttl: timedelta | None = None) -> Machine:
    machine = server.fleet.request(ann, ttl=ttl)
    server.drain()
    return server.fleet.machine(ann, machine.id)


def states(server: Server) -> list[str]:
    with server.database.read() as connection:
        rows = connection.scalars(sa.select(machines.c.state).where(machines.c.removed_at.is_(None)))
        return sorted(rows)


# Pools


def test_a_pool_is_brought_to_its_number(server: Server, world: World) -> None:
    server.endpoint()
    template = server.template(pool_size=3)
    server.working.once()
    assert states(server) == ["ready"] * 3
    server.change(templates, template, pool_size=1)
    server.working.once()
    assert states(server) == ["ready"]
    assert len(world.things()) == 1


def test_a_new_generation_takes_the_place_of_the_old_one(server: Server) -> None:
    server.endpoint()
    template = server.template(pool_size=2)
    server.working.once()
    server.change(templates, template, generation="2")
    for _ in range(3):
        server.working.once()
    with server.database.read() as connection:
        rows = connection.execute(
            sa.select(machines.c.generation, machines.c.state).where(machines.c.removed_at.is_(None))
        )
        assert [tuple(row) for row in rows] == [("2", "ready")] * 2


def test_a_pool_that_fails_is_tried_less_and_less_often(server: Server, world: World) -> None:
    server.endpoint()
    template = server.template(pool_size=2)

    def refuses(_name: str, step: str) -> None:
        if step == "start":
            raise MachineNotReady("m", "tcp://h:1", 1, "not today", [])

    world.on_step = refuses
    server.working.once()
    assert states(server) == ["parked", "parked"]
    server.working.once()
    assert states(server) == ["parked", "parked"], "there is a pause"
    with server.database.read() as connection:
        row = connection.execute(sa.select(templates)).one()
    assert row.pool_failures == 2
    assert "not today" in row.pool_error
    server.change(templates, template, pool_not_before=row.pool_not_before - timedelta(days=1))
    server.working.once()
    assert states(server) == ["parked"] * 3, "one at a time after a failure"
    world.on_step = lambda _name, _step: None
    server.change(templates, template, pool_not_before=row.pool_not_before - timedelta(days=1))
    for _ in range(2):
        server.working.once()
    assert states(server) == ["parked"] * 3 + ["ready"] * 2
    with server.database.read() as connection:
        assert connection.scalar(sa.select(templates.c.pool_failures)) == 0


def test_a_paused_pool_is_left_alone(server: Server, world: World) -> None:
    server.endpoint()
    server.template(pool_size=2, pool_paused=True)
    server.working.once()
    assert world.things() == []


def test_the_pool_of_a_removed_template_goes(server: Server, world: World) -> None:
    ann = server.prepared()
    root = server.person("root", role="operator")
    server.fleet.set_pool(root, "docker", size=2)
    server.working.once()
    mine = server.fleet.request(ann)
    assert mine.state == "ready"
    server.working.once()
    server.fleet.remove_template(root, "docker")
    server.working.once()
    assert world.things() == [mine.host_name]


# What is stuck


@pytest.mark.parametrize(
    ("state", "after"), [("creating", "ready"), ("stopping", "stopped"), ("removing", "removed")]
)
def test_a_machine_that_nobody_is_at_work_on_is_not_forgotten(server: Server, state: str, after: str) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    server.change(machines, machine.id, state=state)
    server.working.once()
    assert server.row(machine.id).state == after


def test_sums_are_mended(server: Server) -> None:
    ann = server.prepared()
    ready(server, ann)
    server.change(endpoints, server.endpoint_row().id, machines=7)
    server.working.reconciler.once()
    assert server.endpoint_row().machines == 1


def test_whoever_waits_gets_the_room_of_one_that_goes(server: Server) -> None:
    ann = server.prepared()
    server.change(endpoints, server.endpoint_row().id, max_machines=1)
    machine = ready(server, ann)
    waiting = server.fleet.request(ann)
    assert waiting.state == "waiting"
    server.fleet.remove(ann, machine.id)
    server.drain()
    assert server.row(waiting.id).state == "ready"


# Endpoints


def test_strangers_are_shown_and_not_touched(server: Server, world: World) -> None:
    ann = server.prepared()
    ready(server, ann)
    world.put("here", "somebodys")
    server.working.once()
    assert server.endpoint_row().strangers == ["somebodys"]
    assert "somebodys" in world.things()


def test_an_endpoint_that_dies_and_comes_back(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    world.fail("here")
    server.working.watcher.once()
    row = server.endpoint_row()
    assert row.state == "unreachable"
    assert "does not answer" in row.error
    assert server.row(machine.id).state == "ready", "nobody knows that it is gone"
    world.well("here")
    server.working.watcher.once()
    assert (server.endpoint_row().state, server.endpoint_row().error) == ("ok", "")


def test_one_that_hangs_keeps_no_other_waiting(server: Server, world: World) -> None:
    server.prepared()
    server.endpoint("slow")
    world.hang("slow", 0.3)
    server.working.watcher.once()
    assert [server.endpoint_row(name).state for name in ("here", "slow")] == ["ok", "unreachable"]


def test_what_somebody_stops_or_starts_is_seen(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    world.set_state(machine.host_name, "stopped")
    server.working.watcher.once()
    row = server.row(machine.id)
    assert (row.state, row.error) == ("stopped", STOPPED)
    world.set_state(machine.host_name, "running")
    server.working.watcher.once()
    row = server.row(machine.id)
    assert (row.state, row.error) == ("ready", "")
    assert STARTED in server.said(machine.id)


def test_what_somebody_removes_is_gone_when_it_is_missed_twice(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    world.set_state(machine.host_name, "gone")
    server.working.watcher.once()
    assert server.row(machine.id).state == "ready"
    server.working.watcher.once()
    server.drain()
    assert server.row(machine.id).state == "removed"
    assert GONE in server.said(machine.id)
    assert server.endpoint_row().machines == 0


def test_a_revocation_that_cannot_be_does_not_hide_that_it_is_gone(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    serial = server.fleet.share(ann, machine.id, "bob", timedelta(hours=1)).serial
    world.set_state(machine.host_name, "gone")
    server.fleet.revoke(ann, machine.id, serial)
    server.drain()
    server.working.watcher.once()
    server.working.watcher.once()
    for _ in range(2):
        server.due()
        server.drain()
    assert server.row(machine.id).state == "removed"
    assert {row.state for row in server.operation_rows(machine.id)} == {"done", "failed"}


def test_what_changes_while_it_is_looked_at_is_left_alone(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    world.set_state(machine.host_name, "stopped")
    look = server.hosts.look

    def slow(endpoint: dict[str, object]) -> object:
        found = look(endpoint)
        server.fleet.restart(ann, machine.id)
        return found

    monkeypatch.setattr(server.hosts, "look", slow)
    server.working.watcher.once()
    assert server.row(machine.id).state == "starting"


def test_a_stopped_machine_of_a_pool_is_given_to_nobody(server: Server, world: World) -> None:
    server.endpoint()
    server.template(pool_size=1)
    server.working.once()
    [name] = world.things()
    world.set_state(name, "stopped")
    server.working.once()
    server.working.once()
    [other] = world.things()
    assert other != name


# Time


def over(server: Server, machine: Machine) -> None:
    server.change(machines, machine.id, expires_at=machine.created_at - timedelta(seconds=1))


def test_a_machine_whose_time_is_over_is_removed(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann, ttl=timedelta(hours=1))
    server.working.once()
    assert world.things() == [machine.host_name]
    over(server, machine)
    server.working.once()
    assert world.things() == []
    assert server.row(machine.id).state == "removed"


def test_or_stopped_where_the_template_says_so(server: Server, world: World) -> None:
    server.endpoint()
    server.template(is_default=True, options={"on_expiry": "stop"})
    ann = server.person("ann")
    machine = ready(server, ann, ttl=timedelta(hours=1))
    over(server, machine)
    for _ in range(2):
        server.working.once()
        assert server.row(machine.id).state == "stopped"
    assert len(server.operation_rows(machine.id)) == 2


def test_its_owner_is_warned_once(server: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann, ttl=timedelta(minutes=5))
    server.working.reaper.once()
    server.working.reaper.once()
    [warning] = server.said(machine.id, "warning")
    assert warning.startswith("Its time is over at ")


def test_an_idle_one_is_removed_and_one_that_cannot_tell_is_not(server: Server, world: World) -> None:
    server.endpoint()
    server.template(is_default=True, idle_ttl=600)
    ann = server.person("ann")
    busy, idle, mute = (ready(server, ann) for _ in range(3))
    world.set_idle(idle.host_name, 601)
    world.set_idle(mute.host_name, None)
    server.working.reaper.once()
    server.drain()
    assert world.things() == sorted([busy.host_name, mute.host_name])
    assert "It has been idle for 0:10:01." in server.said(idle.id)


def test_caches_are_measured(server: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    server.working.reaper.once()
    assert server.row(machine.id).cache_used == 1 << 20


def test_measuring_a_machine_is_no_use_of_it(server: Server, world: World) -> None:
    server.endpoint()
    server.template(is_default=True, idle_ttl=600)
    ann = server.person("ann")
    idle, used = (ready(server, ann) for _ in range(2))
    world.set_idle(idle.host_name, 60)
    server.working.reaper.once()
    assert [server.row(each.id).cache_used for each in (idle, used)] == [None, 1 << 20]
    calls = world.calls("here")
    server.working.reaper.once()
    assert world.calls("here") == calls, "each is asked once a minute"


def test_a_clock_that_jumps_is_not_believed_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = server.prepared()
    machine = ready(server, ann, ttl=timedelta(hours=1))
    monotonic = [1000.0]
    reaper = Reaper(
        server.database, server.audit, server.hosts, server.place.copies, monotonic=lambda: monotonic[0]
    )
    reaper.once()
    now = server.database.now
    monkeypatch.setattr(server.database, "now", lambda connection: now(connection) + timedelta(days=2))
    reaper.once()
    assert server.row(machine.id).state == "ready"
    monotonic[0] += DISTRUST_SECONDS
    monkeypatch.setattr(
        server.database,
        "now",
        lambda connection: now(connection) + timedelta(days=2, seconds=DISTRUST_SECONDS),
    )
    reaper.once()
    assert server.row(machine.id).state == "removing"


def test_all_are_asked_in_turn(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reap, "_MOST", 2)
    ann = server.prepared()
    made = {ready(server, ann).id for _ in range(5)}
    asked: list[str] = []
    monkeypatch.setattr(server.working.reaper, "_look_into", lambda row, _measure: asked.append(row.id))
    for _ in range(3):
        server.working.reaper.once()
    assert set(asked) == made


# One at a time


def test_a_duty_is_one_servers_until_it_lapses(database: Database) -> None:
    passes: list[str] = []
    one, two = (
        Duty(database, name, name="watch", seconds=1, do=partial(passes.append, name))
        for name in ("one", "two")
    )
    assert one.once()
    assert not two.once()
    assert one.once()
    database.write(
        lambda connection: connection.execute(
            duties.update().values(until=database.now(connection) - timedelta(seconds=1))
        )
    )
    assert two.once()
    assert not one.once()
    two.let_go()
    assert one.once()
    assert passes == ["one", "one", "two", "one"]


def test_a_duty_is_not_held_for_ever_by_a_clock_that_was_ahead(database: Database) -> None:
    one, two = (Duty(database, name, name="watch", seconds=1, do=lambda: None) for name in ("one", "two"))
    assert one.hold()
    database.write(
        lambda connection: connection.execute(
            duties.update().values(until=database.now(connection) + 10 * HELD)
        )
    )
    assert two.hold()


def test_old_rows_go(server: Server, tmp_path: Path) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    server.fleet.remove(ann, machine.id)
    server.drain()
    assert sweep(server.database, server.settings) == 0
    long_ago = machine.created_at - timedelta(days=90)
    server.change(machines, machine.id, removed_at=long_ago)
    sweep(server.database, server.settings)
    with server.database.read() as connection:
        for table in (machines, events, operations):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_certificates_are_renewed_in_time(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.drain()
    row = server.row(machine.id)
    assert row.renew_at > row.ready_at
    assert server.working.reconciler.renew_certificates() == 0, "not yet"
    server.change(machines, machine.id, renew_at=row.ready_at)
    version = server.row(machine.id).version
    assert server.working.reconciler.renew_certificates() == 1
    assert server.working.reconciler.renew_certificates() == 0, "once"
    server.drain()
    row = server.row(machine.id)
    assert (row.state, row.error, row.renew_at > row.ready_at, row.version > version) == (
        "ready",
        "",
        True,
        True,
    )
    assert server.said(machine.id, "note") == ["Its certificates were renewed."]
    assert json.loads(server.hosts.pack(row.host_name))["renewed"] == 1

    server.change(machines, machine.id, renew_at=row.ready_at)
    world.fail("here")
    server.working.reconciler.renew_certificates()
    for _ in range(5):
        server.drain()
        server.due()
    row = server.row(machine.id)
    assert (row.state, "does not answer" in row.error) == ("ready", True)
    assert server.working.reconciler.renew_certificates() == 0, "later"
