"""What the TLS of a machine costs, and how long giving and taking back access takes."""

from __future__ import annotations

import contextlib
import os
import tarfile
import time

from benchmarks.process import RunFailed, output_of, seconds_of
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.session import Session

LOAD_BYTES = 200_000_000
REVOKED = Figure(1.5)
SHARED = Figure(0.3)
"""Both in seconds."""
_POLL_SECONDS = 0.01
_LONGEST_SECONDS = 20.0


def measure(session: Session, runs: int, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Return lines of the table. `runs` of each command but `load`, which is run three times."""
    docker = {**session.environment, **_variables(session)}
    tell(f"TLS: docker version {runs} times, three times docker load of {LOAD_BYTES / 1e6:g} MB")
    versions = [1000 * seconds_of(["docker", "version"], docker) for _ in range(runs)]
    loads = _loads(session, docker)
    tell("TLS: certificates rotated, access given and taken back")
    rotations = [
        seconds_of(session.command("regenerate-certs", "-f", session.machine), session.environment)
        for _ in range(5)
    ]
    rows = [
        row("`docker version` at a machine", versions, "ms"),
        row(f"`docker load` of {LOAD_BYTES / 1e6:g} MB", loads, "s"),
        row("`regenerate-certs`", rotations, "s", REVOKED),
    ]
    if "share" in output_of(session.command("help"), session.environment):
        rows += _access(session)
    return rows


def _variables(session: Session) -> dict[str, str]:
    script = output_of(session.command("env", "--shell", "sh", session.machine), session.environment)
    lines = [line.removeprefix("export ") for line in script.splitlines() if line.startswith("export ")]
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def _loads(session: Session, docker: dict[str, str]) -> list[float]:
    """Load an image of one layer that cannot be compressed, each time anew."""
    layer = os.path.join(session.directory, "layer.tar")
    image = os.path.join(session.directory, "image.tar")
    content = os.path.join(session.directory, "content")
    with open(content, "wb") as file:
        file.write(os.urandom(LOAD_BYTES))
    with tarfile.open(layer, "w") as tar:
        tar.add(content, "content")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(content)
    taken = []
    try:
        output_of(["docker", "import", layer, "bench-load"], docker)
        output_of(["docker", "save", "-o", image, "bench-load"], docker)
        for _ in range(3):
            output_of(["docker", "rmi", "bench-load"], docker)
            taken.append(seconds_of(["docker", "load", "-i", image], docker))
        output_of(["docker", "rmi", "bench-load"], docker)
    finally:
        for path in (layer, image):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    return taken


def _access(session: Session) -> list[tuple[str, ...]]:
    shares, refused, ends = [], [], []
    for number in range(5):
        holder = f"holder-{number}"
        path = os.path.join(session.directory, f"{holder}.dinv")
        shares.append(
            seconds_of(
                session.command("share", session.machine, "--for", holder, "--output", path),
                session.environment,
            )
        )
        theirs = {**session.environment, "DOCKER_CONFIG": os.path.join(session.directory, holder)}
        output_of(["docker", "context", "import", "shared", path], theirs)
        output_of(["docker", "--context", "shared", "version"], theirs)
        began = time.perf_counter()
        stream = _Stream(["docker", "--context", "shared", "events"], theirs)
        try:
            time.sleep(0.5)
            began = time.perf_counter()
            output_of(session.command("access", "revoke", session.machine, holder), session.environment)
            ends.append(time.perf_counter() - began)
            refused.append(stream.ended() - began)
        finally:
            stream.close()
        try:
            output_of(["docker", "--context", "shared", "version"], theirs)
        except RunFailed:
            continue
        raise RunFailed(["docker", "version"], 0, f"{holder} was revoked, and is let in")
    return [
        row("`share`, whole process", shares, "s", SHARED),
        row("`access revoke`, until the holder's open stream has ended", refused, "s", REVOKED),
        row("`access revoke`, whole process", ends, "s", REVOKED),
    ]


class _Stream:
    """A docker command that stays until its connection is cut."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        import subprocess

        self._process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ended(self) -> float:
        """Wait until it has ended; returns when, by `time.perf_counter`. Raises RunFailed if it does not."""
        end = time.perf_counter() + _LONGEST_SECONDS
        while self._process.poll() is None:
            if time.perf_counter() >= end:
                raise RunFailed(["docker", "events"], 0, "it goes on after its holder was revoked")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
