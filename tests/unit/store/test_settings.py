"""The store's config.toml: what is read, what is refused, and where an error says that it stands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.declaration import CHOICE, INTEGER, PAIRS, PATH, SECONDS, SIZE, SWITCH, Option
from dinv.errors import InputError
from dinv.store import settings
from dinv.store.settings import Defaults, Settings, read

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    Option("url", "A_URL", "where"),
    Option("days", "", "how long", type=INTEGER, default=9),
    Option("memory", "", "how much", type=SIZE),
    Option("wait", "", "how long", type=SECONDS),
    Option("kind", "", "which", type=CHOICE, values=("a", "b")),
    Option("quick", "", "whether", type=SWITCH, default=False),
    Option("context", "", "not", type=SWITCH, default=True, off="no-context"),
    Option("label", "", "words", type=PAIRS, metavar="KEY=VALUE"),
    Option("san", "A_SANS", "names", repeatable=True),
    Option("ca", "", "file", type=PATH),
    Option("token", "A_TOKEN", "secret", secret=True),
)


def write(store: Path, text: str) -> str:
    path = store / "config.toml"
    path.write_text(text)
    return str(path)


def filled(
    store: Path, text: str, given: dict[str, object] | None = None, **environ: str
) -> dict[str, object]:
    write(store, text)
    return Defaults.of(str(store)).fill(OPTIONS, given or {}, environ)


def test_without_a_file_or_a_table_nothing_is_set(tmp_path: Path) -> None:
    assert Defaults.of(str(tmp_path)).fill(OPTIONS, {"url": "x"}, {}) == {"url": "x"}
    assert filled(tmp_path, "") == {}
    assert filled(tmp_path, "[hooks]\ntimeout = 3\n") == {}
    assert Defaults().fill(OPTIONS, {}, {}) == {}


def test_values_have_the_types_of_options(tmp_path: Path) -> None:
    text = """
    [create]
    url = "https://ca.example"
    days = 3
    memory = "2g"
    wait = 1.5
    kind = "b"
    quick = true
    no-context = true
    san = ["a", "b"]
    ca = "ca.pem"
    [create.label]
    team = "red"
    number = 5
    """
    assert filled(tmp_path, text) == {
        "url": "https://ca.example",
        "days": 3,
        "memory": 2 * 1024**3,
        "wait": 1.5,
        "kind": "b",
        "quick": True,
        "context": False,
        "san": ("a", "b"),
        "ca": f"{tmp_path}/ca.pem",
        "label": ("team=red", "number=5"),
    }


def test_what_is_given_and_variables_come_first(tmp_path: Path) -> None:
    text = '[create]\nurl = "file"\nsan = ["file"]\ndays = 1\nquick = true'
    found = filled(tmp_path, text, {"days": 5, "quick": False, "url": None}, A_URL="variable", A_SANS="x")
    assert found == {"days": 5, "quick": False, "url": None}
    assert filled(tmp_path, text, A_URL="")["url"] == "file"


@pytest.mark.parametrize(("path", "found"), [("/x/y", "/x/y"), ("~/y", "/home/me/y"), ("../y", "{up}/y")])
def test_a_path_is_meant_from_the_file(
    tmp_path: Path, path: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert filled(tmp_path, f'[create]\nca = "{path}"')["ca"] == found.format(up=tmp_path.parent)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[create]\n\nmemory = "lots"', 3, "memory = 'lots' "),
        ("[create]\ndays = 1.5", 2, "days = 1.5 is not a whole number"),
        ('# x\n[create]\n"kind" = "c"', 3, "kind = 'c' is not one of a, b"),
        ('[create]\nquick = "yes"', 2, "quick is neither true nor false"),
        ("[create]\nno-context = 1", 2, "no-context is neither true nor false"),
        ('[create]\nsan = "a"', 2, "is one value where several may stand"),
        ("[create]\nurl = 1979-05-27", 2, "is not a text"),
        ("[create]\nurl = [1]", 2, "is not a text"),
        ("create.days = []", 1, "is not a"),
        ('[hooks]\ndays = 1\n[create]\n[create.label]\n"" = 1', 4, "label"),
        ('[create]\ntoken = "s3cret"', 2, "token is a secret, which is not kept in a file. Put it into"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(InputError) as caught:
        filled(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/config.toml, line {line}: ")
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[create", "is not TOML"),
        ("[create]\na = 1\nb = = 2\nc = 3", "is not TOML: .*line 3"),
        (
            "\n[craete]\na = 1",
            r"config\.toml, line 2: craete does not exist\. There are \[create\], \[hooks\]",
        ),
        ("create = 3", r"line 1: create is not a table\. Write \[create\]"),
        ("\xff".encode("latin-1").decode("latin-1"), "is not TOML"),
        ("[create]\na = " + "[" * 5000, "is not TOML"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, text)
    with pytest.raises(InputError, match=said):
        read(str(tmp_path), "create")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not TOML"):
        read(str(tmp_path), "create")


def test_a_file_that_is_none_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path), "create")
    (tmp_path / "config.toml").rmdir()
    monkeypatch.setattr(settings, "LARGEST", 5)
    write(tmp_path, "[create]\n")
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path), "create")


def test_a_file_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    """It can name a command that dinv runs."""
    path = write(tmp_path, "[create]\n")
    os.chmod(path, 0o666)  # noqa: S103  (that is the point)
    with pytest.raises(InputError, match=r"everybody may write to it \(chmod o-w"):
        read(str(tmp_path), "create")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path, "[create]\n")
    os.chown(path, 1234, -1)
    with pytest.raises(InputError, match=r"belongs to another user \(uid 1234\)"):
        read(str(tmp_path), "create")


def test_keys_that_are_no_options_are_told(tmp_path: Path) -> None:
    write(tmp_path, "[create]\nurl = 1\nno-context = true\ncontext = false\nrul = 2\n")
    assert Defaults.of(str(tmp_path)).unknown(OPTIONS) == ["rul"]


@given(st.text(max_size=40), st.text(max_size=12))
def test_where_a_key_stands_is_never_an_error(text: str, key: str) -> None:
    assert Settings("path", "create", {}, text).place(key).startswith("path")
