"""The help of one verb: usage, arguments, options, examples; the rare options only where all is asked for."""

from __future__ import annotations

import argparse

from dinv.cli import help_examples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    Arguments = Sequence[tuple[argparse.Action, str]]

_TITLES = {"positional arguments": "Arguments", "options": "Options"}


def help_text(
    parser: argparse.ArgumentParser,
    *,
    verb: str,
    arguments: Arguments,
    rare: Collection[str],
    width: int,
) -> str:
    """The help of a verb, `width` columns wide.

    `arguments` are those that are not flags, with how many there may be; `rare` the flags to leave out.
    """
    formatter = _ShortFormatter(parser.prog, max_help_position=32, width=width)
    formatter.short = bool(rare)
    formatter.add_usage(parser.usage or _usage(parser.prog, arguments), (), (), prefix="Usage: ")
    formatter.add_text(parser.description)
    for group in parser._action_groups:  # noqa: SLF001  (argparse has no other way to list them)
        formatter.start_section(_TITLES.get(group.title or "", group.title))
        formatter.add_arguments(
            action
            for action in group._group_actions  # noqa: SLF001
            if (action.help or action.option_strings) and not set(rare).intersection(action.option_strings)
        )
        formatter.end_section()
    said = formatter.format_help()
    shown = help_examples.shown(verb, parser.prog.removesuffix(f" {verb}"))
    if shown:
        said += f"\nExamples:\n{shown}"
    if rare:
        said += f"\n{len(rare)} rarer options, and variables for all: {parser.prog} --help-all\n"
    return said


def _usage(program: str, arguments: Arguments) -> str:
    """`dinv create [OPTIONS] NAME`: the flags are listed below it."""
    words = [program, "[OPTIONS]"]
    for action, nargs in arguments:
        name = _name(action)
        words.append({"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(nargs, name))
    return " ".join(words).replace("%", "%%")


def _name(action: argparse.Action) -> str:
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


class _ShortFormatter(argparse.HelpFormatter):
    """argparse's; where it is `short` it leaves out which variable stands for a flag: `($DINV_CPUS)`."""

    short = False

    def _expand_help(self, action: argparse.Action) -> str:
        said = super()._expand_help(action)
        before, found, _ = said.rpartition(" ($")
        return before if self.short and found else said
