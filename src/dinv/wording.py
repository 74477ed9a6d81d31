"""Texts that name commands and options as data, so that each reader is told in words of their own.

    raise MachineGone(name, "Its container is gone. Clean up what is left: " + command("rm", name))

is `... left: dinv rm dev` for a caller of the library, and at a command line it names the program as it was
called: `docker-machine rm dev`. An option is `publish=ADDRESS` to the one and `--publish ADDRESS` to the
other. What a program can act on is in `Wording.commands`.

A Wording is a str, and stays one when it is put in an f-string or joined: it is then the library's text, and
no longer data. With `+` nothing is lost.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Wording(str):
    """A text in the library's words, which knows those of the command line."""

    __slots__ = ("_parts",)
    _parts: tuple[str | _Command | _Either, ...]

    def __new__(cls, parts: Iterable[str | _Command | _Either]) -> Wording:  # noqa: PYI034  (a str's)
        parts = tuple(parts)
        made = super().__new__(
            cls, "".join(part if isinstance(part, str) else part.library for part in parts)
        )
        made._parts = parts
        return made

    def worded(self, program: str) -> str:
        """The text for somebody at a command line who has called the program by this name."""
        return "".join(
            part if isinstance(part, str) else part.at_command_line(program) for part in self._parts
        )

    @property
    def commands(self) -> list[list[str]]:
        """The commands that the text names, each as the words after the program's name.

        A word in capitals, or "...", stands for what the text cannot know.
        """
        return [list(part.argv) for part in self._parts if isinstance(part, _Command)]

    def __add__(self, other: str) -> Wording:
        return Wording((*self._parts, *_parts(other)))

    def __radd__(self, other: str) -> Wording:
        return Wording((*_parts(other), *self._parts))


class _Command:
    def __init__(self, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.library = self.at_command_line("dinv")

    def at_command_line(self, program: str) -> str:
        return " ".join((program, *map(_quoted, self.argv)))


class _Either:
    def __init__(self, library: str, command_line: str) -> None:
        self.library = library
        self._command_line = command_line

    def at_command_line(self, program: str) -> str:  # a command's
        return self._command_line


def command(*argv: str) -> Wording:
    """A command of dinv's, by the words after its name: `command("rm", "-f", "dev")`."""
    return Wording((_Command(argv),))


def option(name: str, value: str = "") -> Wording:
    """An option of `create` or another verb, with a value or without: `option("publish", "ADDRESS")`.

    `name` is as on the command line, without dashes. A value in capitals stands for one that is to be chosen.
    """
    keyword = name.replace("-", "_")
    if not value:
        return either(keyword, f"--{name}")
    is_text = not value.isupper() and not value.replace(".", "", 1).isdecimal()
    return either(f'{keyword}="{value}"' if is_text else f"{keyword}={value}", f"--{name} {value}")


def either(library: str, command_line: str) -> Wording:
    """What is said otherwise to a caller of the library than at a command line."""
    return Wording((_Either(library, command_line),))


def joined(separator: str, texts: Iterable[str]) -> str:
    """As str.join has it, of those texts that are not empty."""
    found = ""
    for text in texts:
        found = found + separator + text if found and text else found or text
    return found


def _parts(text: str) -> tuple[str | _Command | _Either, ...]:
    return text._parts if isinstance(text, Wording) else (text,)  # noqa: SLF001  (its own kind)


def _quoted(word: str) -> str:
    """As a shell has it. What stands for something else, `NAME` or `...`, is not quoted."""
    if (word.isascii() and word.replace("-", "").replace(".", "").isalnum()) or word == "...":
        return word
    import shlex

    return shlex.quote(word)
