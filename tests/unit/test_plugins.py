"""Names to implementations: what is built in first, entry points after it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from entry_points import provide

from dinv.errors import InputError, PluginBroken, PluginNotFound, PluginsClash
from dinv.plugins import Seam

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = "dinv.drivers"
SEAM = Seam("driver", GROUP, {"json": "json:JSONDecoder"}, "builtins:dict")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Installs plugins by name and value; the list gets the group of each scan."""

    def install(**values: str) -> list[str]:
        return provide(monkeypatch, SEAM, [EntryPoint(name, value, GROUP) for name, value in values.items()])

    return install


def find(name: str) -> object:
    return SEAM.find(name)


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


def test_entry_points_are_scanned_once(installed: Callable[..., list[str]]) -> None:
    scans = installed(ordered="collections:OrderedDict", broken="nosuch.module:Thing")
    for _ in range(3):
        find("ordered")
        with pytest.raises(PluginNotFound):
            find("nosuch")
        with pytest.raises(PluginBroken):
            find("broken")
        assert SEAM.known() == ["broken", "json", "ordered"]
        assert len(SEAM.installed()) == 3
    assert scans == [GROUP]


def test_a_scan_that_failed_is_done_again(
    installed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(ordered="collections:OrderedDict")
    with monkeypatch.context() as broken:
        broken.setattr("importlib.metadata.entry_points", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            find("ordered")
    assert isinstance(find("ordered"), type)


def test_known_are_both_kinds_sorted(installed: Callable[..., list[str]]) -> None:
    installed(a="os:path", json="os:path")
    assert SEAM.known() == ["a", "json"]


class _Package:
    """Of a distribution, what is asked of one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = "1.0"


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points = []
    for package, name, value in (
        ("one", "good", "collections:OrderedDict"),
        ("one", "json", "collections:OrderedDict"),
        ("one", "twice", "collections:OrderedDict"),
        ("two", "twice", "collections:OrderedDict"),
        ("two", "broken", "nosuch.module:Thing"),
        ("two", "other", "os:path"),
    ):
        point = EntryPoint(name, value, GROUP)
        vars(point)["dist"] = _Package(package)
        points.append(point)
    provide(monkeypatch, SEAM, points)


@pytest.mark.usefixtures("packages")
def test_a_name_of_two_packages_is_nobodys() -> None:
    with pytest.raises(PluginsClash, match=r'"twice": one 1\.0, two 1\.0') as caught:
        find("twice")
    assert caught.value.packages == ["one 1.0", "two 1.0"]


@pytest.mark.usefixtures("packages")
def test_what_is_no_class_of_the_seam_is_refused() -> None:
    with pytest.raises(PluginBroken, match=r"is os:path, which does not derive from builtins\.dict"):
        find("other")


@pytest.mark.usefixtures("packages")
def test_all_there_are_are_listed_with_what_is_wrong_with_them() -> None:
    found = {(plugin.name, plugin.source): plugin.problem for plugin in SEAM.installed()}
    assert found.pop(("broken", "two 1.0")).startswith("cannot be loaded from nosuch.module:Thing: ModuleNot")
    assert found == {
        ("json", "built in"): "",
        ("good", "one 1.0"): "",
        ("json", "one 1.0"): "not used: dinv has a driver of this name built in",
        ("other", "two 1.0"): "is os:path, which does not derive from builtins.dict",
        ("twice", "one 1.0"): "not used: two 1.0 has a driver of this name, too",
        ("twice", "two 1.0"): "not used: one 1.0 has a driver of this name, too",
    }
