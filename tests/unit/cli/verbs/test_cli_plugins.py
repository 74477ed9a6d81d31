"""`dinv plugins`: a table, names, a record; and the exit status of `--check`."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from entry_points import provide
from fake_program import Program

import dinv
from dinv import provisioners

if TYPE_CHECKING:
    from fake_driver import World


@pytest.fixture
def program(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, provisioners.SEAM, [EntryPoint("odd", "no_such:Odd", provisioners.GROUP)])


def test_what_is_built_in_is_of_this_version(program: Program) -> None:
    assert program("plugins", "--format", "json") == 0
    (found,) = [
        each
        for each in json.loads(program.out)
        if (each["Name"], each["Kind"]) == ("dch-photon", "image contract")
    ]
    assert found == {
        "Name": "dch-photon",
        "Kind": "image contract",
        "From": "built in",
        "Package": "",
        "Version": dinv.__version__,
        "EntryPoint": "dinv.images.dch_photon:DchPhotonContract",
        "Problem": "",
    }


def test_names_only(program: Program) -> None:
    assert program("plugins", "-q") == 0
    names = program.out.splitlines()
    assert names == [plugin.name for plugin in dinv.open().plugins()]
    assert {"docker", "none", "local", "dch-photon"} <= set(names)


@pytest.mark.usefixtures("broken")
def test_a_broken_one_is_a_line_with_its_reason(program: Program) -> None:
    assert program("plugins") == 0
    (line,) = [line for line in program.out.splitlines() if line.startswith("odd ")]
    assert line.endswith("cannot be loaded from no_such:Odd: ModuleNotFoundError: No module named 'no_such'")


@pytest.mark.usefixtures("broken")
def test_check_fails_for_a_broken_one(program: Program) -> None:
    assert program("plugins", "--check", "--format", "{{.Name}}={{.Problem}}") == 1
    assert "odd=cannot be loaded" in program.out
    assert program("plugins", "--check", "-q") == 1


def test_check_passes_where_all_can_be_used(program: Program) -> None:
    assert program("plugins", "--check") == 0
