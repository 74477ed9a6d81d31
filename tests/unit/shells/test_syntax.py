"""What `env` prints: read back by real shells where there are any; in docker-machine's forms."""

from __future__ import annotations

import os
import shutil
import subprocess

import needs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dinv.errors import InputError
from dinv.shells import syntax

COMMAND = ["dinv", "env", "dev"]

# What a variable can hold: no NUL, and only what is UTF-8 (lone surrogates stand for other bytes).
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
TRICKY = st.text(st.sampled_from("\\\"'$`!*?[]{}()<>|&;#~ \t\na=%^"), max_size=12)

UNIX_SHELLS = [shell for shell in ("sh", "bash", "zsh", "fish") if shutil.which(shell)]


def evaluated(shell: str, script: str, key: str) -> str:
    """The value that a real shell has for `key` after reading the script."""
    done = subprocess.run(
        [shell, "-c", f'{script}\nprintf "%s." "${key}"'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=20,
        # fish wants a home it can write to.
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": os.environ["HOME"]},
    )
    assert done.stderr == b""
    return done.stdout.decode().removesuffix(".")


@pytest.mark.parametrize("shell", UNIX_SHELLS)
@settings(max_examples=40)
@given(value=VALUES | TRICKY)
def test_a_shell_reads_the_very_value(shell: str, value: str) -> None:
    script = syntax.script(shell, {"DOCKER_CERT_PATH": value}, COMMAND)
    assert evaluated(shell, script, "DOCKER_CERT_PATH") == value


@pytest.mark.parametrize("shell", [shell for shell in ("sh", "bash") if shutil.which(shell)])
def test_an_unquoted_eval_reads_it_too(shell: str) -> None:
    """`eval $(dinv env dev)`, as everybody types it: all becomes one line."""
    value = '/home/o\'neil/$HOME/`id`/\\x/a b/"q"'
    variables = {"A": "1", "DOCKER_CERT_PATH": value, "DOCKER_HOST": None, "C": None, "NO_PROXY": "x"}
    script = syntax.script("bash", variables, COMMAND)
    done = subprocess.run(
        [
            shell,
            "-c",
            'eval $(printf "%s" "$SCRIPT"); printf "%s|%s" "$DOCKER_CERT_PATH" "${DOCKER_HOST-no}$NO_PROXY"',
        ],
        env={"PATH": os.environ["PATH"], "SCRIPT": script, "DOCKER_HOST": "tcp://h:1"},
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == b""
    assert done.stdout.decode() == f"{value}|nox"


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "no-such-shell"])
def test_unix_shells_get_docker_machines_lines(shell: str) -> None:
    comment = ["# Run this command to configure your shell: ", "# eval $(dinv env dev)"]
    setting = syntax.script(shell, {"DOCKER_TLS_VERIFY": "1", "DOCKER_HOST": "h"}, COMMAND)
    assert setting.splitlines() == ['export DOCKER_TLS_VERIFY="1"', 'export DOCKER_HOST="h"', *comment]
    unsetting = syntax.script(shell, {"DOCKER_TLS_VERIFY": None, "DOCKER_HOST": None}, COMMAND)
    assert unsetting.splitlines() == ["unset DOCKER_TLS_VERIFY", "unset DOCKER_HOST", *comment]


@pytest.mark.parametrize(
    ("shell", "setting", "unsetting", "comment"),
    [
        ("fish", 'set -gx A "x";', "set -e B;", "# eval (dinv env dev)"),
        ("powershell", '$Env:A = "x"', "Remove-Item Env:\\\\B", "# & dinv env dev | Invoke-Expression"),
        ("cmd", "SET A=x", "SET B=", "REM \t@FOR /f \"tokens=*\" %i IN ('dinv env dev') DO @%i"),
        ("tcsh", 'setenv A "x";', "unsetenv B;", ": eval `dinv env dev`"),
        (
            "emacs",
            '(setenv "A" "x")',
            '(setenv "B" nil)',
            ';; (with-temp-buffer (shell-command "dinv env dev" (current-buffer)) (eval-buffer))',
        ),
    ],
)
def test_other_shells_get_docker_machines_lines(
    shell: str, setting: str, unsetting: str, comment: str
) -> None:
    lines = syntax.script(shell, {"A": "x", "B": None}, COMMAND).splitlines()
    assert [lines[0], lines[1], lines[-1]] == [setting, unsetting, comment]


def by_tcsh(script: str, key: str) -> str:
    """The value that a real tcsh has after eval of what a command prints, as people type it."""
    done = subprocess.run(
        ["tcsh", "-f", "-c", 'eval `printf "%s" "$SCRIPT:q"`; printenv ' + key],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "SCRIPT": script},
    )
    assert done.stderr == b""
    return done.stdout.decode().removesuffix("\n")


CONTROL = "".join(map(chr, range(1, 32)))


@needs.programs("tcsh")
@settings(max_examples=60)
@example(value="0 ~")
@example(value="a =1")
@given(
    value=st.text(
        st.characters(exclude_characters="\0{}" + CONTROL, exclude_categories=["Cs", "Cc"]), max_size=30
    )
    | st.text(st.sampled_from("\\\"'$`!*?[]()<>|&;#~ a=%^"), max_size=12)
)
def test_tcsh_reads_the_very_value(value: str) -> None:
    script = syntax.script("tcsh", {"DOCKER_CERT_PATH": value, "X": None}, COMMAND)
    assert by_tcsh(script, "DOCKER_CERT_PATH") == value


@needs.programs("tcsh")
@pytest.mark.parametrize(
    "words", [["-s", "/my $x store"], ["-s", "`touch /x`"], ["*"], ["a'b!"], ["{x,;ls}"]]
)
def test_tcsh_expands_nothing_of_the_command_in_its_comment(words: list[str]) -> None:
    script = syntax.script("csh", {"A": "1"}, ["dinv", *words, "env"])
    assert by_tcsh(script, "A") == "1"


@pytest.mark.parametrize(
    ("shell", "value", "line"),
    [
        ("powershell", "/a $x `b", "$Env:A = '/a $x `b'"),
        ("pwsh", "o'ne\"il", "$Env:A = 'o''ne\"il'"),
        ("powershell", "\u2019$(calc)", "$Env:A = '\u2019\u2019$(calc)'"),
        ("powershell", "\u201d; calc", "$Env:A = '\u201d; calc'"),
        ("emacs", '/a"b\\c', '(setenv "A" "/a\\"b\\\\c")'),
        ("cmd", "/a&calc", 'SET "A=/a&calc"'),
        ("cmd", "C:\\a b", "SET A=C:\\a b"),
    ],
)
def test_other_shells_read_nothing_but_the_value(shell: str, value: str, line: str) -> None:
    assert syntax.script(shell, {"A": value}, COMMAND).splitlines()[0] == line


@pytest.mark.parametrize(
    ("shell", "value"),
    [(shell, f"a{letter}b") for shell in ("tcsh", "powershell", "cmd") for letter in "\n\r\x1a"]
    + [("cmd", f"a{letter}b") for letter in '%!"']
    + [("tcsh", "{a,b}"), ("tcsh", "a\tb")],
)
def test_what_a_shell_cannot_be_given_is_refused(shell: str, value: str) -> None:
    with pytest.raises(InputError, match=f"DOCKER_CERT_PATH cannot be set in {shell}"):
        syntax.script(shell, {"DOCKER_CERT_PATH": value}, COMMAND)


@pytest.mark.parametrize("shell", ["sh", "fish", "powershell", "cmd", "tcsh", "emacs"])
@given(word=st.text(max_size=12))
def test_the_comment_is_always_one_line(shell: str, word: str) -> None:
    script = syntax.script(shell, {"A": "x"}, ["dinv", "-s", word, "env"])
    assert len(script.split("\n")) == 4
    assert "\r" not in script


def test_fish_keeps_a_backslash_before_what_it_does_not_know() -> None:
    """In its double quotes fish escapes a backslash, a double quote and a dollar only (fish: Quotes)."""
    assert syntax.script("fish", {"A": '`"$\\'}, COMMAND).splitlines()[0] == 'set -gx A "`\\"\\$\\\\";'


def test_the_command_is_shown_as_it_is_to_be_typed() -> None:
    script = syntax.script("sh", {}, ["dinv", "-s", "/a b", "env"])
    assert script.endswith('# eval $(dinv -s "/a b" env)\n')


def test_the_users_shell_is_named_by_its_base_name() -> None:
    assert syntax.of_user({"SHELL": "/usr/bin/fish"}) == "fish"


@pytest.mark.parametrize("environ", [{}, {"SHELL": ""}])
def test_without_a_shell_sh_it_is(environ: dict[str, str]) -> None:
    """As in cron, in containers and in many CI runners: eval of nothing would succeed."""
    assert syntax.of_user(environ) == "sh"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"NO_PROXY": []}),
        ({"NO_PROXY": "a,b"}, {"NO_PROXY": ["a", "b"]}),
        ({"no_proxy": "a"}, {"no_proxy": ["a"]}),
        ({"no_proxy": "", "NO_PROXY": "b"}, {"NO_PROXY": ["b"]}),
        ({"NO_PROXY": "a", "no_proxy": "b"}, {"NO_PROXY": ["a"], "no_proxy": ["b"]}),
        ({"NO_PROXY": ",a,,"}, {"NO_PROXY": ["a"]}),
        ({"NO_PROXY": " a, b "}, {"NO_PROXY": ["a", "b"]}),
    ],
)
def test_the_proxy_exceptions_in_use_are_found(
    environ: dict[str, str], expected: dict[str, list[str]]
) -> None:
    assert syntax.no_proxy(environ) == expected
