"""The house: who may import whom, how large a folder may be, and what the map in CONTRIBUTING.md says of it.

All imports count: at the top, inside functions, and for types alone.
"""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

import dinv

ROOT = os.path.dirname(dinv.__file__)
CHECKOUT = os.path.dirname(os.path.dirname(ROOT))

# From the top down: a module imports from its own floor and from those below. The longest name that fits
# counts.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("shells", "testing"),
    ("server.serving",),
    ("server.web",),
    ("server.work",),
    ("server.fleet",),
    ("server.people",),
    ("server.audit",),
    ("server.database",),
    ("server",),
    ("machines",),
    ("machine",),
    ("declared",),
    ("caches", "pools"),
    ("access", "listing", "image_building", "cache_volumes", "leases"),
    ("lifecycle",),
    ("options",),
    ("provisioners",),
    ("drivers",),
    ("images", "registries"),
    ("authorities", "endpoints"),
    ("channel",),
    ("engine",),
    ("hooks",),
    ("store", "pki", "declaration"),
    ("system", "formats", "background", "plugins"),
    ("errors", "labels", "progress", "states", "suggestions", "timeouts", "wording"),
)
MOST_MODULES = 15
CROWDED = {"cli/verbs", "errors"}
"""One file a verb, and a subject, however many."""

SEAMS = {
    "authorities": {"cfssl", "exec", "local", "shared", "step", "vault"},
    "drivers": {"docker", "ci-test"},
    "images": {"dind", "dch-photon"},
    "provisioners": {"datacenter", "docker", "kubernetes", "swarm"},
    "provisioners/kubernetes/distributions": {"k3s", "k0s", "kubeadm"},
    "drivers/docker/flavours": {"vch", "podman"},
}
"""By folder, the names that can be chosen there: what depends on one stands in the file of that name.

Not "none" and "dinv", which are the words for other things too.
"""


@cache
def modules() -> dict[str, str]:
    """All modules by their name in the package ("lifecycle.create"), and their files."""
    found = {}
    for directory, _, files in os.walk(ROOT):
        for file in files:
            path = os.path.join(directory, file)
            name = os.path.relpath(path, ROOT).removesuffix(".py").replace(os.sep, ".")
            if file.endswith(".py") and name != "__init__" and not name.startswith("images.source"):
                found[name.removesuffix(".__init__")] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    with open(modules()[name], encoding="utf-8") as file:
        return ast.parse(file.read())


def imported(name: str) -> set[str]:
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for each in names:
            module = each.removeprefix("dinv.")
            while module and module not in modules():
                module = module.rpartition(".")[0]
            if each.startswith("dinv.") and module:
                found.add(module)
    return found - {name}


def floor(name: str) -> int:
    units = {unit: number for number, floor in enumerate(FLOORS) for unit in floor}
    while name not in units:
        assert name, "a module that is on no floor: put it on one of FLOORS"
        name = name.rpartition(".")[0]
    return units[name]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_down(name: str) -> None:
    assert [other for other in imported(name) if floor(other) < floor(name)] == []


def test_there_is_no_circle() -> None:
    try:
        TopologicalSorter({name: imported(name) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def folders() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in modules().values():
        folder, file = os.path.split(os.path.relpath(path, ROOT))
        found.setdefault(folder, []).append(file)
    return found


def test_no_folder_is_a_long_flat_list() -> None:
    counts = {folder: len(set(files) - {"__init__.py"}) for folder, files in folders().items()}
    assert {folder for folder, count in counts.items() if count > MOST_MODULES} == CROWDED


def test_a_seam_is_asked_and_not_told_apart_by_name() -> None:
    """No `== "vch"`, no `in ("local", "shared")` outside the file of that name."""
    found = []
    for module, path in modules().items():
        for node in ast.walk(tree(module)):
            if not isinstance(node, ast.Compare):
                continue
            operands = [node.left, *node.comparators]
            words = {
                constant.value
                for operand in operands
                for constant in ast.walk(operand)
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            }
            for folder, names in SEAMS.items():
                own = {os.path.join(ROOT, folder, f"{name.replace('-', '_')}.py") for name in names}
                if words & names and path not in own and not path.startswith(os.path.join(ROOT, "testing")):
                    found.append(f"{module}:{node.lineno}: {ast.unparse(node)}")
    assert sorted(set(found)) == []


def test_every_public_name_says_what_it_is() -> None:
    """Modules, classes and functions; methods that fill in a seam are documented where the seam is."""
    silent = []
    for module in modules():
        nodes: list[ast.Module | ast.ClassDef | ast.FunctionDef] = [tree(module)]
        nodes += [node for node in tree(module).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        for node in nodes:
            name = "" if isinstance(node, ast.Module) else node.name
            if not name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{module}.{name}")
    verbs = re.compile(r"cli\.verbs\.\w+\.(arguments|run|takes_rest)$")
    assert [name for name in silent if not verbs.match(name)] == []


def test_the_map_in_contributing_is_of_this_tree() -> None:
    with open(os.path.join(CHECKOUT, "CONTRIBUTING.md"), encoding="utf-8") as file:
        page = file.read()
    section = page.partition("## Where things are")[2].partition("\nBeside it:")[0]
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]*(?:/|\.py))`", section))
    there = {f"{folder}/" for folder in folders() if folder} | {
        os.path.relpath(path, ROOT) for path in modules().values()
    }
    assert named - there == set(), "named in CONTRIBUTING.md, and not in src/dinv"
    top = {f"{folder}/" for folder in folders() if folder and "/" not in folder}
    top |= {file for file in folders()[""] if not file.startswith("__")}
    assert top - named == set(), "in src/dinv, and not named in CONTRIBUTING.md"
