"""The project's scripts that are Python: as modules, and run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
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


def check_pages(name: str) -> None:
    """Fail unless the pages are what scripts/NAME.py writes, whatever is in the environment."""
    environment = {**os.environ, "MACHINE_DRIVER": "none", "COLUMNS": "40", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, os.path.join(CHECKOUT, "scripts", f"{name}.py"), "--check"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
