"""What may stand where in a file: each shape reads a node, and says the same as JSON Schema (2020-12)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from dinv.formats import variables
from dinv.formats.problem import Problem
from dinv.formats.strict_yaml import BOOLEAN, FLOAT, INTEGER, MAPPING, NULL, SCALAR, SEQUENCE, TEXT, number
from dinv.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.formats.strict_yaml import Node

VARIABLE = "variable"
"""What a scalar means that had a variable in it: a text, or whatever the text says."""
REFERENCE = {"$ref": "#/$defs/variable"}
"""The schema of a value with a variable in it; `schema.py` has its definition."""
DEFINITIONS = {
    "variable": {
        "description": "A value with a variable of the environment in it",
        "type": "string",
        "pattern": r"\$",
    }
}
ABSENT = object()
"""What is read where there is nothing that could be used: a problem says so."""

_WORDS = {MAPPING: "a mapping", SEQUENCE: "a list", SCALAR: "a single value"}
_YES_AND_NO = ("yes", "no", "on", "off", "y", "n")


class Scalar:
    """A single value: its text with variables expanded, and what it means (TEXT, NULL, ..., VARIABLE)."""

    __slots__ = ("meaning", "raw", "text")

    def __init__(self, raw: str, text: str, meaning: str) -> None:
        self.raw = raw
        self.text = text
        self.meaning = meaning

    @property
    def number(self) -> int | float | None:
        """The number that it is; None if it is none."""
        from dinv.formats.strict_yaml import core

        meaning = core(self.text) if self.meaning == VARIABLE else self.meaning
        return number(self.text) if meaning in (INTEGER, FLOAT) else None


class Reading:
    """One reading of a document: the variables, and what was found wrong, and where values stand.

    `directory` is where relative paths are meant from; "" leaves them as they are.
    """

    def __init__(self, variables: Mapping[str, str] | None, directory: str = "") -> None:
        self.variables = variables
        self.directory = directory
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[int, int]] = {}
        """Line and column of values, by their paths."""
        self.inherited: list[tuple[Node, Node]] = []
        """Keys and values that hold for all mappings of options in the document."""

    def problem(self, node: Node, path: str, message: str) -> object:
        """Note what is wrong at a node; returns ABSENT."""
        if not path and message[:1].islower():
            message = f"The file {message}"
        self.problems.append(Problem(node.line, node.column, path, message))
        return ABSENT

    def scalar(self, node: Node, path: str, due: str) -> Scalar | None:
        """Return a single value, its variables expanded; None if it cannot be had, which is noted."""
        if node.kind != SCALAR:
            self.problem(node, path, f"is {_WORDS[node.kind]}, and has to be {due}")
            return None
        try:
            text, used = variables.expand(node.text, self.variables)
        except ValueError as error:
            self.problem(node, path, str(error))
            return None
        return Scalar(node.text, text, VARIABLE if used else node.meaning)

    def is_kind(self, node: Node, path: str, kind: str, *, due: str = "") -> bool:
        """Whether a node is a mapping, or a sequence; if not, that is noted, with what is `due`."""
        if node.kind == kind:
            return True
        found = "empty" if node.is_null else _WORDS[node.kind]
        self.problem(node, path, f"is {found}, and has to be {due or _WORDS[kind]}")
        return False


def below(path: str, key: str) -> str:
    """Return the path of what stands under a key."""
    return f"{path}.{key}" if path else key


class Shape(ABC):
    """What may stand in one place."""

    text = ""
    """What it is for: the description in the schema."""

    @abstractmethod
    def read(self, reading: Reading, node: Node, path: str) -> Any:
        """Return what the node says as plain data; ABSENT if it cannot be used, which is noted."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the same as JSON Schema."""

    def described(self) -> dict[str, Any]:
        """Return the schema, with what it is for."""
        return {"description": self.text, **self.schema()} if self.text else self.schema()


class Text(Shape):
    """A text; a number counts as what stands there.

    `pattern` has to fit all of it, and is one of both re and ECMA 262; `due` says what it is, "a name".
    """

    def __init__(self, text: str = "", *, pattern: str = "", due: str = "a text", longest: int = 0) -> None:
        self.text = text
        self._pattern = pattern
        self._due = due
        self._longest = longest

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        scalar = reading.scalar(node, path, self._due)
        if scalar is None:
            return ABSENT
        if scalar.meaning in (BOOLEAN, NULL):
            return reading.problem(node, path, not_a_text(scalar))
        if self._longest and len(scalar.text) > self._longest:
            return reading.problem(node, path, f"has more than {self._longest} characters")
        if self._pattern and not re.fullmatch(self._pattern, scalar.text):
            return reading.problem(node, path, f"= {scalar.raw!r} is not {self._due}")
        return scalar.text

    def schema(self) -> dict[str, Any]:
        if not self._pattern:
            found: dict[str, Any] = {"type": ["string", "number"]}
            return {**found, "maxLength": self._longest} if self._longest else found
        own: dict[str, Any] = {"type": "string", "pattern": f"^(?:{self._pattern})$"}
        if self._longest:
            own["maxLength"] = self._longest
        return {"anyOf": [own, REFERENCE]}


class Whole(Shape):
    """A whole number, with bounds."""

    def __init__(self, text: str = "", *, least: int = 0, most: int = 2**31) -> None:
        self.text = text
        self._least = least
        self._most = most

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        scalar = reading.scalar(node, path, "a whole number")
        if scalar is None:
            return ABSENT
        found = read_number(reading, node, path, scalar)
        if found is ABSENT:
            return ABSENT
        if not _is_whole(found):
            return reading.problem(node, path, f"= {scalar.text} is not a whole number")
        if not self._least <= found <= self._most:
            return reading.problem(
                node, path, f"= {scalar.text} is not between {self._least} and {self._most}"
            )
        return int(found)

    def schema(self) -> dict[str, Any]:
        own = {"type": "integer", "minimum": self._least, "maximum": self._most}
        return {"anyOf": [own, REFERENCE]}


class Switch(Shape):
    """`true` or `false`."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        scalar = reading.scalar(node, path, "true or false")
        return ABSENT if scalar is None else read_switch(reading, node, path, scalar)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, REFERENCE]}


class Many(Shape):
    """A list of values of one shape."""

    def __init__(self, item: Shape, text: str = "") -> None:
        self.text = text
        self._item = item

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.is_kind(node, path, SEQUENCE):
            return ABSENT
        found = [self._item.read(reading, each, f"{path}[{place}]") for place, each in enumerate(node.items)]
        return ABSENT if ABSENT in found else found

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self._item.described()}


class Named(Shape):
    """A mapping of names to values of one shape; a value that is null is an empty mapping.

    `pattern` is that of a name, `due` what it is, "a machine's name".
    """

    def __init__(self, value: Shape, text: str = "", *, pattern: str, due: str, longest: int) -> None:
        self.text = text
        self._value = value
        self._pattern = pattern
        self._due = due
        self._longest = longest

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.is_kind(node, path, MAPPING):
            return ABSENT
        found = {}
        for key, value in node.pairs:
            name, at = key.text, below(path, key.text)
            reading.places[at] = key.line, key.column
            if not re.fullmatch(self._pattern, name):
                reading.problem(key, path, f"has {name!r}, which is not {self._due}")
            elif len(name) > self._longest:
                said = f"has {name!r}, which has more than {self._longest} characters"
                reading.problem(key, path, said)
            else:
                found[name] = self._value.read(reading, as_mapping(value), at)
        return ABSENT if ABSENT in found.values() else found

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^(?:{self._pattern})$", "maxLength": self._longest},
            "additionalProperties": {"anyOf": [self._value.described(), {"type": "null"}]},
        }


class Keys(Shape):
    """A mapping with keys that are known; those that begin with "x-" are anybody's, if `extensions`."""

    def __init__(
        self,
        keys: Mapping[str, Shape],
        text: str = "",
        *,
        needed: Iterable[str] = (),
        extensions: bool = False,
    ) -> None:
        self.text = text
        self._keys = dict(keys)
        self._needed = tuple(needed)
        self._extensions = extensions

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.is_kind(node, path, MAPPING):
            return ABSENT
        found, fine = {}, True
        for key, value in node.pairs:
            shape, at = self._keys.get(key.text), below(path, key.text)
            reading.places[at] = key.line, key.column
            if self._extensions and key.text.startswith("x-"):
                continue
            if shape is None:
                reading.problem(key, path, unknown_key(key.text, self._keys))
            elif not value.is_null or key.text in self._needed:
                found[key.text] = shape.read(reading, value, at)
        for name in self._needed:
            if name not in found:
                fine = False
                reading.problem(node, path, f'has no "{name}"')
        return found if fine and ABSENT not in found.values() else ABSENT

    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": "object",
            "properties": {
                key: shape.described() if key in self._needed else or_null(shape.described())
                for key, shape in self._keys.items()
            },
            "additionalProperties": False,
        }
        if self._needed:
            found["required"] = list(self._needed)
        if self._extensions:
            found["patternProperties"] = {"^x-": {}}
        return found


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that allows null, too, which is as if the key did not stand there."""
    description = {"description": schema["description"]} if "description" in schema else {}
    rest = {key: value for key, value in schema.items() if key != "description"}
    others = rest["anyOf"] if list(rest) == ["anyOf"] else [rest]
    return {**description, "anyOf": [*others, {"type": "null"}]}


def as_mapping(node: Node) -> Node:
    """Return a node; an empty mapping in the place of null."""
    from dinv.formats.strict_yaml import Node as Empty

    return Empty(MAPPING, node.line, node.column) if node.is_null else node


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that there is no such key, and which was meant."""
    meant = did_you_mean(key, known)
    return f'has no key "{key}". {meant}'.rstrip()


def not_a_text(scalar: Scalar) -> str:
    """Say of a value that is none how to write it as a text."""
    if scalar.meaning == NULL:
        return "is empty"
    return f'is {scalar.text}, which is not a text: write "{scalar.text}" with quotes'


def read_switch(reading: Reading, node: Node, path: str, scalar: Scalar) -> Any:
    """Return the truth value that a scalar is; else ABSENT."""
    if scalar.meaning == BOOLEAN or (scalar.meaning == VARIABLE and scalar.text in ("true", "false")):
        return scalar.text.lower() == "true"
    said = f"= {scalar.raw!r} is neither true nor false"
    if scalar.text.lower() in _YES_AND_NO:
        said += f": {scalar.text} is a text in YAML 1.2"
    return reading.problem(node, path, said)


def read_number(reading: Reading, node: Node, path: str, scalar: Scalar) -> Any:
    """Return the number that a scalar is; else ABSENT."""
    found = scalar.number
    if found is None:
        quoted = scalar.meaning == TEXT and not node.plain
        return reading.problem(
            node, path, f"is a text, and has to be a number{': no quotes' if quoted else ''}"
        )
    digits = scalar.text.lstrip("+-")
    if len(digits) > 1 and digits.isdigit() and digits.startswith("0"):
        said = f"= {scalar.text} would be another number where YAML 1.1 is read: no zeros before a number"
        return reading.problem(node, path, said)
    if found != found or found in (float("inf"), float("-inf")):  # noqa: PLR0124  (not a number)
        return reading.problem(node, path, f"= {scalar.text} is not a number to count with")
    return found


def _is_whole(found: float) -> bool:
    return found == int(found)
