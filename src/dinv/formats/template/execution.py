"""Execute a template on a value, to get text (Go: text/template/exec.go)."""

from __future__ import annotations

import re

from dinv.formats.template.functions import CallError, call
from dinv.formats.template.nodes import (
    Action,
    Branch,
    Dot,
    Fields,
    Function,
    Jump,
    Literal,
    Pipe,
    Text,
    Variable,
)
from dinv.formats.template.values import Heading, Record, format_value, is_true, sorted_items, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.errors import TemplateError
    from dinv.formats.template.lexer import Source
    from dinv.formats.template.nodes import Command, Node

_NOTHING = object()
"""Marks that no value comes from a previous command of the pipeline."""

_LONGEST_AT = 60
_SURROGATES = re.compile("[\ud800-\udfff]")


class Execution:
    """One rendering of one template."""

    def __init__(self, source: Source, data: Any) -> None:
        self._source = source
        self._data = data
        self._out: list[str] = []
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def run(self, nodes: list[Node]) -> str:
        """Return the text. Raises TemplateError."""
        try:
            self._list(nodes, self._data)
        except RecursionError as error:
            raise self._source.error(0, "the data is nested too deep", at="") from error
        # Half of a surrogate pair, which JSON can contain, cannot be written.
        return _SURROGATES.sub("\ufffd", "".join(self._out))

    def _error(self, node: Node, reason: str) -> TemplateError:
        at = self._source.text[node.position : node.end]
        place = node.place if isinstance(node, Fields) else node.position
        return self._source.error(
            place, reason, at=at if len(at) <= _LONGEST_AT else at[:_LONGEST_AT] + "..."
        )

    # Nodes

    def _list(self, nodes: list[Node], dot: Any) -> str:
        """Write the nodes; return "break" or "continue" if one of these was executed, else ""."""
        for node in nodes:
            match node:
                case Text():
                    self._out.append(node.text)
                case Action():
                    value = self._pipe(node.pipe, dot)
                    if not node.pipe.variables:
                        self._out.append("<no value>" if value is None else format_value(value))
                case Branch():
                    known = len(self._variables)
                    jump = self._branch(node, dot)
                    del self._variables[known:]
                    if jump:
                        return jump
                case Jump():
                    return node.kind
        return ""

    def _branch(self, node: Branch, dot: Any) -> str:
        if node.kind == "range":
            return self._range(node, dot)
        value = self._pipe(node.pipe, dot)
        if is_true(value):
            return self._list(node.body, value if node.kind == "with" else dot)
        return self._list(node.otherwise, dot)

    def _range(self, node: Branch, dot: Any) -> str:
        value = self._pipe(node.pipe, dot, declare=False)
        items: list[tuple[Any, Any]]
        if isinstance(value, Heading):
            items = [(value, value)]
        elif isinstance(value, dict) and not isinstance(value, Record):
            items = sorted_items(value)
        elif isinstance(value, list | tuple):
            items = list(enumerate(value))
        elif value is None:
            items = []
        else:
            raise self._error(node.pipe, f"range can't iterate over {type_name(value)}")
        if not items:
            return self._list(node.otherwise, dot)
        known = len(self._variables)
        for key, item in items:
            match node.pipe.variables:
                case [element]:
                    self._set(element, item, assigns=node.pipe.assigns)
                case [index, element]:
                    self._set(index, key, assigns=node.pipe.assigns)
                    self._set(element, item, assigns=node.pipe.assigns)
            jump = self._list(node.body, item)
            del self._variables[known:]
            if jump == "break":
                break
        return ""

    # Values

    def _set(self, name: str, value: Any, *, assigns: bool) -> None:
        if not assigns:
            self._variables.append((name, value))
            return
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                break

    def _pipe(self, pipe: Pipe, dot: Any, *, declare: bool = True) -> Any:
        value: Any = _NOTHING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        if declare:
            for name in pipe.variables:
                self._set(name, value, assigns=pipe.assigns)
        return value

    def _command(self, command: Command, dot: Any, last: Any) -> Any:
        first = command.operands[0]
        if isinstance(first, Function):
            return self._call(command, first, command.operands[1:], dot, last)
        if len(command.operands) > 1 or last is not _NOTHING:
            raise self._error(command, "can't give arguments to a non-function")
        if isinstance(first, Literal) and first.value is None:
            raise self._error(command, "nil is not a command")
        return self._operand(first, dot)

    def _call(self, whole: Node, function: Function, operands: list[Node], dot: Any, last: Any) -> Any:
        if function.name in ("and", "or"):
            return self._and_or(whole, function.name, operands, dot, last)
        arguments = [self._operand(operand, dot) for operand in operands]
        if last is not _NOTHING:
            arguments.append(last)
        try:
            return call(function.name, arguments)
        except CallError as error:
            raise self._error(whole, f"error calling {function.name}: {error}") from error

    def _and_or(self, whole: Node, name: str, operands: list[Node], dot: Any, last: Any) -> Any:
        """Return the first value that decides, or the last; later arguments are not evaluated."""
        if not operands and last is _NOTHING:
            raise self._error(whole, f"error calling {name}: wrong number of args: want at least 1 got 0")
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return value if last is _NOTHING else last

    def _operand(self, node: Node, dot: Any) -> Any:
        match node:
            case Literal():
                return node.value
            case Dot():
                return dot
            case Variable():
                return self._variable(node)
            case Pipe():
                return self._pipe(node, dot)
            case Function():
                return self._call(node, node, [], dot, _NOTHING)
            case Fields():
                value = self._operand(node.of, dot)
                for name in node.names:
                    value = self._field(value, name, node)
                return value
        raise AssertionError(node)

    def _variable(self, node: Variable) -> Any:
        for name, value in reversed(self._variables):
            if name == node.name:
                return value
        # Declared in an argument that `and` or `or` has not evaluated.
        raise self._error(node, f'undefined variable "{node.name}"')

    def _field(self, value: Any, name: str, node: Node) -> Any:
        """Return a field of a struct, or the value of a map's key: None, printed `<no value>`, if absent."""
        if value is None or isinstance(value, Heading):
            return value
        if isinstance(value, Record) and name not in value:
            raise self._error(node, f"can't evaluate field {name}\nThere are: {', '.join(value)}")
        if isinstance(value, dict):
            return value.get(name)
        raise self._error(node, f"can't evaluate field {name} in type {type_name(value)}")
