"""The working half of `dinv serve` on a real engine: one machine, by two servers with one database."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import fleet_world
import pytest

from dinv.endpoints.resolve import Endpoint
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import DinvError
from dinv.pki.certificates import new_key, request
from dinv.server.database.database import Database
from dinv.server.fleet.service import Fleet
from dinv.server.settings import Settings
from dinv.server.work.service import Place, Work

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.machines import Machines
    from dinv.server.models import Certificate


def version(given: Certificate, key: bytes, directory: Path) -> str:
    """Ask the daemon, as whom the certificate is for."""
    files = TLSFiles(*(str(directory / name) for name in ("ca.pem", "cert.pem", "key.pem")))
    for path, data in ((files.ca, given.ca), (files.cert, given.certificate), (files.key, key)):
        with open(str(path), "wb") as file:
            file.write(data)
    with Endpoint(given.url, tls=files).engine() as daemon:
        return str(daemon.info()["ServerVersion"])


def test_a_machine_by_two_servers(machines: Machines, endpoint_address: str, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/server.db")
    database.upgrade()
    one = Settings(str(tmp_path / "one"), heartbeat_seconds=1.0)
    place = Place.opened(database, one)
    world = fleet_world.World(database)
    world.fleet = Fleet(database, world.audit, place.access)
    world.endpoint("here", options={"endpoint": endpoint_address})
    world.template(is_default=True, options={"memory": "512m"})
    ann = world.person("ann")
    work = Work(database, world.audit, one, place=place)
    work.start()
    try:
        machine = world.fleet.request(ann)
        end = time.monotonic() + 60
        while machine.state == "creating" and time.monotonic() < end:
            time.sleep(0.05)
            machine = world.fleet.machine(ann, machine.id)
        assert machine.state == "ready", machine.error
    finally:
        work.stop(timeout=10)

    # Its owner gets in by a key of their own.
    key = new_key()
    csr = request(key, role="client", names=(), machine="mine", holder="ann", lifetime=None).csr
    given = world.fleet.certificate(ann, machine.id, csr)
    assert given.key is None
    assert version(given, key, tmp_path) == machine.docker_version

    # Another server, which has nothing but the database and the secret, knows what is there.
    two = replace(one, state=str(tmp_path / "two"), secret_file=str(tmp_path / "one" / "secret"))
    elsewhere = Place.opened(database, two)
    other = Work(database, world.audit, two, place=elsewhere)
    other.watcher.once()
    [endpoint] = world.fleet.endpoints(world.person("root", role="operator"))
    assert (endpoint.state, endpoint.strangers) == ("ok", ())
    [thing] = elsewhere.hosts.look({"endpoint": endpoint_address}).things
    assert (thing.name, thing.state) == (machine.host_name, "running")
    elsewhere.copies.bring(machine.id, machine.host_name)
    activity = elsewhere.hosts.activity(machine.host_name)
    assert (activity.containers, activity.idle is None) == (0, False)
    assert elsewhere.hosts.cache_used(machine.host_name) >= 0

    # It takes the certificate back, though the first one has given it; and removes the machine.
    shared = world.fleet.share(ann, machine.id, "bob", timedelta(hours=1), csr)
    world.fleet.revoke(ann, machine.id, shared.serial)
    assert other.workers.run_one()
    with pytest.raises(DinvError):
        version(shared, key, tmp_path)
    assert version(given, key, tmp_path) == machine.docker_version
    world.fleet.remove(ann, machine.id)
    assert other.workers.run_one()
    assert elsewhere.hosts.look({"endpoint": endpoint_address}).things == ()
    assert work.forget_copies() == 1
    assert place.hosts.names() == []
    database.close()
