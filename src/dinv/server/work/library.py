"""`Hosts` by dinv's own library: a store of working copies in the server's directory; endpoints asked."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from dinv.drivers.docker.flavours import detect
from dinv.engine import Engine
from dinv.errors import (
    AccessOver,
    AlreadyRunning,
    AlreadyStopped,
    ConfigError,
    MachineBusy,
    MachineNotFound,
    NotSupported,
)
from dinv.labels import LABEL, LABEL_ID, LABEL_ROLE
from dinv.lifecycle.sharing import share_file
from dinv.lifecycle.transfer import copies
from dinv.machine import Machine
from dinv.machines import Machines
from dinv.progress import Progress
from dinv.server.work.hosts import Activity, Facts, Look, Options, Signed, Thing, ThingState
from dinv.store.store import Store
from dinv.system.deadline import Deadline

LONG = 100 * 366 * 86400.0
"""Seconds: longer than any certificate is valid."""
LOOK_SECONDS = 10.0
"""For each call with which an endpoint is asked what it has."""
_STATES: dict[str, ThingState] = {
    "running": "running",
    "created": "stopped",
    "exited": "stopped",
    "paused": "stopped",
    "starting": "changing",
    "restarting": "changing",
    "stopping": "changing",
    "removing": "changing",
}
"""Of the Engine API's container list; a VCH's differ in case."""


class LibraryHosts:
    """`path` is the directory of the store of working copies."""

    def __init__(self, path: str, *, trace: Callable[[str], None] | None = None) -> None:
        self._machines = Machines(path, trace=trace)
        self._path = path

    # On the endpoint, by the working copy

    def create(self, name: str, options: Options, progress: Progress) -> None:
        # A context would be written for the user that runs the server.
        chosen = {**options, "context": False, "keep_on_failure": False}
        self._machines.create(name, progress=progress, **chosen).close()  # type: ignore[arg-type]

    def start(self, name: str, progress: Progress) -> None:
        with self._machines.get(name) as machine, contextlib.suppress(AlreadyRunning):
            machine.start(progress)

    def stop(self, name: str, progress: Progress) -> None:
        with self._machines.get(name) as machine, contextlib.suppress(AlreadyStopped):
            machine.stop(progress=progress)

    def restart(self, name: str, progress: Progress) -> None:
        with self._machines.get(name) as machine:
            machine.restart(progress)

    def remove(self, name: str, progress: Progress) -> None:
        with contextlib.suppress(MachineNotFound):
            self._machines.remove(name, progress=progress)

    def revoke(self, name: str, serial: str, progress: Progress) -> None:
        with self._machines.get(name) as machine:
            try:
                machine.revoke(serial=serial, progress=progress)
            except AccessOver:
                # An earlier attempt may have recorded it and been killed before the machine knew.
                if machine.config.revoking:
                    machine.provision(progress=progress)

    def renew(self, name: str, progress: Progress) -> None:
        [found] = self._machines.renew([name], progress=lambda _name: progress)
        if found.error is not None:
            raise found.error

    def activity(self, name: str) -> Activity:
        with self._machines.get(name) as machine:
            return _activity(machine)

    def cache_used(self, name: str) -> int:
        with self._machines.get(name) as machine:
            usage = machine.disk_usage()
        return usage.images + usage.containers + usage.volumes + usage.build_cache

    def log(self, name: str, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        with self._machines.get(name) as machine:
            yield from machine.logs(tail=tail, follow=follow is not None, timeout=follow)

    # Endpoints

    def look(self, endpoint: Options) -> Look:
        with self._engine(endpoint) as engine:
            info = engine.info(timeout=LOOK_SECONDS)
            listed = engine.containers.list(
                all=True, filters=detect(info).list_filters(), timeout=LOOK_SECONDS
            )
        found = (_thing(each) for each in listed)
        things = tuple(sorted((thing for thing in found if thing), key=lambda thing: thing.name))
        return Look(things, cpus=float(info.get("NCPU") or 0), memory=int(info.get("MemTotal") or 0))

    def _engine(self, endpoint: Options) -> Engine:
        named, cert_path = endpoint.get("endpoint"), endpoint.get("endpoint_cert_path")
        return self._machines.endpoint(
            str(named) if named else None, cert_path=str(cert_path) if cert_path else None
        )

    # Working copies

    def _store(self) -> Store:
        return Store(self._path)

    def names(self) -> list[str]:
        return self._store().names()

    def facts(self, name: str) -> Facts | None:
        try:
            config = self._store().load(name)
        except (MachineNotFound, ConfigError, MachineBusy):
            return None
        return Facts(config.identity, config.url, config.docker_version, finished=not config.unfinished)

    def renew_at(self, name: str) -> datetime | None:
        with self._machines.get(name) as machine:
            found, identity = machine.certificates, machine.config.identity
        # One that ends with its CA cannot be renewed to any use.
        dates = [
            each for each in (found.server, found.client) if each and found.due(each, identity, before=LONG)
        ]
        return min((datetime.fromtimestamp(each.due_at(identity), UTC) for each in dates), default=None)

    def certify(self, name: str, holder: str, *, lifetime: int, csr: bytes | None) -> Signed:
        with self._machines.get(name) as machine:
            made = machine.share(holder, lifetime=lifetime, csr=csr)
        given = share_file.read(io.BytesIO(made.data))
        return Signed(
            url=given.url,
            ca=given.pem["ca.pem"],
            certificate=given.pem["cert.pem"],
            serial=made.serial,
            not_after=datetime.fromisoformat(made.not_after),
            key=given.pem.get("key.pem"),
        )

    def pack(self, name: str) -> bytes:
        return copies.pack(self._store(), name)

    def unpack(self, name: str, data: bytes) -> None:
        copies.unpack(self._store(), name, data)

    def forget(self, name: str) -> None:
        copies.forget(self._store(), name)


def _thing(listed: Mapping[str, Any]) -> Thing | None:
    """Return the machine that a container in an endpoint's list is; None for what is not a machine's own."""
    labels = listed.get("Labels") or {}
    name, identity = str(labels.get(LABEL) or ""), str(labels.get(LABEL_ID) or "")
    # Others beside it are of a change under way, and on a VCH labels leak (vic#8545).
    named = f"/dinv-{name}" in (listed.get("Names") or ())
    if not name or not named or labels.get(LABEL_ROLE) != "machine":
        return None
    return Thing(name, identity, _STATES.get(str(listed.get("State", "")).lower(), "broken"))


def _activity(machine: Machine) -> Activity:
    try:
        found = machine.activity()
    except NotSupported:
        # Its image cannot tell how long nobody has used it; what runs there its daemon can.
        with machine.engine() as daemon:
            return Activity(connections=0, containers=len(daemon.containers.list()), idle=None)
    return Activity(found.connections, found.containers, found.unused_for)
