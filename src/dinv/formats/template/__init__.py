r"""Go's text/template, as docker-machine's and docker's `--format` take it.

    Template("{{.Name}}\t{{.Driver.IPAddress}}").render(document)

Not supported: `define`, `template` and `block` (a format is one template), and the functions `call` and `js`.
docs/formats.md says what a user may write, and where dinv is more lenient than Go on purpose.
"""

from __future__ import annotations

from dinv.formats.template.execution import Execution
from dinv.formats.template.functions import FUNCTIONS
from dinv.formats.template.lexer import Source, tokens
from dinv.formats.template.parser import Parser
from dinv.formats.template.values import Heading, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Heading", "Record", "Template"]


class Template:
    r"""One template, parsed.

    `escapes`: in text and raw strings, `\t` and `\n` are a tab and a newline, as in docker-machine's `ls`,
    though not in Go. `start`: where in `text` the template begins, so that positions in messages count from
    the beginning of what the user wrote. Raises TemplateError.
    """

    def __init__(self, text: str, *, escapes: bool = False, start: int = 0) -> None:
        self._source = Source(text)
        self._nodes = Parser(self._source, tokens(self._source, escapes=escapes, start=start)).parse(
            FUNCTIONS
        )

    def render(self, data: Any) -> str:
        """Return the text for `data`: None, bool, int, float, str, list or dict, nested as well, or Record.

        Raises TemplateError.
        """
        return Execution(self._source, data).run(self._nodes)
