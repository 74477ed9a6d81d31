"""How long machines are in a state that should pass; and whether world and database fit in the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.schema import machines, operations, usage
from dinv.server.fleet import capacity
from dinv.server.fleet.rows import HELD_STATES

if TYPE_CHECKING:
    from fake_machines import World

    from dinv.server.database.database import Database

PASSING = ("creating", "starting", "stopping", "removing")
STUCK_SECONDS = 600.0


class Passing:
    """Remembers since when each machine is in its state; `longest` by state, in seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: dict[tuple[str, str], float] = {}
        self.longest: dict[str, float] = {}
        self.stuck: dict[str, str] = {}
        """By id, what was found."""

    def look(self) -> int:
        """Look now; return how many machines there are."""
        table = machines.c
        query = sa.select(table.id, table.state, table.error).where(table.removed_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        now = time.monotonic()
        passing = [row for row in rows if row.state in (*PASSING, "waiting")]
        self._since = {(row.id, row.state): self._since.get((row.id, row.state), now) for row in passing}
        for row in passing:
            seconds = now - self._since[row.id, row.state]
            self.longest[row.state] = max(self.longest.get(row.state, 0.0), seconds)
            if row.state in PASSING and seconds > STUCK_SECONDS:
                self.stuck[row.id] = f"{row.state} for {seconds:.0f} s: {row.error or 'no error'}"
        return len(rows)

    def settled(self) -> bool:
        """Whether nothing is under way, and nobody has a machine."""
        table = machines.c
        query = (
            sa.select(sa.func.count())
            .where(table.removed_at.is_(None))
            .where(sa.or_(table.state.in_((*PASSING, "waiting")), table.owner_id.is_not(None)))
        )
        with self._database.read() as connection:
            return connection.scalar(query) == 0


def wrong(database: Database, world: World) -> list[str]:
    """Return sentences about what does not fit, once nobody has a machine any more."""
    found = []
    with database.read() as connection:
        table = machines.c
        rows = connection.execute(
            sa.select(table.host_name, table.state, table.error).where(table.removed_at.is_(None))
        ).all()
        open_ = operations.c.state.in_(("queued", "running"))
        left = connection.execute(sa.select(operations.c.kind, operations.c.error).where(open_)).all()
        used = connection.scalar(sa.select(sa.func.count()).where(usage.c.ended_at.is_(None)))
    held = {row.host_name for row in rows if row.state in HELD_STATES}
    there = set(world.things())
    found += [f"{name} is on an endpoint, and nobody knows it." for name in sorted(there - held)]
    found += [f"{name} should be on an endpoint, and is not." for name in sorted(held - there)]
    found += [
        f"{row.host_name} is {row.state} for ever: {row.error or 'no error'}"
        for row in rows
        if row.state in (*PASSING, "waiting")
    ]
    found += [f"An operation is left: {row.kind}, {row.error or 'no error'}" for row in left]
    if used:
        found.append(f"{used} times of use have no end.")
    sums = database.write(capacity.recount)
    found += [f"The sums of {name} were wrong: {words}" for name, words in sums.items()]
    _, fault = Audit(database).verify()
    if fault:
        found.append(f"The audit log: {fault}")
    return found
