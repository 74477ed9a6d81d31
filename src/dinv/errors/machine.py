"""A machine cannot be created, or an existing one cannot do what was asked."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.wording import command, either


class PreCreateCheckFailed(DinvError):
    """A machine cannot be created as requested; nothing has been created."""

    exit_code = 3


class CannotAdopt(DinvError):
    """A container cannot become a machine. `container` is its name, `reason` says why."""

    exit_code = 3

    def __init__(self, container: str, reason: str) -> None:
        super().__init__(f"Container {container} cannot be adopted: " + reason + ".")
        self.container = container
        self.reason = reason


class MachineError(DinvError):
    """An existing machine cannot do what was asked. `machine` is its name."""

    def __init__(self, machine: str, message: str) -> None:
        super().__init__(message)
        self.machine = machine


class MachineNotRunning(MachineError):
    """The machine is not running. `hint` says what state it is in, and what to do."""

    def __init__(self, machine: str, state: str = "Stopped", *, startable: bool = True) -> None:
        how = (
            "Start it: " + command("start", machine)
            if startable
            else "Start it: docker-machine has its driver"
        )
        if state in ("Starting", "Stopping"):
            # On a VCH a VM boots, which takes minutes.
            how = (
                "Wait until that is done, and try again; " + command("status", machine) + " shows its state."
            )
        self.hint = f'machine "{machine}" is {state}. ' + how
        super().__init__(machine, f'Machine "{machine}" is not running, but {state}. ' + how)
        self.state = state


class AlreadyRunning(MachineError):
    """The machine was to be started, and already runs."""

    def __init__(self, machine: str) -> None:
        super().__init__(machine, f'Machine "{machine}" is already running.')


class AlreadyStopped(MachineError):
    """The machine was to be stopped or killed, and is already stopped."""

    def __init__(self, machine: str) -> None:
        super().__init__(machine, f'Machine "{machine}" is already stopped.')


class MachineUnfinished(MachineError):
    """The machine's create, adoption or upgrade did not finish. The message says how to finish it."""


class ContainersWouldStop(MachineError):
    """A change of the machine's settings would stop containers in it; nothing was changed.

    `means` is by what it would be done, such as "recreation".
    """

    def __init__(self, machine: str, means: str) -> None:
        super().__init__(
            machine,
            f'Containers in machine "{machine}" would stop: what was asked for takes a {means} of it. '
            "To do it all the same: " + either("force=True", "--force"),
        )
        self.means = means


class NotSupported(MachineError):
    """The machine's driver cannot do it, or dinv must not: docker-machine's machines are only read."""


class WithoutDriver(NotSupported):
    """It is only known by its URL and has no driver that could do this.

    `done` is what was to be done to it, such as "started"; `reason` says why it has no driver, or is "".
    """

    def __init__(self, machine: str, done: str, reason: str = "") -> None:
        super().__init__(machine, reason or f'Machine "{machine}" has no driver, and cannot be {done}')
        self.done = done
        self.reason = reason


class RecordCopied(MachineError):
    """The record is a copy of that of `original`, which is the one that can change the machine."""

    def __init__(self, machine: str, original: str, said: str) -> None:
        super().__init__(machine, f'Machine "{machine}" cannot be changed: {said}')
        self.original = original


class NoSwarm(MachineError):
    """The machine is not the master of a classic swarm of docker-machine's."""

    def __init__(self, machine: str) -> None:
        super().__init__(machine, f'Machine "{machine}" is not the master of a classic swarm')


class MachineGone(MachineError):
    """The machine's container no longer exists on its endpoint."""

    def __init__(self, machine: str, container: str, endpoint: str) -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" is gone: {endpoint} no longer has its container {container}. '
            "Clean up what is left: " + command("rm", machine),
        )
        self.container = container
        self.endpoint = endpoint
