"""Errors in docker-machine's words, for users who call dinv by that name.

Scripts compare docker-machine's output, and so do its own tests: an error begins with docker-machine's line,
and what dinv has to add follows in lines after it.
"""

from __future__ import annotations

from dinv.cli.sentences import HOST_IS_NOT_RUNNING, sentence
from dinv.errors import (
    ConfigError,
    DeadlineExceeded,
    DriverRefused,
    EndpointError,
    EngineError,
    ImageMissing,
    InvalidName,
    MachineError,
    MachineNotFound,
    MachineNotRunning,
    MachineUnusable,
    NobodyToAsk,
    NoSwarm,
    PluginNotFound,
    PreCreateCheckFailed,
    UsageError,
)
from dinv.states import UNANSWERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.errors import DinvError

_CONNECTING = {"config": "Error running connection boilerplate: ", "env": "Error checking TLS connection: "}
_NOT_RUNNING = {
    "config": f"{_CONNECTING['config']}Host is not running",
    "env": f"{_CONNECTING['env']}Host is not running",
    "ip": "Error getting IP address: Host is not running",
    "ssh": 'Error: Cannot run SSH command: Host "{machine}" is not running',
}
"""docker-machine's words by verb (docker/machine: commands/); for other verbs it says HOST_IS_NOT_RUNNING."""


def text_of(error: DinvError, verb: str, called: Callable[[str], str]) -> str:
    """Return the error's text with docker-machine's line before it, unless dinv's own begins with that.

    `called` rewords texts that name dinv's commands.
    """
    text = called(sentence(error, verb))
    if verb == "rm" and error.about:
        lost = f'\nCan\'t remove "{error.about}"' if isinstance(error, MachineNotFound) else ""
        return f'Error removing host "{error.about}": {text}{lost}'
    match error:
        case UsageError():
            return f"{error.reason}\n{error.meant}" if error.meant else error.reason
        case ConfigError() if not isinstance(error.__cause__, OSError):
            return f"Error getting migrated host: {text}"
        case NobodyToAsk() if verb == "regenerate-certs":
            return f"EOF\n{text}"
        case PluginNotFound(what="driver"):
            return (
                f'Driver "{error.name}" not found. Do you have the plugin binary '
                f'"docker-machine-driver-{error.name}" accessible in your PATH?\n{error.hint}'
            )
    return _of_create(verb, error, text) or _of_connecting(verb, error, text, called) or text


def _of_create(verb: str, error: DinvError, text: str) -> str:
    """Return the text of an error of a create; "" for other errors."""
    match error:
        case InvalidName() if verb == "create":
            return (
                "Error creating machine: Invalid hostname specified. Allowed hostname chars are: "
                f"0-9a-zA-Z . -\n{text}"
            )
        case DriverRefused():
            return f"Error setting machine configuration from flags provided: {text}"
        case PreCreateCheckFailed() | ImageMissing():
            cause, newline, rest = text.partition("\n")
            return f"Error with pre-create check: {_quoted(cause)}{newline}{rest}"
        case MachineError() | EngineError() if verb == "create":
            return f"Error creating machine: Error in driver during machine creation: {text}"
    return ""


def _of_connecting(verb: str, error: DinvError, text: str, called: Callable[[str], str]) -> str:
    """Return the text of an error of connecting to a machine; "" for other errors."""
    match error:
        case MachineNotRunning():
            said = _NOT_RUNNING.get(verb, HOST_IS_NOT_RUNNING).format(machine=error.machine)
            return f"{said}\n{called(error.hint)}"
        case MachineUnusable():
            return _unusable(verb, error, called)
        case NoSwarm():
            return f"{_CONNECTING.get(verb, '')}{text}"
        case EndpointError() | EngineError() | DeadlineExceeded() if verb == "version":
            return f"{UNANSWERED}{text}"
    return ""


def _unusable(verb: str, error: MachineUnusable, called: Callable[[str], str]) -> str:
    """Return docker-machine's text if it cannot connect (libmachine/check/check.go), with advice."""
    said = called(error.reason)
    if error.connection:
        where = error.url.rpartition("://")[2]
        said = (
            f"Error checking and/or regenerating the certs: There was an error validating certificates for "
            f"host {_quoted(where)}: {said}"
        )
    return f"{_CONNECTING.get(verb, '')}{said}" + (f"\n{called(error.hint)}" if error.hint else "")


def _quoted(text: str) -> str:
    """Quote as Go's %q does, for text without control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
