"""The work of each step of a create; their order is in `dinv.lifecycle.create`."""

from __future__ import annotations

import time

from dinv import images, provisioners
from dinv.declaration import secrets, to_record
from dinv.errors import DriverRefused, InputError, OptionError
from dinv.lifecycle import docker_context
from dinv.lifecycle.create.addresses import follow, learn, start, start_at_some_address
from dinv.lifecycle.host import Host
from dinv.lifecycle.steps import Transaction
from dinv.options import CONTRACT
from dinv.provisioners import classic_swarm
from dinv.registries import ca as registry_ca
from dinv.store.record import READY
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.authorities import Authority
    from dinv.lifecycle.create.options import CreateOptions
    from dinv.progress import Progress
    from dinv.store.store import Store


class Creation(Transaction):
    """One create; the caller has claimed the name."""

    kind = "create"

    def __init__(
        self,
        store: Store,
        name: str,
        options: CreateOptions,
        progress: Progress,
        trace: Callable[[str], None] | None,
    ) -> None:
        super().__init__(Host.new(store, name, driver=options.driver, trace=trace), progress)
        self.options = options
        self.store = store
        self.begun = time.monotonic()
        self.authority: Authority | None = None
        self.recorded = False
        self.certified: list[str] = []
        """The names and addresses that its certificates are for."""
        self.version = ""

    def journal(self) -> dict[str, Any] | None:
        """Dinv itself, as long as its Phase is `creating`."""
        ours: dict[str, Any] = self.machine.config.ours
        return ours

    # What the order of the steps depends on

    def provisioned(self) -> bool:
        """Whether it is made here; else somebody else looks after it."""
        return self.machine.driver.provisioned

    def starts_first(self) -> bool:
        """Whether it is started while its certificates are being made, and gets them when it runs.

        The start takes as long as they do, and the image comes as far as it can without them.
        """
        driver = self.machine.driver
        return (
            driver.provisioned
            and driver.address_known
            and driver.takes_files_running
            and self.machine.contract.waits_for_certificates
        )

    def starts_last(self) -> bool:
        """Whether it is not started before it has certificates, or all that can be had of them."""
        return self.provisioned() and not self.starts_first()

    def not_started(self) -> bool:
        """Whether there is a container to be made that is not started yet."""
        return not self.starts_first()

    def certifiable(self) -> bool:
        """Whether there are certificates to be put in that it can begin with."""
        driver = self.machine.driver
        return driver.provisioned and (
            driver.address_known or not self.machine.contract.waits_for_certificates
        )

    # The steps

    def configure(self) -> None:
        """The options are taken, in memory. Nothing is asked of the endpoint but who it is."""
        config, driver, options = self.machine.config, self.machine.driver, self.options
        self._choose_provisioner()
        if options.tls_sans:
            from dinv.pki.certificates import canonical_name

            config.auth_options["ServerCertSANs"] = [canonical_name(name) for name in options.tls_sans]
        if options.swarm_options:
            if driver.provisioned:
                raise classic_swarm.refuse(self.machine.name)
            config.swarm_options.update(options.swarm_options)
            config.driver.update(classic_swarm.driver_fields(options.swarm_options))
        self.authority = self._authority()
        try:
            driver.set_config_from_flags(options.driver_values, self.progress)
        except InputError as error:
            raise DriverRefused(error) from error

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
            contract = images.load(options.driver_values[CONTRACT]).create_flags()
            self.machine.secrets.update(secrets(contract, options.contract_values))
            self.machine.config.image_contract_options = to_record(contract, options.contract_values)

    def check(self) -> None:
        """All checks have been made, and nothing else."""
        self.progress.stage("Running pre-create checks...")
        self.machine.driver.pre_create_check(self.progress)

    def record(self) -> None:
        """It is recorded as `creating`: from here on, whatever kills this process, it is found."""
        config = self.machine.config
        if self.authority is not None:
            self.authority.prepare(self.progress)
            self.authority.record(config)
        if self.options.context and self.machine.has_tls:
            # Recorded before there is any, for who finishes this create or removes what it has left.
            config.context = config.name
        if self.options.registry_cas:
            registry_ca.keep(config.directory, self.options.registry_cas)
        self.store.save(config)
        self.recorded = True
        self.progress.stage("Creating machine...")

    def prepare_image(self) -> None:
        """The image, and the network, are on the endpoint."""
        self.machine.use_contract(self.machine.driver.prepare(self.progress))

    def create_container(self) -> None:
        """Its volume and container are there, and do not run; with the driver `none`, nothing is."""
        machine = self.machine
        if not machine.driver.provisioned:
            machine.driver.create({}, (), {})
            return
        contract, options = machine.contract, machine.daemon_options
        wait = self.options.timeout if self.starts_first() or not machine.driver.address_known else 0
        machine.driver.create(
            contract.environment(options, wait_seconds=wait),
            contract.command(options, machine.config.driver_name),
            contract.mounts,
        )

    def certify(self) -> None:
        """There are keys and certificates for the addresses that are known."""
        self.certified = self.machine.driver.addresses()
        self.machine.issue_certificates()
        # What takes long to import, and is wanted next.
        import tarfile  # noqa: F401

        import dinv.engine.wire.tls  # noqa: F401

    def start(self) -> None:
        """It runs, at the address that was chosen, or at the next one that is free."""
        machine, timeout = self.machine, self.options.timeout
        if machine.driver.address_known:
            start_at_some_address(machine, self.progress, timeout=timeout, moved=self._move)
        else:
            start(machine, self.progress, timeout=timeout)

    def _move(self) -> None:
        """Make its container anew, at another address. The certificates may be in the making still."""
        self.wait_for("certificates")
        self.machine.driver.move()
        self.store.save(self.machine.config)
        self.create_container()
        self.store.save(self.machine.config)
        # The names in certificates do not change with the port.
        if not self.starts_first():
            self._follow_move()
            self.machine.provisioner.provision()

    def _follow_move(self) -> None:
        """Make other certificates when `move` has changed more than the port."""
        if self.machine.driver.addresses() != self.certified:
            self.certify()

    def keep(self) -> None:
        """What there is so far is recorded."""
        # Not before the certificates are done: to save is to sweep the directory that they are staged in.
        self.store.save(self.machine.config)
        self.result_of("certificates")
        self._follow_move()
        issued = ", ".join(self.machine.authority().issues)
        self.progress.line("Certificates", f"{issued} (ECDSA P-256)", "issued")

    def provision(self) -> None:
        """Certificates and options are in it."""
        self.machine.provisioner.provision()

    def settle_address(self) -> None:
        """Its certificates are for the address that it has."""
        if self.machine.driver.address_known:
            follow(self.machine)
        else:
            learn(self.machine)
        self.progress.line("Machine", str(self.machine.driver.facts()["machine"]), "started")

    def serve(self) -> None:
        """It answers, and a client without a certificate is refused."""
        machine = self.machine
        with self.progress.working("Docker", f"starting at {machine.url}"):
            self.version = machine.provisioner.health(timeout=self.options.timeout, progress=self.progress)

    def prove(self) -> None:
        """A container has run in it, or in a machine of its kind before."""
        machine = self.machine
        machine.provisioner.prove(self.progress)
        seconds = time.monotonic() - self.begun
        self.progress.line("Docker", f"{self.version} ready at {machine.url} in {seconds:.1f} s")

    def write_context(self) -> None:
        """It has a docker context, if it is to have one and can."""
        docker_context.write(self.machine, self.progress)

    def finish(self) -> None:
        """It is recorded as ready."""
        config = self.machine.config
        config.docker_version = self.version
        config.phase = READY
        config.step = ""
        self.store.save(config)

    # What undoes them

    def forget(self) -> None:
        """Its directory is gone, and the name is free."""
        self.store.remove(self.machine.name)

    def unmake(self) -> None:
        """All that it has at its endpoint is gone, and its docker context."""
        self.machine.unmake()

    def keeps(self, error: BaseException) -> bool:
        """With `keep_on_failure`, once there is a record."""
        if not (self.recorded and self.options.keep_on_failure):
            return False
        kept = "Kept unchanged, as " + option("keep-on-failure") + " says. Remove it: "
        error.add_note(kept + command("rm", "-y", self.machine.name))
        return True

    def not_undone(self, error: BaseException, why: str) -> None:
        """There is a record still, for `rm`."""
        error.add_note(
            "What was made could not all be removed"
            + why
            + ". Finish it: "
            + command("rm", "-y", self.machine.name)
        )
