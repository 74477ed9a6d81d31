"""Texts that name commands and options as data, so that each reader sees them in the right words.

    raise MachineGone(name, "Its container is gone. Clean up what is left: " + command("rm", name))

reads `... left: dinv rm dev` for a caller of the library. At a command line it names the program as it was
called: `docker-machine rm dev`. An option is `publish=ADDRESS` to the one and `--publish ADDRESS` to the
other. The commands that a program can act on are in `Wording.commands`.

A Wording is a str. Put into an f-string or joined, it becomes a plain str in the library's words and is no
longer data. `+` keeps the data.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Wording(str):
    """A text in the library's words that can also be had in those of the command line."""

    __slots__ = ("_parts",)
    _parts: tuple[str | _Command | _Either, ...]

    def __new__(cls, parts: Iterable[str | _Command | _Either]) -> Wording:  # noqa: PYI034  (a str's)
        parts = tuple(parts)
        made = super().__new__(
            cls, "".join(part if isinstance(part, str) else part.library for part in parts)
        )
        made._parts = parts
        return made

    def __reduce__(self) -> tuple[type[Wording], tuple[object, ...]]:
        return Wording, (self._parts,)

    def worded(self, program: str) -> str:
        """Return the text for a user at a command line who called the program by this name."""
        return "".join(
            part if isinstance(part, str) else part.at_command_line(program) for part in self._parts
        )

    @property
    def commands(self) -> list[list[str]]:
        """Return the commands that the text names, each as the words after the program's name.

        A word in capitals, or "...", is a placeholder.
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
    """Return a command of dinv's, from the words after its name: `command("rm", "-f", "dev")`."""
    return Wording((_Command(argv),))


def option(name: str, value: str = "") -> Wording:
    """Return an option of `create` or another verb, with or without a value: `option("publish", "ADDRESS")`.

    `name` is as on the command line, without dashes. A value in capitals is a placeholder.
    """
    keyword = name.replace("-", "_")
    if not value:
        return either(keyword, f"--{name}")
    is_text = not value.isupper() and not value.replace(".", "", 1).isdecimal()
    return either(f'{keyword}="{value}"' if is_text else f"{keyword}={value}", f"--{name} {value}")


def either(library: str, command_line: str) -> Wording:
    """Return a text with one version for callers of the library and one for the command line."""
    return Wording((_Either(library, command_line),))


NO_CONTEXT = either("context=False", "--no-context")


def joined(separator: str, texts: Iterable[str]) -> str:
    """As str.join has it, of those texts that are not empty."""
    found = ""
    for text in texts:
        found = found + separator + text if found and text else found or text
    return found


def _parts(text: str) -> tuple[str | _Command | _Either, ...]:
    return text._parts if isinstance(text, Wording) else (text,)  # noqa: SLF001  (its own kind)


def _quoted(word: str) -> str:
    """Quote for a shell. Placeholders, `NAME` or `...`, are not quoted."""
    if (word.isascii() and word.replace("-", "").replace(".", "").isalnum()) or word == "...":
        return word
    import shlex

    return shlex.quote(word)
