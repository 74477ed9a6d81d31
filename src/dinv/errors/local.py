"""This computer: what it lacks or does not allow, and its docker CLI."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.wording import NO_CONTEXT


class LocalError(DinvError):
    """This computer lacks something that dinv needs, or does not allow it."""


class ProgramMissing(LocalError):
    """A program that dinv runs is not installed. `needed_by` is what needs it, such as "mount"."""

    def __init__(self, program: str, needed_by: str) -> None:
        said = f"There is no {program} on this computer, and "
        super().__init__(said + needed_by + " needs it. Install it.")
        self.program = program
        self.needed_by = needed_by


class LinkError(LocalError):
    """A link to dinv, under another name, cannot be created."""


class NoActiveMachine(DinvError):
    """The docker CLI uses no machine here: DOCKER_HOST and the current context lead to no running one."""

    def __init__(self) -> None:
        super().__init__("The docker CLI uses no machine here")


class ContextError(DinvError):
    """A docker context on this computer cannot be read or written."""


class ContextTaken(ContextError):
    """There is a docker context of this name that was not made for this machine. It was left alone."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(
            f'There is a docker context "{name}" already that was not made for this machine ({path}). '
            f"It is left unchanged. Remove it (docker context rm {name}), or do without one ("
            + NO_CONTEXT
            + ")."
        )
        self.name = name
        self.path = path
