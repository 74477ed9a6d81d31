"""The docker provisioner: a machine that serves one Docker daemon, by mutual TLS and nothing else."""

from __future__ import annotations

import os
import time

from dinv import errors
from dinv.errors import (
    DeadlineExceeded,
    DinvError,
    EndpointError,
    EndpointTLSError,
    EndpointUnreachable,
    EngineError,
)
from dinv.pki.validity import in_directory
from dinv.provisioners import DockerdProvisioner
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.drivers import Driver
    from dinv.engine import Engine
    from dinv.pki.validity import Certificates
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

POLL_SECONDS = 0.01
LOOK_EVERY_SECONDS = 0.5
"""Seconds between checks whether the daemon of a machine that does not answer yet has ended."""
CALL_SECONDS = 5.0
LOG_LINES = 20
UNREACHED_SECONDS = 4.0
"""Seconds between checks whether the daemon of a machine that clients cannot reach listens."""
RESTART_SECONDS = 60.0
PREPARATION_SECONDS = 20.0
OPTIONS_SECONDS = 30.0
POLL_RESTART_SECONDS = 0.1
MOST_BYTES = 64 * 1024
"""Of a daemon.json that is looked at; one with a dozen settings has some hundreds."""
PID_FILE = "/var/run/docker.pid"
"""dockerd's own default, in every image (moby: daemon/config/config_linux.go)."""


class _Unreached:
    """Checks whether a daemon that clients cannot reach listens, for longer than a forwarder may take."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._next = time.monotonic() + UNREACHED_SECONDS
        self._listened = False

    def look(self, now: float, *, last: bool) -> str:
        """Return why it is not reached, if so; at the `last` look it is enough that the daemon listens."""
        if now < self._next and not last:
            return ""
        self._next = now + UNREACHED_SECONDS
        listened, why = self._listened, self._driver.unreached()
        self._listened = bool(why)
        return why if listened or last else ""


class DockerProvisioner(DockerdProvisioner):
    """Puts certificates and options in, then waits for the TLS port."""

    name = "docker"

    def provision(self) -> None:
        # Not imported at the top: `env` needs only `credentials`.
        from dinv.images.options import with_defaults
        from dinv.pki import pem
        from dinv.provisioners import revoked, ssh_access
        from dinv.registries import ca as registry_ca
        from dinv.registries import cache_files

        directory = self.config.directory
        names = ("ca.pem", "server.pem", "server-key.pem")
        ca, certificate, key = (pem.read(os.path.join(directory, name)) for name in names)
        serving = self.contract.files(
            ca=ca,
            certificate=certificate,
            key=key,
            options=with_defaults(self.config.engine_options, self.driver.daemon_defaults()),
            driver_name=self.config.driver_name,
        )
        taken_over = self.contract.adoption_files if self.driver.adopted else ()
        serials = revoked.serials(self.config)
        if serials and not self.rotates_in_place():
            raise errors.RevocationsLost(self.config.name, len(serials))
        refused = self.contract.revocations(dict.fromkeys([*serials, *revoked.ended(self.config)]))
        # The files that a waiting image waits for come last.
        registries = [*registry_ca.machine_files(directory), *cache_files.machine_files(directory)]
        revocations = [refused] if refused else []
        ssh = ssh_access.files(self.config, self.driver, self.contract)
        self.driver.channel().put([*registries, *ssh, *taken_over, *revocations, *serving])

    def rotates_in_place(self) -> bool:
        return bool(self.contract.certificate_reload) and self.contract.rotates_in_place(
            self.driver.channel()
        )

    def activate_certificates(self, *, starting: bool = False) -> None:
        if not self.rotates_in_place():
            self.activate(starting=starting)
            return
        said = bytearray()
        status = self.driver.channel().run(
            self.contract.certificate_reload, stdout=said.extend, stderr=said.extend, timeout=OPTIONS_SECONDS
        )
        if status:
            raise errors.CertificatesNotTaken(
                self.config.name, said.decode(errors="replace").strip() or f"exit status {status}"
            )

    def pending(self) -> bool:
        command = self.contract.pending_command
        channel = self.driver.channel()
        if not command or channel.stat(command[0]) is None:
            return True
        return channel.run(command, timeout=CALL_SECONDS) != 1

    def activate(self, *, starting: bool = False) -> None:
        signal = self.contract.activation_signal
        if not signal or starting:
            served = self._await_listener()
            # Being let in by a certificate that is valid for the address is all that can be checked.
            if served and starting:
                return
        if signal:
            self.driver.signal_init(signal)
        else:
            self.driver.restart(timeout=RESTART_SECONDS)

    def reload(self) -> None:
        self._tell(self.contract.reload_command)

    def live_restore(self) -> bool | None:
        path = self.contract.daemon_json
        if not path:
            return None
        content = self._said("head", "-c", str(MOST_BYTES + 1), path)
        return self.contract.live_restore(content) if 0 < len(content) <= MOST_BYTES else None

    def check(self) -> None:
        if self.has_program(self.contract.check_command):
            self._tell(self.contract.check_command)

    def restart(self) -> None:
        before = self._daemon()
        self.activate()
        # Until it has ended, the old daemon may answer: it waits for the streams that are open.
        end = time.monotonic() + RESTART_SECONDS
        while before and self._daemon() == before and time.monotonic() < end:
            self._look()
            time.sleep(POLL_RESTART_SECONDS)

    def _tell(self, command: Sequence[str]) -> None:
        """Run a command about the daemon's options. Raises MachineError if it fails."""
        said: list[bytes] = []
        status = self.driver.channel().run(
            command, stdout=said.append, stderr=said.append, timeout=OPTIONS_SECONDS
        )
        if status != 0:
            name = self.config.name
            why = b"".join(said).decode(errors="replace").strip().removeprefix("dinv: ")
            raise errors.MachineError(
                name,
                f'The daemon of machine "{name}" does not take the options: {why or f"exit status {status}"}',
            )

    def _daemon(self) -> str:
        """Return the process id of the daemon in the machine; "" while it has none, or nobody can say."""
        return self._said("cat", PID_FILE).decode(errors="replace").strip()

    def _said(self, *argv: str) -> bytes:
        """Return the standard output of a command in the machine; b"" if it cannot be run."""
        said = bytearray()
        try:
            self.driver.channel().run(argv, stdout=said.extend, timeout=CALL_SECONDS)
        except DinvError:
            return b""
        return bytes(said)

    def _await_listener(self) -> bool:
        """Wait until the daemon listens, or its time is up; return whether it serves as it should.

        A daemon that is stopped while it starts may leave a pid file, and not start again because of it
        (seen with dockerd 26.1; dch-photon's /dinv removes none).
        """
        end = time.monotonic() + RESTART_SECONDS
        next_look = time.monotonic() + LOOK_EVERY_SECONDS
        with self._client(with_certificate=True) as engine:
            while (now := time.monotonic()) < end:
                try:
                    engine.ping(timeout=CALL_SECONDS)
                except (EndpointTLSError, EngineError):
                    return False
                except (EndpointError, DeadlineExceeded):
                    if now >= next_look:
                        next_look = now + LOOK_EVERY_SECONDS
                        self._look()
                    time.sleep(POLL_SECONDS)
                else:
                    return True
        return False

    def health(self, *, timeout: float, progress: Progress) -> str:
        end = time.monotonic() + timeout
        next_look = time.monotonic() + LOOK_EVERY_SECONDS
        unreached = _Unreached(self.driver)
        with self._client(with_certificate=True) as engine:
            tries = 0
            while True:
                tries += 1
                try:
                    engine.ping(timeout=CALL_SECONDS)
                    if self.trace:
                        self.trace(f"GET /_ping at {self.driver.url} answered at try {tries}")
                    # One that is about to be restarted may answer once and then no more.
                    version = str(engine.version().get("Version", ""))
                    break
                except (EndpointError, EngineError, DeadlineExceeded) as error:
                    reason = str(getattr(error, "reason", "") or error)
                    by_tls = isinstance(error, EndpointTLSError)
                    if by_tls:
                        self._check_validity()
                    nobody_there = isinstance(error, EndpointUnreachable)
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + LOOK_EVERY_SECONDS
                    self._look()
                    progress.update(f"waiting for the daemon: {reason}")
                why = unreached.look(now, last=now >= end) if nobody_there else ""
                if why:
                    raise errors.MachineUnreached(self.config.name, self.driver.url, why)
                if now >= end:
                    if by_tls:
                        self._check_clock(in_directory(self.config.directory))
                    log = self.driver.last_log_lines(LOG_LINES)
                    raise errors.MachineNotReady(self.config.name, self.driver.url, timeout, reason, log)
                time.sleep(POLL_SECONDS)
        self._check_refusal(end, timeout)
        self._prepare()
        return version

    def _check_validity(self) -> None:
        """Raise MachineUnusable if a certificate is not valid: waiting does not help."""
        dates = in_directory(self.config.directory)
        if dates.valid():
            return
        self._check_clock(dates)
        file, said = dates.remark()
        if said:
            clients = ("--client-certs",) if file == "ca.pem" else ()
            raise errors.MachineUnusable(
                self.config.name,
                self.driver.url,
                said,
                "Make new ones: " + command("regenerate-certs", *clients, self.config.name),
                connection=True,
            )

    def _check_clock(self, dates: Certificates) -> None:
        """Raise MachineUnusable if a clock is wrong."""
        from dinv.drivers import clock

        if wrong := clock.wrong(self.driver, dates):
            raise errors.MachineUnusable(
                self.config.name, self.driver.url, wrong, clock.ADVICE, connection=True
            )

    def _prepare(self) -> None:
        if not self.contract.preparation:
            return
        try:
            self.driver.channel().run(self.contract.preparation, timeout=PREPARATION_SECONDS)
        except DinvError as error:
            # `prove` finds out whether that matters.
            if self.trace:
                self.trace(f"what the image leaves undone could not be done: {error}")

    def prove(self, progress: Progress) -> None:
        from dinv.provisioners import trial

        store, kind = self.driver.store.path, self.driver.kind()
        if trial.remembered(store, kind):
            return
        name = self.config.name
        kept = command("create", "--keep-on-failure", name, "...")
        advice = "To look into it: " + kept + ", then " + command("logs", name)
        with (
            progress.working("Docker", "trying whether a container runs"),
            self._client(with_certificate=True) as engine,
        ):
            if trial.run(engine, name, advice):
                trial.remember(store, kind)

    def _look(self) -> None:
        status = self.driver.ended()
        if status is not None:
            raise errors.MachineDied(self.config.name, status, self.driver.last_log_lines(LOG_LINES))

    def _check_refusal(self, end: float, timeout: float) -> None:
        """Check that a client without a certificate is refused.

        A daemon that does not answer at all has not refused, and is asked again until `end`. Raises
        AcceptsAnyone, MachineDied, and MachineNotReady of that `timeout`.
        """
        with self._client(with_certificate=False) as engine:
            while True:
                try:
                    engine.ping(timeout=CALL_SECONDS)
                except (EndpointError, EngineError):
                    return
                except DeadlineExceeded as error:
                    self._look()
                    if time.monotonic() >= end:
                        reason = "no answer to a client without a certificate"
                        log = self.driver.last_log_lines(LOG_LINES)
                        raise errors.MachineNotReady(
                            self.config.name, self.driver.url, timeout, reason, log
                        ) from error
                    time.sleep(POLL_SECONDS)
                else:
                    name, url = self.config.name, self.driver.url
                    raise errors.AcceptsAnyone(name, url, self.contract.known_not_to_verify)

    def _client(self, *, with_certificate: bool) -> Engine:
        from dinv.engine import Engine, TLSFiles, parse_address

        directory = self.config.directory
        files = TLSFiles(
            os.path.join(directory, "ca.pem"),
            os.path.join(directory, "cert.pem") if with_certificate else None,
            os.path.join(directory, "key.pem") if with_certificate else None,
            only_looks=True,
        )
        # Not traced: it is called every 10 ms until it answers.
        return Engine(parse_address(self.driver.url, files), timeout=CALL_SECONDS)

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        return {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_HOST": str(config.driver.get("URL", "")),
            "DOCKER_CERT_PATH": config.directory,
            "DOCKER_MACHINE_NAME": config.name,
        }
