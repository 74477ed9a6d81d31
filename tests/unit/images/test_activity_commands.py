"""Which processes in a machine are commands that came in from outside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    Processes = dict[int, tuple[str, int, str]]

LIB = Path(__file__).parents[3] / "images" / "rootfs" / "usr" / "local" / "lib" / "dinv"
HEALTHCHECK = "/bin/sh /usr/local/lib/dinv/healthcheck"


def counted(
    directory: Path, now: dict[int, tuple[str, int, str]], later: dict[int, tuple[str, int, str]]
) -> int:
    """What `commands` says, where there are these processes at first, and those after a pause.

    Each is a number with a name, its parent's number, and its command line.
    """
    for place, processes in ((directory, now), (directory / "later", later)):
        for number, (name, parent, command) in processes.items():
            process = place / str(number)
            process.mkdir(parents=True)
            (process / "stat").write_text(f"{number} ({name}) S {parent} 1 1 0\n")
            (process / "cmdline").write_bytes(command.encode().replace(b" ", b"\0") + b"\0" * bool(command))
    script = (LIB / "activity").read_text().partition("read -r up _")[0].replace("/proc/", "$DIR/")
    # Time passes: what is there later is all that there is.
    passing = 'sleep() { rm -rf "$DIR"/[0-9]*; cp -R "$DIR"/later/* "$DIR"; }\ncommands\n'
    ran = subprocess.run(
        ["sh", "-c", script + passing],
        env={**os.environ, "DIR": str(directory)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert not ran.stderr
    return int(ran.stdout)


INIT = {1: ("tini", 0, "tini -s -- entrypoint"), 2: ("kthreadd", 0, ""), 7: ("dockerd", 1, "dockerd -H x")}
SHELL = {100: ("a) S 5 (b", 0, "sh -c 'sleep 5'"), 101: ("bash", 0, "bash")}


@pytest.mark.parametrize(
    ("now", "later", "count"),
    [
        (INIT, INIT, 0),
        ({**INIT, **SHELL, 102: ("sleep", 101, "sleep 5")}, {**INIT, **SHELL}, 2),
        # The engine's own way in: of a health check, and of a command that has ended since.
        ({**INIT, 50: ("runc:[2:INIT]", 0, "runc init")}, {**INIT, 50: ("sh", 0, HEALTHCHECK)}, 0),
        ({**INIT, 50: ("runc:[2:INIT]", 0, "runc init"), 101: SHELL[101]}, {**INIT, 101: SHELL[101]}, 1),
        ({**INIT, 50: ("sh", 0, HEALTHCHECK), 51: ("curl", 50, "curl --silent")}, INIT, 0),
    ],
    ids=["none", "two", "a health check comes in", "one ends, one stays", "a health check"],
)
def test_commands_that_stay_are_counted(
    tmp_path: Path,
    now: Processes,
    later: Processes,
    count: int,
) -> None:
    assert counted(tmp_path, now, later) == count


def test_a_health_check_is_known_by_its_name_to_its_end() -> None:
    """What it runs in its own place would have no parent, and another name."""
    lines = (LIB / "healthcheck").read_text().splitlines()
    assert not [line for line in lines if line.lstrip().startswith("exec ")]
