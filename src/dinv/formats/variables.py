"""Variables in a text, as compose files have them.

    ${NAME}            its value
    ${NAME:-default}   the default where it is empty or not set; ${NAME-default}, where it is not set
    ${NAME:?message}   an error where it is empty or not set; ${NAME?message}, where it is not set
    ${NAME:+other}     the other text where it is set and not empty; ${NAME+other}, where it is set
    $NAME              the same as ${NAME}
    $$                 a dollar sign

Defaults and other texts may have variables themselves (compose-spec: 12-interpolation.md; compose-go:
template/template.go). One departure: a variable that is not set and has no default is an error, and not an
empty text with a warning.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_DEEPEST = 8
LONGEST = 64 * 1024
"""Characters that a text may come to."""


def expand(text: str, variables: Mapping[str, str] | None) -> tuple[str, bool]:
    """Return the text with its variables' values, and whether there was any. None: there are no variables.

    Raises ValueError, whose text says what is wrong; it has no value of a variable in it.
    """
    if "$" not in text:
        return text, False
    expansion = _Expansion(variables)
    found = expansion.text(text, 0)
    if len(found) > LONGEST:
        raise ValueError(f"comes to more than {LONGEST} characters with its variables")
    return found, expansion.used


def is_reference(text: str) -> bool:
    """Whether a text is one variable and nothing else, with no text of its own: `${NAME}`, `${NAME:?why}`."""
    match = re.fullmatch(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:?\?[^{}$]*)?\})", text)
    return match is not None


class _Expansion:
    def __init__(self, variables: Mapping[str, str] | None) -> None:
        self.variables = variables
        self.used = False

    def text(self, text: str, depth: int) -> str:
        if depth > _DEEPEST:
            raise ValueError(f"has variables nested more than {_DEEPEST} deep")
        parts, position = [], 0
        while (dollar := text.find("$", position)) >= 0:
            parts.append(text[position:dollar])
            value, position = self._one(text, dollar, depth)
            parts.append(value)
        return "".join([*parts, text[position:]])

    def _one(self, text: str, dollar: int, depth: int) -> tuple[str, int]:
        """Return what stands for the variable at `dollar`, and where the text goes on."""
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            return "$", dollar + 2
        if after == "{":
            end = _closing(text, dollar + 2)
            return self._braced(text[dollar + 2 : end], depth), end + 1
        name = _NAME.match(text, dollar + 1)
        if name is None:
            raise ValueError('has a "$" that begins no variable: write "$$" for a dollar sign')
        return self._value(name[0]), name.end()

    def _braced(self, inside: str, depth: int) -> str:
        name = _NAME.match(inside)
        if name is None:
            raise ValueError('has "${" without a name of letters, digits and "_" after it')
        rest = inside[name.end() :]
        if not rest:
            return self._value(name[0])
        operator = _OPERATOR.match(rest)
        if operator is None:
            raise ValueError(f"has ${{{name[0]}...}} with something other than :- :? :+ after the name")
        return self._chosen(name[0], operator[0], rest[operator.end() :], depth)

    def _chosen(self, name: str, operator: str, other: str, depth: int) -> str:
        value = self._look_up(name)
        is_there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self.text(other, depth + 1) if is_there else ""
        if is_there:
            return value or ""
        if operator.endswith("?"):
            why = self.text(other, depth + 1)
            raise ValueError(f"needs the variable {name}: {why}" if why else f"needs the variable {name}")
        return self.text(other, depth + 1)

    def _value(self, name: str) -> str:
        value = self._look_up(name)
        if value is None:
            raise ValueError(
                f"needs the variable {name}, which is not set; ${{{name}:-}} is empty where it is not"
            )
        return value

    def _look_up(self, name: str) -> str | None:
        self.used = True
        if self.variables is None:
            raise ValueError(f"names a variable, {name}, and there are none here")
        return self.variables.get(name)


def _closing(text: str, position: int) -> int:
    """Return where the "}" is that belongs to a "${" before `position`."""
    depth = 1
    while position < len(text):
        if text.startswith("$$", position):
            position += 1
        elif text.startswith("${", position):
            depth += 1
            position += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position
        position += 1
    raise ValueError('has "${" without a "}" that ends it')
