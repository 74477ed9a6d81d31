"""Files of variables in every form that shells, editors and people leave."""

from __future__ import annotations

import codecs
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import InputError
from dinv.formats import env_file

if TYPE_CHECKING:
    from pathlib import Path


def variables(text: str) -> dict[str, str]:
    return {name: value for _, name, value in env_file.parse(text, "f.env")}


@pytest.mark.parametrize(
    "text",
    [
        "A=1 B=two",
        "A=1\nB=two",
        "A=1\r\nB=two\r\n",
        "A=1\rB=two",
        "  export A=1\n\texport\tB='two'  ",
        'A="1"; B="two"',
        "A=1; B=two; export A B",
        "export A=1 && export B=two",
        'declare -x A="1"\ndeclare -x B="two"',
        'A = 1\nB = "two"',
        "A= 1\nB =two",
        "A=1 \\\n  B=two",
        'setenv A 1;\nsetenv B "two"; # csh',
        "set -gx A 1;\nset -g -x B 'two'",
        '@echo off\r\nrem mine\r\nset A=1\r\nSET "B=two"\r\n',
        "REM mine\n:: yours\nset A=1 \nset B=two",
        "$env:A = \"1\"\n$Env:B='two'",
        '$env:A = "1"; $env:B = "two"  # here',
        "#!/bin/sh\nset -a\n# A=2\nA=1 # B=3\nB=two\nset +a\n",
    ],
)
def test_forms(text: str) -> None:
    assert variables(text) == {"A": "1", "B": "two"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=", ""),
        ('A=""', ""),
        ("A= B=1", ""),
        ("A=a=b", "a=b"),
        ("A=a#b", "a#b"),
        ('A="a b"c', "a bc"),
        ('A="a\\"b\\\\"', 'a"b\\'),
        ("A='a\"\\'", 'a"\\'),
        ("A=C:\\vch\\certs", "C:\\vch\\certs"),
        ("A=/my\\ vch", "/my vch"),
        ("set A=C:\\my vch\\", "C:\\my vch\\"),
        ("set A='quoted'", "quoted"),
        ('$env:A = "a`"b"', 'a"b'),
        ("A=$HOME", "$HOME"),
        ("A=\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert variables(text)["A"] == value


def test_a_path_with_blanks_as_vic_machine_writes_it() -> None:
    found = variables("DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/home/me/my  vch DOCKER_HOST=h:2376")
    assert found["DOCKER_CERT_PATH"] == "/home/me/my  vch"
    assert found["DOCKER_HOST"] == "h:2376"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("nonsense", 1),
        ("A=1\n\nB: 2", 3),
        ("A=1 nonsense", 1),
        ("A=1\n\ufeffB=2", 2),
        ('A=1\nB="2\nC=3"', 2),
        ("A='", 1),
        ('set "A=1', 1),
        ("A=1\x0bB=2", 1),
        ("A=1\u2028B=2", 1),
        ("A=1\u00a0B=2", 1),
        ("A=x\\ DOCKER_HOST=h", 1),
        ("A=1\\\nDOCKER_HOST=h", 1),
        ("set A=1 DOCKER_HOST=h", 1),
        ("A=1DOCKER_HOST=h", 1),
        ("D=OCKER_TLS_VERIFY=1", 1),
        ("setenv A 1 2", 1),
        ("1A=2", 1),
        ("A-B=2", 1),
        ("unset A", 1),
    ],
)
def test_what_is_not_understood_is_named_and_not_quoted(text: str, where: int) -> None:
    with pytest.raises(InputError, match=rf"^f\.env:{where}: ") as caught:
        variables(text)
    assert "nonsense" not in str(caught.value)


ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_that_editors_leave(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.env"
    path.write_bytes(ENCODINGS[encoding] + "A=1\r\nB=2\r\n".encode(encoding))
    assert env_file.read(str(path)) == [(1, "A", "1"), (2, "B", "2")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("A=1\n".encode("utf-16-le"), "UTF-16"),
        (b"A=1\n\xff", "not text"),
        (b"\xff\xfeA", "not text"),
        (b"#" * (env_file.LARGEST + 1), "more than"),
    ],
)
def test_what_is_no_text_is_an_error(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "f.env"
    path.write_bytes(content)
    with pytest.raises(InputError, match=why):
        env_file.read(str(path))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        env_file.read(str(tmp_path))


names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
plain = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="/:._-="), max_size=9)
anything = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=9)


def sh(name: str, value: str) -> str:
    quoted = "".join(f"\\{char}" if char in '"\\$`' else char for char in value)
    return f'{name}="{quoted}"'


@given(
    st.lists(st.tuples(names, anything, st.sampled_from(["{}", "export {}", " {} # no", "{};"]))),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n# comment\n"]),
)
def test_what_is_written_for_sh_is_read_again(found: list[tuple[str, str, str]], end: str) -> None:
    found = [each for each in found if not env_file.SWALLOWED.search(each[1])]
    text = end.join(form.format(sh(name, value)) for name, value, form in found)
    assert [(name, value) for _, name, value in env_file.parse(text, "f")] == [each[:2] for each in found]


@given(st.dictionaries(names, plain.filter(bool)))
def test_one_line_as_vic_machine_writes_it(wanted: dict[str, str]) -> None:
    assert variables(" ".join(f"{name}={value}" for name, value in wanted.items())) == wanted


@given(st.text())
def test_anything_is_variables_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert all(name.isidentifier() for _, name, _ in env_file.parse(text, "f.env"))
