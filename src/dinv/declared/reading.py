"""From a text to a document: strict, and with all that is wrong in it at once.

    document = read(text, kinds=[fleet()], variables=os.environ, source="dinv.yaml")
    document.values["machines"]["dev"]   # {"memory": "4g", "label": {"team": "red"}}

Values are as the file has them, with its variables expanded: texts, numbers, true and false, lists, mappings.
They are checked: `create` takes them as they are, by the same names with "_" for "-".
"""

from __future__ import annotations

import os

from dinv.declared.kinds import API_VERSION
from dinv.declared.shapes import ABSENT, Reading
from dinv.errors import DeclarationError, InputError
from dinv.formats import strict_yaml
from dinv.formats.problem import Problem
from dinv.formats.strict_yaml import MAPPING
from dinv.suggestions import did_you_mean
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.declared.kinds import Kind
    from dinv.formats.strict_yaml import Node

LARGEST_BYTES = 4 * strict_yaml.LARGEST
"""A character takes four bytes at most."""


class Document:
    """What a file says. `kind` and `name` are texts, `values` what stands under each key of the kind.

    Keys that begin with "x-" are left out. `places` has line and column of values by their paths, such as
    "machines.dev.memory".
    """

    def __init__(
        self,
        kind: str,
        values: Mapping[str, Any],
        *,
        source: str = "",
        places: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.kind = kind
        self.values = dict(values)
        self.name = str(values["name"])
        self.source = source
        self.places = dict(places or {})

    def __repr__(self) -> str:
        return f"<Document {self.kind} {self.name}>"

    def problem(self, path: str, message: str) -> Problem:
        """Return a problem at the place of a path; of what stands above it, if it has none itself."""
        at = path
        while at and at not in self.places:
            at = at.rpartition(".")[0]
        line, column = self.places.get(at, (1, 1))
        return Problem(line, column, path, message)


def read(
    text: str | bytes,
    *,
    kinds: Sequence[Kind],
    variables: Mapping[str, str] | None,
    source: str = "",
    directory: str = "",
) -> Document:
    """Read a document of one of these kinds.

    `variables` are for `${NAME}` in values; None if there are none. `source` names the file in messages,
    `directory` is where relative paths of options are meant from, "" to leave them. Raises DeclarationError,
    with all problems.
    """
    if isinstance(text, bytes):
        text = _decoded(text, source)
    node, problems = strict_yaml.parse(text)
    if node is None:
        raise DeclarationError(problems, source)
    reading = Reading(variables, directory)
    values: Any = ABSENT
    kind = _kind(reading, node, kinds)
    if kind is not None:
        values = kind.shape().read(reading, node, "")
    problems += reading.problems
    if problems or kind is None or values is ABSENT:
        raise DeclarationError(problems, source)
    own = {key: value for key, value in values.items() if key not in ("apiVersion", "kind")}
    return Document(kind.name, own, source=source, places=reading.places)


def read_file(path: str, *, kinds: Sequence[Kind], variables: Mapping[str, str] | None) -> Document:
    """Read a document from a file; its paths are meant from where it is. Raises InputError."""
    try:
        content = files.read(path, largest=LARGEST_BYTES)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    directory = os.path.dirname(os.path.abspath(path))
    return read(content, kinds=kinds, variables=variables, source=path, directory=directory)


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise DeclarationError([Problem(line, column, "", "This is not text in UTF-8.")], source) from error


def _kind(reading: Reading, node: Node, kinds: Sequence[Kind]) -> Kind | None:
    """Return the kind that a document is of; None if there is no telling, which is noted."""
    if node.kind != MAPPING:
        found = "empty" if node.is_null else "not a mapping of keys to values"
        reading.problem(node, "", f"The file is {found}. It begins with: apiVersion: {API_VERSION}")
        return None
    version = node.get("apiVersion")
    if version is not None and version.text != API_VERSION:
        said = f"= {version.text!r} is not known to this dinv. It reads {API_VERSION}"
        reading.problem(version, "apiVersion", said)
        return None
    named = node.get("kind")
    known = [kind.name for kind in kinds]
    if named is None or named.is_null:
        implied = next((kind for kind in kinds if kind.implied), None)
        if implied is None:
            reading.problem(node, "", f'has no "kind". There is: {", ".join(known)}')
        return implied
    for kind in kinds:
        if kind.name == named.text:
            return kind
    said = f"= {named.text!r} is not a kind that can be used here. There is: {', '.join(known)}. "
    reading.problem(named, "kind", (said + did_you_mean(named.text, known)).rstrip(" "))
    return None
