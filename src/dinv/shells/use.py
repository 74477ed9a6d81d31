"""`use`: make a machine's docker context the current one, for the docker CLI in every shell."""

from __future__ import annotations

import os

from dinv.endpoints import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.machine import Machine
    from dinv.progress import Progress

# What the docker CLI looks at first (docker/cli: cli/command/cli.go, resolveContextName).
_FIRST = ("DOCKER_HOST", "DOCKER_CONTEXT")


def use(machine: Machine, progress: Progress) -> None:
    """Make the machine's context the current one; create the context if it does not exist yet.

    Raises MachineNotRunning if its address is not known, NotSupported if it has no TLS, ContextError.
    """
    machine.known_url()
    machine.ensure_context()
    contexts.set_current(machine.name)
    progress.line("Context", machine.name, f"is what docker uses now: {machine.url}")
    _warn(progress)


def unset(progress: Progress) -> None:
    """Let the docker CLI return to its default: no context is current. Raises ContextError."""
    contexts.set_current(contexts.DEFAULT)
    progress.line("Context", contexts.DEFAULT, "is what docker uses now")
    _warn(progress)


def _warn(progress: Progress) -> None:
    for variable in _FIRST:
        if os.environ.get(variable):
            progress.warn(f"{variable} is set, and comes before it in this shell: unset {variable}")
