"""Templates and printf formats of all kinds, rendered by Go itself as well, where Go is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from go_oracle import oracle, why_not
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dinv.errors import TemplateError
from dinv.formats.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from go_oracle import Oracle

# No floats, no nulls within maps and ASCII alone: docs/formats.md, "Where dinv is not Go".
DATA: dict[str, Any] = {
    "s": "hello <w>",
    "q": 'say "hi"\t`x`\n',
    "i": 42,
    "n": -7,
    "zero": 0,
    "t": True,
    "no": False,
    "e": "",
    "l": ["a", "b", "c"],
    "li": [1, 2, 3],
    "el": [],
    "m": {"b": "x", "a": {"c": 1}},
    "mix": [1, "a", None, True, ["q"]],
}


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    if reason := why_not():
        pytest.skip(reason)
    with oracle(str(tmp_path_factory.mktemp("go"))) as running:
        yield running


def ours(template: str, data: Any) -> tuple[str, str]:
    try:
        return "ok", Template(template).render(data)
    except TemplateError as error:
        return "error", error.reason


ATOMS = st.sampled_from(
    [
        *(".s", ".q", ".i", ".n", ".zero", ".t", ".no", ".e", ".l", ".li", ".el", ".m", ".mix", ".m.a.c"),
        *(
            ".",
            "$",
            "$.s",
            ".nope",
            '"x"',
            "`r`",
            "'c'",
            "1",
            "-2",
            "0x1f",
            "true",
            "false",
            "nil",
            "(len .l)",
        ),
        *('(index .m "a").c', "(.m).b"),
    ]
)
FUNCTIONS = st.sampled_from(
    [
        *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "len", "index", "print", "println", "html"),
        *("urlquery", "json", "prettyjson", "upper", "lower", "title", "trim", "split"),
        *(
            f'printf "{verb}"'
            for verb in ("%v", "%s", "%d", "%q", "%5v|", "%-7s|", "%T", "%#v", "%x", "%05d")
        ),
    ]
)
CALLS = st.builds(
    lambda function, arguments: " ".join([function, *arguments]), FUNCTIONS, st.lists(ATOMS, max_size=3)
)
COMMANDS = st.one_of(ATOMS, CALLS)
PIPES = st.builds(
    lambda first, rest: " | ".join([first, *rest]),
    COMMANDS,
    st.lists(st.one_of(FUNCTIONS, CALLS), max_size=2),
)
ACTIONS = st.builds("{}{}{}".format, st.sampled_from(["{{", "{{- "]), PIPES, st.sampled_from(["}}", " -}}"]))
TEXTS = st.sampled_from([" t ", "\n x", "a", "{{/* c */}}", "{{- /* c */ -}}", "{{", "}}", "{{end}}"])


def branch(word: str, pipe: str, body: str, otherwise: str | None) -> str:
    else_part = "" if otherwise is None else "{{else}}" + otherwise
    return "{{" + f"{word} {pipe}" + "}}" + body + else_part + "{{end}}"


BRANCHES = {
    "if": "",
    "with": "",
    "range": "",
    "if $v :=": "{{$v}}",
    "with $v :=": "{{$v}}",
    "range $e :=": "{{$e}}",
    "range $k, $e :=": "{{$k}}={{$e}} ",
}
TEMPLATES = st.recursive(
    st.one_of(ACTIONS, ACTIONS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.builds(
            lambda word, pipe, body, otherwise: branch(word, pipe, BRANCHES[word] + body, otherwise),
            st.sampled_from(sorted(BRANCHES)),
            PIPES,
            inner,
            st.none() | inner,
        ),
    ),
    max_leaves=6,
)

SETTINGS = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(TEMPLATES)
def test_templates(go: Oracle, template: str) -> None:
    kind, text = go(template, DATA)
    found = ours(template, DATA)
    # Go goes over a number.
    assume("can't iterate over int" not in found[1])
    assert found[0] == kind
    if kind == "ok":
        assert found[1] == text


VERBS = st.builds(
    "{}%{}{}{}{}".format,
    st.sampled_from(["", "-", "|"]),
    st.sampled_from(["", "", "-", "+", "#", " ", "0", "-+", "+0"]),
    st.sampled_from(["", "", "5", "12", "*"]),
    st.sampled_from(["", "", "", ".2", ".0", ".*"]),
    st.sampled_from("vdsqxXtTboOcUz%"),
)
NUMBERED = st.builds("%[{}]{}".format, st.integers(0, 4), st.sampled_from("vdsq"))
FORMS = st.lists(st.one_of(VERBS, VERBS, NUMBERED), min_size=1, max_size=3).map("".join)
FLOAT_FORMS = st.builds(
    "%{}{}{}{}".format,
    st.sampled_from(["", "-", "+", " ", "0", "+0", "-+"]),
    st.sampled_from(["", "5", "12"]),
    st.sampled_from(["", ".0", ".3"]),
    st.sampled_from("eEfFgGv"),
)
VALUES = st.one_of(
    st.integers(-300, 300),
    st.text(st.characters(codec="ascii"), max_size=5),
    st.booleans(),
    st.none(),
    st.just(["a", 1]),
    st.just({"k": "v", "n": 2}),
)


def printf(form: str, values: list[Any]) -> tuple[str, dict[str, Any]]:
    arguments = "".join(f" (index .v {place})" for place in range(len(values)))
    return "{{printf .f" + arguments + "}}", {"f": form, "v": values}


@SETTINGS
@given(FORMS, st.lists(VALUES, max_size=4))
def test_printf(go: Oracle, form: str, values: list[Any]) -> None:
    template, data = printf(form, values)
    assert ours(template, data) == go(template, data)


@SETTINGS
@given(FLOAT_FORMS, st.floats(allow_nan=False, allow_infinity=False))
def test_printf_of_floats(go: Oracle, form: str, value: float) -> None:
    assume(not value.is_integer())  # JSON writes some of them as integers, which Go's float verbs refuse
    template, data = printf(form, [value])
    assert ours(template, data) == go(template, data)
