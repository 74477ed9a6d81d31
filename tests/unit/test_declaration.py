"""Options as data: values by type, from a variable, and what cannot be."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv import declaration
from dinv.declaration import CHOICE, DURATION, INTEGER, NUMBER, PAIRS, SECONDS, SIZE, SWITCH, TEXT, Option
from dinv.errors import OptionError
from dinv.wording import Wording


def option(kind: str = TEXT, **facts: Any) -> Option:
    return Option("an-option", "AN_OPTION", "for a test", type=kind, **facts)


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (TEXT, "x", "x"),
        (TEXT, "", ""),
        (TEXT, 2376, "2376"),
        (TEXT, pathlib.PurePosixPath("/x/y"), "/x/y"),
        (NUMBER, "1.5", 1.5),
        (NUMBER, 2, 2.0),
        (NUMBER, "", None),
        (INTEGER, "3", 3),
        (INTEGER, 3.0, 3),
        (SIZE, "2g", 2 * 2**30),
        (SIZE, 1024, 1024),
        (SECONDS, "0.5", 0.5),
        (DURATION, "12h", 43200),
        (DURATION, 90, 90),
        (DURATION, 90.0, 90),
        (DURATION, dt.timedelta(minutes=2), 120),
        (DURATION, "", None),
        (SWITCH, True, True),
        (SWITCH, "false", False),
        (CHOICE, "a", "a"),
    ],
)
def test_values_are_of_the_type_declared(kind: str, given: Any, value: Any) -> None:
    checked = option(kind, values=("a", "b")).checked(given)
    assert checked == value
    assert checked.__class__ is value.__class__


def test_variables_of_other_programs_count_where_its_own_is_not_set() -> None:
    address = option(other_envs=("ITS_ADDR", "OTHER_ADDR"))
    environ = {"OTHER_ADDR": "c"}
    assert address.value(None, environ) == "c"
    assert address.value(None, environ | {"ITS_ADDR": "b", "AN_OPTION": ""}) == "b"
    assert address.value(None, environ | {"ITS_ADDR": "b", "AN_OPTION": "a"}) == "a"
    assert address.value("given", environ) == "given"
    several = option(repeatable=True, other_envs=("THEIRS",))
    assert several.value(None, {"THEIRS": "x,y"}) == ("x", "y")
    assert several.value(["z"], {"THEIRS": "x,y"}) == ("z",)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        (TEXT, ["x"], "is not a text"),
        (TEXT, True, "is not a text"),
        (NUMBER, "x", "is not a number"),
        (NUMBER, True, "is not a number"),
        (INTEGER, "1.5", "is not a whole number"),
        (INTEGER, float("inf"), "is not a whole number"),
        (SIZE, "lots", "is not a size"),
        (SIZE, "9" * 400 + "g", "is more than any computer has"),
        (SECONDS, 0, "is not a number of seconds above 0"),
        (SECONDS, float("nan"), "is not a number of seconds above 0"),
        (SECONDS, "1e9", "is not a number of seconds above 0"),
        (DURATION, "12", "is not a duration"),
        (DURATION, "9" * 20 + "d", "is not between 1s and 1d"),
        (DURATION, 0, "is not between 1s and 1d"),
        (DURATION, 1.5, "is not a duration"),
        (DURATION, True, "is not a duration"),
        (DURATION, float("nan"), "is not a duration"),
        (DURATION, float("inf"), "is not a duration"),
        (DURATION, dt.timedelta(days=2), "is not between 1s and 1d"),
        (SWITCH, "perhaps", "is neither true nor false"),
        (CHOICE, "c", "is not one of a, b"),
    ],
)
def test_what_cannot_be_is_said_to_the_caller_and_at_the_command_line(
    kind: str, given: Any, why: str
) -> None:
    with pytest.raises(OptionError) as caught:
        option(kind, values=("a", "b")).checked(given)
    error = caught.value
    assert str(error).startswith(f"an_option={given!r} {why}")
    assert isinstance(error.text, Wording)
    assert error.text.worded("dinv").startswith(f'--an-option "{given}" {why}')
    assert (error.option, error.value) == ("an-option", given)


@pytest.mark.parametrize(
    "given", [{"team": "red", "n": 1}, ["team=red", "n=1"], ("team=red", "n=1"), iter(["team=red", "n=1"])]
)
def test_pairs_are_a_mapping_or_a_list(given: Any) -> None:
    assert option(PAIRS).value(given, {}) == ("team=red", "n=1")


@pytest.mark.parametrize(
    ("kind", "given"), [(PAIRS, "team=red"), (PAIRS, 7), (TEXT, "a"), (TEXT, {"a": "b"}), (TEXT, b"ab")]
)
def test_one_text_is_not_several(kind: str, given: Any) -> None:
    """A str is an Iterable[str]: `label="team=red"` would be eight labels of a letter."""
    with pytest.raises(OptionError, match=r"^an_option=.* give a list, "):
        option(kind, repeatable=True).value(given, {})


@pytest.mark.parametrize("given", [["x"], ["=x"], {"": "x"}])
def test_a_pair_has_a_key_and_a_value(given: Any) -> None:
    with pytest.raises(OptionError, match="is not KEY=VALUE"):
        option(PAIRS, metavar="KEY=VALUE").value(given, {})


def test_a_flag_of_a_daemon_may_stand_alone() -> None:
    assert option(PAIRS, bare=True).value({"debug": True, "mtu": 1400}, {}) == ("debug=true", "mtu=1400")
    assert option(PAIRS, bare=True).value(["debug"], {}) == ("debug",)


def test_what_is_given_wins_over_the_variable_and_that_over_the_default() -> None:
    number = option(NUMBER, default=7.0)
    assert number.value("1", {"AN_OPTION": "2"}) == 1
    assert number.value(None, {"AN_OPTION": "2"}) == 2
    assert number.value(None, {"AN_OPTION": ""}) == 7
    assert number.value(None, {}) == 7
    several = option(repeatable=True)
    assert several.value(["a"], {"AN_OPTION": "b"}) == ("a",)
    assert several.value([], {"AN_OPTION": "b,,c"}) == ("b", "c")
    assert several.value(None, {}) == ()


def test_an_option_that_adds_keeps_what_its_variable_says() -> None:
    assert option(repeatable=True, adds=True).value(["c"], {"AN_OPTION": "a,b"}) == ("a", "b", "c")


def test_a_secret_is_in_no_message_and_no_record() -> None:
    token, url = option(INTEGER, secret=True), Option("url", "", "")
    with pytest.raises(OptionError) as caught:
        token.checked("s3cret")
    assert "s3cret" not in f"{caught.value}{vars(caught.value)}"
    assert (token.flag, url.flag) == ("", "--url")
    found = {"an_option": 42, "url": "https://x", "unused": None}
    assert declaration.to_record((token, url), found) == {"url": "https://x"}
    assert declaration.secrets((token, url), found) == {"an_option": 42}


def test_what_was_recorded_comes_back_with_secrets_and_defaults() -> None:
    options = (option(INTEGER, secret=True), Option("url", "URL", ""), Option("n", "N", "", default="1"))
    recorded = {"url": "https://x", "gone": "an option of an earlier version"}
    environ = {"AN_OPTION": "3", "URL": "https://y", "N": "9"}
    found = declaration.from_record(options, recorded, {}, environ)
    # What is recorded holds, whatever its variable says today; a secret's is read each time.
    assert found == {"an_option": 3, "url": "https://x", "n": "1"}
    assert declaration.from_record(options, recorded, {"an_option": 4}, environ)["an_option"] == 4


@given(st.text(), st.sampled_from([NUMBER, INTEGER, SIZE, SECONDS, DURATION, SWITCH, CHOICE, PAIRS]))
def test_any_text_is_a_value_or_an_option_error(text: str, kind: str) -> None:
    declared = option(kind)
    try:
        value = declared.checked(text)
    except OptionError:
        return
    assert value is None or declared.checked(value) == value, "what is checked is checked once more"
