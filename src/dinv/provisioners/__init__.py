"""The Provisioner seam: what turns a bare machine into a Docker host, or whatever it serves.

A provisioner knows the machine's driver and image contract, never how the machine was made. A plugin
registers a Provisioner subclass as entry point in the group `dinv.provisioners`. One that sets up a Docker
daemon derives from DockerdProvisioner, or from `dinv.provisioners.docker.DockerProvisioner`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.drivers import Difference, Driver
    from dinv.images import ImageContract
    from dinv.progress import Progress
    from dinv.provisioners.membership import Membership, Standing
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

GROUP = "dinv.provisioners"

_BUILT_IN = {
    "datacenter": "dinv.provisioners.datacenter:DatacenterProvisioner",
    "docker": "dinv.provisioners.docker:DockerProvisioner",
    "kubernetes": "dinv.provisioners.kubernetes.provisioner:KubernetesProvisioner",
    "none": "dinv.provisioners.none:NoneProvisioner",
    "swarm": "dinv.provisioners.swarm:SwarmProvisioner",
}
SEAM = plugins.Seam("provisioner", GROUP, _BUILT_IN, "dinv.provisioners:Provisioner")

_DOCKER_MACHINES = "dinv.provisioners.docker_machine:DockerMachineProvisioner"
"""The provisioner of machines that docker-machine made; it cannot be chosen."""


class Provisioner(ABC):
    """Makes one machine serve.

    `secrets` are the values of options that are not in the machine's record, by keyword, perhaps along with
    other seams'.
    """

    name: str
    provisions = True
    """Whether it puts anything in; one that does not goes with drivers that make no machines."""
    cluster = ""
    """The kind of cluster that its machines form: those of one kind can be joined. "" for none."""

    def __init__(
        self,
        config: MachineConfig,
        driver: Driver,
        contract: ImageContract,
        *,
        trace: Callable[[str], None] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.driver = driver
        self.contract = contract
        self.trace = trace
        self.secrets = dict(secrets or {})

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        """Return the options this provisioner adds to `create`.

        One that is `secret` has no flag and is not recorded: its variable is read whenever it is needed.
        """
        return ()

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        """Record this provisioner and the values of its options, except secrets, in a machine's record.

        Raises InputError for values that it cannot use.
        """
        from dinv.declaration import to_record

        config.provisioner = cls.name
        recorded = to_record(cls.create_flags(), options)
        if recorded:
            config.provisioner_options = recorded

    @property
    def options(self) -> dict[str, Any]:
        """Return the values of its options, by keyword: recorded, secret, or the declared defaults."""
        import os

        from dinv.declaration import from_record

        recorded = self.config.provisioner_options
        return from_record(self.create_flags(), recorded, self.secrets, os.environ)

    @abstractmethod
    def provision(self) -> None:
        """Put in what the machine needs: certificates, options. It need not run."""

    @abstractmethod
    def activate(self, *, starting: bool = False) -> None:
        """Make a running machine use what `provision` has put in.

        `starting`: it was started just before; if it started with that already, it is left alone.
        """

    def rotates_in_place(self) -> bool:
        """Return whether it takes up new certificates and revocations without cutting any other stream.

        This asks the machine, which need not run.
        """
        return False

    def activate_certificates(self, *, starting: bool = False) -> None:
        """Make a running machine use the certificates and revocations that `provision` has put in.

        Where the machine does not rotate in place that is `activate`, and may restart its daemon. Otherwise
        no stream ends but those of revoked certificates. Raises CertificatesNotTaken.
        """
        self.activate(starting=starting)

    def pending(self) -> bool:
        """Return whether the running daemon was started with other options than `provision` has put in.

        True if nobody can say: then `activate` makes sure.
        """
        return True

    def ports(self) -> Sequence[int]:
        """Return the TCP ports of the machine that clients are to reach, besides its daemon's."""
        return ()

    def membership(self) -> Membership | None:
        """Return the machine's part in a cluster of machines; None if its machines form none."""
        return None

    @classmethod
    def standings(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> Mapping[str, Standing]:
        """Return what their clusters say of machines of this provisioner, by name; `timeout` in seconds.

        Each cluster is asked once. Machines that nothing is said of are missing. Raises nothing.
        """
        return {}

    @classmethod
    def kubeconfig_path(cls, config: MachineConfig) -> str:
        """Return the path of the machine's own kubeconfig; "" if its machines are no Kubernetes clusters'.

        It has the cluster's CA, a client's certificate and its key in it, and leads to the machine from this
        computer. The file need not be there yet. Makes no calls. Entries that `dinv kubeconfig --merge` puts
        into the user's file are recorded in `config.membership`, under `membership.KUBECONFIG`: to be
        removed by `Membership.forget`.
        """
        return ""

    # Options that change after the machine was made, for `dinv set`

    @classmethod
    def change_flags(cls) -> Sequence[Option]:
        """Return the options of `dinv set` that are this provisioner's."""
        return ()

    def changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keys of libmachine's engine options that the options would change, with new values.

        `values` has those that were given (`change_flags`), by keyword. Raises InputError.
        """
        return {}

    def differences(self, changes: Mapping[str, Any]) -> list[Difference]:
        """Return the same in the words of the options, for the user."""
        return []

    def means(self, changes: Mapping[str, Any]) -> str:
        """Return by which means (`dinv.drivers.alteration`) the machine takes them; "" if none is needed.

        Raises InputError for an option that the image cannot be given.
        """
        from dinv.drivers.alteration import RESTART

        return RESTART if changes else ""

    @property
    def restart_stops(self) -> bool:
        """Whether containers in the machine stop when its daemon is restarted, as `restart` does it."""
        return True

    def live_restore(self) -> bool | None:
        """Return how somebody in the running machine has set live-restore; None if nobody is known to have.

        Where it is off, containers stop with their daemon, whatever `restart_stops` says.
        """
        return None

    def check(self) -> None:  # noqa: B027  (most images cannot say)
        """Check that the daemon could start with what `provision` has put in, as far as that can be told.

        Before a restart: it would cut streams for nothing, and leave the machine without a daemon. Raises
        MachineError.
        """

    def reload(self) -> None:
        """Let the running daemon take what `provision` has put in, where `means` said RELOAD.

        Raises MachineError if it does not; it runs as before then.
        """
        self.restart()

    def restart(self) -> None:
        """Restart the daemon with what `provision` has put in; `health` waits for it."""
        self.activate()

    @abstractmethod
    def health(self, *, timeout: float, progress: Progress) -> str:
        """Wait until it serves; return the version of what serves.

        Raises MachineDied, MachineNotReady, AcceptsAnyone. `timeout` in seconds.
        """

    def prove(self, progress: Progress) -> None:  # noqa: B027  (nothing by default: answering is enough)
        """Check that what answers also works, unless that is known of machines of this kind already.

        Raises ContainersCannotRun.
        """

    @classmethod
    @abstractmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        """Return the environment variables by which clients reach a machine; makes no calls."""


class DockerdProvisioner(Provisioner):
    """A provisioner whose options are docker-machine's --engine-*, recorded where docker-machine has them."""

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.engine_options import OPTIONS

        return OPTIONS

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        from dinv.provisioners import engine_options

        own = {option.key for option in engine_options.OPTIONS}
        config.engine_options.update(
            engine_options.recorded({key: value for key, value in options.items() if key in own})
        )
        super().record(config, {key: value for key, value in options.items() if key not in own})

    @classmethod
    def change_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.engine_options import CHANGE_OPTIONS

        return CHANGE_OPTIONS

    def changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        from dinv.provisioners import engine_options

        return engine_options.changed(self.config.engine_options, values)

    def differences(self, changes: Mapping[str, Any]) -> list[Difference]:
        from dinv.provisioners import engine_options

        return engine_options.differences(self.config.engine_options, changes)

    def means(self, changes: Mapping[str, Any]) -> str:
        from dinv.drivers.alteration import RECREATION, RELOAD, RESTART
        from dinv.images.options import with_defaults

        defaults = self.driver.daemon_defaults()
        before = with_defaults(self.config.engine_options, defaults)
        after = with_defaults({**self.config.engine_options, **changes}, defaults)
        (init_before, files_before), (init_after, files_after) = self._given(before), self._given(after)
        if init_before != init_after:
            return RECREATION
        if files_before == files_after:
            return ""
        return RELOAD if self.contract.reloads(before, after) and self.reloadable() else RESTART

    def reloadable(self) -> bool:
        """Whether the machine's image can have its running daemon take options: older ones cannot."""
        return self.has_program(self.contract.reload_command)

    def has_program(self, command: Sequence[str]) -> bool:
        """Whether the machine has the program of a command of its contract's; () is none."""
        return bool(command) and self.driver.channel().stat(command[0]) is not None

    @property
    def restart_stops(self) -> bool:
        return not self.contract.activation_signal

    def _given(self, options: Mapping[str, Any]) -> tuple[object, object]:
        """Return what the image is given for engine options: to its init, and as files."""
        contract, name = self.contract, self.config.driver_name
        files = contract.files(ca=b"", certificate=b"", key=b"", options=options, driver_name=name)
        return (
            (dict(contract.environment(options, wait_seconds=0)), list(contract.command(options, name))),
            [(file.path, file.content) for file in files],
        )


def known() -> list[str]:
    """Return the names of all provisioners, built in or not, sorted."""
    return SEAM.known()


def find(name: str) -> type[Provisioner]:
    """Return the provisioner of this name, built in or a plugin's. Raises PluginNotFound, PluginBroken."""
    provisioner: type[Provisioner] = SEAM.find(name)
    return provisioner


def of(config: MachineConfig) -> type[Provisioner]:
    """Return the provisioner of a machine. Raises InputError if it is not installed."""
    if config.by_dinv:
        return find(config.provisioner)
    provisioner: type[Provisioner] = plugins.load(_DOCKER_MACHINES)
    return provisioner
