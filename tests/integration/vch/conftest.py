"""A VCH simulator in front of the tests' endpoint, and an image to run on it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import docker
import pytest
from harness import import_busybox
from vch_client import IMAGE, WITH_VOLUME

from dinv.endpoints.resolve import Endpoint
from dinv.engine import Engine, parse_address
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import NotFound
from dinv.testing.vch import VchSimulator, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vch_client import Connect, Simulate


@pytest.fixture(scope="session", autouse=True)
def images(session_engine: Engine) -> Iterator[None]:
    """IMAGE is a busybox, with a label; WITH_VOLUME declares a volume at /data."""
    try:
        session_engine.images.inspect("hello")
    except NotFound:
        import_busybox(session_engine)
        made = ["hello"]
    else:
        made = []
    repository = IMAGE.partition(":")[0]
    for tag, changes in (("latest", ["LABEL from=image"]), ("volume", ["VOLUME /data"])):
        created = session_engine.containers.create("", {"Image": "hello"})[0]
        session_engine.json(
            "POST",
            "/commit",
            query={"container": created, "repo": repository, "tag": tag, "changes": "\n".join(changes)},
        )
        session_engine.containers.remove(created)
    yield
    for image in (IMAGE, WITH_VOLUME, *made):
        with contextlib.suppress(NotFound):  # tests of other directories may have had it, too
            session_engine.call("DELETE", f"/images/{image}", query={"force": True})


@pytest.fixture
def simulate(endpoint_address: str) -> Iterator[Simulate]:
    """Start simulators: `simulate(version="1.2", ...)`. Closed at the end; none may have failed."""
    made: list[VchSimulator] = []

    def start(**settings: Any) -> VchSimulator:
        settings.setdefault("tls", "none")
        vch = VchSimulator(engine=Endpoint(endpoint_address).url, **settings)
        made.append(vch)
        return vch

    yield start
    for vch in made:
        vch.close()
    assert not [call.failure for vch in made for call in vch.calls.failures]
    left = [name for vch in made for name in remove_leftovers(endpoint_address, identity=vch.identity)]
    assert not left, f"the simulator has left {left}"


@pytest.fixture
def vch(simulate: Simulate) -> VchSimulator:
    """A VCH of VIC 1.5, over plain HTTP."""
    return simulate()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Dinv's own client, with the certificates that the VCH wants."""
    made: list[Engine] = []

    def open_engine(vch: VchSimulator, *, ca_only: bool = False) -> Engine:
        tls = None
        if vch.settings.tls != "none":
            files = [os.path.join(vch.folder, name) for name in ("ca.pem", "cert.pem", "key.pem")]
            tls = (
                TLSFiles(*files[: 1 if ca_only else 3])
                if vch.settings.tls == "verify"
                else TLSFiles(verify=False)
            )
        engine = Engine(parse_address(vch.address, tls), timeout=30, max_api_version="1.25")
        made.append(engine)
        return engine

    yield open_engine
    for engine in made:
        engine.close()


@pytest.fixture
def client(vch: VchSimulator, connect: Connect) -> Engine:
    """Dinv's client of `vch`."""
    return connect(vch)


@pytest.fixture
def docker_py(vch: VchSimulator) -> Iterator[docker.DockerClient]:
    """docker-py, a client of `vch` that knows nothing of dinv's."""
    found = docker.DockerClient(base_url=vch.address, version="1.25", timeout=30)
    yield found
    found.close()
