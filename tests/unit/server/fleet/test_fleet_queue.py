"""Whose turn it is: the database's order, compared with the rule carried out step by step."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleet_world import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinv.server.database.schema import machines
from dinv.server.fleet.queue import places_in_queue

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dinv.server.database.database import Database

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
STATES = st.sampled_from(["waiting", "waiting", "waiting", "ready", "stopped", "failed"])
THERE = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), STATES), max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(THERE)
def test_whoever_has_least_is_next(database: Database, there: list[tuple[int, int, str]]) -> None:
    """Among those with as much, whoever has waited longest; and ids where even that is the same."""
    world = known(database)
    rows = [
        {
            "id": f"m{number:02}",
            "name": f"m{number}",
            "host_name": f"m{number}",
            "owner_id": world["owners"][owner],
            "template_id": world["template"],
            "generation": "1",
            "state": state,
            "options": {},
            "created_at": BEGINNING + timedelta(seconds=seconds),
        }
        for number, (owner, seconds, state) in enumerate(there)
    ]

    def places(connection: sa.Connection) -> dict[str, int]:
        connection.execute(machines.delete())
        if rows:
            connection.execute(machines.insert(), rows)
        return places_in_queue(connection, [row["id"] for row in rows if row["state"] == "waiting"])

    found = database.write(places)
    assert [name for name, _ in sorted(found.items(), key=lambda item: item[1])] == expected(rows)


def expected(rows: list[dict[str, Any]]) -> list[str]:
    """The rule of the queue, one turn after the other."""
    counts = Counter(row["owner_id"] for row in rows if row["state"] in ("ready", "stopped"))
    left = [row for row in rows if row["state"] == "waiting"]
    turns = []
    while left:
        turn = min(left, key=lambda row: (counts[row["owner_id"]], row["created_at"], row["id"]))
        counts[turn["owner_id"]] += 1
        left.remove(turn)
        turns.append(turn["id"])
    return turns


_worlds: dict[int, dict[str, Any]] = {}


def known(database: Database) -> dict[str, Any]:
    """Three people and a template, made once for each database."""
    if id(database) not in _worlds:
        _worlds.clear()
        world = World(database)
        owners = [world.person(name).person.id for name in "abc"]
        # It is kept with them: its id is nobody else's then.
        _worlds[id(database)] = {"database": database, "owners": owners, "template": world.template()}
    return _worlds[id(database)]
