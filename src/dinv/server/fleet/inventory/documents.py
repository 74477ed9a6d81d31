"""A template's YAML: what an operator writes."""

from typing import Any


def read(text: str) -> dict[str, Any]:
    """Seam."""
    raise NotImplementedError
