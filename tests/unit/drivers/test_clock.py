"""A clock that is wrong is told apart from a certificate that has expired."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import aged
import pytest

from dinv.access import connect
from dinv.drivers import clock
from dinv.drivers.docker.driver import DockerDriver
from dinv.errors import CertificateError, EndpointTLSError, EndpointUnreachable, MachineUnusable
from dinv.lifecycle.renew import unattended
from dinv.pki.validity import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.lifecycle.host import Host
    from dinv.store.store import Store

DAY = 86400
_real = time.time


@pytest.fixture
def machine(store: Store) -> Host:
    return aged.machine(store)


def here(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """This computer's clock is so many seconds ahead."""
    monkeypatch.setattr(time, "time", lambda: _real() + seconds)


def there(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], str]) -> list[float]:
    """The endpoint says what time it is; returns how long it was given for each answer."""
    given: list[float] = []

    def system_time(_driver: DockerDriver, *, timeout: float) -> str:
        given.append(timeout)
        return answer()

    monkeypatch.setattr(DockerDriver, "system_time", system_time)
    return given


def right(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return there(monkeypatch, lambda: rfc3339(_real()).replace("Z", ".123456789Z"))


def wrong(host: Host, *, ask: bool = True, harmless: bool = False) -> str:
    return clock.wrong(host.driver, host.certificates, ask=ask, harmless=harmless)


def test_a_clock_before_the_certificates_asks_nobody(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = right(monkeypatch)
    here(monkeypatch, -400 * DAY)
    said = wrong(machine)
    assert said.startswith("the clock of this computer is wrong: it says 20")
    assert "certificate is valid from 20" in said
    assert said.endswith("so it is 399 days behind or more")
    assert asked == []


def test_a_clock_before_the_last_change(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    aged.age(machine, "client", "server", days=(-600, -1))
    path = os.path.join(machine.directory, "ca.pem")
    os.unlink(path)
    assert wrong(machine, ask=False) == ""
    here(monkeypatch, -2 * DAY)
    assert "the machine was last changed at 20" in wrong(machine, ask=False)


def test_one_that_is_ahead_is_found_by_the_endpoints(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = right(monkeypatch)
    here(monkeypatch, 1000 * DAY + 60)
    assert not machine.certificates.valid()
    assert wrong(machine, ask=False) == ""
    said = wrong(machine)
    assert said.startswith(
        "the clock of this computer is wrong: it is 1000 days ahead of the endpoint's, with 20"
    )
    assert asked == [clock.ASK_SECONDS]


def test_where_both_may_be_wrong_it_says_so(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, lambda: rfc3339(_real() - 9 * DAY - 60))
    assert wrong(machine).startswith(
        "the clock of this computer or the endpoint's is wrong: it is 9 days ahead of the endpoint's"
    )


def test_a_difference_that_makes_none_is_not_told(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, lambda: rfc3339(_real() + 9 * DAY))
    assert wrong(machine) == ""
    assert "9 days behind the endpoint's" in wrong(machine, harmless=True) or "8 days" in wrong(
        machine, harmless=True
    )
    there(monkeypatch, lambda: rfc3339(_real() + 200))
    assert wrong(machine, harmless=True) == ""


@pytest.mark.parametrize("said", ["", "yesterday", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00"])
def test_an_endpoint_without_a_time(machine: Host, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    there(monkeypatch, lambda: said)
    here(monkeypatch, 1000 * DAY)
    found = wrong(machine)
    assert found == "" or said.startswith("0001")


def test_an_endpoint_that_does_not_answer(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise EndpointUnreachable("unix:///x", "no such file")

    there(monkeypatch, gone)
    here(monkeypatch, 1000 * DAY)
    assert wrong(machine) == ""


def test_expiry_speaks_of_the_clock(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    right(monkeypatch)
    here(monkeypatch, 1000 * DAY)
    said = machine.expiry()
    assert said.startswith("the clock of this computer is wrong")
    assert "nothing has to be renewed" in said
    assert "regenerate-certs" not in said
    # `ls` has many machines, and asks no endpoint a second time.
    assert "expired on" in machine.about_expiry(machine.certificates, ask=False)
    here(monkeypatch, 0)
    assert machine.expiry() == ""
    aged.age(machine, "client", days=(-600, -1))
    assert "its client certificate expired on" in machine.expiry()


def test_config_speaks_of_the_clock(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    right(monkeypatch)

    def refuse(*_: object, **__: object) -> None:
        raise EndpointTLSError(machine.url, "its certificate has expired")

    monkeypatch.setattr("dinv.lifecycle.host.clients.engine", refuse)
    with pytest.raises(MachineUnusable, match="Make new ones: dinv regenerate-certs dev"):
        connect.check(machine)
    here(monkeypatch, 1000 * DAY)
    with pytest.raises(MachineUnusable, match="expired; the clock of this computer is wrong") as caught:
        connect.check(machine)
    assert "timedatectl" in str(caught.value)
    assert "regenerate-certs" not in str(caught.value)


def test_nothing_is_renewed_by_a_wrong_clock(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """New certificates would not be valid yet for everybody else."""
    right(monkeypatch)
    here(monkeypatch, 700 * DAY)
    before = machine.certificates
    for renew in (
        lambda: clock.check(machine.driver, machine.certificates),
        lambda: unattended.renew_if_due(machine.store, "dev"),
    ):
        with pytest.raises(CertificateError, match="days ahead of the endpoint's"):
            renew()
    assert machine.certificates == before
    here(monkeypatch, 0)
    clock.check(machine.driver, machine.certificates)
