"""YAML as people mean it: a tree of nodes that know their places, with everything doubtful refused.

- Plain scalars mean what the core schema of YAML 1.2 says (section 10.3.2): `no`, `on` and `1:30` are texts.
- A key that stands twice, a key that is not a text, a tag and a second document are problems.
- Aliases and merge keys (`<<`) work, as in compose files. What they expand to is counted and bounded, as are
  size and depth, so that a "bomb" is refused at once.

All problems are found that can be; a text that is not YAML at all gives the first place where it is not.
"""

from __future__ import annotations

import re

import yaml

from dinv.formats.problem import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

LARGEST = 256 * 1024
"""Characters of a file: some thousand machines."""
DEEPEST = 32
MOST_NODES = 50_000
"""Values, keys among them, that a file may have once its aliases are expanded."""

SCALAR, MAPPING, SEQUENCE = "scalar", "mapping", "sequence"
TEXT, NULL, BOOLEAN, INTEGER, FLOAT = "text", "null", "boolean", "integer", "float"

_MERGE = "<<"
_CORE = (
    (NULL, re.compile(r"null|Null|NULL|~|")),
    (BOOLEAN, re.compile(r"true|True|TRUE|false|False|FALSE")),
    (INTEGER, re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (
        FLOAT,
        re.compile(
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?(?:\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"
        ),
    ),
)
_STR_TAG = "tag:yaml.org,2002:str"


class Node:
    """A part of the document. `line` and `column` count from 1.

    A scalar has its `text`, as it stands there without quotes, and is `plain` if it had none. A sequence has
    `items`, a mapping `pairs` of keys and values, in the order of the file; what was merged comes last.
    """

    __slots__ = ("column", "done", "items", "kind", "line", "pairs", "plain", "size", "text")

    def __init__(self, kind: str, line: int, column: int, *, text: str = "", plain: bool = False) -> None:
        self.kind = kind
        self.line = line
        self.column = column
        self.text = text
        self.plain = plain
        self.items: list[Node] = []
        self.pairs: list[tuple[Node, Node]] = []
        self.size = 1
        self.done = kind == SCALAR

    @property
    def meaning(self) -> str:
        """What a scalar means: TEXT, NULL, BOOLEAN, INTEGER or FLOAT."""
        return core(self.text) if self.plain else TEXT

    @property
    def is_null(self) -> bool:
        """Whether it is null, or nothing at all."""
        return self.kind == SCALAR and self.meaning == NULL

    def get(self, key: str) -> Node | None:
        """Return what a mapping has for a key; None if nothing."""
        return next((value for name, value in self.pairs if name.text == key), None)


def core(text: str) -> str:
    """Return what a plain scalar means by the core schema."""
    return next((kind for kind, form in _CORE if form.fullmatch(text)), TEXT)


def number(text: str) -> int | float:
    """Return the number that an INTEGER or a FLOAT of the core schema is."""
    if core(text) == FLOAT:
        return float(text.replace(".", "", 1)) if text.lower().endswith(("inf", "nan")) else float(text)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def parse(text: str) -> tuple[Node | None, list[Problem]]:
    """Return the document, and what is wrong with it as YAML; no document if it cannot be used at all.

    An empty text is the scalar null.
    """
    if len(text) > LARGEST:
        said = f"The file is larger than {LARGEST // 1024} KiB: split it into several."
        return None, [Problem(1, 1, "", said)]
    composer = _Composer()
    try:
        composer.read(yaml.parse(text, Loader=yaml.SafeLoader))
    except _Stop:
        return None, composer.problems
    except yaml.reader.ReaderError as error:
        line, column = _place(text, error.position)
        said = f"This is not a text: it has the character U+{_code(error.character):04X}."
        return None, [*composer.problems, Problem(line, column, "", said)]
    except yaml.MarkedYAMLError as error:
        return None, [*composer.problems, _not_yaml(error, text)]
    except (yaml.YAMLError, RecursionError) as error:
        return None, [*composer.problems, Problem(1, 1, "", f"This is not YAML: {error}.")]
    return composer.root or Node(SCALAR, 1, 1, plain=True), composer.problems


class _Stop(Exception):
    """What is there cannot be used, and reading on would cost too much, or tell nothing."""


class _Composer:
    """Builds the tree from the events of PyYAML's parser."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[tuple[Node, list[Node]]] = []
        self._anchors: dict[str, Node] = {}
        self._looked_at = 0
        """How many values were there to be merged."""

    def read(self, events: Iterator[Any]) -> None:
        event: Any
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
                self._stop(event, "Here a second document begins: write it into a file of its own.")
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                mark: Any = event.start_mark
                plain = event.style is None and event.tag is None
                node = Node(SCALAR, mark.line + 1, mark.column + 1, text=event.value, plain=plain)
                self._check_tag(event, (None, "!", _STR_TAG))
                self._named(event, node)
                self._put(node)
            elif isinstance(event, yaml.CollectionStartEvent):
                mark = event.start_mark
                kind = MAPPING if isinstance(event, yaml.MappingStartEvent) else SEQUENCE
                node = Node(kind, mark.line + 1, mark.column + 1)
                self._check_tag(event, (None, "!"))
                self._named(event, node)
                self._stack.append((node, []))
                if len(self._stack) > DEEPEST:
                    self._stop(event, f"This is nested more than {DEEPEST} deep.")
            elif isinstance(event, yaml.CollectionEndEvent):
                node, children = self._stack.pop()
                self._finish(node, children)
                self._put(node)

    def _check_tag(self, event: Any, known: tuple[str | None, ...]) -> None:
        if event.tag not in known:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._problem(event, f"Tags have no meaning here: leave out {tag}.")

    def _named(self, event: Any, node: Node) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _alias(self, event: Any) -> None:
        target = self._anchors.get(event.anchor)
        if target is None:
            self._stop(event, f"There is no &{event.anchor} before *{event.anchor}.")
        if not target.done:
            self._stop(event, f"*{event.anchor} stands within what it stands for.")
        self._put(target)

    def _put(self, node: Node) -> None:
        if self._stack:
            self._stack[-1][1].append(node)
        else:
            self.root = node

    def _finish(self, node: Node, children: list[Node]) -> None:
        if node.kind == SEQUENCE:
            node.items = children
        else:
            self._pair(node, children)
        inside = node.items + [each for pair in node.pairs for each in pair]
        node.size = 1 + sum(each.size for each in inside)
        node.done = True
        if node.size > MOST_NODES:
            said = f"This has more than {MOST_NODES} values, once its aliases are expanded."
            self.problems.append(Problem(node.line, node.column, "", said))
            raise _Stop

    def _pair(self, node: Node, children: list[Node]) -> None:
        seen: dict[str, Node] = {}
        merged: list[Node] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if key.kind != SCALAR or key.is_null:
                said = "A key has to be a name."
                self.problems.append(Problem(key.line, key.column, "", said))
            elif key.plain and key.text == _MERGE:
                merged += self._merged(value)
            elif key.text in seen:
                first = seen[key.text].line
                said = f'"{key.text}" stands here twice: it is in line {first} already.'
                self.problems.append(Problem(key.line, key.column, "", said))
                node.pairs.append((key, value))  # what is wrong within it is of interest, too
            else:
                seen[key.text] = key
                node.pairs.append((key, value))
        for source in merged:
            self._looked_at += source.size
            if self._looked_at > MOST_NODES:
                said = f"More than {MOST_NODES} values are merged in this file."
                self.problems.append(Problem(node.line, node.column, "", said))
                raise _Stop
            for key, value in source.pairs:
                if key.text not in seen:
                    seen[key.text] = key
                    node.pairs.append((key, value))

    def _merged(self, value: Node) -> list[Node]:
        sources = value.items if value.kind == SEQUENCE else [value]
        for source in sources:
            if source.kind != MAPPING:
                said = "<< takes a mapping, or a list of mappings."
                self.problems.append(Problem(source.line, source.column, "", said))
        return [source for source in sources if source.kind == MAPPING]

    def _problem(self, event: Any, said: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(mark.line + 1, mark.column + 1, "", said))

    def _stop(self, event: Any, said: str) -> NoReturn:
        self._problem(event, said)
        raise _Stop


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _code(character: Any) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    said = f"This is not YAML: {error.problem or error.context}"
    if "'\\t'" in said:
        said += ". Indent with spaces, not with tabs"
    if mark is not None and text[: mark.index].endswith("$"):
        said += '. Within [ ] and { } a variable has to stand in quotes: "${NAME}"'
    return Problem(line, column, "", said + ".")
