"""Command lines, by the flag rules of docker-machine (Go's flag package).

`-flag` is `--flag` and `--f` is `-f`; a switch may have a value, `--force=false`; and, better than there,
flags may stand anywhere, and letters together. Errors are in docker-machine's words, where it has some.

argparse would do most of this, and importing it takes more than all else that `url` and `env` do.
"""

from __future__ import annotations

import os

from dinv.cli.arguments import ANY, APPEND, JSON, ONE, OPTIONAL, SOME, SWITCH, Grammar
from dinv.cli.voice import is_docker_machine
from dinv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from dinv.cli.arguments import Argument

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
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
    """A time to wait, above 0 and at most a day. Raises ValueError in Go's words."""
    from dinv.timeouts import LONGEST_SECONDS

    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_SECONDS:  # not so for nan either
        raise ValueError(f"parse error\nIt has to be a number of seconds above 0, up to {LONGEST_SECONDS:g}")
    return value


def whole_number(text: str) -> int:
    """A whole number. Raises ValueError in Go's words."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("parse error\nIt has to be a whole number") from None


_TYPES: dict[str, Callable[[str], Any]] = {"seconds": seconds, "int": whole_number}


class Options:
    """What a command line says, by the names of its arguments.

    `rest` are the words of a command to run in a machine, which no flag is taken out of.
    """

    rest: list[str]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Parser(Grammar):
    """One verb's parser. Flags may stand anywhere; none is abbreviated; errors are UsageError."""

    def asks_for_events(self, words: Sequence[str]) -> bool:
        """Whether these words ask for `--progress json`: what is wrong with them is an event then, too."""
        line = " ".join(words)
        asked = f"-progress {JSON}" in line or f"-progress={JSON}" in line
        return asked and "--progress" in self.by_flag()

    def format_help(self, *, everything: bool = False) -> str:
        """The help of the verb, with examples; its rare flags only with `everything`."""
        from dinv.cli.help_text import help_text

        return help_text(self, rare=() if everything else self.rare, width=width())

    def parse(self, words: Sequence[str]) -> Options:
        """Parse a verb's words. Raises UsageError, and SystemExit where help was asked for and printed."""
        found = _Found(self, self.by_flag())
        positional = found.take(list(words))
        options = Options()
        values = vars(options)
        for argument in self.all_arguments():
            if argument in (self.help_flag, self.help_all):
                continue
            values[argument.dest] = found.values.get(argument.dest, argument.default)
        self._spread(positional, values)
        return options

    def show_help(self, argument: Argument) -> None:
        """Print the help, if this is one of the flags that ask for it, and end."""
        if argument in (self.help_flag, self.help_all):
            print(self.format_help(everything=argument is self.help_all), end="")
            raise SystemExit(0)

    def _spread(self, words: list[str], given: dict[str, Any]) -> None:
        """Give the words that are not flags to the arguments they are for."""
        wanted = self.positionals()
        least = [int(argument.nargs in (ONE, SOME)) for argument in wanted]
        if len(words) < sum(least):
            names = [argument.value_name for argument in wanted]
            absent = [name for place, name in enumerate(names) if sum(least[: place + 1]) > len(words)]
            raise (
                UsageError(self.missing, self.format_help())
                if self.missing
                else self.wrong(f"the following arguments are required: {', '.join(absent)}")
            )
        for place, argument in enumerate(wanted):
            spare = len(words) - sum(least[place + 1 :])
            count = spare if argument.nargs in (ANY, SOME) else min(1, spare)
            taken, words = words[:count], words[count:]
            values = [self.checked(argument, word) for word in taken]
            if argument.nargs in (ANY, SOME):
                given[argument.dest] = values
            elif values:
                given[argument.dest] = values[0]
        if words:
            raise self._too_many(" ".join(words))

    def checked(self, argument: Argument, text: str, flag: str = "") -> Any:
        """The value that a text is for an argument. Raises UsageError; `flag` is the name it was given by."""
        if argument.type:
            try:
                return _TYPES[argument.type](text)
            except ValueError as error:
                raise self.wrong(
                    f'invalid value "{text}" for flag {shown_flag(self.program, flag)}: {error}'
                ) from None
        if argument.choices is not None and text not in argument.choices:
            from dinv.suggestions import did_you_mean

            said = f'"{text}" is not one of {", ".join(argument.choices)}'
            if flag:
                said = f"invalid value for flag {shown_flag(self.program, argument.flags[-1])}: {said}"
            raise self.wrong(said, did_you_mean(text, argument.choices))
        return text

    def wrong(self, reason: str, meant: str = "") -> UsageError:
        """The error that the command line is not one of this verb's, with the help of it."""
        usage = f"Incorrect Usage.\n\n{self.format_help()}"
        return UsageError(reason, usage, see=f"{self.prog} --help", meant=meant)

    def unknown(self, word: str) -> UsageError:
        """The error that the verb has no such flag."""
        error = unknown_flag(self.program, word, self.long_flags())
        whose = self.whose(word.partition("=")[0].lstrip("-"))
        return self.wrong(error.reason, whose or error.meant)

    def _too_many(self, extra: str) -> UsageError:
        if self.extra:
            return UsageError(self.extra.format(extra=extra), "" if "{" in self.extra else self.format_help())
        if any(argument.dest == "name" and argument.nargs == OPTIONAL for argument in self.positionals()):
            # No help: that of `env` would be evaluated by the shell.
            return UsageError(ONE_NAME)
        return UsageError(_TOO_MANY)


class _Found:
    """The flags of one command line, and their values by `dest`."""

    def __init__(self, parser: Parser, flags: dict[str, Argument]) -> None:
        self._parser = parser
        self._flags = flags
        self.values: dict[str, Any] = {}
        self._unknown = ""

    def take(self, words: list[str]) -> list[str]:
        """Take the flags, and their values, out of the words; returns those that are left.

        A flag that is not known is an error at the end: behind it, help may be asked for.
        """
        left: list[str] = []
        words.reverse()
        while words:
            word = words.pop()
            if word == "--":
                left += words[::-1]
                break
            if not _is_flag(word):
                left.append(word)
                continue
            flag, equals, value = word.partition("=")
            name = flag.lstrip("-")
            argument = self._flags.get(f"--{name}" if len(name) > 1 else f"-{name}")
            if argument is None or flag.startswith("---"):
                self._take_letters(word, words)
            else:
                self._take(argument, name, value if equals else None, words)
        if self._unknown:
            raise self._parser.unknown(self._unknown)
        return left

    def _take(self, argument: Argument, name: str, value: str | None, words: list[str]) -> None:
        """One flag; without a `value` of its own it has the next word, if it takes one."""
        parser = self._parser
        if not argument.takes_value:
            try:
                on = boolean("1" if value is None else value)
            except ValueError:
                flag = shown_flag(parser.program, name)
                raise parser.wrong(f'invalid boolean value "{value}" for {flag}: parse error') from None
            if on:
                parser.show_help(argument)
                self.values[argument.dest] = argument.action == SWITCH
            elif argument.action == SWITCH:  # off was said: `pool set --one-at-a-time=false` takes it back
                self.values[argument.dest] = False
            return
        if value is None:
            if not words or _is_flag(words[-1]) or words[-1] == "--":
                raise parser.wrong(
                    f"flag needs an argument: {shown_flag(parser.program, argument.flags[-1])}"
                )
            value = words.pop()
        taken = parser.checked(argument, value, argument.flags[-1])
        if argument.action == APPEND:
            self.values[argument.dest] = [*self.values.get(argument.dest, ()), taken]
        else:
            self.values[argument.dest] = taken

    def _take_letters(self, word: str, words: list[str]) -> None:
        """Letters behind one dash, such as `-fy`; the last may have its value behind it, as in `-dnone`."""
        letters = word[1:]
        while letters:
            argument = self._flags.get(f"-{letters[0]}")
            if argument is None:
                self._unknown = self._unknown or word
                return
            name, letters = letters[0], letters[1:]
            if argument.takes_value:
                self._take(argument, name, letters.removeprefix("=") or None, words)
                return
            self._take(argument, name, None, words)


def _is_flag(word: str) -> bool:
    """Whether a word is a flag: `-` is not one, and a negative number is not."""
    return word.startswith("-") and len(word) > 1 and not word[1:].replace(".", "", 1).isdecimal()


def shown_flag(program: str, flag: str) -> str:
    """A flag as messages have it, `--memory` or `-m`; docker-machine's, as Go's, have one dash."""
    name = flag.lstrip("-")
    return f"-{name}" if len(name) < 2 or is_docker_machine(program) else f"--{name}"  # one letter


def unknown_flag(program: str, word: str, known: Iterable[str], *, see: str = "") -> UsageError:
    """The error that `word` is not a flag, and which of those `known`, without dashes, may be meant."""
    from dinv.suggestions import did_you_mean

    name = word.partition("=")[0].lstrip("-")
    dashes = shown_flag(program, "--any").removesuffix("any")
    meant = did_you_mean(name, known, dashes) if len(name) > 1 else ""
    reason = f"flag provided but not defined: {shown_flag(program, name)}"
    return UsageError(reason, see=see, meant=meant)


def width() -> int:
    """Columns for help texts: two less than the terminal has, or $COLUMNS says."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns) - 2
    try:
        return os.get_terminal_size().columns - 2
    except OSError:
        return 78
