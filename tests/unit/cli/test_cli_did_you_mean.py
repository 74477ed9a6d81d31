"""What is nearly right: verbs, flags, values and machines are told what was meant, as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dinv.cli import main
from dinv.cli.mistakes import ELSEWHERE
from dinv.cli.verbs import VERBS
from dinv.endpoints import contexts

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.fixture(autouse=True)
def _docker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE_DRIVER", "docker")


@pytest.mark.parametrize(
    ("words", "reason", "meant"),
    [
        (["crate", "dev"], "'crate' is not a dinv command. See 'dinv --help'.", "create"),
        (["help", "lss"], "'lss' is not a dinv command. See 'dinv --help'.", "ls"),
        (["ps"], "'ps' is not a dinv command. See 'dinv --help'.", "ls"),
        (["bogus"], "'bogus' is not a dinv command. See 'dinv --help'.", ""),
        (
            ["create", "--memmory", "2g", "dev"],
            "flag provided but not defined: --memmory. See 'dinv create --help'.",
            "--memory",
        ),
        (
            ["create", "-memmory=2g", "dev"],
            "flag provided but not defined: --memmory. See 'dinv create --help'.",
            "--memory",
        ),
        # The name that is missing is not what is wrong.
        (["rm", "--forse"], "flag provided but not defined: --forse. See 'dinv rm --help'.", "--force"),
        (["ls", "-Z"], "flag provided but not defined: -Z. See 'dinv ls --help'.", ""),
        (
            ["--storge", "/x", "ls"],
            "flag provided but not defined: --storge. See 'dinv --help'.",
            "--storage-path",
        ),
        (["--storage-path"], "flag needs an argument: --storage-path. See 'dinv --help'.", ""),
        (["ls", "--format"], "flag needs an argument: --format. See 'dinv ls --help'.", ""),
        (
            ["image", "buld"],
            "\"buld\" is not one of init, build, check, push, export, ls. See 'dinv image --help'.",
            "build",
        ),
        (
            ["rm", "--force=yess", "x"],
            "invalid boolean value \"yess\" for --force: parse error. See 'dinv rm --help'.",
            "",
        ),
    ],
)
def test_what_was_meant(
    words: list[str], reason: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, *words)
    assert lines[0] == f"dinv: {reason}"
    assert lines[1:] == ([f'Did you mean "{meant}"?'] if meant else [])


def test_a_driver_that_is_misspelt(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = said(capsys, "create", "-d", "dokcer", "dev")
    assert 'Did you mean "docker"? Known are: ' in line


@pytest.mark.parametrize("words", [["url"], ["rm", "-y"], ["ssh"], ["inspect"], ["env", "--shell", "sh"]])
def test_a_machine_that_is_misspelt(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "-d", "fake", "-q", "staging"]) == 0
    capsys.readouterr()
    lines = said(capsys, *words, "stagign")
    assert 'Docker machine "stagign" does not exist.' in lines[0]
    assert lines[1] == 'Did you mean "staging"?'
    assert len(said(capsys, *words, "prod")) == 1


def test_docker_machines_line_comes_first_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert said(capsys, "crate") == [
        "docker-machine: 'crate' is not a docker-machine command. See 'docker-machine --help'.",
        'Did you mean "create"?',
    ]
    assert main(["create", "--memmory", "2g", "dev"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("Incorrect Usage.")
    assert err.splitlines() == ["flag provided but not defined: -memmory", 'Did you mean "-memory"?']


def test_what_others_call_it_is_no_verb_here() -> None:
    assert not set(ELSEWHERE) & set(VERBS)
    assert set(ELSEWHERE.values()) <= set(VERBS)


def test_nothing_is_compared_where_nothing_is_wrong() -> None:
    assert main(["create", "-d", "fake", "-q", "dev"]) == 0
    code = (
        "import sys\nfrom dinv.cli import main\n"
        "assert main(['ls', '-q']) == 0\n"
        "sys.exit('difflib' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, timeout=60, env=dict(os.environ)
    )


def test_filters_and_contexts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "ls", "--filter", "stat=Running")
    assert lines[0].startswith("dinv: Unsupported filter key 'stat'")
    assert lines[-1] == 'Did you mean "state"?'
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    contexts.write(
        "build-server", host="tcp://127.0.0.1:1", description="", owner="x", ca=b"", cert=b"", key=b""
    )
    lines = said(capsys, "create", "--endpoint", "build-sevrer", "dev")
    assert '"build-sevrer" is neither a docker context' in lines[0]
    assert 'Did you mean "build-server"?' in lines
