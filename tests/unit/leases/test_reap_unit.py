"""The systemd units and the line of a crontab in docs/leases.md."""

from __future__ import annotations

import configparser
import os
import re
import shlex

from harness import CHECKOUT

from dinv.cli.parser import Parser
from dinv.cli.verbs import reap


def page() -> str:
    with open(os.path.join(CHECKOUT, "docs", "leases.md"), encoding="utf-8") as file:
        return file.read()


def check_command(words: list[str]) -> None:
    assert words[:2] == ["dinv", "reap"]
    parser = Parser("dinv", "reap", "", words[2:])
    reap.arguments(parser)
    parser.parse(words[2:])


def test_the_units_are_of_one_another_and_call_reap() -> None:
    units = {}
    for name, text in re.findall(r"```ini\n# (\S+)\n(.*?)```", page(), re.DOTALL):
        units[name] = configparser.ConfigParser(strict=True, interpolation=None)
        units[name].optionxform = str  # type: ignore[assignment,method-assign]
        units[name].read_string(text)
    assert set(units) == {"dinv-reap.service", "dinv-reap.timer"}
    words = shlex.split(units["dinv-reap.service"]["Service"]["ExecStart"])
    assert words[0] == "/usr/bin/env"
    check_command(words[1:])
    assert units["dinv-reap.timer"]["Timer"]["OnCalendar"] == "*:0/10"
    assert units["dinv-reap.timer"]["Install"]["WantedBy"] == "timers.target"


def test_so_does_the_line_of_a_crontab() -> None:
    (line,) = re.findall(r"^(\*/10 \* \* \* \*.*)$", page(), re.MULTILINE)
    _, path, *words = shlex.split(line.partition("* * * *")[2].join(("x ", "")))
    assert path.startswith("PATH=/")
    check_command(words)
