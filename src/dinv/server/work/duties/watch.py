"""Endpoints asked: whether they answer, whether machines there are as they should be, and what is unknown.

What the server does not know there it shows (`endpoints.strangers`), and never touches.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import sqlalchemy as sa

from dinv.errors import DinvError
from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, operations
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import PEOPLE_FIRST, POOLS, operate
from dinv.server.work.hosts import Hosts, Look, Thing
from dinv.server.work.reporting import shown

LOG = logging.getLogger("dinv.server.work")
AT_ONCE = 16
MOST_STRANGERS = 200
GONE_AFTER = 2
"""How often in a row a machine is not on its endpoint before that is believed: an engine that starts lists
what it has bit by bit."""
_LIVE = ("ready", "stopped")
_CHANGES = (("ready", "stopped"), ("stopped", "running"))
"""States of a machine and of its container that do not fit."""
GONE = "Its container is gone from the endpoint: somebody has removed it there."
STOPPED = "It does not run any more: somebody has stopped it on its endpoint, or it has ended by itself."
STARTED = "It runs: somebody has started it on its endpoint."


def back_at_once(connection: sa.Connection, endpoint_id: str) -> None:
    """Have what waits for its next attempt on an endpoint done now: it is back."""
    there = sa.select(machines.c.id).where(machines.c.endpoint_id == endpoint_id)
    waits = (operations.c.state == "queued", operations.c.machine_id.in_(there))
    connection.execute(operations.update().where(*waits).values(not_before=None))


class Watcher:
    """Remembers between passes which machines were missing."""

    def __init__(self, database: Database, audit: Audit, hosts: Hosts) -> None:
        self._database = database
        self._audit = audit
        self._hosts = hosts
        self._missing: dict[str, dict[str, int]] = {}
        """How often in a row, by endpoint and machine."""

    def once(self) -> None:
        """Ask all endpoints, several at a time; those that hang keep nobody but themselves waiting."""
        with self._database.read() as connection:
            # Those that did not answer come last: each that hangs takes its ten seconds.
            silent = sa.case((endpoints.c.state == "unreachable", 1), else_=0)
            wanted = sa.or_(endpoints.c.enabled, endpoints.c.machines > 0)
            found = connection.execute(
                sa.select(endpoints).where(wanted).order_by(silent, endpoints.c.name)
            ).all()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dinv-watch") as pool:
            list(pool.map(self._watch, found))

    def _watch(self, endpoint: sa.Row[Any]) -> None:
        try:
            self.look_at(endpoint)
        except Exception:
            LOG.exception("looking at endpoint %s", endpoint.name)

    def look_at(self, endpoint: sa.Row[Any]) -> None:
        """Ask one endpoint, and write what was found."""
        # Read before it is asked: what changes meanwhile has another version then, and is left alone.
        with self._database.read() as connection:
            query = sa.select(
                machines.c.id,
                machines.c.host_name,
                machines.c.state,
                machines.c.version,
                machines.c.owner_id,
            ).where(machines.c.endpoint_id == endpoint.id, machines.c.removed_at.is_(None))
            rows: list[sa.Row[Any]] = list(connection.execute(query))
        known = {row.host_name: row for row in rows}
        try:
            look = self._hosts.look(endpoint.options)
        except DinvError as error:
            self._unreachable(endpoint, shown(error.text))
            return
        things = {thing.name: thing for thing in look.things}
        expected = {
            name: row for name, row in known.items() if row.state not in ("failed", "parked", "waiting")
        }
        self._reached(endpoint, look, sorted(set(things) - set(expected)))
        before = self._missing.get(endpoint.id, {})
        live = [(row, things.get(name)) for name, row in expected.items() if row.state in _LIVE]
        missing = {row.id: before.get(row.id, 0) + 1 for row, thing in live if thing is None}
        self._missing[endpoint.id] = missing
        for row, thing in live:
            gone = missing.get(row.id, 0) >= GONE_AFTER
            if gone or (thing is not None and (row.state, thing.state) in _CHANGES):
                self._database.write(partial(self._follow, row=row, thing=thing))

    def _follow(self, connection: sa.Connection, row: sa.Row[Any], thing: Thing | None) -> None:
        """Write that somebody has changed a machine on its endpoint."""
        unchanged = (machines.c.id == row.id, machines.c.version == row.version)
        query = self._database.claimable(sa.select(machines.c.id).where(*unchanged))
        if connection.execute(query).first() is None:
            return
        # A revocation that waits for its next attempt is not in the way: of what is gone, none succeeds.
        waits = sa.and_(operations.c.state == "queued", operations.c.kind != "revoke")
        busy = sa.select(operations.c.id).where(
            operations.c.machine_id == row.id, sa.or_(waits, operations.c.state == "running")
        )
        if connection.execute(busy.limit(1)).first() is not None:
            return
        now = self._database.now(connection)
        if thing is None or row.owner_id is None:
            state, text = "removing", GONE if thing is None else STOPPED
            priority = PEOPLE_FIRST if row.owner_id else POOLS
            # What is left of it, such as its volumes, goes; and what it took is given back. A machine of a
            # pool that has been stopped is not one to give to anybody.
            operate(connection, row.id, "remove", now, priority=priority, why="gone")
        else:
            state, text = ("ready", STARTED) if thing.state == "running" else ("stopped", STOPPED)
        values = {"state": state, "error": "" if state == "ready" else text}
        connection.execute(
            machines.update().where(machines.c.id == row.id).values(version=machines.c.version + 1, **values)
        )
        note(connection, row.id, "warning", text, now)
        note(connection, row.id, "state", state, now)
        self._audit.write(connection, None, "machine.seen", f"machine:{row.id}", state=state)

    def _reached(self, endpoint: sa.Row[Any], look: Look, strangers: list[str]) -> None:
        strangers = [shown(name)[:100] for name in strangers[:MOST_STRANGERS]]

        def work(connection: sa.Connection) -> None:
            now = self._database.now(connection)
            here = endpoints.c.id == endpoint.id
            seen = {"checked_at": now, "strangers": strangers}
            connection.execute(endpoints.update().where(here).values(seen))
            # One at which creates fail answers, too: it is left alone for its time.
            rests = sa.and_(endpoints.c.not_before.is_not(None), endpoints.c.not_before > now)
            connection.execute(endpoints.update().where(here, rests).values(state="failing"))
            connection.execute(endpoints.update().where(here, ~rests).values(state="ok", error=""))
            if endpoint.state == "unreachable":
                back_at_once(connection, endpoint.id)
            if endpoint.state in ("unknown", "unreachable"):
                self._audit.write(connection, None, "endpoint.answers", f"endpoint:{endpoint.name}")

        self._database.write(work)
        if look.cpus and endpoint.cpus and endpoint.cpus > look.cpus:
            LOG.info(
                "Endpoint %s has %g CPUs, and %g may be given away", endpoint.name, look.cpus, endpoint.cpus
            )

    def _unreachable(self, endpoint: sa.Row[Any], error: str) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(
                endpoints.update()
                .where(endpoints.c.id == endpoint.id)
                .values(state="unreachable", error=error, checked_at=self._database.now(connection))
            )
            if endpoint.state != "unreachable":
                self._audit.write(
                    connection, None, "endpoint.silent", f"endpoint:{endpoint.name}", error=error
                )

        self._database.write(work)
        if endpoint.state != "unreachable":
            LOG.warning("Endpoint %s: %s", endpoint.name, error)
