"""Operations in the database: taken by one server at a time, kept by heartbeats, given back, taken over.

`operations.server` is SERVER/TOKEN while one runs, with a token of its own for each time it is taken: who has
lost an operation, because its heartbeat lapsed, cannot write what comes out of it any more. `attempt` counts
how often it has failed; being killed with it is not a failure.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, operations
from dinv.server.models import OperationKind

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
_LOOKED_AT = 50
"""Operations that are looked at to find one that may be done now."""


@dataclass(frozen=True)
class Taken:
    """An operation that this server does now, with its machine as it was then."""

    id: str
    kind: OperationKind
    arguments: dict[str, Any]
    attempt: int
    token: str
    machine_id: str
    name: str
    """The machine's host name."""
    options: dict[str, Any]
    """Of the machine, and of its endpoint."""
    endpoint_id: str | None
    endpoint: dict[str, Any]
    """The options that name the endpoint."""
    pooled: bool
    owned: bool


class Operations:
    """`server` is this server's identity; `together` how many run at a time on one endpoint."""

    def __init__(self, database: Database, server: str, *, together: int) -> None:
        self._database = database
        self._server = server
        self._together = together

    def take(self) -> Taken | None:
        """Take the most urgent operation that may be done now."""
        return self._database.write(self._take)

    def _take(self, connection: sa.Connection) -> Taken | None:
        now = self._database.now(connection)
        busy = _busy(connection, self._together)
        other = operations.alias()
        runs = sa.exists().where(other.c.machine_id == operations.c.machine_id, other.c.state == RUNNING)
        query = (
            sa.select(operations.c.id, operations.c.machine_id)
            .join(machines, machines.c.id == operations.c.machine_id)
            .where(
                operations.c.state == QUEUED,
                sa.or_(operations.c.not_before.is_(None), operations.c.not_before <= now),
                sa.or_(machines.c.endpoint_id.is_(None), machines.c.endpoint_id.not_in(busy)),
                ~runs,
            )
            .order_by(operations.c.priority, operations.c.created_at, operations.c.id)
            .limit(_LOOKED_AT)
        )
        seen: set[str] = set()
        for candidate in connection.execute(query).all():
            # Of a machine's operations the earliest comes first, whatever keeps that from being done now.
            if candidate.machine_id in seen:
                continue
            seen.add(candidate.machine_id)
            taken = self._taken(connection, candidate.id, candidate.machine_id, now)
            if taken is not None:
                return taken
        return None

    def _taken(
        self, connection: sa.Connection, operation_id: str, machine_id: str, now: datetime
    ) -> Taken | None:
        """Take one, unless another server has it by now: the machine's row is what they meet at."""
        lock = self._database.claimable(sa.select(machines).where(machines.c.id == machine_id))
        machine = connection.execute(lock).mappings().first()
        if machine is None:
            return None
        running = sa.select(sa.func.count()).where(
            operations.c.machine_id == machine_id, operations.c.state == RUNNING
        )
        if connection.scalar(running):
            return None
        token = f"{self._server}/{secrets.token_hex(6)}"
        done = connection.execute(
            operations.update()
            .where(operations.c.id == operation_id, operations.c.state == QUEUED)
            .values(state=RUNNING, server=token, heartbeat_at=now)
        )
        if done.rowcount != 1:
            return None
        row = (
            connection.execute(sa.select(operations).where(operations.c.id == operation_id)).mappings().one()
        )
        place = connection.scalar(
            sa.select(endpoints.c.options).where(endpoints.c.id == machine["endpoint_id"])
        )
        return Taken(
            id=operation_id,
            kind=row["kind"],
            arguments=dict(row["arguments"] or {}),
            attempt=row["attempt"],
            token=token,
            machine_id=machine_id,
            name=machine["host_name"],
            options={**(machine["options"] or {}), **(place or {})},
            endpoint_id=machine["endpoint_id"],
            endpoint=dict(place or {}),
            pooled=machine["pooled"],
            owned=machine["owner_id"] is not None,
        )

    # While it runs

    def beat(self, tokens: set[str]) -> set[str]:
        """Say that these go on; return those that are this server's no more."""
        if not tokens:
            return set()

        def work(connection: sa.Connection) -> set[str]:
            mine = (operations.c.server.in_(tokens), operations.c.state == RUNNING)
            connection.execute(
                operations.update().where(*mine).values(heartbeat_at=self._database.now(connection))
            )
            return tokens - set(connection.scalars(sa.select(operations.c.server).where(*mine)))

        return self._database.write(work)

    @staticmethod
    def is_mine(connection: sa.Connection, taken: Taken, *, lock: bool = True) -> bool:
        """Return whether it is still this server's to write what comes out of it; its row is locked then."""
        query = sa.select(operations.c.id).where(
            operations.c.id == taken.id,
            operations.c.state == RUNNING,
            operations.c.server == taken.token,
        )
        return connection.execute(query.with_for_update() if lock else query).first() is not None

    # How it ends

    @staticmethod
    def end(connection: sa.Connection, taken: Taken, now: datetime, *, error: str = "") -> None:
        connection.execute(
            operations.update()
            .where(operations.c.id == taken.id)
            .values(
                state=FAILED if error else DONE,
                error=error,
                finished_at=now,
                server="",
                attempt=taken.attempt + bool(error),
            )
        )

    @staticmethod
    def again(
        connection: sa.Connection,
        taken: Taken,
        now: datetime,
        *,
        error: str,
        pause: timedelta,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        """Have it done again after a pause: it failed. With other arguments, where some are given."""
        connection.execute(
            operations.update()
            .where(operations.c.id == taken.id)
            .values(
                state=QUEUED,
                error=error,
                attempt=taken.attempt + 1,
                arguments=taken.arguments if arguments is None else arguments,
                not_before=now + pause,
                server="",
                heartbeat_at=None,
            )
        )

    @staticmethod
    def release(connection: sa.Connection, taken: Taken) -> None:
        """Give it back undone: nobody has failed."""
        connection.execute(
            operations.update()
            .where(operations.c.id == taken.id)
            .values(state=QUEUED, server="", heartbeat_at=None)
        )

    def resume(self) -> int:
        """Have everything done again that an earlier run of this server was doing; return how many."""
        return self._requeue(operations.c.server.like(f"{self._server}/%"))

    def take_over(self, stale: timedelta) -> int:
        """Have everything done again whose server has not been heard of for so long; return how many."""
        with self._database.read() as connection:
            limit = self._database.now(connection) - stale
            late = (operations.c.heartbeat_at < limit, operations.c.state == RUNNING)
            if connection.execute(sa.select(operations.c.id).where(*late).limit(1)).first() is None:
                return 0
        return self._requeue(operations.c.heartbeat_at < limit)

    def _requeue(self, which: sa.ColumnElement[bool]) -> int:
        def work(connection: sa.Connection) -> int:
            done = connection.execute(
                operations.update()
                .where(operations.c.state == RUNNING, which)
                .values(state=QUEUED, server="", heartbeat_at=None)
            )
            return done.rowcount

        return self._database.write(work)


def _busy(connection: sa.Connection, together: int) -> list[str]:
    """Return the endpoints where as many operations run as may."""
    query = (
        sa.select(machines.c.endpoint_id)
        .join(operations, operations.c.machine_id == machines.c.id)
        .where(operations.c.state == RUNNING, machines.c.endpoint_id.is_not(None))
        .group_by(machines.c.endpoint_id)
        .having(sa.func.count() >= together)
    )
    return list(connection.scalars(query))
