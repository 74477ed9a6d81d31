"""The three kinds of patch that the API takes."""

from __future__ import annotations

import copy
from typing import Any

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"

_MERGED_BY = {"conditions": "type", "addresses": "type"}


def patched(node: dict[str, Any], patch: Any, kind: str) -> dict[str, Any]:
    """Return the node with the patch applied. Raises ValueError, KeyError."""
    new = copy.deepcopy(node)
    if kind == JSON:
        for operation in patch:
            _operate(new, operation)
        return new
    if kind not in (STRATEGIC, MERGE):
        raise ValueError(f"the body of the request was in an unknown format: {kind}")
    _merge(new, patch, strategic=kind == STRATEGIC)
    return new


def _merge(target: dict[str, Any], patch: dict[str, Any], *, strategic: bool) -> None:
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _merge(target[key], value, strategic=strategic)
        elif strategic and key in _MERGED_BY and isinstance(value, list):
            by = _MERGED_BY[key]
            merged = {one[by]: one for one in target.get(key, [])}
            for one in value:
                merged[one[by]] = {**merged.get(one[by], {}), **one}
            target[key] = list(merged.values())
        else:
            target[key] = value


def _operate(target: dict[str, Any], operation: dict[str, Any]) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    at: Any = target
    for part in parts[:-1]:
        at = at[int(part)] if isinstance(at, list) else at[part]
    last = parts[-1]
    action = operation["op"]
    if action == "test":
        if at.get(last) != operation["value"]:
            raise ValueError(f"testing value {operation['path']} failed: test failed")
    elif action in ("add", "replace"):
        at[last] = operation["value"]
    elif action == "remove":
        del at[last]
    else:
        raise ValueError(f"Unexpected kind: {action}")
