"""The Driver seam: what makes and controls a machine on some infrastructure.

The methods are those of libmachine's Driver (docker/machine: libmachine/drivers/drivers.go) in Python
names, with two differences. `create` makes the machine without starting it, so that what it needs can
be put in first, as `docker cp` can; and in place of SSH there is `channel`, by which files and commands
get into the machine. A driver knows nothing of certificates or of what runs in the machine.

Every driver has the abstract methods. The others have an answer here which is right for a driver without
that ability: the sections say which abilities there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv.errors import DinvError, MachineGone, NotSupported
from dinv.states import ERROR
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.drivers.replacement import Replacement
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


class AddressTaken(Exception):
    """The address the driver chose for a machine turned out to be in use; `move` chooses another.

    No DinvError: nobody but `create` sees it.
    """


class Driver(ABC):
    """Makes and controls one machine. What it has to remember it keeps in `config.driver`."""

    name: str
    provisioned: ClassVar[bool] = True
    """Whether dinv makes and provisions these machines; if not, `create` only records one."""
    shows_last_url: ClassVar[bool] = False
    """Whether `ls` says where a machine was that does not run: for those that nothing else is known of."""
    provisioner: ClassVar[str] = "docker"
    """The provisioner that its machines have unless another is named."""
    kinds: ClassVar[Kinds] = {}
    """Of what kind the values are that it keeps there: what a record has otherwise is a ConfigError."""

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        config.check_kept(self.kinds)
        self.config = config
        self.store = store
        self.trace = trace
        self.notes: list[str] = []
        """What `start` has found and mended, for the user."""

    def close(self) -> None:  # noqa: B027  (most drivers hold nothing open)
        """Close connections."""

    # Making a machine, in this order

    @classmethod
    @abstractmethod
    def create_flags(cls) -> tuple[Option, ...]:
        """The options this driver adds to `create`."""

    @abstractmethod
    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        """Take the values of its options, by keyword, into the config. Raises InputError.

        They are of the types declared: None, or (), for what was not given.
        """

    @abstractmethod
    def pre_create_check(self, progress: Progress) -> None:
        """See whether the machine can be made, without making anything. Raises PreCreateCheckFailed."""

    @abstractmethod
    def prepare(self, progress: Progress) -> str:
        """Fetch what takes long and is not part of the machine yet: its image.

        Returns the name of the image contract. Raises ImageError.
        """

    @abstractmethod
    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the machine, not started.

        `environment` and `command` are what its init gets, `mounts` where in it each of its volumes (by
        role: "cache") goes; all are the image contract's to say. Raises PreCreateCheckFailed.
        """

    @abstractmethod
    def remove(self, *, keep_cache: bool = False) -> list[str]:
        """Remove all that `create` made, and what is left of it. What is gone already is not an error.

        Returns a line for each thing that was left on purpose.
        """

    # Power. `timeout` is in seconds.

    @abstractmethod
    def start(self, *, timeout: float) -> None:
        """Start it. Raises AddressTaken when `move` can help, MachineGone, MachineError."""

    @abstractmethod
    def stop(self, *, timeout: float) -> None:
        """Stop it cleanly; after `timeout` seconds by force."""

    @abstractmethod
    def kill(self) -> None:
        """Stop it at once."""

    def restart(self, *, timeout: float) -> None:
        """Stop it, if it runs, and start it."""
        self.stop(timeout=timeout)
        self.start(timeout=timeout)

    def unpause(self) -> None:
        """Let it go on, where somebody has paused it. Raises NotSupported where nobody can pause one."""
        raise NotSupported(self.config.name, f"The {self.name} driver cannot let a paused machine go on")

    # Its state

    @abstractmethod
    def state(self, *, timeout: float) -> Status:
        """Its state, asked of the infrastructure. Raises DinvError when that does not answer."""

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        """Machines with the same key can be asked for together, by `states`."""
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
        """The states of machines with one `group_key`, by name. Drivers that can ask once, do."""
        return {config.name: cls(config, store, trace=trace).state(timeout=timeout) for config in configs}

    def observed(self, status: Status) -> str:
        """The state in `status`, in a word, for a caller that needs it to run.

        Raises MachineGone for one that is not there.
        """
        if status.state == ERROR:
            container = str(self.config.driver.get("Container", ""))
            raise MachineGone(self.config.name, container, str(self.facts()["endpoint"]))
        return status.state

    def facts(self) -> dict[str, Any]:
        """What people are told of how the machine is made, as text.

        `endpoint` is a URL and `isolation` a kind of it, "" for none; `machine` is one line.
        """
        return {"endpoint": "", "isolation": "", "machine": self.url}

    # What its record says, without a look at the machine. Of records that dinv wrote this is what holds, for
    # all drivers (`dinv.drivers.reader`); docker-machine's drivers keep these things in ways of their own.

    @classmethod
    def recorded_url(cls, config: MachineConfig) -> str:
        """Where the daemon was last known to listen: `tcp://HOST:PORT`, or ""."""
        return str(config.driver.get("URL", ""))

    @classmethod
    def recorded_ip(cls, config: MachineConfig) -> str:
        """The address in `recorded_url`, or ""."""
        return str(config.driver.get("IPAddress", ""))

    @classmethod
    def shown(cls, config: MachineConfig) -> dict[str, Any]:
        """The document with absolute paths: what `inspect` shows."""
        return config.shown()

    # Where it is reached. A driver whose machines have an address that is known from the beginning and
    # stays overrides nothing but what sets `URL` and `IPAddress` in its config.

    @property
    def url(self) -> str:
        """Where its daemon listens, as last known: `tcp://HOST:PORT`, or ""."""
        return self.recorded_url(self.config)

    @property
    def ip(self) -> str:
        """The address in `url`, as last known."""
        return self.recorded_ip(self.config)

    @property
    def own_ip(self) -> str:
        """The machine's address on its own network, where ports of containers in it are published."""
        return self.ip

    def addresses(self) -> list[str]:
        """The names and addresses by which the machine is reached."""
        return [self.ip] if self.ip else []

    @property
    def address_known(self) -> bool:
        """Whether `url` is settled before the machine starts."""
        return True

    def refresh_address(self) -> bool:
        """Ask where the started machine is; True when that is not where it was."""
        return False

    @property
    def port_moves(self) -> bool:
        """Whether each start may publish it at another port; `start` then sets `url`."""
        return False

    def move(self) -> None:
        """After AddressTaken: choose another address and unmake what `create` made."""
        raise NotSupported(self.config.name, f"The {self.name} driver has no other address to offer")

    def unreached(self) -> str:
        """Why clients do not get to a daemon that listens, and what to do; "" where it does not listen.

        Asked of the infrastructure; raises nothing.
        """
        return ""

    # Into it

    @abstractmethod
    def channel(self) -> Channel:
        """The way files and commands get into the machine. Raises NotSupported where there is none."""

    def ssh_address(self) -> SSHAddress | None:
        """Where its own SSH server is, for machines that are gone into by the system's ssh and scp.

        None where commands and files go by `channel`. Raises NotSupported, MachineNotRunning, MachineError.
        """
        return None

    @property
    def takes_files_running(self) -> bool:
        """Whether files can be put into it while it runs as well as before.

        It is then started while its certificates are being made, if its image waits for them.
        """
        return False

    def daemon_defaults(self) -> Mapping[str, Sequence[str]]:
        """Options of the machine's daemon, without dashes, that hold unless somebody has set them."""
        return {}

    # Its init: the first process in it, which starts the daemon

    @abstractmethod
    def logs(self, *, tail: int | None, follow: bool, timestamps: bool) -> Iterator[bytes]:
        """What its init and daemon have said, as it comes: the last `tail` lines, or all."""

    def last_log_lines(self, count: int) -> list[str]:
        """The last lines its init and daemon have said; none where they cannot be had."""
        import contextlib

        with contextlib.suppress(DinvError):
            said = b"".join(self.logs(tail=count, follow=False, timestamps=False))
            return said.decode(errors="replace").splitlines()[-count:]
        return []

    @abstractmethod
    def signal_init(self, signal: str) -> None:
        """Send a signal, such as "SIGHUP", to the machine's init."""

    def ended(self) -> int | None:
        """The exit status of its init, when that ended by itself since the start.

        None while it runs, and where that cannot be told.
        """
        return None

    # Machines made anew from another image

    def replacement(self) -> Replacement:
        """How the machine is made anew from another image. Raises NotSupported where it cannot be."""
        name = self.config.name
        raise NotSupported(
            name,
            f'Machine "{name}" cannot be made anew from another image: its driver "{self.name}" has no way '
            "to keep the old one until the new one answers. Make another machine, with "
            + command("create")
            + ", and remove this one: "
            + command("rm", name),
        )

    def kind(self) -> str:
        """What another machine has in common with this one that can do the same: endpoint, image, isolation.

        "" where that cannot be told.
        """
        return ""

    # Whose it is

    @property
    def keeper(self) -> str:
        """The program that looks after it, and renews its certificates; "" where somebody does by hand."""
        return "dinv" if self.provisioned else ""

    @classmethod  # noqa: B027  (most can be changed)
    def check_change(cls, config: MachineConfig, doing: str) -> None:
        """Raise NotSupported where nothing can be changed; `doing` is such as "stopping it"."""

    @property
    def left_alone(self) -> str:
        """Why dinv makes nothing anew of it, to stand behind the machine's name; "" where it does."""
        if self.provisioned:
            return ""
        return (
            f'has the driver "{self.config.driver_name}": somebody else looks after it, and dinv changes '
            f"nothing of it"
        )

    def check_removal(self) -> None:  # noqa: B027  (most can be removed)
        """Raise NotSupported for a machine that somebody else has to remove; it can be forgotten by force."""

    # Machines that somebody else made

    def adopt(self, container: str, progress: Progress) -> str:
        """Take what is known of a container that somebody else made into the config, and change nothing.

        Returns the name of its image contract. Raises CannotAdopt, and NotSupported without containers.
        """
        raise NotSupported(self.config.name, f'The driver "{self.name}" has no containers to adopt')

    @property
    def adopted(self) -> bool:
        """Whether somebody else made what it runs in, which dinv therefore neither removes nor makes anew."""
        return False
