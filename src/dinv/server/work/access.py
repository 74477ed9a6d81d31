"""What people get of a machine at once: certificates by its own CA, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dinv.errors import (
    CertificateError,
    DinvError,
    InvalidHolder,
    MachineBusy,
    MachineUnfinished,
    OptionError,
)
from dinv.server.models import Certificate, Machine
from dinv.server.problems import Conflict, Invalid, NotFound, Unavailable
from dinv.server.work.copies import Copies
from dinv.server.work.hosts import Hosts, Signed
from dinv.server.work.reporting import shown
from dinv.system.deadline import Deadline

_TRIES = 5
MOST_LINES = 10_000
LONGEST_LOG = 64 * 1024 * 1024
"""Bytes of one answer."""


class MachineAccess:
    """What `dinv.server.fleet` asks for. Threads may share one object."""

    def __init__(self, hosts: Hosts, copies: Copies) -> None:
        self._hosts = hosts
        self._copies = copies

    def certify(self, machine: Machine, holder: str, csr: bytes | None, lifetime: timedelta) -> Certificate:
        """Sign by the machine's own CA, and keep its record of issuance; makes no call to an endpoint.

        Raises Invalid for a signing request or a name that cannot be used, Conflict for a machine that is not
        there yet, or no more, and Unavailable while something else is done with it.
        """
        for _ in range(_TRIES):
            with self._copies.holding(machine.host_name):
                signed = self._signed(machine, holder, csr, lifetime)
                # Where another server was faster its record lacks this one: it is given to nobody.
                if self._copies.keep(machine.id, machine.host_name):
                    return Certificate(
                        url=signed.url,
                        ca=signed.ca,
                        certificate=signed.certificate,
                        serial=signed.serial,
                        not_after=signed.not_after,
                        key=signed.key,
                    )
        raise Unavailable("Too many ask for certificates of this machine. Try again.", retry_after=1)

    def _signed(self, machine: Machine, holder: str, csr: bytes | None, lifetime: timedelta) -> Signed:
        self._copies.bring(machine.id, machine.host_name)
        facts = self._hosts.facts(machine.host_name)
        if facts is None or not facts.finished:
            raise Conflict("The machine has no certificates: it is not ready, or it is gone.")
        try:
            return self._hosts.certify(
                machine.host_name, holder, lifetime=max(60, int(lifetime.total_seconds())), csr=csr
            )
        except CertificateError as error:
            raise Invalid(
                shown(error.text), errors=[{"pointer": "/csr", "detail": shown(error.text)}]
            ) from error
        except (InvalidHolder, OptionError) as error:
            raise Invalid(
                shown(error.text), errors=[{"pointer": "/holder", "detail": shown(error.text)}]
            ) from error
        except (MachineBusy, MachineUnfinished) as error:
            raise Unavailable(
                "Something else is being done with this machine. Try again.", retry_after=5
            ) from error

    def log(self, machine: Machine, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        """Return what the machine has said, in pieces; with `follow` until closed, or that deadline.

        Raises Conflict if it cannot be asked: before it returns, so that whoever asked is told why, and also
        between pieces. Raises NotFound for one that has not begun.
        """
        with self._copies.holding(machine.host_name):
            self._copies.bring(machine.id, machine.host_name)
        if self._hosts.facts(machine.host_name) is None:
            raise NotFound("The machine has said nothing yet.")
        pieces = self._pieces(machine.host_name, max(1, min(tail, MOST_LINES)), follow)
        return _begun(next(pieces, b""), pieces)

    def _pieces(self, name: str, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        left = LONGEST_LOG
        try:
            for piece in self._hosts.log(name, tail=tail, follow=follow):
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    return
        except DinvError as error:
            if follow is not None and follow.expired:
                return
            raise Conflict(shown(error.text)) from error


def _begun(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
