"""`share`, `access` and the import of a share, on the command line."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from fake_driver import install
from shared_machine import FrontProvisioner, shared_machine

from dinv import provisioners
from dinv.cli import main
from dinv.cli.completion.values import values
from dinv.machines import Machines
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

Captured = pytest.CaptureFixture[str]


class Bytes:
    """A standard output that keeps bytes."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO()
        self.isatty = lambda: terminal
        self.flush = lambda: None


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A machine, dev, of bob's."""
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("LOGNAME", "bob")
    monkeypatch.chdir(tmp_path)
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", "shared_machine:FrontProvisioner")
    monkeypatch.setattr(FrontProvisioner, "daemon", None)
    monkeypatch.setattr(FrontProvisioner, "front", True)
    shared_machine(world, Store(str(tmp_path / "store")))
    return world


def test_from_a_share_to_its_end(tmp_path: Path, capsys: Captured) -> None:
    assert main(["share", "dev", "--for", "alice", "--ttl", "8h", "-o", "alice.dinv"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "alice has access to dev until 20" in said.err
    assert "as you would a password" in said.err
    assert stat.S_IMODE(os.stat("alice.dinv").st_mode) == 0o600
    assert main(["-s", "alices", "import", "alice.dinv"]) == 0
    assert 'Machine "dev" was imported.' in capsys.readouterr().out
    assert main(["-s", "alices", "url", "dev"]) == 0
    assert capsys.readouterr().out == "tcp://192.0.2.7:2376\n"
    assert main(["-s", "alices", "share", "dev", "--for", "carol", "-o", "carol.dinv"]) == 1
    assert "shared with you by bob@" in capsys.readouterr().err
    assert main(["access", "revoke", "dev", "alice"]) == 0
    assert "revoked" in capsys.readouterr().out
    assert main(["access", "revoke", "dev", "alice"]) == 1
    assert "nothing to revoke" in capsys.readouterr().err


def test_a_share_on_standard_output(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    out = Bytes()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["share", "dev", "--for", "alice", "-q"]) == 0
    assert out.buffer.getvalue().startswith(b"meta.json\0")
    assert capsys.readouterr().err == ""


def test_not_to_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stdout", Bytes(terminal=True))
    assert main(["share", "dev", "--for", "alice"]) == 1
    assert "not for a terminal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["share", "dev", "-o", "x"], "Who is it for?"),
        (["share", "dev", "--for", "a b", "-o", "x"], "cannot be the name of somebody"),
        (["share", "dev", "--for", "a", "--ttl", "8", "-o", "x"], '--ttl "8" is not a duration'),
        (["share", "dev", "--for", "a", "--csr", "none.csr", "-o", "x"], "none.csr: No such file"),
        (["share", "dev", "--for", "a", "-o", "none/x"], "none/x: No such file"),
        (["access", "revoke", "dev"], "Whose access?"),
        (["access", "ls", "dev", "alice"], "nobody's name"),
        (["access", "log", "dev", "--serial", "12"], "nobody's name"),
        (["access", "revoke", "dev", "carol"], "given to nobody"),
        (["access", "ls", "nobody"], 'Docker machine "nobody" does not exist'),
        (["import", "--key", "none.key", "none"], "none.key cannot be read"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: Captured) -> None:
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_what_could_not_be_written_nobody_has(capsys: Captured) -> None:
    assert main(["share", "dev", "--for", "alice", "-o", "none/x"]) == 1
    assert main(["access", "ls", "--format", "{{.Holder}} {{.State}}", "dev"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "alice ended"


def test_the_tables(capsys: Captured) -> None:
    assert main(["share", "dev", "--for", "alice", "-o", "alice.dinv", "-q"]) == 0
    assert main(["access", "ls", "dev"]) == 0
    head, owner, machine, alice = capsys.readouterr().out.splitlines()
    assert head.split() == ["HOLDER", "SERIAL", "STATE", "UNTIL", "GIVEN", "BY"]
    assert [line.split()[0] for line in (owner, machine, alice)] == ["(owner)", "(machine)", "alice"]
    assert alice.split()[2] == "valid"
    assert main(["access", "log", "dev"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "EVENT", "HOLDER", "SERIAL", "UNTIL", "BY"]
    assert [line.split()[2] for line in lines] == ["issued"] * 3
    assert f"bob@{os.uname().nodename}" in lines[-1]


def test_formats(capsys: Captured) -> None:
    assert main(["share", "dev", "--for", "alice", "-o", "alice.dinv", "-q"]) == 0
    assert main(["access", "ls", "--format", "{{.Holder}} {{.State}} {{.Current}}", "dev"]) == 0
    assert capsys.readouterr().out.splitlines() == [" valid true", " valid true", "alice valid false"]
    assert main(["access", "log", "--format", "json", "dev"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["Role"] for record in records] == ["server", "client", "client"]
    assert (records[-1]["Holder"], records[-1]["Name"]) == ("alice", "dev")
    assert main(["access", "ls", "-q", "dev"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == records[-1]["Serial"]
    assert main(["access", "revoke", "--format", "json", "dev", "alice"]) == 0
    (revoked,) = json.loads(capsys.readouterr().out)
    assert (revoked["Holder"], revoked["Serial"]) == ("alice", records[-1]["Serial"])


def test_holders_are_completed(tmp_path: Path) -> None:
    for who in ("alice", "bob"):
        assert main(["share", "dev", "--for", who, "-o", "x", "-q"]) == 0
    assert main(["-s", "alices", "import", "x", "-q"]) == 0
    assert values("holders", Machines(str(tmp_path / "store"))) == ["alice", "bob"]
    assert values("holders", Machines(str(tmp_path / "alices"))) == []
