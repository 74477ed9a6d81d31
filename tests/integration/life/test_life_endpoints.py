"""Endpoints: which is taken, all the ways to one, and what a bad one gets."""

from __future__ import annotations

import json
import os
import ssl
import stat
import time
from typing import TYPE_CHECKING

import pytest
from engine_certificates import CA
from proxies import FakeEngine, Proxy, SilentEngine
from users import LS

if TYPE_CHECKING:
    from pathlib import Path

    from users import User

_UNNAMED = {"DINV_ENDPOINT": ""}


@pytest.fixture
def ca(tmp_path: Path) -> CA:
    return CA(tmp_path)


def _server(ca: CA, *, client_ca: str = "", ends: int = 1, name: str = "127.0.0.1") -> ssl.SSLContext:
    certificate, key = ca.issue("server", names=(name,), begins=-2, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client(ca: CA, directory: Path) -> str:
    """A directory as DOCKER_CERT_PATH names one."""
    certificate, key = ca.issue("client")
    for source, name in ((ca.path, "ca.pem"), (certificate, "cert.pem"), (key, "key.pem")):
        target = directory / name
        if str(target) != source:
            target.write_bytes(_bytes(source))
    return str(directory)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def test_no_endpoint_says_what_was_tried(user: User) -> None:
    """In a mount namespace of its own, where there is no socket of anybody's."""
    name = user.name("none")
    command = f"mount -t tmpfs none /run && exec python3 -m dinv create {name}"
    said = user.run("unshare", "-m", "sh", "-c", _here(command), status=1, env=_UNNAMED)
    assert "Traceback" not in said
    for tried in ("unix:///var/run/docker.sock", "podman.sock", "engine/docker.sock", "dinv engine start"):
        assert tried in said
    assert user.traces(name) == []


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_a_named_endpoint_that_does_not_answer(user: User, address: str) -> None:
    name = user.name("none")
    assert address in user.fails("create", name, "--endpoint", address)
    assert user.traces(name) == []


@pytest.mark.parametrize("address", ["no-such-context", "ftp://example.test", "tcp://", "tcp://host:port"])
def test_what_is_no_endpoint(user: User, address: str) -> None:
    name = user.name("none")
    said = user.fails("create", name, "--endpoint", address)
    assert address.partition("://")[2] in said
    assert user.traces(name) == []


def test_an_engine_that_is_too_old(user: User) -> None:
    name = user.name("old")
    with FakeEngine(api_version="1.12") as engine:
        said = user.fails("create", name, "--endpoint", engine.address)
    assert "speaks API 1.12; dinv needs 1.24" in said
    assert user.traces(name) == []


def test_an_endpoint_that_wants_a_client_certificate(user: User, ca: CA, tmp_path: Path) -> None:
    name = user.name("tls")
    with Proxy(user.endpoint, tls=_server(ca, client_ca=ca.path)) as proxy:
        directory = tmp_path / "ca-only"
        directory.mkdir()
        (directory / "ca.pem").write_bytes(_bytes(ca.path))
        said = user.fails("create", name, "--endpoint", proxy.address, "--endpoint-cert-path", str(directory))
        assert "certificate" in said
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        _client(CA(foreign, "other"), foreign)
        (foreign / "ca.pem").write_bytes(_bytes(ca.path))
        said = user.fails("create", name, "--endpoint", proxy.address, "--endpoint-cert-path", str(foreign))
        assert proxy.address in said
        assert "certificate" in said
    assert user.traces(name) == []


@pytest.mark.parametrize(
    ("what", "word"),
    [("expired", "expired"), ("foreign", "CA"), ("other host", "127.0.0.1"), ("plain", "TLS")],
)
def test_an_endpoint_that_cannot_be_trusted(user: User, ca: CA, tmp_path: Path, what: str, word: str) -> None:
    name = user.name("tls")
    directory = _client(ca, tmp_path)
    if what == "plain":
        server = None
    elif what == "foreign":
        server = _server(CA(tmp_path, "foreign"))
    elif what == "expired":
        server = _server(ca, ends=-1)
    else:
        server = _server(ca, name="elsewhere.example.test")
    with FakeEngine(tls=server) as engine:
        said = user.fails("create", name, "--endpoint", engine.address, "--endpoint-cert-path", directory)
    assert engine.address in said
    assert word in said
    assert user.traces(name) == []


def test_a_machine_on_an_endpoint_over_tls(user: User, ca: CA, tmp_path: Path) -> None:
    name = user.name("tls")
    with Proxy(user.endpoint, tls=_server(ca, client_ca=ca.path)) as proxy:
        directory = _client(ca, tmp_path)
        user.dinv("create", name, "--endpoint", proxy.address, "--endpoint-cert-path", directory)
        assert user.dinv("ssh", name, "echo through; exit 3", status=3).stdout == "through\n"
        user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_a_machine_on_an_endpoint_named_by_the_dockers_variables(user: User, ca: CA, tmp_path: Path) -> None:
    name = user.name("env")
    with Proxy(user.endpoint, tls=_server(ca, client_ca=ca.path)) as proxy:
        variables = {
            **_UNNAMED,
            "DOCKER_HOST": proxy.address,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": _client(ca, tmp_path),
        }
        user.dinv("create", name, env=variables)
        # What was said then is in the store: the variables are not needed again.
        assert user.dinv("status", name, env=_UNNAMED).stdout == "Running\n"
        user.dinv("rm", "-y", name, env=_UNNAMED)
    assert user.traces(name) == []


def test_a_machine_on_an_endpoint_over_ssh(user: User, tmp_path: Path) -> None:
    """`ssh` is one that goes nowhere, and runs what it is told to run there."""
    name = user.name("ssh")
    fake = tmp_path / "ssh"
    fake.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\nexec docker -H {user.endpoint} system dial-stdio\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": f"{tmp_path}:{user.environment['PATH']}"}
    user.dinv("create", name, "--endpoint", "ssh://somebody@127.0.0.1", env=environment)
    assert "docker system dial-stdio" in (tmp_path / "calls").read_text()
    assert user.dinv("status", name, env=environment).stdout == "Running\n"
    assert user.dinv("ssh", name, "echo through; exit 3", status=3, env=environment).stdout == "through\n"
    user.docker(name, "version")
    user.dinv("rm", "-y", name, env=environment)
    assert user.traces(name) == []


def test_contexts_as_endpoints(user: User) -> None:
    """By --endpoint, by DOCKER_CONTEXT, and as the current one."""
    user.run("docker", "context", "create", "there", "--docker", f"host={user.endpoint}")
    name = user.name("ctx")
    made = user.dinv("create", name, "--endpoint", "there", "--no-context", env=_UNNAMED)
    assert f"{user.endpoint} (context there)" in made.stdout
    user.dinv("rm", "-y", name, env=_UNNAMED)
    said = user.fails(
        "create",
        name,
        "--image",
        "no.such.host.invalid/a",
        status=3,
        env={**_UNNAMED, "DOCKER_CONTEXT": "there"},
    )
    assert user.endpoint in said
    user.run("docker", "context", "use", "there")
    said = user.fails("create", name, "--image", "no.such.host.invalid/a", status=3, env=_UNNAMED)
    assert user.endpoint in said


def test_machines_of_the_store_are_no_endpoints(user: User) -> None:
    """After `eval $(dinv env dev)`, or with dev's context in use, new machines are not made inside dev."""
    name, other = user.name("first"), user.name("second")
    user.dinv("create", name)
    said = user.fails("create", other, "--endpoint", user.dinv("url", name).stdout.strip())
    assert "TLS" in said, "one that is named is not passed over, and dockerd does not speak plain HTTP here"
    variables = {**user.variables(name), **_UNNAMED}
    # What comes next in the order is a docker context: the endpoint's own.
    user.run("docker", "context", "create", "there", "--docker", f"host={user.endpoint}")
    made = user.dinv("create", other, env={**variables, "DOCKER_CONTEXT": "there"})
    assert f"DOCKER_HOST points at machine {name}" in made.stdout
    assert user.endpoint in made.stdout
    user.dinv("rm", "-y", other)
    command = f"mount -t tmpfs none /run && exec python3 -m dinv create {other}"
    said = user.run(
        "unshare", "-m", "sh", "-c", _here(command), status=1, env={**_UNNAMED, "DOCKER_CONTEXT": name}
    )
    assert f"points at machine {name}" in said


def test_an_endpoint_that_went_away_for_good(user: User) -> None:
    name = user.name("lost")
    with Proxy(user.endpoint) as proxy:
        user.dinv("create", name, "--endpoint", proxy.address)
    row = json.loads(user.dinv(*LS, "--format", "json").stdout)[0]
    assert row["State"] == "Error"
    assert "Cannot reach" in row["Error"]
    assert user.dinv("url", name).stdout.startswith("tcp://"), "what is known is said all the same"
    said = user.fails("rm", "-y", name)
    assert f"dinv rm -f {name}" in said
    assert user.dinv("ls", "-q").stdout == f"{name}\n"
    left = user.dinv("rm", "-f", name).stdout
    assert f"docker rm -f dinv-{name}" in left
    assert f"docker volume rm dinv-{name}-cache" in left
    assert user.traces(name) == [f"container ['/dinv-{name}']", f"volume dinv-{name}-cache"]
    user.run("docker", "-H", user.endpoint, "rm", "-f", f"dinv-{name}")
    user.run("docker", "-H", user.endpoint, "volume", "rm", f"dinv-{name}-cache")
    assert "docker network rm dinv" in left
    user.run("docker", "-H", user.endpoint, "network", "rm", "dinv")


def test_an_endpoint_that_is_silent_holds_up_nobody_else(user: User) -> None:
    quick, slow = user.name("quick"), user.name("slow")
    user.dinv("create", quick)
    with SilentEngine() as silent:
        user.dinv("stop", quick)
        directory = os.path.join(user.store, "machines")
        os.mkdir(f"{directory}/{slow}")
        config = json.loads(_bytes(f"{directory}/{quick}/config.json"))
        config["Name"] = config["Driver"]["MachineName"] = slow
        config["Dinv"]["ID"] = "another"
        config["Driver"]["Endpoint"]["URL"] = silent.address
        with open(f"{directory}/{slow}/config.json", "w") as file:
            json.dump(config, file)
        begun = time.monotonic()
        # As much as the one that is there may take on a computer that is busy.
        rows = {row["Name"]: row for row in json.loads(user.dinv("ls", "-t", "5", "--format", "json").stdout)}
        assert time.monotonic() - begun < 30, "it does not wait for the silent one any longer"
        assert rows[quick]["State"] == "Stopped"
        assert rows[slow]["State"] == "Timeout"
        assert "did not answer within 5 s" in rows[slow]["Error"]
    user.dinv("rm", "-f", slow)


def _here(command: str) -> str:
    import shlex
    import sys

    return command.replace("python3", shlex.quote(sys.executable))
