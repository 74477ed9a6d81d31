"""A command in a machine, run to its end: what a program asks for, as `ssh` is what people ask for."""

from __future__ import annotations

from math import inf

from dinv.errors import BadRequest, CommandFailed, DeadlineExceeded, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from dinv.lifecycle.host import Host

NOT_RUN = 127
"""The exit status where there is no such program, as a shell has it; some engines say 126 by themselves."""


class Completed:
    """A command that has ended: `machine`, `argv`, `exit_status`, and what it wrote, as bytes.

    `stdout` and `stderr` are b"" where they were given to functions as they came.
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
        """`stdout` as text, without the line breaks at its end; what is not UTF-8 is replaced."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    def check(self) -> Completed:
        """Itself. Raises CommandFailed unless the exit status is 0."""
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
    """Run a command as root, without a shell and without a terminal, and wait for its end.

    `input` is its standard input: bytes, or a file that is read to its end. `stdout` and `stderr` are called
    with each piece as it comes; without them all of it is in the result. `timeout` in seconds, for all of it:
    the Engine API has no way to end a command, so one that outlives it goes on in the machine. A program that
    is not there, or cannot be run, is exit status 126 or 127, as the engine has it.

    Raises CommandFailed with `check`, DeadlineExceeded, MachineNotRunning, MachineGone, NotSupported,
    EndpointError.
    """
    if isinstance(argv, str) or not argv:
        raise InputError(
            f"A command is a list of words, such as ['docker', 'info'], and not {argv!r}. For a line of a "
            f"shell's: ['sh', '-c', 'LINE']"
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
        # What newer engines answer where there is no such program, or it may not be executed.
        status = NOT_RUN
        errors.extend(f"{words[0]}: {error.message}\n".encode())
    done = Completed(host.name, words, status, bytes(out), bytes(errors))
    return done.check() if check else done


def _open(given: bytes | BinaryIO | None) -> BinaryIO | None:
    if not isinstance(given, bytes):
        return given
    import io

    return io.BytesIO(given)
