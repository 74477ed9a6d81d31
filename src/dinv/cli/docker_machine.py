"""Errors in docker-machine's words, for those who call dinv by its name.

Scripts compare what docker-machine printed, and its own tests do: an error begins with its line, and what
dinv has to add comes in lines after it.
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
"""docker-machine's words by verb (docker/machine: commands/); of the others it says HOST_IS_NOT_RUNNING."""


def text_of(error: DinvError, verb: str, called: Callable[[str], str]) -> str:
    """The error's text with docker-machine's line before it, where dinv's own does not begin with that.

    `called` words what names commands of dinv's.
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
    """The text of an error that a create may end in; "" for others."""
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
    """The text of an error in connecting to a machine; "" for others."""
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
    """What docker-machine says where it cannot connect (libmachine/check/check.go), and what can be done."""
    said = called(error.reason)
    if error.connection:
        where = error.url.rpartition("://")[2]
        said = (
            f"Error checking and/or regenerating the certs: There was an error validating certificates for "
            f"host {_quoted(where)}: {said}"
        )
    return f"{_CONNECTING.get(verb, '')}{said}" + (f"\n{called(error.hint)}" if error.hint else "")


def _quoted(text: str) -> str:
    """As Go's %q has it, of text without control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
