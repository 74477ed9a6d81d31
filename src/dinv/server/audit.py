"""Who did what, when, with what result; each entry has the digest of the one before, so a removal is seen.

An entry is written in the transaction that does what it is about: neither is there without the other. It
holds no bodies, keys or tokens.

The digest of an entry is the SHA-256 of its columns as JSON (keys sorted, no spaces, ASCII), `previous`, the
digest of the entry before, among them. The newest one stands in `audit_head` too, which is also what writers
queue at: so the end of the log cannot be cut off unseen either. Whoever may write to the database can make
the whole chain anew; against that helps a head that was noted elsewhere (`Audit.head`, `Audit.verify`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import audit as table
from dinv.server.database.schema import audit_head
from dinv.server.models import Actor, AuditEntry

SERVER = "server"
"""The actor of what the server does by itself; no person can have this name."""
_START = "0" * 64
_PAGE = 500
_MOST = 1000
_COLUMNS = ("seq", "time", "actor", "via", "action", "object", "result", "address", "request_id", "detail")


class Audit:
    """The log. Threads may share one object."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self,
        connection: sa.Connection,
        actor: Actor | None,
        action: str,
        object: str,  # noqa: A002  (the contract's word)
        result: str = "done",
        *,
        address: str = "",
        **detail: object,
    ) -> None:
        """Add an entry, within the transaction of `connection`.

        `actor` None is the server itself, or somebody who is not signed in, at `address`. `action` is such as
        "machine.request", "machine.claim", "machine.remove", "sign-in", "token.create"; `object` such as
        "machine:ID"; `result` "done" or the `kind` of a Problem. Write it last: until the transaction ends no
        other can write one.
        """
        head = _locked_head(connection)
        seq = head.seq + 1
        row: dict[str, Any] = {
            "seq": seq,
            "time": self._database.now(connection),
            "actor": _text(actor.person.name if actor else SERVER, 128),
            "via": actor.via if actor else "system",
            "action": _text(action, 64),
            "object": _text(object, 255),
            "result": _text(result, 64),
            "address": _text(actor.address if actor else address, 64),
            "request_id": _text(actor.request_id if actor else "", 64),
            "detail": _plain(detail),
            "previous": head.digest,
        }
        row["digest"] = digest(row)
        connection.execute(_INSERT, row)
        connection.execute(_ADVANCE, {"to_seq": seq, "to_digest": row["digest"]})

    def entries(
        self,
        *,
        search: str = "",
        actor: str = "",
        action: str = "",
        object: str = "",  # noqa: A002
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """The latest first; `before` is the `seq` where the page before ended. At most 1000 at a time.

        `search` finds any part of any column, whatever the case; `actor`, `action` and `object` are exact,
        and one that ends in "*" finds what begins so.
        """
        query = sa.select(table).order_by(table.c.seq.desc()).limit(max(1, min(limit, _MOST)))
        for column, wanted in ((table.c.actor, actor), (table.c.action, action), (table.c.object, object)):
            if wanted.endswith("*"):
                query = query.where(column.startswith(_text(wanted[:-1], 255), autoescape=True))
            elif wanted:
                query = query.where(column == _text(wanted, 255))
        if search:
            texts = (table.c.actor, table.c.action, table.c.object, table.c.result, table.c.address)
            everywhere = (*texts, table.c.request_id, sa.cast(table.c.detail, sa.Text))
            query = query.where(
                sa.or_(*(column.icontains(_text(search, 200), autoescape=True) for column in everywhere))
            )
        if since is not None:
            query = query.where(table.c.time >= since)
        if until is not None:
            query = query.where(table.c.time < until)
        if before is not None:
            query = query.where(table.c.seq < before)
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def csv(self, **filters: Any) -> Iterator[str]:
        """All entries that match, as lines of CSV with a heading, a page at a time.

        `filters` are those of `entries`. A text that a spreadsheet would take for a formula gets an
        apostrophe before it.
        """
        yield _line([*_COLUMNS, "digest"])
        filters["limit"] = _PAGE
        while page := self.entries(**filters):
            for entry in page:
                cells = [getattr(entry, column) for column in (*_COLUMNS, "digest")]
                cells[1] = _moment(entry.time)
                cells[9] = _json(entry.detail)
                yield _line(cells)
            filters["before"] = page[-1].seq

    def head(self) -> str:
        """Return the newest entry as "SEQ:DIGEST", to be kept elsewhere and given to `verify`."""
        with self._database.read() as connection:
            return _head(connection)

    def verify(self, known: str = "") -> tuple[int, str]:
        """Return how many entries there are, and "" or what is wrong with the first that does not fit.

        `known` is a head that was noted earlier: that entry must be there, as it was.
        """
        known_seq, _, known_digest = known.partition(":")
        if known and not (known_seq.isdecimal() and len(known_digest) == len(_START)):
            return 0, f"{known!r} is not a noted head. It looks like 17:a1b2..., a number and a digest."
        with self._database.read() as connection:
            count, previous = 0, _START
            while True:
                query = sa.select(table).where(table.c.seq > count).order_by(table.c.seq).limit(_PAGE)
                page = connection.execute(query).all()
                for row in page:
                    wrong = _fault(row, count + 1, previous)
                    if not wrong and str(row.seq) == known_seq and row.digest != known_digest:
                        wrong = f"Entry {row.seq} is not the one that was noted: the log was written anew."
                    if wrong:
                        return count, wrong
                    count, previous = row.seq, row.digest
                if not page:
                    break
            if _head(connection) != f"{count}:{previous}":
                seq = _head(connection).partition(":")[0]
                return (
                    count,
                    f"The log ends with entry {count}, and entry {seq} was the last: its end is gone.",
                )
        if known_seq and int(known_seq) > count:
            return (
                count,
                f"The log ends with entry {count}, and entry {known_seq} was noted: its end is gone.",
            )
        return count, ""


def digest(row: dict[str, Any]) -> str:
    """Return the digest of an entry, from its columns."""
    content = {column: row[column] for column in (*_COLUMNS, "previous")}
    content["time"] = _moment(row["time"])
    return hashlib.sha256(_json(content).encode()).hexdigest()


def _fault(row: sa.Row[Any], seq: int, previous: str) -> str:
    if row.seq != seq:
        return f"Entry {seq} is missing: after {seq - 1} comes {row.seq}."
    if row.previous != previous:
        return f"Entry {seq} does not follow entry {seq - 1}: one of them was exchanged."
    if row.digest != digest(row._asdict()):
        return f"Entry {seq} was changed after it was written."
    return ""


# Made once: each transaction that changes something waits for the one before it here.
_HEAD = sa.select(audit_head).with_for_update()
_INSERT = sa.insert(table)
_ADVANCE = sa.update(audit_head).values(seq=sa.bindparam("to_seq"), digest=sa.bindparam("to_digest"))


def _locked_head(connection: sa.Connection) -> sa.Row[Any]:
    head = connection.execute(_HEAD).one_or_none()
    if head is not None:
        return head
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(audit_head).values(id=1, seq=0, digest=_START))
    except sa.exc.IntegrityError:
        pass  # another transaction has written the first entry meanwhile
    return connection.execute(_HEAD).one()


def _head(connection: sa.Connection) -> str:
    row = connection.execute(sa.select(audit_head)).one_or_none()
    return f"{row.seq}:{row.digest}" if row else f"0:{_START}"


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(**row._asdict())


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _text(text: str, longest: int) -> str:
    # PostgreSQL takes no NUL, and no half of a surrogate pair.
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def _plain(value: object) -> Any:
    """Return a value as JSON will give it back, on either database: what is hashed is what is read again."""
    if isinstance(value, dict):
        return {_text(str(key), 64): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(each) for each in items]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and abs(value) < 1e15:
        return value
    return _text(_moment(value) if isinstance(value, datetime) else str(value), 1000)


def _line(cells: list[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_defused(cell) for cell in cells])
    return out.getvalue()


def _defused(cell: object) -> object:
    # https://owasp.org/www-community/attacks/CSV_Injection
    text = isinstance(cell, str) and cell.startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    return f"'{cell}" if text else cell
