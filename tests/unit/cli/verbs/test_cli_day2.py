"""The verbs of day 2 on the command line, without an endpoint."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from fake_driver import install

from dinv.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    """A machine, dev, of the fake driver."""
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    assert main(["create", "dev", "-q"]) == 0
    capsys.readouterr()
    return world


class Bytes:
    """A standard stream that keeps or has bytes."""

    def __init__(self, content: bytes = b"", *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.isatty = lambda: terminal
        self.flush = lambda: None


def test_upgrade_says_what_it_did(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade", "dev"]) == 0
    assert 'Machine "dev" has this image already.' in capsys.readouterr().out
    world.newer = True
    assert main(["upgrade", "dev"]) == 0
    assert 'Machine "dev" was upgraded.' in capsys.readouterr().out
    assert main(["upgrade", "-q", "--force", "dev"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "answer", "clients"),
    [
        (["-f"], "", False),
        (["--force", "--client-certs"], "", True),
        ([], "y\n", False),
        (["-client-certs"], "Yes\n", True),
        ([], "no\n", None),
        ([], "\n", None),
    ],
)
@pytest.mark.usefixtures("world")
def test_regenerate_certs_asks_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, *, words: list[str], answer: str, clients: bool | None
) -> None:
    seen: list[bool] = []

    def renew(*_: object, clients: bool, **__: object) -> None:
        seen.append(clients)

    monkeypatch.setattr("dinv.lifecycle.renew.renew", renew)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert main(["regenerate-certs", *words, "dev"]) == 0
    assert seen == ([] if clients is None else [clients])


@pytest.mark.usefixtures("world")
def test_regenerate_certs_without_anybody_to_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["regenerate-certs", "dev"]) == 1
    assert "nothing was done. To do it without being asked: --force" in capsys.readouterr().err


def test_provision_starts_a_stopped_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "dev"]) == 0
    assert main(["provision", "dev"]) == 0
    assert 'Machine "dev" was provisioned.' in capsys.readouterr().out
    assert world.states["dev"] == "Running"


@pytest.mark.usefixtures("world")
def test_out_by_export_and_in_by_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Bytes()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert main(["export", "dev"]) == 0
    assert "private keys" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Bytes(out.buffer.getvalue()))
        monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "other"))
        assert main(["import", "--name", "prod", "-q", "-"]) == 0
    assert capsys.readouterr().out == "prod\n"
    assert main(["url", "prod"]) == 0


@pytest.mark.usefixtures("world")
def test_no_keys_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = Bytes(terminal=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert main(["export", "dev"]) == 1
    assert out.buffer.getvalue() == b""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Bytes(terminal=True))
        assert main(["import", "-"]) == 1
    assert "terminal" in capsys.readouterr().err


@pytest.mark.usefixtures("world")
def test_several_at_once_and_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def upgrade(*words: object, **_: object) -> bool:
        if "dev" in words:
            raise OSError("no such thing")
        return True

    monkeypatch.setattr("dinv.lifecycle.upgrade.upgrade", upgrade)
    assert main(["create", "other"]) == 0
    assert main(["upgrade", "dev", "other"]) == 1
    said = capsys.readouterr()
    assert 'Machine "other" was upgraded.' in said.out
    assert "no such thing" in said.err
