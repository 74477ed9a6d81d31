"""What can stand on a command line, read off the parsers that will read it."""

from __future__ import annotations

import argparse

from dinv.cli.show.formatting import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MACHINES = "machines"
PLACES = "places"
"""A path here, or `MACHINE:` and a path there."""
FILES = "files"
DIRECTORIES = "directories"
COMMANDS = "commands"
IMAGES = "images"
NETWORKS = "networks"
VOLUMES = "volumes"
ENDPOINTS = "endpoints"
PATHS = "paths"
"""Of a machine, with its name before: NAME:PATH."""
LISTED = (IMAGES, NETWORKS, VOLUMES, ENDPOINTS)
"""Those that `dinv completion --list` is asked for, in dinv.cli.completion.values; PATHS are too."""
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
    """A verb: its flags, and what its arguments are: one of `choices`, or what `arguments` says.

    `more`: what those behind the first one are.
    """

    def __init__(
        self,
        name: str,
        text: str,
        flags: Iterable[Flag],
        arguments: str,
        choices: Iterable[str] = (),
        *,
        more: str,
    ) -> None:
        self.name = name
        self.text = text
        self.flags = list(flags)
        self.arguments = arguments
        self.choices = list(choices)
        self.more = more


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
    kinds = [MACHINES] if takes_rest else []
    choices: list[str] = []
    known: dict[str, tuple[str, ...]] = getattr(parser, "known", {})
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to list them)
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):  # noqa: SLF001
            continue
        if action.option_strings:
            value = None if action.nargs == 0 else _kind(name, action)
            offered = action.choices or known.get(action.option_strings[-1]) or _known(action)
            flags.append(Flag(action.option_strings, action.help or "", value, map(str, offered)))
        else:
            if not kinds:
                choices = [str(choice) for choice in action.choices or ()]
            kinds.append(_kind(name, action))
    kinds = kinds or [NOTHING]
    return Command(name, parser.description or "", [*flags, *GLOBAL_FLAGS], kinds[0], choices, more=kinds[-1])


def _known(action: argparse.Action) -> Iterable[str]:
    """Values of a flag that have a name, where there are others as well."""
    from dinv import drivers
    from dinv.images.building.builder import BASES
    from dinv.shells import syntax

    flag = action.option_strings[-1]
    if flag == "--filter":
        return _filters()
    return {
        "--format": FORMATS,
        "--shell": syntax.NAMES,
        "--driver": tuple(drivers.known()),
        "--base": tuple(BASES),
    }.get(flag, ())


def _filters() -> list[str]:
    """What `ls --filter` may be, or begin with."""
    from dinv import drivers, states
    from dinv.listing import filters

    named = {"driver": drivers.known(), "state": states.ALL}
    return [f"{key}={value}" for key in filters.KEYS for value in named.get(key) or ("",)]


def _kind(verb: str, action: argparse.Action) -> str:
    """What a value is, by the names that verbs give their arguments."""
    shown = action.metavar if isinstance(action.metavar, str) else ""
    by_metavar = {
        "DIR": DIRECTORIES,
        "FILE": FILES,
        "REF": IMAGES,
        "IMAGE": IMAGES,
        "ENDPOINT": ENDPOINTS,
    }.get(shown, NOTHING)
    if action.option_strings:
        return {"--network": NETWORKS, "--cache-volume": VOLUMES}.get(action.option_strings[-1], by_metavar)
    if action.dest == "name":
        # That of `create` is not there yet.
        return NOTHING if verb == "create" else MACHINES
    if action.dest == "verb":
        return COMMANDS
    if shown.startswith("[NAME:]"):
        return PLACES
    return by_metavar
