"""What a Python that has only begun loads of the library."""

from __future__ import annotations

import subprocess
import sys


def modules_after(code: str) -> set[str]:
    """The modules that are there after some code, in a Python without site-packages' start-up files."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stdout.split())
