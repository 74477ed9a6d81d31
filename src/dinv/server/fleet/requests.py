"""The button: one transaction from a wish to a machine, one that is made, or a place in the queue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import (
    endpoints,
    idempotency,
    machines,
    new_id,
    people,
    teams,
)
from dinv.server.fleet import capacity, names, permissions, quotas
from dinv.server.fleet.events import note
from dinv.server.fleet.inventory.templates import wanted
from dinv.server.fleet.placement import Need, Place, obstacle
from dinv.server.fleet.queue import ROOM, begin, begin_usage, is_empty, keep_for_those_who_wait
from dinv.server.models import Actor, Usage
from dinv.server.problems import Conflict, Invalid, QuotaExceeded

KEYS_KEPT = timedelta(days=1)
LONGEST_KEY = 128


@dataclass(frozen=True)
class Wish:
    """What somebody asked for."""

    template: str = ""
    name: str = ""
    ttl: timedelta | None = None
    key: str = ""

    @property
    def digest(self) -> str:
        """What tells it from another request with the same key."""
        seconds = None if self.ttl is None else self.ttl.total_seconds()
        said = json.dumps([self.template, self.name, seconds])
        return hashlib.sha256(said.encode()).hexdigest()

    def check(self) -> None:
        """Raise Invalid for what could never be."""
        if self.name:
            names.check(self.name)
        if len(self.key) > LONGEST_KEY:
            raise Invalid(f"An Idempotency-Key has at most {LONGEST_KEY} characters.")
        if self.ttl is not None and self.ttl < timedelta(seconds=1):
            raise Invalid(
                "The time for a machine is at least a second.",
                errors=[{"pointer": "/ttl", "detail": "too short"}],
            )


@dataclass(frozen=True)
class _Grant:
    """What is given to whom, and when."""

    owner_id: str
    name: str
    team: str
    ttl: int
    now: datetime

    @property
    def columns(self) -> dict[str, Any]:
        return {"owner_id": self.owner_id, "name": self.name, "team": self.team, "ttl": self.ttl}

    def row(self, machine_id: str) -> Any:
        """What `begin` looks at of a machine."""
        return SimpleNamespace(id=machine_id, **self.columns)

    @property
    def expires_at(self) -> datetime | None:
        return self.now + timedelta(seconds=self.ttl) if self.ttl else None


@dataclass(frozen=True)
class Answer:
    """A machine, and what the audit log says of it; nothing where the request had been made before."""

    machine_id: str
    action: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Requests:
    """Answers wishes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ready = database.claimable(_ready_of_pool(), machines)

    def request(self, connection: sa.Connection, actor: Actor, wish: Wish) -> Answer:
        """Return what is to be had, within a transaction that writes; see `Fleet.request`."""
        permissions.may_have_machines(actor)
        wish.check()
        _lock_person(connection, actor)
        now = self._database.now(connection)
        if wish.key:
            known = _known(connection, actor, wish, now)
            if known:
                return Answer(known)
        template = wanted(connection, actor, wish.template)
        seconds = lease(template, wish.ttl)
        team = _team_with_room(connection, actor, template, now)
        name, failed = names.free(connection, actor.person.id, wish.name, template.name)
        if failed is not None:
            values = {"state": "removed", "removed_at": now, "version": machines.c.version + 1}
            connection.execute(machines.update().where(machines.c.id == failed.id).values(values))
            note(connection, failed.id, "state", "removed", now)
        grant = _Grant(actor.person.id, name, team, seconds, now)
        machine_id = self._claim(connection, template, grant)
        action = "machine.claim"
        if machine_id is None:
            action = "machine.request"
            machine_id = self._make(connection, template, grant)
        if wish.key:
            _keep(connection, actor, wish, machine_id, now)
        return Answer(machine_id, action, {"template": template.name, "name": name, "team": team})

    def _claim(self, connection: sa.Connection, template: sa.Row[Any], grant: _Grant) -> str | None:
        """Take one of the template's pool; None if there is none. Exactly one claimer gets it."""
        which = {"template": template.id, "generation_of_template": template.generation}
        machine_id = connection.scalar(self._ready, which)
        if machine_id is None:
            return None
        claim = {
            **grant.columns,
            "machine": machine_id,
            "claimed_at": grant.now,
            "expires_at": grant.expires_at,
        }
        connection.execute(_CLAIM, claim)
        begin_usage(connection, machine_id, grant.owner_id, grant.team, grant.now)
        note(connection, machine_id, "note", "It was ready in the pool.", grant.now)
        return str(machine_id)

    @staticmethod
    def _make(connection: sa.Connection, template: sa.Row[Any], grant: _Grant) -> str:
        """Have one made where there is room that is not kept for others, or put it into the queue."""
        now = grant.now
        need = Need(template.cpus, template.memory, tuple(sorted(template.endpoint_labels.items())))
        places = capacity.places(connection)
        refuse_impossible(places.values(), need, template.name)
        machine_id = new_id()
        may_have = is_empty(connection) or keep_for_those_who_wait(connection, places, need)
        connection.execute(_INSERT, {**new_row(template, machine_id, now), **grant.columns})
        if may_have and capacity.take_best(connection, places.values(), machine_id, need) is not None:
            begin(connection, grant.row(machine_id), now)
        else:
            reason = obstacle(places.values(), need) or ROOM
            connection.execute(machines.update().where(machines.c.id == machine_id).values(waits_for=reason))
            note(connection, machine_id, "state", "waiting", now)
        return machine_id


_INSERT = machines.insert()
_CLAIMED = ("owner_id", "name", "team", "ttl", "claimed_at", "expires_at")
_CLAIM = (
    machines.update()
    .where(machines.c.id == sa.bindparam("machine"))
    .values({**{name: sa.bindparam(name) for name in _CLAIMED}, "version": machines.c.version + 1})
)


def _ready_of_pool() -> sa.Select[Any]:
    table = machines.c
    return (
        sa.select(table.id)
        .select_from(machines.join(endpoints, endpoints.c.id == table.endpoint_id))
        .where(
            table.template_id == sa.bindparam("template"),
            table.state == "ready",
            table.owner_id.is_(None),
            table.removed_at.is_(None),
            table.generation == sa.bindparam("generation_of_template"),
            endpoints.c.state != "unreachable",
        )
        .order_by(table.ready_at, table.id)
        .limit(1)
    )


def new_row(template: sa.Row[Any], machine_id: str, now: datetime) -> dict[str, Any]:
    """Return what a machine of a template begins as."""
    return {
        "id": machine_id,
        "host_name": names.host_name(template.name),
        "template_id": template.id,
        "generation": template.generation,
        "state": "waiting",
        "options": template.options,
        "cpus": template.cpus,
        "memory": template.memory,
        "cache": template.cache,
        "idle_ttl": template.idle_ttl,
        "created_at": now,
    }


def refuse_impossible(places: Iterable[Place], need: Need, template: str) -> None:
    """Raise Conflict for what no endpoint could ever take: it would wait for ever."""
    if not any(place.could_ever(need) for place in places):
        raise Conflict(
            f"No endpoint of this server can take a machine of the template {template!r}: none is large "
            f"enough and has the labels that it asks for. An operator can add one, or change the template."
        )


def lease(template: sa.Row[Any], ttl: timedelta | None) -> int:
    """Return for how many seconds a machine is given, 0 for no limit. Raises Invalid for too long."""
    longest = template.longest_ttl
    if ttl is None:
        return int(template.ttl or longest)
    seconds = max(int(ttl.total_seconds()), 1)
    if longest and seconds > longest:
        raise Invalid(
            f"A machine of the template {template.name!r} is given for at most {_hours(longest)} at a time.",
            errors=[{"pointer": "/ttl", "detail": f"at most {longest} seconds"}],
            longest=longest,
        )
    return seconds


def _hours(seconds: int) -> str:
    from dinv.formats.durations import format_duration

    return format_duration(seconds)


_PERSON = (
    sa.select(people.c.id)
    .where(people.c.id == sa.bindparam("person"), ~people.c.disabled)
    .with_for_update(key_share=True)
)


def _lock_person(connection: sa.Connection, actor: Actor) -> None:
    """Let what one person asks for be decided one after the other."""
    if connection.scalar(_PERSON, {"person": actor.person.id}) is None:
        raise Conflict("This account is disabled. Ask an operator.")


def _known(connection: sa.Connection, actor: Actor, wish: Wish, now: datetime) -> str:
    """Return the machine of the same request made before; "" if there was none."""
    which = {"person": actor.person.id, "given": wish.key}
    row = connection.execute(_KNOWN, which).first()
    if row is None:
        return ""
    if row.expires_at <= now:
        connection.execute(_FORGET, which)
        return ""
    if row.request != wish.digest:
        raise Conflict("This Idempotency-Key was used for another request. Use a new one for each request.")
    return str(row.answer["machine"])


def _keep(connection: sa.Connection, actor: Actor, wish: Wish, machine_id: str, now: datetime) -> None:
    kept = {
        "person_id": actor.person.id,
        "key": wish.key,
        "request": wish.digest,
        "status": 202,
        "answer": {"machine": machine_id},
        "expires_at": now + KEYS_KEPT,
    }
    connection.execute(_KEEP, kept)


_THIS_KEY = (
    idempotency.c.person_id == sa.bindparam("person"),
    idempotency.c.key == sa.bindparam("given"),
)
_KNOWN = sa.select(idempotency).where(*_THIS_KEY)
_FORGET = idempotency.delete().where(*_THIS_KEY)
_KEEP = idempotency.insert()


def _team_with_room(connection: sa.Connection, actor: Actor, template: sa.Row[Any], now: datetime) -> str:
    """Check the quotas, and return the team that the machine counts for, "" for none.

    Of somebody's teams it is the first that may have the template and has room. Raises QuotaExceeded.
    """
    person = actor.person
    mine = sorted(set(person.teams) & set(template.teams)) if template.teams else sorted(person.teams)
    own = quotas.user(person.name)
    limits = quotas.of(connection, [own, *map(quotas.team, mine)])
    asked = Usage(1, template.cpus, template.memory, template.cache, 0.0)
    if quotas.has_limit(limits[own]):
        hours = limits[own].hours is not None
        used = quotas.used(connection, now=now, person_id=person.id, hours=hours)
        problem = quotas.excess(limits[own], used, asked)
        if problem is not None:
            raise problem
    bounded = [name for name in mine if quotas.has_limit(limits[quotas.team(name)])]
    if bounded:
        locked = sa.select(teams.c.id).where(teams.c.name.in_(bounded)).order_by(teams.c.id)
        connection.execute(locked.with_for_update(key_share=True)).all()
    last: QuotaExceeded | None = None
    for name in mine:
        quota = limits[quotas.team(name)]
        if name in bounded:
            used = quotas.used(connection, now=now, team_name=name, hours=quota.hours is not None)
            problem = quotas.excess(quota, used, asked)
            if problem is not None:
                last = last or problem
                continue
        return name
    if last is not None:
        raise last
    return ""
