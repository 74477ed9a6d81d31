"""Sentences of docker-machine's that scripts read, whatever name dinv is called by.

The library says the same in its own words. What is only said as docker-machine is in
`dinv.cli.docker_machine`.
"""

from __future__ import annotations

from dinv.errors import (
    DeadlineExceeded,
    MachineExists,
    MachineNotFound,
    MachineNotRunning,
    NoActiveMachine,
    NoSwarm,
    WithoutDriver,
)
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.errors import DinvError

HOST_IS_NOT_RUNNING = "Host is not running"


def sentence(error: DinvError, verb: str) -> str:
    """Return the error's text, in docker-machine's words if there are any (its commands/ and drivers/)."""
    if isinstance(error, DeadlineExceeded) and verb == "active":
        return "Error getting active host: timeout"
    found = next((words for kind, words in _SENTENCES.items() if isinstance(error, kind)), None)
    return error.text if found is None else found(error)


def _not_found(error: MachineNotFound) -> str:
    meant = f'\nDid you mean "{error.alike}"?' if error.alike else ""
    missing = f'Docker machine "{error.machine}" does not exist. Use "' + command("ls")
    return missing + '" to list machines. Use "' + command("create") + '" to add a new one.' + meant


def _exists(error: MachineExists) -> str:
    there = f'Docker machine "{error.machine}" already exists\n'
    return there + "Choose another name, or remove it first: " + command("rm", error.machine)


def _not_running(error: MachineNotRunning) -> str:
    return f"{HOST_IS_NOT_RUNNING}: " + error.hint


def _no_swarm(error: NoSwarm) -> str:
    said = f'"{error.machine}" is not a swarm master.'
    return f"{said} The --swarm flag is intended for use with swarm masters"


def _without_driver(error: WithoutDriver) -> str:
    said = f"hosts without a driver cannot be {error.done}"
    return f"{said}\n{error.reason}" if error.reason else said


_SENTENCES: dict[type[DinvError], Callable[[Any], str]] = {
    MachineExists: _exists,
    MachineNotFound: _not_found,
    MachineNotRunning: _not_running,
    NoActiveMachine: lambda _: "No active host found",
    NoSwarm: _no_swarm,
    WithoutDriver: _without_driver,
}
