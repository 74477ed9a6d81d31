"""Other names to call dinv by: what dinv did not make is never replaced."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from dinv.cli import main
from dinv.errors import InputError, LinkError
from dinv.shells.link import executable, link

if TYPE_CHECKING:
    from pathlib import Path

NAME = "docker-machine"


@pytest.fixture
def dinv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable dinv, in PATH, as which this process was called."""
    program = tmp_path / "bin" / "dinv"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", ["dinv"])
    return program


def test_beside_dinv_unless_said_otherwise(dinv: Path, tmp_path: Path) -> None:
    path, notes = link(NAME)
    assert (path, notes) == (str(dinv.parent / NAME), [])
    assert os.readlink(path) == str(dinv)
    other = tmp_path / "other"
    other.mkdir()
    path, notes = link(NAME, str(other))
    assert os.readlink(other / NAME) == str(dinv)
    assert notes == []  # the one in PATH leads to dinv as well
    assert os.listdir(other) == [NAME]


def test_another_program_before_it_in_path_is_noted(dinv: Path, tmp_path: Path) -> None:
    (dinv.parent / NAME).write_text("#!/bin/sh\n")
    (dinv.parent / NAME).chmod(0o755)
    _, notes = link(NAME, str(tmp_path))
    assert notes == [f"{dinv.parent / NAME} comes before it in PATH."]


def test_it_can_be_made_again(dinv: Path) -> None:
    os.symlink("/elsewhere/bin/dinv", dinv.parent / NAME)
    for _ in range(2):
        path, _ = link(NAME)
        assert os.readlink(path) == str(dinv)


def test_a_directory_outside_of_path_is_noted(dinv: Path, tmp_path: Path) -> None:
    _, notes = link(NAME, str(tmp_path))
    assert notes == [f"{tmp_path} is not in PATH: put it there, to call {NAME} by its name."]


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_what_is_not_ours_stays(dinv: Path, kind: str) -> None:
    there = dinv.parent / NAME
    if kind == "file":
        there.write_text("docker-machine itself")
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to("/bin/sh" if kind == "link" else "/nowhere")
    before = os.lstat(there)
    with pytest.raises(LinkError, match="is there already"):
        link(NAME)
    assert os.lstat(there) == before
    assert sorted(os.listdir(dinv.parent)) == ["dinv", NAME]


@pytest.mark.parametrize("name", ["", ".", "..", "dinv", "a/b", "-x"])
def test_names_that_cannot_be(dinv: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be another name"):
        link(name)
    assert os.listdir(dinv.parent) == ["dinv"]


def test_a_directory_that_cannot_be_written(dinv: Path, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be made: No such file"):
        link(NAME, str(tmp_path / "nosuch"))
    with pytest.raises(LinkError, match="cannot be made: Not a directory"):
        link(NAME, str(dinv))


def test_called_by_the_other_name_it_links_to_dinv_itself(
    dinv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = link(NAME)
    monkeypatch.setattr(sys, "argv", [path])
    assert executable() == str(dinv)
    link("machine", str(tmp_path))
    assert os.readlink(tmp_path / "machine") == str(dinv)


def test_called_as_a_module_it_is_the_one_beside_python(
    dinv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "dinv" / "__main__.py")])
    monkeypatch.setattr(sys, "executable", str(dinv.parent / "python3"))
    assert executable() == str(dinv)
    dinv.unlink()
    with pytest.raises(LinkError, match="not to be found"):
        executable()


def test_links_that_go_round_in_circles(dinv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(dinv)
    monkeypatch.setattr("shutil.which", lambda _: str(one))
    one.unlink()
    one.symlink_to(two)
    two.symlink_to(one)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    with pytest.raises(LinkError, match="not to be found"):
        executable()


def test_on_the_command_line(dinv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", NAME]) == 0
    assert capsys.readouterr().out == f"{dinv.parent / NAME}\n"
    assert main(["link", "dinv"]) == 1
    assert "cannot be another name" in capsys.readouterr().err
