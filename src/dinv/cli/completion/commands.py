"""The possible words of a command line, taken from the parsers that will read it."""

from __future__ import annotations

from dinv.cli.show.formatting import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.cli.arguments import Argument, Grammar

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
CACHES = "caches"
POOLS = "pools"
HOLDERS = "holders"
"""Those who have been given access to a machine."""
PATHS = "paths"
"""A path in a machine, after its name: NAME:PATH."""
LISTED = (IMAGES, NETWORKS, VOLUMES, ENDPOINTS, CACHES, POOLS, HOLDERS)
"""The kinds of names that the shell asks `dinv completion --list` for (dinv.cli.completion.values)."""
NOTHING = ""


class Flag:
    """`names` with their dashes; `value`: None if it has none, else the kind of its value."""

    def __init__(
        self, names: Iterable[str], text: str, value: str | None, choices: Iterable[str] = ()
    ) -> None:
        self.names = list(names)
        self.text = text
        self.value = value
        self.choices = list(choices)


class Command:
    """A verb: its flags, and its arguments: one of `choices`, or of the kind `arguments`.

    `more`: the kind of those after the first; `second`: that of the one after a choice.
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
        second: str = NOTHING,
    ) -> None:
        self.name = name
        self.text = text
        self.flags = list(flags)
        self.arguments = arguments
        self.choices = list(choices)
        self.more = more
        self.second = second


GLOBAL_FLAGS = (
    Flag(["-D", "--debug"], "show every API call, with its time", None),
    Flag(["-s", "--storage-path"], "the store", DIRECTORIES),
    Flag(["-h", "--help"], "show help", None),
)
"""Flags that every command has, and that may stand before it as well."""

VERSION_FLAG = Flag(["-v", "--version"], "print the version", None)
"""A flag that stands before the command only."""


def flags_by_command(commands: Iterable[Command]) -> list[tuple[str, Flag]]:
    """Yield every flag, with the name of its command; those that all commands have once, under "*"."""
    everywhere = [("*", flag) for flag in GLOBAL_FLAGS]
    return everywhere + [
        (command.name, flag) for command in commands for flag in command.flags if flag not in GLOBAL_FLAGS
    ]


def command(name: str, grammar: Grammar, *, takes_rest: bool) -> Command:
    """Return what a verb's parser takes; `takes_rest`: its words are a machine and what to run there."""
    flags = []
    kinds = [MACHINES] if takes_rest else []
    choices: list[str] = []
    for argument in grammar.all_arguments():
        if argument.hidden or "--help" in argument.flags:
            continue
        if argument.flags:
            value = _kind(name, argument) if argument.takes_value else None
            offered = argument.choices or grammar.known.get(argument.flags[-1]) or _known(argument)
            flags.append(Flag(argument.flags, argument.help, value, offered))
        else:
            if not kinds:
                choices = list(argument.choices or ())
            kinds.append(_kind(name, argument))
    kinds = kinds or [NOTHING]
    second = kinds[1] if len(kinds) > 1 else NOTHING
    return Command(
        name, grammar.description, [*flags, *GLOBAL_FLAGS], kinds[0], choices, more=kinds[-1], second=second
    )


def _known(argument: Argument) -> Iterable[str]:
    """Values of a flag that have a name, if others are possible as well."""
    from dinv import options
    from dinv.image_building.builder import BASES
    from dinv.image_building.sources import features
    from dinv.shells import syntax

    flag = argument.flags[-1]
    if flag == "--filter":
        return _filters()
    for seam in options.SEAMS:
        if flag == f"--{seam.what.replace(' ', '-')}":
            return seam.known()
    return {"--format": FORMATS, "--shell": syntax.NAMES, "--base": tuple(BASES), "--with": features()}.get(
        flag, ()
    )


def _filters() -> list[str]:
    """The possible values of `ls --filter`, or their beginnings."""
    from dinv import drivers, states
    from dinv.listing import filters

    named = {"driver": drivers.known(), "state": states.ALL}
    return [f"{key}={value}" for key in filters.KEYS for value in named.get(key) or ("",)]


def _kind(verb: str, argument: Argument) -> str:
    """The kind of a value, by the names that verbs give their arguments."""
    by_metavar = {
        "DIR": DIRECTORIES,
        "FILE": FILES,
        "REF": IMAGES,
        "DIR|REF": IMAGES,
        "IMAGE": IMAGES,
        "ENDPOINT": ENDPOINTS,
        "CACHE": CACHES,
        "POOL": POOLS,
        "VOLUME": VOLUMES,
    }.get(argument.metavar, NOTHING)
    if argument.flags:
        return {"--network": NETWORKS, "--cache-volume": VOLUMES}.get(argument.flags[-1], by_metavar)
    if argument.dest == "name":
        # The machine of `create` does not exist yet.
        return NOTHING if verb == "create" else MACHINES
    if argument.dest == "verb":
        return COMMANDS
    if argument.dest == "holder":
        return HOLDERS
    if argument.metavar.startswith("[NAME:]"):
        return PLACES
    return by_metavar
