"""A YAML document as a tree of nodes that know where in the text they stand. No value is interpreted.

Built from the events of PyYAML's parser, not from its nodes: those have the place of an anchor where the text
has an alias.
"""

from __future__ import annotations

import bisect

import yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCALAR, MAPPING, SEQUENCE, ALIAS = "scalar", "mapping", "sequence", "alias"
DEEPEST = 50


class Node:
    """A part of the document: its text is `text[start:end]`.

    The end of a block mapping or sequence is that of what stands last in it. `children` are the items of a
    sequence, and keys and values of a mapping in turn. `target` is what an alias stands for. `is_null`: it is
    an empty or plain scalar that means null.
    """

    __slots__ = ("children", "end", "flow", "is_null", "kind", "name", "start", "target", "value")

    def __init__(self, kind: str, start: int, end: int, *, flow: bool = False) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.flow = flow
        self.value = ""
        self.is_null = False
        self.children: list[Node] = []
        self.name = ""
        self.target: Node | None = None

    @property
    def pairs(self) -> list[tuple[Node, Node]]:
        return list(zip(self.children[::2], self.children[1::2], strict=True))

    def resolved(self) -> Node:
        """Return the node itself, or what it is an alias of."""
        return self.target if self.target is not None else self

    def get(self, key: str) -> Node | None:
        """Return the value under a key of a mapping, aliases resolved; None if there is none."""
        pair = self.pair(key)
        return pair[1].resolved() if pair else None

    def pair(self, key: str) -> tuple[Node, Node] | None:
        if self.kind != MAPPING:
            return None
        return next((pair for pair in self.pairs if pair[0].resolved().value == key), None)


class Tree:
    """A text, its root (None if it has no document) and the places of the dashes of block sequences."""

    def __init__(self, text: str) -> None:
        """Raise ValueError for what is not one YAML document."""
        self.text = text
        try:
            self.root = _Builder(text).root
            tokens = yaml.scan(text, Loader=yaml.SafeLoader)
            self._dashes: list[int] = [
                token.start_mark.index for token in tokens if isinstance(token, yaml.tokens.BlockEntryToken)
            ]
        except yaml.MarkedYAMLError as error:
            where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            raise ValueError(f"it is not YAML ({where}{error.problem})") from error
        except yaml.YAMLError as error:
            raise ValueError("it is not YAML (it has a character that YAML does not allow)") from error

    def dash(self, item: Node) -> int:
        """Return where the dash of an item of a block sequence is."""
        return self._dashes[bisect.bisect_right(self._dashes, item.start) - 1]

    def column(self, index: int) -> int:
        return index - (max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1)

    def line(self, index: int) -> int:
        """Return the number of a line, from 1."""
        return self.text.count("\n", 0, index) + 1


class _Builder:
    def __init__(self, text: str) -> None:
        self.root: Node | None = None
        self._text = text
        self._open: list[Node] = []
        self._anchors: dict[str, Node] = {}
        documents = 0
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        for event in events:
            start, end = event.start_mark.index, event.end_mark.index
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ValueError(f"it has several documents (line {self._line(start)})")
            elif isinstance(event, yaml.NodeEvent):
                self._begin(event, start, end)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)

    def _begin(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            node = Node(ALIAS, start, end)
            node.name = event.anchor or ""
            node.target = self._anchors.get(node.name)
            if node.target is None or node.target in self._open:
                raise ValueError(f'line {self._line(start)}: there is no anchor "{node.name}" there')
        elif isinstance(event, yaml.ScalarEvent):
            node = Node(SCALAR, start, end)
            node.value = event.value
            node.is_null = event.implicit[0] and event.value in ("", "~", "null", "Null", "NULL")
        else:
            kind = MAPPING if isinstance(event, yaml.MappingStartEvent) else SEQUENCE
            node = Node(kind, start, end, flow=bool(event.flow_style))
        if node.kind != ALIAS and event.anchor:
            self._anchors[event.anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        if node.kind in (MAPPING, SEQUENCE):
            if len(self._open) == DEEPEST:
                raise ValueError(f"it is nested too deep (line {self._line(start)})")
            self._open.append(node)

    def _end(self, event: Any) -> None:
        node = self._open.pop()
        node.end = event.end_mark.index if node.flow else max(child.end for child in node.children)
        if node.kind == MAPPING:
            self._check_keys(node)

    def _line(self, index: int) -> int:
        return self._text.count("\n", 0, index) + 1

    def _check_keys(self, node: Node) -> None:
        seen = set()
        for key, _ in node.pairs:
            name = key.resolved().value
            if key.resolved().kind == SCALAR and name in seen and name != "<<":
                raise ValueError(f'it has the key "{name}" twice in one place (line {self._line(key.start)})')
            seen.add(name)


def data(node: Node) -> Any:
    """Return what a node says, for comparisons: tuples, in which an alias is its name."""
    if node.kind == ALIAS:
        return (ALIAS, node.name)
    if node.kind == SCALAR:
        return (SCALAR, node.value, node.is_null)
    return (node.kind, tuple(data(child) for child in node.children))
