"""How often somebody may try something: counted in the database, so for all servers together.

An attempt is counted before it is made, and forgiven if it succeeds: many at the same moment do not slip
through. Attempts that are refused are not counted. So a limit opens again when its time is over, whatever an
attacker does meanwhile: nobody is locked out for ever.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import attempts
from dinv.server.problems import TooManyRequests


@dataclass(frozen=True)
class Limit:
    """`most` attempts within `minutes` of what `kind` and a key name."""

    kind: str
    most: int
    minutes: float


SIGN_IN_FROM_ADDRESS = Limit("sign-in from", 30, 10)
SIGN_IN_AS = Limit("sign-in as", 10, 10)
SIGN_IN_AS_FROM = Limit("sign-in as, from", 10, 10)
"""Of a person, from an address from which they have signed in before: nobody else can use that up."""
PROVIDER_FROM_ADDRESS = Limit("provider from", 60, 10)
DEVICE_FROM_ADDRESS = Limit("device from", 30, 10)
DEVICE_CODES_OF = Limit("device codes of", 10, 10)
FIRST_FROM_ADDRESS = Limit("first from", 10, 10)
PASSWORD_OF = Limit("password of", 10, 10)
KNOWN_DAYS = 90


def count(
    database: Database, connection: sa.Connection, *wanted: tuple[Limit, str], words: str = ""
) -> list[int]:
    """Count an attempt against each limit, within a transaction that writes; return what `forgive` takes.

    Raises TooManyRequests where one is reached, with nothing counted.
    """
    now = database.now(connection)
    for limit, key in wanted:
        # Others who count for the same key wait here until this transaction ends.
        database.lock(connection, _key(limit.kind, key))
        window = timedelta(minutes=limit.minutes)
        since = now - window
        query = (
            sa.select(sa.func.count(), sa.func.min(attempts.c.time))
            .where(attempts.c.key == _key(limit.kind, key))
            .where(attempts.c.time > since)
            # Of a clock that was set back, attempts are left that are made tomorrow: nobody waits until then.
            # (Those of the next moments were made by others while this one waited for the lock.)
            .where(attempts.c.time < now + window)
        )
        made, first = connection.execute(query).one()
        if made >= limit.most:
            wait = max(1.0, (first - since).total_seconds())
            raise TooManyRequests(
                words or f"There were {made} attempts within {limit.minutes:g} minutes. Wait, and try again.",
                retry_after=wait,
            )
    return [
        connection.execute(
            sa.insert(attempts).values(key=_key(limit.kind, key), time=now).returning(attempts.c.id)
        ).scalar_one()
        for limit, key in wanted
    ]


def forgive(connection: sa.Connection, counted: list[int]) -> None:
    """Take back what was counted: the attempt has succeeded."""
    connection.execute(sa.delete(attempts).where(attempts.c.id.in_(counted)))


def remember(database: Database, connection: sa.Connection, name: str, address: str) -> None:
    """Note that a person has signed in from an address."""
    key = _key("known", f"{name} {of_address(address)}")
    connection.execute(sa.delete(attempts).where(attempts.c.key == key))
    connection.execute(sa.insert(attempts).values(key=key, time=database.now(connection)))


def is_known(connection: sa.Connection, name: str, address: str) -> bool:
    """Tell whether the person has signed in from there, within the last 90 days."""
    key = _key("known", f"{name} {of_address(address)}")
    return connection.execute(sa.select(attempts.c.id).where(attempts.c.key == key)).first() is not None


def of_address(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits that one customer has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _key(kind: str, key: str) -> str:
    # What people type as a name may be a password.
    return f"{kind} {hashlib.sha256(key.encode(errors='replace')).hexdigest()[:32]}"
