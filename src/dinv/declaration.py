"""Options as data: what a driver, a provisioner, an authority, an image contract and `create` itself accept.

An Option has a name, a variable that stands for it, a type and a help text. The flags of `dinv create`, the
keyword arguments of `Machines.create`, shell completion and the tables of docs/create.md are made from it.
Values are checked only here.
"""

from __future__ import annotations

import os

from dinv.errors import OptionError
from dinv.timeouts import LONGEST_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

TEXT = "text"
"""A text; a number is converted."""
PATH = "path"
"""A file or directory: made absolute, with `~` expanded; "" is unchanged."""
NUMBER = "number"
"""A float."""
INTEGER = "integer"
SIZE = "size"
"""Bytes, an int; as text with a unit, such as 512m or 2g, as in docker's flags."""
SECONDS = "seconds"
"""Seconds: a float above 0, at most LONGEST_SECONDS."""
DURATION = "duration"
"""Seconds, an int between the option's `bounds`; as text with a unit, such as 90m, 12h or 30d."""
SWITCH = "switch"
"""True or False; on the command line a flag without a value."""
PAIRS = "pairs"
"""KEY=VALUE, repeatable. A mapping works too: `label={"team": "red"}` is `label=["team=red"]`."""
CHOICE = "choice"
"""One of `values`."""

_TRUE = ("1", "t", "true")
_FALSE = ("0", "f", "false")


class Option:
    """The declaration of one option.

    `name` is as on the command line, without dashes; `key` is the name of the keyword argument. `env` is the
    variable that stands for it, "" for none; for a repeatable option it holds a list separated by commas.
    `text` is the help, `metavar` the name of the value in it, `short` a letter for the flag.

    `other_envs` are variables of other programs that stand for it where its own is not set, the first that is
    set: those of a server's own client, say.

    `type` is one of TEXT, NUMBER, ... in this module. A `repeatable` option may be given several times: as
    keyword argument it is a sequence of texts, and its value is a tuple. PAIRS are always repeatable; with
    `bare` a key may stand alone. `values` are the named values, for completion; a CHOICE accepts no others.
    `bounds` are the least and the most seconds of a DURATION.
    `default` is used if nothing is given, and the variable before it. With `adds`, values that are given
    are appended to the variable's.

    Messages show a `private` value only up to the "=": the rest may be a password.

    `rare` options are left out of the short help, `hidden` ones always. A `secret` has no flag, since other
    users can read command lines: it is given by its variable or as keyword argument. `off` is the name of
    the flag that switches off a SWITCH that is on by default.
    """

    def __init__(
        self,
        name: str,
        env: str,
        text: str,
        *,
        type: str = TEXT,  # noqa: A002  (what argparse calls it)
        metavar: str = "VALUE",
        repeatable: bool = False,
        rare: bool = False,
        hidden: bool = False,
        secret: bool = False,
        adds: bool = False,
        bare: bool = False,
        private: bool = False,
        short: str = "",
        off: str = "",
        default: Any = None,
        values: Iterable[str] = (),
        bounds: tuple[int, int] = (1, int(LONGEST_SECONDS)),
        other_envs: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.env = env
        self.text = text
        self.type = type
        self.metavar = metavar
        self.repeatable = repeatable or type == PAIRS
        self.rare = rare
        self.hidden = hidden
        self.secret = secret
        self.adds = adds
        self.bare = bare
        self.private = private
        self.short = short
        self.off = off
        self.default = default
        self.values = tuple(values)
        self.bounds = bounds
        self.envs = (env, *other_envs) if env else ()
        """All variables that stand for it, the first that is set."""

    def __repr__(self) -> str:
        return f"Option({self.name!r}, type={self.type!r})"

    @property
    def key(self) -> str:
        """Return the option's name as a keyword argument."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """Return the flag, with its dashes; "" for a secret."""
        return "" if self.secret else f"--{self.off or self.name}"

    def value(self, given: Any, environ: Mapping[str, str]) -> Any:
        """Return the effective value, converted: what was given, else the variable, else the default.

        A repeatable option gives a tuple; any other without a value gives the default, mostly None. Raises
        OptionError.
        """
        if self.repeatable:
            found = self._several(given)
            if self.adds or not found:
                found = (*(part for part in self.variable(environ).split(",") if part), *found)
            return tuple(self.checked(each) for each in found) or tuple(self.default or ())
        if given is None:
            given = self.variable(environ) or None
        return self.default if given is None else self.checked(given)

    def checked(self, given: Any) -> Any:  # noqa: PLR0911  (one for each kind)
        """Convert one value to the declared type, unless it has it already. Raises OptionError."""
        if self.type in (TEXT, PATH):
            return _absolute(self._text(given)) if self.type == PATH else self._text(given)
        if given == "":
            return self.default  # which overrides a variable
        if self.type == SWITCH:
            return self._switch(given)
        if self.type in (NUMBER, INTEGER, SECONDS):
            return self._number(given)
        if self.type == DURATION:
            return self._duration(given)
        text = self._text(given)
        if self.type == SIZE:
            return self._size(text)
        if self.type == PAIRS:
            key, equals, _ = text.partition("=")
            if not key or not (equals or self.bare):
                raise self.refused(given, f"is not {self.metavar}")
        elif text not in self.values:
            raise self.refused(given, f"is not one of {', '.join(self.values)}")
        return text

    def shown(self, value: Any) -> str:
        """Return a recorded value for people: "4 GiB", "1d12h", "true", "a, b"; "" for none."""
        if isinstance(value, (list, tuple)):
            return ", ".join(map(self.shown, value))
        if value is None or value == "" or (value == 0 and self.type in (SIZE, DURATION)):
            return ""
        if self.type == SIZE and isinstance(value, int):
            from dinv.formats.units import format_size

            return format_size(value)
        if self.type == DURATION and isinstance(value, (int, float)):
            from dinv.formats.durations import format_duration

            return format_duration(value)
        return _plain(value)

    def refused(self, value: Any, why: str) -> OptionError:
        """Return the error for an invalid value; `why` continues the sentence: "is not a size"."""
        if self.secret:
            value = None
        elif self.private:
            value = str(value).partition("=")[0]
        return OptionError(why, option=self.name, value=value)

    def variable(self, environ: Mapping[str, str]) -> str:
        """Return what the first of its variables that is set has, as text; "" if none is."""
        return next((environ[name] for name in self.envs if environ.get(name)), "")

    def _several(self, given: Any) -> tuple[Any, ...]:
        if given is None:
            return ()
        if isinstance(given, dict) and self.type == PAIRS:
            return tuple(f"{key}={_plain(value)}" for key, value in given.items())
        if isinstance(given, str | bytes | dict) or not hasattr(given, "__iter__"):
            example = '{"KEY": "VALUE"} or ["KEY=VALUE"]' if self.type == PAIRS else '["...", "..."]'
            raise self.refused(given, f"is one value where several may stand: give a list, {example}")
        return tuple(given)

    def _text(self, given: Any) -> str:
        if isinstance(given, os.PathLike):
            given = os.fspath(given)
        if isinstance(given, int | float) and not isinstance(given, bool):
            return _plain(given)
        if not isinstance(given, str):
            raise self.refused(given, "is not a text")
        return given

    def _number(self, given: Any) -> float | int:
        try:
            number = float("nan") if isinstance(given, bool) else float(given)
            whole = number.is_integer()
        except (TypeError, ValueError, OverflowError):
            number, whole = float("nan"), False
        if self.type == SECONDS and not 0 < number <= LONGEST_SECONDS:
            raise self.refused(given, f"is not a number of seconds above 0, {LONGEST_SECONDS:g} at most")
        if self.type == INTEGER and not whole:
            raise self.refused(given, "is not a whole number")
        if number != number:  # noqa: PLR0124  (not a number)
            raise self.refused(given, "is not a number")
        return int(number) if self.type == INTEGER else number

    def _size(self, text: str) -> int:
        from dinv.formats.units import parse_size

        try:
            return parse_size(text)
        except ValueError as error:
            raise self.refused(text, str(error)) from None

    def _duration(self, given: Any) -> int:
        from dinv.formats.durations import format_duration, parse_duration

        least, most = self.bounds
        if isinstance(given, str):
            try:
                seconds = parse_duration(given)
            except ValueError as error:
                raise self.refused(given, str(error)) from None
        elif isinstance(given, int | float) and not isinstance(given, bool) and given % 1 == 0:
            seconds = int(given)
        elif hasattr(given, "total_seconds"):  # datetime.timedelta
            seconds = int(given.total_seconds())
        else:
            raise self.refused(given, "is not a duration: a text such as 30d, a timedelta, or whole seconds")
        if not least <= seconds <= most:
            limits = f"between {format_duration(least)} and {format_duration(most)}"
            raise self.refused(given, f"is not {limits}")
        return seconds

    def _switch(self, given: Any) -> bool:
        text = str(given).lower()
        if text not in (*_TRUE, *_FALSE):
            raise self.refused(given, "is neither true nor false")
        return text in _TRUE


def _absolute(path: str) -> str:
    from dinv.system import home

    return home.absolute(path) if path else ""


def values(options: Iterable[Option], given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the effective values of options, by keyword. Raises OptionError; other keywords are ignored."""
    return {option.key: option.value(given.get(option.key), environ) for option in options}


def to_record(options: Iterable[Option], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that go into a machine's record: no secrets, and only what was given."""
    secrets = {option.key for option in options if option.secret}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in found.items()
        if key not in secrets and value not in (None, "", ())
    }


def secrets(options: Iterable[Option], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that `to_record` leaves out because they are secrets."""
    keys = {option.key for option in options if option.secret}
    return {key: value for key, value in found.items() if key in keys}


def from_record(
    options: Iterable[Option],
    recorded: Mapping[str, Any],
    given: Mapping[str, Any],
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Return the values for an existing machine: recorded ones, secrets, defaults.

    `given` are the secrets that were given, perhaps along with other options'; for the rest their variables
    are read. Raises OptionError if a recorded value was edited and cannot be used.
    """
    return {
        option.key: option.value(given.get(option.key), environ)
        if option.secret
        else option.value(recorded.get(option.key), {})
        for option in options
    }


def _plain(value: Any) -> str:
    """Return a value of a mapping as a flag would have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
