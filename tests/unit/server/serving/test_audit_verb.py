"""`dinv audit`, and what `dinv serve` does and ends."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest
from fake_program import Program

from dinv.server.audit import Audit
from dinv.server.serving.assembling import database_of
from dinv.server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path))
    return Program(capsys)


@pytest.fixture
def state(tmp_path: Path) -> str:
    """The directory of a server that has written three entries."""
    state = str(tmp_path / "server")
    database = database_of(Settings(state))
    database.upgrade()
    log = Audit(database)
    for name in ("a", "b", "c"):
        database.write(lambda connection, name=name: log.write(connection, None, "sign-in", name))  # type: ignore[misc]
    database.close()
    return state


def test_a_log_that_is_whole(program: Program, state: str) -> None:
    assert program("audit", "verify") == 0
    assert program.out == "The audit log is whole: 3 entries.\n"
    assert program("audit", "head") == 0
    head = program.out.strip()
    assert head.startswith("3:")
    assert program("audit", "verify", "--known", head) == 0
    assert program("audit", "csv") == 0
    assert len(program.out.splitlines()) == 4


def test_a_log_that_is_not(program: Program, state: str) -> None:
    with sqlite3.connect(os.path.join(state, "dinv.db")) as raw:
        raw.execute("DELETE FROM audit WHERE seq = 2")
    raw.close()
    assert program("audit", "verify") == 1
    assert program.out == "Entry 2 is missing: after 1 comes 3.\n"
    assert program("serve", "--check") == 1
    assert "wrong  audit log: Entry 2 is missing" in program.out


def test_where_there_is_no_server(program: Program, tmp_path: Path) -> None:
    assert program("audit", "verify") == 1
    assert "There is no server's database" in program.err
    assert not os.path.exists(tmp_path / "server" / "dinv.db")


def test_saved_and_brought_back(program: Program, state: str, tmp_path: Path) -> None:
    file, elsewhere = str(tmp_path / "b.tar"), str(tmp_path / "elsewhere")
    assert program("serve", "--backup", file) == 0
    assert program("serve", "--restore", file) == 1
    assert program("serve", "--state", elsewhere, "--restore", file) == 0
    assert program("audit", "verify", "--state", elsewhere) == 0
    assert program.out.startswith("The audit log is whole")


def test_settings_that_cannot_be(program: Program) -> None:
    assert program("serve", "--listen", "nowhere", "--tls-cert", "/c") == 1
    assert "HOST:PORT" in program.err
