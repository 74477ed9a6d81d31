"""The unit that starts dinv's own engine at boot, with a systemctl that notes what it is asked."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv import cli
from dinv.endpoints.local import engine as local_engine
from dinv.endpoints.local import systemd
from dinv.endpoints.local.engine import LocalEngine
from dinv.errors import LocalEngineError
from dinv.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.store.store import Store


class Told(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def line(self, label: str, text: str, state: str = "") -> None:
        self.said.append(f"{label} {text} {state}".strip())

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One that systemd runs, with a dockerd, for a user who is root; the file is systemctl's log."""
    log = tmp_path / "systemctl.log"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (
        ("dockerd", "exit 1"),
        (
            "systemctl",
            f'echo "$*" >>{shlex.quote(str(log))}; [ ! -e {tmp_path}/fails ] || {{ echo no >&2; exit 1; }}',
        ),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for directory in ("run", "units"):
        (tmp_path / directory).mkdir()
    monkeypatch.setattr(systemd, "RUNS", str(tmp_path / "run"))
    monkeypatch.setattr(systemd, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return log


def test_enabled_and_disabled(computer: Path, store: Store) -> None:
    engine, told = LocalEngine(store), Told()
    assert engine.status().at_boot is False
    engine.enable(told)
    assert engine.status().at_boot is True
    (unit,) = (computer.parent / "units").iterdir()
    start = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    assert shlex.split(start.removeprefix("ExecStart=")) == [
        *(sys.executable, "-m", "dinv", "-s", store.path, "engine", "start", "--quiet")
    ]
    assert unit.stat().st_mode & 0o777 == 0o644
    assert "After=network-online.target docker.service" in unit.read_text().splitlines()
    assert computer.read_text().splitlines() == ["--quiet daemon-reload", f"--quiet enable {unit.name}"]
    assert told.said == [
        f"Engine started at boot from now on {unit.name}",
        "It is not running now. Start it: dinv engine start",
    ]
    engine.disable(told)
    assert not unit.exists()
    assert computer.read_text().splitlines()[2:] == [f"--quiet disable {unit.name}", "--quiet daemon-reload"]
    engine.disable(told)
    assert told.said[2:] == ["Engine not started at boot any more", "Engine was not started at boot"]


def test_a_dinv_that_is_found_by_pythonpath_is_found_at_boot(
    computer: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/work/src:/work/si te")
    text = systemd.BootUnit("dinv-1", store.path).text()
    assert '\nEnvironment="PYTHONPATH=/work/src:/work/si te"\n' in text
    monkeypatch.setenv("PYTHONPATH", "")
    assert "Environment" not in systemd.BootUnit("dinv-1", store.path).text()


def test_what_systemd_refuses_leaves_no_unit(computer: Path, store: Store) -> None:
    (computer.parent / "fails").touch()
    with pytest.raises(LocalEngineError, match="systemctl daemon-reload failed: no"):
        LocalEngine(store).enable(Progress())
    assert not list((computer.parent / "units").iterdir())


def test_without_systemd(computer: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "RUNS", "/nowhere")
    with pytest.raises(LocalEngineError, match=f"dinv -s {store.path} engine start"):
        LocalEngine(store).enable(Progress())
    assert LocalEngine(store).status().at_boot is None


def test_for_root_only(
    computer: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(local_engine, "search_path", lambda: os.environ["PATH"])
    assert cli.main(["-s", store.path, "engine", "enable"]) == 1
    assert f"sudo dinv -s {store.path} engine enable" in capsys.readouterr().err


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r")))
def test_any_path_is_one_word_of_the_unit(path: str) -> None:
    text = systemd.BootUnit("dinv-1", f"/{path}").text()
    start = next(line for line in text.split("\n") if line.startswith("ExecStart="))
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', start.removeprefix("ExecStart="))
    escapes = {"t": "\t"}
    word = re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), quoted[4])
    assert word.replace("%%", "%").replace("$$", "$") == f"/{path}"


def test_the_values_of_variables_are_in_no_command_line() -> None:
    words = systemd.apart("dinv-1", "/log", ["HTTPS_PROXY", "PATH"])
    assert words[0] == "systemd-run"
    assert words[-3:] == ["--setenv=HTTPS_PROXY", "--setenv=PATH", "--"]
