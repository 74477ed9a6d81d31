"""LinuxKit's schema of its YAML, and as much of JSON schema (draft 4) as it uses.

linuxkit_schema.json is the text of src/cmd/linuxkit/moby/schema.go, and linuxkit_docker.yml is
examples/docker.yml, both as of commit 3bf33c3a11fc of linuxkit/linuxkit (March 2026, Apache License 2.0).
"""

from __future__ import annotations

import json
import os
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_TYPES: dict[str, Any] = {"string": str, "array": list, "object": dict, "boolean": bool, "integer": int}
_KNOWN = {"$schema", "title", "definitions", "$ref", "type", "additionalProperties", "properties", "items"}
_KNOWN |= {"required", "enum", "anyOf"}


def schema() -> dict[str, Any]:
    with open(os.path.join(_HERE, "linuxkit_schema.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def example() -> str:
    with open(os.path.join(_HERE, "linuxkit_docker.yml"), encoding="utf-8") as file:
        return file.read()


def faults(value: Any, of: dict[str, Any], root: dict[str, Any], where: str = "(root)") -> list[str]:
    """Return what in a document is not as a schema says; a keyword that is not known here is an error."""
    assert set(of) <= _KNOWN, f"{where}: {set(of) - _KNOWN}"
    if "$ref" in of:
        return faults(value, root["definitions"][of["$ref"].removeprefix("#/definitions/")], root, where)
    if "anyOf" in of:
        return [] if any(not faults(value, one, root) for one in of["anyOf"]) else [f"{where}: {value!r}"]
    kind = of.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{where}: {value!r} is not of type {kind}"]
    found = [] if value in of.get("enum", [value]) else [f"{where}: {value!r} is none of {of['enum']}"]
    if isinstance(value, list) and "items" in of:
        for number, item in enumerate(value):
            found += faults(item, of["items"], root, f"{where}.{number}")
    return found + _faults_of_fields(value, of, root, where) if isinstance(value, dict) else found


def _faults_of_fields(
    value: dict[str, Any], of: dict[str, Any], root: dict[str, Any], where: str
) -> list[str]:
    found = [f"{where}: {name} is missing" for name in of.get("required", ()) if name not in value]
    properties, others = of.get("properties", {}), of.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            found += faults(item, properties[name], root, f"{where}.{name}")
        elif isinstance(others, dict):
            found += faults(item, others, root, f"{where}.{name}")
        elif not others:
            found.append(f"{where}: additional property {name} is not allowed")
    return found
