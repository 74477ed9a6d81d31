"""Waiting until a machine's daemon shows the right certificate and lets the right clients in."""

from __future__ import annotations

import time

from dinv.engine import Deadline, Engine, parse_address
from dinv.engine.wire.tls import TLSByteStream
from dinv.errors import DinvError, EndpointTLSError, MachineNotReady, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import TLSFiles
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

POLL_SECONDS = 0.05
CALL_SECONDS = 5.0


def wait_until_served(
    machine: Host, progress: Progress, certificate: bytes, client: TLSFiles, *, timeout: float
) -> None:
    """Wait until the daemon presents `certificate` (DER) and lets the client in. Raises MachineNotReady."""

    def look() -> str:
        if served_certificate(machine.url, client) != certificate:
            return "it still has its old certificate"
        return refusal(machine.url, client)

    _wait(machine, progress, look, timeout)


def wait_until_refused(machine: Host, progress: Progress, client: TLSFiles, *, timeout: float) -> None:
    """Wait until the daemon no longer lets the client in. Raises MachineNotReady."""
    _wait(
        machine,
        progress,
        lambda: "" if refusal(machine.url, client) else "it still lets the old client in",
        timeout,
    )


def _wait(machine: Host, progress: Progress, look: Callable[[], str], timeout: float) -> None:
    end = time.monotonic() + timeout
    with progress.working("Docker", f"taking up the certificates at {machine.url}"):
        while True:
            try:
                reason = look()
            except (OSError, DinvError) as error:
                reason = str(error)
            if not reason:
                return
            if time.monotonic() >= end:
                log = machine.driver.last_log_lines(20)
                raise MachineNotReady(machine.name, machine.url, timeout, reason, log)
            progress.update(f"waiting for the daemon: {reason}")
            time.sleep(POLL_SECONDS)


def refusal(url: str, client: TLSFiles) -> str:
    """Return why a client is refused, "" if it is let in. Raises EndpointUnreachable.

    By its CA in the handshake; or, a revoked one, by an answer that says so.
    """
    try:
        with Engine(parse_address(url, client), timeout=CALL_SECONDS) as engine:
            engine.ping()
    except EndpointTLSError as error:
        return error.reason
    except Unauthorized as error:
        return error.message
    return ""


def served_certificate(url: str, client: TLSFiles) -> bytes:
    """Return the certificate, DER, that a daemon shows. Raises OSError, EndpointError, DeadlineExceeded."""
    stream = parse_address(url, client).connect(Deadline(CALL_SECONDS))
    try:
        return stream.certificate() if isinstance(stream, TLSByteStream) else b""
    finally:
        stream.close()
