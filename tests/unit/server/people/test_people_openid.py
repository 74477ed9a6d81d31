"""Signing in at a provider, and a provider that lies."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from known_people import ADDRESS, PASSWORD, signed_in
from meanwhile import meanwhile
from openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, others_key
from users import eventually

from dinv.server.audit import Audit
from dinv.server.database import schema
from dinv.server.paths import local_path
from dinv.server.people import limits
from dinv.server.people.openid import provider as provider_module
from dinv.server.people.service import People
from dinv.server.problems import Conflict, NameTaken, NotFound, NotSignedIn, TooManyRequests, Unavailable
from dinv.server.settings import OpenIdProvider, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from known_people import Clock

    from dinv.server.database.database import Database
    from dinv.server.models import Actor


ONCE = pytest.mark.parametrize("new_database_url", ["sqlite"], indirect=True)
"""For what never gets as far as the database's own ways."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def with_provider(database: Database, provider: Provider, tmp_path: Path, **more: Any) -> People:
    given = {"client_secret": CLIENT_SECRET, "issuer": provider.issuer, **more}
    known = OpenIdProvider(name="Example", client_id=CLIENT_ID, **given)
    settings = Settings(str(tmp_path), public_url="https://dinv.example.com", provider=known)
    return People(database, Audit(database), settings)


@pytest.fixture
def people(database: Database, provider: Provider, tmp_path: Path) -> People:
    return with_provider(database, provider, tmp_path)


def enter(people: People, provider: Provider, path: str = "/") -> Actor:
    """Whoever has gone the whole way."""
    url, cookie = people.provider_url(next=path)
    session, where = people.provider_answer(provider.sign_in(url), cookie, address=ADDRESS)
    assert where == path
    return signed_in(people, session)


def changed(right: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    """The right claims with others in their places; times are from now, and None is without."""
    now = int(time.time())
    found = {**right, **claims}
    for name in {"exp", "iat", "nbf"} & set(claims):
        if isinstance(found[name], int):
            found[name] += now
    return {name: value for name, value in found.items() if value is not None}


def refused(people: People, provider: Provider) -> str:
    with pytest.raises((NotSignedIn, Unavailable)) as caught:
        enter(people, provider)
    return str(caught.value)


def test_a_person_signs_in_at_the_provider(people: People, provider: Provider, log: Audit) -> None:
    actor = enter(people, provider, "/machines/abc")
    person = actor.person
    assert (person.name, person.display_name, person.email) == ("jane.doe", "Jane Doe", "jane@example.com")
    assert (person.role, person.teams, person.issuer) == ("user", ("blue", "red"), provider.issuer)
    entry = log.entries()[0]
    assert (entry.actor, entry.action, entry.detail) == (
        "jane.doe",
        "sign-in",
        {"way": "provider", "new": True, "role": "user"},
    )
    assert enter(people, provider).person.id == person.id


def test_a_person_is_who_the_provider_says_and_not_a_name_or_an_address(
    people: People, provider: Provider
) -> None:
    first = enter(people, provider)
    provider.claims["sub"] = "another"
    second = enter(people, provider)
    assert second.person.id != first.person.id
    assert (second.person.name, second.person.email) == ("jane.doe-2", first.person.email)
    provider.claims |= {"sub": "24400320", "preferred_username": "renamed", "email": "new@example.com"}
    again = enter(people, provider)
    assert (again.person.id, again.person.name) == (first.person.id, "jane.doe")
    assert again.person.email == "new@example.com"


def test_a_local_account_of_the_same_name_is_somebody_else(people: People, provider: Provider) -> None:
    secret = people.first_link().removeprefix("/first/")
    olga = signed_in(people, people.use_first_link(secret, "jane.doe", PASSWORD, address=ADDRESS))
    actor = enter(people, provider)
    assert (actor.person.name, actor.person.role) == ("jane.doe-2", "user")
    with pytest.raises(Conflict, match="signs in at"):
        people.set_password(olga, "jane.doe-2", PASSWORD)
    with pytest.raises(NotSignedIn):
        people.sign_in("jane.doe-2", "", address=ADDRESS)


def test_teams_follow_groups_and_what_operators_say_stays(people: People, provider: Provider) -> None:
    secret = people.first_link().removeprefix("/first/")
    olga = signed_in(people, people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS))
    name = enter(people, provider).person.name
    people.change(olga, name, teams=("red", "extra"))
    provider.claims["groups"] = ["green"]
    assert enter(people, provider).person.teams == ("extra", "green", "red")
    del provider.claims["groups"]
    assert enter(people, provider).person.teams == ("extra", "red")


def test_an_operator_may_add_somebody_of_the_same_name_meanwhile(
    people: People, database: Database, provider: Provider
) -> None:
    secret = people.first_link().removeprefix("/first/")
    olga = signed_in(people, people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS))
    with pytest.raises(NameTaken):
        meanwhile(
            database,
            "people",
            lambda: enter(people, provider),
            lambda: people.add(olga, "jane.doe", role="user"),
        )
    assert [person.name for person in people.everybody(olga)] == ["jane.doe", "olga"]


def test_an_operator_may_change_somebodys_teams_meanwhile(
    people: People, database: Database, provider: Provider
) -> None:
    secret = people.first_link().removeprefix("/first/")
    olga = signed_in(people, people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS))
    people.add(olga, "ada", role="user", teams=("green",))
    provider.claims["groups"] = []
    name = enter(people, provider).person.name
    provider.claims["groups"] = ["green"]
    meanwhile(
        database,
        "members",
        lambda: people.change(olga, name, teams=("green",)),
        lambda: enter(people, provider),
    )
    assert {person.name: person.teams for person in people.everybody(olga)}[name] == ("green",)


def test_groups_are_mapped(database: Database, provider: Provider, tmp_path: Path) -> None:
    people = with_provider(
        database,
        provider,
        tmp_path,
        groups_claim="realm_access.roles",
        group_prefix="dinv-",
        allowed_groups=("staff",),
        operator_groups=("dinv-ops",),
        auditor_groups=("dinv-audit",),
    )
    roles = {"dinv-ops": "operator", "dinv-audit": "auditor", "dinv-red": "user"}
    for group, role in roles.items():
        provider.claims["realm_access"] = {"roles": ["staff", group, 7, "dinv-A b!"]}
        person = enter(people, provider).person
        assert (person.role, person.teams) == (role, tuple(sorted(("a-b", group.removeprefix("dinv-")))))
    provider.claims["realm_access"] = {"roles": ["dinv-ops"]}
    assert "none of the groups" in refused(people, provider)
    provider.claims["realm_access"] = "nonsense"
    assert "none of the groups" in refused(people, provider)


@ONCE
def test_domains_are_of_verified_addresses(database: Database, provider: Provider, tmp_path: Path) -> None:
    people = with_provider(database, provider, tmp_path, allowed_domains=("Example.com",))
    enter(people, provider)
    for claims in ({"email_verified": False}, {"email": "jane@example.com.evil.example"}, {"email": 7}):
        provider.claims |= {"email": "jane@example.com", "email_verified": True, **claims}
        assert "e-mail address" in refused(people, provider)


def test_somebody_who_is_disabled_here_stays_out(people: People, provider: Provider) -> None:
    secret = people.first_link().removeprefix("/first/")
    olga = signed_in(people, people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS))
    people.change(olga, enter(people, provider).person.name, disabled=True)
    assert "disabled" in refused(people, provider)


def test_what_the_id_token_does_not_say_is_asked_for(people: People, provider: Provider) -> None:
    groups = provider.claims.pop("groups")
    provider.userinfo = {"sub": "24400320", "groups": groups, "email": "other@example.com"}
    person = enter(people, provider).person
    assert (person.teams, person.email) == (("blue", "red"), "jane@example.com")
    provider.userinfo["sub"] = "somebody else"
    assert "two different people" in refused(people, provider)


@ONCE
@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"], None])
def test_the_client_shows_its_secret_as_the_provider_wants(
    people: People, provider: Provider, methods: list[str] | None
) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = methods
    enter(people, provider)


@ONCE
def test_a_wrong_client_secret_is_the_operators_business(
    database: Database, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = with_provider(database, provider, tmp_path, client_secret="wrong")
    assert "client_id and secret" in refused(people, provider)
    (said,) = caplog.messages
    assert "client_id and secret" in said
    assert "wrong" not in said


# Keys


@ONCE
def test_new_keys_are_fetched(people: People, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(people, provider)
    enter(people, provider)
    assert provider.asked.count("/keys") == 1
    monkeypatch.setattr(provider_module, "_KEYS_AT_MOST_EVERY", 0)
    provider.rotate()
    enter(people, provider)
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


@ONCE
def test_unknown_keys_are_not_looked_for_all_the_time(people: People, provider: Provider) -> None:
    enter(people, provider)
    provider.token = lambda self, claims: self.signed(claims, others_key(), kid="never published")
    for _ in range(5):
        assert "cannot be believed" in refused(people, provider)
    assert provider.asked.count("/keys") == 1


# Lies


def _unsigned(claims: dict[str, Any]) -> str:
    return ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."


def _by_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    """HMAC, with the text of the public key as the key: a known way to fool a library."""
    signed = ".".join(
        _encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "one"}, claims)
    )
    public = provider.key.as_pem(private=False)  # type: ignore[union-attr]
    return f"{signed}.{_encoded(hmac.digest(public, signed.encode(), 'sha256'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _cut(provider: Provider, claims: dict[str, Any]) -> str:
    return provider.signed(claims).rpartition(".")[0] + "."


def _other_claims(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.signed(claims).split(".")
    body = _encoded(json.dumps({**claims, "sub": "eve"}).encode())
    return f"{head}.{body}.{signature}"


@ONCE
@pytest.mark.parametrize(
    "make",
    [
        lambda _, claims: _unsigned(claims),
        _by_public_key,
        _cut,
        _other_claims,
        lambda self, claims: self.signed(claims, others_key()),
        lambda *_: "",
        lambda *_: "a.b.c",
        lambda *_: "x" * 100_000,
        lambda *_: 7,
        lambda *_: None,
    ],
)
def test_a_token_that_it_did_not_sign(
    people: People, provider: Provider, make: Callable[[Provider, dict[str, Any]], Any]
) -> None:
    provider.token = make
    assert "cannot be believed" in refused(people, provider)


@ONCE
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": -120},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": 3600},
        {"iat": -3600},
        {"iat": None},
        {"nbf": 3600},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "of another access token"},
    ],
)
def test_a_token_that_says_something_else(
    people: People, provider: Provider, claims: dict[str, Any], database: Database
) -> None:
    provider.change = lambda right: changed(right, claims)
    assert "cannot be believed" in refused(people, provider)
    with database.read() as connection:
        assert connection.execute(sa.select(schema.people)).all() == []


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -30},
        {"iat": 30},
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
        {"preferred_username": "\u202e<script>", "name": "\u202eevil\x00", "email": "\0@\0"},
        {"preferred_username": ["x"], "name": {"a": 1}, "groups": {"a": 1}, "email": None},
        {"preferred_username": "x" * 500, "name": "x" * 5000, "groups": ["x" * 100] * 200},
    ],
)
def test_clocks_differ_a_little_and_claims_have_odd_shapes(
    people: People, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.change = lambda right: changed(right, claims)
    actor = enter(people, provider)
    assert actor.person.name
    assert actor.person.display_name.isprintable()


@ONCE
@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (("/token", "redirect"), "with 302"),
        (("/token", "500"), "with 500"),
        (("/token", "huge"), "sent more than"),
        (("/token", "gzip"), "packed answers"),
        (("/token", "text"), "not a JSON object"),
        (("/token", "list"), "not a JSON object"),
        (("/token", "deep"), "not a JSON object"),
        (("/token", "silent"), "did not answer"),
        (("/keys", "redirect"), "with 302"),
        (("/keys", "huge"), "sent more than"),
        (("/userinfo", "500"), "with 500"),
        (("/.well-known/openid-configuration", "redirect"), "with 302"),
        (("/.well-known/openid-configuration", "silent"), "did not answer"),
    ],
)
def test_a_provider_that_misbehaves(
    people: People,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    lie: tuple[str, str],
    words: str,
) -> None:
    path, how = lie
    if how == "silent":
        monkeypatch.setattr(provider_module, "SECONDS", 0.4)
    provider.claims.pop("name")
    provider.misbehave[path] = how
    assert words in refused(people, provider)
    assert "/elsewhere" not in provider.asked


@ONCE
def test_a_provider_that_is_silent_is_not_waited_for_by_everybody(
    people: People, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.misbehave["/.well-known/openid-configuration"] = "silent"
    monkeypatch.setattr(provider_module, "_AFTER_FAILURE", 60)
    with monkeypatch.context() as hasty:
        hasty.setattr(provider_module, "SECONDS", 0.4)
        for _ in range(3):
            refused(people, provider)
    eventually(lambda: bool(provider.asked))
    assert len(provider.asked) == 1
    provider.released.set()
    provider.misbehave.clear()
    monkeypatch.setattr(provider_module, "_AFTER_FAILURE", 0)
    assert people._provider is not None
    people._provider._http().timeout = provider_module.SECONDS / 2
    enter(people, provider)


@ONCE
@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
def test_metadata_that_cannot_be_right(people: People, provider: Provider, metadata: dict[str, Any]) -> None:
    provider.metadata |= metadata
    with pytest.raises(Unavailable):
        people.provider_url(next="/")


@ONCE
def test_a_provider_that_allows_only_weak_signatures_is_not_believed(
    people: People, provider: Provider
) -> None:
    provider.metadata["id_token_signing_alg_values_supported"] = ["none", "HS256"]
    assert "cannot be believed" in refused(people, provider)


# The answer


def test_an_answer_is_good_once(people: People, provider: Provider) -> None:
    url, cookie = people.provider_url(next="/")
    answer = provider.sign_in(url)
    assert people.provider_answer(answer, cookie, address=ADDRESS)
    with pytest.raises(NotSignedIn, match="ended already"):
        people.provider_answer(answer, cookie, address=ADDRESS)


def test_an_answer_is_for_the_browser_that_asked(people: People, provider: Provider) -> None:
    url, _ = people.provider_url(next="/")
    _, other = people.provider_url(next="/")
    for cookie in ("", other, "x" * 43):
        answer = provider.sign_in(url)
        with pytest.raises(NotSignedIn):
            people.provider_answer(answer, cookie, address=ADDRESS)
        url, _ = people.provider_url(next="/")


def test_a_code_of_another_sign_in_is_of_no_use(people: People, provider: Provider) -> None:
    """Somebody's code, put into the answer that a victim's browser, or the attacker's own, is sent."""
    victims, _ = people.provider_url(next="/")
    mine, cookie = people.provider_url(next="/")
    answer = {"code": provider.sign_in(victims)["code"], "state": provider.sign_in(mine)["state"]}
    with pytest.raises(NotSignedIn, match="does not know the code"):
        people.provider_answer(answer, cookie, address=ADDRESS)


def test_an_answer_that_comes_late(people: People, provider: Provider, clock: Clock) -> None:
    url, cookie = people.provider_url(next="/")
    clock.forward(minutes=11)
    with pytest.raises(NotSignedIn, match="ten minutes"):
        people.provider_answer(provider.sign_in(url), cookie, address=ADDRESS)


@ONCE
@pytest.mark.parametrize(
    "answer",
    [
        {"error": "access_denied", "error_description": "<script>"},
        {"error": "<script>"},
        {"code": ""},
        {"code": "x" * 5000},
        {"code": "unknown"},
        {"iss": "https://evil.example"},
    ],
)
def test_answers_that_are_none(
    people: People, provider: Provider, answer: dict[str, str], log: Audit
) -> None:
    url, cookie = people.provider_url(next="/")
    with pytest.raises(NotSignedIn) as caught:
        people.provider_answer({**provider.sign_in(url), **answer}, cookie, address=ADDRESS)
    assert "script" not in str(caught.value)
    assert log.entries()[0].result == "not-signed-in"


def test_who_answers_has_to_be_said_where_the_provider_promises_to(
    people: People, provider: Provider
) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    assert "another provider" in refused(people, provider)
    url, cookie = people.provider_url(next="/")
    answer = {**provider.sign_in(url), "iss": provider.issuer}
    assert people.provider_answer(answer, cookie, address=ADDRESS)


def test_answers_are_limited_by_address(people: People, provider: Provider) -> None:
    for _ in range(limits.PROVIDER_FROM_ADDRESS.most):
        with pytest.raises(NotSignedIn):
            people.provider_answer({"state": "x"}, "y", address=ADDRESS)
    with pytest.raises(TooManyRequests):
        people.provider_answer({"state": "x"}, "y", address=ADDRESS)


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "\\/evil.example", "evil", ""),
        *("/\tevil", "/a\nb", "/é", "/" + "x" * 2000, "javascript:alert(1)"),
    ],
)
def test_nobody_is_sent_elsewhere(path: str) -> None:
    assert local_path(path) == "/"


def test_without_a_provider_there_is_none(database: Database, tmp_path: Path) -> None:
    people = People(database, Audit(database), Settings(str(tmp_path)))
    with pytest.raises(NotFound):
        people.provider_url(next="/")


def test_no_secret_of_a_sign_in_is_in_the_database(
    people: People, provider: Provider, database: Database
) -> None:
    url, cookie = people.provider_url(next="/")
    state = provider.sign_in(url)["state"]
    with database.read() as connection:
        kept = repr(connection.execute(sa.select(schema.pending_sign_ins)).all())
    assert cookie not in kept
    assert state not in kept
    assert cookie not in url
