"""Accounts, passwords, sessions and tokens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from known_people import ADDRESS, PASSWORD, Clock, signed_in
from meanwhile import meanwhile

from dinv.server.database import schema
from dinv.server.people import limits, passwords, sessions
from dinv.server.people.over import over
from dinv.server.problems import (
    Conflict,
    Forbidden,
    Invalid,
    NameTaken,
    NotFound,
    NotSignedIn,
    TooManyRequests,
    Unavailable,
)

if TYPE_CHECKING:
    from dinv.server.audit import Audit
    from dinv.server.database.database import Database
    from dinv.server.models import Actor
    from dinv.server.people.service import People


def everything(database: Database) -> str:
    """All that is in the database, as text."""
    with database.read() as connection:
        tables = schema.metadata.sorted_tables
        return repr([connection.execute(sa.select(table)).all() for table in tables])


# The first operator


def test_the_first_link_makes_an_operator_once(people: People, log: Audit) -> None:
    path = people.first_link()
    secret = path.removeprefix("/first/")
    assert path.startswith("/first/")
    assert people.first_link_is_valid(secret)
    session = people.use_first_link(secret, "Olga", PASSWORD, address=ADDRESS)
    olga = signed_in(people, session)
    assert (olga.person.name, olga.person.role, olga.is_operator) == ("olga", "operator", True)
    assert not people.first_link_is_valid(secret)
    with pytest.raises(NotFound):
        people.use_first_link(secret, "eve", PASSWORD, address=ADDRESS)
    assert people.first_link() == ""
    assert [entry.action for entry in log.entries()] == ["user.first"]


def test_links_of_two_servers_make_one_operator(people: People) -> None:
    first, second = (people.first_link().removeprefix("/first/") for _ in range(2))

    def use(secret: str) -> str:
        try:
            return people.use_first_link(
                secret, f"op-{secret[:4].strip('-_').lower()}x", PASSWORD, address=ADDRESS
            )
        except NotFound:
            return ""

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(use, (first, second)))
    assert sorted(map(bool, made)) == [False, True]


def test_the_first_link_ends_after_an_hour(people: People, clock: Clock) -> None:
    secret = people.first_link().removeprefix("/first/")
    clock.forward(minutes=61)
    assert not people.first_link_is_valid(secret)
    with pytest.raises(NotFound):
        people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS)


def test_the_first_operator_takes_nobodys_name(people: People, database: Database) -> None:
    """Somebody may have signed in at a provider before."""
    secret = people.first_link().removeprefix("/first/")
    provided = {"name": "olga", "role": "user", "issuer": "https://id.example.com", "subject": "1"}

    def sign_in(connection: sa.Connection) -> None:
        created_at = database.now(connection)
        connection.execute(schema.people.insert().values(**provided, created_at=created_at))

    database.write(sign_in)
    with pytest.raises(NameTaken):
        people.use_first_link(secret, "Olga", PASSWORD, address=ADDRESS)
    assert people.use_first_link(secret, "olga-2", PASSWORD, address=ADDRESS)


def test_a_bad_name_or_password_does_not_use_up_the_first_link(people: People) -> None:
    secret = people.first_link().removeprefix("/first/")
    for name, password in (("o lga", PASSWORD), ("server", PASSWORD), ("olga", "short")):
        with pytest.raises(Invalid):
            people.use_first_link(secret, name, password, address=ADDRESS)
    assert people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS)


# Passwords


@pytest.mark.parametrize("password", ["", "short", "x" * 30, "abababababab", "adaadaadaada", "y" * 5000])
def test_what_is_no_password(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check(password, "ada")
    assert refused.value.fields["errors"][0]["pointer"] == "/password"


def test_passwords_are_kept_as_argon2id_and_compared_as_typed() -> None:
    kept = passwords.hashed("Grüße aus Köln")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(kept, "Gru\u0308ße aus Ko\u0308ln")
    assert not passwords.verify(kept, "Grüße aus Köln ")
    assert not passwords.verify(None, "nobody's password")
    assert not passwords.verify("nonsense", PASSWORD)
    assert passwords.verify(passwords.hashed("half \ud800 a pair"), "half \ud800 a pair")


def test_hashes_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    class Slow:
        def verify(self, kept: str, password: str) -> bool:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.01)
            with lock:
                at_once -= 1
            return True

    monkeypatch.setattr(passwords, "_HASHER", Slow())
    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(lambda _: passwords.verify("x", "y"), range(20)))
    assert most == 2


def test_too_many_who_wait_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_WAITING", threading.BoundedSemaphore(1))
    with passwords._turn(), pytest.raises(TooManyRequests):
        passwords.hashed(PASSWORD)


# Signing in


def test_signing_in_and_out(people: People, ada: Actor, log: Audit) -> None:
    secret = people.sign_in(" ADA ", PASSWORD, address=ADDRESS)
    actor = people.session(secret, address="192.0.2.9", request_id="r9")
    assert actor is not None
    assert (actor.person.name, actor.person.teams, actor.via) == ("ada", ("red",), "session")
    assert (actor.address, actor.request_id) == ("192.0.2.9", "r9")
    people.sign_out(secret)
    assert people.session(secret, address=ADDRESS, request_id="") is None
    people.sign_out(secret)
    assert [entry.action for entry in log.entries(limit=2)] == ["sign-out", "sign-in"]


def test_a_sign_in_is_a_new_session_and_ends_the_one_before(people: People, ada: Actor) -> None:
    before = people.sign_in("ada", PASSWORD, address=ADDRESS)
    after = people.sign_in("ada", PASSWORD, address=ADDRESS, previous=before)
    assert after != before
    assert people.session(before, address=ADDRESS, request_id="") is None
    assert people.session(after, address=ADDRESS, request_id="") is not None


def test_nobody_learns_who_has_an_account(
    people: People, olga: Actor, ada: Actor, monkeypatch: pytest.MonkeyPatch, log: Audit
) -> None:
    people.add(olga, "empty", role="user")
    people.add(olga, "off", role="user", password=PASSWORD)
    people.change(olga, "off", disabled=True)
    hashes = []
    real = passwords.verify

    def verify(kept: str | None, password: str) -> bool:
        hashes.append(kept)
        return real(kept, password)

    monkeypatch.setattr(passwords, "verify", verify)
    answers = []
    for name, password in (("ada", "wrong"), ("nobody", PASSWORD), ("empty", ""), ("off", PASSWORD)):
        with pytest.raises(NotSignedIn) as refused:
            people.sign_in(name, password, address=ADDRESS)
        answers.append((str(refused.value), refused.value.fields))
    assert len(set(map(str, answers))) == 1
    assert len(hashes) == 4
    objects = [entry.object for entry in log.entries(action="sign-in") if entry.result == "not-signed-in"]
    assert objects == ["user:off", "user:empty", "user:?", "user:ada"]


def test_a_name_that_is_no_name_is_refused_like_any(people: People, log: Audit) -> None:
    for name in ("", "x" * 10_000, "a\0b", "\ud800", "' OR 1=1 --"):
        with pytest.raises(NotSignedIn):
            people.sign_in(name, "y" * 10_000, address=ADDRESS)
    assert log.verify()[1] == ""


def test_guesses_are_limited_by_name(people: People, ada: Actor, clock: Clock) -> None:
    for number in range(limits.SIGN_IN_AS.most):
        with pytest.raises(NotSignedIn):
            people.sign_in("ada", "wrong", address=f"198.51.100.{number}")
    with pytest.raises(TooManyRequests) as refused:
        people.sign_in("ada", "wrong", address="198.51.100.200")
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 600
    for number in range(limits.SIGN_IN_AS.most):
        with pytest.raises(NotSignedIn):
            people.sign_in("nobody", "wrong", address=f"203.0.113.{number}")
    with pytest.raises(TooManyRequests):
        people.sign_in("nobody", "wrong", address=ADDRESS)
    # She herself, from where she was before, is not locked out.
    assert people.sign_in("ada", PASSWORD, address=ADDRESS)
    clock.forward(minutes=11)
    assert people.sign_in("ada", PASSWORD, address="198.51.100.200")


def test_refused_guesses_do_not_keep_the_door_shut(people: People, ada: Actor, clock: Clock) -> None:
    for _ in range(limits.SIGN_IN_AS.most):
        with pytest.raises(NotSignedIn):
            people.sign_in("ada", "wrong", address="198.51.100.1")
    for _ in range(5):
        clock.forward(minutes=1)
        with pytest.raises(TooManyRequests):
            people.sign_in("ada", "wrong", address="198.51.100.1")
    clock.forward(minutes=5.5)
    assert people.sign_in("ada", PASSWORD, address="198.51.100.2")


def test_guesses_are_limited_by_address(people: People, ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "verify", lambda _, password: password == PASSWORD)
    for number in range(limits.SIGN_IN_FROM_ADDRESS.most):
        with pytest.raises(NotSignedIn):
            people.sign_in(f"guess-{number}", "wrong", address=f"2001:db8::{number}")
    with pytest.raises(TooManyRequests):
        people.sign_in("ada", PASSWORD, address="2001:db8::ffff")
    assert people.sign_in("ada", PASSWORD, address="2001:db8:0:1::1")


def test_those_who_sign_in_are_not_counted(people: People, ada: Actor) -> None:
    for _ in range(limits.SIGN_IN_FROM_ADDRESS.most + 1):
        people.sign_in("ada", PASSWORD, address=ADDRESS)


def test_guesses_at_the_same_moment_do_not_slip_through(
    people: People, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    monkeypatch.setattr(passwords, "verify", lambda *_: checked.append(1))

    def guess(number: int) -> None:
        with pytest.raises((NotSignedIn, TooManyRequests)):
            people.sign_in("ada", "wrong", address=f"198.51.100.{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(guess, range(3 * limits.SIGN_IN_AS.most)))
    assert len(checked) == limits.SIGN_IN_AS.most


def test_a_session_ends_when_idle_and_when_old(people: People, ada: Actor, clock: Clock) -> None:
    secret = people.sign_in("ada", PASSWORD, address=ADDRESS)

    def valid() -> bool:
        return people.session(secret, address=ADDRESS, request_id="") is not None

    for _ in range(13):
        clock.forward(hours=11)
        assert valid()
    for _ in range(3):
        clock.forward(hours=11)
    assert not valid()
    idle = people.sign_in("ada", PASSWORD, address=ADDRESS)
    clock.forward(hours=12.1)
    assert people.session(idle, address=ADDRESS, request_id="") is None


def test_who_only_looks_is_let_in_though_nothing_can_be_written(
    people: People, ada: Actor, clock: Clock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_work: object) -> None:
        raise Unavailable("The disk is full.")

    session = people.sign_in("ada", PASSWORD, address=ADDRESS)
    _, token = people.new_token(ada, "ci", scopes=frozenset({"read"}), lifetime=None)
    clock.forward(hours=1)
    monkeypatch.setattr(database, "write", refuse)
    assert people.session(session, address=ADDRESS, request_id="") is not None
    assert people.token(token, address=ADDRESS, request_id="") is not None


def test_a_clock_that_is_set_back_locks_nobody_out(people: People, ada: Actor, clock: Clock) -> None:
    for _ in range(limits.SIGN_IN_AS.most):
        with pytest.raises(NotSignedIn):
            people.sign_in("ada", "wrong wrong wrong", address=ADDRESS)
    clock.forward(hours=-24)
    assert people.sign_in("ada", PASSWORD, address=ADDRESS)


def test_a_person_has_so_many_sessions_at_most(
    people: People, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_MOST", 3)
    made = [people.sign_in("ada", PASSWORD, address=ADDRESS) for _ in range(5)]
    valid = [people.session(secret, address=ADDRESS, request_id="") is not None for secret in made]
    assert valid == [False, False, True, True, True]


# Accounts


def test_operators_add_and_change_people(people: People, olga: Actor, ada: Actor) -> None:
    made = people.add(
        olga, "Bob", role="auditor", display_name="Bob B", email="b@example.com", teams=("blue", "Red")
    )
    assert (made.name, made.role, made.teams, made.issuer) == ("bob", "auditor", ("blue", "red"), "")
    assert [person.name for person in people.everybody(olga)] == ["ada", "bob", "olga"]
    assert [person.name for person in people.everybody(olga, search="B@EX")] == ["bob"]
    assert [person.name for person in people.everybody(olga, after="bob")] == ["olga"]
    assert people.everybody(olga, search="\0\ud800") == []
    changed = people.change(olga, "bob", role="user", teams=("green",))
    assert (changed.role, changed.teams) == ("user", ("green",))
    with pytest.raises(NameTaken):
        people.add(olga, "BOB", role="user")
    with pytest.raises(NotFound):
        people.change(olga, "nobody", role="user")


def test_two_operators_may_add_somebody_of_the_same_name_at_once(
    people: People, database: Database, olga: Actor
) -> None:
    with pytest.raises(NameTaken):
        meanwhile(
            database,
            "people",
            lambda: people.add(olga, "bob", role="user"),
            lambda: people.add(olga, "bob", role="auditor"),
        )
    assert [person.name for person in people.everybody(olga)] == ["bob", "olga"]


@pytest.mark.parametrize(
    ("name", "role", "teams"),
    [
        ("a b", "user", ()),
        ("", "user", ()),
        ("-a", "user", ()),
        ("x" * 65, "user", ()),
        ("a:b", "user", ()),
        ("server", "user", ()),
        ("bob", "root", ()),
        ("bob", "user", ("a b",)),
    ],
)
def test_what_an_account_cannot_be(people: People, olga: Actor, name: str, role: Any, teams: Any) -> None:
    with pytest.raises(Invalid):
        people.add(olga, name, role=role, teams=teams)


def test_users_may_not(people: People, olga: Actor, ada: Actor) -> None:
    people.add(olga, "audra", role="auditor", password=PASSWORD)
    audra = signed_in(people, people.sign_in("audra", PASSWORD, address=ADDRESS))
    assert people.everybody(audra)
    for actor in (ada, audra):
        with pytest.raises(Forbidden):
            people.add(actor, "eve", role="operator")
        with pytest.raises(Forbidden):
            people.change(actor, "ada", role="operator")
        with pytest.raises(Forbidden):
            people.set_password(actor, "olga", PASSWORD)
    with pytest.raises(Forbidden):
        people.everybody(ada)


def test_the_last_operator_stays(people: People, olga: Actor) -> None:
    for change in ({"role": "user"}, {"disabled": True}):
        with pytest.raises(Conflict):
            people.change(olga, "olga", **change)
    people.add(olga, "otto", role="operator")

    def leave(name: str) -> bool:
        try:
            people.change(olga, name, role="user")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, ("olga", "otto"))) == [False, True]


def test_disabling_ends_everything_at_once(people: People, olga: Actor, ada: Actor) -> None:
    session = people.sign_in("ada", PASSWORD, address=ADDRESS)
    _, token = people.new_token(ada, "ci", scopes=frozenset({"read"}), lifetime=None)
    assert people.token(token, address=ADDRESS, request_id="") is not None
    people.change(olga, "ada", disabled=True)
    assert people.session(session, address=ADDRESS, request_id="") is None
    assert people.token(token, address=ADDRESS, request_id="") is None
    people.change(olga, "ada", disabled=False)
    assert people.session(session, address=ADDRESS, request_id="") is None
    assert people.token(token, address=ADDRESS, request_id="") is None


def test_one_s_own_password_needs_the_current_one(people: People, ada: Actor) -> None:
    here = people.sign_in("ada", PASSWORD, address=ADDRESS)
    there = people.sign_in("ada", PASSWORD, address=ADDRESS)
    with pytest.raises(Invalid) as refused:
        people.set_password(ada, "ada", "another good password", current="wrong")
    assert refused.value.fields["errors"][0]["pointer"] == "/current"
    people.set_password(ada, "ada", "another good password", current=PASSWORD, session=here)
    assert people.session(here, address=ADDRESS, request_id="") is not None
    assert people.session(there, address=ADDRESS, request_id="") is None
    with pytest.raises(NotSignedIn):
        people.sign_in("ada", PASSWORD, address=ADDRESS)
    assert people.sign_in("ada", "another good password", address=ADDRESS)


def test_an_operator_sets_anybody_s_password(people: People, olga: Actor, ada: Actor) -> None:
    session = people.sign_in("ada", PASSWORD, address=ADDRESS)
    people.set_password(olga, "ada", "another good password")
    assert people.session(session, address=ADDRESS, request_id="") is None
    assert people.sign_in("ada", "another good password", address=ADDRESS)


# Tokens


def test_a_token_is_its_owner_with_fewer_rights(people: People, olga: Actor) -> None:
    token_id, secret = people.new_token(
        olga, "ci", scopes=frozenset({"read", "machines"}), lifetime=timedelta(days=1)
    )
    assert secret.startswith("dinv_")
    actor = people.token(secret, address=ADDRESS, request_id="r")
    assert actor is not None
    assert (actor.person.name, actor.via, actor.token_id) == ("olga", "token", token_id)
    assert not actor.is_operator
    (listed,) = people.tokens(olga)
    assert (listed["id"], listed["name"], listed["scopes"]) == (token_id, "ci", ["machines", "read"])
    assert secret not in str(listed)
    assert isinstance(listed["used_at"], datetime)
    assert abs(listed["used_at"] - datetime.now(UTC)) < timedelta(minutes=1)


def test_tokens_end(people: People, ada: Actor, olga: Actor, clock: Clock) -> None:
    def valid(secret: str) -> bool:
        return people.token(secret, address=ADDRESS, request_id="") is not None

    _, short = people.new_token(ada, "a", scopes=frozenset({"read"}), lifetime=timedelta(hours=1))
    revoked_id, revoked = people.new_token(ada, "b", scopes=frozenset({"read"}), lifetime=None)
    other_id, other = people.new_token(ada, "c", scopes=frozenset({"read"}), lifetime=None)
    assert all(map(valid, (short, revoked, other)))
    people.revoke_token(ada, revoked_id)
    assert not valid(revoked)
    with pytest.raises(NotFound):
        people.revoke_token(ada, revoked_id)
    people.revoke_token(olga, other_id)
    assert not valid(other)
    clock.forward(minutes=61)
    assert not valid(short)
    for nonsense in ("", "dinv_", "dinv_" + "x" * 300, short + "x", short.removeprefix("dinv_")):
        assert not valid(nonsense)


def test_tokens_are_one_s_own(people: People, ada: Actor, olga: Actor) -> None:
    token_id, _ = people.new_token(olga, "hers", scopes=frozenset({"read"}), lifetime=None)
    assert people.tokens(ada) == []
    with pytest.raises(NotFound):
        people.revoke_token(ada, token_id)


def test_a_token_that_was_found_makes_no_others(people: People, olga: Actor) -> None:
    token_id, secret = people.new_token(
        olga, "all", scopes=frozenset({"read", "machines", "operate"}), lifetime=None
    )
    actor = people.token(secret, address=ADDRESS, request_id="")
    assert actor is not None
    with pytest.raises(Forbidden):
        people.new_token(actor, "more", scopes=frozenset({"read"}), lifetime=None)
    with pytest.raises(Forbidden):
        people.set_password(actor, "olga", "another good password", current=PASSWORD)
    people.revoke_token(actor, token_id)
    assert people.token(secret, address=ADDRESS, request_id="") is None


@pytest.mark.parametrize(
    ("name", "scopes", "lifetime"),
    [
        ("", {"read"}, None),
        ("x" * 101, {"read"}, None),
        ("a", set(), None),
        ("a", {"root"}, None),
        ("a", {"read"}, timedelta(0)),
        ("a", {"read"}, timedelta(days=4000)),
    ],
)
def test_what_a_token_cannot_be(people: People, ada: Actor, name: str, scopes: Any, lifetime: Any) -> None:
    with pytest.raises(Invalid):
        people.new_token(ada, name, scopes=frozenset(scopes), lifetime=lifetime)


def test_users_make_no_tokens_of_operators(people: People, ada: Actor) -> None:
    with pytest.raises(Forbidden):
        people.new_token(ada, "a", scopes=frozenset({"operate"}), lifetime=None)


# What is kept


def test_no_secret_is_in_the_database(people: People, ada: Actor, olga: Actor, database: Database) -> None:
    session = people.sign_in("ada", PASSWORD, address=ADDRESS)
    _, token = people.new_token(ada, "ci", scopes=frozenset({"read"}), lifetime=None)
    begun = people.device_begin(address=ADDRESS)
    with pytest.raises(NotSignedIn):
        people.sign_in("hunter2-typed-as-a-name", "x", address=ADDRESS)
    kept = everything(database)
    secrets = (session, token, PASSWORD, str(begun["device_code"]), str(begun["user_code"]))
    assert [secret for secret in (*secrets, "hunter2") if secret in kept] == []


def test_what_is_over_is_swept(people: People, ada: Actor, clock: Clock, database: Database) -> None:
    def sweep_now() -> None:
        with database.read() as connection:
            now = database.now(connection)
        gone = [sa.delete(table).where(condition) for table, condition in over(now)]
        database.write(lambda connection: [connection.execute(each) for each in gone])

    people.device_begin(address=ADDRESS)
    people.new_token(ada, "ci", scopes=frozenset({"read"}), lifetime=timedelta(days=1))
    with pytest.raises(NotSignedIn):
        people.sign_in("ada", "wrong", address=ADDRESS)
    clock.forward(hours=2)
    sweep_now()
    assert people.tokens(ada)
    with database.read() as connection:
        kept = connection.execute(sa.select(schema.attempts.c.key)).scalars().all()
    assert {key.partition(" ")[0] for key in kept} == {"known"}
    clock.forward(days=100)
    sweep_now()
    with database.read() as connection:
        for table in (schema.sessions, schema.tokens, schema.attempts, schema.pending_sign_ins):
            assert connection.execute(sa.select(table)).all() == []
