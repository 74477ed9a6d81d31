"""Who there is, and what they may have: written to the database before the server starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import fleet_world

from dinv.server.models import Quota
from dinv.server.people import sessions, tokens

if TYPE_CHECKING:
    from fake_machines import World

    from dinv.server.database.database import Database
    from dinv.server.models import Actor, Scope

ENDPOINTS = ("steady-1", "steady-2", "dies", "hangs", "fills")
ROOM = 40
"""Machines on each, at most: less in all than the people may have, so that some wait now and then."""
QUOTA = 4
POOL = 5
_HAVE: frozenset[Scope] = frozenset({"read", "machines"})


@dataclass(frozen=True)
class Somebody:
    """One of the people, with a program's token and a browser's session."""

    name: str
    token: str
    session: str


def prepare(database: Database, world: World, count: int) -> tuple[list[Somebody], Somebody]:
    """Make endpoints, templates, a pool and people; return the people, and an operator."""
    fleet = fleet_world.World(database)
    for name in ENDPOINTS:
        options = world.add_endpoint(name)
        fleet.endpoint(name, options=options, max_machines=ROOM, cpus=2.0 * ROOM, memory=ROOM * 2**32)
    times = {"ttl": 600, "longest_ttl": 1200}
    fleet.template("docker", is_default=True, cpus=1.0, memory=2**30, **times)
    fleet.template("pooled", cpus=1.0, memory=2**30, pool_size=POOL, pool_max=4 * POOL, **times)
    fleet.template("idle", idle_ttl=60, **times)
    fleet.template("stops", options={"on_expiry": "stop"}, ttl=120, longest_ttl=1200)

    def somebody(actor: Actor, scopes: frozenset[Scope]) -> Somebody:
        session = database.write(
            lambda connection: sessions.begin(database, connection, actor.person.id, "127.0.0.1")
        )
        _, token = tokens.create(database, fleet.audit, actor, "soak", scopes=scopes, lifetime=None)
        return Somebody(actor.person.name, token, session)

    operator = fleet.person("operator", role="operator")
    fleet.fleet.set_quota(operator, Quota("every-user", machines=QUOTA))
    people = [somebody(fleet.person(f"person-{number}"), _HAVE) for number in range(count)]
    return people, somebody(operator, _HAVE | {"operate"})
