"""Checks whether clients can reach a machine's daemon: by its files, and for `config` with one request.

Scripts use `docker $(docker-machine config NAME)`, and GitLab Runner considers a machine healthy if `config`
exits with 0: docker-machine connects before it prints anything (docker/machine: libmachine/check). `env`,
which shells run at start-up, checks only the record and the files.
"""

from __future__ import annotations

import os

from dinv import errors
from dinv.errors import DeadlineExceeded, EndpointError, EndpointTLSError, EngineError, InputError
from dinv.formats.host_port import of_url
from dinv.formats.urls import PLAIN_PORT, TLS_PORT
from dinv.pki import client_files
from dinv.timeouts import CHECK_SECONDS, LOOK_SECONDS
from dinv.wording import command, either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Deadline
    from dinv.errors import MachineNotRunning
    from dinv.lifecycle.host import Host


def check_files(machine: Host) -> None:
    """Check that its creation was finished and that clients can read the files they need.

    Raises MachineUnusable.
    """
    if machine.config.unfinished:
        status = machine.status()
        if machine.config.unfinished:  # else its create has finished since the record was read
            raise errors.MachineUnusable(machine.name, machine.url, status.error)
    directory = machine.environment().get("DOCKER_CERT_PATH", "")
    for name in client_files.NAMES if directory else ():
        path = os.path.join(directory, name)
        reason = _unreadable(path)
        if reason:
            raise errors.MachineUnusable(
                machine.name, machine.url, f"open {path}: {reason}", _renewal(machine), connection=True
            )


def check(machine: Host, *, swarm: bool = False, timeout: float = CHECK_SECONDS) -> None:
    """Check that its daemon answers a client with its certificates within `timeout` seconds in all.

    With `swarm`, check that a manager of its swarm does, or the classic swarm that it is the master of.
    Raises MachineUnusable, MachineNotRunning, InputError, ClusterError.
    """
    check_files(machine)
    if swarm:
        from dinv.lifecycle.host import clients

        other = clients.controller(machine)
        if other is not None:
            check(other, timeout=timeout)
            return
    from dinv.engine import Deadline

    if machine.has_tls:
        # Import it before the clock starts: on a busy computer the import must not use up the machine's time.
        import dinv.engine.wire.tls  # noqa: F401
    deadline = Deadline(timeout)
    if not swarm:
        _ask(machine, machine.known_url(), deadline)
        return
    url = clients.swarm_url(machine)
    try:
        _ask(machine, url, deadline)
    except errors.MachineUnusable:
        # If the machine itself answers, only the swarm is down.
        _ask(machine, machine.known_url(), Deadline(timeout))
        raise errors.MachineUnusable(
            machine.name,
            url,
            "Connection to Swarm cannot be checked but the certs are valid. Maybe swarm is not started",
        ) from None


def look(machine: Host) -> str:
    """Check whether something listens at the machine's URL; return "" or a warning.

    Takes at most a second. Raises MachineNotRunning or MachineUnusable if the connection is refused.
    """
    where = of_url(machine.known_url(), missing=TLS_PORT if machine.has_tls else PLAIN_PORT)
    if where is None:
        return f'machine "{machine.name}" has a URL without a host and port: {machine.url}'
    try:
        _connect(*where)
    except ConnectionRefusedError as error:
        raise refused(machine) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name, such as "a..b"
        return (
            f'machine "{machine.name}" does not answer at {machine.url} ({error}). '
            f"These are its last known settings."
        )
    return ""


def refused(machine: Host) -> MachineNotRunning | errors.MachineUnusable:
    """Return the error for a refused connection to the machine's URL.

    A host without a driver counts as always running, as in docker-machine, and dinv cannot start its daemon.
    """
    if machine.looked_after:
        return machine.not_running()
    return errors.MachineUnusable(
        machine.name,
        machine.url,
        "its daemon is not running (connection refused)",
        "Whoever looks after its daemon has to start it, or its URL has changed.",
        connection=True,
    )


def _ask(machine: Host, url: str, deadline: Deadline) -> None:
    from dinv.lifecycle.host import clients

    try:
        with clients.engine(machine, url=url, only_looks=True) as engine:
            engine.ping(timeout=deadline)
    except EndpointTLSError as error:
        reason, advice = _refused_by_tls(machine, error.reason)
        raise errors.MachineUnusable(machine.name, url, reason, advice, connection=True) from error
    except DeadlineExceeded as error:
        raise errors.MachineUnusable(
            machine.name,
            url,
            f"no answer within {deadline.seconds:g} s",
            "It may be paused or overloaded. " + _see(machine),
            connection=True,
        ) from error
    except EndpointError as error:
        if isinstance(error.__cause__, ConnectionRefusedError) and url == machine.url:
            raise refused(machine) from error
        reason = str(getattr(error, "reason", error))
        raise errors.MachineUnusable(machine.name, url, reason, _see(machine), connection=True) from error
    except errors.Unauthorized as error:
        # Revoked, says the front of dinv's image.
        advice = _renewal(machine)
        raise errors.MachineUnusable(machine.name, url, str(error), advice, connection=True) from error
    except EngineError as error:
        raise errors.MachineUnusable(
            machine.name, url, f"it answers, but not like a Docker daemon: {error}"
        ) from error
    except InputError as error:
        raise errors.MachineUnusable(machine.name, url, str(error)) from error


def _refused_by_tls(machine: Host, reason: str) -> tuple[str, str]:
    """Return why it refuses us by TLS, and what to do: a clock that is wrong looks like a bad certificate."""
    from dinv.drivers import clock

    wrong = clock.wrong(machine.driver, machine.certificates)
    return (f"{reason}; {wrong}", clock.ADVICE) if wrong else (reason, _renewal(machine))


def _connect(host: str, port: int) -> None:
    """Connect and close the connection. Raises OSError, UnicodeError."""
    if not host.replace(".", "").isdigit():
        import socket

        # This resolves names, and loads the IDNA codec for that (1.6 ms).
        socket.create_connection((host, port), LOOK_SECONDS).close()
        return
    # The C module behind `socket`, without the enums and selectors, which take 2 ms to import.
    import _socket

    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        probe.settimeout(LOOK_SECONDS)
        probe.connect((host, port))
    finally:
        probe.close()


def _unreadable(path: str) -> str:
    """Return why a file cannot be read, in the system's words, or "". Does not open it: it may be a pipe."""
    import stat

    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return "" if os.access(path, os.R_OK) else "Permission denied"


def _renewal(machine: Host) -> str:
    """Return advice on how to get new certificates."""
    owner = machine.config.shared.get("Owner")
    if owner:
        return f"Ask {owner} for a new share"
    if not machine.looked_after:
        return (
            f"dinv does not make its certificates; whoever runs its daemon does. They are expected in "
            f"{machine.cert_path}"
        )
    if not machine.driver.provisioned:
        return f"{machine.driver.keeper} has its driver and makes new ones: regenerate-certs {machine.name}"
    return (
        "Make new ones: "
        + command("regenerate-certs", machine.name)
        + ". With "
        + either("client_certs=True", "--client-certs")
        + " its CA and the client certificate are replaced too."
    )


def _see(machine: Host) -> str:
    """Return advice for a machine whose daemon does not answer."""
    see = "See: " + command("status", machine.name)
    return (
        see + ", and to restart it: " + command("restart", machine.name)
        if machine.driver.provisioned
        else see
    )
