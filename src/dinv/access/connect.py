"""Whether clients get to a machine's daemon: by its files, and for `config` by asking it once.

`docker $(docker-machine config NAME)` is what scripts write, and GitLab Runner calls a machine healthy when
`config` ends with 0: docker-machine connects before it prints anything (docker/machine: libmachine/check).
`env`, which shells run as they start, looks at the record and the files alone.
"""

from __future__ import annotations

import os

from dinv.errors import (
    DeadlineExceeded,
    EndpointError,
    EndpointTLSError,
    EngineError,
    InputError,
    MachineUnusable,
)
from dinv.formats.host_port import of_url
from dinv.formats.urls import PLAIN_PORT, TLS_PORT
from dinv.pki import client_files
from dinv.timeouts import LOOK_SECONDS
from dinv.wording import command, either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Deadline
    from dinv.errors import MachineNotRunning
    from dinv.lifecycle.host import Host


def check_files(machine: Host) -> None:
    """See that it was made to its end, and that the files clients need can be read.

    Raises MachineUnusable.
    """
    if machine.config.unfinished:
        raise MachineUnusable(machine.name, machine.url, machine.status().error)
    directory = machine.environment().get("DOCKER_CERT_PATH", "")
    for name in client_files.NAMES if directory else ():
        path = os.path.join(directory, name)
        reason = _unreadable(path)
        if reason:
            raise MachineUnusable(
                machine.name, machine.url, f"open {path}: {reason}", _renewal(machine), connection=True
            )


def check(machine: Host, *, swarm: bool = False, timeout: float = LOOK_SECONDS) -> None:
    """See that its daemon answers a client with its certificates, within `timeout` seconds for all of it.

    With `swarm`, the legacy swarm's that it is the master of. Raises MachineUnusable, MachineNotRunning,
    InputError.
    """
    check_files(machine)
    from dinv.engine import Deadline

    if machine.has_tls:
        # What it takes here is not to be on the machine's account: the import, where there is much to do.
        import dinv.engine.wire.tls  # noqa: F401
    deadline = Deadline(timeout)
    if not swarm:
        _ask(machine, machine.known_url(), deadline)
        return
    url = machine.swarm_url()
    try:
        _ask(machine, url, deadline)
    except MachineUnusable:
        # If the machine itself answers, it is the swarm that does not.
        _ask(machine, machine.known_url(), Deadline(timeout))
        raise MachineUnusable(
            machine.name,
            url,
            "Connection to Swarm cannot be checked but the certs are valid. Maybe swarm is not started",
        ) from None


def look(machine: Host) -> str:
    """See whether something listens where the machine should; "" or what to warn of.

    It takes a second at most. Raises MachineNotRunning or MachineUnusable where it refuses.
    """
    where = of_url(machine.known_url(), missing=TLS_PORT if machine.has_tls else PLAIN_PORT)
    if where is None:
        return f'machine "{machine.name}" has a URL that says no host and port: {machine.url}'
    try:
        _connect(*where)
    except ConnectionRefusedError as error:
        raise refused(machine) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: no name, as "a..b"
        return (
            f'machine "{machine.name}" does not answer at {machine.url} ({error}). '
            f"These are its last known settings."
        )
    return ""


def refused(machine: Host) -> MachineNotRunning | MachineUnusable:
    """The error that nothing listens where a machine should.

    A host without a driver always runs, as docker-machine has it, and nobody here can start its daemon.
    """
    if machine.looked_after:
        return machine.not_running()
    return MachineUnusable(
        machine.name,
        machine.url,
        "its daemon is not running (connection refused)",
        "Whoever looks after its daemon has to start it, or its URL has changed.",
        connection=True,
    )


def _ask(machine: Host, url: str, deadline: Deadline) -> None:
    try:
        with machine.engine(url=url) as engine:
            engine.ping(timeout=deadline)
    except EndpointTLSError as error:
        raise MachineUnusable(machine.name, url, error.reason, _renewal(machine), connection=True) from error
    except DeadlineExceeded as error:
        raise MachineUnusable(
            machine.name,
            url,
            f"no answer within {deadline.seconds:g} s",
            "It may be paused, or have too much to do. " + _see(machine),
            connection=True,
        ) from error
    except EndpointError as error:
        if isinstance(error.__cause__, ConnectionRefusedError) and url == machine.url:
            raise refused(machine) from error
        reason = str(getattr(error, "reason", error))
        raise MachineUnusable(machine.name, url, reason, _see(machine), connection=True) from error
    except EngineError as error:
        raise MachineUnusable(
            machine.name, url, f"it answers, but not as a Docker daemon does: {error}"
        ) from error
    except InputError as error:
        raise MachineUnusable(machine.name, url, str(error)) from error


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


def _unreadable(path: str) -> str:
    """Why a file cannot be read, in the system's words, or "". It is not opened: it may be a pipe."""
    import stat

    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return "" if os.access(path, os.R_OK) else "Permission denied"


def _renewal(machine: Host) -> str:
    """What to do about certificates."""
    if not machine.looked_after:
        return (
            f"Certificates for it are not made here, but by who runs its daemon. They are looked for in "
            f"{machine.cert_path}"
        )
    if not machine.driver.provisioned:
        return f"{machine.driver.keeper} has its driver, and makes new ones: regenerate-certs {machine.name}"
    return (
        "Make new ones: "
        + command("regenerate-certs", machine.name)
        + ". With "
        + either("client_certs=True", "--client-certs")
        + " its CA and the clients' are new too."
    )


def _see(machine: Host) -> str:
    """What to do about a machine whose daemon does not answer."""
    see = "See: " + command("status", machine.name)
    return (
        see + ", and to restart it: " + command("restart", machine.name)
        if machine.driver.provisioned
        else see
    )
