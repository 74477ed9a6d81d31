"""Lines of logrus, as the installers of Docker Datacenter print them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.provisioners.datacenter import log_lines
from dinv.provisioners.datacenter.log_lines import Log, parse

BLOCKED = (
    "the following required ports are blocked on your host: 179, 443, 2376, 6443, 6444, 10250, 12376, "
    "12378 - 12386. Check your firewall settings"
)
"""As an issue about UCP 3.1 on CentOS has it, with one space where it has two."""


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        (f'time="2019-05-22T00:27:54Z" level=fatal msg="{BLOCKED}"', "fatal", BLOCKED),
        (f"FATA[0036] {BLOCKED}", "fatal", BLOCKED),
        (f"\x1b[31mFATA\x1b[0m[0036] {BLOCKED}  ", "fatal", BLOCKED),
        (json.dumps({"level": "fatal", "msg": BLOCKED, "time": "x"}), "fatal", BLOCKED),
        ("INFO[0000] Your engine version is compatible", "info", "Your engine version is compatible"),
        ("time=2026-01-01T00:00:00Z level=warn msg=short", "warning", "short"),
        ('time="t" level=info msg="a \\"b\\" c\\td\\\\ e"', "info", 'a "b" c d\\ e'),
        ('time="t" level=error msg="no go" error="no such host" node=a', "error", "no go: no such host"),
        ('time="t" level=info msg="caf\\u00e9 \\x41"', "info", "café A"),
        ('time="t" level=panic msg=oh', "panic", "oh"),
        ("-----BEGIN CERTIFICATE-----", "", "-----BEGIN CERTIFICATE-----"),
        ('{"level": 3}', "", '{"level": 3}'),
        ("level of water: 3", "", "level of water: 3"),
        ('level=info msg="not closed', "", 'level=info msg="not closed'),
    ],
)
def test_a_line(line: str, level: str, text: str) -> None:
    found = parse(line)
    assert (found.level, found.text) == (level, text)
    assert found.fatal == (level in ("fatal", "panic"))


def test_nothing_in_a_line_steers_a_terminal() -> None:
    assert parse('time="t" level=info msg="a\\x1b[2Jb"').text == "a\\x1b[2Jb"


def quoted(text: str) -> str:
    """As strconv.Quote does, for what has no control characters but these."""
    for plain, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escape)
    return f'"{text}"'


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100))
def test_what_is_quoted_comes_back(text: str) -> None:
    found = parse(f'time="t" level=info msg={quoted(text)}')
    assert found.level == "info"
    assert found.text == " ".join(text.split())


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=10))
def test_any_bytes_in_any_pieces_are_the_same_lines(data: bytes, cuts: list[int]) -> None:
    whole = Log()
    whole.feed(data)
    whole.end()
    pieces = Log()
    rest = data
    for cut in cuts:
        pieces.feed(rest[:cut])
        rest = rest[cut:]
    pieces.feed(rest)
    pieces.end()
    assert [(line.level, line.text) for line in whole.lines] == [
        (line.level, line.text) for line in pieces.lines
    ]


def test_the_streams_are_kept_apart() -> None:
    log = Log()
    log.feed(b"INFO[1] one", "stdout")
    assert [line.text for line in log.feed(b"FATA[2] two\n", "stderr")] == ["two"]
    assert [line.text for line in log.feed(b" more\n", "stdout")] == ["one more"]
    assert log.fatal == ["two"]


def test_no_secret_is_shown() -> None:
    log = Log(("tomato7tomato", "7"))
    log.feed(b'time="t" level=info msg="logging in with tomato7tomato"\n')
    log.feed(b"INFO[0] Generated random admin password: Zq81hhAA\n")
    said = " ".join(line.text for line in log.lines)
    assert "tomato" not in said
    assert "Zq81" not in said
    assert said.count(log_lines.HIDDEN) == 2


def test_a_secret_that_is_quoted_is_not_shown_either() -> None:
    log = Log(('a"b c',))
    log.feed(b'time="t" level=info msg="it is a\\"b c"\n')
    assert log.lines[0].text == "it is ***"
    log = Log(("a  b\u202e",))
    log.feed("it is a  b\u202e\n".encode())
    assert log.lines[0].text == "it is ***"


def test_why_it_failed() -> None:
    log = Log()
    log.feed(b"INFO[0] begin\nINFO[1] go on\n")
    assert log.reasons(1) == ["go on"]
    log.feed(b"ERRO[2] a container died\nINFO[3] cleaning up\n")
    assert log.reasons() == ["a container died"]
    log.feed(b"FATA[4] cannot go on\n")
    assert log.reasons() == ["cannot go on"]
    assert log.says("container died")


def test_endless_lines_are_cut_and_endless_output_is_forgotten() -> None:
    log = Log()
    for _ in range(100):
        log.feed(b"x" * log_lines.LONGEST_LINE)
    log.feed(b"\n")
    assert len(log.lines[0].text) < log_lines.LONGEST_SHOWN + 10
    log.feed(b"FATA[0] first\n" + b"INFO[0] more\n" * 1000)
    assert len(log.lines) == log_lines.MOST_KEPT
    assert log.fatal == ["first"]
