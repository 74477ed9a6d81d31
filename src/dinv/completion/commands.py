"""What can stand on a command line, read off the parsers that will read it."""

from __future__ import annotations

import argparse

from dinv.cli.formatting import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MACHINES = "machines"
PLACES = "places"
"""A path here, or `MACHINE:` and a path there."""
FILES = "files"
DIRECTORIES = "directories"
COMMANDS = "commands"
NOTHING = ""


class Flag:
    """`names` with their dashes; `value`: None if it has none, else what its value is."""

    def __init__(
        self, names: Iterable[str], text: str, value: str | None, choices: Iterable[str] = ()
    ) -> None:
        self.names = list(names)
        self.text = text
        self.value = value
        self.choices = list(choices)


class Command:
    """A verb: its flags, and what its arguments are: one of `choices`, or what `arguments` says."""

    def __init__(
        self, name: str, text: str, flags: Iterable[Flag], arguments: str, choices: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.text = text
        self.flags = list(flags)
        self.arguments = arguments
        self.choices = list(choices)


GLOBAL_FLAGS = (
    Flag(["-D", "--debug"], "show every API call, with its time", None),
    Flag(["-s", "--storage-path"], "the store", DIRECTORIES),
    Flag(["-h", "--help"], "show help", None),
)
"""Those that every command has, and that may stand before it as well."""

VERSION_FLAG = Flag(["-v", "--version"], "print the version", None)
"""One that stands before the command only."""


def flags_by_command(commands: Iterable[Command]) -> list[tuple[str, Flag]]:
    """Every flag, with the name of its command; those that all commands have once, under "*"."""
    everywhere = [("*", flag) for flag in GLOBAL_FLAGS]
    return everywhere + [
        (command.name, flag) for command in commands for flag in command.flags if flag not in GLOBAL_FLAGS
    ]


def command(name: str, parser: argparse.ArgumentParser, *, takes_rest: bool) -> Command:
    """What a verb's parser takes; `takes_rest`: its words are a machine and what to run there."""
    flags = []
    arguments, choices = (MACHINES, []) if takes_rest else (NOTHING, [])
    positional = False
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to list them)
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):  # noqa: SLF001
            continue
        if action.option_strings:
            value = None if action.nargs == 0 else _kind(action)
            flags.append(
                Flag(
                    action.option_strings,
                    action.help or "",
                    value,
                    map(str, action.choices or _known(action)),
                )
            )
        elif not positional:
            positional = True
            arguments, choices = _kind(action), [str(choice) for choice in action.choices or ()]
    return Command(name, parser.description or "", [*flags, *GLOBAL_FLAGS], arguments, choices)


def _known(action: argparse.Action) -> Iterable[str]:
    """Values of a flag that have a name, where there are others as well."""
    return FORMATS if action.metavar == "FORMAT" else ()


def _kind(action: argparse.Action) -> str:
    """What a value is, by the names that verbs give their arguments."""
    shown = action.metavar if isinstance(action.metavar, str) else ""
    if action.option_strings:
        return {"DIR": DIRECTORIES, "FILE": FILES}.get(shown, NOTHING)
    if action.dest == "name":
        # One that has to be given is the name of a machine that is not there yet, unless it says otherwise.
        return NOTHING if action.nargs is None and shown != "MACHINE" else MACHINES
    if action.dest == "verb":
        return COMMANDS
    if ":]" in shown:
        return PLACES
    return {"DIR": DIRECTORIES, "FILE": FILES}.get(shown, NOTHING)
