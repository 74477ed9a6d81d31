"""The project's scripts that are Python, as modules."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from harness import CHECKOUT


def script(name: str) -> Any:
    """The module of scripts/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(CHECKOUT, "scripts", f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
