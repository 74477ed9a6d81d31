"""The nodes of a parsed template. `position` and `end` are offsets in the template's text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Node:
    """A part of a template."""

    __slots__ = ("end", "position")

    def __init__(self, position: int, end: int = 0) -> None:
        self.position = position
        self.end = end


class Text(Node):
    """Text outside actions."""

    __slots__ = ("text",)

    def __init__(self, position: int, text: str) -> None:
        super().__init__(position)
        self.text = text


class Action(Node):
    """A pipeline whose value is printed, unless it declares or assigns variables."""

    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(pipe.position)
        self.pipe = pipe


class Branch(Node):
    """`if`, `with` or `range`: `kind` says which."""

    __slots__ = ("body", "kind", "otherwise", "pipe")

    def __init__(self, kind: str, pipe: Pipe, body: list[Node], otherwise: list[Node]) -> None:
        super().__init__(pipe.position)
        self.kind = kind
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise


class Jump(Node):
    """`break` or `continue`."""

    __slots__ = ("kind",)

    def __init__(self, position: int, kind: str) -> None:
        super().__init__(position)
        self.kind = kind


class Pipe(Node):
    """Commands, each with the value of the previous one as its last argument."""

    __slots__ = ("assigns", "commands", "variables")

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.variables: list[str] = []
        self.assigns = False
        self.commands: list[Command] = []


class Command(Node):
    """An operand alone, or a function and its arguments."""

    __slots__ = ("operands",)

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.operands: list[Node] = []


class Literal(Node):
    """A string, number, character, bool or nil."""

    __slots__ = ("value",)

    def __init__(self, position: int, end: int, value: Any) -> None:
        super().__init__(position, end)
        self.value = value


class Dot(Node):
    """`.`."""

    __slots__ = ()


class Function(Node):
    """A function's name."""

    __slots__ = ("name",)

    def __init__(self, position: int, end: int, name: str) -> None:
        super().__init__(position, end)
        self.name = name


class Variable(Node):
    """`$name`; `$` is the data."""

    __slots__ = ("name",)

    def __init__(self, position: int, end: int, name: str) -> None:
        super().__init__(position, end)
        self.name = name


class Fields(Node):
    """`.A.B` of a variable, a pipeline in parentheses, a function's value, or dot."""

    __slots__ = ("names", "of", "place")

    def __init__(self, of: Node, position: int) -> None:
        super().__init__(position)
        self.of = of
        self.place = position
        """The position that Go reports."""
        self.names: list[str] = []
