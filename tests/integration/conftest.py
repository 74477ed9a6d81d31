"""Fixtures of the tests that talk to a real dockerd and real machines.

`DINV_TEST_ENDPOINT` names the endpoint to use. Without it, the tests run a dockerd of their own for the
session, and then each test has to leave it as it found it. They fail, and do not skip, without one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from harness import Dinv, clear, ensure_image, inventory, load_small_image
from users import passing

import dinv as library
from dinv.endpoints import contexts
from dinv.endpoints.local.engine import LocalEngine
from dinv.endpoints.resolve import Endpoint
from dinv.errors import DinvError
from dinv.progress import Progress
from dinv.store.store import Store
from dinv.system.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from users import User

    from dinv.engine import Engine
    from dinv.machine import Machine
    from dinv.machines import Machines

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is below this directory; the hook is given all tests of the run."""
    ours = [item for item in items if str(item.path).startswith(_HERE)]
    for item in ours:
        item.add_marker(pytest.mark.integration)
    for item in ours[:1]:  # the engine's start and the image's build are counted as the first one's time
        item.add_marker(pytest.mark.timeout(900), append=False)
    for item in ours:
        # The first of them builds it, with a package from Debian's mirror. What a test says itself, counts.
        if isinstance(item, pytest.Function) and "example_image" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def local_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """A dockerd that only this session uses."""
    store = Store(str(tmp_path_factory.mktemp("engine")))
    engine = LocalEngine(store)
    try:
        engine.start(Progress(), timeout=60)
        yield engine
    except DinvError as error:
        pytest.fail(f"the tests need a dockerd: {error}")
    finally:
        engine.stop(Progress(), timeout=60)
        remove_tree(store.path)


@pytest.fixture(scope="session")
def own_engine(local_engine: LocalEngine) -> str:
    """Its URL."""
    return f"unix://{local_engine.socket}"


@pytest.fixture(scope="module")
def network_is_removed(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a module that removes the network of machines.

    An engine beside another makes it at its start, with the firewall rules that machines need to reach each
    other: so it is made again at the module's end.
    """
    if os.environ.get("DINV_TEST_ENDPOINT"):
        yield
        return
    engine: LocalEngine = request.getfixturevalue("local_engine")
    yield
    if engine._dockerd.without_rules:
        engine._open_own_network(Progress())


@pytest.fixture(scope="session")
def endpoint_address(request: pytest.FixtureRequest) -> str:
    """URL of the endpoint that machines are made on."""
    named = os.environ.get("DINV_TEST_ENDPOINT")
    return named or str(request.getfixturevalue("own_engine"))


@pytest.fixture(scope="session")
def session_engine(endpoint_address: str) -> Iterator[Engine]:
    with Endpoint(endpoint_address).engine(timeout=30) as engine:
        yield engine


@pytest.fixture(scope="session")
def engine(session_engine: Engine) -> Engine:
    """A client of the endpoint."""
    return session_engine


@pytest.fixture(scope="session")
def machine_image(session_engine: Engine) -> str:
    """The name of the machine image, which is on the endpoint."""
    ensure_image(session_engine)
    return "dinv:latest"


@pytest.fixture(scope="session")
def example_image(session_engine: Engine, machine_image: str) -> str:
    """The name of a machine image with all the features of `image init`, sshd among them; on the endpoint."""
    import example_image as example

    return example.build(session_engine)


@pytest.fixture
def user_environment(
    isolated_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint_address: str
) -> None:
    """A user's environment: a store and docker contexts of the test's own, and the endpoint."""
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    monkeypatch.setenv("DINV_ENDPOINT", endpoint_address)


@pytest.fixture(autouse=True)
def endpoint_is_clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves something on the endpoint.

    Not on one named by DINV_TEST_ENDPOINT: others may be at work there.
    """
    if os.environ.get("DINV_TEST_ENDPOINT"):
        yield
        return
    engine: Engine = request.getfixturevalue("session_engine")
    before = inventory(engine)
    yield
    left = inventory(engine) - before
    clear(engine, left)
    assert not left, f"left on the endpoint: {sorted(left)}"


@pytest.fixture
def machines(user_environment: None, endpoint_is_clean: None, machine_image: str) -> Iterator[Machines]:
    """A fresh store. Machines that are in it at the end are removed, and must leave nothing then."""
    found = library.open()
    yield found
    names = found.names()
    for name in names:
        found.remove(name, force=True)
    left = [name for name in names if contexts.read(name) is not None]
    assert not left, f"removed machines have left their docker contexts: {left}"


@pytest.fixture
def dinv(machines: Machines) -> Dinv:
    """The real CLI, on the store of `machines`: `dinv("create", "dev", check=True).stdout`."""
    return Dinv(os.environ)


@pytest.fixture
def small_image(machine_image: str) -> Callable[[Machine], str]:
    """Load a small image, "hello", in a machine's daemon: `small_image(machine)`."""
    return load_small_image


@pytest.fixture
def user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user with a fresh store."""
    with passing(str(tmp_path_factory.mktemp("home")), endpoint_address) as user:
        yield user


@pytest.fixture(scope="module")
def shared_user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user for the tests of a module that share a machine."""
    with passing(str(tmp_path_factory.mktemp("home")), endpoint_address) as user:
        yield user


@pytest.fixture(scope="module")
def m(user: User) -> str:
    """The name of the machine m of a module's user."""
    return user.name("m")


@pytest.fixture
def box(user: User, m: str) -> Iterator[str]:
    """An empty directory in that machine."""
    path = f"/root/box-{os.urandom(4).hex()}"
    user.dinv("ssh", m, "mkdir", path)
    yield path
    user.dinv("ssh", m, "rm", "-rf", path)
