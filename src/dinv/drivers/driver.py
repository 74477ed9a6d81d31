"""The Driver seam: what makes and controls a machine on some infrastructure.

The methods are those of libmachine's Driver (docker/machine: libmachine/drivers/drivers.go) in Python
names, with two differences. `create` makes the machine without starting it, so that its files can be put in
first, as `docker cp` can; and instead of SSH there is `channel`, by which files and commands get into the
machine. A driver knows nothing of certificates or of what runs in the machine.

Every driver has the abstract methods. The other methods have a default that is right for a driver without
that ability; they are grouped by ability below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import errors
from dinv.errors import DinvError
from dinv.states import ERROR
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.drivers.alteration import Alteration
    from dinv.drivers.remote import Remote
    from dinv.drivers.replacement import Replacement
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.endpoints.resolve import Endpoint
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store
    from dinv.system.deadline import Deadline


class AddressTaken(Exception):
    """The address the driver chose for a machine turned out to be in use; `move` chooses another.

    Not a DinvError: only `create` and `start` catch it, and users never see it.
    """


class Driver(ABC):
    """Makes and controls one machine. What it has to remember is kept in `config.driver`."""

    name: str
    provisioned: ClassVar[bool] = True
    """Whether dinv makes and provisions these machines; if not, `create` only records one."""
    startable: ClassVar[bool] = True
    """Whether dinv can have one started."""
    ends_machines: ClassVar[bool] = False
    """Whether what looks after these machines ends them at the end of their lease."""
    shows_last_url: ClassVar[bool] = False
    """Whether `ls` shows the last address of a machine that does not run: if nothing else is known of it."""
    provisioner: ClassVar[str] = "docker"
    """The provisioner of its machines unless another is named."""
    kinds: ClassVar[Kinds] = {}
    """The types of the values in `config.driver`: a record with others is a ConfigError."""

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        config.check_kept(self.kinds)
        self.config = config
        self.store = store
        self.trace = trace
        self.notes: list[str] = []
        """What `start` found and repaired, for the user."""

    def close(self) -> None:  # noqa: B027  (most drivers hold nothing open)
        """Close connections."""

    # Making a machine, in this order

    @classmethod
    @abstractmethod
    def create_flags(cls) -> tuple[Option, ...]:
        """Return the options this driver adds to `create`."""

    @abstractmethod
    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        """Take the values of its options, by keyword, into the config. Raises InputError.

        They have the declared types: None, or (), if nothing was given.
        """

    @abstractmethod
    def pre_create_check(self, progress: Progress) -> None:
        """Check whether the machine can be made, without making anything. Raises PreCreateCheckFailed."""

    @abstractmethod
    def prepare(self, progress: Progress) -> str:
        """Fetch what takes long and is not yet part of the machine: its image.

        Returns the name of the image contract. Raises ImageError.
        """

    @abstractmethod
    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the machine, not started.

        `environment` and `command` are for its init, and `mounts` has the path in the machine for each of its
        volumes (by role: "cache"); the image contract defines them all. Raises PreCreateCheckFailed.
        """

    @abstractmethod
    def remove(self, *, keep_cache: bool = False) -> list[str]:
        """Remove everything that `create` made, and any remains. What is already gone is not an error.

        Returns a line for each thing that was left on purpose.
        """

    def take_name(self) -> None:  # noqa: B027  (whatever it is called there, it is the same machine)
        """Have the machine be called on its infrastructure as in its record, which had another name for it.

        As far as that is possible: nothing depends on it. It may have been done already.
        """

    # Power. `timeout` is in seconds.

    @abstractmethod
    def start(self, *, timeout: float) -> None:
        """Start it. Raises AddressTaken if `move` can help, MachineGone, MachineError."""

    @abstractmethod
    def stop(self, *, timeout: float) -> None:
        """Stop it cleanly; by force after `timeout` seconds."""

    @abstractmethod
    def kill(self) -> None:
        """Stop it at once."""

    def already_running(self) -> DinvError:
        """Return the error that it is not started, since it runs."""
        return errors.AlreadyRunning(self.config.name)

    def restart(self, *, timeout: float) -> None:
        """Stop it, if it runs, and start it."""
        self.stop(timeout=timeout)
        self.start(timeout=timeout)

    def unpause(self) -> None:
        """Resume a machine that was paused from outside. Raises NotSupported if machines cannot be paused."""
        raise errors.NotSupported(
            self.config.name, f"The {self.name} driver cannot let a paused machine go on"
        )

    # Its state

    @abstractmethod
    def state(self, *, timeout: float) -> Status:
        """Return its state, asked of the infrastructure. Raises DinvError if that does not answer."""

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        """Return a key: machines with the same one can be queried together, by `states`."""
        return config.name

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        """Return the states of machines with the same `group_key`, by name. Drivers that can ask once, do."""
        return {config.name: cls(config, store, trace=trace).state(timeout=timeout) for config in configs}

    def observed(self, status: Status) -> str:
        """Return the state in `status` as a word, for a caller that needs the machine to run.

        Raises MachineGone if it no longer exists.
        """
        if status.state == ERROR:
            container = str(self.config.driver.get("Container", ""))
            raise errors.MachineGone(self.config.name, container, str(self.facts()["endpoint"]))
        return status.state

    def facts(self) -> dict[str, Any]:
        """Return what users are told about how the machine is made, as texts.

        `endpoint` is a URL and `isolation` a kind of it, "" for none; `machine` is one line.
        """
        return {"endpoint": "", "isolation": "", "machine": self.url}

    @classmethod
    def volumes_endpoint(cls, config: MachineConfig) -> Endpoint | None:
        """Return the endpoint on which a machine has volumes; None if it has none that others could use."""
        return None

    def single(self) -> str:
        """Return why no second machine can have the options of this one, to follow "because"; "" if one can.

        By its config alone, which need not be recorded yet.
        """
        return ""

    # Where it is reached. A driver whose machines have a fixed address, known from the beginning, overrides
    # nothing; it only sets `URL` and `IPAddress` in its config.

    @property
    def url(self) -> str:
        """Where its daemon listens, as last known: `tcp://HOST:PORT`, or ""."""
        return self.config.url

    @property
    def ip(self) -> str:
        """The host in `url`, as last known."""
        return self.config.ip

    @property
    def own_ip(self) -> str:
        """The machine's address on its own network, where containers in it publish their ports."""
        return self.ip

    @property
    def fixed_ip(self) -> str:
        """The machine's address on its own network, if it has the same one after each start; else ""."""
        return ""

    def serve_ports(self, ports: Iterable[int]) -> None:  # noqa: B027  (nothing to do at a fixed address)
        """Take note, before `pre_create_check`, that clients are to reach these TCP ports, too."""

    @property
    def local_only(self) -> bool:
        """Whether, as far as is known, it can only be reached from the computer that its engine runs on."""
        return False

    @classmethod
    def reached_at(cls, config: MachineConfig, port: int) -> tuple[str, int] | None:
        """Return the host and port at which clients reach a TCP port of a machine, by what is recorded.

        None if they do not: it has no address of its own, and the port is not published. Makes no calls.
        """
        return (config.ip, port) if config.ip else None

    def apart(self, other: MachineConfig) -> str:
        """Return why this machine and another cannot reach each other at their own addresses.

        The text follows "because"; "" if nothing is known that is in the way. Neither has to run, and this
        one need not be made yet.
        """
        return ""

    def surroundings(self) -> list[str]:
        """Return the subnets around the machine, as far as known: what is in it must not use them."""
        return []

    def addresses(self) -> list[str]:
        """Return the names and addresses by which the machine is reached."""
        return [self.ip] if self.ip else []

    @property
    def address_known(self) -> bool:
        """Whether `url` is known before the machine starts."""
        return True

    def refresh_address(self) -> bool:
        """Ask where the started machine is; return True if that has changed."""
        return False

    @property
    def port_moves(self) -> bool:
        """Whether each start may publish it at another port; `start` then sets `url`."""
        return False

    def move(self) -> None:
        """After AddressTaken: choose another address and remove what `create` made."""
        raise errors.NotSupported(self.config.name, f"The {self.name} driver has no other address to offer")

    def unreached(self) -> str:
        """Return why clients cannot reach a daemon that listens, with advice; "" if it does not listen.

        Asked of the infrastructure; raises nothing.
        """
        return ""

    # Into it

    @abstractmethod
    def channel(self) -> Channel:
        """Return the way files and commands get into the machine. Raises NotSupported if there is none."""

    def ssh_address(self) -> SSHAddress | None:
        """Return the address of its own SSH server, for machines entered by the system's ssh and scp.

        None if commands and files go by `channel`. Raises NotSupported, MachineNotRunning, MachineError.
        """
        return None

    def ssh_server(self) -> SSHAddress | None:
        """Return the same by what is recorded, whether it runs and answers or not. Makes no calls."""
        return self.ssh_address()

    @property
    def features(self) -> frozenset[str]:
        """What the image of the machine says that it has besides a daemon (`dinv.images.features`)."""
        return frozenset(self.config.driver.get("ImageFeatures") or ())

    @property
    def takes_files_running(self) -> bool:
        """Whether files can be put into a running machine as reliably as into a stopped one.

        It is then started while its certificates are being made, if its image waits for them.
        """
        return False

    def daemon_defaults(self) -> Mapping[str, Sequence[str]]:
        """Return options of the machine's daemon, without dashes, that apply unless the user sets them."""
        return {}

    # Its init: the first process in it, which starts the daemon

    @abstractmethod
    def logs(
        self,
        *,
        tail: int | None,
        follow: bool,
        timestamps: bool,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        """Yield the output of its init and daemon as it comes: the last `tail` lines, or everything.

        Raises DeadlineExceeded after `timeout`, in seconds; None: with `follow` there is no limit.
        """

    def last_log_lines(self, count: int) -> list[str]:
        """Return the last output lines of its init and daemon; none if they cannot be had."""
        import contextlib

        with contextlib.suppress(DinvError):
            said = b"".join(self.logs(tail=count, follow=False, timestamps=False))
            return said.decode(errors="replace").splitlines()[-count:]
        return []

    @abstractmethod
    def signal_init(self, signal: str) -> None:
        """Send a signal, such as "SIGHUP", to the machine's init."""

    def ended(self) -> int | None:
        """Return the exit status of its init, if that ended by itself since the start.

        None while it runs, and if that is not known.
        """
        return None

    def try_out(self, command: Sequence[str], *, timeout: float) -> tuple[int, bytes] | None:
        """Run a command where the machine will be, as root in a thing like it that is removed afterwards.

        For a machine that is about to be made: its image is there (`prepare`). It has the image's files, and
        the machine's capabilities and network; no volumes, no ports. Returns its exit status and the
        beginning of its output; None for a driver that cannot do that. Takes `timeout` seconds at most.
        Raises DeadlineExceeded, PreCreateCheckFailed, and the errors of the infrastructure.
        """
        return None

    @property
    def memory_limit(self) -> int:
        """The bytes of memory that the machine may take; 0 for no limit, or one that is not known."""
        return 0

    def system_time(self, *, timeout: float) -> str:
        """Return the time by the clock of where it is, in RFC 3339; "" if that is not known.

        Takes `timeout` seconds at most. Raises the errors of reaching the infrastructure's API.
        """
        return ""

    # Machines recreated from another image

    def replacement(self) -> Replacement:
        """Return how the machine is remade from another image. Raises NotSupported if it cannot be."""
        name = self.config.name
        raise errors.NotSupported(
            name,
            f'Machine "{name}" cannot be made anew from another image: its driver "{self.name}" has no way '
            "to keep the old one until the new one answers. Make another machine, with "
            + command("create")
            + ", and remove this one: "
            + command("rm", name),
        )

    # Machines that are changed after they were made

    @classmethod
    def change_flags(cls) -> tuple[Option, ...]:
        """Return the options of `dinv set` that are this driver's."""
        return ()

    def alteration(self) -> Alteration:
        """Return how the machine is changed. Raises NotSupported if it cannot be."""
        name = self.config.name
        raise errors.NotSupported(
            name,
            f'Machine "{name}" cannot be given other settings: its driver "{self.name}" has no way to. Make '
            "another machine, with " + command("create") + ", and remove this one: " + command("rm", name),
        )

    def kind(self) -> str:
        """Return what machines have in common that can do the same: endpoint, image, isolation.

        "" if that is not known.
        """
        return ""

    def place(self) -> Mapping[str, Any]:
        """Return the options, by keyword, that name where `set_config_from_flags` has found it is to be made.

        They name it again for another process, which has other variables and is in another directory. Raises
        InputError if none do.
        """
        return {}

    def image_id(self) -> str:
        """Return the ID of the image that this object makes, or has made, the machine from.

        If it has made none: of the image that would be taken for it now. "" if there is none, or nothing that
        tells images of one name apart. Raises the errors of reaching the infrastructure's API.
        """
        return ""

    # Whose it is

    def remote(self) -> Remote | None:
        """Return what looks after the machine, if that can be asked to do what dinv does with its own."""
        return None

    @property
    def keeper(self) -> str:
        """The program that manages it, and renews its certificates; "" if somebody does by hand."""
        return "dinv" if self.provisioned else ""

    def renewal(self, file: str) -> str:
        """Return how to replace the certificate `file`, such as "ca.pem", which has expired or soon will."""
        name = self.config.name
        if not self.keeper:
            return "whoever runs its daemon has to replace it"
        if not self.provisioned:
            return f"{self.keeper} regenerate-certs --client-certs {name}"
        clients = ("--client-certs",) if file == "ca.pem" else ()
        return command("regenerate-certs", *clients, name)

    @classmethod  # noqa: B027  (most can be changed)
    def check_change(cls, config: MachineConfig, doing: str) -> None:
        """Raise NotSupported if nothing can be changed; `doing` is such as "stopping it"."""

    @classmethod  # noqa: B027  (most can be exported)
    def check_export(cls, config: MachineConfig) -> None:
        """Raise NotSupported if a machine cannot be moved to another store by its files."""

    @property
    def left_alone(self) -> str:
        """Return why dinv recreates nothing of it, to follow the machine's name; "" if it does."""
        if self.provisioned:
            return ""
        return (
            f'has the driver "{self.config.driver_name}": somebody else looks after it, and dinv changes '
            f"nothing of it"
        )

    def check_removal(self) -> None:  # noqa: B027  (most can be removed)
        """Raise NotSupported if dinv cannot remove the machine itself; it can then be forgotten by force."""

    # Machines that somebody else made

    def adopt(self, container: str, progress: Progress) -> str:
        """Record what is known of a container made without dinv in the config, and change nothing.

        Returns the name of its image contract. Raises CannotAdopt, and NotSupported without containers.
        """
        raise errors.NotSupported(self.config.name, f'The driver "{self.name}" has no containers to adopt')

    @property
    def adopted(self) -> bool:
        """Whether the container was made without dinv, which therefore neither removes nor recreates it."""
        return False
