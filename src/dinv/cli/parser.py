"""argparse, with the flag rules of docker-machine (Go's flag package).

`-flag` is `--flag` and `--f` is `-f`; a flag without a value may have one, `--force=false`; and, better than
there, flags may stand anywhere. Errors are in docker-machine's words, where it has some.
"""

from __future__ import annotations

import argparse
import os

from dinv.cli.voice import is_docker_machine
from dinv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn


# argparse looks each of its words up in a catalogue of translations, which CPython does not have: 2 ms at
# each start, most of it the import of locale. dinv's own words are English anyway.
setattr(argparse, "_", str)  # noqa: B010  (no attribute that type checkers know)


_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_NO_FLAG = "\0"
_FLAG = "\1"
"""Stands for the flag's name in what is said of its value."""
AUTO, JSON, QUIET = "auto", "json", "quiet"
PROGRESSES = (AUTO, "plain", JSON, QUIET)
"""What --progress may be: a line that moves on a terminal and lines elsewhere; lines; events; nothing."""
FORMAT_HELP = "json, table, or a Go template such as '{{.Name}}'"
ONE_NAME = "Error: Expected one machine name as an argument"
_TOO_MANY = "Error: Too many arguments given"


def boolean(text: str) -> bool:
    """What Go's strconv.ParseBool makes of a text. Raises ValueError in its words."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def seconds(text: str) -> float:
    """A time to wait, above 0 and at most a day; argparse's `type="seconds"`."""
    from dinv.timeouts import LONGEST_SECONDS

    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_SECONDS:  # not so for nan either
        raise argparse.ArgumentTypeError(
            f'invalid value "{text}" for flag {_FLAG}: parse error\n'
            f"It has to be a number of seconds above 0, up to {LONGEST_SECONDS:g}"
        )
    return value


class Parser(argparse.ArgumentParser):
    """One verb's parser. Flags may stand anywhere; none is abbreviated; errors are InputError.

    `missing` and `extra` are what is said where arguments are missing, and where there are too many,
    which are "{extra}" in it. `known` are values that have a name, by flag, where there are others as well:
    completion offers them. `rare` are the flags that the help leaves out unless all is asked for.
    """

    def __init__(self, program: str, verb: str, description: str, words: list[str]) -> None:
        super().__init__(
            prog=f"{program} {verb}",
            description=description,
            usage="",  # argparse would make one out of every flag, at each start
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=width()),
        )

        self.program = program
        self.verb = verb
        self.words = words
        self.known: dict[str, tuple[str, ...]] = {}
        self.rare: set[str] = set()
        self._unknown: list[str] = []
        self._arguments: list[tuple[argparse.Action, str]] = []
        self.missing = ""
        self.extra = ""
        self.register("type", "seconds", seconds)
        self._help_all = self.add_argument("--help-all", nargs=0, action=_HelpAll, help=argparse.SUPPRESS)

    def add_format(self, texts: str = FORMAT_HELP) -> None:
        """`--format` of a verb that prints a record, "" where it is not given (`cli.show.formatting`)."""
        self.add_argument("--format", default="", metavar="FORMAT", help=texts)

    def add_progress(self, quiet: str = "print nothing but errors") -> None:
        """`--quiet` and `--progress` of a verb that may take long; see dinv.cli.show.output."""
        self.add_argument("-q", "--quiet", action="store_true", help=quiet)
        self.add_argument(
            "--progress", choices=PROGRESSES, default=AUTO, metavar="KIND", help=", ".join(PROGRESSES)
        )

    def asks_for_events(self, words: Sequence[str]) -> bool:
        """Whether these words ask for `--progress json`: what is wrong with them is an event then, too."""
        line = " ".join(words)
        asked = f"-progress {JSON}" in line or f"-progress={JSON}" in line
        return asked and "--progress" in self._option_string_actions

    def set_rare(self, *flags: str) -> None:
        """These, with their dashes, are in the help only where all of it is asked for."""
        self.rare.update(flags)
        self._help_all.help = "show the rarer options too"

    def format_help(self, *, everything: bool = False) -> str:
        """The help of the verb, with examples; its rare flags only with `everything`."""
        from dinv.cli.help_text import help_text

        return help_text(
            self,
            verb=self.verb,
            arguments=self.positionals(),
            rare=() if everything else self.rare,
            width=width(),
        )

    def positionals(self) -> list[tuple[argparse.Action, str]]:
        """Its arguments that are no flags, with how many there may be, as argparse has it."""
        if self._arguments:
            return self._arguments
        return [
            (action, str(action.nargs))
            for action in self._actions
            if not action.option_strings and action.help != argparse.SUPPRESS
        ]

    def error(self, message: str) -> NoReturn:
        if message.startswith("the following arguments are required"):
            # A flag that is misspelt has taken what it was given for itself: that comes first.
            if self._unknown:
                self._refuse_flag(self._unknown[0])
            if self.missing:
                raise UsageError(self.missing, self.format_help())
        self._refuse(_in_gos_words(message, self.program))

    def _refuse(self, reason: str, meant: str = "") -> NoReturn:
        usage = f"Incorrect Usage.\n\n{self.format_help()}"
        raise UsageError(reason, usage, see=f"{self.prog} --help", meant=meant)

    def _refuse_flag(self, word: str) -> NoReturn:
        error = unknown_flag(self.program, word, self._flags())
        self._refuse(error.reason, error.meant)

    def _flags(self) -> list[str]:
        """The long names of its flags, without dashes; not of those that the help leaves out."""
        return [
            name.lstrip("-")
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for name in action.option_strings
            if name.startswith("--")
        ]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse, whose words for it differ from version to version, and with what may be meant."""
        if action.choices is None or value in action.choices:
            return
        from dinv.suggestions import did_you_mean

        known = [str(choice) for choice in action.choices]
        meant = did_you_mean(str(value), known)
        said = f'"{value}" is none of {", ".join(known)}'
        if action.option_strings:
            said = f"invalid value for flag {shown_flag(self.program, action.option_strings[-1])}: {said}"
        self._refuse(said, meant)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a verb's words. Raises InputError."""
        # While flags may stand anywhere, argparse takes for a while that there are no arguments.
        self._arguments = self.positionals()
        found, extra = self.parse_known_intermixed_args(list(self._go_flags(words)))
        for key, value in vars(found).items():
            if isinstance(value, list):
                setattr(found, key, [_unmarked(item) for item in value])
            else:
                setattr(found, key, _unmarked(value))
        unknown = [word for word in extra if word.startswith("-") and len(word) > 1]
        if unknown:
            self._refuse_flag(unknown[0])
        if extra:
            raise self._too_many(" ".join(map(_unmarked, extra)))
        return found

    def _too_many(self, extra: str) -> UsageError:
        if self.extra:
            return UsageError(self.extra.format(extra=extra), "" if "{" in self.extra else self.format_help())
        if any(action.dest == "name" and action.nargs == "?" for action in self._actions):
            # No help: that of `env` would be evaluated by the shell.
            return UsageError(ONE_NAME)
        return UsageError(_TOO_MANY)

    def _go_flags(self, words: Iterable[str]) -> Iterable[str]:
        """The words with flags as argparse has them; what is behind `--` is none."""
        words = iter(words)
        for word in words:
            if word == "--":
                # argparse takes these for flags again, where flags may stand anywhere.
                yield from (f"{_NO_FLAG}{rest}" for rest in words)
            elif word.startswith("-"):
                yield from self._go_flag(word)
            else:
                yield word

    def _go_flag(self, word: str) -> Sequence[str]:
        flag, equals, value = word.partition("=")
        name = flag.lstrip("-")
        flag = f"--{name}" if len(name) > 1 else f"-{name}"
        action = self._option_string_actions.get(flag)
        if action is None or not name or flag.startswith("---"):
            if name and not name[0].isdigit():
                self._unknown.append(word)
            return (word,)
        if action.nargs != 0:
            return (flag + equals + value,)
        if not equals:
            return (flag,)
        try:
            return (flag,) if boolean(value) else ()
        except ValueError:
            self._refuse(f'invalid boolean value "{value}" for {shown_flag(self.program, name)}: parse error')


class _HelpAll(argparse.Action):
    """`--help-all`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        if isinstance(parser, Parser):  # it is: what for only mypy does not know
            print(parser.format_help(everything=True), end="")
        parser.exit()


def shown_flag(program: str, flag: str) -> str:
    """A flag as messages have it, `--memory` or `-m`; docker-machine's, as Go's, have one dash."""
    name = flag.lstrip("-")
    return f"-{name}" if len(name) < 2 or is_docker_machine(program) else f"--{name}"  # one letter


def unknown_flag(program: str, word: str, known: Iterable[str], *, see: str = "") -> UsageError:
    """The error that `word` is no flag, and which of those `known`, without dashes, may be meant."""
    from dinv.suggestions import did_you_mean

    name = word.partition("=")[0].lstrip("-")
    dashes = shown_flag(program, "--any").removesuffix("any")
    meant = did_you_mean(name, known, dashes) if len(name) > 1 else ""
    reason = f"flag provided but not defined: {shown_flag(program, name)}"
    return UsageError(reason, see=see, meant=meant)


def _in_gos_words(message: str, program: str) -> str:
    """What argparse says of a flag's value, as Go's flag package says it."""
    names, colon, said = message.removeprefix("argument ").partition(": ")
    if names == message or not colon or not names.startswith("-"):
        return message
    flag = shown_flag(program, names.rpartition("/")[2])
    if said.startswith("expected "):
        return f"flag needs an argument: {flag}"
    return said.replace(_FLAG, flag) if _FLAG in said else f"invalid value for flag {flag}: {said}"


def _unmarked(value: Any) -> Any:
    return value.removeprefix(_NO_FLAG) if isinstance(value, str) else value


def width() -> int:
    """Columns for help texts. argparse would ask shutil, whose import takes 3 ms, for each argument added."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns) - 2
    try:
        return os.get_terminal_size().columns - 2
    except OSError:
        return 78
