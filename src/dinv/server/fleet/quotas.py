"""How much somebody may have, and has: checked in the transaction that gives more.

A quota of one's own ("user:NAME", "team:NAME") stands in the place of the one for everybody ("every-user",
"every-team"), with all of its limits. A machine counts for its owner and for one team; what waits counts too,
else a queue would be a way around. What is stopped counts, as it takes up room; what has failed does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from dinv.server.database.schema import machines, people, quotas, teams
from dinv.server.database.schema import usage as times
from dinv.server.fleet.rows import OWNED_STATES
from dinv.server.models import Actor, Quota, Usage
from dinv.server.problems import Invalid, NotFound, QuotaExceeded

HOURS_WITHIN = timedelta(days=30)
LIMITS = ("machines", "cpus", "memory", "cache", "hours")
EVERY_USER, EVERY_TEAM = "every-user", "every-team"


class _Seconds(FunctionElement[float]):
    """The seconds from one time to another."""

    type = sa.Float()
    inherit_cache = True
    name = "seconds"


@compiles(_Seconds, "postgresql")
def _seconds_postgresql(element: _Seconds, compiler: Any, **options: Any) -> str:
    begun, ended = (compiler.process(clause, **options) for clause in element.clauses)
    return f"extract(epoch from ({ended} - {begun}))"


@compiles(_Seconds, "sqlite")
def _seconds_sqlite(element: _Seconds, compiler: Any, **options: Any) -> str:
    begun, ended = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({ended}) - julianday({begun})) * 86400.0)"


def user(name: str) -> str:
    """Return the subject of a person's quota."""
    return f"user:{name}"


def team(name: str) -> str:
    """Return the subject of a team's quota."""
    return f"team:{name}"


def everything(connection: sa.Connection) -> list[Quota]:
    """Return all quotas there are, by subject."""
    rows = connection.execute(sa.select(quotas).order_by(quotas.c.subject))
    return [Quota(**row._asdict()) for row in rows]


_OF = sa.select(quotas).where(quotas.c.subject.in_(sa.bindparam("subjects", expanding=True)))


def of(connection: sa.Connection, subjects: Iterable[str]) -> dict[str, Quota]:
    """Return the quotas that hold for persons and teams."""
    wanted = list(subjects)
    known = [*wanted, EVERY_USER, EVERY_TEAM]
    rows = connection.execute(_OF, {"subjects": known})
    found = {row.subject: Quota(**row._asdict()) for row in rows}
    return {subject: _one(found, subject) for subject in wanted}


def _one(found: dict[str, Quota], subject: str) -> Quota:
    general = EVERY_USER if subject.startswith("user:") else EVERY_TEAM
    quota = found.get(subject) or found.get(general) or Quota(subject)
    return replace(quota, subject=subject)


def has_limit(quota: Quota) -> bool:
    """Return whether anything is bounded."""
    return any(getattr(quota, limit) is not None for limit in LIMITS)


def used(
    connection: sa.Connection,
    *,
    now: datetime,
    person_id: str = "",
    team_name: str = "",
    hours: bool = True,
    states: Iterable[str] = OWNED_STATES,
) -> Usage:
    """Return what a person or a team has; without `hours`, those are not counted."""
    of_whom = "person" if person_id else "team"
    whose = person_id or team_name
    row = connection.execute(_HAS[of_whom], {"whose": whose, "states": list(states)}).one()
    had = 0.0
    if hours:
        times_given = {"whose": whose, "now": now, "since": now - HOURS_WITHIN}
        had = max(float(connection.scalar(_HAD[of_whom], times_given) or 0.0), 0.0) / 3600
    return Usage(int(row.number), float(row.cpus), int(row.memory), int(row.cache), had)


def _has(whose: sa.ColumnElement[bool]) -> sa.Select[Any]:
    table = machines.c
    amounts = (table.cpus, table.memory, table.cache)
    sums = (sa.func.coalesce(sa.func.sum(each), 0).label(each.name) for each in amounts)
    owned = (table.owner_id.is_not(None), table.removed_at.is_(None))
    in_states = table.state.in_(sa.bindparam("states", expanding=True))
    return sa.select(sa.func.count().label("number"), *sums).where(whose, *owned, in_states)


def _had(whose: sa.ColumnElement[bool]) -> sa.Select[Any]:
    now, since = (sa.bindparam(name, type_=times.c.begun_at.type) for name in ("now", "since"))
    begun = sa.case((times.c.begun_at < since, since), else_=times.c.begun_at)
    ended = sa.func.coalesce(times.c.ended_at, now)
    within = sa.or_(times.c.ended_at.is_(None), times.c.ended_at > since)
    return sa.select(sa.func.sum(_Seconds(begun, ended))).where(whose, within)


_WHOSE: sa.BindParameter[str] = sa.bindparam("whose")
_HAS = {"person": _has(machines.c.owner_id == _WHOSE), "team": _has(machines.c.team == _WHOSE)}
_HAD = {"person": _had(times.c.person_id == _WHOSE), "team": _had(times.c.team == _WHOSE)}


def excess(quota: Quota, has: Usage, asked: Usage) -> QuotaExceeded | None:
    """Return the problem if `asked` is more than what is left; else None."""
    for limit in LIMITS:
        most, there, more = getattr(quota, limit), getattr(has, limit), getattr(asked, limit)
        if most is None:
            continue
        # Hours are had, not asked for: one who has used them up gets nothing more.
        over = there >= most if limit == "hours" else more > 0 and there + more > most + 1e-9
        if over:
            return _problem(quota.subject, limit, most, there, more)
    return None


def _problem(subject: str, limit: str, most: float, there: float, more: float) -> QuotaExceeded:
    kind, _, name = subject.partition(":")
    whose = "Your quota" if kind == "user" else f"The team {name}'s quota"
    within = "" if limit != "hours" else " within 30 days"
    shown = [_amount(limit, number) for number in (there, most, more)]
    more_text = f", and this would be {shown[2]} more" if limit != "hours" else ""
    next_step = "Remove a machine" if limit != "hours" else "Wait until older hours no longer count"
    return QuotaExceeded(
        f"{whose} of {limit_name(limit)} is {shown[1]}{within}. In use: {shown[0]}{more_text}. "
        f"{next_step}, or ask an operator for more.",
        quota=limit,
        subject=subject,
        limit=most,
        used=there,
        asked=more,
    )


def limit_name(limit: str) -> str:
    """Return the word for people."""
    return {"cpus": "CPUs", "hours": "machine hours"}.get(limit, limit)


def _amount(limit: str, number: float) -> str:
    if limit in ("memory", "cache"):
        return f"{number / 2**30:g} GiB" if number % 2**20 == 0 else f"{number:g} bytes"
    return f"{number:.1f}" if limit == "hours" else f"{number:g}"


def put(connection: sa.Connection, quota: Quota) -> None:
    """Set a quota; one without limits is no more than a word, and is dropped. Raises Invalid, NotFound."""
    _valid(quota)
    kind, _, name = quota.subject.partition(":")
    table = {"user": people, "team": teams}.get(kind)
    if table is not None and connection.scalar(sa.select(table.c.id).where(table.c.name == name)) is None:
        raise NotFound(f"There is no {kind} {name!r}.")
    connection.execute(quotas.delete().where(quotas.c.subject == quota.subject))
    # One's own without limits is kept: it lifts those that hold for everybody.
    if has_limit(quota) or table is not None:
        connection.execute(
            quotas.insert().values({each.name: getattr(quota, each.name) for each in fields(quota)})
        )


def _valid(quota: Quota) -> None:
    kind, colon, name = quota.subject.partition(":")
    if not (quota.subject in (EVERY_USER, EVERY_TEAM) or (kind in ("user", "team") and colon and name)):
        raise Invalid(
            f"{quota.subject[:80]!r} has no quota. It is user:NAME, team:NAME, {EVERY_USER} or {EVERY_TEAM}.",
            errors=[{"pointer": "/subject", "detail": "not a subject of a quota"}],
        )
    errors = []
    for limit in LIMITS:
        value = getattr(quota, limit)
        # NaN compares false with everything.
        if value is not None and not 0 <= value <= 2**60:
            errors.append({"pointer": f"/{limit}", "detail": "not a number from 0 up"})
    if errors:
        raise Invalid("A limit of the quota cannot be used: it is a number from 0 up.", errors=errors)


@dataclass(frozen=True)
class Whose:
    """A person or a team, by what their machines are found."""

    subject: str
    person_id: str = ""
    team_name: str = ""


def whose(connection: sa.Connection, actor: Actor, subject: str) -> Whose:
    """Return whom a subject names. Raises NotFound for what the actor may not see."""
    kind, _, name = subject.partition(":")
    if kind == "user" and name == actor.person.name:
        return Whose(subject, person_id=actor.person.id)
    own = kind == "team" and name in actor.person.teams
    table = {"user": people, "team": teams}.get(kind)
    if table is None or not (own or actor.sees_all):
        raise NotFound(f"There is no {subject[:80]!r}.")
    found = connection.scalar(sa.select(table.c.id).where(table.c.name == name))
    if found is None:
        raise NotFound(f"There is no {subject[:80]!r}.")
    return Whose(subject, person_id=found) if kind == "user" else Whose(subject, team_name=name)
