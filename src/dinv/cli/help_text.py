"""The help of one verb: usage, arguments, options, examples; the rare options only where all is asked for."""

from __future__ import annotations

import textwrap

from dinv.cli import help_examples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dinv.cli.arguments import Argument, Grammar

_TITLES = {"options": "Options"}
_INDENT = 2
_WIDEST_FLAG = 30
"""Columns for flags: what is wider has its text in the next line."""
_NARROWEST_TEXT = 11
_MANY = {"?": "[{}]", "*": "[{} ...]", "+": "{0} [{0} ...]", "": "{}"}


def help_text(grammar: Grammar, *, rare: Collection[str], width: int) -> str:
    """The help of a verb, `width` columns wide; `rare` are the flags to leave out."""
    sections = [("Arguments", [argument for argument in grammar.positionals() if argument.help])]
    sections += [
        (_TITLES.get(group.title, group.title), [argument for argument in group.arguments if argument.flags])
        for group in grammar.groups
    ]
    rows = [
        (
            title,
            [(_left(argument), _right(argument, short=bool(rare))) for argument in _shown(arguments, rare)],
        )
        for title, arguments in sections
    ]
    column = min(
        max((len(left) for _, lines in rows for left, _ in lines), default=0) + 2 * _INDENT,
        _WIDEST_FLAG + _INDENT,
    )
    parts = [f"Usage: {grammar.usage or _usage(grammar)}"]
    parts += [textwrap.fill(grammar.description, max(width, _NARROWEST_TEXT))] if grammar.description else []
    parts += [f"{title}:\n" + "\n".join(_laid_out(lines, column, width)) for title, lines in rows if lines]
    examples = help_examples.shown(grammar.verb, grammar.program)
    parts += [f"Examples:\n{examples.rstrip()}"] if examples else []
    if rare:
        parts.append(f"{len(rare)} rarer options, and variables for all: {grammar.prog} --help-all")
    return "\n\n".join(parts) + "\n"


def _shown(arguments: Iterable[Argument], rare: Collection[str]) -> list[Argument]:
    return [
        argument
        for argument in arguments
        if not argument.hidden and not set(rare).intersection(argument.flags)
    ]


def _usage(grammar: Grammar) -> str:
    """`dinv create [OPTIONS] NAME`: the flags are listed below it."""
    shown = [argument for argument in grammar.positionals() if not argument.hidden]
    words = [_MANY[argument.nargs].format(argument.value_name) for argument in shown]
    return " ".join([grammar.prog, "[OPTIONS]", *words])


def _left(argument: Argument) -> str:
    """`-d, --driver NAME`."""
    value = f" {argument.value_name}" if argument.flags and argument.takes_value else ""
    return (", ".join(argument.flags) or argument.value_name) + value


def _right(argument: Argument, *, short: bool) -> str:
    """Its text; a `short` one does not say which variable stands for it: `($DINV_CPUS)`."""
    before, found, _ = argument.help.rpartition(" ($")
    return before if short and found else argument.help


def _laid_out(rows: Iterable[tuple[str, str]], column: int, width: int) -> list[str]:
    lines = []
    for left, right in rows:
        texts = textwrap.wrap(right, max(width - column, _NARROWEST_TEXT)) or [""]
        first = f"{'':{_INDENT}}{left}"
        if len(first) + _INDENT > column:
            lines.append(first)
        else:
            lines.append(f"{first:<{column}}{texts.pop(0)}".rstrip())
        lines += [f"{'':{column}}{text}" for text in texts if text]
    return lines
