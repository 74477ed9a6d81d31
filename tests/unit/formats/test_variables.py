"""Variables in values, as compose has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dinv.formats.variables import expand, is_reference

SET = {"A": "a", "EMPTY": "", "DOLLAR": "$A ${A}", "_x1": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("plain", "plain"), ("${A}", "a"), ("$A", "a"), ("-$A-${A}-", "-a-a-"), ("$_x1.y", "x.y")),
        *(("$$A", "$A"), ("$$$A", "$a"), ("cost: 5$$", "cost: 5$"), ("$${A}", "${A}")),
        *(("${B:-b}", "b"), ("${B-b}", "b"), ("${A:-b}", "a"), ("${EMPTY:-b}", "b"), ("${EMPTY-b}", "")),
        *(("${B:-}", ""), ("${B-${A}}", "a"), ("${B:-${C:-${A}!}}", "a!"), ("${B:-x$$y}", "x$y")),
        *(("${A:?gone}", "a"), ("${EMPTY?gone}", ""), ("${A:+yes}", "yes"), ("${EMPTY:+yes}", "")),
        *(("${EMPTY+yes}", "yes"), ("${B+yes}", ""), ("${B:-a:b-c?d}", "a:b-c?d"), ("${DOLLAR}", "$A ${A}")),
        ("${EMPTY}", ""),
    ],
)
def test_expanded_as_compose_does(text: str, value: str) -> None:
    assert expand(text, SET) == (value, "$" in text.replace("$$", ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${B}", "needs the variable B, which is not set"),
        ("$B", "needs the variable B, which is not set"),
        ("${B:?give a token}", "needs the variable B: give a token"),
        ("${EMPTY:?}", "needs the variable EMPTY"),
        ("${A", 'has "${" without a "}"'),
        ("${}", 'has "${" without a name'),
        ("${1}", 'has "${" without a name'),
        ("${A b}", "has ${A...} with something other than"),
        ("${A:=b}", "has ${A...} with something other than"),
        ("5$", 'write "$$" for a dollar sign'),
        ("$1", 'write "$$" for a dollar sign'),
        ("${B:-" * 20 + "}" * 20, "nested more than 8 deep"),
        ("${LONG}${LONG}", "comes to more than 65536 characters"),
    ],
)
def test_what_cannot_be_expanded_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (below)
        expand(text, {**SET, "LONG": "x" * 40_000})
    assert said in str(caught.value)


def test_without_variables_none_is_taken() -> None:
    assert expand("a$$b", None) == ("a$b", False)
    with pytest.raises(ValueError, match="there are none here"):
        expand("${HOME}", None)


@given(some.text(alphabet="$A{}:-?+B ", max_size=30))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    try:
        found, used = expand(text, {"A": "1", "B": ""})
    except ValueError:
        return
    assert used or found == text.replace("$$", "$")


@given(some.text(max_size=50))
def test_a_doubled_dollar_is_a_dollar(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == (text, False)


def test_what_is_a_variable_and_nothing_else() -> None:
    assert all(map(is_reference, ["${A}", "$A", "${A:?why}", "${A?}"]))
    assert not any(map(is_reference, ["a", "${A:-secret}", "x${A}", "${A}${B}", "$$", "${A:+secret}", ""]))
