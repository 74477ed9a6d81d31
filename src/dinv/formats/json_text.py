"""JSON that others have written: read with a bound to how deep it goes, and one kind of error."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DEEPEST = 200
"""Lists and objects within each other. Docker's answers have some ten; Python's recursion ends at 1000."""


def parse(data: bytes | str) -> Any:
    """Return the value in `data`. Raises ValueError for what is not JSON, or is nested too deep."""
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    # Counting is quick, and nothing with so few can be deep.
    if isinstance(data, bytes):
        opening = data.count(b"[") + data.count(b"{")
    else:
        opening = data.count("[") + data.count("{")
    if opening > DEEPEST:
        check_depth(value)
    return value


def check_depth(value: object) -> None:
    """Raise ValueError for what is nested too deep."""
    level: list[object] = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError("nested too deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
