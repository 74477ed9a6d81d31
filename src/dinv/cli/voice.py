"""How the program speaks: with the name that it was called by, and as docker-machine where it is called so.

Scripts compare what docker-machine printed, and its own tests do. Called as docker-machine, an error
begins with its line, without the program's name before it; what dinv has to add comes in lines after it.
"""

from __future__ import annotations

import sys

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
from dinv.visible import one_line, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from dinv.cli.events import Events
    from dinv.errors import DinvError

_CONNECTING = {"config": "Error running connection boilerplate: ", "env": "Error checking TLS connection: "}
_NOT_RUNNING = {
    "config": f"{_CONNECTING['config']}Host is not running",
    "env": f"{_CONNECTING['env']}Host is not running",
    "ip": "Error getting IP address: Host is not running",
    "ssh": 'Error: Cannot run SSH command: Host "{machine}" is not running',
}
"""docker-machine's words by verb (docker/machine: commands/); of the others it says HOST_IS_NOT_RUNNING."""
_HOST_IS_NOT_RUNNING = "Host is not running"


def is_docker_machine(program: str) -> bool:
    """Whether a program of this name speaks as docker-machine."""
    return program.startswith("docker-machine")


class Voice:
    """What one run of the program says beside its output, and how it names itself everywhere.

    `verb` is the one at hand, "" before it is known.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.docker_machine = is_docker_machine(program)
        self.verb = ""
        self.aside = False
        """Whether what is said on the way goes to standard error: standard output is for a record."""
        self.events: Events | None = None
        """Where errors and remarks go as well as progress, with --progress json."""

    @property
    def stream(self) -> TextIO:
        """Where `say` prints."""
        return sys.stderr if self.aside else sys.stdout

    def called(self, text: str) -> str:
        """A text of the library's, with the program named as it was called: `docker-machine rm dev`."""
        if self.program == "dinv" or "dinv " not in text:
            return text
        import re

        from dinv.cli import VERBS

        verbs = "|".join(map(re.escape, VERBS))
        return re.sub(rf"\bdinv (?=(?:{verbs})\b)", lambda _: f"{self.program} ", text)

    def tell(self, error: DinvError, notes: Sequence[str] = ()) -> None:
        """Print an error, and its notes (PEP 678), on standard error."""
        if self.events is not None:
            self.events.error(error, self.called(str(error)), [self.called(note) for note in notes])
            return
        if not self.docker_machine:
            self._print(f"{self.program}: ", error, notes)
            return
        if isinstance(error, UsageError) and error.help:
            self.say(error.help)
        lines = _as_docker_machine(self.verb, error)
        self._print("", lines, notes)

    def say(self, text: str) -> None:
        """Print a line on standard output, or aside, at once."""
        _write(self.called(text), self.stream)

    def warn(self, text: str) -> None:
        """Print what the user should know, on standard error."""
        if self.events is not None:
            self.events.write("warning", text=self.called(text))
        else:
            _write(self.called(text), sys.stderr, before="Warning: ", colour="yellow")

    def remark(self, text: str) -> None:
        """Print a line on standard error."""
        if self.events is not None:
            self.events.write("note", text=self.called(text))
        else:
            _write(self.called(text), sys.stderr)

    def hint(self, text: str) -> None:
        """Print what somebody at a terminal may want to know, on standard error; scripts do not see it."""
        if not self.docker_machine and self.events is None and sys.stderr.isatty():
            self.remark(text)

    def trace(self, line: str) -> None:
        """Print a call of the API, on standard error."""
        if self.events is not None:
            self.events.write("trace", text=line)
        else:
            print(one_line(line), file=sys.stderr)

    def _print(self, before: str, said: object, notes: Sequence[str]) -> None:
        _write(self.called("\n".join((str(said), *notes))), sys.stderr, before=before, colour="red")


def put(text: str, *, keep: str = "", end: str = "\n") -> None:
    """Print what a verb is asked for on standard output; what others wrote in it is made fit to be shown.

    The letters of `keep` go out as they are: those of the user's own template.
    """
    print(visible(text, f"\n\t{keep}"), end=end)


def _write(text: str, stream: TextIO, *, before: str = "", colour: str = "") -> None:
    """Print a line, and `before` it what has a colour on a terminal that wants colours."""
    if before and stream.isatty():
        from dinv.cli.colour import painted, wanted

        before = painted(before, colour) if wanted(stream) else before
    # With its end in one piece: several machines are worked on at once, and each has its say.
    print(f"{before}{visible(text)}\n", end="", file=stream, flush=True)


def _as_docker_machine(verb: str, error: DinvError) -> str:
    """The error's text with docker-machine's line before it, where dinv's own does not begin with that."""
    text = str(error)
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
    return _of_create(verb, error) or _of_connecting(verb, error) or text


def _of_create(verb: str, error: DinvError) -> str:
    """The text of an error that a create may end in; "" for others."""
    match error:
        case InvalidName() if verb == "create":
            return (
                "Error creating machine: Invalid hostname specified. Allowed hostname chars are: "
                f"0-9a-zA-Z . -\n{error}"
            )
        case DriverRefused():
            return f"Error setting machine configuration from flags provided: {error}"
        case PreCreateCheckFailed() | ImageMissing():
            cause, newline, rest = str(error).partition("\n")
            return f"Error with pre-create check: {_quoted(cause)}{newline}{rest}"
        case MachineError() | EngineError() if verb == "create":
            return f"Error creating machine: Error in driver during machine creation: {error}"
    return ""


def _of_connecting(verb: str, error: DinvError) -> str:
    """The text of an error in connecting to a machine; "" for others."""
    match error:
        case MachineNotRunning():
            said = _NOT_RUNNING.get(verb, _HOST_IS_NOT_RUNNING).format(machine=error.machine)
            return f"{said}\n{error.hint}"
        case MachineUnusable():
            return _unusable(verb, error)
        case NoSwarm():
            return f"{_CONNECTING.get(verb, '')}{error}"
        case EndpointError() | EngineError() | DeadlineExceeded() if verb == "version":
            return f"{UNANSWERED}{error}"
    return ""


def _unusable(verb: str, error: MachineUnusable) -> str:
    """What docker-machine says where it cannot connect (libmachine/check/check.go), and what can be done."""
    said = error.reason
    if error.connection:
        where = error.url.rpartition("://")[2]
        said = (
            f"Error checking and/or regenerating the certs: There was an error validating certificates for "
            f"host {_quoted(where)}: {said}"
        )
    return f"{_CONNECTING.get(verb, '')}{said}" + (f"\n{error.hint}" if error.hint else "")


def _quoted(text: str) -> str:
    """As Go's %q has it, of text without control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
