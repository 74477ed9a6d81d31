"""SSH to machines that docker-machine made: the system's ssh and scp, with the key, port and user stored."""

from __future__ import annotations

import os

from dinv.drivers.docker_machine import WITHOUT_DRIVER, located, needs_driver
from dinv.errors import LocalError, MachineError, MachineNotRunning
from dinv.formats.host_port import SSH_PORT, bracketed
from dinv.system import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.access.ssh_options import Option
    from dinv.store.record import MachineConfig

NEEDED_BY = "a machine that docker-machine made"
_USER = "root"
"""libmachine: libmachine/drivers/base.go."""
_OPTIONS = (
    # Those of docker/machine: libmachine/ssh/client.go, but LogLevel: `quiet` said nothing of what failed.
    *("-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectionAttempts=3"),
    *("-o", "ConnectTimeout=10", "-o", "ControlMaster=no", "-o", "ControlPath=none"),
)


class Address:
    """Where a machine's SSH server is, and who logs in with what; `key` is "" where ssh-agent has it."""

    def __init__(self, config: MachineConfig) -> None:
        if config.driver_name in WITHOUT_DRIVER:
            needs_driver(config)
        kept = config.driver
        # VirtualBox forwards a port of this computer to the machine (docker/machine: drivers/virtualbox).
        self.host = "127.0.0.1" if config.driver_name == "virtualbox" else _text(kept.get("IPAddress"))
        if not self.host:
            raise MachineNotRunning(config.name, "without a known address")
        self.user = _text(kept.get("SSHUser")) or _USER
        if self.user.startswith("-"):
            raise MachineError(
                config.name,
                f'Machine "{config.name}": its config.json has a user for SSH that is none: {self.user}',
            )
        port = kept.get("SSHPort")
        self.port = port if isinstance(port, int) and port > 0 else SSH_PORT
        self.key = _key(config)

    def login(self) -> list[str]:
        """Options for the key, of ssh and of scp."""
        return ["-o", "IdentitiesOnly=yes", "-i", self.key] if self.key else []


def ssh_command(
    config: MachineConfig, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> list[str]:
    """The system's ssh as docker-machine calls it, for a command or, without words, a shell.

    `options` are ssh's own, as there; a user among them takes the place of the one stored. Raises
    InputError, MachineNotRunning.
    """
    ssh = programs.find("ssh", NEEDED_BY)
    address = Address(config)
    user = next((value for letter, value in options if letter == "l"), address.user)
    return [
        ssh,
        *_OPTIONS,
        *(["-t"] if terminal else []),
        f"{user}@{address.host}",
        *address.login(),
        *("-p", str(address.port)),
        *(f"-{letter}{value}" for letter, value in options if letter != "l"),
        *(["--"] if words and words[0].startswith("-") else []),
        *words,
    ]


def scp_command(config: MachineConfig, user: str, *, recursive: bool, quiet: bool) -> tuple[list[str], str]:
    """The system's scp for the machine, without its two paths, and what its path there begins with.

    `user` is "" for the one stored. Raises InputError, MachineNotRunning.
    """
    scp = programs.find("scp", NEEDED_BY)
    address = Address(config)
    command = [scp, *_OPTIONS, *address.login(), "-P", str(address.port)]
    command += [*(["-r"] if recursive else []), *(["-q"] if quiet else [])]
    return command, f"{user or address.user}@{bracketed(address.host)}:"


def run(
    config: MachineConfig, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> int:
    """Run ssh in this process's place; see `replace_process`. Raises InputError, MachineNotRunning."""
    return replace_process(ssh_command(config, options, words, terminal=terminal))


def replace_process(command: list[str]) -> int:
    """Become another program: its exit status, signals and terminal are the user's own.

    Returns only where `os.execv` has been replaced. Raises LocalError.
    """
    import signal
    import sys

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Python ignores it, and what is ignored is ignored after exec too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606  (without a shell is what is meant)
    except OSError as error:
        raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error
    return 0


def _key(config: MachineConfig) -> str:
    """Its private key; "" where docker-machine leaves it to ssh-agent."""
    named = _text(config.driver.get("SSHKeyPath")) or _text(config.driver.get("SSHKey"))
    path = located(config, named) if named else os.path.join(config.directory, "id_rsa")
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError as error:
        if not named:
            return ""
        raise MachineError(
            config.name,
            f'The SSH key of machine "{config.name}" cannot be used: {path}: {error.strerror}',
        ) from error
    if mode & 0o077:
        raise MachineError(
            config.name,
            f"The SSH key {path} can be read by others, and ssh takes none such. Run: chmod 600 {path}",
        )
    return path


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
