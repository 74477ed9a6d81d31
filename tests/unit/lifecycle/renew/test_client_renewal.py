"""A new pair for the user alone, which the machine does not notice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import aged
import pytest
from hook_files import put, record_all, recorded

from dinv.endpoints import contexts
from dinv.errors import CertificateError, EndpointUnreachable, HookRefused, StoreNotWritable
from dinv.lifecycle.host import Host, issuance
from dinv.lifecycle.host import context as docker_context
from dinv.lifecycle.renew import client as module
from dinv.lifecycle.renew import unattended
from dinv.lifecycle.renew.client import renew_client
from dinv.pki.certificates import check_chain
from dinv.progress import Progress
from dinv.store import access_log
from dinv.system import files
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import TLSFiles
    from dinv.store.store import Store

DUE = (-600, 100)


@pytest.fixture
def machine(store: Store) -> Host:
    host = aged.machine(store, Context="dev", CertLifetime=3 * 86400)
    aged.age(host, "client", days=DUE)
    docker_context.put(host.config)
    return host


def answers(monkeypatch: pytest.MonkeyPatch, say: Callable[[str], str]) -> list[str]:
    """Let the machine answer a client; `say` gets its certificate. Returns those that were tried."""
    seen = []

    def refusal(_url: str, files: TLSFiles) -> str:
        assert files.cert is not None
        with open(files.cert, encoding="ascii") as file:
            content = file.read()
        seen.append(content)
        return say(content)

    monkeypatch.setattr(module, "refusal", refusal)
    return seen


def content(host: Host) -> dict[str, bytes]:
    found = {}
    for name in sorted(os.listdir(host.directory)):
        if name.endswith(".pem"):
            with open(os.path.join(host.directory, name), "rb") as file:
                found[name] = file.read()
    return found


def check(host: Host) -> None:
    """The client's pair in the store and in the context works with the machine's CA."""
    now = content(host)
    check_chain(
        now["cert.pem"],
        key_pem=now["key.pem"],
        anchor_pem=now["ca.pem"],
        role="client",
        names=(),
        strict=False,  # the old pair of these tests has no more than it needs
    )
    context = contexts.read("dev")
    assert context is not None
    for path, name in ((context.cert, "cert.pem"), (context.key, "key.pem")):
        with open(str(path), "rb") as file:
            assert file.read() == now[name]


def test_the_pair_is_new_and_nothing_else(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = content(machine), answers(monkeypatch, lambda _: "")
    assert unattended.renew_if_due(machine.store, "dev")
    after = content(machine)
    assert {name for name in after if after[name] != before[name]} == {"cert.pem", "key.pem"}
    assert seen == [after["cert.pem"].decode()]
    check(machine)
    client = machine.certificates.client
    assert client is not None
    assert abs(client.life - 3 * 86400) < 600, "as long as its record says"
    records, _ = access_log.read(machine.directory)
    assert [(record.role, record.serial) for record in records] == [("client", client.serial)]
    assert {one.serial for one in issuance.in_use(machine.directory)} >= {client.serial}
    assert not [name for name in os.listdir(machine.directory) if name.endswith(".dinv-tmp")]
    # Not due any more: the next one has nothing to do.
    assert not unattended.renew_if_due(machine.store, "dev")
    assert content(machine) == after


def test_one_that_is_stopped_is_not_waited_for(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_content: str) -> str:
        raise EndpointUnreachable("tcp://127.0.0.1:1", "connection refused")

    answers(monkeypatch, unreachable)
    unattended.renew_if_due(machine.store, "dev")
    check(machine)


def test_a_pair_that_the_machine_refuses_is_thrown_away(
    machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This computer's clock is ahead: for the machine it is not valid yet."""
    before = content(machine)
    old = before["cert.pem"].decode()
    answers(monkeypatch, lambda content: "" if content == old else "not valid yet")
    with pytest.raises(CertificateError, match=r"refuses the new client certificate.*not valid yet.*clocks"):
        unattended.renew_if_due(machine.store, "dev")
    assert content(machine) == before
    assert not [name for name in os.listdir(machine.directory) if name.endswith(".dinv-tmp")]


def test_a_machine_that_refuses_both_gets_the_new_one(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own certificate has expired, say: that is not the client's fault."""
    answers(monkeypatch, lambda _: "its certificate has expired")
    unattended.renew_if_due(machine.store, "dev")
    check(machine)


def test_a_ca_that_the_machine_does_not_know_is_told(machine: Host, store: Store) -> None:
    other = aged.machine(store, "other")
    before = content(machine)
    for name in ("ca.pem", "ca-key.pem"):
        with open(os.path.join(other.directory, name), "rb") as source:
            before[name] = source.read()
    authority = other.authority()
    authority.machine = "dev"
    with pytest.MonkeyPatch.context() as patch, store.lock("dev", "testing"):
        patch.setattr(Host, "authority", lambda _host: authority)
        with pytest.raises(CertificateError, match="cannot be used") as caught:
            renew_client(machine, Progress())
    assert "dinv regenerate-certs dev" in caught.value.__notes__[0]


def test_a_full_disk_changes_nothing(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(machine)

    def full(_directory: str, _files: object) -> None:
        raise OSError(28, "No space left on device", "key.pem")

    monkeypatch.setattr(files, "stage_set", full)
    with pytest.raises(StoreNotWritable, match="No space left"):
        unattended.renew_if_due(machine.store, "dev")
    assert content(machine) == before


def test_killed_at_any_moment_the_next_command_has_a_whole_pair(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    answers(monkeypatch, lambda _: "")
    number, old, new = -1, 0, 0
    while True:
        number += 1
        before = content(machine)
        try:
            with killed_at_change(number):
                unattended.renew_if_due(store, "dev")
        except Killed:
            Host(store.load("dev"), store).environment()
            check(machine)
            if content(machine) == before:
                old += 1
            else:
                new += 1
                aged.age(machine, "client", days=DUE)
        else:
            break
    assert old > 3
    assert new > 1
    check(machine)
    assert not [name for name in os.listdir(machine.directory) if name.startswith(".") and name != ".lock"]


def test_hooks_are_asked_first_and_told_at_the_end(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, lambda _: "")
    record_all(store)
    with store.lock("dev", "testing"):
        renew_client(machine, Progress())
    told = recorded(store)
    assert [each["event"] for each in told] == ["pre-issue", "issued", "renewed"]
    assert told[0]["facts"]["lifetime"] == 3 * 86400
    before = content(machine)
    put(store, "pre-issue", "exit 1")
    with store.lock("dev", "testing"), pytest.raises(HookRefused):
        renew_client(machine, Progress())
    assert content(machine) == before
