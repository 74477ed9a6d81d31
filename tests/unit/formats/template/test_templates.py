"""Templates render as Go's do, and whatever is wrong with one is told with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import TemplateError
from dinv.formats.template import Heading, Record, Template
from dinv.formats.template.functions import FUNCTIONS

DATA: dict[str, Any] = {
    "s": "hello <w>",
    "i": 42,
    "n": -7,
    "f": 1.5,
    "zero": 0,
    "t": True,
    "no": False,
    "nil": None,
    "e": "",
    "l": ["a", "b", "c"],
    "li": [1, 2, 3],
    "el": [],
    "m": {"b": "x", "a": {"c": 1}},
    "mix": [1, "a", None, True, 2.5, ["q"]],
    "a-b": "dash",
}

# What stands on the right is what Go 1.27 has said to the left.
AS_GO = {
    # Fields, variables, text
    "plain": "plain",
    "": "",
    "{{.s}}": "hello <w>",
    "{{ .m.a.c }}": "1",
    "{{$.m.b}}{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}": "x12",
    "{{(.m).a.c}}": "1",
    '{{(index .m "a").c}}': "1",
    "{{.nope}} {{.nope.deeper}} {{.nil}}": "<no value> <no value> <no value>",
    "{{.i}}}": "42}",
    "{{/* said\nnowhere */}}a {{- /* nor here */ -}} b": "ab",
    "a {{- .i -}} b {{- 3}} {{-3}} {{3 -}} c": "a42b3 -3 3c",
    # Values
    "{{.t}} {{.no}} {{.l}} {{.el}} {{.m}} {{.mix}}": (
        "true false [a b c] [] map[a:map[c:1] b:x] [1 a <nil> true 2.5 [q]]"
    ),
    "{{1e6}} {{123456.0}} {{0.0001}} {{0.00001}} {{1e21}} {{100.0}} {{-2.50}}": (
        "1e+06 123456 0.0001 1e-05 1e+21 100 -2.5"
    ),
    # Literals
    "{{'a'}} {{'\\n'}} {{\"\\u00e9\\x41\\101\\t|\"}} {{`r\\a`}}": "97 10 \u00e9AA\t| r\\a",
    "{{0b11}} {{0o17}} {{017}} {{1_000}} {{0x1p4}} {{+5}} {{.5}} {{0x1F}}": "3 15 15 1000 16 5 0.5 31",
    # Branches
    "{{if .zero}}a{{else if .e}}b{{else if .i}}c{{else}}d{{end}}": "c",
    "{{if .el}}a{{end}}{{if .m}}b{{end}}{{if .nope}}c{{end}}": "b",
    "{{with .m.a}}{{.c}}{{$.i}}{{else}}n{{end}}{{with .e}}y{{else}}n{{end}}": "142n",
    "{{with .e}}1{{else with .s}}{{.}}{{end}}": "hello <w>",
    "{{with $x := .i}}{{$x}}{{end}}{{if $y := .t}}{{$y}}{{end}}": "42true",
    "{{range .l}}<{{.}}>{{else}}none{{end}}{{range .el}}{{.}}{{else}}none{{end}}": "<a><b><c>none",
    "{{range $k, $v := .m}}{{$k}}={{$v}};{{end}}": "a=map[c:1];b=x;",
    "{{range $i, $e := .l}}{{$i}}{{$e}}{{end}}{{range $e := .l}}{{$e}}{{end}}": "0a1b2cabc",
    "{{range .li}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{if eq . 3}}{{break}}{{end}}{{end}}": "13",
    "{{$last := 0}}{{range .li}}{{$last = .}}{{end}}{{$last}}": "3",
    "{{range .nope}}a{{else}}b{{end}}": "b",
    "{{if .t}}{{$x := 1}}{{$x}}{{end}}{{($y := 2)}}{{$y}}": "122",
    "{{with $x := .e}}{{else}}<{{$x}}>{{end}}": "<>",
    # Functions
    "{{.l | len}} {{len .m}} {{len .s}}": "3 2 9",
    '{{index .l 1}} {{index .m "a" "c"}} {{index .mix 5 0}} {{index . "a-b"}}': "b 1 q dash",
    "{{eq .i 1 42}} {{ne .s .e}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}}": "true true true true false",
    "{{eq .nope `x`}} {{eq .nil nil}} {{lt `a` `b`}} {{ne .t .no}}": "false true true true",
    "{{and .t .e}}|{{or .e `default`}}|{{not .e}}|{{and 1 2}}|{{or 0 nil}}": "|default|true|2|<no value>",
    "{{or .t (index .l 99)}} {{and .no (index .l 99)}}": "true false",
    '{{printf "%s is %d" .s .i | printf "%q"}}': '"hello <w> is 42"',
    "{{print 1 2 `a` 3 4.5 nil}}|{{println .i .s}}": "1 2a3 4.5 <nil>|42 hello <w>\n",
    "{{slice .l 1}} {{slice .s 1 3}} {{slice .l}}": "[b c] el [a b c]",
    "{{html .s}} {{urlquery .s .i}}": "hello &lt;w&gt; hello+%3Cw%3E42",
    "{{json .m}} {{json .s}} {{json .mix}}": (
        r'{"a":{"c":1},"b":"x"} "hello \u003cw\u003e" [1,"a",null,true,2.5,["q"]]'
    ),
    "{{prettyjson .m}}": '{\n    "a": {\n        "c": 1\n    },\n    "b": "x"\n}',
    '{{join .l ", "}} {{split "a,b" ","}} {{upper .s}} {{lower "ABC"}}': "a, b, c [a b] HELLO <W> abc",
    '{{title "hello wOrld_x a-b"}}|{{trim "  x "}}|{{truncate .s 2}}|{{pad "x" 1 2}}|': (
        "Hello WOrld_x A-B|x|he| x  |"
    ),
    "{{.i | printf `%d %d` 1 | len}}": "4",
    "{{if eq (len .l) 3 | not}}a{{else}}b{{end}}": "b",
}

# A template and the place and the words that are told of it. Line and column count from 1.
WRONG = {
    "{{.i": (1, 1, "unclosed action"),
    "a\nb {{": (2, 3, "unclosed action"),
    "{{end}}": (1, 3, "unexpected {{end}}"),
    "{{else}}": (1, 3, "unexpected {{else}}"),
    "{{if}}x{{end}}": (1, 5, "missing value for if"),
    "{{if .t}}x": (1, 11, "{{if} has no {{end}}".replace("{{if}", "{{if}}")),
    "{{if .t}}a{{else}}b{{else}}c{{end}}": (1, 22, "found {{else}}"),
    '{{"open}}': (1, 3, "unterminated quoted string"),
    "{{`open}}": (1, 3, "unterminated raw"),
    "{{'open}}": (1, 3, "unterminated character"),
    '{{"\\q"}}': (1, 3, "unknown escape"),
    "{{'ab'}}": (1, 3, "malformed character"),
    "{{nosuch .i}}": (1, 3, 'function "nosuch" not defined'),
    "{{$y}}": (1, 3, 'undefined variable "$y"'),
    "{{with $x := 1}}{{end}}{{$x}}": (1, 26, 'undefined variable "$x"'),
    "{{if .t}}{{$x := 1}}{{else}}{{$x}}{{end}}": (1, 31, 'undefined variable "$x"'),
    "{{or .t ($x := 1)}}{{$x}}": (1, 22, 'undefined variable "$x"'),
    "{{$x = 1}}": (1, 3, "undefined variable"),
    "{{.a-b}}": (1, 5, 'index . "a-b"'),
    "{{.i.}}": (1, 5, "unexpected '.'"),
    '{{"a".b}}': (1, 6, "unexpected '.'"),
    '{{"a""b"}}': (1, 6, "separated by spaces"),
    "{{()}}": (1, 4, "missing value"),
    "{{(.i}}": (1, 6, "unexpected '}}'"),
    "{{.i)}}": (1, 5, "unexpected ')'"),
    "{{| .i}}": (1, 3, "missing value"),
    "{{1 | 2}}": (1, 7, "pipe"),
    "{{1x}}": (1, 3, "bad number"),
    "{{08}}": (1, 3, "octal"),
    "{{99999999999999999999}}": (1, 3, "overflow"),
    "{{1e999}}": (1, 3, "bad number"),
    "{{/* a */ }}": (1, 3, "comment ends before"),
    "{{/* a": (1, 3, "unclosed comment"),
    "{{break}}": (1, 3, "outside"),
    '{{define "x"}}{{end}}': (1, 3, "one template"),
    "{{$a, $b := .l}}": (1, 5, "too many declarations"),
    "{{range $i, .l}}{{end}}": (1, 9, "range can only"),
    "{{.i ? 1}}": (1, 6, "unexpected '?'"),
    "{{%s}}" % ("(" * 51 + "1" + ")" * 51): (1, 53, "nested deeper"),
    # In execution
    "{{.s.x}}": (1, 5, "can't evaluate field x in type string"),
    "a\n{{.l.x}}": (2, 5, "can't evaluate field x in type []interface {}"),
    "{{index .l 5}}": (1, 3, "index out of range: 5"),
    '{{index .l "a"}}': (1, 3, "expected int"),
    "{{index .m 1}}": (1, 3, "expected string"),
    "{{index .nope 1}}": (1, 3, "untyped nil"),
    "{{index .i 1}}": (1, 3, "can't index"),
    "{{len .i}}": (1, 3, "len of type int"),
    "{{upper .i}}": (1, 3, "error calling upper: expected string; got int"),
    "{{upper}}": (1, 3, "want 1 got 0"),
    "{{eq .i}}": (1, 3, "want at least 2 got 1"),
    "{{eq .i .s}}": (1, 3, "incompatible types for comparison: int and string"),
    "{{eq .l .l}}": (1, 3, "non-comparable"),
    "{{lt .t .no}}": (1, 3, "invalid type for comparison"),
    "{{.i .s}}": (1, 3, "non-function"),
    "{{nil}}": (1, 3, "nil is not a command"),
    "{{range .i}}{{end}}": (1, 9, "can't iterate over int"),
    "{{slice .l 2 1}}": (1, 3, "invalid slice index"),
    "{{pad .s 1 9999999}}": (1, 3, "spaces"),
    "{{and}}": (1, 3, "want at least 1"),
}


@pytest.mark.parametrize(("template", "text"), AS_GO.items())
def test_as_go(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(("template", "place"), WRONG.items())
def test_what_is_wrong_and_where(template: str, place: tuple[int, int, str]) -> None:
    line, column, words = place
    with pytest.raises(TemplateError) as caught:
        Template(template).render(DATA)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert words in error.reason
    # As Go writes it: no column before execution, and in it they count from 0.
    first, *more = str(error).splitlines()
    if error.at is None:
        assert first.startswith(f"template parsing error: template: :{line}: ")
        assert more == [f"It is at column {column} of that line."]
    else:
        assert first.startswith(f'template: :{line}:{column - 1}: executing "" at <')
        assert more == []


def test_where_dinv_is_kinder_than_go() -> None:
    """Go takes every number of a JSON document for a float64, and scripts for it are to go on working."""
    assert Template("{{eq .i 42.0}} {{lt .f .i}}").render(DATA) == "true true"
    assert (
        Template('{{printf "%.0f %d" .i 2.0}} {{.big}}').render({"i": 42, "big": 1048576}) == "42 2 1048576"
    )
    assert Template('{{.l | join ","}}').render(DATA) == "a,b,c"
    assert Template("{{.nil.x}}").render(DATA) == "<no value>"


def test_escapes_are_expanded_where_docker_machine_does() -> None:
    template = r"""a\tb\n{{"\t"}}{{`\n`}}|{{printf "%s\n" .s}}"""
    assert Template(template, escapes=True).render({"s": "x"}) == "a\tb\n\t\n|x\n"
    assert Template(r"a\tb").render({}) == r"a\tb"
    assert Template(r"a\t{{- 1 -}}\n b", escapes=True).render({}) == "a1b"


def test_places_count_from_what_the_user_has_written() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("table {{nosuch}}", start=6)
    assert caught.value.column == 9


def test_small_numbers_of_json_are_as_go_writes_them() -> None:
    text = '[0.00001,-0.0000125,0.000001,9.99e-7,-1e-10,5e-324,"1e-05 \\"1e-07"]'
    assert Template("{{json .}}").render(json.loads(text)) == text


def test_letters_are_changed_one_by_one() -> None:
    data = "stra\u00dfe \u0130 \u039f\u03a3 a\u00b7b"
    assert Template("{{upper .}}").render(data) == "STRA\u00dfE \u0130 \u039f\u03a3 A\u00b7B"
    assert Template("{{lower .}}").render(data) == "stra\u00dfe i \u03bf\u03c3 a\u00b7b"
    assert Template("{{title .}}").render("x a\u00b7b\u00a0c") == "X A\u00b7b\u00a0C"


def test_a_record_knows_its_fields() -> None:
    record = Record(Name="dev", State="Running")
    assert Template("{{.Name}} {{if .}}yes{{end}} {{.}}").render(record) == "dev yes {dev Running}"
    with pytest.raises(TemplateError, match="can't evaluate field Nam\nThere are: Name, State"):
        Template("{{.Nam}}").render(record)


def test_a_heading_stays_whatever_is_done_to_it() -> None:
    record = Record(Labels=Heading("LABELS"))
    for template in (
        "{{.Labels}}",
        "{{.Labels.x}}",
        "{{json .Labels}}",
        '{{join .Labels ","}}',
        "{{index .Labels 0}}",
        "{{range .Labels}}{{.}}{{end}}",
    ):
        assert Template(template).render(record) == "LABELS"


def test_what_no_terminal_could_be_given() -> None:
    assert Template("{{.s}}\udc80").render({"s": "\ud800"}) == "\ufffd\ufffd"


def test_data_nested_too_deep_is_told() -> None:
    data: list[Any] = []
    for _ in range(100_000):
        data = [data]
    with pytest.raises(TemplateError, match="nested too deep"):
        Template("{{.}}").render(data)


PIECES = st.sampled_from(
    [
        *("{{", "}}", "{{-", "-}}", " ", "\n", "(", ")", "|", ".", ":=", "=", ",", "$", "$x", '"', "`", "'"),
        *(
            "/*",
            "*/",
            "\\",
            "-",
            "1",
            "0x",
            "1e",
            ".s",
            ".i",
            ".l",
            ".m",
            ".nil",
            '"a"',
            "'a'",
            "%d",
            "%*[2]d",
        ),
        *("if ", "else", "end", "range ", "with ", "break", "define "),
        *("eq ", "len ", "index ", "json ", "printf ", "and ", "not ", "join ", "slice ", "nil ", "true "),
    ]
)
TEMPLATES = st.one_of(
    st.text(max_size=60), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=40).map("".join)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(TEMPLATES, st.one_of(VALUES, st.just(DATA)))
def test_any_text_renders_or_is_an_error_with_its_place(template: str, data: Any) -> None:
    try:
        text = Template(template, escapes=True).render(data)
    except TemplateError as error:
        lines = template.split("\n")
        assert 1 <= error.line <= len(lines)  # noqa: PT017  (either outcome is good)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1  # noqa: PT017
    else:
        text.encode()


NAMES = sorted(FUNCTIONS)
EXPRESSIONS = st.recursive(
    st.sampled_from(
        [".s", ".i", ".f", ".l", ".m", ".nil", ".mix", ".m.a.c", "$", ".", '"x"', "1", "-2.5", "nil"]
    ),
    lambda inner: st.builds(
        lambda function, arguments: f"({function} {' '.join(arguments)})",
        st.sampled_from(NAMES),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_any_expression_has_a_value_or_is_an_error(expression: str) -> None:
    template = f"{{{{{expression}}}}}{{{{range $i, $e := {expression}}}}}{{{{$i}}}}{{{{end}}}}"
    try:
        text = Template(template).render(DATA)
    except TemplateError as error:
        text = error.reason
    assert isinstance(text, str)


@given(VALUES)
def test_json_can_be_read_back(value: Any) -> None:
    try:
        text = Template("{{json .}}").render(value)
    except TemplateError as error:
        assert "JSON" in error.reason  # noqa: PT017  (NaN and the infinities have no JSON)
        return
    read = json.loads(text)
    assert Template("{{json .}}").render(read) == text
