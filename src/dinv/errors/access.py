"""What is done with a machine: commands, copies, forwarded ports, mounts."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.errors.local import LocalError
from dinv.errors.machine import MachineError


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


class CopyError(DinvError):
    """A file or a directory cannot be copied to, from or between machines."""
