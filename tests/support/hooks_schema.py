"""As much of JSON schema (draft 2020-12) as the schema of the hooks' document has."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, Any] = {"string": str, "array": list, "object": dict, "boolean": bool, "null": type(None)}
_KNOWN = {"$schema", "type", "required", "properties", "items", "additionalProperties", "enum", "const"}
_KNOWN |= {"format", "allOf", "if", "then"}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is what a schema says; a keyword that is not known here is an error."""
    try:
        check(value, schema)
    except AssertionError:
        return False
    return True


def check(value: Any, schema: dict[str, Any], where: str = "document") -> None:
    """Raise AssertionError unless a value is what a schema says."""
    assert set(schema) <= _KNOWN, f"{where}: {set(schema) - _KNOWN}"
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    assert not kinds or any(_is(value, kind) for kind in kinds), f"{where}: {value!r} is not {kinds}"
    assert value in schema.get("enum", [value]), f"{where}: {value!r}"
    assert value == schema.get("const", value), f"{where}: {value!r}"
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value), f"{where}: {value!r}"
    absent = [name for name in schema.get("required", ()) if name not in value]
    assert not absent, f"{where} has no {absent}"
    _check_inside(value, schema, where)
    for each in schema.get("allOf", ()):
        check(value, each, where)
    if "if" in schema and fits(value, schema["if"]):
        check(value, schema["then"], where)


def _check_inside(value: Any, schema: dict[str, Any], where: str) -> None:
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name, each in value.items():
            check(each, properties.get(name, schema.get("additionalProperties", {})), f"{where}.{name}")
    if isinstance(value, list):
        for each in value:
            check(each, schema.get("items", {}), f"{where}[]")


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])
