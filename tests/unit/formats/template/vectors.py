"""The file of vectors, vectors.jsonl: templates, and what Go has made of each.

Its first line is {"go": the version of Go}. The others are {"data": a name of vector_data.DATA, "template": a
template, "kind": "ok" or "error", "text": what was rendered, or Go's message}. Run as a program, with `go` in
PATH, this writes the file (scripts/template-vectors).
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import vector_syntax as syntax
import vector_templates as templates
from go_oracle import oracle, why_not
from vector_data import DATA, ODD, ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.jsonl")

SEED = 20
GO = (1, 23)
"""The first Go with `{{else with}}`, which is in the templates."""
LONGEST = 600
"""Characters of a text; what is longer says nothing new, and the file is read by people too."""


def expand(name: str, template: str) -> str:
    r"""The template as Go is given it: docker-machine's `ls` takes `\t` and `\n` for a tab and a newline."""
    return template.replace(r"\t", "\t").replace(r"\n", "\n") if name == ROW else template


def cases() -> Iterator[tuple[str, str]]:
    """The name of the data, and a template."""
    chance = random.Random(SEED)  # noqa: S311  (the same ones in each run are what is wanted)
    for name in (ROW, "inspect"):
        for template in templates.written(chance, name, 350):
            yield name, template
        for template in templates.damaged(chance, name, 150):
            yield name, template
    names = sorted(ODD)
    for template in (
        *templates.printed(chance, ODD, 560),
        *templates.numbered(chance, ["whole", "text", "nothing", "mixed", "half"], 120),
        *templates.called(names),
    ):
        yield "odd", template
    for template in (*syntax.literal(), *syntax.SYNTAX):
        yield "letters", template


def read() -> list[dict[str, str]]:
    """The vectors of the file."""
    with open(FILE, encoding="utf-8") as file:
        return [json.loads(line) for line in file][1:]


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True) + "\n"


def write() -> None:
    """Render all cases with Go, and replace the file."""
    if reason := why_not(GO):
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as directory, oracle(directory) as go:
        lines = [_line({"go": go.version})]
        for name, template in dict.fromkeys(cases()):
            kind, text = go(expand(name, template), DATA[name], struct=name == ROW)
            if len(text) <= LONGEST:
                lines.append(_line({"data": name, "template": template, "kind": kind, "text": text}))
    with open(FILE, "w", encoding="utf-8") as file:
        file.writelines(lines)


if __name__ == "__main__":
    write()
