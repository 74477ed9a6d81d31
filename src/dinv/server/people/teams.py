"""Teams: who is in which, by an operator's word or by a group at the provider."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from dinv.server.database.schema import members, people, teams


def set_teams(
    connection: sa.Connection, person_id: str, names: Iterable[str], *, from_provider: bool
) -> None:
    """Put a person into these teams and no others; a team is made by its first member.

    With `from_provider` it is about those that a provider's groups give: what operators have said stays.
    """
    # Two at the same time, as when somebody signs in whom an operator changes: one after the other.
    connection.execute(sa.select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))
    wanted = sorted(set(names))
    ids = {name: _team(connection, name) for name in wanted}
    own = members.c.person_id == person_id
    gone = sa.delete(members).where(own, members.c.team_id.not_in(list(ids.values())))
    connection.execute(gone.where(members.c.from_provider) if from_provider else gone)
    there = set(connection.scalars(sa.select(members.c.team_id).where(own)))
    for team_id in ids.values():
        if team_id not in there:
            connection.execute(
                sa.insert(members).values(team_id=team_id, person_id=person_id, from_provider=from_provider)
            )
    if not from_provider:
        connection.execute(sa.update(members).where(own).values(from_provider=False))


def _team(connection: sa.Connection, name: str) -> str:
    query = sa.select(teams.c.id).where(teams.c.name == name)
    found = connection.scalar(query)
    if found is not None:
        return str(found)
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(teams).values(name=name))
    except sa.exc.IntegrityError:
        pass  # somebody else has made it meanwhile
    return str(connection.execute(query).scalar_one())
