"""A team, its templates and endpoints, for tests and benchmarks; operations are done at once, in memory.

The worker here is the smallest that keeps the rules of `dinv.server.work`: it changes rows, and no endpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.schema import (
    endpoints,
    machines,
    members,
    new_id,
    operations,
    people,
    teams,
    templates,
)
from dinv.server.fleet import capacity, pools
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import Queue
from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Certificate, Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from dinv.server.database.database import Database
    from dinv.server.models import Machine, Role
    from dinv.system.deadline import Deadline

GIB = 2**30


class Access:
    """Signs nothing; counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.certified: list[tuple[str, str, timedelta]] = []

    def certify(self, machine: Machine, holder: str, csr: bytes | None, lifetime: timedelta) -> Certificate:
        self.certified.append((machine.id, holder, lifetime))
        with self._database.read() as connection:
            until = self._database.now(connection) + lifetime
        serial = f"{len(self.certified):032x}"
        return Certificate(machine.url, b"ca", b"certificate", serial, until, None if csr else b"key")

    def log(self, machine: Machine, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        yield f"{machine.host_name} {tail} {follow is not None}\n".encode()


class World:
    """A server's fleet."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.audit = Audit(database)
        self.access = Access(database)
        self.fleet = Fleet(database, self.audit, self.access)
        self.queue = Queue(database, self.audit)

    # What there is

    def person(self, name: str, *, role: Role = "user", teams: tuple[str, ...] = ()) -> Actor:
        person = Person(new_id(), name, name.title(), "", role, teams)

        def work(connection: sa.Connection) -> None:
            values = {
                "id": person.id,
                "name": name,
                "role": role,
                "created_at": self.database.now(connection),
            }
            connection.execute(people.insert().values(values))
            for team in teams:
                self._join(connection, person.id, team)

        self.database.write(work)
        return Actor(person, "session")

    @staticmethod
    def _join(connection: sa.Connection, person_id: str, team: str) -> None:
        found = connection.scalar(sa.select(teams.c.id).where(teams.c.name == team))
        if found is None:
            found = new_id()
            connection.execute(teams.insert().values(id=found, name=team))
        connection.execute(members.insert().values(team_id=found, person_id=person_id))

    def template(self, name: str = "docker", **columns: Any) -> str:
        """Make a template; return its id."""
        values = {
            "id": new_id(),
            "name": name,
            "title": name.title(),
            "document": "",
            "options": {},
            "generation": "1",
            "endpoint_labels": {},
            "teams": [],
            **columns,
        }
        self.database.write(lambda connection: connection.execute(templates.insert().values(values)))
        return str(values["id"])

    def endpoint(self, name: str = "here", **columns: Any) -> str:
        """Make an endpoint that answers; return its id."""
        values = {"id": new_id(), "name": name, "options": {}, "labels": {}, "state": "ok", **columns}
        self.database.write(lambda connection: connection.execute(endpoints.insert().values(values)))
        return str(values["id"])

    def pool(self, template: str, count: int) -> None:
        """Fill the pool of a template by so many, which are ready."""

        def work(connection: sa.Connection) -> None:
            row = connection.execute(sa.select(templates).where(templates.c.name == template)).one()
            for _ in range(count):
                assert pools.new(connection, row, self.database.now(connection)), "no room for the pool"

        self.database.write(work)
        self.work()

    # What a worker does

    def work(self) -> int:
        """Do all operations that are queued, and serve the queue; return how many were done."""
        done = 0
        while True:
            count = self.database.write(self._operations)
            count += self.database.write(self.queue.serve)
            if not count:
                return done
            done += count

    def _operations(self, connection: sa.Connection) -> int:
        query = (
            sa.select(operations)
            .where(operations.c.state == "queued")
            .order_by(operations.c.priority, operations.c.created_at, operations.c.id)
        )
        rows = connection.execute(self.database.claimable(query)).all()
        now = self.database.now(connection)
        for row in rows:
            self._do(connection, row, now)
            connection.execute(operations.update().where(operations.c.id == row.id).values(state="done"))
        return len(rows)

    def _do(self, connection: sa.Connection, operation: sa.Row[Any], now: datetime) -> None:
        machine = connection.execute(sa.select(machines).where(machines.c.id == operation.machine_id)).one()
        values: dict[str, Any] = {}
        if operation.kind == "remove":
            capacity.give_back(connection, machine.id, now)
            values = {"state": "removed", "removed_at": now}
        elif operation.kind in ("create", "start", "restart") and machine.state in ("creating", "starting"):
            values = {
                "state": "ready",
                "url": f"tcp://{machine.host_name}:2376",
                "ready_at": machine.ready_at or now,
            }
        elif operation.kind == "stop" and machine.state == "stopping":
            values = {"state": "stopped"}
        if values:
            values["version"] = machines.c.version + 1
            connection.execute(machines.update().where(machines.c.id == machine.id).values(values))
            # As dinv.server.work.outcomes does: streams are woken by events alone.
            note(connection, machine.id, "state", values["state"], now)

    def fail(self, machine_id: str, error: str = "no space left on device") -> None:
        """Let the create of a machine fail for good, and be undone."""

        def work(connection: sa.Connection) -> None:
            now = self.database.now(connection)
            capacity.give_back(connection, machine_id, now)
            values = {"state": "failed", "error": error, "version": machines.c.version + 1}
            connection.execute(machines.update().where(machines.c.id == machine_id).values(values))
            of_it = operations.c.machine_id == machine_id
            connection.execute(operations.update().where(of_it).values(state="failed"))
            note(connection, machine_id, "error", error, now)
            note(connection, machine_id, "state", "failed", now)

        self.database.write(work)

    # What is looked at

    def states(self) -> dict[str, str]:
        """The states of machines that are not removed, by name, or host name in a pool."""
        with self.database.read() as connection:
            query = sa.select(machines).where(machines.c.removed_at.is_(None))
            return {row.name or row.host_name: row.state for row in connection.execute(query)}

    def operations(self, *, state: str = "queued") -> list[tuple[str, str, dict[str, Any]]]:
        """Kinds of operations, names of machines and arguments, in the order in which they are to be done."""
        query = (
            sa.select(operations.c.kind, machines.c.name, operations.c.arguments)
            .join(machines, machines.c.id == operations.c.machine_id)
            .where(operations.c.state == state)
            .order_by(operations.c.priority, operations.c.created_at, operations.c.id)
        )
        with self.database.read() as connection:
            return [(row.kind, row.name, row.arguments) for row in connection.execute(query)]

    def audited(self) -> list[tuple[str, str, str]]:
        """Actors, actions and objects, the oldest first."""
        entries = self.audit.entries(limit=1000)
        return [(entry.actor, entry.action, entry.object) for entry in reversed(entries)]

    def counts(self) -> dict[str, tuple[int, float, int]]:
        """What endpoints say is taken on them."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(endpoints)).all()
        return {row.name: (row.machines, row.used_cpus, row.used_memory) for row in rows}


def with_scopes(actor: Actor, *scopes: Any) -> Actor:
    """The same person, by a token that may do so much."""
    return replace(actor, via="token", scopes=frozenset(scopes))
