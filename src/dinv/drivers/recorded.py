"""Drivers of machines that dinv only records: somebody else makes and manages them."""

from __future__ import annotations

from abc import abstractmethod

from dinv.drivers.driver import Driver
from dinv.states import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import ClassVar, NoReturn

    from dinv.channel import Channel
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store
    from dinv.system.deadline import Deadline


class RecordedDriver(Driver):
    """Makes nothing, and refuses everything that would change the machine."""

    provisioned: ClassVar[bool] = False
    startable: ClassVar[bool] = False
    provisioner: ClassVar[str] = "none"

    @abstractmethod
    def refuse(self, doing: str) -> NoReturn:
        """Raise NotSupported for an action: "start", "stop", "kill", "restart", "signal"."""

    @abstractmethod
    def channel(self) -> Channel:
        """Raise NotSupported if nothing but the daemon's API leads into the machine."""

    @classmethod
    @abstractmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        """Check whether they listen, all at the same time."""

    def state(self, *, timeout: float) -> Status:
        return self.states([self.config], self.store, timeout=timeout)[self.config.name]

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return ""  # all are checked at the same time

    def observed(self, status: Status) -> str:
        return RUNNING if status.running else f"silent ({status.error})"

    def prepare(self, progress: Progress) -> str:
        return ""

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make nothing: the machine exists."""

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        return []

    def start(self, *, timeout: float) -> None:
        self.refuse("start")

    def stop(self, *, timeout: float) -> None:
        self.refuse("stop")

    def kill(self) -> None:
        self.refuse("kill")

    def restart(self, *, timeout: float) -> None:
        self.refuse("restart")

    def signal_init(self, signal: str) -> None:
        self.refuse("signal")

    def logs(
        self,
        *,
        tail: int | None,
        follow: bool,
        timestamps: bool,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        self.refuse("logs")
