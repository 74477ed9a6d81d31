"""Go itself, to render templates with: oracle.go, built and run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_SECONDS = 150
OLDEST = (1, 18)
"""The Go that oracle.go is written for. It is the first in whose templates `and` and `or` stop early."""


def why_not(oldest: tuple[int, int] = OLDEST) -> str:
    """Why Go, of this version or newer, cannot be asked on this computer; empty when it can."""
    if not shutil.which("go"):
        return "Go is not installed"
    asked = subprocess.run(["go", "version"], capture_output=True, text=True, timeout=60, check=False)
    version = re.search(r"\bgo(\d+)\.(\d+)", asked.stdout)
    if not version:
        return f"`go version` does not say a version: {asked.stdout}{asked.stderr}"
    if (int(version[1]), int(version[2])) < oldest:
        return f"Go {version[1]}.{version[2]} is too old: {oldest[0]}.{oldest[1]} is needed"
    return ""


class Oracle:
    """A running oracle.go. `version` is Go's, such as go1.22.1."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout
        self.version: str = json.loads(self._stdout.readline())

    def __call__(self, template: str, data: Any, *, struct: bool = False) -> tuple[str, str]:
        """("ok", text) or ("error", message); with `struct`, `data` is a struct's fields, not a map."""
        json.dump({"Template": template, "Data": data, "Struct": struct}, self._stdin)
        self._stdin.write("\n")
        self._stdin.flush()
        kind, text = json.loads(self._stdout.readline())
        return kind, text


@contextlib.contextmanager
def oracle(directory: str) -> Iterator[Oracle]:
    """Build oracle.go in `directory`, with the `go` that is in PATH, and run it."""
    program = os.path.join(directory, "oracle")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "oracle.go")
    subprocess.run(
        ["go", "build", "-o", program, source],
        check=True,
        timeout=BUILD_SECONDS,
        env={
            **os.environ,
            "GOCACHE": os.path.join(directory, "cache"),
            "GO111MODULE": "off",
            "GOTOOLCHAIN": "local",
        },
    )
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        running = Oracle(process)
        yield running
        assert process.stdin
        process.stdin.close()
