"""Who gets in: client certificates of a machine, its owner's own among them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import shares
from dinv.server.fleet.changes import changeable
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import operate
from dinv.server.models import Actor, Share
from dinv.server.problems import Conflict, Invalid, NotFound

LONGEST = timedelta(days=30)
"""A certificate is asked for anew after that: one that is lost is not good for ever."""
MOST = 1000
LARGEST_CSR = 16 * 1024


def of(connection: sa.Connection, machine_id: str) -> list[Share]:
    """Return the certificates that were given for a machine, the latest first."""
    columns = (column for column in shares.c if column.name != "machine_id")
    query = sa.select(*columns).where(shares.c.machine_id == machine_id)
    query = query.order_by(shares.c.given_at.desc(), shares.c.serial).limit(MOST)
    return [Share(**row._asdict()) for row in connection.execute(query)]


def lifetime_of_owner(row: sa.Row[Any], now: datetime) -> timedelta:
    """Return for how long the owner's certificate is valid.

    Not by the machine's time, which may be extended: a machine that is gone lets nobody in.
    """
    if row.expires_at is not None and row.expires_at <= now:
        raise Conflict("The machine's time is over. Extend it first.")
    return LONGEST


def refuse_unready(row: sa.Row[Any]) -> None:
    """Raise Conflict unless the machine has been ready, and is not gone: then it has a CA to sign by."""
    if row.ready_at is None or row.state in ("removing", "removed", "failed", "parked"):
        raise Conflict(f"The machine is {row.state}: it has no certificates.", state=row.state)


def check(holder: str, lifetime: timedelta, csr: bytes | None) -> None:
    """Raise Invalid for what no certificate can be made of."""
    errors = []
    if not holder.strip() or len(holder) > 64 or not holder.isprintable():
        errors.append({"pointer": "/holder", "detail": "not a name of at most 64 characters"})
    if not timedelta(seconds=1) <= lifetime <= LONGEST:
        errors.append({"pointer": "/lifetime", "detail": f"not a time of at most {LONGEST.days} days"})
    if csr is not None and len(csr) > LARGEST_CSR:
        errors.append({"pointer": "/csr", "detail": "too large"})
    if errors:
        raise Invalid("This certificate cannot be made.", errors=errors)


def record(connection: sa.Connection, machine_id: str, share: Share) -> None:
    """Write down that a certificate was given, before it is handed over. Raises Conflict for too many."""
    count = connection.scalar(
        sa.select(sa.func.count()).select_from(shares).where(shares.c.machine_id == machine_id)
    )
    if count is not None and count >= MOST:
        raise Conflict(f"The machine has {MOST} certificates, and can have no more. Use one of them.")
    connection.execute(shares.insert().values(machine_id=machine_id, **asdict(share)))
    note(connection, machine_id, "note", f"{share.holder} was given a certificate.", share.given_at)


def revoke(
    connection: sa.Connection, actor: Actor, name: str, serial: str, now: datetime
) -> tuple[sa.Row[Any], bool]:
    """Have a certificate revoked; return the machine's row, and whether it was not yet. Raises NotFound."""
    machine = changeable(connection, actor, name, None)
    which = shares.c.machine_id == machine.id, shares.c.serial == serial
    row = connection.execute(sa.select(shares).where(*which)).first()
    if row is None:
        raise NotFound(f"The machine has given no certificate with the serial number {serial[:64]!r}.")
    if row.revoked_at is not None:
        return machine, False
    connection.execute(shares.update().where(*which).values(revoked_at=now))
    note(connection, machine.id, "note", f"{row.holder}'s certificate is revoked.", now)
    if machine.state not in ("removing", "removed", "failed", "parked"):
        operate(connection, machine.id, "revoke", now, serial=serial)
    return machine, True
