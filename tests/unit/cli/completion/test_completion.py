"""The completion scripts, in the shells themselves where these are installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dinv import states
from dinv.cli import main
from dinv.cli.completion import SHELLS, function_name, script
from dinv.cli.completion.commands import command
from dinv.cli.parser import Parser
from dinv.cli.verbs import VERBS
from dinv.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.cli.completion.commands import Command

ODD = "$(touch pwned)"
NAMES = ["db", "dev", ODD]

BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_dinv
printf '%s\n' "${COMPREPLY[@]}"
"""

# Outside of completion there are none of its builtins; these print what they are given and begins right.
ZSH = r"""
compdef() { : }
compset() { return 1 }
compadd() {
    local suffix= word
    while [[ $1 == -* ]]; do
        [[ $1 == -S ]] && { suffix=$2; shift }
        [[ $1 == -- ]] && { shift; break }
        shift
    done
    for word in "$@"; do [[ $word == "$PREFIX"* ]] && print -r -- "$word$suffix"; done
}
_describe() { local array=${@[-1]} word; for word in ${(P)array}; do compadd -- "${word%%:*}"; done }
_files() { if [[ $1 == -/ ]]; then compadd -- ${PREFIX}*(/N); else compadd -- ${PREFIX}*(N); fi }
source "$1"; shift
words=("$@"); CURRENT=$#; PREFIX=${words[CURRENT]}; IPREFIX=
_dinv
"""

FISH = r"""
source $argv[1]
complete -C (string join ' ' -- (string escape -- $argv[2..-2]) $argv[-1]) | string replace -r '\t.*' ''
"""

PROGRAM = r"""#!/bin/sh
echo "$@" >> {log}
case "$*" in
*"--list paths"*) printf 'dev:/etc/\ndev:/etc/x y\ndev:/exe\n' ;;
*"--list images"*) printf 'dinv:latest\ndinv:old\nhost:5000/app:1\n' ;;
*--list*) printf 'one\ntwo\n' ;;
*) printf "{names}\n" ;;
esac
"""

SHELL_COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-c", BASH, "bash"],
    "zsh": ["zsh", "-f", "-c", ZSH, "zsh"],
    "fish": ["fish", "--no-config", "-c", FISH],
}


@pytest.fixture(autouse=True)
def _called_dinv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])


class Shell:
    """Completes command lines in one shell, in an empty directory with a program `dinv` that has machines."""

    def __init__(self, name: str, directory: Path, text: str) -> None:
        self.name = name
        self.directory = directory
        self.script = directory / "script"
        self.script.write_text(text)
        self.log = directory / "log"
        program = directory / "bin" / "dinv"
        program.parent.mkdir()
        lines = "\\n".join(NAMES).replace("$", "\\$")
        program.write_text(PROGRAM.format(log=self.log, names=lines))
        program.chmod(0o755)
        self.work = directory / "work"
        (self.work / "data").mkdir(parents=True)
        (self.work / "dump").touch()

    def __call__(self, *words: str) -> list[str]:
        done = subprocess.run(
            [*SHELL_COMMANDS[self.name], str(self.script), "dinv", *words],
            cwd=self.work,
            env={
                "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.directory),
                "TERM": "dumb",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        assert not (self.work / "pwned").exists()
        return sorted(line for line in done.stdout.splitlines() if line)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    assert main(["completion", request.param]) == 0
    return Shell(request.param, tmp_path, capsys.readouterr().out)


def test_verbs(shell: Shell) -> None:
    assert shell("") == sorted(VERBS)
    assert shell("l") == ["link", "load", "login", "logout", "logs", "ls"]
    assert shell("help", "ls") == ["ls"]
    assert shell("nosuch", "") == []


def test_flags(shell: Shell) -> None:
    assert shell("ls", "--f") == ["--filter", "--format"]
    assert "--version" in shell("--")
    assert {"--debug", "--storage-path", "--help", "--engine-label", "--memory"} <= set(shell("create", "--"))
    assert "--swarm" not in shell("create", "--")
    assert "--version" not in shell("ls", "--")


def test_machines(shell: Shell) -> None:
    assert shell("rm", "d") == ["db", "dev"]
    assert shell("ssh", "de") == ["dev"]
    assert len(shell("env", "--no-proxy", "")) == len(NAMES)
    assert shell("create", "") == []
    assert shell.log.read_text().splitlines() == ["ls -q"] * 3


def test_machines_of_another_store(shell: Shell) -> None:
    assert shell("-s", "/x", "url", "de") == ["dev"]
    assert shell.log.read_text() == "-s /x ls -q\n"


def test_values(shell: Shell) -> None:
    assert shell("df", "--format", "") == ["json", "table"]
    assert shell("image", "b") == ["build"]
    assert shell("completion", "") == ["bash", "fish", "zsh"]
    assert shell("create", "--memory", "") == []
    paths = [path.rstrip("/") for path in shell("create", "--endpoint-cert-path", "d")]
    assert paths == ["data"]


def test_values_that_have_a_name(shell: Shell) -> None:
    assert shell("create", "--isolation", "") == ["auto", "capabilities", "privileged"]
    assert {"bash", "fish", "powershell", "tcsh", "zsh"} <= set(shell("env", "--shell", ""))
    assert shell("create", "--progress", "j") == ["json"]
    assert shell("create", "--image-contract", "di") == ["dind", "dinv"]
    assert {"docker", "none"} <= set(shell("create", "--driver", ""))
    assert shell("image", "--base", "") == ["debian", "photon"]
    assert shell("image", "build", "--with", "s") == ["sshd"]
    assert not shell.log.exists()  # nobody was asked


def test_filters(shell: Shell) -> None:
    assert {"name=", "label=", "driver=docker", "state=Running"} <= set(shell("ls", "--filter", ""))
    assert shell("ls", "--filter", "na") == ["name="]
    if shell.name != "bash":
        assert shell("ls", "--filter", "state=St") == ["state=Starting", "state=Stopped", "state=Stopping"]


def test_what_the_endpoint_has(shell: Shell) -> None:
    assert shell("create", "--network", "t") == ["two"]
    assert shell("create", "--endpoint", "/x y", "--cache-volume", "") == ["one", "two"]
    assert shell("-s", "/s", "create", "--endpoint", "") == ["one", "two"]
    assert shell("upgrade", "--image", "dinv") == ["dinv:latest", "dinv:old"]
    asked = [line.split() for line in shell.log.read_text().splitlines()]
    asked = [[word for word in words if not word.startswith("--word=")] for words in asked]
    assert asked[:3] == [
        ["completion", "--list", "networks"],
        ["completion", "--list", "volumes", "--endpoint", "/x", "y"],
        ["-s", "/s", "completion", "--list", "endpoints"],
    ]


def test_a_machine_and_images_for_it(shell: Shell) -> None:
    assert shell("load", "de") == ["dev"]
    assert shell("load", "dev", "di") == ["dinv:latest", "dinv:old"]
    assert shell("load", "dev", "dinv:old", "ho") == ["host:5000/app:1"]


def test_an_action_then_a_machine_then_whose_access(shell: Shell) -> None:
    assert shell("access", "re") == ["revoke"]
    assert shell("access", "revoke", "de") == ["dev"]
    assert shell("access", "revoke", "dev", "o") == ["one"]
    assert "--list holders" in shell.log.read_text()
    assert shell("image", "push", "dinv") == ["dinv:latest", "dinv:old"]


def test_paths_in_a_machine(shell: Shell) -> None:
    if shell.name == "bash":  # where the colon is a word of its own
        assert shell("scp", "dev", ":", "/et") == ["/etc/", r"/etc/x\ y"]
        assert shell("scp", "dev", ":") == ["/etc/", r"/etc/x\ y", "/exe"]
        assert "--word=dev:/et" in shell.log.read_text()
    else:
        assert shell("scp", "dev:/et") == ["dev:/etc/", "dev:/etc/x y"]
        assert "--list paths --word=dev:/et" in shell.log.read_text()


def test_places(shell: Shell) -> None:
    found = [path.rstrip("/") for path in shell("scp", "d")]
    assert found == ["data", "db:", "dev:", "dump"]


def test_bash_takes_apart_what_has_an_equals_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    shell = Shell("bash", tmp_path, capsys.readouterr().out)
    assert shell("df", "--format", "=", "j") == ["json"]
    assert shell("df", "--format", "=") == ["json", "table"]
    assert shell("--storage-path", "=", "/x", "url", "de") == ["dev"]
    assert shell.log.read_text() == "-s /x ls -q\n"
    assert shell("url", "$") == [r"\$\(touch\ pwned\)"]
    assert shell("ls", "--filter", "state", "=", "St") == ["Starting", "Stopped", "Stopping"]
    assert shell("ls", "--filter", "=", "state", "=", "Pau") == ["Paused"]
    assert shell("ls", "--filter", "state", "=") == sorted(states.ALL)
    assert shell("upgrade", "--image", "dinv", ":", "l") == ["latest"]
    assert shell("upgrade", "--image", "=", "dinv", ":", "l") == ["latest"]
    assert shell("load", "dev", "host", ":", "5000/app", ":") == ["1"]
    assert shell("create", "--endpoint", "tcp", ":", "//h", ":", "2376", "--network", "o") == ["one"]
    assert shell.log.read_text().splitlines()[-1].endswith("--endpoint tcp://h:2376")


class Typing:
    """Somebody at an interactive bash, who types and looks at what stands on the line."""

    def __init__(self, shell: Shell) -> None:
        self.terminal, theirs = pty.openpty()
        environment = {"PATH": f"{shell.directory / 'bin'}:{os.environ['PATH']}", "TERM": "dumb"}
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=shell.work,
            env={**environment, "PS1": "", "HOME": "/"},
            start_new_session=True,
        )
        os.close(theirs)
        os.write(self.terminal, f"bind 'set bell-style none'; source {shell.script}; echo rea''dy\n".encode())
        self.until("ready")

    def until(self, text: str) -> str:
        """What is shown until `text` is there."""
        said = ""
        end = time.monotonic() + 30
        while text not in said and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                said += os.read(self.terminal, 65536).decode()
        return said

    def __call__(self, typed: str) -> str:
        """The words of the command line that a Tab behind `typed` makes of it."""
        os.write(self.terminal, f"{typed}\t".encode())
        # The command line is not run, but shown by another command.
        os.write(self.terminal, b"\x01printf '<%s>' \x05; echo do''ne\n")
        said = self.until("done")
        return said[said.rindex("<dinv>") :].partition("done")[0]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        os.close(self.terminal)


def test_bash_at_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands on the line in the end: bash has its own mind of colons, blanks and quotes."""
    assert main(["completion", "bash"]) == 0
    shell = Shell("bash", tmp_path, capsys.readouterr().out)
    typing = Typing(shell)
    try:
        assert typing("dinv scp de") == "<dinv><scp><dev:>"
        assert typing("dinv scp dum") == "<dinv><scp><dump>"
        assert typing("dinv scp dev:/ex") == "<dinv><scp><dev:/exe>"
        assert typing("dinv scp dev:/etc/x") == "<dinv><scp><dev:/etc/x y>"
        assert typing("dinv ls --filter stat") == "<dinv><ls><--filter><state=>"
        assert typing("dinv ls --filter=state=Run") == "<dinv><ls><--filter=state=Running>"
        assert typing("dinv upgrade --image dinv:l") == "<dinv><upgrade><--image><dinv:latest>"
        assert typing("dinv url $") == "<dinv><url><$(touch pwned)>"
    finally:
        typing.close()
    assert not (shell.work / "pwned").exists()


@pytest.mark.parametrize("name", SHELLS)
def test_a_program_of_another_name(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/docker-machine"])
    assert main(["completion", name]) == 0
    said = capsys.readouterr().out
    assert "_docker_machine" in said
    assert "dinv completion" not in said


def test_every_flag_of_every_verb_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    said = capsys.readouterr().out
    for verb in ("create", "ls", "scp", "image"):
        with pytest.raises(SystemExit):
            main([verb, "--help-all"])
        shown = capsys.readouterr().out.replace(",", " ").split()
        for flag in {word for word in shown if word.startswith("--")}:
            assert f"'{flag}'" in said


@pytest.mark.parametrize("words", [["completion"], ["completion", "tcsh"]])
def test_no_such_shell(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert "--help" in capsys.readouterr().err
    with pytest.raises(InputError, match="tcsh"):
        script("tcsh", "dinv", [])


def test_texts_with_quotes_and_colons_do_no_harm() -> None:
    parser = Parser("dinv", "try", "it's: a 'test'\\", [])
    parser.add_argument("--it", help="isn't: $HOME `x` \\")
    commands: list[Command] = [command("try", parser, takes_rest=False)]
    for name in SHELLS:
        if shutil.which(name):
            text = script(name, "dinv", commands)
            subprocess.run([name, "-n"], input=text, text=True, check=True, capture_output=True, timeout=60)


def test_function_names() -> None:
    assert function_name("docker-machine") == "_docker_machine"
    assert function_name("dinv3.11\u00e9") == "_dinv3_11_"
