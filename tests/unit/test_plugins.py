"""Names to implementations: what is built in first, entry points after it."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING

import pytest

from dinv import plugins
from dinv.errors import InputError, PluginBroken

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = "dinv.drivers"
BUILT_IN = {"json": "json:JSONDecoder"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Installs plugins by name and value; the list says for which groups anybody looked."""

    def install(**values: str) -> list[str]:
        asked: list[str] = []

        def entry_points(*, group: str) -> EntryPoints:
            asked.append(group)
            return EntryPoints(EntryPoint(name, value, group) for name, value in values.items())

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        return asked

    return install


def find(name: str) -> object:
    return plugins.find(name, group=GROUP, built_in=BUILT_IN, what="driver")


def test_what_is_built_in_never_waits_for_a_scan(installed: Callable[..., list[str]]) -> None:
    import json

    asked = installed(json="os:path")
    assert find("json") is json.JSONDecoder
    assert asked == []


def test_a_plugin_is_found_by_its_entry_point(installed: Callable[..., list[str]]) -> None:
    import collections

    asked = installed(ordered="collections:OrderedDict")
    assert find("ordered") is collections.OrderedDict
    assert asked == [GROUP]


def test_an_unknown_name_is_refused_with_the_names_there_are(installed: Callable[..., list[str]]) -> None:
    installed(ordered="collections:OrderedDict")
    with pytest.raises(InputError, match=r'Driver "nosuch" not found.*json, ordered'):
        find("nosuch")


@pytest.mark.parametrize("value", ["nosuch.module:Thing", "json:NoSuchThing"])
def test_a_broken_plugin_is_told_as_one(installed: Callable[..., list[str]], value: str) -> None:
    installed(broken=value)
    with pytest.raises(PluginBroken, match="broken") as caught:
        find("broken")
    assert value in str(caught.value)
    assert caught.value.__cause__ is not None


def test_known_are_both_kinds_sorted(installed: Callable[..., list[str]]) -> None:
    installed(a="os:path", json="os:path")
    assert plugins.known(group=GROUP, built_in=BUILT_IN) == ["a", "json"]
