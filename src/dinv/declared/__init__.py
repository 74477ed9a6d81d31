"""Machines, registry caches and pools as a file says them: `dinv apply`, `diff`, `delete`, `config -f`.

reading.py      a text to a Document: strict, all problems at once, each with its line
kinds.py        what kinds of documents there are; others may have theirs
shapes.py       what may stand where: read, and described by JSON Schema
option_shapes.py  the same of the options of `create`, from their declarations
schema.py       the JSON Schema of a kind
"""

from __future__ import annotations
