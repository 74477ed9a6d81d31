"""The files in examples/declared: read, fitting the schema, and planned in an order that works."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from harness import CHECKOUT

from dinv.declared.changes import CREATE
from dinv.declared.planning import order
from dinv.declared.wanted import of
from dinv.errors import DeclarationError
from dinv.machines import Machines

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY = os.path.join(CHECKOUT, "examples", "declared")
FILES = sorted(os.listdir(DIRECTORY))
VARIABLES = {"BUILD": "4711"}


def schema() -> dict[str, Any]:
    with open(os.path.join(CHECKOUT, "docs", "dinv.schema.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def test_there_are_three() -> None:
    assert FILES == ["ci.yaml", "developer.yaml", "team.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_it_fits_the_schema(name: str) -> None:
    with open(os.path.join(DIRECTORY, name), encoding="utf-8") as file:
        jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(file))


@pytest.mark.parametrize("name", FILES)
def test_it_is_planned_and_its_canonical_form_is_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    declared = Machines().declared
    (document,) = declared.read([os.path.join(DIRECTORY, name)], variables=VARIABLES)
    changes = declared.plan([document])
    assert {change.action for change in changes} == {CREATE}
    canonical = declared.canonical(document)
    jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(canonical))
    path = tmp_path / "canonical.yaml"
    path.write_text(canonical)
    assert declared.canonical(declared.read([str(path)], variables={})[0]) == canonical


def test_the_team_waits_for_its_cache_and_its_manager() -> None:
    (document,) = Machines().declared.read([os.path.join(DIRECTORY, "team.yaml")], variables={})
    needs = {
        name: {other for _, other in others} for (_, name), others in order(of([document], "/gone")).items()
    }
    assert needs["m1"] == {"hub"}
    assert {"hub", "m1"} <= needs["w1"]
    assert {"hub", "m1", "w1"} <= needs["w2"]


def test_a_ci_job_has_a_number() -> None:
    with pytest.raises(DeclarationError, match="name needs the variable BUILD: the number of the build"):
        Machines().declared.read([os.path.join(DIRECTORY, "ci.yaml")], variables={})
