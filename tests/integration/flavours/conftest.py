"""One suite, several endpoints: a plain engine, a VCH (simulated, slow and failing), Podman."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import contract_images
import pytest
from flavours import Place, Resident, check_calls
from podman_service import PodmanService

from dinv.endpoints.resolve import Endpoint
from dinv.engine import Engine, parse_address
from dinv.testing.vch import VchSimulator, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flavours import At, Simulate

START_DELAY = 3.0
"""Seconds that a VM of the VCH in the suite takes to boot."""
FAIL_EVERY = 5


@contextlib.contextmanager
def _simulator(endpoint: str, **settings: Any) -> Iterator[VchSimulator]:
    """A VCH that nothing but dinv talks to: what it was asked is judged at the end."""
    with VchSimulator(engine=Endpoint(endpoint).url, **settings) as vch:
        yield vch
    check_calls(vch)
    left = remove_leftovers(Endpoint(endpoint).url, identity=vch.identity)
    assert not left, f"the simulator has left {left}"


@pytest.fixture(scope="session")
def podman(
    tmp_path_factory: pytest.TempPathFactory, session_engine: Engine, machine_image: str
) -> Iterator[str]:
    """A Podman with the machine image; its URL."""
    with PodmanService(str(tmp_path_factory.mktemp("podman"))) as service:
        with (
            session_engine.request("GET", f"/images/{machine_image}/get", timeout=180) as archive,
            Engine(parse_address(service.url)) as engine,
        ):
            engine.images.load(archive, timeout=180)
        yield service.url


@pytest.fixture(scope="module", params=["engine", "vch", "podman"])
def place(request: pytest.FixtureRequest, endpoint_address: str, machine_image: str) -> Iterator[Place]:
    """Each of the endpoints in turn."""
    if request.param == "engine":
        yield Place("engine", endpoint_address)
    elif request.param == "podman":
        yield Place("podman", request.getfixturevalue("podman"))
    else:
        with _simulator(
            endpoint_address, tls="verify", start_delay=START_DELAY, fail_every=FAIL_EVERY
        ) as vch:
            yield Place("vch", vch.env_file, vch=vch)


@contextlib.contextmanager
def _resident(factory: pytest.TempPathFactory, endpoint: str) -> Iterator[Resident]:
    user = Resident(str(factory.mktemp("home")), endpoint)
    try:
        yield user
    finally:
        user.end_begun()
        for name in user.dinv("ls", "-q", status=None).stdout.split():
            user.dinv("rm", "-f", name, status=None)


@pytest.fixture(scope="module")
def resident(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[Resident]:
    """A user of the place, with a fresh store."""
    with _resident(tmp_path_factory, place.endpoint) as user:
        yield user


@pytest.fixture
def newcomer(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[Resident]:
    """Another user of the place, who has no machines yet."""
    with _resident(tmp_path_factory, place.endpoint) as user:
        yield user


@pytest.fixture
def simulate(endpoint_address: str, machine_image: str) -> Iterator[Simulate]:
    """Start VCHs: `simulate(version="1.2", ...)`."""
    with contextlib.ExitStack() as opened:
        yield lambda **settings: opened.enter_context(_simulator(endpoint_address, **settings))


@pytest.fixture
def at(simulate: Simulate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[At]:
    """Make users of endpoints, each with a fresh store."""
    with contextlib.ExitStack() as opened:
        yield lambda endpoint: opened.enter_context(_resident(tmp_path_factory, endpoint))


@pytest.fixture(scope="session")
def foreign_images(session_engine: Engine, machine_image: str) -> Iterator[None]:
    """The images of `contract_images`, on the engine."""
    contract_images.make_all(session_engine, machine_image)
    yield
    contract_images.remove_all(session_engine)
