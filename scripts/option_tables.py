#!/usr/bin/env python3
"""Write the tables of docs/create.md from the table of options (`dinv.options`).

    scripts/option_tables.py           writes them
    scripts/option_tables.py --check   writes nothing; exits with 1 where they are not what it would write

A table stands behind `<!-- options: driver docker -->` and an empty line; it is replaced.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from dinv import authorities
from dinv.declaration import PAIRS, SWITCH
from dinv.options import Group, Table

BUILDING_ON = {"swarm": "docker", "datacenter": "swarm", "kubernetes": "docker"}
"""Provisioners that have the options of another, and more."""

if TYPE_CHECKING:
    from dinv.declaration import Option

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "create.md")
_MARK = re.compile(r"(<!-- options: (.+?) -->\n)\n(?:\|.*\n)*")


def main(words: list[str]) -> int:
    """Write the page, or compare it; returns the exit status."""
    if words not in ([], ["--check"]):
        sys.stderr.write("usage: scripts/option_tables.py [--check]\n")
        return 2
    with open(PAGE, encoding="utf-8") as file:
        before = file.read()
    after = page(before)
    if after == before:
        return 0
    if words:
        sys.stderr.write("docs/create.md: not what the options say. Run scripts/option_tables.py\n")
        return 1
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(after)
    return 0


def page(text: str) -> str:
    """The page with the tables that its marks ask for. Raises KeyError for one that there is not."""
    groups = {group.title or "common": group for group in _groups()}
    return _MARK.sub(lambda match: f"{match[1]}\n{table(groups[match[2]])}", text)


def _groups() -> list[Group]:
    """All groups that are built in, and have options."""
    chosen = [Table(driver="none", authority=name).groups[-1] for name in authorities.BUILT_IN]
    return [*Table(driver="none").groups, *Table(driver="docker").groups, *chosen, *_provisioners()]


def _provisioners() -> list[Group]:
    """The provisioners that build on another, each with the options that it adds to those."""

    def of(name: str) -> Group:
        return next(each for each in Table(provisioner=name).groups if each.seam == "provisioner")

    def added(name: str, base: str) -> Group:
        common = {option.key for option in of(base).options}
        return Group("provisioner", name, [option for option in of(name).options if option.key not in common])

    return [added(name, base) for name, base in BUILDING_ON.items()]


def table(group: Group) -> str:
    """The options of a group; a keyword is named where it is not the flag's name."""
    lines = ["| option | variable | |", "|---|---|---|"]
    lines += [_row(option) for option in group.options if not option.hidden]
    return "\n".join([*lines, ""])


def _row(option: Option) -> str:
    flags = [f"`-{option.short}`"] if option.short else []
    value = "" if option.type == SWITCH else f" {option.metavar}"
    named = ", ".join([*flags, f"`{option.flag}{value}`"]) if option.flag else "(no flag: a secret)"
    variable = ", ".join(f"`{name}`" for name in option.envs)
    text = option.text.replace("|", "\\|")
    if option.repeatable:
        text += "; may be repeated" + (", in the variable with commas between" if option.env else "")
    if option.type == PAIRS:
        text += f". As keyword a mapping or a list: `{option.key}={_example(option)}`"
    elif option.off:
        text += f". As keyword: `{option.key}=False`"
    elif option.secret:
        text += f". As keyword: `{option.key}=`"
    return f"| {named} | {variable} | {text} |"


def _example(option: Option) -> str:
    key, _, value = option.metavar.partition("=")
    return f'{{"{key}": "{value}"}}'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
