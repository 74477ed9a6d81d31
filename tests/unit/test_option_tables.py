"""docs/create.md: its tables are what the options say."""

from __future__ import annotations

import os
import subprocess
import sys

from harness import CHECKOUT

from dinv.options import Table


def test_the_tables_are_what_the_script_writes() -> None:
    script = os.path.join(CHECKOUT, "scripts", "option_tables.py")
    environment = {**os.environ, "MACHINE_DRIVER": "none", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, script, "--check"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_built_in_option_is_in_one() -> None:
    with open(os.path.join(CHECKOUT, "docs", "create.md"), encoding="utf-8") as file:
        rows = [line for line in file if line.startswith("| ")]
    for option in {
        option.name: option for driver in ("docker", "none") for option in Table(driver=driver)
    }.values():
        named = [row for row in rows if f"`{option.flag}`" in row or f"`{option.flag} " in row]
        assert len(named) == (0 if option.hidden else 1), option.name
