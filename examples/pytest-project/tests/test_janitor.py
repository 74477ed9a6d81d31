"""Tests that would be rude on anybody's own Docker: here each run has a daemon to itself.

`docker_host` comes with dinv, no import needed. It is one machine for one test; `docker_host_session` is one
for the whole run, which is faster where tests clean up behind themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import docker
import janitor
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dinv


@pytest.fixture
def client(docker_host_session: dinv.Machine) -> Iterator[docker.DockerClient]:
    """A client of the machine, without volumes."""
    client = docker.DockerClient(**docker_host_session.docker_kwargs())
    yield client
    for volume in client.volumes.list():
        volume.remove()
    client.close()


def test_scratch_volumes_go(client: docker.DockerClient) -> None:
    client.volumes.create("old", labels={"scratch": "yes"})
    client.volumes.create("older", labels={"scratch": "yes"})
    assert janitor.tidy(client) == ["old", "older"]
    assert client.volumes.list() == []


def test_others_stay(client: docker.DockerClient) -> None:
    client.volumes.create("precious")
    assert janitor.tidy(client) == []
    assert [volume.name for volume in client.volumes.list()] == ["precious"]
