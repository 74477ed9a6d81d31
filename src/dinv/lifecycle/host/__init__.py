"""A machine from the inside: its record, and its driver, provisioner and authority.

The public interface is `dinv.machine.Machine`; operations are functions of a Host. What several of them do is
beside it, and what prompts and profiles wait for (`url`, `env`, `status`) is in Host itself:

clients.py            docker flags, docker-py, and a client of dinv's own for its daemon
certificates.py       issued by its authority
issuance.py           what is recorded of that
serving.py            what follows every start
context.py            its docker context
cluster.py            its part in a cluster of machines
leasing.py            its lease: begun, extended, told to its container
by_itself.py          the client's certificate renewed in the background, by the command that notices
renewal_mark.py       when that was tried, and why it failed
torn_certificates.py  what a killed renewal has left half in place
unfinished.py         the status of one whose create did not finish
"""

from __future__ import annotations

import os
import time

from dinv import errors
from dinv.errors import DinvError, MachineBusy, MachineNotFound
from dinv.states import ERROR, RUNNING, STOPPED
from dinv.store.record import MachineConfig
from dinv.timeouts import LOOK_SECONDS, STATE_SECONDS
from dinv.wording import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from dinv.authorities import Authority
    from dinv.channel import Channel
    from dinv.drivers import Driver
    from dinv.images import ImageContract
    from dinv.pki.validity import Certificates
    from dinv.provisioners import Provisioner
    from dinv.states import Status
    from dinv.store.store import Store


class Host:
    """One machine of a store, for the operations in `lifecycle` and `access`.

    The endpoint is not asked before a method needs it. Nothing here takes the machine's lock, and changes
    need it: they begin with `lifecycle.changing` or `lifecycle.opening`.
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
        self.cluster_lost = False
        """Whether its cluster is to be made anew: when it serves, it does not wait to be back in the old."""
        self.remarks: list[str] = []
        """How certificates that were just issued differ from what was asked, for the user."""

    @classmethod
    def new(cls, store: Store, name: str, *, driver: str, trace: Callable[[str], None] | None = None) -> Host:
        """A machine that is not in a store yet. Raises PluginNotFound."""
        from dinv.drivers import find

        config = MachineConfig.new(
            name=name,
            store_path=store.root,
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
        """Ask the endpoint for its state and any error; `timeout` in seconds.

        Raises MachineNotFound for one that was removed meanwhile.
        """
        found = self._status(timeout)
        doubtful = found.error or found.state == ERROR
        return self._status(timeout) if doubtful and self.catch_up() else found

    def catch_up(self) -> bool:
        """Follow its record if others have changed it since and are done (`Store.changed`); return whether.

        Raises MachineNotFound, ConfigError.
        """
        now = self.store.changed(self.config)
        if now is None:
            return False
        if now.identity != self.config.identity:
            raise MachineNotFound(self.name)
        self.config.follow(now)
        return True

    def _status(self, timeout: float) -> Status:
        if self.config.unfinished:
            from dinv.lifecycle.host import unfinished

            return unfinished.status(self.config, self.store.holder(self.name))
        return self.driver.state(timeout=timeout)

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
            raise errors.MachineNotRunning(self.name)
        return address

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" if unknown.

        At a published port there is only the daemon: what its containers publish is at `own_ip`.
        """
        return str(self.config.driver.get("Reached") or "")

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

    @property
    def certificates(self) -> Certificates:
        """The dates of its certificates. Reads files only, and loads no certificate library."""
        from dinv.pki.validity import Certificates, in_directory

        return in_directory(self.cert_path) if self.has_tls else Certificates()

    def expiry(self, *, soon: bool = False) -> str:
        """Return a warning that a certificate has expired, or with `soon` is about to, with advice.

        "" if there is nothing to report. It makes no calls, and loads no certificate library.
        """
        return self.about_expiry(self.certificates, soon=soon) if self.has_tls else ""

    def about_expiry(self, certificates: Certificates, *, soon: bool = False, ask: bool = True) -> str:
        """Return the same about certificates whose dates were read already.

        If one is not valid, the clock may be what is wrong: with `ask` the endpoint is asked for its own.
        """
        if not certificates.valid():
            from dinv.drivers import clock

            if wrong := clock.wrong(self.driver, certificates, ask=ask):
                return f"{wrong}. {clock.ADVICE}"
        file, said = certificates.remark(soon=soon)
        if not said:
            return ""
        advice = f"{said}: {self.driver.renewal(file)}"
        if file != "cert.pem":
            return advice
        from dinv.lifecycle.host.renewal_mark import failure

        return joined(". It was not renewed by itself: ", (advice, failure(self.directory)))

    # How to talk to it

    def environment(self) -> dict[str, str]:
        """Return the variables by which docker's CLI and libraries find the machine.

        `docker.from_env(environment=machine.environment())` is a docker-py client. Raises
        CertificatesTorn.
        """
        self.finish_certificates()
        from dinv import provisioners

        return dict(provisioners.of(self.config).credentials(self.config))

    def channel(self) -> Channel:
        """Return the way files and commands get into the machine, which has to run for commands.

        Raises MachineNotRunning, MachineGone.
        """
        self.check_running()
        return self.driver.channel()

    def finish_certificates(self) -> None:
        """Finish what a killed process began: move certificates into place, update the docker context.

        For a caller that uses its certificates, or holds its lock. While another process has the lock, the
        context is left to that one. In a store that this caller cannot write, nothing is done: raises
        CertificatesTorn if the client's files then do not match each other.
        """
        from dinv.system import files

        if self.config.by_dinv and files.is_pending(self.directory):
            from dinv.lifecycle.host import torn_certificates

            torn_certificates.finish(self.config, self.store)

    def observed_state(self) -> str:
        """Return its state (`dinv.states`).

        If its container is missing, raises MachineGone, MachineBusy, or MachineNotFound once it is removed.
        """
        status = self.driver.state(timeout=STATE_SECONDS)
        if status.state == ERROR:
            holder = self.store.holder(self.name)
            if holder is not None:
                # Another process makes, removes or upgrades it: what is missing is about to come, or to go.
                raise MachineBusy(self.name, holder)
            if self.catch_up():
                status = self.driver.state(timeout=STATE_SECONDS)
        return self.driver.observed(status)

    def check_running(self) -> None:
        """Raise MachineNotRunning or MachineGone unless it is running."""
        state = self.observed_state()
        if state != RUNNING:
            raise self.not_running(state)

    def not_running(self, state: str = STOPPED) -> errors.MachineNotRunning:
        """Return the error that says so, and how to start it."""
        startable = self.driver_class.startable
        if not startable and state == STOPPED:
            state = f"silent at {self.url}" if self.url else "without a known address"
        return errors.MachineNotRunning(self.name, state, startable=startable)

    def _left_stopped(self) -> bool:
        """Whether it is still as dinv's own `stop` or `kill` left it, as far as is known."""
        if not self.config.stopped:
            return False
        try:
            return self.status(timeout=LOOK_SECONDS).state != RUNNING
        except DinvError:
            return True
