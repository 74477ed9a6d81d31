"""Machines in a world of SQLite rows: what the server's tests have instead of endpoints and dinv's library.

It follows `dinv.server.work.library` and what that calls: the steps of a create (`dinv.lifecycle.create`), a
record before anything is on the endpoint, removal by identity, errors of the same types. A world in a file
outlives a process that is killed; each server has a FakeHosts with working copies of its own.

    world = World()
    world.add_endpoint("one")
    hosts = FakeHosts(world, "server-1")     # options of an endpoint: {"endpoint": "fake://one"}
    world.fail("one", EndpointUnreachable(...)); world.hang("one", 5); world.well("one")
    world.on_step = lambda name, step: ...   # raise, sleep, or os.kill here
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dinv.errors import (
    EndpointUnreachable,
    InputError,
    MachineBusy,
    MachineExists,
    MachineNotFound,
    MachineNotRunning,
    NobodyOfThatName,
    PreCreateCheckFailed,
)
from dinv.server.work.hosts import Activity, Facts, Look, Signed, Thing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.progress import Progress
    from dinv.server.work.hosts import Options
    from dinv.system.deadline import Deadline

STEPS = ("configure", "check", "record", "image", "container", "certificates", "start", "serve", "ready")
LOCAL_STEPS = ("configure", "check", "record")

_TABLES = """
CREATE TABLE IF NOT EXISTS endpoints
    (name TEXT PRIMARY KEY, cpus REAL, memory INTEGER, room INTEGER, error TEXT, hang REAL, calls INTEGER);
CREATE TABLE IF NOT EXISTS things
    (endpoint TEXT, name TEXT, identity TEXT, state TEXT, refused TEXT DEFAULT '[]', idle REAL,
     PRIMARY KEY (endpoint, name));
CREATE TABLE IF NOT EXISTS copies
    (server TEXT, name TEXT, document TEXT, PRIMARY KEY (server, name));
"""


class World:
    """All endpoints, and the disks of all servers. `path` "" keeps it in memory."""

    def __init__(self, path: str = "") -> None:
        self._connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=30
        )
        self._lock = threading.RLock()
        self.step_seconds = 0.0
        self.on_step: Callable[[str, str], None] = lambda _name, _step: None
        """Called at each step of a create, as (host name, step), and as "start", "stop" and "remove"."""
        self.refuses: dict[str, Exception] = {}
        """By host name: what a create of it raises at its step "start"."""
        self._raises: dict[str, Exception] = {}
        with self._lock:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.executescript(_TABLES)

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    # Endpoints

    def add_endpoint(
        self, name: str, *, cpus: float = 16.0, memory: int = 64 << 30, room: int = 1_000_000
    ) -> dict[str, str]:
        """Add one, for at most `room` machines (it is full then); return the options that name it."""
        self.run("INSERT INTO endpoints VALUES (?, ?, ?, ?, '', 0, 0)", name, cpus, memory, room)
        return {"endpoint": f"fake://{name}"}

    def fail(self, name: str, error: Exception | None = None) -> None:
        """Its calls fail from now on, in any process: as unreachable, or with `error` in this one."""
        self._raises.pop(name, None)
        if error is not None:
            self._raises[name] = error
        self.run("UPDATE endpoints SET error = ? WHERE name = ?", "it does not answer", name)

    def hang(self, name: str, seconds: float) -> None:
        """Each call takes that long, and then fails."""
        self.run("UPDATE endpoints SET hang = ? WHERE name = ?", seconds, name)

    def well(self, name: str) -> None:
        self.run("UPDATE endpoints SET error = '', hang = 0 WHERE name = ?", name)
        self._raises.pop(name, None)

    def calls(self, name: str) -> int:
        return int(self.run("SELECT calls FROM endpoints WHERE name = ?", name)[0][0])

    def ask(self, name: str) -> tuple[float, int, int]:
        """A call to an endpoint; returns its CPUs, memory and room."""
        found = self.run("SELECT cpus, memory, room, error, hang FROM endpoints WHERE name = ?", name)
        if not found:
            raise InputError(f"There is no endpoint {name}.")
        cpus, memory, room, error, hang = found[0]
        self.run("UPDATE endpoints SET calls = calls + 1 WHERE name = ?", name)
        if hang:
            time.sleep(hang)
        if error or hang:
            raise self._raises.get(name) or EndpointUnreachable(f"fake://{name}", error or "it hangs")
        return cpus, memory, room

    # What is on them, as a test sees it

    def things(self, endpoint: str = "") -> list[str]:
        """The host names on one endpoint, or on all."""
        return [
            name
            for name, at in self.run("SELECT name, endpoint FROM things ORDER BY name")
            if endpoint in ("", at)
        ]

    def put(self, endpoint: str, name: str, *, state: str = "running", identity: str = "stranger") -> None:
        """Somebody else makes a machine there."""
        self.run(
            "INSERT INTO things (endpoint, name, identity, state, idle) VALUES (?, ?, ?, ?, 0)",
            endpoint,
            name,
            identity,
            state,
        )

    def set_state(self, name: str, state: str) -> None:
        """Somebody starts it or stops it ("running", "stopped", "broken"), or removes it ("gone")."""
        if state == "gone":
            self.run("DELETE FROM things WHERE name = ?", name)
        else:
            self.run("UPDATE things SET state = ? WHERE name = ?", state, name)

    def set_idle(self, name: str, seconds: float | None) -> None:
        """None: what runs there cannot tell."""
        self.run("UPDATE things SET idle = ? WHERE name = ?", seconds, name)

    def state(self, name: str) -> str:
        found = self.run("SELECT state FROM things WHERE name = ?", name)
        return found[0][0] if found else "gone"

    def refused(self, name: str) -> list[str]:
        """The serial numbers that it refuses."""
        return list(json.loads(self.run("SELECT refused FROM things WHERE name = ?", name)[0][0]))


class FakeHosts:
    """`Hosts` of one server in a world."""

    def __init__(self, world: World, server: str = "server") -> None:
        self.world = world
        self.server = server
        self._busy: set[str] = set()

    # Working copies

    def _read(self, name: str) -> dict[str, Any] | None:
        found = self.world.run("SELECT document FROM copies WHERE server = ? AND name = ?", self.server, name)
        return json.loads(found[0][0]) if found else None

    def _get(self, name: str) -> dict[str, Any]:
        document = self._read(name)
        if document is None:
            raise MachineNotFound(name)
        return document

    def _write(self, name: str, document: dict[str, Any]) -> None:
        self.world.run(
            "INSERT OR REPLACE INTO copies VALUES (?, ?, ?)", self.server, name, json.dumps(document)
        )

    def names(self) -> list[str]:
        return [name for (name,) in self.world.run("SELECT name FROM copies WHERE server = ?", self.server)]

    def facts(self, name: str) -> Facts | None:
        document = self._read(name)
        if document is None:
            return None
        finished = document["phase"] == "ready"
        return Facts(document["identity"], document["url"], "28.2" if finished else "", finished)

    def pack(self, name: str) -> bytes:
        return json.dumps(self._get(name)).encode()

    def unpack(self, name: str, data: bytes) -> None:
        self._write(name, json.loads(data))

    def forget(self, name: str) -> None:
        self.world.run("DELETE FROM copies WHERE server = ? AND name = ?", self.server, name)

    def certify(self, name: str, holder: str, *, lifetime: int, csr: bytes | None) -> Signed:
        with self._locked(name):
            document = self._get(name)
            serial = os.urandom(8).hex()
            document["log"].append([serial, holder])
            self._write(name, document)
        return Signed(
            url=document["url"],
            ca=b"-----BEGIN CERTIFICATE-----\nfake CA\n-----END CERTIFICATE-----\n",
            certificate=f"-----BEGIN CERTIFICATE-----\n{holder}\n-----END CERTIFICATE-----\n".encode(),
            serial=serial,
            not_after=datetime.now(UTC) + timedelta(seconds=lifetime),
            key=None if csr else b"-----BEGIN PRIVATE KEY-----\nfake\n-----END PRIVATE KEY-----\n",
        )

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Callers see to it that a machine is used by one at a time: those that do not are told."""
        with self.world._lock:
            if name in self._busy:
                raise MachineBusy(name, "a test")
            self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)

    # On endpoints

    def create(self, name: str, options: Options, progress: Progress) -> None:
        with self._locked(name):
            before = self._read(name)
            if before is not None:
                if before["phase"] == "ready":
                    raise MachineExists(name)
                progress.note(f"Cleaning up what an interrupted create of {name} has left")
                self._unmake(name, before)
                self.forget(name)
            endpoint = str(options["endpoint"]).removeprefix("fake://")
            document = {
                "identity": os.urandom(8).hex(),
                "endpoint": endpoint,
                "phase": "creating",
                "url": "",
                "log": [],
            }
            try:
                for step in STEPS:
                    progress.at_step("create", step)
                    self.world.on_step(name, step)
                    if self.world.step_seconds:
                        time.sleep(self.world.step_seconds)
                    self._do(name, document, step, progress)
            except Exception as error:
                try:
                    self._unmake(name, document)
                except Exception:  # noqa: BLE001  (as lifecycle.steps does: the record is kept for `rm`)
                    error.add_note("What was made could not all be removed.")
                else:
                    self.forget(name)
                raise

    def _do(self, name: str, document: dict[str, Any], step: str, progress: Progress) -> None:
        endpoint = document["endpoint"]
        if step == "check":
            self.world.ask(endpoint)
        elif step == "record":
            self._write(name, document)
        elif step == "container":
            *_, room = self.world.ask(endpoint)
            if len(self.world.things(endpoint)) >= room:
                raise PreCreateCheckFailed("The endpoint refuses the machine: no space left on device")
            try:
                self.world.put(endpoint, name, state="stopped", identity=document["identity"])
            except sqlite3.IntegrityError as error:
                raise PreCreateCheckFailed(f"{endpoint} has a container dinv-{name}.") from error
            progress.line("Container", f"dinv-{name}", "created")
        elif step == "start":
            self.world.ask(endpoint)
            if name in self.world.refuses:
                raise self.world.refuses[name]
            self._state(name, document, "running")
            progress.line("Machine", name, "started")
        elif step == "serve":
            document["url"] = f"tcp://192.0.2.7:{20000 + sum(name.encode()) % 10000}"
            progress.line("Docker", f"28.2 ready at {document['url']} in 0.0 s")
        elif step == "ready":
            document["phase"] = "ready"
            self._write(name, document)

    def _state(self, name: str, document: dict[str, Any], state: str | None = None) -> str:
        """Ask for its state, or change that; "gone" if it is not there."""
        self.world.ask(document["endpoint"])
        mine = "WHERE endpoint = ? AND name = ? AND identity = ?"
        values = (document["endpoint"], name, document["identity"])
        if state:
            self.world.run(f"UPDATE things SET state = ? {mine}", state, *values)  # noqa: S608
        found = self.world.run(f"SELECT state FROM things {mine}", *values)  # noqa: S608
        return found[0][0] if found else "gone"

    def _unmake(self, name: str, document: dict[str, Any]) -> None:
        """Remove what has the identity, and nothing else of the name."""
        if self._read(name) is None:
            return
        self.world.ask(document["endpoint"])
        self.world.run(
            "DELETE FROM things WHERE endpoint = ? AND name = ? AND identity = ?",
            document["endpoint"],
            name,
            document["identity"],
        )

    def start(self, name: str, progress: Progress) -> None:
        self._power(name, "start", "running", progress)

    def stop(self, name: str, progress: Progress) -> None:
        self._power(name, "stop", "stopped", progress)

    def restart(self, name: str, progress: Progress) -> None:
        self._power(name, "restart", "running", progress)

    def _power(self, name: str, verb: str, state: str, progress: Progress) -> None:
        with self._locked(name):
            document = self._get(name)
            self.world.on_step(name, verb)
            if self._state(name, document, state) == "gone":
                raise MachineNotFound(name)
            progress.line("Machine", name, state)

    def remove(self, name: str, progress: Progress) -> None:
        with self._locked(name):
            document = self._read(name)
            if document is None:
                return
            self.world.on_step(name, "remove")
            if self.world.step_seconds:
                time.sleep(self.world.step_seconds)
            self._unmake(name, document)
            self.world.on_step(name, "removed")
            self.forget(name)
            progress.line("Machine", name, "removed")

    def revoke(self, name: str, serial: str, progress: Progress) -> None:
        with self._locked(name):
            document = self._get(name)
            if serial not in [known for known, _ in document["log"]]:
                raise NobodyOfThatName(name, serial, [], by_serial=True)
            if self._state(name, document) == "gone":
                raise MachineNotFound(name)
            refused = sorted({*self.world.refused(name), serial})
            self.world.run("UPDATE things SET refused = ? WHERE name = ?", json.dumps(refused), name)

    def renew(self, name: str, progress: Progress) -> None:
        with self._locked(name):
            document = self._get(name)
            if self._state(name, document) != "running":
                raise MachineNotRunning(name, "Stopped")
            document["renewed"] = document.get("renewed", 0) + 1
            self._write(name, document)
            progress.line("Certificates", "server, client", "renewed")

    def renew_at(self, name: str) -> datetime | None:
        """A year from now."""
        return datetime.now(UTC) + timedelta(days=365)

    def activity(self, name: str) -> Activity:
        document = self._get(name)
        if self._state(name, document) != "running":
            raise MachineNotRunning(name, "Stopped")
        idle = self.world.run("SELECT idle FROM things WHERE name = ?", name)[0][0]
        return Activity(connections=0 if idle else 1, containers=0, idle=idle)

    def cache_used(self, name: str) -> int:
        self._state(name, self._get(name))
        return 1 << 20

    def log(self, name: str, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        self._state(name, self._get(name))
        yield from (f"line {number} of {name}\n".encode() for number in range(min(tail, 3)))
        while follow is not None:
            time.sleep(0.01)
            yield b"more\n"  # once at least, however late it is by now
            follow.raise_if_expired("more of the log")

    def look(self, endpoint: Options) -> Look:
        name = str(endpoint["endpoint"]).removeprefix("fake://")
        cpus, memory, _ = self.world.ask(name)
        things = self.world.run(
            "SELECT name, identity, state FROM things WHERE endpoint = ? ORDER BY name", name
        )
        return Look(tuple(Thing(*thing) for thing in things), cpus=cpus, memory=memory)
