"""What a command line can have: flags and positional arguments, in groups."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

STORE, APPEND = "store", "append"
SWITCH, SWITCH_OFF = "store_true", "store_false"
"""What happens to a flag: its value is stored, or all values are; or it has none, and is True or False."""
ONE, OPTIONAL, ANY, SOME = "", "?", "*", "+"
"""How many words a positional argument takes."""
_UNSET = object()
AUTO, JSON, QUIET = "auto", "json", "quiet"
PROGRESSES = (AUTO, "plain", JSON, QUIET)
"""Values of --progress: a live line on a terminal and lines elsewhere; lines; events; nothing."""
FORMAT_HELP = "json, table, or a Go template such as '{{.Name}}'"


class Argument:
    """One flag or positional argument.

    `flags` are its names with their dashes, none for a positional argument; `dest` is its name in Options;
    `action` and `nargs` are constants of this module, `type` is "" (text), "seconds" or "int". `metavar` is
    the name of its value in the help; a `hidden` one is left out of the help.
    """

    def __init__(
        self,
        *names: str,
        dest: str = "",
        action: str = STORE,
        nargs: str = ONE,
        type: str = "",  # noqa: A002  (what argparse calls it)
        default: Any = _UNSET,
        choices: Sequence[str] | None = None,
        metavar: str = "",
        help: str = "",  # noqa: A002  (what argparse calls it)
        hidden: bool = False,
    ) -> None:
        self.flags = names if names[0].startswith("-") else ()
        self.dest = dest or max(names, key=len).lstrip("-").replace("-", "_")
        self.action = action
        self.nargs = nargs
        self.type = type
        self.choices = choices
        self.help = help
        self.hidden = hidden
        self.metavar = metavar
        if default is _UNSET:
            default = {SWITCH: False, SWITCH_OFF: True}.get(action)
        self.default = default

    @property
    def takes_value(self) -> bool:
        """Whether it is a flag with a value, and not a switch."""
        return self.action in (STORE, APPEND)

    @property
    def value_name(self) -> str:
        """The name of its value in the help: `NAME`, `build|ls`."""
        return self.metavar or ("|".join(self.choices) if self.choices is not None else self.dest.upper())


class Group:
    """Arguments under one title in the help."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.arguments: list[Argument] = []

    def add_argument(self, *names: str, **facts: Any) -> Argument:
        """Add a flag (`-f`, `--flag`), or a positional argument (`name`); see Argument."""
        argument = Argument(*names, **facts)
        self.arguments.append(argument)
        return argument


class Grammar(Group):
    """The arguments of one verb's command line.

    `missing` and `extra` are the messages for missing arguments, and for too many, which replace "{extra}" in
    it. `usage` replaces the usage line made from the arguments. `known` are named values, by flag, if others
    are possible as well: completion offers them. `rare` are the flags that are only in the full help. `whose`
    is called for advice about a flag that the verb does not have.
    """

    def __init__(self, program: str, verb: str, description: str, words: list[str]) -> None:
        super().__init__("options")
        self.prog = f"{program} {verb}"
        self.program = program
        self.verb = verb
        self.description = description
        self.words = words
        self.store: str | None = None
        """The store named before the verb, "" for the usual one; None if nothing is to be run."""
        self.usage = ""
        self.missing = ""
        self.extra = ""
        self.whose: Callable[[str], str] = lambda _: ""
        self.known: dict[str, tuple[str, ...]] = {}
        self.rare: set[str] = set()
        self.groups: list[Group] = [self]
        self.help_flag = self.add_argument(
            "-h", "--help", action=SWITCH, help="show this help message and exit"
        )
        self.help_all = self.add_argument("--help-all", action=SWITCH, hidden=True)

    def add_argument_group(self, title: str) -> Group:
        """Return a new group, under `title` in the help."""
        group = Group(title)
        self.groups.append(group)
        return group

    def add_format(self, texts: str = FORMAT_HELP) -> None:
        """Add `--format` of a verb that prints a record, "" if not given (`cli.show.formatting`)."""
        self.add_argument("--format", default="", metavar="FORMAT", help=texts)

    def add_progress(self, quiet: str = "print nothing but errors") -> None:
        """Add `--quiet` and `--progress` of a verb that may take long; see dinv.cli.show.output."""
        self.add_argument("-q", "--quiet", action=SWITCH, help=quiet)
        self.add_argument(
            "--progress", choices=PROGRESSES, default=AUTO, metavar="KIND", help=", ".join(PROGRESSES)
        )

    def add_timeout(self, seconds: float, what: str, *short: str) -> None:
        """Add `--timeout`, with `seconds` as its default; `what` is waited for that long."""
        self.add_argument(
            *short,
            "--timeout",
            type="seconds",
            default=seconds,
            metavar="SECONDS",
            help=f"{what} ({seconds:g})",
        )

    def set_rare(self, *flags: str) -> None:
        """Show these flags, with their dashes, only in the full help."""
        self.rare.update(flags)
        self.help_all.hidden = False
        self.help_all.help = "show the rarer options too"

    def all_arguments(self) -> list[Argument]:
        """Return the arguments of all groups, in the order in which they were added."""
        return [argument for group in self.groups for argument in group.arguments]

    def by_flag(self) -> dict[str, Argument]:
        """Return its flags by their names, with their dashes."""
        return {flag: argument for argument in self.all_arguments() for flag in argument.flags}

    def positionals(self) -> list[Argument]:
        """Return its positional arguments, hidden ones as well."""
        return [argument for argument in self.all_arguments() if not argument.flags]

    def long_flags(self) -> list[str]:
        """Return the long names of its flags, without dashes; not of hidden ones."""
        shown = (argument for argument in self.all_arguments() if not argument.hidden)
        return [flag[2:] for argument in shown for flag in argument.flags if flag.startswith("--")]
