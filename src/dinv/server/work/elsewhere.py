"""A create that failed goes to another endpoint, and one at which they fail is left alone for a while.

What the create has left on its endpoint, and could not be removed, is made a machine of its own that nobody
has: it is removed when the endpoint is back, and holds its room there until then. So nobody has to wait for
an endpoint that is gone, and nothing on it is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import sqlalchemy as sa

from dinv.errors import DeadlineExceeded, EndpointError, EndpointUnreachable, ProtocolError, ServerError
from dinv.errors import Unauthorized as Refused
from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, new_id, records, templates
from dinv.server.fleet import capacity, names
from dinv.server.fleet.events import note
from dinv.server.fleet.placement import Need, obstacle
from dinv.server.fleet.queue import POOLS, ROOM, operate
from dinv.server.work.copies import Copies, Pending
from dinv.server.work.outcomes import LONGEST_PAUSE, TakenOver, pause_after
from dinv.server.work.taking import Operations, Taken

FAULTS = (EndpointError, ServerError, ProtocolError, Refused, DeadlineExceeded)
"""What is an endpoint's own fault: the next create there would most likely meet it, too."""
TRIED = "tried"
"""Of a create's arguments: the endpoints on which it has failed."""
Where = Literal["moved", "waits", "here"]


@dataclass(frozen=True)
class Leftover:
    """A machine that stands for what a create has left: its new id, and the record by which it is removed."""

    machine_id: str
    pending: Pending


class Elsewhere:
    """Of one server."""

    def __init__(self, database: Database, audit: Audit, copies: Copies) -> None:
        self._database = database
        self._audit = audit
        self._copies = copies

    # Endpoints

    def fault(self, taken: Taken, error: Exception, text: str) -> None:
        """Leave the endpoint alone for a while, longer each time; others that fail meanwhile do not count."""
        unreachable = isinstance(error, EndpointUnreachable)

        def work(connection: sa.Connection) -> None:
            query = sa.select(endpoints).where(endpoints.c.id == taken.endpoint_id).with_for_update()
            row = connection.execute(query).first()
            now = self._database.now(connection)
            if row is None or (row.not_before is not None and now < row.not_before):
                return
            long_ago = row.not_before is None or now > row.not_before + LONGEST_PAUSE
            failures = 1 if long_ago else row.failures + 1
            values: dict[str, Any] = {
                "state": "unreachable" if unreachable else "failing",
                "error": text,
                "failures": failures,
                "not_before": now + pause_after(failures),
            }
            connection.execute(endpoints.update().where(endpoints.c.id == row.id).values(values))
            if row.state not in capacity.CLOSED:
                action = "endpoint.silent" if unreachable else "endpoint.fails"
                self._audit.write(connection, None, action, f"endpoint:{row.name}", error=text)

        self._database.write(work)

    # Machines

    def leftover(self, taken: Taken) -> Leftover:
        """Return what stands for what the create has left on its endpoint. The copy is held."""
        machine_id = new_id()
        return Leftover(machine_id, self._copies.packed(machine_id, taken.name, anew=True))

    def go(
        self, connection: sa.Connection, taken: Taken, text: str, *, fault: bool, leftover: Leftover | None
    ) -> Where:
        """Have the machine made on an endpoint on which it was not tried, or wait if this one is at fault.

        "here": neither; nothing was changed then. Raises TakenOver.
        """
        if not Operations.is_mine(connection, taken):
            raise TakenOver
        row = connection.execute(
            sa.select(machines, templates.c.endpoint_labels.label("labels"))
            .join(templates, templates.c.id == machines.c.template_id)
            .where(machines.c.id == taken.machine_id)
            .with_for_update(of=machines)
        ).one()
        if row.state != "creating":
            return "here"
        tried = [*taken.arguments.get(TRIED, ()), taken.endpoint_id]
        need = Need(row.cpus, row.memory, tuple(sorted(row.labels.items())))
        places = capacity.places(connection)
        others = [place for place in places.values() if place.id not in tried]
        now = self._database.now(connection)
        endpoint = capacity.take_best(connection, others, row.id, need)
        if endpoint is None and not fault:
            return "here"
        values: dict[str, Any] = {"error": text, "version": machines.c.version + 1}
        if leftover is not None:
            values["host_name"] = names.host_name(row.host_name.rpartition("-")[0])
        if endpoint is None:
            values |= {
                "state": "waiting",
                "waits_for": obstacle(places.values(), need) or ROOM,
                "endpoint_id": None,
                "claimed_at": None,
                "expires_at": None,
            }
        connection.execute(machines.update().where(machines.c.id == row.id).values(values))
        connection.execute(records.delete().where(records.c.machine_id == row.id))
        if leftover is None:
            capacity.leave(connection, row)
        else:
            self._leave_behind(connection, row, leftover)
        if endpoint is None:
            capacity.end_usage(connection, row.id, now)
            Operations.end(connection, taken, now, error=text)
            note(connection, row.id, "warning", f"{text} It waits for {values['waits_for']}.", now)
            note(connection, row.id, "state", "waiting", now)
            return "waits"
        Operations.again(
            connection,
            taken,
            now,
            error=text,
            pause=timedelta(0),
            arguments={**taken.arguments, TRIED: tried},
        )
        note(connection, row.id, "warning", f"{text} It is made on {places[endpoint].name} instead.", now)
        return "moved"

    def _leave_behind(self, connection: sa.Connection, row: sa.Row[Any], leftover: Leftover) -> None:
        """Put the leftover in the machine's place on its endpoint, to be removed."""
        now = self._database.now(connection)
        alike = (
            "template_id",
            "generation",
            "options",
            "cpus",
            "memory",
            "cache",
            "endpoint_id",
            "host_name",
        )
        mapping = row._mapping  # noqa: SLF001  (SQLAlchemy's public name for it)
        values = {name: mapping[name] for name in alike}
        values |= {"id": leftover.machine_id, "state": "removing", "created_at": now}
        connection.execute(machines.insert().values(values))
        leftover.pending.write(connection)
        operate(connection, leftover.machine_id, "remove", now, priority=POOLS, why="moved")
        note(
            connection, leftover.machine_id, "note", f"It was left by {row.id}, which is made elsewhere.", now
        )
