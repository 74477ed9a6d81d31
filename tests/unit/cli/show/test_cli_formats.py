"""`ls` and `inspect` with `--format` and `--filter`, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver
from fake_program import Program

if TYPE_CHECKING:
    from fake_driver import World

    from dinv.states import Status


@pytest.fixture
def dinv(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    """With the machines `dev`, which runs, `idle`, which does not, and one that cannot be read."""
    program = Program(capsys)
    for name in ("dev", "idle"):
        assert program("create", name, "-q", "--engine-label", f"for={name}") == 0
    assert program("stop", "idle") == 0
    os.makedirs(os.path.join(os.environ["MACHINE_STORAGE_PATH"], "machines", "spoilt"))
    world.steps.clear()
    return program


def test_ls_by_a_template(dinv: Program) -> None:
    assert dinv("ls", "--filter", "state=Running", "--format", r"{{.Name}}\t{{.URL}}") == 0
    assert dinv.out == "dev\ttcp://127.0.0.1:1000\n"
    assert dinv("ls", "-f", r"table {{.Name}}\t{{.State}}", "--filter", "driver=fake") == 0
    assert dinv.out.splitlines() == ["NAME   STATE", "dev    Running", "idle   Stopped"]
    assert dinv("ls", "-f", "") == 0
    assert dinv.out.startswith("NAME ")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The machines whose endpoints have been asked for their states."""
    found: list[str] = []
    state = FakeDriver.state

    def noted(driver: FakeDriver, *, timeout: float) -> Status:
        found.append(driver.config.name)
        return state(driver, timeout=timeout)

    monkeypatch.setattr(FakeDriver, "state", noted)
    return found


@pytest.mark.parametrize(
    ("filters", "names", "asks"),
    [
        (["name=d"], ["dev", "idle"], []),
        (["name=d", "label=for=idle"], ["idle"], []),
        (["state=stopped"], ["idle"], ["dev", "idle"]),
        (["state=stopped", "name=idle"], ["idle"], ["idle"]),
        (["state=error"], [], ["dev", "idle"]),
        (["driver=none"], [], []),
    ],
)
def test_names_by_filters(
    dinv: Program, asked: list[str], filters: list[str], names: list[str], asks: list[str]
) -> None:
    words = [word for value in filters for word in ("--filter", value)]
    assert dinv("ls", "-q", *words) == 0
    assert dinv.out.split() == names
    assert sorted(asked) == asks


def test_the_table_asks_only_for_what_is_listed(dinv: Program, asked: list[str]) -> None:
    assert dinv("ls", "--filter", "label=for=dev") == 0
    assert [line.split()[0] for line in dinv.out.splitlines()] == ["NAME", "dev"]
    assert asked == ["dev"]


def test_machines_that_cannot_be_read_are_filtered_too(dinv: Program) -> None:
    for filters, there in ((["name=spoilt"], True), (["state=Error"], True), (["name=dev"], False)):
        words = [word for value in filters for word in ("--filter", value)]
        assert dinv("ls", "--format", "{{.Name}}", *words) == 0
        assert ("spoilt" in dinv.out) is there


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ls", "-f", "{{.Name"], "template parsing error: template: :1: unclosed action\nIt is at column 1"),
        (["ls", "-f", "{{.Nope}}"], "can't evaluate field Nope"),
        (["ls", "--filter", "x"], "Unsupported filter syntax"),
        (["ls", "--filter", "x=y"], "Unsupported filter key 'x'"),
        (["ls", "--filter", "name=["], "regular expression"),
        (["inspect", "-f", "{{.Driver.IPAddress.x}}", "dev"], 'template: :1:9: executing "" at <.Driver.'),
        (["inspect", "-f", "{{end}}", "nosuch"], "unexpected {{end}}"),
    ],
)
def test_mistakes(dinv: Program, words: list[str], said: str) -> None:
    assert dinv(*words) == 1
    assert said in dinv.err
    assert dinv.out == ""
    assert "Traceback" not in dinv.err


def test_inspect_by_a_template(dinv: Program) -> None:
    assert dinv("inspect", "-f", "{{.Driver.IPAddress}} {{.Nope}}", "dev") == 0
    assert dinv.out == "127.0.0.1 <no value>\n"
    assert dinv("inspect", "dev", "--format={{.HostOptions.EngineOptions.Labels}}") == 0
    assert dinv.out == "[for=dev]\n"
    assert dinv("inspect", "-f", "{{prettyjson .HostOptions.EngineOptions.Labels}}", "dev") == 0
    assert json.loads(dinv.out) == ["for=dev"]


def test_without_a_format_nothing_of_it_is_imported(dinv: Program) -> None:
    code = (
        "import sys\nfrom dinv.cli import main\n"
        "main(['ls', '-q']); main(['ls']); main(['inspect', 'nosuch'])\n"
        "names = ('dinv.formats.template', 'dinv.listing.filters', 'dinv.formats.row_format')\n"
        "sys.exit(any(name in sys.modules for name in names))"
    )
    assert dinv("ls") == 0
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
