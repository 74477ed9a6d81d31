"""The work of each step of a create; their order is in `dinv.lifecycle.create`."""

from __future__ import annotations

import time

from dinv import images, provisioners
from dinv.declaration import secrets, to_record
from dinv.errors import DinvError, DriverRefused, InputError, MachineDied, OptionError
from dinv.lifecycle.create.addresses import follow, learn, start, start_at_some_address
from dinv.lifecycle.host import Host, certificates, cluster, context, leasing, telling
from dinv.lifecycle.remove import unmake
from dinv.lifecycle.steps import Transaction
from dinv.options import CONTRACT
from dinv.provisioners import classic_swarm
from dinv.registries import ca as registry_ca
from dinv.store.lease import Lease
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


LOG_LINES = 20


class Creation(Transaction):
    """One create. The caller must have claimed the name."""

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
        self.started = False
        self.outside = False
        """Whether it did not become a member of its cluster."""
        self.certified: list[str] = []
        """The names and addresses in its certificates."""
        self.version = ""

    def journal(self) -> dict[str, Any] | None:
        """Return the record's section Dinv itself, whose Phase is `creating`."""
        ours: dict[str, Any] = self.machine.config.ours
        return ours

    # What the order of the steps depends on

    def provisioned(self) -> bool:
        """Whether dinv creates it; otherwise somebody else manages its daemon."""
        return self.machine.driver.provisioned

    def starts_first(self) -> bool:
        """Whether it is started while its certificates are being made, and gets them once it runs.

        Both take about as long, and the image boots as far as it can without them.
        """
        driver = self.machine.driver
        return (
            driver.provisioned
            and driver.address_known
            and driver.takes_files_running
            and self.machine.contract.waits_for_certificates
        )

    def starts_last(self) -> bool:
        """Whether it is started only once it has certificates, as far as they can be made by then."""
        return self.provisioned() and not self.starts_first()

    def not_started(self) -> bool:
        """Whether its container is created without being started right after."""
        return not self.starts_first()

    def certifiable(self) -> bool:
        """Whether certificates can be installed before it starts."""
        driver = self.machine.driver
        return driver.provisioned and (
            driver.address_known or not self.machine.contract.waits_for_certificates
        )

    def in_cluster(self) -> bool:
        """Whether it is to be part of a cluster of machines."""
        return self.provisioned() and self.machine.provisioner.membership() is not None

    # The steps

    def configure(self) -> None:
        """The options have been applied, in memory. The endpoint has only been asked what it is."""
        config, driver, options = self.machine.config, self.machine.driver, self.options
        self._choose_provisioner()
        config.applied = options.applied
        config.pool = options.pool
        if options.tls_sans:
            from dinv.pki.certificates import canonical_name

            config.auth_options["ServerCertSANs"] = [canonical_name(name) for name in options.tls_sans]
        if options.swarm_options:
            if driver.provisioned:
                for remark in classic_swarm.without_meaning(options.swarm_options):
                    self.progress.note(remark)
            else:
                config.swarm_options.update(options.swarm_options)
                config.driver.update(classic_swarm.driver_fields(options.swarm_options))
        self._set_lifetimes()
        self._set_lease()
        self.authority = self._authority()
        try:
            driver.set_config_from_flags(options.driver_values, self.progress)
        except InputError as error:
            raise DriverRefused(error) from error
        if driver.provisioned:
            driver.serve_ports(self.machine.provisioner.ports())
        if options.registry_cache:
            from dinv.lifecycle.host import registry_cache

            registry_cache.use(self.machine, options.registry_cache)

    def _set_lifetimes(self) -> None:
        """Record how long its certificates are to be valid. Raises OptionError."""
        given = {"cert-lifetime": self.options.cert_lifetime, "ca-lifetime": self.options.ca_lifetime}
        for name, seconds in given.items():
            if seconds and not self.machine.driver.provisioned:
                raise OptionError(
                    f'has no meaning with the driver "{self.machine.config.driver_name}", which makes no '
                    f"certificates",
                    option=name,
                )
        lifetime, of_ca = given.values()
        if lifetime and of_ca and lifetime > of_ca:
            raise OptionError(
                "is longer than " + option("ca-lifetime") + ": a certificate is valid only while its CA is",
                option="cert-lifetime",
            )
        self.machine.config.cert_lifetime = lifetime
        self.machine.config.ca_lifetime = of_ca

    def _set_lease(self) -> None:
        """Record that its time is limited; its end is set when it is made. Raises OptionError."""
        lease, config = self.options.lease, self.machine.config
        if lease is None:
            return
        driver = self.machine.driver
        if not driver.provisioned and not (driver.ends_machines and lease == Lease(ttl=lease.ttl)):
            said = f'has no meaning with the driver "{config.driver_name}": '
            if driver.ends_machines:
                raise OptionError(
                    said + "what makes the machine decides it",
                    option="idle-ttl" if lease.idle_ttl else "on-expiry",
                )
            raise OptionError(
                said + "dinv does not make the machine, so it neither stops nor removes it",
                option="ttl" if lease.ttl else "idle-ttl",
            )
        config.lease = lease
        config.run = self.options.run

    def _authority(self) -> Authority | None:
        """Open and check the chosen authority; None for a CA of the machine's own.

        Its own CA is opened only when it has to sign: the imports for it would delay the checks.
        """
        options, config = self.options, self.machine.config
        if not options.authority:
            return None
        if not self.machine.driver.provisioned:
            raise OptionError(
                f'There is nothing to sign for the authority "{options.authority}": the driver '
                f'"{config.driver_name}" makes no certificates. For those of a daemon that somebody else '
                f"manages, use " + option("url-cert-path") + "."
            )
        from dinv.authorities import open_authority

        authority = open_authority(
            options.authority,
            machine=config.name,
            directory=config.directory,
            options=options.authority_values,
        )
        if options.ca_lifetime and not authority.makes_ca:
            raise OptionError(
                f'is for a CA that is made for the machine, and the authority "{authority.name}" makes none',
                option="ca-lifetime",
            )
        authority.ca_lifetime = options.ca_lifetime
        authority.check()
        self.machine.secrets.update(secrets(authority.create_flags(), options.authority_values))
        return authority

    def _choose_provisioner(self) -> None:
        """Record its provisioner, and the options of that and of its image contract. Raises InputError."""
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
        values = options.provisioner_values
        if options.swarm_options and driver.provisioned:
            values = classic_swarm.as_options(options.swarm_options, values)
        provisioner.record(self.machine.config, values)
        self.machine.secrets.update(secrets(provisioner.create_flags(), values))
        if options.contract_values:
            contract = images.load(options.driver_values[CONTRACT]).create_flags()
            self.machine.secrets.update(secrets(contract, options.contract_values))
            self.machine.config.image_contract_options = to_record(contract, options.contract_values)

    def check(self) -> None:
        """All checks have passed; nothing has been created."""
        self.progress.stage("Running pre-create checks...")
        self.machine.driver.pre_create_check(self.progress)
        if (membership := self.machine.provisioner.membership()) is not None:
            cluster.check_name(self.machine, membership)
            membership.check(self.progress)
        telling.ask(self.machine, "pre-create", self.progress, command="create")

    def record(self) -> None:
        """The record exists, as `creating`: from here on, a create that is killed is found."""
        config = self.machine.config
        if self.authority is not None:
            self.authority.prepare(self.progress)
            self.authority.record(config)
        if self.options.context and self.machine.has_tls:
            # Recorded beforehand, for the command that finishes this create or removes what it left.
            config.context = config.name
        if self.options.registry_cas:
            registry_ca.keep(config.directory, self.options.registry_cas)
        if config.registry_cache:
            from dinv.lifecycle.host import registry_cache

            # Looked at again: it may have been removed since, by somebody who could not see this machine yet.
            registry_cache.use(self.machine, config.registry_cache)
            registry_cache.hand_out(self.machine)
        leasing.begin(self.machine)
        self.store.save(config)
        self.recorded = True
        self.progress.stage("Creating machine...")

    def prepare_image(self) -> None:
        """The image and the network are on the endpoint."""
        self.machine.use_contract(self.machine.driver.prepare(self.progress))
        leasing.check_idle(self.machine)

    def examine(self) -> None:
        """The endpoint and the image can do what members of its cluster need."""
        membership = self.machine.provisioner.membership()
        if membership is not None:
            with self.progress.working("Cluster", "trying what the endpoint can do"):
                membership.examine(self.progress)

    def create_container(self) -> None:
        """The volume and the container exist, not started; with the driver `none`, nothing is created."""
        machine = self.machine
        if not machine.driver.provisioned:
            machine.driver.create({}, (), {})
            return
        leasing.begin(machine)
        contract, options = machine.contract, machine.daemon_options
        wait = self.options.timeout if self.starts_first() or not machine.driver.address_known else 0
        machine.driver.create(
            contract.environment(options, wait_seconds=wait),
            contract.command(options, machine.config.driver_name),
            contract.mounts,
        )

    def certify(self) -> None:
        """Keys and certificates exist for the addresses known so far."""
        self.certified = self.machine.driver.addresses()
        certificates.issue(self.machine, progress=self.progress)
        # These take long to import and are needed next.
        import tarfile  # noqa: F401

        import dinv.engine.wire.tls  # noqa: F401

    def start(self) -> None:
        """The machine runs, at the chosen address or at the next free one."""
        machine, timeout = self.machine, self.options.timeout
        if machine.driver.address_known:
            start_at_some_address(machine, self.progress, timeout=timeout, moved=self._move)
        else:
            start(machine, self.progress, timeout=timeout)
        self.started = True

    def _move(self) -> None:
        """Recreate its container at another address. The certificates may still be in the making."""
        self.wait_for("certificates")
        self.machine.driver.move()
        self.store.save(self.machine.config)
        self.create_container()
        self.store.save(self.machine.config)
        # The names in certificates do not depend on the port.
        if not self.starts_first():
            self._follow_move()
            self.machine.provisioner.provision()

    def _follow_move(self) -> None:
        """Issue new certificates if `move` has changed more than the port."""
        if self.machine.driver.addresses() != self.certified:
            self.certify()

    def keep(self) -> None:
        """Everything so far is recorded."""
        # Not before the certificates are done: saving cleans up the directory in which they are staged.
        self.store.save(self.machine.config)
        self.result_of("certificates")
        self._follow_move()
        issued = ", ".join(self.machine.authority().issues)
        self.progress.line("Certificates", f"{issued} (ECDSA P-256)", "issued")
        certificates.show_remarks(self.machine, self.progress)

    def provision(self) -> None:
        """Certificates and options are in the machine."""
        try:
            self.machine.provisioner.provision()
        except DinvError as error:
            # An init that has ended takes no files; what it said last tells more than that.
            driver = self.machine.driver
            status = driver.ended() if self.started else None
            if status is None:
                raise
            raise MachineDied(self.machine.name, status, driver.last_log_lines(LOG_LINES)) from error

    def settle_address(self) -> None:
        """The certificates match the machine's address."""
        if self.machine.driver.address_known:
            follow(self.machine, self.progress)
        else:
            learn(self.machine, self.progress)
        telling.tell(self.machine, "provisioned", self.progress, command="create")
        self.progress.line("Machine", str(self.machine.driver.facts()["machine"]), "started")

    def serve(self) -> None:
        """The daemon answers, refuses a client without a certificate, and reaches its registry cache."""
        machine = self.machine
        certificates.show_remarks(machine, self.progress)
        with self.progress.working("Docker", f"starting at {machine.url}"):
            self.version = machine.provisioner.health(timeout=self.options.timeout, progress=self.progress)
        if machine.config.registry_cache:
            from dinv.lifecycle.host import registry_cache

            registry_cache.check(machine)
            registry_cache.tell(machine, self.version, self.progress)

    def prove(self) -> None:
        """A container has run in it, or earlier in a machine of the same kind."""
        machine = self.machine
        machine.provisioner.prove(self.progress)
        seconds = time.monotonic() - self.begun
        self.progress.line("Docker", f"{self.version} ready at {machine.url} in {seconds:.1f} s")

    def join(self) -> None:
        """It is a member of its cluster, or the first one."""
        membership = self.machine.provisioner.membership()
        if membership is not None:
            self.outside = True
            membership.join(self.progress, timeout=self.options.timeout)
            self.outside = False

    def write_context(self) -> None:
        """It has a docker context, if wanted and possible."""
        context.write(self.machine.config, self.progress)

    def finish(self) -> None:
        """It is recorded as ready."""
        config = self.machine.config
        config.docker_version = self.version or config.docker_version
        config.phase = READY
        config.step = ""
        self.store.save(config)
        if config.lease is not None and not config.run and self.machine.driver_class.provisioned:
            self.progress.line("Lease", config.lease.described())

    # How they are undone

    def forget(self) -> None:
        """Its directory is gone, and the name is free."""
        self.store.remove(self.machine.name)

    def unmake(self) -> None:
        """Its cluster has forgotten it; everything it had on its endpoint is gone, and its docker context."""
        # What kept it from joining may keep it from leaving, too: then there is little that it could leave.
        for line in unmake(self.machine, self.progress, force=self.outside):
            self.progress.note(line)

    def keeps(self, error: BaseException) -> bool:
        """Keep everything with `keep_on_failure`, once there is a record."""
        if not (self.recorded and self.options.keep_on_failure):
            return False
        kept = "Kept unchanged, as " + option("keep-on-failure") + " says. Remove it: "
        error.add_note(kept + command("rm", "-y", self.machine.name))
        return True

    def not_undone(self, error: BaseException, why: str) -> None:
        """Say how to finish; the record is kept for `rm`."""
        error.add_note(
            "What was made could not all be removed"
            + why
            + ". Finish it: "
            + command("rm", "-y", self.machine.name)
        )
