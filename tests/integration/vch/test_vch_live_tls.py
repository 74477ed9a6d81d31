"""TLS of a simulated VCH, and the folder that vic-machine leaves."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import EndpointError, EndpointTLSError

if TYPE_CHECKING:
    from pathlib import Path

    from vch_client import Connect, Simulate

    from dinv.testing.vch import VchSimulator


def _variables(vch: VchSimulator) -> dict[str, str]:
    with open(vch.env_file, encoding="utf-8") as file:
        (line,) = file.read().splitlines()
    return dict(word.split("=", 1) for word in line.split(" "))


def test_clients_need_a_certificate(simulate: Simulate, connect: Connect, tmp_path: Path) -> None:
    vch = simulate(tls="verify", folder=str(tmp_path / "vch"))
    assert connect(vch).info()["ID"] == "vSphere Integrated Containers"
    with pytest.raises(EndpointTLSError, match="certificate"):
        connect(vch, ca_only=True).info()
    other = simulate(tls="verify")
    foreign = TLSFiles(
        *(
            os.path.join(folder, name)
            for folder, name in (
                (vch.folder, "ca.pem"),
                (other.folder, "cert.pem"),
                (other.folder, "key.pem"),
            )
        )
    )
    with Engine(parse_address(vch.address, foreign)) as engine, pytest.raises(EndpointTLSError):
        engine.info()


def test_plain_http_on_a_tls_port(simulate: Simulate) -> None:
    vch = simulate(tls="verify")
    with Engine(parse_address(vch.address)) as engine, pytest.raises(EndpointError):
        engine.info()


def test_tls_is_1_2(simulate: Simulate) -> None:
    vch = simulate(tls="server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", vch.port), timeout=10) as plain,
        context.wrap_socket(plain) as sock,
    ):
        assert sock.version() == "TLSv1.2"


def test_server_only_tls(simulate: Simulate, connect: Connect, tmp_path: Path) -> None:
    vch = simulate(tls="server", folder=str(tmp_path / "vch"))
    assert connect(vch).api_version == "1.25"
    assert _variables(vch) == {"DOCKER_HOST": f"127.0.0.1:{vch.port}", "COMPOSE_TLS_VERSION": "TLSv1_2"}
    ca = TLSFiles(os.path.join(vch.folder, "server-cert.pem"))
    with Engine(parse_address(vch.address, ca)) as engine:
        assert engine.api_version == "1.25", "the certificate is its own authority"


def test_the_folder_is_enough_for_the_docker_cli(simulate: Simulate, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    assert docker is not None, "the tests need the docker CLI"
    vch = simulate(tls="verify", name="vch1", folder=str(tmp_path / "vch1"))
    assert vch.env_file == str(tmp_path / "vch1" / "vch1.env")
    variables = _variables(vch)
    assert variables["DOCKER_CERT_PATH"] == vch.folder
    done = subprocess.run(
        [docker, "info", "--format", "{{.Driver}}"],
        env={**os.environ, **variables, "DOCKER_API_VERSION": "1.25"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "vSphere Integrated Containers v1.5.8" in done.stdout, done.stderr


def test_a_name_in_the_certificate(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(tls="verify", tls_cname="localhost")
    assert vch.address == f"tcp://localhost:{vch.port}"
    assert _variables(vch)["DOCKER_HOST"] == f"localhost:{vch.port}"
    assert connect(vch).api_version == "1.25"


def test_a_temporary_folder_goes_with_the_simulator(simulate: Simulate) -> None:
    vch = simulate(tls="verify")
    assert os.path.exists(vch.env_file)
    vch.close()
    assert not os.path.exists(os.path.dirname(vch.folder))


def test_certificates_are_kept_over_a_restart(simulate: Simulate, tmp_path: Path) -> None:
    first = simulate(tls="verify", folder=str(tmp_path / "vch"))
    first.close()
    before = (tmp_path / "vch" / "ca.pem").read_bytes()
    simulate(tls="verify", folder=str(tmp_path / "vch"))
    assert (tmp_path / "vch" / "ca.pem").read_bytes() == before


def test_streams_over_tls(simulate: Simulate, connect: Connect) -> None:
    """The end of standard input is TLS's own there."""
    import io

    from vch_client import make, tar

    engine = connect(simulate(tls="verify"))
    make(engine, "dev")
    engine.containers.start("dev")
    out: list[bytes] = []
    data = os.urandom(1_000_000)
    assert engine.execs.run("dev", ["cat"], stdin=io.BytesIO(data), stdout=out.append, timeout=30) == 0
    assert b"".join(out) == data
    engine.containers.archive_put("dev", "/tmp", tar("f", data))
    assert engine.containers.archive_stat("dev", "/tmp/f").size == len(data)
