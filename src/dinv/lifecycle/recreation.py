"""What transactions share that recreate a machine: `upgrade`, and `set` where nothing less will do."""

from __future__ import annotations

from abc import abstractmethod

from dinv.errors import MachineGone
from dinv.lifecycle.host import cluster
from dinv.lifecycle.host.serving import give_cache, serve
from dinv.lifecycle.steps import Transaction
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


class Recreation(Transaction):
    """A transaction with steps that replace the machine's container, and put the old one back."""

    def __init__(self, machine: Host, progress: Progress, timeout: float) -> None:
        super().__init__(machine, progress)
        self.timeout = timeout
        self.environment: Mapping[str, str] = {}
        self.command: Sequence[str] = ()

    @abstractmethod
    def forget(self) -> None:
        """Remove the journal from the record, and save it."""

    def take_init(self) -> None:
        """Ask the image's contract what its init is given. Raises InputError."""
        machine, options = self.machine, self.machine.daemon_options
        self.environment = machine.contract.environment(options, wait_seconds=0)
        self.command = machine.contract.command(options, machine.config.driver_name)

    def make_anew(self) -> None:
        """Replace the machine by one as its record says now, not started."""
        machine = self.machine
        cluster.rest(machine, self.progress)
        with self.progress.working("Machine", f"replacing {machine.name}"):
            machine.driver.replacement().replace(self.environment, self.command, machine.contract.mounts)

    # Steps

    def provision(self) -> None:
        """The machine's certificates and options are in the new container."""
        give_cache(self.machine, self.progress)
        # With the existing certificates; `serve` issues others if the address has changed.
        self.machine.provisioner.provision()

    def start(self) -> None:
        """The new container runs."""
        with self.progress.working("Machine", f"starting {self.machine.name}"):
            self.machine.driver.start(timeout=self.timeout)

    def serve(self) -> None:
        """The daemon answers, at an address that its certificates cover."""
        serve(self.machine, self.progress, timeout=self.timeout)

    # How they are undone

    def take_back(self) -> None:
        """The old container is back in its place, and the new one is gone."""
        try:
            self.machine.driver.replacement().take_back()
        except MachineGone:
            # There never is a way back: what is left is a machine without a container, which `rm` can handle.
            self.forget()
            raise

    def undone(self, error: BaseException) -> None:
        """Say that the machine is unchanged."""
        error.add_note(f'Machine "{self.machine.name}" is as it was before.')

    def not_undone(self, error: BaseException, why: str) -> None:
        """Say how to try again; the journal stays, for `start`."""
        error.add_note(
            "The machine as it was could not be put back"
            + why
            + ". Try again: "
            + command("start", self.machine.name)
        )
