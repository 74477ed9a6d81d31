"""ssh's command line as programs write it, and what of it is taken, followed or refused."""

from __future__ import annotations

import getopt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access import ssh_options
from dinv.access.ssh_options import Session, split, take
from dinv.errors import InputError

# As they were seen: sshfs 3.7, scp and sftp 9.2, rsync 3.2, git 2.39.
CALLS = {
    "sshfs": "-x -a -oClearAllForwardings=yes -2 -s -- dev sftp",
    "scp": "-x -oPermitLocalCommand=no -oClearAllForwardings=yes -oRemoteCommand=none -oRequestTTY=no "
    "-oForwardAgent=no -s -- dev sftp",
    "scp -O": "-x -oForwardAgent=no -l root -oBatchMode=yes -- dev scp\0-t\0.",
    "rsync": "-l root dev rsync --server -logDtpre.iLsfxCIvu . x",
    "git": "-o SendEnv=GIT_PROTOCOL -p 22 root@dev git-upload-pack",
    "git -4": "-4 dev git-upload-pack",
    "old sshfs": "-x -a -oClearAllForwardings=yes -2 dev -s sftp",
    "ansible": "-C -o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=no "
    "-o ConnectTimeout=10 -tt dev true",
}


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_of_programs(call: str) -> None:
    line = split(CALLS[call].split())
    session = Session(line.options)
    assert line.host == "dev"
    assert session.subsystem == (line.command == ["sftp"])
    assert line.command[0].split("\0")[0] in ("sftp", "scp", "rsync", "git-upload-pack", "true")
    assert session.terminal == {"scp": False, "ansible": True}.get(call)


def test_sftp_s_options_have_a_blank() -> None:
    Session([("o", "ForwardX11 no"), ("o", "permitlocalcommand  no"), ("o", ' LogLevel = "ERROR"')])


LETTERS = [*(f"-{letter}" for letter in "46xqTtsnC"), "-xt", "-lroot", "-oBatchMode=yes"]
WORDS = st.lists(
    st.sampled_from([*LETTERS, "--", "-", "-l", "-o", "-p", "root", "a@b", "x", "-xo", "LogLevel=INFO"]),
    max_size=7,
)


@given(WORDS)
def test_options_are_read_as_getopt_reads_them(words: list[str]) -> None:
    spec = "1246AaCfGgKkMNnqsTtVvXxYy" + "".join(f"{letter}:" for letter in "BbcDEeFIiJLlmOoPpQRSWw")
    try:
        expected, rest = getopt.getopt(words, spec)
    except getopt.GetoptError:
        with pytest.raises(InputError):
            take(words)
        return
    options, command = take(words)
    assert [(f"-{letter}", value) for letter, value in options] == expected
    assert command == rest


@given(WORDS)
def test_a_line_s_words_say_the_same_again(words: list[str]) -> None:
    try:
        line = split(words)
    except InputError:
        return
    options, command = take(line.words())
    user = [("l", "a")] if line.destination == "a@b" else []
    assert (options, command) == ([*user, *line.options], line.command)
    assert line.host == (line.destination and line.destination.removeprefix("a@"))


@given(st.lists(st.text(max_size=6), max_size=5))
def test_any_words_are_a_line_or_an_input_error(words: list[str]) -> None:
    try:
        Session(split(words).options)
    except InputError:
        return


def test_two_dashes_before_the_name_hold_behind_it() -> None:
    line = split(["-x", "--", "dev", "-s", "sftp"])
    assert (line.options, line.command) == ([("x", "")], ["-s", "sftp"])
    assert split(["dev", "--", "-s"]).command == ["-s"]


@pytest.mark.parametrize(
    "words",
    [
        *("-A", "-f", "-M", "-N", "-X", "-Y", "-V", "-g", "-K"),
        *("-L 80:h:80", "-R 1:h:1", "-D 1080", "-J host", "-W h:1", "-w 0", "-E file", "-O exit", "-Q key"),
        *("-e none", "-F file", "-S path", "-p 2222", "-l docker"),
        *("-oForwardAgent=yes", "-oProxyCommand=nc", "-oPort=2222", "-oUser=docker", "-oLocalForward=1"),
        *("-oRemoteCommand=ls", "-oNoSuchKeyword=1", "-oSessionType=none", "-oHostName=other", "-o="),
    ],
)
def test_what_cannot_be_had(words: str) -> None:
    with pytest.raises(InputError, match=r"is an option of ssh|run as root"):
        Session(take(words.split())[0])


@pytest.mark.parametrize(
    "words", ["-e ~", "-F /dev/null", "-F none", "-S none", "-p 22", "-l root", "-i key", "-oPort=22", "-vvv"]
)
def test_what_is_so_anyway(words: str) -> None:
    session = Session(take(words.split())[0])
    assert vars(session) == vars(Session([]))


def test_what_is_no_option_is_told() -> None:
    with pytest.raises(InputError, match="-Z is not an option of ssh"):
        take(["-Z"])
    with pytest.raises(InputError, match="-l needs an argument"):
        take(["-xl"])


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_SEEN", "1")
    monkeypatch.setenv("LC_TOO", "2")
    monkeypatch.delenv("UNSET", raising=False)
    session = Session(take(["-o", "SendEnv=UNSET LC_S* *_TOO", "-o", 'SetEnv A="b c" D=e=f'])[0])
    assert session.environment == {"LC_SEEN": "1", "LC_TOO": "2", "A": "b c", "D": "e=f"}
    for wrong in ("SetEnv=A", "SetEnv==b", 'SetEnv=A="b'):
        with pytest.raises(InputError, match="SetEnv"):
            Session([("o", wrong)])


def test_the_last_word_on_terminals_and_input() -> None:
    assert Session(take(["-tT"])[0]).terminal is False
    assert Session(take(["-T", "-oRequestTTY=yes"])[0]).terminal is True
    assert Session(take(["-t", "-oRequestTTY=auto"])[0]).terminal is None
    assert Session(take(["-n"])[0]).without_input
    assert Session(take(["-oStdinNull=yes"])[0]).without_input
    assert Session(take(["-oSessionType=subsystem"])[0]).subsystem
    assert Session(take(["-G"])[0]).only_configuration


@pytest.mark.parametrize(
    ("word", "follows"), [("-l", True), ("-xl", True), ("-lx", False), ("-x", False), ("-oA=l", False)]
)
def test_where_a_value_is(word: str, follows: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert ssh_options.value_follows(word) is follows
