"""Names to implementations: what is built in first, entry points after it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from entry_points import provide

from dinv import authorities, drivers, images, provisioners
from dinv.errors import InputError, PluginBroken, PluginNotFound, PluginsClash
from dinv.hooks import finding
from dinv.plugins import Seam

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    assert found.pop(("broken", "two 1.0")) == (
        "cannot be loaded from nosuch.module:Thing: ModuleNotFoundError: No module named 'nosuch'"
    )
    assert found == {
        ("json", "built in"): "",
        ("good", "one 1.0"): "",
        ("json", "one 1.0"): "not used: dinv has a driver of this name built in",
        ("other", "two 1.0"): "is os:path, which does not derive from builtins.dict",
        ("twice", "one 1.0"): "not used: two 1.0 has a driver of this name, too; remove all but one",
        ("twice", "two 1.0"): "not used: one 1.0 has a driver of this name, too; remove all but one",
    }


# What is wrong with packages: real ones, on sys.path, for each of the seams

COMPLETE = """
from {module} import {base}

class Thing({base}):
    name = "thing"

Thing.__abstractmethods__ = frozenset()
"""
"""A class of the seam that has everything, as far as Python can tell."""

BROKEN = {
    "syntax": ("def (:\n", "SyntaxError: "),
    "import": ("import no_such_module_here\n", "ModuleNotFoundError: No module named 'no_such_module_here'"),
    "exit": ("import sys; sys.exit('goodbye\\nall of you')\n", "SystemExit: goodbye"),
    "raises": ("raise RuntimeError('one\\ntwo')\n", "RuntimeError: one"),
    "nothing": ("raise RuntimeError\n", "RuntimeError"),
    "absent": ("", "AttributeError: "),
    "function": ("def Thing(): pass\n", "does not derive from dinv."),
    "class": ("class Thing: pass\n", "does not derive from dinv."),
    "abstract": (
        "from {module} import {base}\nclass Thing({base}):\n    name = 'thing'\n",
        "does not have what each",
    ),
    "named": (COMPLETE.replace('"thing"', '"docker"'), 'which calls itself "docker"'),
    "nameless": (COMPLETE.replace('"thing"', '"other"'), 'which calls itself "other"'),
}
SEAMS = [drivers.SEAM, provisioners.SEAM, authorities.SEAM, images.SEAM]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    for seam in SEAMS:
        monkeypatch.setattr(seam, "_scanned", None)
        monkeypatch.setattr(seam, "_damaged", [])
    monkeypatch.setattr(finding, "_points", None)
    monkeypatch.setattr(finding, "_damaged", [])
    return Site(tmp_path)


class Site:
    """A directory that packages are installed in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.modules = 0

    def add(self, name: str, points: str, code: str = "") -> None:
        """Install a package: `points` is its entry_points.txt, where MODULE stands for the one of `code`."""
        self.modules += 1
        module = f"{self._path.name.replace('-', '_')}_{self.modules}"
        (self._path / f"{module}.py").write_text(code)
        info = self._path / f"{name.replace('-', '_')}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_bytes(points.replace("MODULE", module).encode("latin-1"))


def _filled(seam: Seam, code: str) -> str:
    module, _, base = seam.base.partition(":")
    return code.replace("{module}", module).replace("{base}", base)


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.what)
def test_one_that_cannot_be_used_breaks_nothing_else(site: Site, seam: Seam, kind: str) -> None:
    code, reason = BROKEN[kind]
    site.add("dinv-thing", f"[{seam.group}]\nthing = MODULE:Thing\n", _filled(seam, code))
    site.add(
        "dinv-good",
        f"[{seam.group}]\nthing2 = MODULE:Thing\n",
        _filled(seam, COMPLETE.replace('"thing"', '"thing2"')),
    )
    found = {plugin.name: plugin for plugin in seam.installed()}
    broken = found["thing"]
    assert reason in broken.problem
    assert "\n" not in broken.problem
    assert (broken.package, broken.version, broken.source) == ("dinv-thing", "2.5", "dinv-thing 2.5")
    assert broken.entry.endswith(":Thing")
    assert [name for name, plugin in found.items() if plugin.problem] == ["thing"]
    assert found["thing2"].problem == ""
    with pytest.raises(PluginBroken, match="Repair or remove the package dinv-thing") as caught:
        seam.find("thing")
    assert caught.value.reason == broken.problem
    assert seam.find("thing2").name == "thing2"


def test_what_is_missing_is_named(site: Site) -> None:
    seam = provisioners.SEAM
    site.add("dinv-thing", f"[{seam.group}]\nthing = MODULE:Thing\n", _filled(seam, BROKEN["abstract"][0]))
    with pytest.raises(PluginBroken, match="each provisioner has: activate, credentials, health, provision"):
        seam.find("thing")


def test_a_class_may_have_two_names(site: Site) -> None:
    seam = provisioners.SEAM
    points = f"[{seam.group}]\nthing = MODULE:Thing\nformerly = MODULE:Thing\n"
    site.add("dinv-thing", points, _filled(seam, COMPLETE))
    assert seam.find("formerly") is seam.find("thing")


def test_what_a_package_prints_is_not_among_what_we_print(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    seam = drivers.SEAM
    site.add(
        "dinv-thing", f"[{seam.group}]\nthing = MODULE:Thing\n", _filled(seam, "print('hello')\n" + COMPLETE)
    )
    assert [plugin.problem for plugin in seam.installed() if plugin.name == "thing"] == [""]
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("line", ["no equals sign here", "\xe9t\xe9 = a:b"], ids=["not a pair", "not UTF-8"])
def test_a_damaged_list_of_entry_points_hides_no_others(site: Site, line: str) -> None:
    seam = drivers.SEAM
    site.add("dinv-good", f"[{seam.group}]\nthing = MODULE:Thing\n", _filled(seam, COMPLETE))
    site.add("dinv-damaged", f"[{seam.group}]\n{line}\n")
    site.add("elsewhere", f"[console_scripts]\n{line}\n")
    assert seam.find("thing").name == "thing"
    problems = {plugin.name: plugin.problem for plugin in seam.installed() if plugin.problem}
    assert list(problems) == ["dinv-damaged"]
    assert "entry_points.txt is damaged" in problems["dinv-damaged"]


def test_hooks_are_loaded_too(site: Site, tmp_path: Path) -> None:
    points = (
        "[dinv.hooks]\nready.good = MODULE:good\nready.none = MODULE:none\nready.number = MODULE:number\n"
    )
    site.add("dinv-hooks", points, "number = 5\ndef good(told): pass\n")
    site.add("dinv-late", "[dinv.hooks]\nready.exit = MODULE:good\n", "raise SystemExit(3)\n")
    problems = {plugin.name: plugin.problem for plugin in finding.installed(str(tmp_path))}
    assert problems.pop("ready.good") == ""
    assert "AttributeError" in problems.pop("ready.none")
    assert "which cannot be called" in problems.pop("ready.number")
    assert problems.pop("ready.exit").endswith("SystemExit: 3")


def test_hooks_that_may_be_in_a_damaged_package_refuse(site: Site, tmp_path: Path) -> None:
    site.add("dinv-rules", "[dinv.hooks]\npre-create\n")
    site.add("dinv-good", "[dinv.hooks]\npre-create.good = MODULE:good\n", "def good(told): pass\n")
    good, damaged = finding.hooks(str(tmp_path), "pre-create")
    assert (good.name, good.problem) == ("pre-create.good", "")
    assert (damaged.name, damaged.place) == ("dinv-rules", "dinv-rules 2.5")
    assert damaged.problem.startswith("is refused: the package's entry_points.txt is damaged")
    assert [plugin.name for plugin in finding.installed(str(tmp_path)) if plugin.problem] == ["dinv-rules"]
