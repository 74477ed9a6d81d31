"""`dinv adopt`: containers of dch-photon and docker:dind that somebody has made become machines."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from contract_images import DCH_PHOTON, DIND

from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import DinvError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flavours import At, Resident, Simulate

pytestmark = pytest.mark.usefixtures("foreign_images")

SECONDS = 90.0
NESTED = {
    "CapAdd": ["SYS_ADMIN", "NET_ADMIN"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
}
"""What a nested daemon takes on a plain engine, short of --privileged."""


@contextlib.contextmanager
def somebodys(user: Resident, name: str, image: str, *command: str, **host: Any) -> Iterator[str]:
    """A container that somebody has made as VMware's and Docker's pages say; its name."""
    body = {
        "Image": image,
        "Volumes": {},
        "ExposedPorts": {"2376/tcp": {}},
        "HostConfig": {
            **(NESTED if user.endpoint.startswith("unix:") else {}),
            "NetworkMode": "bridge",
            "Binds": [f"{name}-images:/var/lib/docker", f"{name}-certs:/certs"],
            "PortBindings": {"2376/tcp": [{"HostPort": ""}]},
            **host,
        },
    }
    if command:
        body["Cmd"] = list(command)
    with user.engine() as engine:
        for volume in ("images", "certs"):
            engine.volumes.create(f"{name}-{volume}", driver="local")
        engine.containers.create(name, body)
        try:
            engine.containers.start(name, timeout=60)
            yield name
        finally:
            with contextlib.suppress(DinvError):
                engine.containers.remove(name, force=True, timeout=60)
            for volume in ("images", "certs"):
                engine.volumes.remove(f"{name}-{volume}", timeout=60)


def await_tls(user: Resident, name: str) -> None:
    """Wait until the daemon in a container serves with whatever certificates it has made."""
    with user.engine() as engine:
        bound = engine.containers.inspect(name)["NetworkSettings"]["Ports"]["2376/tcp"][0]
    end = time.monotonic() + SECONDS
    while True:
        try:
            ssl.get_server_certificate(("127.0.0.1", int(bound["HostPort"])))
        except OSError:
            assert time.monotonic() < end, "no TLS"
            time.sleep(0.1)
        else:
            return


def works(user: Resident, name: str) -> None:
    assert user.docker(name, "run", "--rm", "hello", "echo", "it works") == "it works\n"
    machine = user.machine(name)
    with (
        Engine(parse_address(machine.url, TLSFiles(os.path.join(machine.directory, "ca.pem")))) as stranger,
        pytest.raises(DinvError),
    ):
        stranger.ping()


def life(user: Resident, image: str, *command: str, port: str = "", renewed: bool = False) -> None:
    """A container is adopted, used, stopped and started, given new certificates, and left to its owner."""
    name = user.name("theirs")
    host = {"PortBindings": {"2376/tcp": [{"HostPort": port}]}}
    with somebodys(user, name, image, *command, **host):
        await_tls(user, name)
        said = user.dinv("adopt", "-f", name, "dev").stdout
        assert " ready at tcp://" in said
        user.import_hello("dev")
        works(user, "dev")
        assert user.run("docker", "--context", "dev", "version", "--format", "{{.Server.Os}}") == "linux\n"
        keys = ("/certs/server/key.pem",) if image == DIND else ("/certs/docker.key",)
        assert user.inside("dev", "stat", "-c", "%a", *keys) == "600\n"
        assert "it is the machine" in user.fails("adopt", "-f", name, "other", status=3)
        user.dinv("stop", "dev")
        assert user.dinv("status", "dev").stdout == "Stopped\n"
        user.dinv("start", "dev")
        works(user, "dev")
        if renewed:
            user.dinv("regenerate-certs", "-f", "--client-certs", "dev")
            works(user, "dev")
        assert "was adopted" in user.fails("upgrade", "dev")
        left = user.dinv("rm", "-y", "dev").stdout
        assert f"docker rm -f {name}" in left
        assert user.dinv("ls", "-q").stdout == ""
        with user.engine() as engine:
            assert engine.containers.inspect(name)["State"]["Running"]
        # Given back, it makes certificates of its own again, by the line that rm has said.
        with user.engine() as engine:
            assert engine.execs.run(name, ["sh", "-c", "rm -rf /certs/*"]) == 0
            engine.containers.restart(name, timeout=60)
        await_tls(user, name)


def test_dch_photon_on_an_engine(at: At, endpoint_address: str) -> None:
    life(at(endpoint_address), DCH_PHOTON, "-tlsverify", renewed=True)


def test_dind_on_an_engine(at: At, endpoint_address: str) -> None:
    life(at(endpoint_address), DIND)


def test_dch_photon_on_a_vch(simulate: Simulate, at: At) -> None:
    life(at(simulate().env_file), DCH_PHOTON, "-tlsverify", port="24999")


def test_what_cannot_be_adopted(at: At, endpoint_address: str, machine_image: str) -> None:
    user = at(endpoint_address)
    name = user.name("no")

    def refused() -> str:
        said = user.fails("adopt", "-f", name, "dev", status=3)
        assert user.dinv("ls", "-q").stdout == ""
        return said

    assert "no such container" in refused()
    with somebodys(user, name, DCH_PHOTON):
        said = refused()
        assert "without -tlsverify" in said
        assert f"dinv create --cache-volume {name}-images dev" in said
    with somebodys(user, name, DCH_PHOTON, "-tlsverify", AutoRemove=True):
        assert "--rm" in refused()
    with somebodys(user, name, DIND, "sleep", "60"):
        assert "told to run sleep" in refused()
    with somebodys(user, name, DIND, PortBindings={}) as container, user.engine() as engine:
        engine.containers.stop(container, grace=1)
        assert f"docker start {name}" in refused()
    with user.engine() as engine:
        engine.containers.create(
            name,
            {"Image": machine_image, "Entrypoint": ["sleep", "60"], "Labels": {"io.dinv.image.contract": ""}},
        )
        engine.containers.start(name)
        assert "runs sleep 60" in refused()
        engine.containers.remove(name, force=True)


def test_what_fails_leaves_the_container_as_it_was(at: At, endpoint_address: str, tmp_path: Path) -> None:
    """A daemon that cannot start with the new certificates has its own again."""
    user = at(endpoint_address)
    name = user.name("undone")
    with somebodys(user, name, DCH_PHOTON, "-tlsverify"):
        await_tls(user, name)
        with user.engine() as engine:
            before = bytearray()
            engine.execs.run(name, ["sh", "-c", "cat /certs/*.key /certs/*.pem"], stdout=before.extend)
            spoil = "sed -i 's/--tlsverify --tlscacert=.*/--tls --tlsverify=false/' /dinv"
            engine.execs.run(name, ["sh", "-c", spoil])
        said = user.fails("adopt", "-f", name, "dev")
        assert "to a client without a certificate" in said
        assert user.dinv("ls", "-q").stdout == ""
        assert not [line for line in user.run("docker", "context", "ls", "-q").split() if line == "dev"]
        await_tls(user, name)
        after = bytearray()
        with user.engine() as engine:
            engine.execs.run(name, ["sh", "-c", "cat /certs/*.key /certs/*.pem"], stdout=after.extend)
        assert after == before
