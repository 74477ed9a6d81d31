"""A machine from the inside: its record, and its driver, provisioner and authority.

The public interface is `dinv.machine.Machine`. Methods that change a machine need its lock held (`changing`).
"""

from __future__ import annotations

import os
import time

from dinv.errors import (
    CertificatesTorn,
    ContextError,
    DinvError,
    EndpointTLSError,
    MachineBusy,
    MachineNotRunning,
    StoreError,
)
from dinv.states import ERROR, RUNNING, STARTING, STOPPED, Status, at_work
from dinv.store.record import MachineConfig
from dinv.timeouts import LOOK_SECONDS, STATE_SECONDS
from dinv.wording import command, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from dinv.authorities import Authority
    from dinv.channel import Channel
    from dinv.drivers import Driver
    from dinv.engine import Engine
    from dinv.images import ImageContract
    from dinv.progress import Progress
    from dinv.provisioners import Provisioner
    from dinv.store.store import Store

MOVE_SECONDS = 1.0
"""Seconds for another process to move a file of a set into place."""
POLL_SECONDS = 0.02

STAGING = ".renewal"
"""In a machine's directory: the certificates that a renewal will put in place."""


class Host:
    """One machine of a store, for the operations in `lifecycle` and `access`.

    The endpoint is not asked before a method needs it. The caller must hold the machine's lock for methods
    that change it.
    """

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        self.config = config
        self.store = store
        self.trace = trace
        self._driver: Driver | None = None
        self._contract: ImageContract | None = None
        self._provisioner: Provisioner | None = None
        self.secrets: dict[str, Any] = {}
        """Values of options that were given but are never recorded, by keyword."""

    @classmethod
    def new(cls, store: Store, name: str, *, driver: str, trace: Callable[[str], None] | None = None) -> Host:
        """A machine that is not in a store yet. Raises PluginNotFound."""
        from dinv.drivers import find

        config = MachineConfig.new(
            name=name,
            store_path=store.path,
            driver_name=driver,
            identity=os.urandom(16).hex(),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        find(driver)
        return cls(config, store, trace=trace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.url}>"

    def close(self) -> None:
        """Close connections to the endpoint; the machine keeps running."""
        if self._driver is not None:
            self._driver.close()

    # What it is

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def url(self) -> str:
        """The URL of its daemon, such as tcp://127.0.0.1:24561; "" while it is not known yet."""
        if self.config.url:
            return self.config.url
        from dinv import drivers

        return drivers.url(self.config)

    @property
    def ip(self) -> str:
        """The host part of `url`: an address, or the endpoint's host name as the user gave it."""
        if self.config.ip:
            return self.config.ip
        from dinv import drivers

        return drivers.ip(self.config)

    @property
    def directory(self) -> str:
        """The path of its directory in the store."""
        return self.config.directory

    @property
    def cert_path(self) -> str:
        """The directory with its ca.pem, cert.pem and key.pem, for DOCKER_CERT_PATH.

        Call `finish_certificates` before using the files.
        """
        if self.config.cert_directory:
            return self.config.cert_directory
        from dinv import drivers

        return drivers.cert_path(self.config) or self.directory

    @property
    def driver_class(self) -> type[Driver]:
        """The class of its driver, for facts that need no call to the infrastructure's API.

        Raises PluginNotFound, PluginBroken.
        """
        from dinv import drivers

        return drivers.of(self.config)

    @property
    def driver(self) -> Driver:
        """Its driver. Raises PluginNotFound, PluginBroken."""
        if self._driver is None:
            self._driver = self.driver_class(self.config, self.store, trace=self.trace)
        return self._driver

    @property
    def contract(self) -> ImageContract:
        """The image contract: how its image takes certificates and options."""
        if self._contract is None:
            from dinv.images import find

            own_options = {**self.config.image_contract_options, **self.secrets}
            self._contract = find(self.config.image_contract or "dinv", own_options)
        return self._contract

    def use_contract(self, name: str) -> None:
        """Record that its image keeps this contract; the options of another contract are dropped."""
        if self.config.image_contract not in ("", name):
            self.config.image_contract_options = {}
        self.config.image_contract = name
        self._contract = self._provisioner = None
        ca, certificate, key = self.contract.certificate_paths
        self.config.auth_options.update(
            CaCertRemotePath=ca, ServerCertRemotePath=certificate, ServerKeyRemotePath=key
        )

    @property
    def daemon_options(self) -> dict[str, Any]:
        """The engine options from which its image contract makes its daemon's."""
        from dinv.images.options import with_defaults

        return with_defaults(self.config.engine_options, self.driver.daemon_defaults())

    @property
    def provisioner(self) -> Provisioner:
        """The provisioner that makes it serve."""
        if self._provisioner is None:
            from dinv import provisioners

            provisioner = provisioners.of(self.config)
            self._provisioner = provisioner(
                self.config, self.driver, self.contract, trace=self.trace, secrets=self.secrets
            )
        return self._provisioner

    def status(self, *, timeout: float = STATE_SECONDS) -> Status:
        """Ask the endpoint for its state and any error; `timeout` in seconds."""
        if self.config.unfinished:
            return unfinished(self.config, self.store.holder(self.name))
        return self.driver.state(timeout=timeout)

    def inspect(self) -> dict[str, Any]:
        """Return config.json with absolute paths. Makes no calls."""
        from dinv import drivers

        return drivers.shown(self.config)

    def known_url(self) -> str:
        """Return the URL, for a caller about to connect. Raises MachineNotRunning.

        Makes no calls, unless dinv has stopped the machine: it may have been started from outside since.
        """
        if not self.url or self._left_stopped():
            raise self.not_running()
        return self.url

    def known_ip(self) -> str:
        """Return the host in the URL, for a caller about to connect. Raises MachineNotRunning."""
        if not self.ip or self._left_stopped():
            raise self.not_running()
        return self.ip

    def own_ip(self) -> str:
        """Return its address on its own network, where its containers publish their ports.

        That address can be reached if the engine runs on this computer; `known_ip` is the daemon's address.
        Raises MachineNotRunning.
        """
        address = self.driver.own_ip
        if not address:
            raise MachineNotRunning(self.name)
        return address

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" if unknown.

        At a published port there is only the daemon: what its containers publish is at `own_ip`.
        """
        return str(self.config.driver.get("Reached") or "")

    @property
    def ca_elsewhere(self) -> str:
        """Where its CA is, to follow "the CA is"; "" if it is in the machine's directory."""
        from dinv import authorities

        return authorities.ca_elsewhere(self.config)

    def authority(self, directory: str = "") -> Authority:
        """Return its authority, opened for its or another `directory`. Raises InputError."""
        from dinv import authorities

        return authorities.of_machine(self.config, directory=directory, secrets=self.secrets)

    @property
    def has_tls(self) -> bool:
        """Whether its daemon is reached by mutual TLS. A host without a driver may use plain TCP."""
        given = self.config.tls
        if given is not None:
            return given
        from dinv import drivers

        return bool(drivers.cert_path(self.config))

    @property
    def looked_after(self) -> bool:
        """Whether a driver manages it, dinv's or docker-machine's; else only its URL is known."""
        return bool(self.driver.keeper)

    @property
    def has_context(self) -> bool:
        """Whether dinv has written a docker context for it."""
        return bool(self.config.context)

    def expiry(self, *, soon: bool = False) -> str:
        """Return a warning that a certificate has expired, or with `soon` will in two weeks, with advice.

        "" if there is nothing to report. It makes no calls, and loads no certificate library.
        """
        if not self.has_tls:
            return ""
        from dinv.pki.validity import remark

        file, said = remark(self.cert_path, soon=soon)
        if not said:
            return ""
        keeper = self.driver.keeper
        if not keeper:
            return f"{said}: whoever runs its daemon has to replace it"
        if not self.driver.provisioned:
            return f"{said}: {keeper} regenerate-certs --client-certs {self.name}"
        clients = ("--client-certs",) if file == "ca.pem" else ()
        return f"{said}: " + command("regenerate-certs", *clients, self.name)

    def with_expiry(self, status: Status, *, soon: bool = False) -> Status:
        """Return its status, with that warning in its error."""
        said = self.expiry(soon=soon)
        return Status(status.state, joined("; ", (status.error, said)))

    # How to talk to it

    def environment(self) -> dict[str, str]:
        """Return the variables by which docker's CLI and libraries find the machine.

        `docker.from_env(environment=machine.environment())` is a docker-py client. Raises
        CertificatesTorn.
        """
        self.finish_certificates()
        from dinv import provisioners

        return dict(provisioners.of(self.config).credentials(self.config))

    def swarm_url(self) -> str:
        """Return the address of the classic swarm that it is the master of. Raises NoSwarm."""
        from dinv.provisioners import classic_swarm

        return classic_swarm.master_url(self.config, self.url)

    def docker_flags(self, *, swarm: bool = False) -> list[str]:
        """Return the same as words for the docker CLI, which removes the quotes itself."""
        url = self.swarm_url() if swarm else self.known_url()
        if not self.has_tls:
            return [f"-H={url}"]
        self.finish_certificates()
        files = (("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem"))
        quoted = [f'--{flag}="{os.path.join(self.cert_path, file)}"' for flag, file in files]
        return ["--tlsverify", *quoted, f"-H={url}"]

    def engine(self, *, timeout: float = STATE_SECONDS, url: str = "") -> Engine:
        """Return a client of its daemon; `timeout` in seconds is for calls without a deadline of their own.

        `url`: another address at which the machine listens, with the same certificates.
        """
        from dinv.engine import Engine, TLSFiles, parse_address

        self.finish_certificates()
        tls = TLSFiles.of_directory(self.cert_path) if self.has_tls else None
        return Engine(parse_address(url or self.known_url(), tls), timeout=timeout, trace=self.trace)

    def daemon_version(self) -> str:
        """Return the version of its daemon, asked of the daemon."""
        self.check_running()
        try:
            with self.engine() as engine:
                return str(engine.version().get("Version", ""))
        except EndpointTLSError as error:
            if said := self.expiry():
                error.add_note(said)
            raise

    def docker_kwargs(self) -> dict[str, Any]:
        """Return keyword arguments for docker-py's DockerClient and APIClient: base_url, tls.

        Needs the package docker, for its TLSConfig.
        """
        if not self.has_tls:
            return {"base_url": self.url}
        self.finish_certificates()
        from docker.tls import TLSConfig

        files = {name: os.path.join(self.cert_path, f"{name}.pem") for name in ("ca", "cert", "key")}
        tls = TLSConfig(client_cert=(files["cert"], files["key"]), ca_cert=files["ca"], verify=True)
        return {"base_url": self.url, "tls": tls}

    def channel(self) -> Channel:
        """Return the way files and commands get into the machine, which has to run for commands.

        Raises MachineNotRunning, MachineGone.
        """
        self.check_running()
        return self.driver.channel()

    def logs(
        self, *, tail: int | None = None, follow: bool = False, timestamps: bool = False
    ) -> Iterator[bytes]:
        """Yield the output of its init and daemon as it comes: the last `tail` lines, or everything."""
        return self.driver.logs(tail=tail, follow=follow, timestamps=timestamps)

    def finish_certificates(self) -> None:
        """Finish what a killed process began: move certificates into place, update the docker context.

        For a caller that uses its certificates, or holds its lock. While another process has the lock, the
        context is left to that one. In a store that this caller cannot write, nothing is done: raises
        CertificatesTorn if the client's files then do not match each other.
        """
        from dinv.system import files

        if not self.config.by_dinv or not files.is_pending(self.directory):
            return
        try:
            files.move_set(self.directory)
        except OSError:
            self._check_client()
            return
        import contextlib

        with contextlib.suppress(OSError, StoreError, ContextError), contextlib.ExitStack() as stack:
            if self.name not in self.store.held:
                stack.enter_context(self.store.lock(self.name, "finishing a renewal"))
            now = Host(self.store.load(self.name), self.store)
            if now.config.identity == self.config.identity:
                if now.has_context:
                    now.write_context()
                files.end_set(self.directory)

    def _check_client(self) -> None:
        """Check that the client's certificate and key match; a process that is moving them gets a moment.

        They are moved in the order of their names, each pair in one set, so both are old or both are new
        unless the process is between the two moves.
        """
        from dinv.system import files

        end = time.monotonic() + MOVE_SECONDS
        while files.is_pending(self.directory, "key.pem") and not files.is_pending(
            self.directory, "cert.pem"
        ):
            if time.monotonic() >= end:
                raise CertificatesTorn(self.name, self.directory)
            time.sleep(POLL_SECONDS)

    # Changes: the caller must hold the machine's lock

    def unmake(self, *, keep_cache: bool = False) -> list[str]:
        """Remove all but its directory; return a line per thing left. The caller must hold the lock."""
        left = self.driver.remove(keep_cache=keep_cache)
        self.remove_context()
        return left

    def remove_context(self) -> None:
        """Remove its docker context, if dinv wrote one."""
        context = self.config.context
        if context:
            from dinv.endpoints import contexts

            contexts.remove(context, self.config.identity)

    def issue_certificates(self, directory: str = "", *, new_ca: bool = False) -> None:
        """Issue new certificates for its current addresses. The caller must hold its lock.

        They are put in `directory`, which must exist, by default the machine's own. With `new_ca` they are
        from a new CA, whose key is put there too, if the CA is the machine's own.
        """
        from dinv.pki.certificates import issue

        directory = directory or self.directory
        authority = self.authority()
        if new_ca and authority.ca_per_machine:
            authority = self.authority(directory)
        names = [*self.driver.addresses(), *(self.config.auth_options.get("ServerCertSANs") or ())]
        issue(authority, machine=self.name, directory=directory, names=names, client=authority.client_pair())

    def write_context(self) -> None:
        """Write its docker context, or update it. Raises ContextError."""
        from dinv.endpoints import contexts
        from dinv.errors import CertificateError
        from dinv.pki import pem

        try:
            ca, cert, key = (
                pem.read(os.path.join(self.cert_path, f"{name}.pem")) for name in ("ca", "cert", "key")
            )
        except CertificateError as error:
            raise ContextError(error.text) from error
        contexts.write(
            self.name,
            host=self.url,
            description=f"dinv machine {self.name}",
            owner=self.config.identity,
            ca=ca,
            cert=cert,
            key=key,
        )

    def serve(self, progress: Progress, *, timeout: float) -> None:
        """After a start: follow an address that has changed, wait for the daemon, record its version.

        `timeout`, in seconds, is for the daemon to answer. The caller must hold its lock.
        """
        for note in self.driver.notes:
            progress.note(note)
        self.driver.notes.clear()
        if self.driver.refresh_address():
            # Its certificate is for the old address: docker-machine's users know this as #531.
            progress.note(f"The address has changed to {self.url}: new certificates")
            self.issue_certificates()
            self.provisioner.provision()
            self.provisioner.activate(starting=True)
            if self.config.context:
                self.write_context()
        elif self.driver.port_moves and self.config.context:
            self.write_context()
        with progress.working("Docker", f"starting at {self.url}"):
            version = self.provisioner.health(timeout=timeout, progress=progress)
        progress.line("Docker", f"{version} ready at {self.url}")
        self.config.docker_version = version
        self.config.stopped = False
        self.store.save(self.config)

    def observed_state(self) -> str:
        """Return its state (`dinv.states`). Raises MachineGone or MachineBusy if its container is missing."""
        status = self.driver.state(timeout=STATE_SECONDS)
        if status.state == ERROR:
            holder = self.store.holder(self.name)
            if holder is not None:
                # Another process makes, removes or upgrades it: what is missing is about to come, or to go.
                raise MachineBusy(self.name, holder)
        return self.driver.observed(status)

    def check_running(self) -> None:
        """Raise MachineNotRunning or MachineGone unless it is running."""
        state = self.observed_state()
        if state != RUNNING:
            raise self.not_running(state)

    def not_running(self, state: str = STOPPED) -> MachineNotRunning:
        """Return the error that says so, and how to start it."""
        startable = self.driver_class.provisioned
        if not startable and state == STOPPED:
            state = f"silent at {self.url}" if self.url else "without a known address"
        return MachineNotRunning(self.name, state, startable=startable)

    def renewing(self) -> bool:
        """Whether a renewal of its certificates was killed."""
        return bool(self.config.renewal) or os.path.lexists(os.path.join(self.directory, STAGING))

    def _left_stopped(self) -> bool:
        """Whether it is still as dinv's own `stop` or `kill` left it, as far as is known."""
        if not self.config.stopped:
            return False
        try:
            return self.status(timeout=LOOK_SECONDS).state != RUNNING
        except DinvError:
            return True


def unfinished(config: MachineConfig, holder: str | None = None) -> Status:
    """Return the status of a machine whose create has not finished.

    `holder` is the result of `Store.holder`: if set, the machine is being created or cleaned up right now.
    """
    if holder is not None:
        return Status(STARTING, at_work(holder))
    container = config.adopting
    if container:
        return Status(
            ERROR,
            "its adoption did not finish; finish it: "
            + command("adopt", str(container), config.name)
            + ", or forget it: "
            + command("rm", config.name),
        )
    return Status(
        ERROR,
        "its create did not finish; finish it: "
        + command("create", config.name, "...")
        + ", or clean up: "
        + command("rm", config.name),
    )
