"""Users for the tests of a machine's life. The endpoint and the image come from the fixtures above."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from users import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.engine import Engine


@pytest.fixture
def user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user with a fresh store; what a failed test leaves of machines is removed."""
    with _user(tmp_path_factory, endpoint_address) as user:
        yield user


@pytest.fixture(scope="module")
def shared_user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user for the tests of a module that share a machine."""
    with _user(tmp_path_factory, endpoint_address) as user:
        yield user


@contextlib.contextmanager
def _user(factory: pytest.TempPathFactory, endpoint: str) -> Iterator[User]:
    user = User(str(factory.mktemp("home")), endpoint)
    try:
        yield user
    finally:
        for name in user.dinv("ls", "-q", status=None).stdout.split():
            user.dinv("rm", "-f", name, status=None)
        with user.engine() as engine:
            _sweep(engine, user.suffix)


def _sweep(engine: Engine, suffix: str) -> None:
    """Remove from the endpoint what has the user's suffix in its name."""
    for container in engine.containers.list(all=True):
        if suffix in container["Names"][0]:
            engine.containers.remove(container["Id"], force=True, volumes=True)
    for volume in engine.volumes.list():
        if suffix in volume["Name"]:
            engine.volumes.remove(volume["Name"])
    for network in engine.networks.list():
        if suffix in network["Name"]:
            engine.networks.remove(network["Name"])
