"""The create transaction: from a name to a machine that answers, or back to nothing.

    claim the name -> flags, endpoint -> all checks -> record it as *creating* -> image, container and, where
    the image waits for them, start, while keys and certificates are made -> certificates and options in ->
    start, where it has to have them first -> wait for the TLS port, see a client without a certificate
    refused, and once a container run -> docker context -> record it as *ready*

The record comes before anything is made, so whatever kills this process leaves something that `rm`, or
the same `create`, finds and finishes. Every other failure, Ctrl-C and SIGTERM included, is undone here.
"""

from __future__ import annotations

import contextlib
import threading
import time

from dinv import provisioners
from dinv.declaration import secrets
from dinv.errors import ContextError, DinvError, DriverRefused, InputError, Interrupted, OptionError
from dinv.lifecycle.host import Host
from dinv.options import TIMEOUT
from dinv.provisioners import classic_swarm
from dinv.provisioners.swarm_options import OPTIONS as SWARM
from dinv.registries import ca as registry_ca
from dinv.store.store import check_name
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.authorities import Authority
    from dinv.options import Values
    from dinv.progress import Progress
    from dinv.store.store import Store

ADDRESSES_TO_TRY = 8
ADDRESS_CHANGES = 3
SHOW_SECONDS = 0.1
"""How often progress is shown while a call takes long."""


class CreateOptions:
    """What a create is asked for, apart from the name.

    `driver_values`, `provisioner_values`, `authority_values` and `contract_values` are values of the options
    that each of these declares, by keyword. `provisioner` is "" for the driver's usual one, `authority` ""
    for a CA of the machine's own. `swarm_options` are libmachine's, for a host that is somebody else's;
    `registry_cas` PEM certificates by registry host; `timeout` is in seconds, for the daemon to answer.
    """

    def __init__(
        self,
        *,
        driver: str = "docker",
        driver_values: Mapping[str, Any] | None = None,
        provisioner: str = "",
        provisioner_values: Mapping[str, Any] | None = None,
        authority: str = "",
        authority_values: Mapping[str, Any] | None = None,
        contract_values: Mapping[str, Any] | None = None,
        swarm_options: Mapping[str, Any] | None = None,
        tls_sans: Iterable[str] = (),
        registry_cas: Mapping[str, bytes] | None = None,
        timeout: float = SERVE_SECONDS,
        keep_on_failure: bool = False,
        context: bool = True,
    ) -> None:
        self.driver = driver
        self.driver_values = dict(driver_values or {})
        self.provisioner = provisioner
        self.provisioner_values = dict(provisioner_values or {})
        self.authority = authority
        self.authority_values = dict(authority_values or {})
        self.contract_values = dict(contract_values or {})
        self.swarm_options = dict(swarm_options or {})
        self.tls_sans = tuple(tls_sans)
        self.registry_cas = dict(registry_cas or {})
        self.timeout: float = TIMEOUT.checked(timeout)
        self.keep_on_failure = keep_on_failure
        self.context = context

    @classmethod
    def of(cls, values: Values) -> CreateOptions:
        """From the values of the table of options. Raises InputError."""
        common = values.common
        swarm = {option.key: common[option.key] or option.default for option in SWARM}
        return cls(
            driver=values.driver,
            driver_values=values.driver_values,
            provisioner=values.provisioner,
            provisioner_values=values.provisioner_values,
            authority=values.authority,
            authority_values=values.authority_values,
            contract_values=values.contract_values,
            swarm_options=classic_swarm.swarm_options(
                **{key: value for key, value in swarm.items() if value}
            ),
            tls_sans=common["tls_san"],
            registry_cas=registry_ca.read(common["registry_ca"]),
            timeout=common["timeout"],
            keep_on_failure=common["keep_on_failure"],
            context=common["context"],
        )


def create(
    store: Store,
    name: str,
    options: CreateOptions,
    progress: Progress,
    *,
    trace: Callable[[str], None] | None = None,
) -> Host:
    """Make the machine `name`.

    Raises InputError, MachineExists, MachineBusy, PreCreateCheckFailed, ImageMissing, MachineDied,
    MachineNotReady, ClientNotRefused, ContainersCannotRun, and what reaching the endpoint raises. After an
    error there is nothing left of the machine, unless `keep_on_failure` says so or the endpoint went away;
    then the error is raised with a note (PEP 678) that says how to finish.
    """
    check_name(name)
    creation = _Creation(store, name, options, progress, trace)
    try:
        with store.claim(name, "creating it") as leftovers:
            if leftovers:
                progress.note(f"Cleaning up what an interrupted create of {name} has left")
                sweep(store, name, trace)
            return creation.run()
    except (KeyboardInterrupt, Interrupted):
        # It may have come between the claim and what undoes it.
        store.abandon(name)
        raise


def sweep(store: Store, name: str, trace: Callable[[str], None] | None) -> None:
    """Remove what an interrupted create has left; the caller has claimed the name."""
    from dinv.errors import ConfigError

    # Without a record it was killed before anything was made.
    with contextlib.suppress(ConfigError), Host(store.load(name), store, trace=trace) as machine:
        machine.unmake()
    store.empty(name)


class _Creation:
    """One create; `run` wants the name claimed."""

    def __init__(
        self,
        store: Store,
        name: str,
        options: CreateOptions,
        progress: Progress,
        trace: Callable[[str], None] | None,
    ) -> None:
        self.options = options
        self.progress = progress
        self.store = store
        self.machine = Host.new(store, name, driver=options.driver, trace=trace)
        self.recorded = False
        self.certified: list[str] = []
        """The names and addresses that its certificates are for."""

    def run(self) -> Host:
        started = time.monotonic()
        try:
            self._check()
            self.progress.stage("Creating machine...")
            if self.machine.driver.provisioned:
                self._make()
                version = self._await(started)
            else:
                self.machine.driver.create({}, (), {})
                version = ""
            self._finish(version)
        except BaseException as error:
            self._undo(error)
            self.machine.close()
            raise
        return self.machine

    def _check(self) -> None:
        config, driver = self.machine.config, self.machine.driver
        self._choose_provisioner()
        if self.options.tls_sans:
            from dinv.pki.certificates import canonical_name

            config.auth_options["ServerCertSANs"] = [canonical_name(name) for name in self.options.tls_sans]
        if self.options.swarm_options:
            if driver.provisioned:
                raise classic_swarm.refuse(self.machine.name)
            config.swarm_options.update(self.options.swarm_options)
            config.driver.update(classic_swarm.driver_fields(self.options.swarm_options))
        authority = self._authority()
        self._take_flags()
        self.progress.stage("Running pre-create checks...")
        driver.pre_create_check(self.progress)
        if authority is not None:
            authority.prepare(self.progress)
            authority.record(config)
        if self.options.context and self.machine.has_tls:
            # Recorded before there is any, for who finishes this create or removes what it has left.
            config.ours["Context"] = config.name
        if self.options.registry_cas:
            registry_ca.keep(config.directory, self.options.registry_cas)
        self.store.save(config)
        self.recorded = True

    def _authority(self) -> Authority | None:
        """The authority that was asked for, looked at; None for a CA of the machine's own.

        A CA of its own is not opened before it has to sign: what that imports would hold up the checks.
        """
        options, config = self.options, self.machine.config
        if not options.authority:
            return None
        if not self.machine.driver.provisioned:
            raise OptionError(
                f'There is nothing to sign for the authority "{options.authority}": the driver '
                f'"{config.driver_name}" makes no certificates. Those of a daemon that somebody else looks '
                f"after are named with " + option("url-cert-path") + "."
            )
        from dinv.authorities import open_authority

        authority = open_authority(
            options.authority,
            machine=config.name,
            directory=config.directory,
            options=options.authority_values,
        )
        authority.check()
        self.machine.secrets.update(secrets(authority.create_flags(), options.authority_values))
        return authority

    def _choose_provisioner(self) -> None:
        """Record what sets it up, and the options of that and of its image contract. Raises InputError."""
        options, driver = self.options, self.machine.driver
        name = options.provisioner or driver.provisioner
        provisioner = provisioners.find(name)
        if provisioner.provisions != driver.provisioned:
            raise InputError(
                f'The provisioner "{name}" puts nothing into a machine, and those that the driver '
                f'"{driver.name}" makes would not serve'
                if driver.provisioned
                else f'The provisioner "{name}" sets machines up, and the driver "{driver.name}" makes none'
            )
        provisioner.record(self.machine.config, options.provisioner_values)
        self.machine.secrets.update(secrets(provisioner.create_flags(), options.provisioner_values))
        if options.contract_values:
            self.machine.config.ours["ImageContractOptions"] = options.contract_values

    def _take_flags(self) -> None:
        try:
            self.machine.driver.set_config_from_flags(self.options.driver_values, self.progress)
        except InputError as error:
            raise DriverRefused(error) from error

    def _make(self) -> None:
        machine, driver = self.machine, self.machine.driver
        machine.use_contract(driver.prepare(self.progress))
        if self._starts_first:
            # Now, and not earlier: what takes CPU beside the calls before the start holds them up.
            self._create_container()
        certificates = _Background(self._certify)
        try:
            if self._starts_first:
                self._start_at_some_address(certificates)
            else:
                self._create_container()
        finally:
            certificates.join()
        # Not before the certificates are done: to save is to sweep the directory that they are staged in.
        self.store.save(machine.config)
        certificates.result()
        self._follow_move()
        issued = ", ".join(machine.authority().issues)
        self.progress.line("Certificates", f"{issued} (ECDSA P-256)", "issued")
        if not driver.address_known:
            self._start_and_follow_address()
        else:
            machine.provisioner.provision()
            if not self._starts_first:
                self._start_at_some_address(certificates)
            self._follow_address()
        self.progress.line("Machine", str(driver.facts()["machine"]), "started")

    @property
    def _starts_first(self) -> bool:
        """Whether it is started while its certificates are being made, and gets them when it runs.

        The start takes as long as they do, and the image comes as far as it can without them.
        """
        machine = self.machine
        driver = machine.driver
        return driver.address_known and driver.takes_files_running and machine.contract.waits_for_certificates

    def _certify(self) -> None:
        self.certified = self.machine.driver.addresses()
        self.machine.issue_certificates()
        # What takes long to import, and is wanted next.
        import tarfile  # noqa: F401

        import dinv.engine.wire.tls  # noqa: F401

    def _follow_move(self) -> None:
        """Make other certificates when `move` has changed more than the port."""
        if self.machine.driver.addresses() != self.certified:
            self._certify()

    def _create_container(self) -> None:
        machine = self.machine
        contract, options = machine.contract, machine.daemon_options
        wait = self.options.timeout if self._starts_first or not machine.driver.address_known else 0
        machine.driver.create(
            contract.environment(options, wait_seconds=wait),
            contract.command(options, machine.config.driver_name),
            contract.mounts,
        )

    def _start_and_follow_address(self) -> None:
        """Start it, learn where it is, and give it certificates for that.

        An image that cannot wait for them starts with those for the names that are known already.
        """
        machine = self.machine
        if not machine.contract.waits_for_certificates:
            machine.provisioner.provision()
        self._start()
        machine.driver.refresh_address()
        machine.issue_certificates()
        machine.provisioner.provision()
        if not machine.contract.waits_for_certificates:
            # Where that takes a restart, it may come back at another address.
            machine.provisioner.activate(starting=True)
            self._follow_address()

    def _start_at_some_address(self, certificates: _Background) -> None:
        """Start it; when somebody was faster with the port or the address, at the next one.

        The certificates may be in the making still. The names in them do not change with the port.
        """
        from dinv.drivers import AddressTaken
        from dinv.errors import PreCreateCheckFailed

        for _ in range(ADDRESSES_TO_TRY):
            try:
                self._start()
            except AddressTaken:
                certificates.join()
                self.machine.driver.move()
                self.store.save(self.machine.config)
                self._create_container()
                self.store.save(self.machine.config)
                if not self._starts_first:
                    self._follow_move()
                    self.machine.provisioner.provision()
            else:
                return
        raise PreCreateCheckFailed(
            f"{ADDRESSES_TO_TRY} addresses in a row were taken on the endpoint. Choose one with --publish."
        )

    def _follow_address(self) -> None:
        """Give it other certificates when it turns out to be somewhere else than they say."""
        machine = self.machine
        for _ in range(ADDRESS_CHANGES):
            if not machine.driver.refresh_address():
                return
            machine.issue_certificates()
            machine.provisioner.provision()
            machine.provisioner.activate(starting=True)

    def _start(self) -> None:
        """Start it; on a VCH that boots a VM, and the call takes as long."""
        machine = self.machine
        with self.progress.working("Machine", f"starting {machine.name}"):
            start = _Background(lambda: machine.driver.start(timeout=self.options.timeout))
            while not start.done(SHOW_SECONDS):
                self.progress.update("")
            start.result()

    def _await(self, started: float) -> str:
        machine = self.machine
        with self.progress.working("Docker", f"starting at {machine.url}"):
            version = machine.provisioner.health(timeout=self.options.timeout, progress=self.progress)
        machine.provisioner.prove(self.progress)
        seconds = time.monotonic() - started
        self.progress.line("Docker", f"{version} ready at {machine.url} in {seconds:.1f} s")
        return version

    def _finish(self, version: str) -> None:
        from dinv.store.record import READY

        ours = self.machine.config.ours
        if self.machine.has_context:
            try:
                self.machine.write_context()
            except ContextError as error:
                ours["Context"] = ""
                self.progress.warn(f"No docker context: {error}")
        ours["DockerVersion"] = version
        ours["Phase"] = READY
        self.store.save(self.machine.config)

    def _undo(self, error: BaseException) -> None:
        machine = self.machine
        if self.recorded and self.options.keep_on_failure:
            error.add_note(f"Kept as it is, as --keep-on-failure says. Remove it: dinv rm -y {machine.name}")
            return
        try:
            if self.recorded:
                machine.unmake()
            self.store.remove(machine.name)
        except BaseException as failure:  # noqa: BLE001  (a second Ctrl-C, too; the first error goes on)
            why = f" ({failure})" if isinstance(failure, DinvError) else ""
            error.add_note(
                f"What was made could not all be removed{why}. Finish it: dinv rm -y {machine.name}"
            )


class _Background:
    """Work in a thread of its own, its error kept for who waits."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="create", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised by `result`, where somebody waits)
            self._error = error

    def done(self, seconds: float) -> bool:
        """Wait for so long at most."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()

    def result(self) -> None:
        if self._error is not None:
            raise self._error
