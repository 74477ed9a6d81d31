"""Templates render as Go has rendered them: vectors.jsonl, which scripts/template-vectors makes."""

from __future__ import annotations

import re

import pytest
from vector_data import DATA, ROW
from vectors import expand, read

from dinv.errors import TemplateError
from dinv.formats.template import Record, Template

VECTORS = read()
_GO_SAYS = re.compile(r'template: :(\d+):(?:(\d+): executing "" at <.*?>:)? (.*)', re.DOTALL)


def difference(vector: dict[str, str]) -> str:
    """What dinv makes of the template that Go does not; nothing if they agree."""
    name, template, kind, text = (vector[key] for key in ("data", "template", "kind", "text"))
    data = Record(sorted(DATA[name].items())) if name == ROW else DATA[name]
    try:
        found = Template(template, escapes=name == ROW).render(data)
    except TemplateError as error:
        return misplaced(error, template, text, name) if kind == "error" else str(error)
    return "" if (kind, text) == ("ok", found) else repr(found)


def misplaced(error: TemplateError, template: str, text: str, name: str) -> str:
    """What is wrong with an error where Go has one as well, which mostly has other words.

    Both come before execution, or in it. An error with the words that Go has is at the same place: Go has no
    columns before execution, and they count from 0 in it. Where Go is given expanded newlines, its lines are
    not those that the user has written; and of a field of what is in parentheses it tells the place of the
    last that was executed inside.
    """
    said = _GO_SAYS.fullmatch(text)
    assert said
    line, column, reason = said.groups()
    if (column is None) != (error.at is None):
        return str(error)
    if expand(name, template) == template and reason == error.reason:
        places = [(int(line), error.line)]
        if column is not None and error.at and not error.at.startswith("("):
            places.append((int(column) + 1, error.column))
        if any(theirs != ours for theirs, ours in places):
            return str(error)
    return ""


@pytest.mark.parametrize("name", DATA)
def test_as_go_has_rendered(name: str) -> None:
    vectors = [vector for vector in VECTORS if vector["data"] == name]
    assert vectors
    wrong = [(vector, found) for vector in vectors if (found := difference(vector))]
    said = [f"{v['template']!r}\n  Go:   {v['text']!r}\n  dinv: {found}" for v, found in wrong]
    assert not said, f"{len(said)} of {len(vectors)} templates differ:\n" + "\n".join(said)


def test_the_file_is_large_enough_to_say_something() -> None:
    kinds = [vector["kind"] for vector in VECTORS]
    assert kinds.count("ok") > 1200
    assert kinds.count("error") > 300
