"""docs/create.md: its tables are what the options say."""

from __future__ import annotations

import os

from harness import CHECKOUT
from scripts import check_pages

from dinv.options import Table


def test_the_tables_are_what_the_script_writes() -> None:
    check_pages("option_tables")


def test_every_built_in_option_is_in_one() -> None:
    with open(os.path.join(CHECKOUT, "docs", "create.md"), encoding="utf-8") as file:
        rows = [line for line in file if line.startswith("| ")]
    for option in {
        option.name: option for driver in ("docker", "none") for option in Table(driver=driver)
    }.values():
        named = [row for row in rows if f"`{option.flag}`" in row or f"`{option.flag} " in row]
        assert len(named) == (0 if option.hidden else 1), option.name
