"""`ls` with many machines that are records only: all of them up, and all on an endpoint that refuses.

A thousand containers are too many for a small computer, so the endpoint of those that are up is a thread
here, which answers the two calls that `ls` makes as an engine does.
"""

from __future__ import annotations

import contextlib
import copy
import http.server
import json
import os
import socketserver
import threading

from benchmarks.process import output_of, seconds_of
from benchmarks.report import row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from benchmarks.session import Session

REFUSED_COUNTS = (1, 10, 50, 1000)
UP_COUNT = 1000
_RUNS = 7


def measure(session: Session, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Returns lines of the table."""
    model = session.store.load(session.machine).document()
    rows = []
    for count in REFUSED_COUNTS:
        tell(f"ls with {count} on an endpoint that refuses")
        store = _records(session, f"refused-{count}", model, count, "unix:///nonexistent/docker.sock")
        rows.append(_row(session, store, f"{count} machine{'s' * (count > 1)}, all refused", "Error"))
    tell(f"ls with {UP_COUNT} that are up")
    socket_path = os.path.join(session.directory, "crowd.sock")
    store = _records(session, "up", model, UP_COUNT, f"unix://{socket_path}")
    with _endpoint(socket_path, _containers(store)):
        rows.append(_row(session, store, f"{UP_COUNT} machines, all up", "Running"))
    return rows


def _row(session: Session, store: str, what: str, state: str) -> tuple[str, ...]:
    environment = {**session.environment, "MACHINE_STORAGE_PATH": store}
    listed = json.loads(output_of(session.command("ls", "--format", "json"), environment))
    wrong = sum(machine["State"] != state for machine in listed)
    failure = f"{wrong} of {len(listed)} are not {state}" if wrong else ""
    values = [seconds_of(session.command("ls"), environment) * 1000 for _ in range(_RUNS)]
    return row(f"`ls`, {what}", values, "ms", failure=failure)


def _records(session: Session, name: str, model: dict[str, Any], count: int, url: str) -> str:
    """A store with so many records like `model`, on the endpoint `url`; returns its path."""
    store = os.path.join(session.directory, name)
    for number in range(1, count + 1):
        machine = f"m{number}"
        document = copy.deepcopy(model)
        document["Name"] = machine
        document["Dinv"]["ID"] = f"{number:032x}"
        document["Driver"].update(MachineName=machine, Container=f"dinv-{machine}", ContainerID="")
        document["Driver"]["Endpoint"] = {"URL": url, "Context": "", "TLS": None}
        directory = os.path.join(store, "machines", machine)
        os.makedirs(directory, mode=0o700)
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=4)
    return store


def _containers(store: str) -> bytes:
    """The endpoint's list of containers (`GET /containers/json`) for the records in a store."""
    listed = [
        {
            "Id": f"{number:064x}",
            "Names": [f"/dinv-m{number}"],
            "Image": "dinv:latest",
            "State": "running",
            "Status": "Up 3 hours (healthy)",
            "Labels": {
                "io.dinv.id": f"{number:032x}",
                "io.dinv.machine": f"m{number}",
                "io.dinv.role": "machine",
                "io.dinv.port": str(20000 + number),
            },
            "Ports": [{"IP": "127.0.0.1", "PrivatePort": 2376, "PublicPort": 20000 + number, "Type": "tcp"}],
        }
        for number in range(1, len(os.listdir(os.path.join(store, "machines"))) + 1)
    ]
    return json.dumps(listed).encode()


@contextlib.contextmanager
def _endpoint(path: str, containers: bytes) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b"OK" if self.path.endswith("/_ping") else containers
            self.send_response(200)
            self.send_header("Api-Version", "1.45")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "a client"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="endpoint", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(5)
            os.unlink(path)
