"""A pytest plugin: a Docker host of its own for a test, or for a session.

    def test_my_image(docker_host):
        client = docker.DockerClient(**docker_host.docker_kwargs())
        client.containers.run("hello")

It is loaded by every pytest run where dinv is installed, so nothing of dinv is imported before a test
asks for a host. The machines are in a store of the run's own, never in the user's, and get no docker context.

Each option is also an ini option (`dinv_memory = 1g`), and one of `dinv create` (DINV_MEMORY) after that.
"""

from __future__ import annotations

import contextlib

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv import Machine

_OPTIONS = {
    "endpoint": "Docker API that docker_host machines are made on, as of dinv create --endpoint",
    "image": "image of docker_host machines, as of dinv create --image",
    "memory": "memory of each docker_host machine, such as 1g, as of dinv create --memory",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --dinv-endpoint, --dinv-image, --dinv-memory, and the same as ini options."""
    group = parser.getgroup("dinv", "Docker hosts by dinv")
    for name, text in _OPTIONS.items():
        group.addoption(f"--dinv-{name}", default=None, metavar=name.upper(), help=text)
        parser.addini(f"dinv_{name}", text, default="")


@pytest.fixture
def docker_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A Docker host for this test alone: a dinv.Machine, removed after it. Takes some 2 s."""
    with _machine(request, tmp_path_factory) as machine:
        yield machine


@pytest.fixture(scope="session")
def docker_host_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A Docker host that the tests of this run share: a dinv.Machine, removed at the end."""
    with _machine(request, tmp_path_factory) as machine:
        yield machine


@contextlib.contextmanager
def _machine(request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Iterator[Machine]:
    import os

    import dinv

    options: dict[str, Any] = {}
    for name in _OPTIONS:
        given = request.config.getoption(f"dinv_{name}") or request.config.getini(f"dinv_{name}")
        if given:
            options[name] = str(given)
    machines = dinv.open(str(factory.mktemp("dinv")))
    # The name shows anybody who looks at the endpoint where it comes from.
    name = f"pytest-{os.urandom(4).hex()}"
    try:
        machine = machines.create(name, context=False, **options)
    except dinv.DinvError as error:
        pytest.fail(_said("there is no Docker host for this test", error), pytrace=False)
    try:
        yield machine
    finally:
        machine.close()
        try:
            machines.remove(name)
        except dinv.DinvError as error:
            pytest.fail(_said(f"machine {name} could not be removed", error), pytrace=False)


def _said(what: str, error: BaseException) -> str:
    return "\n".join([f"dinv: {what}. {error}", *getattr(error, "__notes__", ())])
