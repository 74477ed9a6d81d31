"""`dinv completion`: a script for the shell, generated from the parsers when it is printed.

Completing a word then costs only the shell's own time; the program is only called for machines' names, as
`ls -q`, which asks no endpoint. The shell evaluates nothing that the program prints.
"""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.cli.completion.commands import Command

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, program: str, commands: Sequence[Command]) -> str:
    """Return the script with which `shell` completes the command lines of `program`. Raises InputError."""
    if shell not in SHELLS:
        raise InputError(f'There is no completion for the shell "{shell}". Known are: {", ".join(SHELLS)}.')
    module = __import__(f"dinv.cli.completion.{shell}", fromlist=["script"])
    make: Callable[[str, Sequence[Command]], str] = module.script
    return make(program, commands)


def function_name(program: str) -> str:
    """Return a shell function's name for a program: docker-machine's is _docker_machine."""
    return "_" + "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in program)
