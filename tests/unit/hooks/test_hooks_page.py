"""docs/hooks.md and the schema: what they say is what there is."""

from __future__ import annotations

import json
import os
import re

import pytest
from documents import read
from harness import CHECKOUT
from hooks_schema import fits

from dinv.hooks import running
from dinv.hooks.events import EVENTS, FACTS, MACHINE, document, schema
from dinv.hooks.settings import MOST_SECONDS, SECONDS

PAGE = read("docs/hooks.md")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first cell is `heading`."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]*\|\n((?:\|.*\n)*)", PAGE, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_the_events_are_those_of_the_code() -> None:
    assert rows("event") == [
        [
            f"`{name}`",
            "asks" if event.asks else "",
            event.when,
            ", ".join(f"`{fact}`" for fact in event.facts),
        ]
        for name, event in EVENTS.items()
    ]


def test_the_facts_are_those_of_the_code() -> None:
    assert rows("of the machine") == [[f"`{name}`", what] for name, (_, what) in MACHINE.items()]
    assert rows("facts") == [[f"`{name}`", what] for name, (_, what) in FACTS.items()]
    assert {fact for event in EVENTS.values() for fact in event.facts} == set(FACTS)


def test_events_that_ask_are_the_ones_before() -> None:
    assert [name for name, event in EVENTS.items() if event.asks] == [
        name for name in EVENTS if name.startswith("pre-")
    ]


def test_the_schema_is_the_one_that_is_handed_out() -> None:
    with open(os.path.join(CHECKOUT, "examples", "hooks", "schema.json"), encoding="utf-8") as file:
        assert json.load(file) == schema()


def test_the_example_fits_the_schema_and_is_what_is_sent() -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert fits(shown, schema())
    sent = document(shown["store"], shown["event"], {**shown["facts"], "machine": shown["machine"]})
    assert {**sent, "time": shown["time"]} == shown


@pytest.mark.parametrize("change", [{"version": 2}, {"event": "pre-isue"}, {"time": 3}, {"facts": {}}])
def test_the_schema_refuses_what_is_not_sent(change: dict[str, object]) -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert not fits({**shown, **change}, schema())


def test_figures() -> None:
    text = " ".join(PAGE.split())
    assert f"A hook has {SECONDS:g} seconds" in text
    assert f"up to {MOST_SECONDS:g}" in text
    assert f"After {running.MOST_LINES} lines, and after {running.LONGEST_LINE} bytes of a line" in text
    for name in running._PASSED:
        assert f"`{name}`" in text
