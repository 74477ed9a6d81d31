"""The Driver seam: what makes and controls a machine on some infrastructure.

The methods are those of libmachine's Driver (docker/machine: libmachine/drivers/drivers.go) in Python
names, with two differences. `create` makes the machine without starting it, so that what it needs can
be put in first, as `docker cp` can; and in place of SSH there is `channel`, by which files and commands
get into the machine. A driver knows nothing of certificates or of what runs in the machine.

A plugin registers a Driver subclass as entry point in the group `dinv.drivers`. They are looked at only
for a name that is not built in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dinv.channel import Channel
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

GROUP = "dinv.drivers"

_BUILT_IN = {
    "ci-test": "dinv.drivers.none:NoneDriver",
    "docker": "dinv.drivers.docker.driver:DockerDriver",
    "none": "dinv.drivers.none:NoneDriver",
}


class Flag:
    """One flag that a driver adds to `create`.

    `name` as typed, without dashes; `env` the variable that stands for it; `repeatable` flags give a
    tuple, and their variable is a list separated by commas. `short` is a letter for it. The help leaves
    out what is `rare` until all is asked for. `values` are those that have a name, for completion; there
    may be others.
    """

    def __init__(
        self,
        name: str,
        env: str,
        text: str,
        *,
        metavar: str = "VALUE",
        repeatable: bool = False,
        rare: bool = False,
        short: str = "",
        values: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.env = env
        self.text = text
        self.metavar = metavar
        self.repeatable = repeatable
        self.rare = rare
        self.short = short
        self.values = tuple(values)

    @property
    def key(self) -> str:
        """The flag as keyword argument."""
        return self.name.replace("-", "_")

    def value(self, given: Any, environ: Mapping[str, str]) -> Any:
        """What holds: what was given, else the variable, else None or ()."""
        if self.repeatable:
            if given:
                return tuple(given)
            return tuple(part for part in environ.get(self.env, "").split(",") if part)
        return given if given is not None else environ.get(self.env) or None


class Offer:
    """An image that a machine can be made anew from, on its endpoint already.

    `contract` is the name of its image contract; `same` whether the machine was made from exactly this.
    """

    def __init__(self, image: str, contract: str, *, same: bool) -> None:
        self.image = image
        self.contract = contract
        self.same = same


class Replacement(ABC):
    """How one machine is made anew from another image, for `dinv upgrade`.

    In this order: `offer`, `replace`, the driver's `start`; then `let_go` when the new one answers, or
    `take_back` when something has failed. Each can be called again, by who finishes or undoes
    what was killed. The machines of a driver that has none cannot be upgraded.
    """

    @abstractmethod
    def offer(self, image: str, progress: Progress) -> Offer:
        """Fetch an image to make the machine anew from; "" is its own, as new as it can be had.

        Raises PreCreateCheckFailed when this machine cannot be made anew, ImageError, MachineGone.
        """

    @abstractmethod
    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the new one, as the driver's `create` does, and set aside the one that there is, stopped.

        What the infrastructure refuses is refused before anything is stopped. Raises what `create` raises,
        MachineGone.
        """

    @abstractmethod
    def take_back(self) -> None:
        """Give what was set aside its place again, not started; what `replace` made is removed.

        Raises MachineGone when it is there no more, and nothing in its place either.
        """

    @abstractmethod
    def let_go(self) -> None:
        """Remove what was set aside; the machine is what `replace` made."""


class AddressTaken(Exception):
    """The address the driver chose for a machine turned out to be in use; `move` chooses another.

    No DinvError: nobody but `create` sees it.
    """


class Driver(ABC):
    """Makes and controls one machine. What it has to remember it keeps in `config.driver`."""

    name: str
    provisioned = True
    """Whether dinv makes and provisions these machines; if not, `create` only records one."""
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

    @classmethod
    @abstractmethod
    def create_flags(cls) -> tuple[Flag, ...]:
        """The flags this driver adds to `create`."""

    @abstractmethod
    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        """Take the flags' values (by `Flag.key`) into the config. Raises InputError."""

    def adopt(self, container: str, progress: Progress) -> str:  # noqa: ARG002
        """Take what is known of a container that somebody else made into the config, and change nothing.

        Returns the name of its image contract. Raises CannotAdopt, InputError where there are no containers.
        """
        raise InputError(f'The driver "{self.name}" has no containers to adopt')

    @abstractmethod
    def pre_create_check(self, progress: Progress) -> None:
        """See whether the machine can be made, without making anything. Raises PreCreateCheckFailed."""

    @abstractmethod
    def prepare(self, progress: Progress) -> str:
        """Fetch what takes long and is no part of the machine yet: its image.

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
    def start(self, *, timeout: float) -> None:
        """Start it. Raises AddressTaken when `move` can help, MachineGone, MachineError."""

    def move(self) -> None:
        """After AddressTaken: choose another address and unmake what `create` made."""
        raise InputError(f"The {self.name} driver has no other address to offer")

    @abstractmethod
    def stop(self, *, timeout: float) -> None:
        """Stop it cleanly; after `timeout` seconds by force."""

    @abstractmethod
    def kill(self) -> None:
        """Stop it at once."""

    def unpause(self) -> None:
        """Let it go on, where somebody has paused it."""
        raise InputError(f"The {self.name} driver cannot let a paused machine go on")

    def restart(self, *, timeout: float) -> None:
        """Stop it, if it runs, and start it."""
        self.stop(timeout=timeout)
        self.start(timeout=timeout)

    @abstractmethod
    def remove(self, *, keep_cache: bool = False) -> list[str]:
        """Remove all that `create` made, and what is left of it. What is gone already is no error.

        Returns a line for each thing that was left on purpose.
        """

    def kind(self) -> str:
        """What another machine has in common with this one that can do the same: endpoint, image, isolation.

        "" where that cannot be told.
        """
        return ""

    def replacement(self) -> Replacement:
        """How the machine is made anew from another image. Raises InputError where it cannot be."""
        name = self.config.name
        raise InputError(
            f'Machine "{name}" cannot be made anew from another image: its driver "{self.name}" has no way '
            f"to keep the old one until the new one answers. Make another machine, with dinv create, and "
            f"remove this one: dinv rm {name}"
        )

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

    @property
    def url(self) -> str:
        """Where its daemon listens, as last known: `tcp://HOST:PORT`, or ""."""
        return str(self.config.driver.get("URL", ""))

    @property
    def ip(self) -> str:
        """The address in `url`, as last known."""
        return str(self.config.driver.get("IPAddress", ""))

    @property
    def own_ip(self) -> str:
        """The machine's address on its own network, where ports of containers in it are published."""
        return self.ip

    @property
    @abstractmethod
    def address_known(self) -> bool:
        """Whether `url` is settled before the machine starts."""

    @property
    def adopted(self) -> bool:
        """Whether somebody else made what it runs in, which dinv therefore neither removes nor makes anew."""
        return False

    @property
    def port_moves(self) -> bool:
        """Whether each start may publish it at another port; `start` then sets `url`."""
        return False

    @property
    def takes_files_running(self) -> bool:
        """Whether files can be put into it while it runs as well as before.

        It is then started while its certificates are being made, if its image waits for them.
        """
        return False

    @abstractmethod
    def refresh_address(self) -> bool:
        """Ask where the started machine is; True when that is not where it was."""

    @abstractmethod
    def addresses(self) -> list[str]:
        """The names and addresses by which the machine is reached."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What people are told of how the machine is made: `isolation`, `machine` (one line), ..."""

    def unreached(self) -> str:
        """Why clients do not get to a daemon that listens, and what to do; "" where it does not listen.

        Asked of the infrastructure; raises nothing.
        """
        return ""

    def daemon_defaults(self) -> Mapping[str, Sequence[str]]:
        """Options of the machine's daemon, without dashes, that hold unless somebody has set them."""
        return {}

    @abstractmethod
    def channel(self) -> Channel:
        """The way files and commands get into the machine."""

    @abstractmethod
    def signal_init(self, signal: str) -> None:
        """Send a signal to the machine's init."""

    @abstractmethod
    def logs(self, *, tail: int | None, follow: bool, timestamps: bool) -> Iterator[bytes]:
        """What its init and daemon have said, as it comes: the last `tail` lines, or all."""

    @abstractmethod
    def last_log_lines(self, count: int) -> list[str]:
        """The last lines its init and daemon have said."""

    @abstractmethod
    def ended(self) -> int | None:
        """The exit status of its init, when that ended by itself since the start; None while it runs."""

    def close(self) -> None:  # noqa: B027  (most drivers hold nothing open)
        """Close connections."""


def known() -> list[str]:
    """The names of all drivers there are, built in or not, sorted."""
    return plugins.known(group=GROUP, built_in=_BUILT_IN)


def find(name: str) -> type[Driver]:
    """The driver of this name, built in or a plugin's. Raises InputError."""
    driver: type[Driver] = plugins.find(name, group=GROUP, built_in=_BUILT_IN, what="driver")
    return driver
