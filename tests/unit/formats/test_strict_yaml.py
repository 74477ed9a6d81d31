"""YAML read strictly: what plain scalars mean, what is refused, and that nothing takes long."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dinv.formats import strict_yaml
from dinv.formats.strict_yaml import BOOLEAN, FLOAT, INTEGER, MAPPING, NULL, SCALAR, TEXT, number, parse

if TYPE_CHECKING:
    from dinv.formats.strict_yaml import Node


def plain(node: Node) -> Any:
    if node.kind == MAPPING:
        return {key.text: plain(value) for key, value in node.pairs}
    if node.kind != SCALAR:
        return [plain(each) for each in node.items]
    meaning = node.meaning
    if meaning in (INTEGER, FLOAT):
        return number(node.text)
    return {NULL: None, BOOLEAN: node.text.lower() == "true", TEXT: node.text}[meaning]


def read(text: str) -> Any:
    node, problems = parse(text)
    assert node is not None
    assert not problems
    return plain(node)


def problems(text: str) -> list[str]:
    return [str(each) for each in parse(text)[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("Off", "Off")),
        *(("1:30", "1:30"), ("22:22:22", "22:22:22"), ("2026-11-30", "2026-11-30"), ("1_000", "1_000")),
        *(("010", 10), ("0o10", 8), ("0x1F", 31), ("-7", -7), ("0b11", "0b11")),
        *(("1.10", 1.1), ("1e3", 1000.0), ("-.5", -0.5), (".inf", float("inf")), ("-.INF", float("-inf"))),
        *(("true", True), ("FALSE", False), ("tRue", "tRue"), ("~", None), ("null", None), ("", None)),
        *(('"no"', "no"), ("'1'", "1"), ("!!str 1", "1"), ("=", "="), ("<<", "<<")),
    ],
)
def test_plain_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert read(f"key: {text}") == {"key": value}


text_of_json = some.text(some.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc"]))
# YAML 1.1, which PyYAML reads, ends lines at these two as well, and a key is on one line.
keys_of_json = text_of_json.filter(lambda text: not {"\u2028", "\u2029"} & set(text))
json_values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | text_of_json,
    lambda inside: some.lists(inside, max_size=4) | some.dictionaries(keys_of_json, inside, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_is_yaml(value: object) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


@given(some.text(max_size=200))
def test_any_text_gives_a_document_or_a_problem_with_its_place(text: str) -> None:
    node, found = parse(text)
    assert node is not None or found
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 2
    assert all(1 <= each.line <= lines + text.count("\u2029") and each.column >= 1 for each in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", 'line 3, column 1: "a" stands here twice: it is in line 1 already.'),
        ("a: {x: 1, 'x': 2}", 'line 1, column 11: "x" stands here twice'),
        ("? [a]\n: 1", "line 1, column 3: A key has to be a name."),
        ("a: !!python/object:os.system x", "line 1, column 4: Tags have no meaning here: leave out !!python"),
        ("a: !!int '3'", "Tags have no meaning here: leave out !!int"),
        ("a: 1\n---\nb: 2", "line 2, column 1: Here a second document begins"),
        ("a:\n\tb: 1", "that cannot start any token. Indent with spaces, not with tabs."),
        ("a: [${NAME}]", 'but got \'{\'. Within [ ] and { } a variable has to stand in quotes: "${NAME}".'),
        ("a: *b", "There is no &b before *b."),
        ("a: &a [*a]", "*a stands within what it stands for."),
        ("a: \x07", "line 1, column 4: This is not a text: it has the character U+0007."),
        ("a: &a 1\nb:\n  <<: *a", "<< takes a mapping, or a list of mappings."),
        ("[" * 100_000, "column 33: This is nested more than 32 deep."),
        ("a: " + "x" * 300_000, "The file is larger than 256 KiB"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_all_problems_are_found_at_once() -> None:
    assert len(problems("a: 1\na: 2\nb: !x 1\nc: {d: 1, d: 2}")) == 3


def test_aliases_and_merges_work_as_in_compose() -> None:
    found = read("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {b: 0, <<: *x}\nw:\n  <<: [*y, *x]\nv: *x\n")
    assert found["z"] == {"b": 0, "a": 1}
    assert found["w"] == {"b": 3, "c": 4, "a": 1}
    assert found["v"] == {"a": 1, "b": 2}


def test_bombs_are_refused_at_once() -> None:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
        f"{this}: &{this} [{','.join([f'*{before}'] * 9)}]"
        for before, this in zip("abcdefgh", "bcdefghi", strict=True)
    )
    keys = ",".join(f"k{number}: 1" for number in range(5000))
    merges = f"a: &a {{{keys}}}\nb:\n  <<: [{','.join(['*a'] * 20_000)}]\n"
    singly = f"a: &a {{{keys}}}\n" + "".join(f"m{number}: {{<<: *a}}\n" for number in range(10_000))
    for text in (laughs, merges, singly):
        begun = time.process_time()
        assert (
            "more than 50000 values" in problems(text)[0].lower() or "50000 values are" in problems(text)[0]
        )
        assert time.process_time() - begun < 60  # hours, if it were not refused
    assert strict_yaml.MOST_NODES == 50_000
