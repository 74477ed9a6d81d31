"""Machines whose time is over, and idle ones: removed, or stopped where their template says so.

By the database's clock. One that jumps, by more than a day between two passes, is not believed at once: then
nothing is reaped for a while, and the log says so, since everybody's machines would go at a stroke.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from dinv.errors import DinvError
from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import events, machines
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import operate
from dinv.server.problems import Problem
from dinv.server.work.copies import Copies
from dinv.server.work.hosts import Hosts
from dinv.server.work.reporting import shown

LOG = logging.getLogger("dinv.server.work")
JUMP = timedelta(days=1)
DISTRUST_SECONDS = 900.0
"""How long a clock that has jumped is not believed: time for whoever looks after it."""
WARNED_BEFORE = timedelta(minutes=15)
AT_ONCE = 8
_MOST = 500
"""Machines of one kind in one pass; the next one has the rest."""
ASKED_EVERY = 60.0
"""Seconds between two questions to one machine what it does."""
MEASURED_EVERY = 600.0
"""Seconds between two measurements of one machine's cache: its daemon walks through all volumes for that."""
MEASURED = 32
"""Machines whose cache is measured in a pass."""


class Reaper:
    """Remembers the clock, and whom it has asked."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        hosts: Hosts,
        copies: Copies,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._audit = audit
        self._hosts = hosts
        self._copies = copies
        self._monotonic = monotonic
        self._last: tuple[datetime, float] | None = None
        self._distrusted_until = 0.0
        self._asked = ""
        self._answered: dict[tuple[str, str], float] = {}

    def once(self) -> None:
        """Make a pass."""
        with self._database.read() as connection:
            now = self._database.now(connection)
        if not self._believes(now):
            return
        self._warn(now)
        self._expired()
        self._look_into_machines()

    def _believes(self, now: datetime) -> bool:
        """Return whether the clock has gone as clocks go."""
        monotonic = self._monotonic()
        last, self._last = self._last, (now, monotonic)
        if last is not None:
            jump = now - last[0] - timedelta(seconds=monotonic - last[1])
            if abs(jump) > JUMP:
                LOG.error(
                    "The database's clock has jumped by %s: nothing is reaped for %.0f minutes",
                    jump,
                    DISTRUST_SECONDS / 60,
                )
                self._distrusted_until = monotonic + DISTRUST_SECONDS
        return monotonic >= self._distrusted_until

    # By the clock

    def _warn(self, now: datetime) -> None:
        """Say that the time is nearly over, once."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(machines.c.id, machines.c.expires_at)
                .where(
                    machines.c.state.in_(("ready", "stopped")),
                    machines.c.expires_at > now,
                    machines.c.expires_at <= now + WARNED_BEFORE,
                )
                .limit(_MOST)
            ).all()
            texts = {row.id: f"Its time is over at {row.expires_at:%Y-%m-%d %H:%M} UTC." for row in rows}
            told = connection.execute(
                sa.select(events.c.machine_id, events.c.text).where(
                    events.c.machine_id.in_(texts), events.c.kind == "warning"
                )
            ).all()
        for machine_id in texts.keys() - {
            row.machine_id for row in told if texts[row.machine_id] == row.text
        }:
            text = texts[machine_id]
            self._database.write(partial(note, machine_id=machine_id, kind="warning", text=text, now=now))

    def _expired(self) -> None:
        with self._database.read() as connection:
            found = list(connection.execute(self._over(self._database.now(connection))).scalars())
        for machine_id in found:
            self._database.write(partial(self._end_if_over, machine_id=machine_id))

    def _over(self, now: datetime) -> sa.Select[Any]:
        stays = sa.and_(
            machines.c.state == "stopped",
            sa.func.coalesce(machines.c.options["on_expiry"].as_string(), "") == "stop",
        )
        return (
            sa.select(machines.c.id)
            .where(machines.c.state.in_(("ready", "stopped")), machines.c.expires_at <= now, ~stays)
            .order_by(machines.c.expires_at)
            .limit(_MOST)
        )

    def _end_if_over(self, connection: sa.Connection, machine_id: str) -> None:
        now = self._database.now(connection)
        query = self._database.claimable(self._over(now).where(machines.c.id == machine_id))
        if connection.execute(query).first() is not None:
            self._end(connection, machine_id, now, "expired", "Its time is over.")

    def _end(self, connection: sa.Connection, machine_id: str, now: datetime, why: str, text: str) -> None:
        """Have it removed, or stopped; its row is locked."""
        row = connection.execute(sa.select(machines).where(machines.c.id == machine_id)).one()
        stops = row.options.get("on_expiry") == "stop"
        if stops and row.state == "stopped":
            return
        state = "stopping" if stops else "removing"
        connection.execute(
            machines.update()
            .where(machines.c.id == machine_id)
            .values(state=state, version=machines.c.version + 1)
        )
        if stops:
            operate(connection, machine_id, "stop", now)
        else:
            operate(connection, machine_id, "remove", now, why=why)
        note(connection, machine_id, "warning", text, now)
        note(connection, machine_id, "state", state, now)
        self._audit.write(connection, None, f"machine.{why}", f"machine:{machine_id}", state=state)

    # By what they do

    def _look_into_machines(self) -> None:
        """Ask machines for what they do, and some for what their caches hold, in turn."""
        with self._database.read() as connection:
            query = (
                sa.select(machines.c.id, machines.c.host_name, machines.c.version, machines.c.idle_ttl)
                .where(machines.c.state == "ready", machines.c.owner_id.is_not(None))
                .order_by(machines.c.id)
            )
            rows = list(connection.execute(query.where(machines.c.id > self._asked).limit(_MOST)))
            if len(rows) < _MOST:
                first = query.where(machines.c.id <= self._asked)
                rows += list(connection.execute(first.limit(_MOST - len(rows))))
        self._asked = rows[-1].id if len(rows) == _MOST else ""
        now = self._monotonic()
        self._answered = {key: at for key, at in self._answered.items() if now - at < MEASURED_EVERY}
        measured = [row.id for row in rows if (row.id, "cache") not in self._answered][:MEASURED]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dinv-reap") as pool:
            list(pool.map(self._look_into, rows, [row.id in measured for row in rows]))

    def _look_into(self, row: sa.Row[Any], measure: bool) -> None:  # noqa: FBT001  (from a map)
        now = self._monotonic()
        try:
            if row.idle_ttl and now - self._answered.get((row.id, "activity"), -ASKED_EVERY) >= ASKED_EVERY:
                self._answered[row.id, "activity"] = now
                # A measurement is a use of it by which it would never be idle.
                measure = not self._idle(row) and measure
            elif row.idle_ttl:
                measure = False
            if measure:
                self._answered[row.id, "cache"] = now
                self._measure(row)
        except (DinvError, Problem) as error:
            LOG.info("machine %s cannot be asked: %s", row.host_name, shown(str(error)))
        except Exception:
            LOG.exception("asking machine %s", row.host_name)

    def _idle(self, row: sa.Row[Any]) -> bool:
        """Return whether nobody uses it; have it removed where that has lasted too long."""
        idle = self._ask(row, self._hosts.activity).idle
        if not idle or idle < row.idle_ttl:
            return bool(idle)

        def work(connection: sa.Connection) -> None:
            still = sa.select(machines.c.id).where(
                machines.c.id == row.id, machines.c.version == row.version, machines.c.state == "ready"
            )
            if connection.execute(self._database.claimable(still)).first() is not None:
                text = f"It has been idle for {timedelta(seconds=int(idle))}."
                self._end(connection, row.id, self._database.now(connection), "idle", text)

        self._database.write(work)
        return True

    def _measure(self, row: sa.Row[Any]) -> None:
        used = self._ask(row, self._hosts.cache_used)
        self._database.write(
            lambda c: c.execute(machines.update().where(machines.c.id == row.id).values(cache_used=used))
        )

    def _ask(self, row: sa.Row[Any], ask: Callable[[str], Any]) -> Any:
        with self._copies.holding(row.host_name, seconds=0.5):
            self._copies.bring(row.id, row.host_name)
        return ask(row.host_name)
