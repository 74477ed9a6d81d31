"""Run a command in a machine and collect its output: for programs, as `ssh` is for people."""

from __future__ import annotations

from math import inf

from dinv.errors import BadRequest, CommandFailed, DeadlineExceeded, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from dinv.lifecycle.host import Host

NOT_RUN = 127
"""Exit status for a missing program, as in a shell; some engines report 126 themselves."""


class Completed:
    """A finished command: `machine`, `argv`, `exit_status`, and its output `stdout` and `stderr` as bytes.

    `stdout` and `stderr` are b"" if they were passed to functions as they arrived.
    """

    def __init__(
        self, machine: str, argv: tuple[str, ...], exit_status: int, stdout: bytes, stderr: bytes
    ) -> None:
        self.machine = machine
        self.argv = argv
        self.exit_status = exit_status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self) -> str:
        return f"<Completed {self.argv!r} in {self.machine}: exit status {self.exit_status}>"

    @property
    def text(self) -> str:
        """`stdout` as text, without trailing newlines; invalid UTF-8 is replaced."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    def check(self) -> Completed:
        """Return self. Raises CommandFailed unless the exit status is 0."""
        if self.exit_status:
            raise CommandFailed(self.machine, self.argv, self.exit_status, self.stdout, self.stderr)
        return self


def run(
    host: Host,
    argv: Sequence[str],
    *,
    check: bool = False,
    input: bytes | BinaryIO | None = None,  # noqa: A002  (its name in subprocess.run)
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    stdout: Callable[[bytes], object] | None = None,
    stderr: Callable[[bytes], object] | None = None,
) -> Completed:
    """Run a command as root, without a shell and without a terminal, and wait until it exits.

    `input` is its standard input: bytes, or a file that is read to its end. `stdout` and `stderr` are called
    with each piece of output as it arrives; without them, all output is in the result. `timeout`, in seconds,
    covers the whole command; the Engine API cannot end a command, so one that exceeds it keeps running in the
    machine. If the program is missing or cannot be executed, the exit status is 127 or 126, whichever the
    engine reports.

    Raises CommandFailed if `check` is set and the exit status is not 0, DeadlineExceeded, MachineNotRunning,
    MachineGone, NotSupported, EndpointError.
    """
    if isinstance(argv, str) or not argv:
        raise InputError(
            f"A command is a list of words, such as ['docker', 'info'], not {argv!r}. For a shell command "
            f"line: ['sh', '-c', 'LINE']"
        )
    words = tuple(argv)
    out, errors = bytearray(), bytearray()
    channel = host.channel()
    try:
        status = channel.run(
            words,
            stdin=_open(input),
            stdout=out.extend if stdout is None else stdout,
            stderr=errors.extend if stderr is None else stderr,
            environment=environment,
            timeout=inf if timeout is None else timeout,
        )
    except DeadlineExceeded as error:
        raise DeadlineExceeded(f'{words[0]} in machine "{host.name}"', error.seconds) from error
    except BadRequest as error:
        # The answer of newer engines if the program is missing or may not be executed.
        status = NOT_RUN
        errors.extend(f"{words[0]}: {error.message}\n".encode())
    done = Completed(host.name, words, status, bytes(out), bytes(errors))
    return done.check() if check else done


def _open(given: bytes | BinaryIO | None) -> BinaryIO | None:
    if not isinstance(given, bytes):
        return given
    import io

    return io.BytesIO(given)
