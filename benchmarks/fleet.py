"""A fleet as after a long time, in a database: people, endpoints, their machines and a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dinv.server.database.schema import endpoints, machines, new_id, people, templates, usage
from dinv.server.fleet import capacity
from dinv.server.models import Actor, Person

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from fleet_world import World

    from dinv.server.database.database import Database

BATCH = 1000
GIB = 2**30
CPUS = 1.0
MEMORY = 2 * GIB


def fill(
    world: World,
    *,
    count: int,
    places: Sequence[dict[str, Any]],
    persons: int,
    pool: int,
    kept: int = 0,
) -> list[Actor]:
    """Make `count` machines that people have, and `pool` that are ready for somebody; return the people.

    `places` are the endpoints, each with its `name` and the columns that are to differ. The templates are
    "docker", and "pooled", whose pool is kept at `kept`.
    """
    database = world.database
    with database.read() as connection:
        now = database.now(connection)
    actors = [
        Actor(Person(new_id(), f"person{number}", "", "", "user"), "session") for number in range(persons)
    ]
    insert(
        database,
        people,
        [
            {"id": actor.person.id, "name": actor.person.name, "role": "user", "created_at": now}
            for actor in actors
        ],
    )
    sites = [{"id": new_id(), "options": {}, "labels": {}, "state": "ok", **place} for place in places]
    insert(database, endpoints, sites)
    kinds = {
        "docker": world.template("docker", cpus=CPUS, memory=MEMORY, ttl=28800, is_default=True),
        "pooled": world.template("pooled", ttl=28800, pool_size=kept),
    }
    owned = [
        _machine(
            number,
            now,
            sites,
            template_id=kinds["docker"],
            owner_id=actors[number % persons].person.id,
            name=f"m{number // persons}",
            cpus=CPUS,
            memory=MEMORY,
        )
        for number in range(count)
    ]
    insert(database, machines, owned)
    insert(
        database,
        usage,
        [{"machine_id": each["id"], "person_id": each["owner_id"], "begun_at": now} for each in owned],
    )
    insert(
        database,
        machines,
        [
            _machine(number, now, sites, template_id=kinds["pooled"], pooled=True)
            for number in range(count, count + pool)
        ],
    )
    database.write(capacity.recount)
    analyze(database)
    return actors


def hosts(count: int, pool: int, places: int) -> Iterator[tuple[str, int]]:
    """Yield the host names that `fill` gives, with the number of the endpoint that each is on."""
    for number in range(count + pool):
        yield f"h{number}", number % places


def _machine(number: int, now: datetime, sites: Sequence[dict[str, Any]], **columns: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "host_name": f"h{number}",
        "generation": "1",
        "endpoint_id": sites[number % len(sites)]["id"],
        "state": "ready",
        "options": {"memory": "2g"},
        "url": "tcp://192.0.2.1:2376",
        "created_at": now,
        "ready_at": now,
        **columns,
    }


def insert(database: Database, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, some at a time."""
    for begin in range(0, len(rows), BATCH):
        some = rows[begin : begin + BATCH]
        database.write(lambda connection, some=some: connection.execute(table.insert(), some))  # type: ignore[misc]


def analyze(database: Database) -> None:
    """Do what PostgreSQL's autovacuum does within a minute."""
    if database.is_shared:
        with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:  # noqa: SLF001
            connection.execute(sa.text("ANALYZE"))


def rows_of(database: Database, table: sa.Table) -> list[sa.Row[Any]]:
    """Return all rows of a table."""
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


def ids(database: Database) -> dict[str, str]:
    """The templates' ids by their names."""
    return {row.name: row.id for row in rows_of(database, templates)}


def size(database: Database) -> int:
    """The database's size in bytes."""
    with database.read() as connection:
        if database.is_shared:
            whole = sa.select(sa.func.pg_database_size(sa.func.current_database()))
            return int(connection.scalar(whole) or 0)
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
