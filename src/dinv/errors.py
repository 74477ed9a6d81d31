"""Every error dinv raises on purpose.

    DinvError
    ├── InputError                 a flag, a name or a variable has a value that cannot be used
    │   ├── UsageError             ... the command line does not fit its verb
    │   ├── InvalidName            ... not a valid machine name
    │   ├── NobodyToAsk            ... a question needs an answer, but there is nobody to give it
    │   ├── PluginNotFound         ... no driver, provisioner, ... of this name
    │   ├── OptionError            ... an option has a value that cannot be used
    │   │   └── DriverRefused      ... found by a driver
    │   ├── ArchiveError           ... an archive to import is damaged, or is not a machine's
    │   └── TemplateError          ... a template of --format
    ├── StoreError                 the store on the user's side
    │   ├── MachineNotFound
    │   ├── MachineExists
    │   ├── AlreadyInStore         the machine to import is already here, under some name
    │   ├── MachineBusy            another process is changing it
    │   ├── ConfigError            its config.json cannot be read
    │   │   └── ConfigTooNew       ... was written by a newer version
    │   ├── StoreNotWritable
    │   └── LocksNotKept           its file system has no locks
    ├── EndpointError              the Docker API on which machines are created
    │   ├── NoEndpoint             none was named and none was found
    │   ├── EndpointUnreachable
    │   ├── EndpointTLSError
    │   ├── EndpointTooOld
    │   ├── NotDone                it reported something as done that was not
    │   └── LocalEngineError       dinv's own engine on this computer cannot be started or stopped
    ├── EngineError                the API answered a call with an error
    │   ├── BadRequest             400
    │   ├── Unauthorized           401, 403
    │   ├── NotFound               404
    │   ├── Conflict               409
    │   ├── ServerError            500 and above
    │   └── ProtocolError          the answer is not what the API promises
    ├── DeadlineExceeded           a call or a wait took too long
    ├── PreCreateCheckFailed       a machine cannot be created; nothing was
    ├── ImageError
    │   ├── ImageMissing           not on the endpoint and not available from a registry
    │   └── ImageBuildError
    ├── CannotAdopt                a container cannot become a machine; nothing was changed
    ├── MachineError               an existing machine
    │   ├── MachineNotRunning
    │   ├── AlreadyRunning         start: it is running
    │   ├── AlreadyStopped         stop, kill: it is stopped
    │   ├── MachineUnfinished      its create, adoption or upgrade did not finish
    │   ├── NotSupported           its driver, or the way it was made, does not allow it
    │   ├── RecordCopied           its record is a copy of another machine's
    │   ├── CommandFailed          a command in it ended with an exit status other than 0
    │   ├── NoSwarm                it is not the master of a classic swarm
    │   ├── MachineGone            its container is no longer on the endpoint
    │   ├── MachineDied            its daemon ended; carries the last log lines
    │   ├── MachineNotReady        its daemon did not answer in time
    │   ├── MachineUnreached       its daemon listens, but cannot be reached from here
    │   ├── MachineUnusable        clients cannot use its daemon
    │   ├── AcceptsAnyone          it accepts clients without a certificate
    │   └── ContainersCannotRun    its daemon answers, but cannot run containers
    ├── NoActiveMachine            the docker CLI does not use a machine here
    ├── PluginBroken               the package of a driver, provisioner, ... cannot be loaded
    ├── PluginsClash               several packages have a driver, provisioner, ... of the same name
    ├── LocalError                 this computer lacks something, or does not allow it
    │   ├── ProgramMissing
    │   ├── CannotListen           a local port to forward cannot be used
    │   ├── MountError             a directory cannot be mounted here, or unmounted
    │   └── LinkError              a link to dinv cannot be created
    ├── CopyError                  a file cannot be copied to, from or between machines
    ├── CertificateError
    ├── ContextError               docker contexts on the user's side
    │   └── ContextTaken           one of this name was not made for the machine
    └── Interrupted                Ctrl-C or SIGTERM

A message says what happened, why, and what to do next. Data that a caller may want to act on is in
attributes; the commands that a message names are in `hints`. `exit_code` is the exit status of the command
line: 1, or 3 where docker-machine uses 3.
"""

from __future__ import annotations

from dinv.wording import command, either, option

_STORAGE_PATH = either("dinv.open(PATH)", "--storage-path")
NO_CONTEXT = either("context=False", "--no-context")


class DinvError(Exception):
    """Base class: `except DinvError` catches every error that dinv raises on purpose."""

    exit_code = 1
    about = ""
    """The machine that a command line named when the error occurred, if it is about one."""

    @property
    def text(self) -> str:
        """The original message: a `dinv.wording.Wording` if it names commands or options."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)

    @property
    def hints(self) -> list[list[str]]:
        """The commands that the message names, such as ["rm", "-f", "dev"]: possible next steps."""
        commands: list[list[str]] = getattr(self.text, "commands", [])
        return commands


class InputError(DinvError):
    """A flag, a name or an environment variable has a value that cannot be used."""


class UsageError(InputError):
    """A command line does not fit its verb.

    `help` is the verb's help, if it is worth showing; `see` is the command that shows it, which the message
    names; `meant` is a "Did you mean" question or ""; `reason` is the message without those.
    """

    def __init__(self, reason: str, help: str = "", *, see: str = "", meant: str = "") -> None:  # noqa: A002  (its name everywhere)
        end = "" if reason.endswith((".", "?")) else "."
        said = f"{reason}{end} See '{see}'." if see else reason
        super().__init__(f"{said}\n{meant}" if meant else said)
        self.reason = reason
        self.help = help
        self.meant = meant


class InvalidName(InputError):
    """The name is not valid for a machine. `nearest` is a valid name that resembles it, or ""."""

    def __init__(self, name: str, nearest: str = "") -> None:
        wrong = sorted({letter for letter in name if not (letter.isascii() and letter.isalnum())} - set(".-"))
        if wrong:
            why = f"it contains {', '.join(map(repr, wrong))}"
        else:
            why = f"it begins with {name[0]!r}" if name else "it is empty"
        meant = f" {nearest} would be valid." if nearest else ""
        super().__init__(
            f"{name!r} is not a valid machine name: {why}. A name consists of letters (a to z), digits, dots "
            f"and dashes, since it is a host name, too, and starts with a letter or a digit.{meant}"
        )
        self.name = name
        self.nearest = nearest


class NobodyToAsk(InputError):
    """A question needs an answer, and standard input has ended. `without` is the flag that skips it."""

    def __init__(self, without: str) -> None:
        super().__init__(
            f"Nobody is there to ask, so nothing was done. To do it without being asked: {without}"
        )
        self.without = without


class PluginNotFound(InputError):
    """No implementation has this name. `what` is its seam ("driver"), `known` are the existing names."""

    def __init__(self, what: str, name: str, known: list[str], group: str) -> None:
        from dinv.suggestions import did_you_mean

        meant = did_you_mean(name, known)
        self.hint = (
            f"{meant}{' ' if meant else ''}Known are: {', '.join(known)}. "
            f"Others come with Python packages that have an entry point in the group {group}."
        )
        super().__init__(f'{what.capitalize()} "{name}" not found. {self.hint}')
        self.what = what
        self.name = name
        self.known = known


class OptionError(InputError):
    """An option has a value that cannot be used, or contradicts another.

    `option` is its name without dashes, "" if the error is about several options; `value` is the given value,
    None if it does not matter; `reason` continues the sentence: `memory='lots' is not a size`, or on the
    command line `--memory "lots" is not a size`.
    """

    def __init__(self, reason: str, *, option: str = "", value: object = None) -> None:
        self.option = option
        self.value = value
        self.reason = reason
        keyword, flag = option.replace("-", "_"), f"--{option}"
        if value is not None:
            keyword, flag = f"{keyword}={value!r}", f'{flag} "{value}"'
        space = "" if reason.startswith(":") else " "
        super().__init__(either(keyword, flag) + (space + reason) if option else reason)


class DriverRefused(OptionError):
    """A driver cannot use the given options. `error` is what it raised."""

    def __init__(self, error: InputError) -> None:
        option = error.option if isinstance(error, OptionError) else ""
        super().__init__(error.text)
        self.error = error
        self.option = option
        self.value = getattr(error, "value", None)
        self.reason = getattr(error, "reason", str(error))
        for note in getattr(error, "__notes__", ()):
            self.add_note(note)


class ArchiveError(InputError):
    """An archive to import is damaged, or is not an archive of a machine."""


class TemplateError(InputError):
    """A template cannot be parsed, or cannot be executed on the given data.

    `line` and `column` count from 1, `column` in characters. `at` is the part of the template that was being
    executed, None if parsing failed. The message's first line is Go's, in which columns count from 0.
    """

    def __init__(self, reason: str, *, line: int, column: int, at: str | None = None) -> None:
        if at is None:
            said = (
                f"template parsing error: template: :{line}: {reason}\nIt is at column {column} of that line."
            )
        else:
            said = f'template: :{line}:{column - 1}: executing "" at <{at}>: {reason}'
        super().__init__(said)
        self.reason = reason
        self.line = line
        self.column = column
        self.at = at


class StoreError(DinvError):
    """The store on the user's side is missing, unreadable or invalid."""


class MachineNotFound(StoreError):
    """The store has no machine of this name. `alike`: a name that resembles it, or ""."""

    def __init__(self, machine: str, alike: str = "") -> None:
        meant = f'\nDid you mean "{alike}"?' if alike else ""
        super().__init__(
            f'There is no machine "{machine}". '
            + command("ls")
            + " lists the existing ones, "
            + command("create")
            + f" creates one.{meant}"
        )
        self.machine = machine
        self.alike = alike


class MachineExists(StoreError):
    """The store already has a machine of this name."""

    def __init__(self, machine: str) -> None:
        super().__init__(
            f'Machine "{machine}" already exists. '
            "Choose another name, or remove it first: " + command("rm", machine)
        )
        self.machine = machine


class AlreadyInStore(StoreError):
    """The machine to import is already in the store: `machine` is its name there."""

    def __init__(self, machine: str) -> None:
        super().__init__(f'This machine is in the store already, as "{machine}"')
        self.machine = machine


class MachineBusy(StoreError):
    """Another process holds the machine's lock."""

    def __init__(self, machine: str, holder: str = "") -> None:
        what = f" ({holder})" if holder else ""
        super().__init__(
            f'Another dinv is at work on machine "{machine}"{what}. Wait until it has finished and try again.'
        )
        self.machine = machine
        self.holder = holder


class ConfigError(StoreError):
    """A machine's config.json is missing, truncated or unreadable."""

    def __init__(self, machine: str, path: str, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}. Restore the file from a backup, or forget the machine: "
            + command("rm", "-f", machine)
        )
        self.machine = machine
        self.path = path
        self.reason = reason


class ConfigTooNew(ConfigError):
    """A machine's config.json was written by a newer version."""

    def __init__(self, machine: str, path: str, found: object, known: int) -> None:
        StoreError.__init__(
            self,
            f"{path}: version {found} is from the future (this dinv knows {known}). "
            f"Upgrade dinv to use this machine.",
        )
        self.machine = machine
        self.path = path
        self.reason = f"config version {found} is newer than {known}"
        self.found = found


class CertificatesTorn(StoreError):
    """A renewal was killed between a client's certificate and its key, and this store cannot be written."""

    def __init__(self, machine: str, directory: str) -> None:
        super().__init__(
            f'The certificates of machine "{machine}" are half replaced in {directory}: a renewal was killed '
            f"there, and the rest cannot be moved into place, since the directory is not writable here. "
            f"To finish it, run this where it is writable: " + command("env", machine)
        )
        self.machine = machine
        self.directory = directory


class StoreNotWritable(StoreError):
    """The store cannot be written to."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The store cannot be written: {path}: {reason}. Make it writable, or choose another with "
            + _STORAGE_PATH
            + " or MACHINE_STORAGE_PATH."
        )
        self.path = path
        self.reason = reason


class LocksNotKept(StoreError):
    """A file system has no locks, so concurrent writes there would not be safe."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be locked ({reason}): its file system does not support locks, and without them "
            "two dinv processes would corrupt what they write. Use a local disk ("
            + _STORAGE_PATH
            + " or MACHINE_STORAGE_PATH for the store), or mount it with locks: NFS with version 4, or with "
            "its lock daemon; Lustre with -o flock."
        )
        self.path = path
        self.reason = reason


class EndpointError(DinvError):
    """The Docker API on which machines are created cannot be used."""


class NoEndpoint(EndpointError):
    """No endpoint was named and none was found. `tried`: pairs of what was tried, and the result."""

    def __init__(self, tried: list[tuple[str, str]]) -> None:
        lines = "".join(f"\n  {what}: {said}" for what, said in tried)
        super().__init__(
            f"No Docker endpoint answers. Tried:{lines}\n"
            "Name one with "
            + option("endpoint")
            + " or DINV_ENDPOINT, or start a private one here: "
            + command("engine", "start")
        )
        self.tried = tried


class EndpointUnreachable(EndpointError):
    """Nothing answers at the endpoint's address."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"Cannot reach the Docker endpoint {endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class EndpointTLSError(EndpointError):
    """The TLS handshake with the endpoint failed, on either side."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"TLS with the Docker endpoint {endpoint} failed: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class EndpointTooOld(EndpointError):
    """The endpoint's API version is too old for dinv."""

    def __init__(self, endpoint: str, found: str, needed: str) -> None:
        super().__init__(
            f"The Docker endpoint {endpoint} speaks API {found}; dinv needs {needed} or newer. "
            "Upgrade that engine, or name another endpoint with " + option("endpoint") + "."
        )
        self.endpoint = endpoint
        self.found = found
        self.needed = needed


class NotDone(EndpointError):
    """The endpoint reported success, but the result is missing. `what` was to be done."""

    def __init__(self, endpoint: str, what: str, found: str) -> None:
        super().__init__(
            f"{endpoint} said that it has {what}, but {found}. Perhaps something in between, such as a "
            f"proxy, answers instead of the endpoint: try again, or do it on the endpoint itself."
        )
        self.endpoint = endpoint
        self.what = what


class LocalEngineError(EndpointError):
    """dinv's own engine on this computer cannot be started or stopped. `log` has its last log lines."""

    def __init__(self, message: str, log: list[str] | None = None) -> None:
        tail = "".join(f"\n  {line}" for line in log or ())
        super().__init__(message + f" Its last lines:{tail}" if tail else message)
        self.log = log or []


class EngineError(DinvError):
    """The Engine API answered a call with an error.

    `status` is the HTTP status, `method` and `path` are the call (path without query), `message` is the
    engine's own error message.
    """

    def __init__(self, message: str, *, status: int = 0, method: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.method = method
        self.path = path


class BadRequest(EngineError):
    """400: the engine rejects the request."""


class Unauthorized(EngineError):
    """401 or 403: the engine, or the registry behind it, requires other credentials."""


class NotFound(EngineError):
    """404: no such container, image, volume or network."""


class Conflict(EngineError):
    """409: the name is taken, or the object is in the wrong state."""


class ServerError(EngineError):
    """500 and above."""


class ProtocolError(EngineError):
    """The answer is not what the Engine API promises: cut short, not JSON, not HTTP."""


class DeadlineExceeded(DinvError):
    """A call or a wait took too long. `what` was waited for, `seconds` was the limit."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} took longer than {seconds:g} s")
        self.what = what
        self.seconds = seconds


class PreCreateCheckFailed(DinvError):
    """A machine cannot be created as requested; nothing has been created."""

    exit_code = 3


class ImageError(DinvError):
    """Base class of errors about machine images."""


class ImageMissing(ImageError):
    """The image is not on the endpoint and cannot be pulled."""

    exit_code = 3

    def __init__(self, image: str, endpoint: str, reason: str, advice: str) -> None:
        super().__init__(f"Image {image} is not on {endpoint} and cannot be pulled: {reason}\n" + advice)
        self.image = image
        self.endpoint = endpoint
        self.reason = reason


class ImageBuildError(ImageError):
    """Building a machine image failed."""


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


class CommandFailed(MachineError):
    """A command in the machine ended with an exit status other than 0.

    `argv` is the command, `exit_status` its exit status, `stdout` and `stderr` are its output, as bytes.
    """

    def __init__(
        self, machine: str, argv: tuple[str, ...], exit_status: int, stdout: bytes, stderr: bytes
    ) -> None:
        lines = stderr.decode(errors="replace").strip().splitlines()
        said = f": {lines[-1].strip()}" if lines else ""
        super().__init__(
            machine, f'In machine "{machine}", {argv[0]} ended with exit status {exit_status}{said}'
        )
        self.argv = argv
        self.exit_status = exit_status
        self.stdout = stdout
        self.stderr = stderr


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


class MachineDied(MachineError):
    """The machine's daemon has ended. `log` has the last lines of its log."""

    def __init__(self, machine: str, exit_status: int, log: list[str]) -> None:
        tail = "".join(f"\n  {line}" for line in log)
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" ended with status {exit_status}. '
            f"Its last lines:{tail}",
        )
        self.exit_status = exit_status
        self.log = log


class MachineNotReady(MachineError):
    """The machine's daemon did not answer in time. `log` has the last lines of its log."""

    def __init__(self, machine: str, url: str, seconds: float, reason: str, log: list[str]) -> None:
        tail = "".join(f"\n  {line}" for line in log)
        said = f" Its last lines:{tail}" if log else ""
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" did not answer at {url} within {seconds:g} s '
            f"({reason}). " + option("timeout") + f" gives it longer.{said}",
        )
        self.url = url
        self.seconds = seconds
        self.reason = reason
        self.log = log


class MachineUnreached(MachineError):
    """The machine's daemon listens, but cannot be reached from here. `reason` says why, and what to do."""

    def __init__(self, machine: str, url: str, reason: str) -> None:
        super().__init__(
            machine, f'Machine "{machine}" is running, but cannot be reached at {url}: ' + reason + "."
        )
        self.url = url
        self.reason = reason


class MachineUnusable(MachineError):
    """Clients cannot use its daemon: it does not answer as it should, or a file they need is missing.

    `reason` says why, `hint` what to do about it, or is ""; `connection` is whether connecting with its
    certificates failed, for whatever reason.
    """

    def __init__(
        self, machine: str, url: str, reason: str, hint: str = "", *, connection: bool = False
    ) -> None:
        where = f" at {url}" if url else ""
        super().__init__(
            machine,
            f'Machine "{machine}" cannot be used{where}: ' + reason + ("\n" + hint if hint else ""),
        )
        self.url = url
        self.reason = reason
        self.hint = hint
        self.connection = connection


class AcceptsAnyone(MachineError):
    """The machine's daemon lets clients in that show no certificate."""

    def __init__(self, machine: str, url: str, known: str = "") -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" answers at {url} to a client without a certificate, so anybody who '
            f"reaches it would own it. Its image does not verify clients: use another image."
            f"{f' {known}.' if known else ''}",
        )
        self.url = url


class ContainersCannotRun(MachineError):
    """The machine's daemon answers, but no container starts in it. `reason` is the daemon's message."""

    def __init__(self, machine: str, reason: str, advice: str) -> None:
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" answers, but no container runs in it: '
            f"{reason.rstrip('.')}. " + advice,
        )
        self.reason = reason


class NoActiveMachine(DinvError):
    """The docker CLI uses no machine here: DOCKER_HOST and the current context lead to no running one."""

    def __init__(self) -> None:
        super().__init__("The docker CLI uses no machine here")


class PluginBroken(DinvError):
    """An installed package has this implementation, but it cannot be used.

    `what` is its seam ("driver"), `name` its name there, `package` the distribution, or ""; `reason`
    continues the sentence that begins with these.
    """

    def __init__(self, what: str, name: str, reason: str, package: str = "") -> None:
        super().__init__(
            f'The {what} "{name}" {reason}. Repair or remove the package {package or "it comes with"}.'
        )
        self.what = what
        self.name = name
        self.reason = reason
        self.package = package


class PluginsClash(DinvError):
    """Several packages have an implementation of the same name. `packages` has their names and versions."""

    def __init__(self, what: str, name: str, packages: list[str]) -> None:
        super().__init__(
            f'Several packages have a {what} "{name}": {", ".join(packages)}. It is unclear which one is '
            f"meant: remove all but one."
        )
        self.what = what
        self.name = name
        self.packages = packages


class LocalError(DinvError):
    """This computer lacks something that dinv needs, or does not allow it."""


class ProgramMissing(LocalError):
    """A program that dinv runs is not installed. `needed_by` is what needs it, such as "mount"."""

    def __init__(self, program: str, needed_by: str) -> None:
        said = f"There is no {program} on this computer, and "
        super().__init__(said + needed_by + " needs it. Install it.")
        self.program = program
        self.needed_by = needed_by


class CannotListen(LocalError):
    """A port of this computer cannot be listened on: it is in use, or reserved. `inner` is the machine's."""

    def __init__(self, host: str, port: int, inner: int, reason: str) -> None:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__(
            f"Nothing can listen at {where} here: {reason}. Name another port: "
            f"{port + 1 if port else 0}:{inner}, or 0:{inner} for a free one"
        )
        self.host = host
        self.port = port
        self.reason = reason


class MountError(LocalError):
    """A machine's directory cannot be mounted on a directory here, or cannot be unmounted."""


class LinkError(LocalError):
    """A link to dinv, under another name, cannot be created."""


class CopyError(DinvError):
    """A file or a directory cannot be copied to, from or between machines."""


class CertificateError(DinvError):
    """A key or a certificate cannot be created, read or used."""


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


class Interrupted(DinvError):
    """Ctrl-C or SIGTERM. `signal` is its number; the exit status is 128 + signal."""

    def __init__(self, signal: int) -> None:
        super().__init__("Interrupted")
        self.signal = signal
        self.exit_code = 128 + signal
