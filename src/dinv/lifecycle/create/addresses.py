"""A machine's address at its first start: another one if its own is taken, and certificates to match."""

from __future__ import annotations

from dinv.background import Background
from dinv.lifecycle.host import certificates
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

ADDRESSES_TO_TRY = 8
ADDRESS_CHANGES = 3
SHOW_SECONDS = 0.1
"""Seconds between updates of progress while a call takes long."""


def start(machine: Host, progress: Progress, *, timeout: float) -> None:
    """Start it; on a VCH the call lasts until a VM has booted. Raises AddressTaken."""
    with progress.working("Machine", f"starting {machine.name}"):
        call = Background(lambda: machine.driver.start(timeout=timeout), "start")
        while not call.done(SHOW_SECONDS):
            progress.update("")
        call.result()


def start_at_some_address(
    machine: Host, progress: Progress, *, timeout: float, moved: Callable[[], None]
) -> None:
    """Start it; if its port or address has been taken in the meantime, try the next one.

    `moved` is called before each further try, and recreates the container. Raises PreCreateCheckFailed.
    """
    from dinv.drivers import AddressTaken
    from dinv.errors import PreCreateCheckFailed

    for _ in range(ADDRESSES_TO_TRY):
        try:
            start(machine, progress, timeout=timeout)
        except AddressTaken:
            moved()
        else:
            return
    raise PreCreateCheckFailed(
        f"{ADDRESSES_TO_TRY} addresses in a row were taken on the endpoint. Choose one with "
        + option("publish")
        + "."
    )


def learn(machine: Host, progress: Progress) -> None:
    """Give it certificates for the address that it got by being started.

    An image that cannot wait for them has started with those for the names that were already known.
    """
    machine.driver.refresh_address()
    certificates.issue(machine, progress=progress)
    machine.provisioner.provision()
    if not machine.contract.waits_for_certificates:
        # If that takes a restart, it may come back at another address.
        machine.provisioner.activate_certificates(starting=True)
        follow(machine, progress)


def follow(machine: Host, progress: Progress) -> None:
    """Give it other certificates if its address turns out to differ from theirs."""
    for _ in range(ADDRESS_CHANGES):
        if not machine.driver.refresh_address():
            return
        certificates.issue(machine, progress=progress)
        machine.provisioner.provision()
        machine.provisioner.activate_certificates(starting=True)
