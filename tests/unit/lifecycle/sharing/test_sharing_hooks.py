"""What hooks hear of shares and revocations, and what they can refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hook_files import put, record_all, recorded

from dinv import hooks
from dinv import open as open_store
from dinv.errors import HookRefused
from dinv.states import STOPPED
from dinv.store import access_log
from kills import Killed

if TYPE_CHECKING:
    from fake_driver import World

    from dinv.machine import Machine
    from dinv.store.store import Store


def test_they_hear_of_a_share(machine: Machine, store: Store) -> None:
    record_all(store)
    share = machine.share("alice", lifetime="8h")
    told = recorded(store)
    assert [each["event"] for each in told] == ["pre-share", "pre-issue", "issued", "shared"]
    assert told[0]["facts"] == {"holder": "alice", "lifetime": 8 * 3600}
    assert told[1]["facts"]["holder"] == "alice"
    assert told[3]["facts"] == {"holder": "alice", "serial": share.serial, "not_after": share.not_after}


@pytest.mark.parametrize("stopped", [False, True])
def test_they_hear_of_a_revocation(machine: Machine, store: Store, world: World, *, stopped: bool) -> None:
    share = machine.share("alice")
    if stopped:
        world.states["dev"] = STOPPED
    record_all(store)
    machine.revoke("alice")
    told = recorded(store)
    assert [each["event"] for each in told] == ["pre-revoke", "revoked"]
    assert all(each["facts"] == {"holder": "alice", "serials": [share.serial]} for each in told)


@pytest.mark.parametrize("place", ["state", "provision", "activate certificates", "revoked"])
@pytest.mark.parametrize("verb", ["revoke", "start", "restart"])
def test_after_a_kill_they_hear_of_it_once(
    machine: Machine, store: Store, world: World, *, place: str, verb: str
) -> None:
    alices, bobs = machine.share("alice"), machine.share("bob")
    record_all(store)

    def kill(step: str, *_: object, **__: object) -> None:
        if step == place:
            raise Killed

    world.at = kill
    with pytest.MonkeyPatch.context() as patch:
        if place == "revoked":
            patch.setattr(hooks, "tell", lambda _store, event, *_: kill(event))
        with pytest.raises(Killed):
            machine.revoke("alice")
    world.at = lambda _step: None
    assert "revoked" not in [each["event"] for each in recorded(store)]
    again = open_store(store.path).get("dev")
    if verb == "revoke":
        again.revoke("bob")
    else:
        getattr(again, verb)()
    again.restart()
    told = [each["facts"] for each in recorded(store) if each["event"] == "revoked"]
    assert told.pop(0) == {"holder": "alice", "serials": [alices.serial]}
    assert told == ([{"holder": "bob", "serials": [bobs.serial]}] if verb == "revoke" else [])


def test_they_hear_nothing_of_one_that_was_not_recorded(machine: Machine, store: Store) -> None:
    machine.share("alice")
    record_all(store)

    def kill(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_log, "append", kill)
        with pytest.raises(Killed):
            machine.revoke("alice")
    assert store.load("dev").untold
    again = open_store(store.path).get("dev")
    again.restart()
    assert "revoked" not in [each["event"] for each in recorded(store)]
    assert not store.load("dev").untold


@pytest.mark.parametrize("event", ["pre-share", "pre-issue"])
def test_a_share_can_be_refused(machine: Machine, store: Store, event: str) -> None:
    before = machine.access_log()
    put(store, event, "echo not to her; exit 1")
    with pytest.raises(HookRefused, match="not to her"):
        machine.share("alice")
    assert machine.access_log() == before


def test_a_revocation_can_be_refused(machine: Machine, store: Store) -> None:
    machine.share("alice")
    put(store, "pre-revoke", "exit 1")
    with pytest.raises(HookRefused):
        machine.revoke("alice")
    assert access_log.revoked(machine.access_log()) == []
    assert not store.load("dev").revoking
