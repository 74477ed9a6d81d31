"""The package of errors: its drawn tree, table and imports agree; classes are loaded when they are used."""

from __future__ import annotations

import ast
import copy
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
import traceback
from importlib import import_module

import pytest

from dinv import errors
from dinv.errors import DinvError, InputError, MachineGone, MachineNotFound
from dinv.formats.problem import Problem
from dinv.wording import Wording, command

FILES = [module.name for module in pkgutil.iter_modules(errors.__path__)]
DRAWN = "\u251c\u2514"


def classes() -> dict[str, type[DinvError]]:
    """All classes of the files, whether or not the package knows them."""
    return {
        name: value
        for file in FILES
        for name, value in vars(import_module(f"dinv.errors.{file}")).items()
        if isinstance(value, type) and issubclass(value, DinvError)
    }


def syntax(module: str = "") -> ast.Module:
    path = os.path.join(errors.__path__[0], f"{module or '__init__'}.py")
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def drawn() -> dict[str, str]:
    """The classes of the drawn tree, each with the one that it hangs from."""
    found: dict[str, str] = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if "\u2500\u2500 " not in line and line.strip() != "DinvError":
            continue
        depth = line.index("\u2500\u2500 ") // 4 if "\u2500\u2500 " in line else 0
        name = line.rpartition("\u2500\u2500 ")[2].split()[0]
        assert name not in found, f"{name} is drawn twice"
        del branch[depth:]
        found[name] = branch[-1] if branch else "Exception"
        branch.append(name)
    return found


def example(kind: type[DinvError]) -> DinvError:
    """An error of the class, every argument given."""
    if kind.__init__ in (Exception.__init__, DinvError.__init__):
        return kind("It happened. What to do next: " + command("rm", "dev"))
    values = {
        "str": "word",
        "int": 7,
        "float": 2.5,
        "bool": True,
        "bytes": b"first\nlast\n",
        "object": "any",
        "str | None": "any",
        "list[str]": ["one", "two"],
        "list[str] | None": ["one", "two"],
        "int | None": 7,
        "tuple[str, ...]": ("one", "two"),
        "list[tuple[str, str]]": [("one", "two")],
        "InputError": InputError("It is wrong"),
        "Iterable[Any]": [Problem(3, 5, "machines", "is a list")],
    }
    positional, named = [], {}
    for name, parameter in inspect.signature(kind).parameters.items():
        value = values[parameter.annotation]
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            positional.append(value)
    return kind(*positional, **named)


def test_the_drawn_tree_has_each_class_below_its_base() -> None:
    assert drawn() == {name: kind.__bases__[0].__name__ for name, kind in classes().items()}


def test_a_class_has_one_base() -> None:
    """The tree could not show more."""
    assert [name for name, kind in classes().items() if len(kind.__bases__) != 1] == []


def test_the_table_says_in_which_file_each_class_is() -> None:
    defined = {
        node.name: file for file in FILES for node in syntax(file).body if isinstance(node, ast.ClassDef)
    }
    assert defined == errors._FILES
    assert set(defined) == set(classes())


def test_type_checkers_see_what_the_table_has() -> None:
    imported = {
        (alias.name, alias.asname): (node.module or "").removeprefix("dinv.errors.")
        for node in ast.walk(syntax())
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    assert imported == {(name, name): file for name, file in errors._FILES.items()}


def test_every_class_can_be_had_from_the_package() -> None:
    for name, kind in classes().items():
        assert getattr(errors, name) is kind
    assert sorted(errors.__all__) == dir(errors) == sorted(classes())


def test_what_does_not_exist_is_said_in_the_usual_way() -> None:
    with pytest.raises(AttributeError, match=r"module 'dinv.errors' has no attribute 'Nonesuch'"):
        errors.Nonesuch  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match=r"cannot import name 'Nonesuch' from 'dinv.errors'"):
        exec("from dinv.errors import Nonesuch")  # noqa: S102  (mypy would see it)


def test_only_the_files_of_the_classes_in_use_are_loaded() -> None:
    code = (
        "import sys, dinv.errors\n"
        "loaded = lambda: print(*sorted(name for name in sys.modules if name.startswith('dinv.errors.')))\n"
        "loaded()\n"
        "from dinv.errors import MachineNotFound\n"
        "loaded()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines() == ["", "dinv.errors.base dinv.errors.store"]


def test_tracebacks_and_help_name_the_package() -> None:
    """It is what everybody imports from: the files are inside."""
    assert {kind.__module__ for kind in classes().values()} == {"dinv.errors"}
    last = traceback.format_exception_only(MachineNotFound("dev"))[0]
    assert last.startswith('dinv.errors.MachineNotFound: There is no machine "dev".')


def test_a_plugins_own_class_keeps_its_module() -> None:
    class QuotaReached(MachineGone):
        pass

    assert QuotaReached.__module__ == __name__


def facts(error: DinvError) -> dict[str, str]:
    return {name: repr(value) for name, value in vars(error).items()}


@pytest.mark.parametrize("kind", classes().values(), ids=classes())
def test_an_error_is_copied_and_pickled_whole(kind: type[DinvError]) -> None:
    """For example from a worker of a ProcessPoolExecutor, which breaks on one that cannot be pickled."""
    error = example(kind)
    error.add_note("a note")
    copies = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301
    for again in (*copies, copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.hints == error.hints
        assert isinstance(again.text, Wording) is isinstance(error.text, Wording)
        assert facts(again) == facts(error)
        assert again.__notes__ == ["a note"]
