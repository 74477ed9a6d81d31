"""A machine of the docker driver on an endpoint in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dinv import declaration
from dinv.drivers.docker.driver import DockerDriver
from dinv.drivers.docker.flags import FLAGS, configure
from dinv.labels import LABEL, LABEL_ID
from dinv.progress import Progress
from dinv.store.record import MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from fake_engine import FakeEngine

    from dinv.engine import Engine

MOUNTS = {"cache": "/var/lib/docker"}


def new_driver(
    engine: FakeEngine, name: str = "dev", *, identity: str = "x", store: Store | None = None, **values: Any
) -> DockerDriver:
    """A driver with its flags taken, and nothing made."""
    store = store or Store("/nonexistent")
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity=identity, created="now"
    )
    checked = declaration.values(FLAGS, {"endpoint": engine.transport.address, **values}, {})
    configure(config, store, checked, Progress(), None)
    driver = DockerDriver(config, store)
    driver.site.begun_here = True
    driver.site._engine = cast("Engine", engine)
    return driver


def made(engine: FakeEngine, name: str = "dev", **values: Any) -> DockerDriver:
    """One that is made, and not started."""
    driver = new_driver(engine, name, **values)
    driver.pre_create_check(Progress())
    driver.create({"X": "1"}, (), MOUNTS)
    return driver


def container(name: str, *, identity: str = "", **more: Any) -> dict[str, Any]:
    """Somebody's container, as the endpoint keeps it."""
    labels = {LABEL: name, LABEL_ID: identity} if identity else {}
    return {
        "Config": {"Labels": labels},
        "HostConfig": {},
        "Mounts": [],
        "State": {"Status": "running", "Running": True},
        **more,
    }
