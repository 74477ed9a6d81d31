"""Operations of a server, from the request to what comes of them: done, failed, undone, stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from known_people import Clock

from dinv.errors import InputError, MachineNotReady, PreCreateCheckFailed
from dinv.server.database.schema import machines, records
from dinv.server.work.doing import REMOVED_MEANWHILE

if TYPE_CHECKING:
    from fake_machines import World
    from working_server import Server


def test_a_machine_is_made_and_removed(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    assert machine.state == "creating"
    server.drain()
    row = server.row(machine.id)
    assert (row.state, row.docker_version, row.error) == ("ready", "28.2", "")
    assert row.url.startswith("tcp://192.0.2.7:")
    assert world.things() == [row.host_name]
    assert server.said(machine.id, "state") == ["creating", "ready"]
    assert any("ready at" in text for text in server.said(machine.id, "progress"))

    server.fleet.remove(ann, machine.id)
    server.drain()
    row = server.row(machine.id)
    assert row.state == "removed"
    assert row.removed_at is not None
    assert world.things() == []
    assert server.hosts.names() == []
    assert server.endpoint_row().machines == 0


def test_start_stop_restart(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.drain()
    for verb, state, seen in (("stop", "stopped", "stopped"), ("start", "ready", "running")):
        getattr(server.fleet, verb)(ann, machine.id)
        server.drain()
        row = server.row(machine.id)
        assert (row.state, world.state(row.host_name)) == (state, seen)
    server.fleet.restart(ann, machine.id)
    server.drain()
    assert server.row(machine.id).state == "ready"


def test_the_time_of_its_making_is_not_its_owners(server: Server) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann, ttl=timedelta(hours=1))
    server.change(machines, machine.id, expires_at=machine.created_at)
    server.drain()
    row = server.row(machine.id)
    assert row.expires_at == row.ready_at + timedelta(hours=1)


def test_a_create_that_fails_is_tried_again_and_then_undone(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(server.database, monkeypatch).stop()
    ann = server.prepared()
    machine = server.fleet.request(ann)
    world.refuses[server.row(machine.id).host_name] = MachineNotReady("dev", "tcp://h:1", 60, "not today", [])
    for attempt in range(3):
        assert server.row(machine.id).state == "creating"
        assert server.drain() == 1
        assert server.drain() == 0, "there is a pause"
        assert server.operation_rows()[0].attempt == attempt + 1
        server.due()
    row = server.row(machine.id)
    assert row.state == "failed"
    assert "not today" in row.error
    assert world.things() == []
    assert server.hosts.names() == []
    assert server.endpoint_row().machines == 0
    assert server.drain() == 0


def test_what_cannot_be_mended_by_waiting_fails_at_once(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    world.refuses[server.row(machine.id).host_name] = InputError("There is no such option: memorry.")
    server.drain()
    row = server.row(machine.id)
    assert (row.state, row.error) == ("failed", "There is no such option: memorry.")
    assert server.said(machine.id, "error") == [row.error]


def test_a_full_endpoint_is_said(server: Server, world: World) -> None:
    ann = server.prepared()
    world.run("UPDATE endpoints SET room = 0")
    machine = server.fleet.request(ann)
    for _ in range(3):
        server.drain()
        server.due()
    assert "no space left" in server.row(machine.id).error


def test_a_bug_is_not_shown_to_people(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    world.refuses[server.row(machine.id).host_name] = KeyError("password=hunter2")
    server.drain()
    assert "hunter2" not in server.row(machine.id).error
    assert "KeyError" in server.row(machine.id).error


def test_a_removal_is_tried_until_the_endpoint_is_back(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.drain()
    world.fail("here")
    server.fleet.remove(ann, machine.id)
    for _ in range(20):
        assert server.drain() == 1
        server.due()
    assert server.row(machine.id).state == "removing"
    assert "does not answer" in server.row(machine.id).error
    world.well("here")
    server.drain()
    assert server.row(machine.id).state == "removed"


def test_one_that_is_removed_while_it_is_made_is_undone(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    steps = []

    def asks(_name: str, step: str) -> None:
        steps.append(step)
        if step == "container":
            server.fleet.remove(ann, machine.id)

    world.on_step = asks
    server.drain()
    assert "start" not in steps
    assert server.row(machine.id).state == "removed"
    assert REMOVED_MEANWHILE in server.said(machine.id)
    assert world.things() == []
    assert server.endpoint_row().machines == 0
    assert [row.state for row in server.operation_rows()] == ["failed", "done"]


def test_one_that_is_removed_before_it_is_made_is_not_made(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.fleet.remove(ann, machine.id)
    calls = world.calls("here")
    server.drain()
    assert server.row(machine.id).state == "removed"
    assert world.calls("here") == calls


def test_operations_of_one_machine_come_one_after_the_other(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    first = server.working._operations.take()
    assert first is not None
    server.fleet.remove(ann, machine.id)
    assert server.working._operations.take() is None


def test_an_endpoint_gets_only_so_many_at_a_time(server: Server) -> None:
    ann = server.prepared()
    server.endpoint("there", weight=0)
    for _ in range(6):
        server.fleet.request(ann)
    taken = [server.working._operations.take() for _ in range(6)]
    assert [one is not None for one in taken] == [True, True, True, True, False, False]


def test_people_come_before_pools(server: Server) -> None:
    ann = server.prepared()
    server.template("pooled", pool_size=1)
    server.working.reconciler.once()
    server.fleet.request(ann, "docker")
    kinds = [server.working._operations.take() for _ in range(2)]
    assert [one.owned for one in kinds if one] == [True, False]


def test_a_revoked_certificate_is_refused(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.drain()
    given = server.fleet.share(ann, machine.id, "bob", timedelta(hours=1))
    server.fleet.revoke(ann, machine.id, given.serial)
    server.drain()
    assert world.refused(server.row(machine.id).host_name) == [given.serial]
    assert [share.serial for share in server.fleet.shares(ann, machine.id) if share.revoked_at] == [
        given.serial
    ]


def test_another_server_goes_on_with_a_machine(
    server: Server, world: World, tmp_path: object, database: object
) -> None:
    from pathlib import Path

    from working_server import Server as Another

    ann = server.prepared()
    machine = server.fleet.request(ann)
    server.drain()
    secret = str(Path(server.settings.state) / "secret")
    other = Another(server.database, world, Path(str(tmp_path)) / "other", secret=secret)
    other.fleet.stop(ann, machine.id)
    other.drain()
    assert world.state(other.row(machine.id).host_name) == "stopped"
    server.fleet.remove(ann, machine.id)
    other.drain()
    assert world.things() == []
    assert server.hosts.names() == [server.row(machine.id).host_name]
    server.working.forget_copies()
    assert server.hosts.names() == []


def test_a_record_says_nothing_without_the_secret(server: Server) -> None:
    import sqlalchemy as sa

    ann = server.prepared()
    server.fleet.request(ann)
    server.drain()
    with server.database.read() as connection:
        content = connection.scalar(sa.select(records.c.content))
    assert content
    assert b"fake://" not in content
    assert b"identity" not in content


@pytest.mark.parametrize(
    "error", [PreCreateCheckFailed("no " + "x" * 5000), PreCreateCheckFailed("a\x1b[31m\nb")]
)
def test_texts_of_endpoints_are_bounded_and_harmless(server: Server, world: World, error: Exception) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    world.refuses[server.row(machine.id).host_name] = error
    server.drain()
    text = server.operation_rows()[0].error
    assert len(text) <= 500
    assert text.isprintable()
