"""The systemd units and the line of a crontab in docs/certificates.md."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import CHECKOUT

from dinv.cli.parser import Parser
from dinv.cli.verbs import renew

if TYPE_CHECKING:
    from pathlib import Path


def page() -> str:
    with open(os.path.join(CHECKOUT, "docs", "certificates.md"), encoding="utf-8") as file:
        return file.read()


def units() -> dict[str, str]:
    return dict(re.findall(r"```ini\n# (\S+)\n(.*?)```", page(), re.DOTALL))


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def check_command(words: list[str]) -> None:
    assert words[:2] == ["dinv", "renew"]
    parser = Parser("dinv", "renew", "", words[2:])
    renew.arguments(parser)
    assert parser.parse(words[2:]).all


def test_there_are_a_service_and_its_timer() -> None:
    found = units()
    assert set(found) == {"dinv-renew.service", "dinv-renew.timer"}
    service, timer = parsed(found["dinv-renew.service"]), parsed(found["dinv-renew.timer"])
    assert service["Service"]["Type"] == "oneshot"
    program, *words = shlex.split(service["Service"]["ExecStart"])
    assert program == "/usr/bin/env"
    check_command(words)
    assert timer["Timer"]["OnCalendar"]
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert set(timer) == {"DEFAULT", "Unit", "Timer", "Install"}


def test_systemd_takes_them(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    paths = []
    for name, text in units().items():
        (tmp_path / name).write_text(text)
        paths.append(str(tmp_path / name))
    done = subprocess.run(
        [program, "verify", "--man=no", *paths], capture_output=True, text=True, timeout=60, check=False
    )
    assert str(tmp_path) not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_cron_takes_its_line() -> None:
    (line,) = re.findall(r"^(\S+ \S+ \S+ \S+ \S+ +PATH=.*)$", page(), re.MULTILINE)
    *times, command = line.split(None, 5)
    for time, most in zip(times, (59, 23, 31, 12, 7), strict=True):
        assert time == "*" or 0 <= int(time) <= most
    assert "%" not in command, "cron takes that for the end of the line"
    path, *words = shlex.split(command)
    assert path.startswith("PATH=/")
    check_command(words)
