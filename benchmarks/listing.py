"""`ls` with 1, 10 and 50 machines, and with an endpoint that takes connections and never answers.

Fifty daemons are too many for a small computer. The first machine is a real one; the others are records
like its own, whose containers run `sleep` in the machine's image under the right names and labels. `ls`
asks the endpoint for its containers and nobody else, so this is what it would see of fifty machines but
for their published ports and the verdicts of their health checks.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import statistics
import threading

from benchmarks.process import output_of, seconds_of
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from benchmarks.session import Session

COUNTS = (1, 10, 50)
FIGURE = Figure(163, 187)
"""Milliseconds with 50 machines: 0.2 times the 816 to 934 that docker-machine takes."""
SILENT_SECONDS = 2.0
_SILENT_RUNS = 5


def measure(session: Session, runs: int, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Run `ls` and `ls -q` `runs` times for each number of machines; returns lines of the table."""
    made = [session.machine]
    rows = []
    try:
        for count in COUNTS:
            while len(made) < count:
                made.append(_light_machine(session, len(made) + 1))
            tell(f"ls with {count}")
            quick = session.command("ls", "-q")
            full = session.command("ls")
            _expect(session, dict.fromkeys(made, "Running"))
            times: dict[str, list[float]] = {"`ls -q`": [], "`ls`": []}
            for _ in range(runs):
                times["`ls -q`"].append(seconds_of(quick, session.environment) * 1000)
                times["`ls`"].append(seconds_of(full, session.environment) * 1000)
            figure = FIGURE if count == COUNTS[-1] else None
            rows += [
                row(f"{what}, {count} machine{'s' * (count > 1)}", values, "ms", figure)
                for what, values in times.items()
            ]
        tell("ls with an endpoint that never answers")
        rows.append(_beside_silence(session, made, plain=statistics.median(times["`ls`"]) / 1000))
    finally:
        for name in made[1:]:
            session.remove(name)
            _forget(session, name)
    return rows


def _beside_silence(session: Session, made: list[str], *, plain: float) -> tuple[str, ...]:
    """`ls` with one more machine on a silent endpoint; `plain` is how long it takes without, in seconds."""
    name = session.name("silent")
    try:
        with _silent_endpoint(os.path.join(session.directory, "silent.sock")) as url:
            _record(session, name, lambda document: document["Driver"]["Endpoint"].update(URL=url))
            wanted = {**dict.fromkeys(made, "Running"), name: "Timeout"}
            failure = _unlike(session, wanted)
            values = [seconds_of(session.command("ls"), session.environment) for _ in range(_SILENT_RUNS)]
    finally:
        _forget(session, name)
    return row(
        f"`ls`, {len(made)} machines and one on an endpoint that never answers",
        values,
        "s",
        Figure(SILENT_SECONDS + plain, text=f"{SILENT_SECONDS:g} s and what `ls` itself takes"),
        failure=failure,
    )


def _light_machine(session: Session, number: int) -> str:
    """A record, and a container that is no more than its name, its labels and a process."""
    name = session.name(str(number))
    document = _record(session, name, lambda _: None)
    identity = document["Dinv"]["ID"]
    labels = dict(session.inspect()["Config"]["Labels"])
    for key, value in labels.items():
        if value == session.machine:
            labels[key] = name
        elif key == "io.dinv.id":
            labels[key] = identity
    body = {
        "Image": session.image,
        "Entrypoint": ["sleep"],
        "Cmd": ["infinity"],
        "Labels": labels,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {"NetworkMode": "none"},
    }
    session.engine.containers.create(session.container(name), body)
    session.engine.containers.start(session.container(name))
    return name


def _record(session: Session, name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Write a config.json like the session's machine's, under another name and identity."""
    text = json.dumps(session.store.load(session.machine).document())
    document: dict[str, Any] = copy.deepcopy(json.loads(text.replace(session.machine, name)))
    document["Dinv"]["ID"] = os.urandom(16).hex()
    change(document)
    directory = session.store.directory(name)
    os.mkdir(directory, 0o700)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=4)
    return document


def _forget(session: Session, name: str) -> None:
    directory = session.store.directory(name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, "config.json"))
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(directory)


def _unlike(session: Session, wanted: dict[str, str]) -> str:
    """What is not as it should be in the list; "" when it is all there."""
    listed = json.loads(output_of(session.command("ls", "--format", "json"), session.environment))
    found = {machine["Name"]: machine["State"] for machine in listed}
    wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return f"not as they should be in the list: {', '.join(wrong)}" if wrong else ""


def _expect(session: Session, wanted: dict[str, str]) -> None:
    said = _unlike(session, wanted)
    if said:
        raise RuntimeError(said)


@contextlib.contextmanager
def _silent_endpoint(path: str) -> Iterator[str]:
    """A Docker endpoint that accepts every connection and says nothing; yields its URL."""
    held: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])

        thread = threading.Thread(target=accept, name="silent endpoint", daemon=True)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in held:
                connection.close()
            os.unlink(path)
