"""The audit log: written within transactions, chained, searched, told as CSV."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import audit as table
from dinv.server.database.schema import audit_head, teams
from dinv.server.models import Actor, Person

if TYPE_CHECKING:
    from collections.abc import Callable

ADA = Actor(
    Person("1", "ada", "Ada", "ada@example.com", "user"), "token", address="192.0.2.1", request_id="r1"
)


@pytest.fixture
def log(database: Database) -> Audit:
    return Audit(database)


def fill(database: Database, log: Audit, count: int) -> None:
    def work(connection: sa.Connection) -> None:
        for number in range(count):
            log.write(connection, ADA, "machine.request", f"machine:{number}")

    database.write(work)


def test_an_entry_says_who_did_what_from_where(database: Database, log: Audit) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    database.write(
        lambda connection: log.write(
            connection, ADA, "machine.request", "machine:7", "quota-exceeded", quota="machines", asked=2
        )
    )
    (entry,) = log.entries()
    assert (entry.seq, entry.actor, entry.via, entry.action) == (1, "ada", "token", "machine.request")
    assert (entry.object, entry.result, entry.detail) == (
        "machine:7",
        "quota-exceeded",
        {"quota": "machines", "asked": 2},
    )
    assert (entry.address, entry.request_id) == ("192.0.2.1", "r1")
    assert before < entry.time < datetime.now(UTC) + timedelta(seconds=5)
    assert log.verify() == (1, "")


def test_what_is_undone_is_not_in_the_log(database: Database, log: Audit) -> None:
    def work(connection: sa.Connection) -> None:
        log.write(connection, None, "team.create", "team:a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(work)
    assert log.entries() == []
    assert log.verify() == (0, "")


def test_the_server_itself_is_an_actor(database: Database, log: Audit) -> None:
    database.write(lambda connection: log.write(connection, None, "sign-in", "user:x", address="192.0.2.9"))
    (entry,) = log.entries()
    assert (entry.actor, entry.via, entry.address) == ("server", "system", "192.0.2.9")


def test_writers_at_the_same_time_make_one_chain(database_url: str, database: Database) -> None:
    logs = [(database, Audit(database))]
    if database.is_shared:
        other = Database(database_url)
        logs.append((other, Audit(other)))

    def some(number: int) -> None:
        each, log = logs[number % len(logs)]
        for turn in range(6):

            def work(connection: sa.Connection, name: str = f"team-{number}-{turn}") -> None:
                connection.execute(sa.insert(teams).values(name=name))
                log.write(connection, ADA, "team.create", f"team:{name}")

            each.write(work)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))
    assert logs[0][1].verify() == (48, "")
    assert len({entry.object for entry in logs[0][1].entries()}) == 48
    for each, _ in logs[1:]:
        each.close()


def change(connection: sa.Connection) -> None:
    connection.execute(sa.update(table).where(table.c.seq == 3).values(actor="eve"))


def change_detail(connection: sa.Connection) -> None:
    connection.execute(sa.update(table).where(table.c.seq == 3).values(detail={"by": "eve"}))


def remove(connection: sa.Connection) -> None:
    connection.execute(sa.delete(table).where(table.c.seq == 3))


def remove_and_close_up(connection: sa.Connection) -> None:
    remove(connection)
    for seq in (4, 5, 6):
        connection.execute(sa.update(table).where(table.c.seq == seq).values(seq=seq - 1))


def swap(connection: sa.Connection) -> None:
    for before, after in ((3, 99), (4, 3), (99, 4)):
        connection.execute(sa.update(table).where(table.c.seq == before).values(seq=after))


def cut(connection: sa.Connection) -> None:
    connection.execute(sa.delete(table).where(table.c.seq > 4))


def cut_all(connection: sa.Connection) -> None:
    connection.execute(sa.delete(table))


@pytest.mark.parametrize(
    ("harm", "first", "words"),
    [
        (change, 2, "Entry 3 was changed"),
        (change_detail, 2, "Entry 3 was changed"),
        (remove, 2, "Entry 3 is missing: after 2 comes 4"),
        (remove_and_close_up, 2, "Entry 3 does not follow entry 2"),
        (swap, 2, "Entry 3 does not follow entry 2"),
        (cut, 4, "The log ends with entry 4, and entry 6 was the last"),
        (cut_all, 0, "The log ends with entry 0, and entry 6 was the last"),
    ],
)
def test_what_was_done_to_the_log_is_seen(
    database: Database, log: Audit, harm: Callable[[sa.Connection], None], first: int, words: str
) -> None:
    fill(database, log, 6)
    assert log.verify() == (6, "")
    database.write(harm)
    count, wrong = log.verify()
    assert count == first
    assert words in wrong


def test_a_log_that_was_made_anew_does_not_have_the_head_that_was_noted(
    database: Database, log: Audit
) -> None:
    fill(database, log, 4)
    noted = log.head()
    fill(database, log, 1)
    assert log.verify(noted) == (5, "")

    def anew(connection: sa.Connection) -> None:
        cut_all(connection)
        connection.execute(sa.delete(audit_head))

    database.write(anew)
    fill(database, log, 2)
    assert log.verify() == (2, "")
    assert "entry 4 was noted: its end is gone" in log.verify(noted)[1]
    fill(database, log, 3)
    assert "Entry 4 is not the one that was noted" in log.verify(noted)[1]
    assert "not a noted head" in log.verify("nonsense")[1]


def test_entries_are_found_and_paged(database: Database, log: Audit) -> None:
    fill(database, log, 5)
    database.write(lambda connection: log.write(connection, None, "sign-in", "user:100%", way="Provider"))
    assert [entry.seq for entry in log.entries(limit=2)] == [6, 5]
    assert [entry.seq for entry in log.entries(limit=2, before=5)] == [4, 3]
    assert [entry.seq for entry in log.entries(action="sign-in")] == [6]
    assert [entry.seq for entry in log.entries(object="machine:*", limit=2)] == [5, 4]
    assert [entry.seq for entry in log.entries(actor="ada", object="machine:2")] == [3]
    assert [entry.seq for entry in log.entries(search="PROVIDER")] == [6]
    assert [entry.seq for entry in log.entries(search="0%")] == [6]
    assert log.entries(search="%") == log.entries(search="0%")
    assert log.entries(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(log.entries(until=datetime.now(UTC) + timedelta(hours=1))) == 6


@pytest.mark.parametrize("evil", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\uff1d1"])
def test_csv_has_no_formulas(database: Database, log: Audit, evil: str) -> None:
    database.write(lambda connection: log.write(connection, None, "sign-in", evil, reason=evil))
    heading, row = csv.reader("".join(log.csv()).splitlines(keepends=True))
    assert heading[:6] == ["seq", "time", "actor", "via", "action", "object"]
    assert row[5] == f"'{evil}"
    assert row[9].startswith("{")


def test_csv_has_all_pages(database: Database, log: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.server.audit._PAGE", 3)
    fill(database, log, 8)
    assert [line.split(",")[0] for line in log.csv()][1:] == ["8", "7", "6", "5", "4", "3", "2", "1"]
    assert [line.split(",")[0] for line in log.csv(object="machine:7")][1:] == ["8"]
    assert log.verify() == (8, "")


def test_anything_can_be_written_and_verified(database: Database, log: Audit) -> None:
    database.write(
        lambda connection: log.write(
            connection,
            None,
            "sign-in",
            "a\0b" + "x" * 400,
            nul="a\0b",
            half="\ud800",
            number=1e300,
            not_a_number=float("nan"),
            float=0.1,
            when=datetime.now(UTC),
            nested={"set": {"b", "a"}, 1: ["é", None, True]},
        )
    )
    (entry,) = log.entries()
    assert entry.object.startswith("abx")
    assert len(entry.object) == 255
    assert entry.detail["nested"] == {"set": ["a", "b"], "1": ["é", None, True]}
    assert log.verify() == (1, "")
