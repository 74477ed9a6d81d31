"""Machines of the official image on a real dockerd."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from image_machine import Machine

from dinv.authorities import open_authority
from dinv.pki import certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dinv.engine import Engine


@pytest.fixture(scope="session")
def certificate_directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = str(tmp_path_factory.mktemp("certificates"))
    authority = open_authority("local", machine="under-test", directory=directory)
    certificates.issue(authority, machine="under-test", directory=directory, names=["127.0.0.1"])
    return directory


@pytest.fixture
def make_machine(
    engine: Engine, machine_image: str, certificate_directory: str
) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(env: Sequence[str] = (), **options: Any) -> Machine:
        made.append(Machine(engine, machine_image, certificate_directory, env, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.remove()


@pytest.fixture
def sleeper(engine: Engine, machine_image: str) -> Iterator[Callable[[str], str]]:
    """Run scripts in a container of the image that does nothing by itself; it may mount."""
    name = f"dinv-test-sleeper-{uuid.uuid4().hex[:10]}"
    engine.containers.create(
        name,
        {
            "Image": machine_image,
            "Entrypoint": ["sleep", "120"],
            "HostConfig": {
                "CapAdd": ["SYS_ADMIN"],
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
            },
        },
    )

    def run(script: str) -> str:
        out = bytearray()
        status = engine.execs.run(
            name, ["sh", "-c", script, "script", name], stdout=out.extend, stderr=out.extend, timeout=60
        )
        text = out.decode(errors="replace")
        assert status == 0, text
        return text

    try:
        engine.containers.start(name)
        yield run
    finally:
        engine.containers.remove(name, force=True)


@pytest.fixture(scope="module")
def machine(engine: Engine, machine_image: str, certificate_directory: str) -> Iterator[Machine]:
    """One that runs and has the image `busybox`, for tests that leave it as it was."""
    found = Machine(engine, machine_image, certificate_directory)
    try:
        found.put_certificates()
        found.start()
        found.wait_ready()
        found.import_busybox()
        yield found
    finally:
        found.remove()
