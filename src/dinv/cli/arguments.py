"""What a command line may have: flags, and words that are not flags, in groups."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

STORE, APPEND = "store", "append"
SWITCH, SWITCH_OFF = "store_true", "store_false"
"""What becomes of a flag: its value is kept, or all values are; or it has none, and is True or False."""
ONE, OPTIONAL, ANY, SOME = "", "?", "*", "+"
"""How many words an argument takes that is not a flag."""
_UNSET = object()
AUTO, JSON, QUIET = "auto", "json", "quiet"
PROGRESSES = (AUTO, "plain", JSON, QUIET)
"""What --progress may be: a line that moves on a terminal and lines elsewhere; lines; events; nothing."""
FORMAT_HELP = "json, table, or a Go template such as '{{.Name}}'"


class Argument:
    """One flag, or one word or several that are not flags.

    `flags` are its names with their dashes, none for what is not a flag; `dest` is its name in Options;
    `action` and `nargs` are constants of this module, `type` is "" (text), "seconds" or "int". `metavar` is
    what its value is called in the help; a `hidden` one is in no help.
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
        """What its value is called in the help: `NAME`, `build|ls`."""
        return self.metavar or ("|".join(self.choices) if self.choices is not None else self.dest.upper())


class Group:
    """Arguments that stand under one title in the help."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.arguments: list[Argument] = []

    def add_argument(self, *names: str, **facts: Any) -> Argument:
        """Add a flag (`-f`, `--flag`), or an argument that is not one (`name`); see Argument."""
        argument = Argument(*names, **facts)
        self.arguments.append(argument)
        return argument


class Grammar(Group):
    """What one verb's command line may have.

    `missing` and `extra` are what is said where arguments are missing, and where there are too many,
    which are "{extra}" in it. `usage` stands in place of the usage line that is made from the arguments.
    `known` are values that have a name, by flag, where there are others as well: completion offers them.
    `rare` are the flags that the help leaves out unless all is asked for. `whose` is asked what to say of the
    name of a flag that the verb does not have.
    """

    def __init__(self, program: str, verb: str, description: str, words: list[str]) -> None:
        super().__init__("options")
        self.prog = f"{program} {verb}"
        self.program = program
        self.verb = verb
        self.description = description
        self.words = words
        self.usage = ""
        self.missing = ""
        self.extra = ""
        self.whose: Callable[[str], str] = lambda _: ""
        self.known: dict[str, tuple[str, ...]] = {}
        self.rare: set[str] = set()
        self.groups: list[Group] = [self]
        self.defaults: dict[str, Any] = {}
        self.help_flag = self.add_argument(
            "-h", "--help", action=SWITCH, help="show this help message and exit"
        )
        self.help_all = self.add_argument("--help-all", action=SWITCH, hidden=True)

    def add_argument_group(self, title: str) -> Group:
        """Return a new group, which stands under `title` in the help."""
        group = Group(title)
        self.groups.append(group)
        return group

    def add_format(self, texts: str = FORMAT_HELP) -> None:
        """`--format` of a verb that prints a record, "" where it is not given (`cli.show.formatting`)."""
        self.add_argument("--format", default="", metavar="FORMAT", help=texts)

    def add_progress(self, quiet: str = "print nothing but errors") -> None:
        """`--quiet` and `--progress` of a verb that may take long; see dinv.cli.show.output."""
        self.add_argument("-q", "--quiet", action=SWITCH, help=quiet)
        self.add_argument(
            "--progress", choices=PROGRESSES, default=AUTO, metavar="KIND", help=", ".join(PROGRESSES)
        )

    def add_timeout(self, seconds: float, what: str, *short: str) -> None:
        """`--timeout`, with `seconds` as its default; `what` is waited for that long."""
        self.add_argument(
            *short,
            "--timeout",
            type="seconds",
            default=seconds,
            metavar="SECONDS",
            help=f"{what} ({seconds:g})",
        )

    def set_defaults(self, **values: Any) -> None:
        """Let these hold where nothing is given, by the names in Options."""
        self.defaults.update(values)

    def set_rare(self, *flags: str) -> None:
        """These, with their dashes, are in the help only where all of it is asked for."""
        self.rare.update(flags)
        self.help_all.hidden = False
        self.help_all.help = "show the rarer options too"

    def all_arguments(self) -> list[Argument]:
        """Those of all groups, in the order in which they were added."""
        return [argument for group in self.groups for argument in group.arguments]

    def by_flag(self) -> dict[str, Argument]:
        """Its flags by their names, with their dashes."""
        return {flag: argument for argument in self.all_arguments() for flag in argument.flags}

    def positionals(self) -> list[Argument]:
        """Its arguments that are not flags, hidden ones as well."""
        return [argument for argument in self.all_arguments() if not argument.flags]

    def long_flags(self) -> list[str]:
        """The long names of its flags, without dashes; not of hidden ones."""
        shown = (argument for argument in self.all_arguments() if not argument.hidden)
        return [flag[2:] for argument in shown for flag in argument.flags if flag.startswith("--")]
