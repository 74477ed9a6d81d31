"""Accounts, as operators see and change them; and one's own password."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import new_id, people
from dinv.server.models import Actor, Person, Role
from dinv.server.people import limits, passwords, sessions, teams, tokens
from dinv.server.people.names import check_free, looked_for, person_name, searched, team_name
from dinv.server.people.rows import person, persons
from dinv.server.problems import Conflict, Forbidden, Invalid, NotFound

ROLES: tuple[Role, ...] = ("user", "operator", "auditor")
_MOST = 500


def everybody(database: Database, actor: Actor, *, search: str, after: str = "") -> list[Person]:
    """Return people by name, at most 500, those after the name `after`. Raises Forbidden."""
    if not actor.sees_all:
        raise Forbidden("Only operators and auditors may see who has an account.")
    query = sa.select(people).where(people.c.name > searched(after)).order_by(people.c.name).limit(_MOST)
    if search:
        columns = (people.c.name, people.c.display_name, people.c.email)
        query = query.where(sa.or_(*(each.icontains(searched(search), autoescape=True) for each in columns)))
    with database.read() as connection:
        return persons(connection, connection.execute(query))


def add(
    database: Database,
    audit: Audit,
    actor: Actor,
    name: str,
    *,
    role: Role,
    password: str,
    display_name: str,
    email: str,
    team_names: tuple[str, ...],
) -> Person:
    """Add a local account; without a password nobody can sign in to it yet.

    Raises Forbidden, Invalid, and NameTaken.
    """
    _check_operator(actor)
    name = person_name(name)
    _check_role(role)
    if len(display_name) > 200 or len(email) > 254:
        raise Invalid("The name shown has at most 200 characters, an e-mail address at most 254.")
    checked = [team_name(team) for team in team_names]
    if password:
        passwords.check(password, name)
    kept = passwords.hashed(password) if password else None

    def work(connection: sa.Connection) -> Person:
        check_free(database, connection, name)
        person_id = new_id()
        values = {"id": person_id, "name": name, "display_name": display_name, "email": email, "role": role}
        now = database.now(connection)
        connection.execute(sa.insert(people).values(**values, password=kept, created_at=now))
        teams.set_teams(connection, person_id, checked, from_provider=False)
        audit.write(connection, actor, "user.add", f"user:{name}", role=role, teams=checked)
        return _found(connection, name)

    return database.write(work)


def change(
    database: Database,
    audit: Audit,
    actor: Actor,
    name: str,
    *,
    role: Role | None,
    disabled: bool | None,
    team_names: tuple[str, ...] | None,
) -> Person:
    """Change what is given. Raises Forbidden, NotFound, Invalid, and Conflict for the last operator."""
    _check_operator(actor)
    if role is not None:
        _check_role(role)
    checked = None if team_names is None else [team_name(team) for team in team_names]

    def work(connection: sa.Connection) -> Person:
        # Two operators who take each other's role at the same time: the second finds the first's change.
        database.lock(connection, "operators")
        before = _found(connection, name)
        values: dict[str, Any] = {
            key: value for key, value in (("role", role), ("disabled", disabled)) if value is not None
        }
        if before.role == "operator" and not before.disabled and (disabled or role not in (None, "operator")):
            _check_other_operator(connection, before)
        if values:
            connection.execute(sa.update(people).where(people.c.id == before.id).values(**values))
        if disabled:
            sessions.end_all(connection, before.id)
            tokens.revoke_all(connection, database, before.id)
        if checked is not None:
            teams.set_teams(connection, before.id, checked, from_provider=False)
            values["teams"] = checked
        audit.write(connection, actor, "user.change", f"user:{before.name}", **values)
        return _found(connection, name)

    return database.write(work)


def set_password(
    database: Database, audit: Audit, actor: Actor, name: str, password: str, *, current: str, session: str
) -> None:
    """Set somebody's password. One's own needs the current one; somebody else's, an operator.

    Ends the person's sessions, but for the one with the secret `session`.
    """
    own = looked_for(name) == actor.person.name
    if actor.via == "token":
        raise Forbidden("A password cannot be changed with a token. Sign in on the page.")
    if not own:
        _check_operator(actor)
    with database.read() as connection:
        query = sa.select(people).where(people.c.name == looked_for(name))
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"Nobody is called {name[:80]!r}.")
    if row.issuer:
        raise Conflict(f"{row.name} signs in at {row.issuer}, and has no password here.")
    counted: list[int] = []
    if own:
        counted = database.write(
            lambda connection: limits.count(database, connection, (limits.PASSWORD_OF, row.id))
        )
        if not passwords.verify(row.password, current):
            wrong = "The current password is wrong."
            raise Invalid(wrong, errors=[{"pointer": "/current", "detail": wrong}])
    passwords.check(password, row.name)
    kept = passwords.hashed(password)

    def work(connection: sa.Connection) -> None:
        changed = sa.update(people).where(people.c.id == row.id).values(password=kept)
        connection.execute(changed)
        sessions.end_all(connection, row.id, but=session if own else "")
        limits.forgive(connection, counted)
        audit.write(connection, actor, "user.password", f"user:{row.name}")

    database.write(work)


def _found(connection: sa.Connection, name: str) -> Person:
    found = person(connection, people.c.name == looked_for(name))
    if found is None:
        raise NotFound(f"Nobody is called {name[:80]!r}.")
    return found


def _check_operator(actor: Actor) -> None:
    if not actor.is_operator:
        raise Forbidden("Only operators may change accounts.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        detail = f"There is no role {str(role)[:40]!r}. There are: {', '.join(ROLES)}."
        raise Invalid(detail, errors=[{"pointer": "/role", "detail": detail}])


def _check_other_operator(connection: sa.Connection, leaving: Person) -> None:
    others = sa.select(people.c.id).where(
        people.c.role == "operator", sa.not_(people.c.disabled), people.c.id != leaving.id
    )
    if connection.execute(others.limit(1)).first() is None:
        raise Conflict(f"{leaving.name} is the last operator. Make somebody else an operator first.")
