"""What there should be, and what there is: brought together, again and again.

Nothing here asks an endpoint: what is to be done there becomes operations.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from dinv.pools import planning
from dinv.server import measures
from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import machines, operations, templates
from dinv.server.fleet import capacity, pools
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import PEOPLE_FIRST, POOLS, Queue, operate
from dinv.server.models import OperationKind
from dinv.server.work.outcomes import RETRIES

LOG = logging.getLogger("dinv.server.work")
_UNDER_WAY: dict[str, OperationKind] = {
    "creating": "create",
    "starting": "start",
    "stopping": "stop",
    "removing": "remove",
}
"""States in which somebody is at work on a machine, and what with."""
_MOST_AT_ONCE = 1000
_MOST_RENEWED = 50
"""Certificates are renewed days before they expire: those who want a machine are not to wait for that."""
_MEMBER_STATES = {
    "creating": planning.CREATING,
    "ready": planning.READY,
    "removing": planning.RELEASING,
    "parked": planning.PARKED,
}
"""States of a pool's machines in words of the planning. What somebody has stopped is not to be given away,
and holds its place until it is found to be gone."""


class Reconciler:
    """`wake` is called when there are new operations."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit
        self._queue = Queue(database, audit)

    def once(self) -> None:
        """Make a pass."""
        with measures.RECONCILE_SECONDS.time(), measures.RECONCILE_ERRORS.count_exceptions():
            wrong = self._database.write(capacity.recount)
            for endpoint, words in wrong.items():
                LOG.error("The sums of endpoint %s were wrong, and are mended: %s", endpoint, words)
            self.resume()
            self._database.write(lambda c: capacity.reopen(c, self._database.now(c)))
            self.serve_queue()
            self.keep_pools()
            self.renew_certificates()

    def serve_queue(self) -> None:
        """Place those who wait, as far as there is room."""
        self._database.write(self._queue.serve)

    def resume(self) -> int:
        """Have something done again about machines that are under way and that nobody is at work on.

        That should not be; an operation that was lost, by whatever mistake, is not to leave one for ever.
        """

        def work(connection: sa.Connection) -> int:
            now = self._database.now(connection)
            open_ = sa.exists().where(
                operations.c.machine_id == machines.c.id, operations.c.state.in_(("queued", "running"))
            )
            query = (
                sa.select(machines.c.id, machines.c.state, machines.c.owner_id, machines.c.error)
                .where(machines.c.state.in_(_UNDER_WAY), machines.c.removed_at.is_(None), ~open_)
                .limit(_MOST_AT_ONCE)
            )
            stuck = connection.execute(self._database.claimable(query)).all()
            for row in stuck:
                priority = PEOPLE_FIRST if row.owner_id else POOLS
                kind = _UNDER_WAY[row.state]
                arguments = {"why": "asked"} if kind == "remove" else {}
                operate(connection, row.id, kind, now, priority=priority, **arguments)
                note(connection, row.id, "note", f"Nobody was at work on it: it is {row.state} again.", now)
            return len(stuck)

        found = self._database.write(work)
        if found:
            LOG.error("%d machines were under way with nobody at work on them", found)
        return found

    def renew_certificates(self) -> int:
        """Have machines renew their own certificates that are due; return how many.

        One that is stopped does it when it is started.
        """

        def work(connection: sa.Connection) -> int:
            now = self._database.now(connection)
            open_ = sa.exists().where(
                operations.c.machine_id == machines.c.id, operations.c.state.in_(("queued", "running"))
            )
            query = sa.select(machines.c.id).where(
                machines.c.renew_at <= now,
                machines.c.state == "ready",
                machines.c.removed_at.is_(None),
                ~open_,
            )
            due = connection.scalars(self._database.claimable(query.limit(_MOST_RENEWED))).all()
            for machine_id in due:
                operate(connection, machine_id, "renew", now, priority=POOLS)
            return len(due)

        return self._database.write(work)

    # Pools

    def keep_pools(self) -> None:
        """Bring the pool of each template to its number."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            found = connection.execute(sa.select(templates).limit(10_000)).all()
            members = _members(connection)
        for template in found:
            own = members.get(template.id, [])
            if template.pool_size or own:
                self._keep(template, own, now)

    def _keep(self, template: sa.Row[Any], members: list[planning.Member], now: datetime) -> None:
        gone = template.removed_at is not None
        spec = planning.Spec(
            size=0 if gone else template.pool_size,
            maximum=template.pool_max,
            generation=template.generation,
        )
        failures = _failures(template)
        actions = planning.plan(spec, members, failures, now.timestamp(), paused=template.pool_paused)
        for machine_id in actions.remove:
            self._database.write(partial(self._let_go, machine_id=machine_id))
        for _ in range(actions.create):
            if self._database.write(lambda connection: self._make(connection, template)) is None:
                return

    def _make(self, connection: sa.Connection, template: sa.Row[Any]) -> str | None:
        return pools.new(connection, template, self._database.now(connection))

    def _let_go(self, connection: sa.Connection, machine_id: str) -> None:
        """Remove a machine of a pool, unless somebody has got it meanwhile."""
        query = sa.select(machines).where(machines.c.id == machine_id, machines.c.owner_id.is_(None))
        row = connection.execute(self._database.claimable(query)).first()
        if row is None or row.state not in ("ready", "parked"):
            return
        pools.let_go(connection, row, self._database.now(connection))


def _members(connection: sa.Connection) -> dict[str, list[planning.Member]]:
    """Return the machines that came from pools, by template: those that somebody has are claimed."""
    query = sa.select(
        machines.c.id,
        machines.c.template_id,
        machines.c.owner_id,
        machines.c.state,
        machines.c.generation,
        machines.c.created_at,
        machines.c.ready_at,
    ).where(
        machines.c.pooled,
        machines.c.removed_at.is_(None),
        machines.c.state.in_((*_MEMBER_STATES, "starting", "stopping", "stopped")),
    )
    found: defaultdict[str, list[planning.Member]] = defaultdict(list)
    for row in connection.execute(query):
        if row.owner_id is not None:
            state = planning.CLAIMED
        else:
            state = _MEMBER_STATES.get(row.state, planning.RELEASING)
        since = (row.ready_at or row.created_at).timestamp()
        found[row.template_id].append(planning.Member(row.id, state, row.generation, since))
    return found


def _failures(template: sa.Row[Any]) -> planning.Failures:
    if not template.pool_failures or template.pool_not_before is None:
        return planning.Failures(template.pool_failures, 0.0)
    wait = planning.retry_seconds(RETRIES, template.pool_failures)
    return planning.Failures(template.pool_failures, template.pool_not_before.timestamp() - wait)
