"""What the caller gave cannot be used: a flag, a name, a variable, a file."""

from __future__ import annotations

from dinv.errors.base import InputError
from dinv.wording import either


class InvalidName(InputError):
    """The name is not valid for a machine. `nearest` is a valid name that resembles it, or ""."""

    def __init__(self, name: str, nearest: str = "") -> None:
        wrong = sorted({letter for letter in name if not (letter.isascii() and letter.isalnum())} - set(".-"))
        if wrong:
            why = f"it contains {', '.join(map(repr, wrong))}"
        else:
            why = f"it begins with {name[0]!r}" if name else "it is empty"
        meant = f" {nearest} would be valid." if nearest else ""
        super().__init__(
            f"{name!r} is not a valid machine name: {why}. A name consists of letters (a to z), digits, dots "
            f"and dashes, since it is a host name, too, and starts with a letter or a digit.{meant}"
        )
        self.name = name
        self.nearest = nearest


class NobodyToAsk(InputError):
    """A question needs an answer, and standard input has ended. `without` is the flag that skips it."""

    def __init__(self, without: str) -> None:
        super().__init__(
            f"Nobody is there to ask, so nothing was done. To do it without being asked: {without}"
        )
        self.without = without


class OptionError(InputError):
    """An option has a value that cannot be used, or contradicts another.

    `option` is its name without dashes, "" if the error is about several options; `value` is the given value,
    None if it does not matter; `reason` continues the sentence: `memory='lots' is not a size`, or on the
    command line `--memory "lots" is not a size`.
    """

    def __init__(self, reason: str, *, option: str = "", value: object = None) -> None:
        self.option = option
        self.value = value
        self.reason = reason
        keyword, flag = option.replace("-", "_"), f"--{option}"
        if value is not None:
            keyword, flag = f"{keyword}={value!r}", f'{flag} "{value}"'
        space = "" if reason.startswith(":") else " "
        super().__init__(either(keyword, flag) + (space + reason) if option else reason)


class DriverRefused(OptionError):
    """A driver cannot use the given options. `error` is what it raised."""

    def __init__(self, error: InputError) -> None:
        option = error.option if isinstance(error, OptionError) else ""
        super().__init__(error.text)
        self.error = error
        self.option = option
        self.value = getattr(error, "value", None)
        self.reason = getattr(error, "reason", str(error))
        for note in getattr(error, "__notes__", ()):
            self.add_note(note)


class ArchiveError(InputError):
    """An archive to import is damaged, or is not an archive of a machine."""


class TemplateError(InputError):
    """A template cannot be parsed, or cannot be executed on the given data.

    `line` and `column` count from 1, `column` in characters. `at` is the part of the template that was being
    executed, None if parsing failed. The message's first line is Go's, in which columns count from 0.
    """

    def __init__(self, reason: str, *, line: int, column: int, at: str | None = None) -> None:
        if at is None:
            said = (
                f"template parsing error: template: :{line}: {reason}\nIt is at column {column} of that line."
            )
        else:
            said = f'template: :{line}:{column - 1}: executing "" at <{at}>: {reason}'
        super().__init__(said)
        self.reason = reason
        self.line = line
        self.column = column
        self.at = at
