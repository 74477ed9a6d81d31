"""The device flow: a program asks, a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from known_people import ADDRESS, Clock

from dinv.server.models import Scope
from dinv.server.people import device, limits
from dinv.server.problems import Forbidden, Invalid, NotFound, NotSignedIn, TooManyRequests

if TYPE_CHECKING:
    from dinv.server.audit import Audit
    from dinv.server.models import Actor
    from dinv.server.people.service import People


def begin(people: People, *scopes: Scope) -> tuple[str, str]:
    found = people.device_begin(address="198.51.100.7", scopes=frozenset(scopes or ("read", "machines")))
    assert (found["expires_in"], found["interval"]) == (600, 5)
    return str(found["device_code"]), str(found["user_code"])


def test_a_program_gets_a_token_when_a_person_allows_it(
    people: People, ada: Actor, log: Audit, clock: Clock
) -> None:
    device_code, user_code = begin(people)
    assert people.device_poll(device_code, address=ADDRESS) is None
    typed = f" {user_code.lower().replace('-', ' ')} "
    assert people.device_show(ada, typed) == {"address": "198.51.100.7", "scopes": ["machines", "read"]}
    people.device_decide(ada, typed, allow=True)
    token = people.device_poll(device_code, address=ADDRESS)
    assert token is not None
    actor = people.token(token, address=ADDRESS, request_id="")
    assert actor is not None
    assert (actor.person.name, actor.scopes) == ("ada", frozenset({"read", "machines"}))
    with pytest.raises(NotSignedIn) as refused:
        people.device_poll(device_code, address=ADDRESS)
    assert refused.value.fields["error"] == "expired_token"
    with pytest.raises(NotFound):
        people.device_decide(ada, user_code, allow=False)
    assert [entry.action for entry in log.entries(limit=2)] == ["token.create", "device.allow"]
    clock.forward(days=91)
    assert people.token(token, address=ADDRESS, request_id="") is None


def test_a_person_refuses(people: People, ada: Actor) -> None:
    device_code, user_code = begin(people)
    people.device_decide(ada, user_code, allow=False)
    with pytest.raises(NotSignedIn) as refused:
        people.device_poll(device_code, address=ADDRESS)
    assert refused.value.fields["error"] == "access_denied"


def test_a_code_ends(people: People, ada: Actor, clock: Clock) -> None:
    device_code, user_code = begin(people)
    clock.forward(minutes=10.1)
    with pytest.raises(NotFound):
        people.device_decide(ada, user_code, allow=True)
    with pytest.raises(NotSignedIn) as refused:
        people.device_poll(device_code, address=ADDRESS)
    assert refused.value.fields["error"] == "expired_token"


def test_who_asks_too_often_is_told_so(people: People, clock: Clock, olga: Actor) -> None:
    clock.stop()
    device_code, _ = begin(people)
    assert people.device_poll(device_code, address=ADDRESS) is None
    with pytest.raises(TooManyRequests) as refused:
        people.device_poll(device_code, address=ADDRESS)
    assert (refused.value.fields["error"], refused.value.retry_after) == ("slow_down", 5)
    clock.forward(seconds=5)
    assert people.device_poll(device_code, address=ADDRESS) is None


def test_operating_is_for_operators(people: People, ada: Actor, olga: Actor) -> None:
    for actor, scopes in ((ada, {"read"}), (olga, {"read", "operate"})):
        device_code, user_code = begin(people, "read", "operate")
        people.device_decide(actor, user_code, allow=True)
        token = people.device_poll(device_code, address=ADDRESS)
        found = people.token(token or "", address=ADDRESS, request_id="")
        assert found is not None
        assert found.scopes == scopes


def test_a_person_who_was_disabled_meanwhile_gets_no_token(people: People, ada: Actor, olga: Actor) -> None:
    device_code, user_code = begin(people)
    people.device_decide(ada, user_code, allow=True)
    people.change(olga, "ada", disabled=True)
    with pytest.raises(NotSignedIn):
        people.device_poll(device_code, address=ADDRESS)


def test_codes_cannot_be_guessed_for_long(people: People, ada: Actor) -> None:
    for _ in range(limits.DEVICE_CODES_OF.most):
        with pytest.raises(NotFound):
            people.device_decide(ada, "BBBB-BBBB", allow=True)
    _, user_code = begin(people)
    for call in (people.device_show, lambda *given: people.device_decide(*given, allow=True)):
        with pytest.raises(TooManyRequests):
            call(ada, user_code)


def test_programs_that_begin_are_limited(
    people: People, olga: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_MOST", 3)
    for _ in range(3):
        begin(people)
    with pytest.raises(TooManyRequests):
        begin(people)


def test_a_token_allows_no_programs_and_nonsense_is_not_asked_for(people: People, ada: Actor) -> None:
    _, secret = people.new_token(ada, "t", scopes=frozenset({"read"}), lifetime=None)
    actor = people.token(secret, address=ADDRESS, request_id="")
    assert actor is not None
    _, user_code = begin(people)
    with pytest.raises(Forbidden):
        people.device_decide(actor, user_code, allow=True)
    with pytest.raises(Invalid):
        people.device_begin(address=ADDRESS, scopes=frozenset({"root"}))  # type: ignore[arg-type]
    for nonsense in ("", "x" * 10_000, "\0"):
        with pytest.raises(NotFound):
            people.device_show(ada, nonsense)
        with pytest.raises(NotSignedIn):
            people.device_poll(nonsense, address=ADDRESS)
