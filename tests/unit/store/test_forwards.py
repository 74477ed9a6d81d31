"""The records of background forwards, whose locks say which of them run."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from dinv.store import forwards

if TYPE_CHECKING:
    from pathlib import Path

RECORD = """
import os, sys
from dinv.store import forwards
forwards.record(forwards.path_of(sys.argv[1], os.getpid()), ["one -> two"])
print(os.getpid(), flush=True)
input()
"""


def test_a_forward_is_recorded_while_somebody_looks_at_its_file(tmp_path: Path) -> None:
    """The number of a process that had a forward before comes again, and `ls` looks at what it has left."""
    with subprocess.Popen(
        [sys.executable, "-c", f"input(){RECORD}", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        path = tmp_path / "forwards" / f"{child.pid}.json"
        path.parent.mkdir()
        with path.open("w") as looking:
            fcntl.flock(looking, fcntl.LOCK_SH)
            child.stdin.write("\n")
            child.stdin.flush()
            timer = threading.Timer(0.3, looking.close)
            timer.start()
            assert child.stdout.readline() == f"{child.pid}\n"
            timer.join()
        (found,) = forwards.found(str(tmp_path))
        assert (found.pid, found.forwards) == (child.pid, ["one -> two"])
        child.kill()
    assert forwards.found(str(tmp_path)) == []
