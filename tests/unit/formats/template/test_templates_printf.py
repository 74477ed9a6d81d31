"""printf as Go has it; where Python's % is the same, it is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.template.printf import sprint, sprintf, sprintln

# What stands on the right is what Go 1.27 has said to the left.
AS_GO: list[tuple[str, tuple[Any, ...], str]] = [
    ("%s|%v|%d|%t", ("a", "b", 3, True), "a|b|3|true"),
    ("%5s|%-5s|%05d|%-05d|%+d|% d", ("ab", "ab", -42, 3, 5, 5), "   ab|ab   |-0042|3    |+5| 5"),
    ("%x|%X|%#x|%o|%#o|%O|%b|%#b", (255, 255, 255, 8, 8, 8, 5, 5), "ff|FF|0xff|10|010|0o10|101|0b101"),
    (
        "%x|%X|% x|%#x|%q|%+q|%#q",
        ("hi", "hi", "hi", "hi", 'a"\t', "\u00e9", "hi"),
        '6869|6869|68 69|0x6869|"a\\"\\t"|"\\u00e9"|`hi`',
    ),
    ("%c|%q|%U|%#U|%5c", (65, 122, 0x1F600, 0x41, 120), "A|'z'|U+1F600|U+0041 'A'|    x"),
    (
        "%f|%.2f|%08.3f|%e|%g|%G|%6.2v|%#g",
        (1.5, 3.14159, 3.14159, 1234.5, 1e6, 1e-7, 3.14159, 1.0),
        "1.500000|3.14|0003.142|1.234500e+03|1e+06|1E-07|   3.1|1.00000",
    ),
    ("%.2s|%.0s|%5.1s|", ("h\u00e9llo", "x", "ab"), "h\u00e9||    a|"),
    ("%v|%s|%d|%q|%x", (["a", 1], ["a", "b"], [1, 2], ["a"], ["ab", 3]), '[a 1]|[a b]|[1 2]|["a"]|[6162 3]'),
    ("%v|%s", ({"b": 1, "a": None}, {"b": 1, "a": None}), "map[a:<nil> b:1]|map[a:<nil> b:%!s(int=1)]"),
    (
        "%#v|%#v",
        ({"b": [1.5, True, None, "x"]}, "s"),
        'map[string]interface {}{"b":[]interface {}{1.5, true, interface {}(nil), "x"}}|"s"',
    ),
    (
        "%T %T %T %T %T %T %T",
        (None, True, 1, 1.5, "", [], {}),
        "<nil> bool int float64 string []interface {} map[string]interface {}",
    ),
    ("%d %s %t %z", ("x", 3, "x", 4), "%!d(string=x) %!s(int=3) %!t(string=x) %!z(int=4)"),
    ("%d %s", (1,), "1 %!s(MISSING)"),
    ("%v|%#O|%#O|%#.3o|%.2T", (2**-24, 0, 8, 8, None), "5.960464477539063e-08|0o0|0o010|010|<nil>"),
    ("x", (1, "a", None), "x%!(EXTRA int=1, string=a, <nil>)"),
    ("%s|%v|%d", (None, None, None), "%!s(<nil>)|<nil>|%!d(<nil>)"),
    ("100%%|%5%|%", (), "100%|%|%!(NOVERB)"),
    ("%[2]d %[1]d|%[5]d", (1, 2), "2 1|%!d(BADINDEX)"),
    ("%*d|%-*d|%*d|%.*f|%*d", (5, 1, 4, 2, -4, 3, 2, 3.14159, "x", 3), "    1|2   |3   |3.14|%!(BADWIDTH)3"),
    ("%.*f", (-1, 1.5), "%!(BADPREC)1.500000"),
    ("%.3d|%.0d|%8.3d|%+.3d", (5, 0, -5, 5), "005||    -005|+005"),
    ("%5t|%-7v|%6v", (True, True, [1, 2]), " true|true   |[     1      2]"),
    ("%q|%c", (0x110000, -1), "'\ufffd'|\ufffd"),
    ("%v %v %v %6.1f|", (float("inf"), float("-inf"), float("nan"), float("inf")), "+Inf -Inf NaN   +Inf|"),
]


@pytest.mark.parametrize(("form", "arguments", "text"), AS_GO)
def test_as_go(form: str, arguments: tuple[Any, ...], text: str) -> None:
    assert sprintf(form, arguments) == text


def test_numbers_of_either_kind() -> None:
    assert sprintf("%.1f %g %d %x %05d", (2, 3, 4.0, 255.0, -1.0)) == "2.0 3 4 ff -0001"
    assert sprintf("%d", (1.5,)) == "%!d(float64=1.5)"


def test_widths_have_a_limit() -> None:
    assert sprintf("%9999999d|%.9999999f", (1, 1.5)) == "%!(BADWIDTH)1|%!(BADPREC)1.500000"


def test_sprint_and_sprintln() -> None:
    assert sprint([1, 2, "a", 3, 4.5, None, True]) == "1 2a3 4.5 <nil> true"
    assert sprintln([1, "a", None]) == "1 a <nil>\n"
    assert (sprint([]), sprintln([])) == ("", "\n")


FLAGS = st.sampled_from(["", "-", "+", " ", "0", "-+", "+0", "-0"])
WIDTH = st.sampled_from(["", "1", "5", "12"])


@given(
    FLAGS,
    WIDTH,
    st.sampled_from(["", ".0", ".3"]),
    st.sampled_from("eEfF"),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_floats_are_pythons(flags: str, width: str, precision: str, verb: str, value: float) -> None:
    form = f"%{flags}{width}{precision}{verb}"
    assert sprintf(form, (value,)) == form % value


@given(FLAGS, WIDTH, st.sampled_from("doxX"), st.integers())
def test_integers_are_pythons(flags: str, width: str, verb: str, value: int) -> None:
    form = f"%{flags}{width}{verb}"
    assert sprintf(form, (value,)) == form % value


@given(st.sampled_from(["", "-"]), WIDTH, st.sampled_from(["", ".0", ".3"]), st.text())
def test_strings_are_pythons(flags: str, width: str, precision: str, value: str) -> None:
    form = f"%{flags}{width}{precision}s"
    assert sprintf(form, (value,)) == form % value


@given(st.floats(allow_nan=False))
def test_the_shortest_float_is_the_same_number(value: float) -> None:
    shown = sprintf("%v", (value,))
    assert float(shown) == value
    assert len(shown) <= len(f"{value:+.17e}")


FORMS = st.lists(
    st.sampled_from(
        ["%", "[", "]", "*", ".", "-", "0", "1", "2", "99", "#", "+", "v", "d", "s", "q", "x", "T", "é"]
    ),
    max_size=25,
).map("".join)
ARGUMENTS = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.floats()
    | st.text(max_size=4)
    | st.just([1, "a"])
    | st.just({"k": None}),
    max_size=4,
)


@given(st.one_of(FORMS, st.text(max_size=20)), ARGUMENTS)
def test_it_never_raises(form: str, arguments: list[Any]) -> None:
    assert isinstance(sprintf(form, arguments), str)
