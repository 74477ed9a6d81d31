"""What comes of an operation, in the database.

Each function is one transaction's work, and writes nothing if the operation was taken over meanwhile.

A machine that its owner asked to remove stays "removing", whatever an earlier operation ends with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.pools import planning
from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import machines, records, shares, templates
from dinv.server.fleet import capacity
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import PEOPLE_FIRST, POOLS, operate
from dinv.server.models import MachineState
from dinv.server.work.copies import Pending
from dinv.server.work.hosts import Facts
from dinv.server.work.taking import Operations, Taken

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
NOT_RENEWED_BEFORE = timedelta(minutes=1)
RENEWED_AGAIN = timedelta(hours=1)
"""How long after the last of several failures certificates are tried to be renewed again."""
RETRIES = planning.Spec(0)
"""How long a pool waits after failures."""


def pause_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failures - 1, 20)))


class TakenOver(Exception):
    """The operation is another's by now."""


class RecordChanged(Exception):
    """The record is not the one that the copy was made from."""


@dataclass(frozen=True)
class Failure:
    """How an operation failed; `leftover`: something of the machine may still be on its endpoint."""

    text: str
    leftover: bool = False


class Outcomes:
    """All raise TakenOver, with nothing written."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def recorded(self, connection: sa.Connection, taken: Taken, pending: Pending) -> None:
        """It is known what to remove of a machine that is about to be made."""
        self._mine(connection, taken)
        _keep(connection, pending)

    def event(self, connection: sa.Connection, taken: Taken, kind: Any, text: str) -> None:
        note(connection, taken.machine_id, kind, text, self._database.now(connection))

    def came_to_be(
        self,
        connection: sa.Connection,
        taken: Taken,
        pending: Pending,
        facts: Facts,
        state: MachineState,
        *,
        renew_at: datetime | None,
    ) -> None:
        """It runs, or is stopped, as was asked."""
        self._mine(connection, taken)
        _keep(connection, pending)
        row = self._row(connection, taken)
        now = self._database.now(connection)
        values: dict[str, Any] = {"error": "", "url": facts.url, "docker_version": facts.docker_version}
        values["renew_at"] = renew_at
        if row.state != "removing":
            values["state"] = state
        if taken.kind == "create":
            values["ready_at"] = now
            capacity.works(connection, taken.endpoint_id)
            if row.ttl and row.expires_at is not None:
                # The time that its making took is not its owner's.
                values["expires_at"] = now + timedelta(seconds=row.ttl)
            if row.pooled:
                connection.execute(
                    templates.update()
                    .where(templates.c.id == row.template_id, templates.c.pool_failures > 0)
                    .values(pool_failures=0, pool_error="", pool_not_before=None)
                )
        self._set(connection, taken, values)
        if row.state != "removing":
            note(connection, taken.machine_id, "state", state, now)
        Operations.end(connection, taken, now)
        action = {"create": "ready", "restart": "started", "start": "started", "stop": "stopped"}[taken.kind]
        self._audit.write(
            connection, None, f"machine.{action}", f"machine:{taken.machine_id}", attempts=taken.attempt + 1
        )

    def revoked(self, connection: sa.Connection, taken: Taken, pending: Pending) -> None:
        """The machine refuses a certificate."""
        self._mine(connection, taken)
        _keep(connection, pending)
        now = self._database.now(connection)
        serial = str(taken.arguments.get("serial", ""))
        connection.execute(
            shares.update()
            .where(
                shares.c.machine_id == taken.machine_id,
                shares.c.serial == serial,
                shares.c.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
        note(connection, taken.machine_id, "note", f"The certificate {serial[:12]} is refused.", now)
        Operations.end(connection, taken, now)
        self._audit.write(connection, None, "share.refused", f"machine:{taken.machine_id}", serial=serial)

    def renewed(
        self, connection: sa.Connection, taken: Taken, pending: Pending, renew_at: datetime | None
    ) -> None:
        """It has new certificates of its own."""
        self._mine(connection, taken)
        _keep(connection, pending)
        now = self._database.now(connection)
        # What is due again at once, since an authority signs for so short a time, is not done all the time.
        due = renew_at and max(renew_at, now + NOT_RENEWED_BEFORE)
        self._set(connection, taken, {"renew_at": due, "error": ""})
        note(connection, taken.machine_id, "note", "Its certificates were renewed.", now)
        Operations.end(connection, taken, now)
        self._audit.write(connection, None, "machine.renewed", f"machine:{taken.machine_id}")

    def gone(self, connection: sa.Connection, taken: Taken) -> None:
        """Nothing of it is left on its endpoint: it is removed, or if that undid a create, it has failed."""
        self._mine(connection, taken)
        why = str(taken.arguments.get("why", "asked"))
        error = str(taken.arguments.get("error", ""))
        self._leave(connection, taken, "failed" if why == "undo" else "removed", error)
        Operations.end(connection, taken, self._database.now(connection))
        if why != "undo":
            self._audit.write(connection, None, "machine.removed", f"machine:{taken.machine_id}", why=why)

    def failed_to_be(self, connection: sa.Connection, taken: Taken, failure: Failure) -> None:
        """Its create has failed for good: its owner sees why, and what it took is given back."""
        self._mine(connection, taken)
        now = self._database.now(connection)
        row = self._row(connection, taken)
        Operations.end(connection, taken, now, error=failure.text)
        if row.pooled and row.state != "removing":
            self._count_failure(connection, row, failure.text)
        if failure.leftover and row.state != "removing":
            self._set(connection, taken, {"state": "removing", "error": failure.text})
            priority = PEOPLE_FIRST if taken.owned else POOLS
            operate(
                connection, taken.machine_id, "remove", now, priority=priority, why="undo", error=failure.text
            )
        elif row.state != "removing":
            self._leave(connection, taken, "failed", failure.text)
        note(connection, taken.machine_id, "error", failure.text, now)
        self._audit.write(
            connection, None, "machine.create", f"machine:{taken.machine_id}", "failed", error=failure.text
        )

    def failed(self, connection: sa.Connection, taken: Taken, failure: Failure, state: MachineState) -> None:
        """Something else has failed for good; as far as is known it is in `state`."""
        self._mine(connection, taken)
        now = self._database.now(connection)
        Operations.end(connection, taken, now, error=failure.text)
        values: dict[str, Any] = {"error": failure.text}
        if taken.kind == "renew":
            values["renew_at"] = now + RENEWED_AGAIN
        if taken.kind not in ("revoke", "renew") and self._row(connection, taken).state != "removing":
            values["state"] = state
            note(connection, taken.machine_id, "state", state, now)
        self._set(connection, taken, values)
        note(connection, taken.machine_id, "error", failure.text, now)
        self._audit.write(
            connection,
            None,
            f"machine.{taken.kind}",
            f"machine:{taken.machine_id}",
            "failed",
            error=failure.text,
        )

    def ended_early(self, connection: sa.Connection, taken: Taken, why: str) -> None:
        """It was not done, or undone, because something else was asked for meanwhile."""
        self._mine(connection, taken)
        now = self._database.now(connection)
        Operations.end(connection, taken, now, error=why)
        note(connection, taken.machine_id, "note", why, now)

    def released(self, connection: sa.Connection, taken: Taken) -> None:
        """Its server ends: whoever is next does it anew."""
        self._mine(connection, taken)
        Operations.release(connection, taken)

    def again(self, connection: sa.Connection, taken: Taken, failure: Failure) -> None:
        """It failed, and is done again after a pause."""
        self._mine(connection, taken)
        now = self._database.now(connection)
        pause = pause_after(taken.attempt + 1)
        Operations.again(connection, taken, now, error=failure.text, pause=pause)
        self._set(connection, taken, {"error": failure.text})
        text = f"{failure.text} It is tried again in {pause.total_seconds():.0f} s."
        note(connection, taken.machine_id, "warning", text, now)

    def state(self, taken: Taken) -> str | None:
        """Return the machine's state now; None if the operation was taken over."""
        with self._database.read() as connection:
            if not Operations.is_mine(connection, taken, lock=False):
                return None
            return connection.scalar(sa.select(machines.c.state).where(machines.c.id == taken.machine_id))

    # Parts of these

    def _mine(self, connection: sa.Connection, taken: Taken) -> None:
        if not Operations.is_mine(connection, taken):
            raise TakenOver

    def _row(self, connection: sa.Connection, taken: Taken) -> sa.Row[Any]:
        query = sa.select(machines).where(machines.c.id == taken.machine_id).with_for_update()
        return connection.execute(query).one()

    def _set(self, connection: sa.Connection, taken: Taken, values: dict[str, Any]) -> None:
        connection.execute(
            machines.update()
            .where(machines.c.id == taken.machine_id)
            .values(version=machines.c.version + 1, **values)
        )

    def _leave(self, connection: sa.Connection, taken: Taken, state: MachineState, error: str) -> None:
        """It holds nothing any more; one of a pool that failed is parked."""
        now = self._database.now(connection)
        row = self._row(connection, taken)
        capacity.give_back(connection, taken.machine_id, now)
        connection.execute(records.delete().where(records.c.machine_id == taken.machine_id))
        if state == "failed" and row.owner_id is None:
            state = "parked"
        values: dict[str, Any] = {"state": state, "url": "", "waits_for": ""}
        if error:
            values["error"] = error
        if state == "removed":
            values["removed_at"] = now
        self._set(connection, taken, values)
        note(connection, taken.machine_id, "state", state, now)

    def _count_failure(self, connection: sa.Connection, row: sa.Row[Any], text: str) -> None:
        query = sa.select(templates.c.pool_failures).where(templates.c.id == row.template_id)
        failures = (connection.scalar(query.with_for_update()) or 0) + 1
        wait = timedelta(seconds=planning.retry_seconds(RETRIES, failures))
        connection.execute(
            templates.update()
            .where(templates.c.id == row.template_id)
            .values(
                pool_failures=failures,
                pool_error=text,
                pool_not_before=self._database.now(connection) + wait,
            )
        )


def _keep(connection: sa.Connection, pending: Pending) -> None:
    if not pending.write(connection):
        raise RecordChanged
