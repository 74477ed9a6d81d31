"""The JSON Schema (2020-12) of a kind of documents, for editors and other programs.

It has the options of all drivers, provisioners, authorities and image contracts that are installed, plugins'
too. Which of them go together, and what a variable holds, only the reader knows.
"""

from __future__ import annotations

from dinv.declared.kinds import API_VERSION
from dinv.declared.shapes import DEFINITIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.declared.kinds import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of a kind's documents."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:dinv:schema:{API_VERSION.rpartition('/')[2]}:{kind.name.lower()}",
        "title": f"dinv {kind.name}",
        **kind.shape().described(),
        "$defs": DEFINITIONS,
    }
