"""Creates that fail on one endpoint, and are done on another; and endpoints that are left alone for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from known_people import Clock
from working_server import Server

from dinv.errors import ImageMissing, ServerError
from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, templates
from dinv.server.fleet import capacity
from dinv.server.work.hosts import Look

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fake_machines import World

    from dinv.server.models import Actor


def prepared(server: Server) -> Actor:
    """Two endpoints, the first of which comes first, and somebody."""
    server.endpoint("one", weight=2)
    server.endpoint("two")
    server.template(is_default=True)
    return server.person("ann")


def agree(server: Server) -> None:
    """What is said to be taken is what is there."""
    assert server.database.write(capacity.recount) == {}


def dies_at(world: World, endpoint: str, step: str) -> None:
    """The endpoint is gone from that step of any create on."""

    def on_step(_name: str, at: str) -> None:
        if at == step:
            world.fail(endpoint)

    world.on_step = on_step


def test_it_is_made_on_another_endpoint(server: Server, world: World) -> None:
    ann = prepared(server)
    world.fail("one")
    machine = server.fleet.request(ann)
    assert server.drain() == 2, "there is no pause: the other endpoint has done nothing wrong"
    row = server.row(machine.id)
    assert (row.state, row.error, world.things("two")) == ("ready", "", [row.host_name])
    assert "It is made on two instead." in server.said(machine.id, "warning")[0]
    one = server.endpoint_row("one")
    assert (one.state, one.failures, one.machines) == ("unreachable", 1, 0)
    assert "does not answer" in one.error
    agree(server)


def test_what_is_left_behind_is_removed_when_the_endpoint_is_back(server: Server, world: World) -> None:
    ann = prepared(server)
    dies_at(world, "one", "start")
    machine = server.fleet.request(ann)
    left = server.row(machine.id).host_name
    server.drain()
    row = server.row(machine.id)
    assert (row.state, world.things("one"), world.things("two")) == ("ready", [left], [row.host_name])
    assert row.host_name != left
    assert server.endpoint_row("one").machines == 1, "it holds its room until it is gone"
    assert [each.name for each in server.fleet.machines(ann)[0]] == ["docker"], "nobody has the leftover"
    agree(server)
    world.on_step = lambda _name, _step: None
    world.well("one")
    server.change(endpoints, server.endpoint_row("one").id, not_before=None)
    server.working.watcher.once()
    assert server.endpoint_row("one").state == "ok"
    server.drain()
    assert world.things("one") == []
    assert server.endpoint_row("one").machines == 0
    assert sorted(server.hosts.names()) == [row.host_name]
    agree(server)


def test_another_server_removes_what_was_left_behind(database_url: str, world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("ab" * 32)
    server, other = (
        Server(Database(database_url), world, tmp_path / name, secret=str(secret)) for name in ("one", "two")
    )
    ann = prepared(server)
    dies_at(world, "one", "start")
    server.fleet.request(ann)
    server.drain()
    world.on_step = lambda _name, _step: None
    world.well("one")
    server.due()
    other.drain()
    assert world.things("one") == []
    agree(server)
    for each in (server, other):
        each.database.close()


def test_with_no_other_endpoint_it_waits_until_that_one_is_back(server: Server, world: World) -> None:
    ann = server.prepared()
    dies_at(world, "here", "start")
    machine = server.fleet.request(ann)
    server.drain()
    row = server.row(machine.id)
    assert (row.state, row.waits_for, row.endpoint_id) == ("waiting", "an endpoint that answers", None)
    assert "does not answer" in row.error
    assert server.fleet.machine(ann, machine.id).place == 1
    world.on_step = lambda _name, _step: None
    world.well("here")
    server.change(endpoints, server.endpoint_row().id, not_before=None)
    server.working.watcher.once()
    server.working.reconciler.once()
    server.drain()
    row = server.row(machine.id)
    assert (row.state, row.error, world.things()) == ("ready", "", [row.host_name])
    assert row.expires_at is None or row.expires_at > row.claimed_at
    agree(server)


def test_an_endpoint_that_refuses_is_left_alone_longer_each_time(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(server.database, monkeypatch)
    clock.stop()
    ann = server.prepared()
    world.fail("here", ServerError("no space left on device", status=500))
    machine = server.fleet.request(ann)
    here = server.endpoint_row().id
    pauses = []
    for count in (1, 2, 3):
        server.drain()
        row = server.endpoint_row()
        assert (row.state, row.failures) == ("failing", count)
        assert "no space left" in row.error
        pauses.append(row.not_before)
        server.working.watcher._reached(row, Look(()), [])
        assert server.endpoint_row().state == "failing", "to answer is not enough"
        with server.database.read() as connection:
            now = server.database.now(connection)
        server.change(endpoints, here, not_before=now)
        clock.forward(seconds=1)
        server.working.reconciler.once()
    assert pauses[1] - pauses[0] < pauses[2] - pauses[1]
    world.well("here")
    server.drain()
    row = server.endpoint_row()
    assert (server.row(machine.id).state, row.state, row.failures) == ("ready", "ok", 0)


def test_an_image_may_be_on_another_endpoint(server: Server, world: World) -> None:
    ann = prepared(server)
    world.fail("one", ImageMissing("dinv:latest", "fake://one", "it is not there", "Load it."))
    machine = server.fleet.request(ann)
    server.drain()
    assert (server.row(machine.id).state, len(world.things("two"))) == ("ready", 1)
    assert server.endpoint_row("one").state == "ok", "others may have what they need there"


def test_a_pool_goes_on_elsewhere(server: Server, world: World) -> None:
    prepared(server)
    world.fail("one")
    server.database.write(lambda c: c.execute(templates.update().values(pool_size=1)))
    server.working.reconciler.once()
    server.drain()
    server.database.write(
        lambda c: c.execute(templates.update().values(pool_not_before=None, pool_failures=0))
    )
    server.working.reconciler.once()
    server.drain()
    assert len(world.things("two")) == 1
    with server.database.read() as connection:
        states = sorted(connection.scalars(sa.select(machines.c.state)))
    assert states == ["parked", "ready"]
