"""`--format` of every verb that prints: json, a table, or a Go template."""

from __future__ import annotations

from dinv.cli.arguments import FORMAT_HELP
from dinv.cli.voice import put
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

FORMATS = ("json", "table")
"""The formats with a name."""


class Format:
    r"""One `--format` option. Raises InputError if it is invalid, TemplateError.

    `columns`: keys of the table; by default all of a record. `escapes`: whether `\t` and `\n` in a template's
    text are a tab and a newline.
    """

    def __init__(self, text: str, columns: Sequence[str] = (), *, escapes: bool = True) -> None:
        self._text = text
        self._columns = columns
        if text in FORMATS:
            return
        check(text)
        from dinv.formats.row_format import RowFormat

        self._rows = RowFormat(text, escapes=escapes)

    def show(self, record: Mapping[str, Any]) -> None:
        """Print a single record. Raises TemplateError."""
        self._show([record], record)

    def show_all(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Print any number of records: a list, as JSON. Raises TemplateError."""
        found = list(records)
        self._show(found, found)

    def _show(self, records: Sequence[Mapping[str, Any]], document: object) -> None:
        if self._text == "json":
            import json

            put(json.dumps(document, indent=4))
        elif self._text == "table":
            from dinv.cli.show.fitting import show
            from dinv.formats.row_format import heading

            columns = self._columns or list(records[0] if records else ())
            rows = [[_cell(record.get(column)) for column in columns] for record in records]
            show([heading(column) for column in columns], rows)
        else:
            put(self._rows.render(records), keep=self._text, end="")


def check(text: str) -> None:
    """Raise InputError for a format that is neither a known name nor a template."""
    if text in FORMATS or "{{" in text:
        return
    from dinv.suggestions import did_you_mean

    meant = did_you_mean(text, FORMATS)
    raise InputError(f'There is no --format "{text}": it is {FORMAT_HELP}.' + (f"\n{meant}" if meant else ""))


def _cell(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        import json

        return json.dumps(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
