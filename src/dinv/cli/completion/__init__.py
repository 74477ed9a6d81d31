"""`dinv completion`: a script for the shell, made from the parsers at the time it is printed.

Completing a word then costs nothing but the shell's own time; only for machines' names is the program
called, as `ls -q`, which asks no endpoint. Nothing that the program prints is evaluated by the shell.
"""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.cli.completion.commands import Command

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, program: str, commands: Sequence[Command]) -> str:
    """The script with which `shell` completes the command lines of `program`. Raises InputError."""
    if shell not in SHELLS:
        raise InputError(f'There is no completion for the shell "{shell}". Known are: {", ".join(SHELLS)}.')
    module = __import__(f"dinv.cli.completion.{shell}", fromlist=["script"])
    make: Callable[[str, Sequence[Command]], str] = module.script
    return make(program, commands)


def function_name(program: str) -> str:
    """A shell function's name for a program: docker-machine's is _docker_machine."""
    return "_" + "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in program)


def quoted(text: str) -> str:
    """A word in single quotes, as bash and zsh read it."""
    inside = text.replace("'", "'\\''")
    return f"'{inside}'"
