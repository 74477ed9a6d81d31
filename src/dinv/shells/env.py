"""What `env` sets and unsets.

It runs in shell profiles: a machine that does not answer at once costs a second at most. One that
refuses is not running, and nothing is set; of one that says nothing in that time what is known is set,
with a warning.
"""

from __future__ import annotations

import os

from dinv.access.connect import check_files, refused
from dinv.errors import DinvError, InputError
from dinv.formats.host_port import of_url
from dinv.formats.urls import PLAIN_PORT, TLS_PORT
from dinv.shells import syntax
from dinv.timeouts import LOOK_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.machine import Machine
    from dinv.machines import Machines

VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME")


def setting(
    machine: Machine, *, no_proxy: bool = False, swarm: bool = False, environ: Mapping[str, str] = os.environ
) -> tuple[dict[str, str | None], str]:
    """The variables for a machine, or for the legacy swarm that it is the master of; and a warning or "".

    Raises MachineNotRunning, MachineUnusable, InputError.
    """
    check_files(machine.host)
    variables: dict[str, str | None] = dict(machine.environment())
    if not machine.has_tls:
        # Those of another machine would make the docker CLI ask this one for TLS.
        variables = {**dict.fromkeys(VARIABLES), **variables}
    if swarm:
        variables["DOCKER_HOST"] = machine.swarm_url()
    if no_proxy:
        address = machine.known_ip()
        for key, entries in syntax.no_proxy(environ).items():
            variables[key] = ",".join(dict.fromkeys([*entries, address]))
    return variables, "\n".join(filter(None, (_look(machine), _expiry(machine))))


def _expiry(machine: Machine) -> str:
    said = machine.host.expiry(soon=True)
    return f'machine "{machine.name}": {said}' if said else ""


def unsetting(
    machines: Machines, name: str | None, *, no_proxy: bool = False, environ: Mapping[str, str] = os.environ
) -> dict[str, str | None]:
    """The variables to unset; with `no_proxy` the proxy exception of the machine in use is taken out."""
    import contextlib

    if name:
        raise InputError("Error: Expected no machine name when the -u flag is present")
    variables: dict[str, str | None] = dict.fromkeys(VARIABLES)
    if no_proxy:
        address = ""
        # Whatever became of the machine, the variables have to be got rid of.
        with contextlib.suppress(DinvError):
            address = machines.get(environ.get("DOCKER_MACHINE_NAME", "")).ip
        for key, entries in syntax.no_proxy(environ).items():
            variables[key] = ",".join(entry for entry in entries if entry != address) or None
    return variables


def _look(machine: Machine) -> str:
    """See whether something listens where the machine should; "" or what to warn of."""
    where = of_url(machine.known_url(), missing=TLS_PORT if machine.has_tls else PLAIN_PORT)
    if where is None:
        return f'machine "{machine.name}" has a URL that says no host and port: {machine.url}'
    try:
        _connect(*where)
    except ConnectionRefusedError as error:
        raise refused(machine.host) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: no name, as "a..b"
        return (
            f'machine "{machine.name}" does not answer at {machine.url} ({error}). '
            f"These are its last known settings."
        )
    return ""


def _connect(host: str, port: int) -> None:
    """Connect, and hang up. Raises OSError, UnicodeError."""
    if not host.replace(".", "").isdigit():
        import socket

        # It looks names up, and loads the IDNA codec for that (1.6 ms).
        socket.create_connection((host, port), LOOK_SECONDS).close()
        return
    # What `socket` is made of, without the enums and selectors, which take 2 ms.
    import _socket

    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        probe.settimeout(LOOK_SECONDS)
        probe.connect((host, port))
    finally:
        probe.close()
