"""What is tried on a machine of the image. Each returns what is wrong, "" if nothing is.

They come in an order: a container runs from `containers` on, and is looked at after a restart of the daemon,
after its death, and after a stop.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import time

from dinv.errors import EngineError
from dinv.image_building.check.subject import CALL_SECONDS, TROUBLE
from dinv.lifecycle import power
from dinv.progress import Progress
from dinv.provisioners import trial
from dinv.states import RUNNING
from dinv.timeouts import SERVE_SECONDS, STOP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from dinv.image_building.check.subject import Subject

PLAIN_PORT = 2375
_SERVICE = "dinv-check"
_CONTAINER = "dinv-check"
_TOOLS = (
    *("docker", "ps", "pgrep", "openssl", "ip", "iptables", "git", "curl", "tar", "gzip", "xz", "less", "vi"),
)
_SFTP = ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server", "/usr/libexec/openssh/sftp-server")

# Whether the contract promises it


def has_front(subject: Subject) -> bool:
    """It takes up certificates without a restart of its daemon."""
    return bool(subject.contract.certificate_reload)


def reloads_options(subject: Subject) -> bool:
    """It takes up options without a restart of its daemon."""
    return bool(subject.contract.reload_command)


def has_services(subject: Subject) -> bool:
    """It says that it keeps services running."""
    return "services" in subject.features and bool(subject.contract.services_command)


def is_supervised(subject: Subject) -> bool:
    """A signal to its init restarts the daemon."""
    return bool(subject.contract.activation_signal)


def waits(subject: Subject) -> bool:
    """It can be started before it has certificates."""
    return subject.contract.waits_for_certificates


# Who gets in


def clients(subject: Subject) -> str:
    """A client without a certificate is refused, and so is one with a certificate of its own making."""
    own = os.path.join(subject.host.cert_path, "server.pem")
    key = os.path.join(subject.host.cert_path, "server-key.pem")
    # The server's certificate is of the same CA, but not for clients (RFC 5280, extended key usage).
    for who, files in (("without a certificate", ()), ("with a server's certificate", (own, key))):
        try:
            with subject.connect(*files) as connection:
                if b" 200 " in _asked(connection, "/_ping"):
                    return f"a client {who} gets in"
        except OSError:
            continue
    return ""


def plain(subject: Subject) -> str:
    """Nothing but TLS is spoken on its port, and nothing listens on that of plain TCP."""
    try:
        with socket.create_connection(subject.address(), timeout=5) as connection:
            if b" 200 " in _asked(connection, "/_ping"):
                return "its port answers without TLS"
    except OSError:
        pass
    # proc_pid_net(5): the address, that of the other side, and 0A for a socket that listens.
    listening = f":{PLAIN_PORT:04X} [0-9A-F]*:0000 0A"
    script = 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep "$1" | grep -v " 0100007F:"'
    status, _ = subject.run("sh", "-c", script, "sh", listening)
    if status == 0:
        return f"port {PLAIN_PORT} listens"
    try:
        with socket.create_connection((subject.host.own_ip(), PLAIN_PORT), timeout=2):
            return f"port {PLAIN_PORT} listens"
    except (OSError, *TROUBLE):
        return ""


def reload(subject: Subject) -> str:
    """It uses its certificates anew, and a stream that is open goes on."""
    with subject.connect_as_owner() as stream:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: machine\r\n\r\n")
        if b" 200 " not in stream.recv(65536):
            return "GET /events is refused"
        before = subject.daemon()
        said = _reloaded(subject)
        if said:
            return said
        with subject.engine() as engine:
            engine.volumes.create(_CONTAINER)
            engine.volumes.remove(_CONTAINER)
        stream.settimeout(CALL_SECONDS)
        try:
            if not stream.recv(65536):
                return "it cuts open streams"
        except OSError:
            return "it cuts open streams"
    return "" if subject.daemon() == before else "it restarts the daemon"


def revocation(subject: Subject) -> str:  # noqa: PLR0911  (a return for each thing that may be wrong)
    """A client that is revoked is refused, its open connection ends, and the owner's does not."""
    from dinv.pki.certificates import certify, issued, new_key, request

    host = subject.host
    if not host.contract.rotates_in_place(host.channel()):
        return "it has no front"
    key = new_key()
    asked = request(key, role="client", names=(), machine=host.name, holder="somebody")
    chain = certify(host.authority(), asked).chain
    refused = subject.contract.revocations([issued("client", chain).serial])
    if refused is None:
        return "its contract has no list of them"
    directory = host.config.directory
    paths = [os.path.join(directory, name) for name in ("check-cert.pem", "check-key.pem")]
    for path, data in zip(paths, (chain, key), strict=True):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
    try:
        with subject.connect_as_owner() as owner, subject.connect(*paths) as somebody:
            for connection in (owner, somebody):
                connection.sendall(b"GET /events HTTP/1.1\r\nHost: machine\r\n\r\n")
                if b" 200 " not in connection.recv(65536):
                    return "a client with a certificate of its CA is refused"
            host.channel().put([refused])
            said = _reloaded(subject)
            if said:
                return said
            if not _ended(somebody, within=5):
                return "the connection of a revoked client goes on"
            if _ended(owner, within=0.3):
                return "the connection of another client is cut"
        with contextlib.suppress(OSError), subject.connect(*paths) as again:
            if b" 200 " in _asked(again, "/_ping"):
                return "a revoked client gets in"
    finally:
        nobody = subject.contract.revocations([])
        host.channel().put([nobody] if nobody else [])
        _reloaded(subject)
    return ""


# What runs in it


def containers(subject: Subject) -> str:
    """A container runs, and another goes on running, for the trials that follow."""
    with subject.engine() as engine:
        trial.run(engine, subject.host.name, "")
        archive = trial.pausing(str(engine.version().get("Arch", "")))
        if archive is None:
            return ""
        image = engine.images.import_(io.BytesIO(archive), repo=_CONTAINER, tag="latest")
        subject.container, _ = engine.containers.create(
            _CONTAINER,
            {
                "Image": image,
                "Cmd": ["/true"],
                # It has no handler, and a first process gets no signal that it has none for.
                "StopSignal": "SIGKILL",
                "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
            },
        )
        engine.containers.start(subject.container)
    return ""


def services(subject: Subject) -> str:  # noqa: PLR0911  (a return for each thing that may be wrong)
    """A program that is put in is run, run again when it ends, and ended when it is taken out."""
    contract = subject.contract
    command = contract.services_command
    file = contract.service_file(_SERVICE, b"#!/bin/sh\necho is here\nexec sleep 1000\n")
    if file is None:
        return "its contract has no place for them"
    subject.host.channel().put([file])
    try:
        status, said = subject.run(*command, "reload")
        if status:
            return f"services reload fails: {said}"
        status, first = subject.run(*command, "status", _SERVICE)
        if status:
            return f"it is not run: {first}"
        subject.run("sh", "-c", "pkill -KILL -f '^sleep 1000$' || kill -KILL $(pidof sleep)")
        if not subject.wait(lambda: subject.run(*command, "status", _SERVICE)[1] != first, 3):
            return "that it ended is not seen"
        if not subject.wait(lambda: subject.run(*command, "status", _SERVICE)[0] == 0, 10):
            return "it is not started again when it ends"
        if not any("is here" in line for line in subject.host.driver.last_log_lines(100)):
            return "what it prints is not in the machine's log"
    finally:
        subject.run("rm", "-f", file.path)
        status, said = subject.run(*command, "reload")
    if status:
        return f"services reload fails: {said}"
    return "it is not ended" if subject.run(*command, "status", _SERVICE)[0] == 0 else ""


def options(subject: Subject) -> str:
    """The running daemon takes the options in its files, and would start with them."""
    commands = (subject.contract.check_command, subject.contract.reload_command)
    for command in filter(None, commands):
        status, said = subject.run(*command)
        if status:
            return f"{' '.join(command)} fails: {said}"
    return ""


def sudo(subject: Subject) -> str:
    """Root and the user docker may sudo."""
    if subject.lacks(["sudo"]):
        return "there is none"
    status, _ = subject.run("sudo", "-n", "-u", "docker", "sudo", "-n", "true")
    return "the user docker may not, without a password" if status else ""


def tools(subject: Subject) -> str:
    """What people run is there."""
    missing = subject.lacks(_TOOLS)
    return f"it has no {', '.join(missing)}" if missing else ""


def rsync(subject: Subject) -> str:
    """What `dinv scp --delta` runs is there."""
    return "it has no rsync" if subject.lacks(["rsync"]) else ""


def sftp(subject: Subject) -> str:
    """What `dinv mount` runs is there."""
    return "" if any(subject.has(path) for path in _SFTP) else "it has no sftp-server"


# Restarts


def hangup(subject: Subject) -> str:
    """The signal of the contract restarts the daemon, and containers run on."""
    before, running = subject.daemon(), _started(subject)
    subject.host.driver.signal_init(subject.contract.activation_signal)
    if not subject.wait(lambda: subject.daemon() not in ("", before) and subject.answers()):
        return "the daemon is not restarted, or does not answer again"
    return _runs_on(subject, running)


def dead_daemon(subject: Subject) -> str:
    """A daemon that is killed is started again, and containers run on."""
    # The one before may just have been restarted: its options are settled a moment later.
    time.sleep(0.5)
    before, running = subject.daemon(), _started(subject)
    subject.run("kill", "-KILL", before)
    if not subject.wait(lambda: subject.daemon() not in ("", before) and subject.answers()):
        return "the daemon is not started again, or does not answer"
    return _runs_on(subject, running)


def stop(subject: Subject) -> str:
    """SIGTERM ends it in time, with exit status 0."""
    host = subject.host
    began = time.monotonic()
    power.stop(host, Progress(), timeout=STOP_SECONDS)
    took, status = time.monotonic() - began, host.driver.ended()
    power.start(host, Progress(), timeout=SERVE_SECONDS)
    if took >= STOP_SECONDS:
        return f"it had to be killed after {STOP_SECONDS:g} s"
    return f"it ends with status {status}" if status else ""


def cache(subject: Subject) -> str:
    """After that stop and start, its container is back.

    Where dinv prepares what the image leaves undone, that is after dockerd has tried, and is not promised:
    there it has to be kept, and to start.
    """
    if not subject.container:
        return ""
    if not subject.is_well():
        return "the daemon does not answer after a stop and a start"

    if subject.contract.preparation:
        with subject.engine() as engine:
            engine.containers.start(subject.container)

    def back() -> bool:
        try:
            return bool(_state(subject).get("Running"))
        except EngineError:
            return False

    return "" if subject.wait(back) else "its containers are not back after a stop and a start"


def waiting(subject: Subject) -> str:
    """Started without certificates it waits, and serves once they are in."""
    host = subject.host
    certificates = [path for path in subject.contract.certificate_paths if path]
    subject.run("rm", "-f", *certificates)
    host.driver.stop(timeout=STOP_SECONDS)
    host.driver.start(timeout=SERVE_SECONDS)
    try:
        time.sleep(1)
        if host.driver.ended() is not None or host.observed_state() != RUNNING:
            return "it ends when it is started without certificates"
        if subject.answers():
            return "it answers without certificates"
    finally:
        with contextlib.suppress(*TROUBLE):
            host.provisioner.provision()
    return "" if subject.is_well() else "it does not serve once its certificates are in"


# What these are made of


def _asked(connection: socket.socket, path: str) -> bytes:
    """Return the beginning of the answer, b"" if there is none."""
    connection.settimeout(5)
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: machine\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(1024)
    except OSError:
        return b""


def _ended(connection: ssl.SSLSocket, *, within: float) -> bool:
    """Whether the other side ends an open stream that has nothing to say."""
    connection.settimeout(within)
    try:
        return not connection.recv(65536)
    except TimeoutError:
        return False
    except OSError:
        return True


def _reloaded(subject: Subject) -> str:
    """Have it use its certificates and revocations anew; return why it does not."""
    status, said = subject.run(*subject.contract.certificate_reload)
    return f"{' '.join(subject.contract.certificate_reload)} fails: {said}" if status else ""


def _state(subject: Subject) -> dict[str, Any]:
    with subject.engine() as engine:
        return dict(engine.containers.inspect(subject.container)["State"])


def _started(subject: Subject) -> str:
    return str(_state(subject).get("StartedAt")) if subject.container else ""


def _runs_on(subject: Subject, started: str) -> str:
    if not subject.container:
        return ""
    state = _state(subject)
    return "" if (state["Running"], state["StartedAt"]) == (True, started) else "its containers are stopped"
