"""One run of a program: how long it took, what CPU and memory it took, what it said and when.

Times are of the wall clock, from before the process is started until it has ended and been waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

LONGEST_SECONDS = 180.0
"""What runs longer hangs: it is killed, and the run is a failure."""

UNDO_SECONDS = 30.0
"""For a program that was interrupted to undo what it has begun."""

MAX_RSS_SCALE = 1 if sys.platform == "darwin" else 1024
"""ru_maxrss is bytes on macOS, KiB on Linux: getrusage(2)."""


class RunFailed(Exception):
    """A program that is measured has failed: there is nothing to measure."""

    def __init__(self, argv: Sequence[str], status: int, said: str) -> None:
        super().__init__(f"{' '.join(argv)} ended with status {status}: {said.strip() or 'it said nothing'}")


class Line:
    """A line that a program has written: `seconds` after its start, on which stream, what."""

    def __init__(self, seconds: float, stream: str, text: str) -> None:
        self.seconds = seconds
        self.stream = stream
        self.text = text


def seconds_of(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run a program with nothing read of what it says; returns seconds. Raises RunFailed."""
    started = time.perf_counter()
    with _running(argv, environment, subprocess.DEVNULL, subprocess.DEVNULL) as process:
        status = process.wait()
        taken = time.perf_counter() - started
    if status:
        raise RunFailed(argv, status, output_of(argv, environment, check=False))
    return taken


def output_of(argv: Sequence[str], environment: Mapping[str, str], *, check: bool = True) -> str:
    """Run a program; returns what it says on both streams. Raises RunFailed unless `check` is off."""
    with _running(argv, environment, subprocess.PIPE, subprocess.STDOUT) as process:
        said = process.communicate()[0].decode(errors="replace")
    if check and process.returncode:
        raise RunFailed(argv, process.returncode, said)
    return said


def timed_lines(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[float, list[Line]]:
    """Run a program; returns its seconds, and each line it wrote with the time it came. Raises RunFailed."""
    lines: list[Line] = []
    started = time.perf_counter()

    def read(stream: str, pipe: IO[bytes]) -> None:
        for text in pipe:
            lines.append(Line(time.perf_counter() - started, stream, text.decode(errors="replace")))  # noqa: PERF401  (two threads, one list)

    with _running(argv, environment, subprocess.PIPE, subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=read, args=each, daemon=True)
            for each in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        status = process.wait()
        taken = time.perf_counter() - started
        for reader in readers:
            reader.join()
    if status:
        raise RunFailed(argv, status, "".join(line.text for line in lines))
    return taken, lines


@contextlib.contextmanager
def _running(
    argv: Sequence[str], environment: Mapping[str, str], stdout: int, stderr: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which has ended when this does.

    One that is interrupted, or hangs, may undo what it has begun (SIGTERM) before it is killed: what
    it made after us would be left on the endpoint.
    """
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    # Not Popen's own timeouts, which look every 50 ms whether the process has ended.
    hung = threading.Timer(LONGEST_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    hung.start()
    try:
        with process:
            try:
                yield process
            except BaseException:
                _end_group(process)
                raise
    finally:
        hung.cancel()
        hung.join()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + UNDO_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        while True:
            process.poll()
            os.killpg(process.pid, 0)
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)


_LAUNCHER = """
import os, sys
output = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ,
    file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)],
)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def peak_memory(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program; returns the most memory it had resident, in bytes. Raises RunFailed.

    A process begins with the high-water mark of the one that started it (Linux: fs/exec.c, exec_mmap).
    So that this is not measured in place of the program, a Python that has imported nothing starts it,
    some 9 MB in all: programs smaller than that cannot be measured this way.
    """
    said = output_of([sys.executable, "-I", "-S", "-c", _LAUNCHER, *argv], environment)
    status, peak = (int(word) for word in said.split())
    if status:
        raise RunFailed(argv, status, output_of(argv, environment, check=False))
    return peak * MAX_RSS_SCALE


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change what is measured."""
    return {
        key: value
        for key, value in os.environ.items()
        # PYTHONDONTWRITEBYTECODE alone would have each run compile the whole package, some 15 ms.
        if not key.startswith(("PYTHON", "DOCKER_", "DINV_", "MACHINE_"))
    }
