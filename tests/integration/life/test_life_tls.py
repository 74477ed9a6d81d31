"""Who gets in: nobody without this machine's client certificate, and no key is where it should not be."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from users import User


@pytest.fixture(scope="module")
def two(shared_user: User) -> tuple[str, str]:
    """Two machines."""
    names = shared_user.name("one"), shared_user.name("two")
    for name in names:
        shared_user.dinv("create", name)
    return names


def _ping(user: User, name: str, certificate_of: str | None) -> str:
    """The first line a machine answers to /_ping; raises OSError when it refuses."""
    directory = user.machine(name).directory
    context = ssl.create_default_context(cafile=f"{directory}/ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if certificate_of:
        other = user.machine(certificate_of).directory
        context.load_cert_chain(f"{other}/cert.pem", f"{other}/key.pem")
    host, _, port = user.machine(name).url.removeprefix("tcp://").rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: machine\r\nConnection: close\r\n\r\n")
        return connection.recv(100).partition(b"\r\n")[0].decode()


def test_its_own_certificate_gets_in(shared_user: User, two: tuple[str, str]) -> None:
    for name in two:
        assert _ping(shared_user, name, name) == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("which", ["none", "the other machine's"])
def test_any_other_is_refused(shared_user: User, two: tuple[str, str], which: str) -> None:
    with pytest.raises(OSError, match=r"(?i)alert|reset|certificate|EOF"):
        _ping(shared_user, two[0], two[1] if which != "none" else None)


def test_the_docker_cli_is_refused_too(shared_user: User, two: tuple[str, str], tmp_path: Path) -> None:
    url = shared_user.dinv("url", two[0]).stdout.strip()
    machine, other = (shared_user.machine(name).directory for name in two)
    for key in ("", other):
        words = ["docker", "-H", url, "--tlsverify", "--tlscacert", f"{machine}/ca.pem"]
        if key:
            words += ["--tlscert", f"{key}/cert.pem", "--tlskey", f"{key}/key.pem"]
        else:
            words += ["--tlscert", "", "--tlskey", ""]
        said = shared_user.run(*words, "version", status=1, env={"DOCKER_CONFIG": str(tmp_path)})
        assert "certificate" in said or "tls:" in said, said
    plain = shared_user.run("docker", "-H", url, "version", status=1, env={"DOCKER_CONFIG": str(tmp_path)})
    assert "EOF" in plain
    assert "Server:" not in plain


def test_another_machines_server_is_not_taken_for_this_one(shared_user: User, two: tuple[str, str]) -> None:
    words = ("docker", "-H", shared_user.dinv("url", two[1]).stdout.strip(), "--tlsverify")
    said = shared_user.run(
        *words, "version", status=1, env={"DOCKER_CERT_PATH": shared_user.machine(two[0]).directory}
    )
    assert "certificate" in said


def test_no_plain_listener(shared_user: User, two: tuple[str, str]) -> None:
    """Port 2376 is all that listens in the machine, apart from its endpoint's resolver, on 127.0.0.11."""
    ports = shared_user.inside(two[0], "sh", "-c", "ss -Hltn 2>/dev/null || cat /proc/net/tcp /proc/net/tcp6")
    fields = [line.split() for line in ports.splitlines()]
    listening = {words[3] for words in fields if words[0] == "LISTEN"} or {
        "{}:{}".format("127.0.0.11" if host == "0B00007F" else host, int(port, 16))
        for host, _, port in (words[1].partition(":") for words in fields if words[3] == "0A")
    }
    assert {each.rpartition(":")[2] for each in listening if not each.startswith("127.0.0.11:")} == {"2376"}


def test_private_keys_are_private(shared_user: User, two: tuple[str, str]) -> None:
    found = 0
    for top in (shared_user.store, shared_user.docker_config):
        for directory, _, files in os.walk(top):
            for name in files:
                path = os.path.join(directory, name)
                if name.endswith("key.pem"):
                    found += 1
                    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
                if b"PRIVATE KEY" in _content(path):
                    assert name.endswith("key.pem"), f"a key in {path}"
    assert found == 2 * (3 + 1), "CA, server, client, and the context's copy, for each"
    for name in two:
        directory = shared_user.machine(name).directory
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(f"{directory}/config.json").st_mode) == 0o600


def test_the_ca_key_is_in_no_machine(shared_user: User, two: tuple[str, str]) -> None:
    """Every file of the machine's file system is looked through."""
    for name in two:
        key = (
            _content(os.path.join(shared_user.machine(name).directory, "ca-key.pem")).splitlines()[1].decode()
        )
        server = (
            _content(os.path.join(shared_user.machine(name).directory, "server-key.pem"))
            .splitlines()[1]
            .decode()
        )
        search = "grep -rlsF -e '{}' --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / || true"
        assert shared_user.inside(name, "sh", "-c", search.format(key)) == ""
        found = shared_user.inside(name, "sh", "-c", search.format(server)).split()
        # Where dinv puts it, and where the front has what it uses.
        assert sorted(found) == ["/etc/dinv/certs/server-key.pem", "/run/dinv/front/1/server.pem"]
        mode = shared_user.inside(name, "stat", "-c", "%a %u", "/etc/dinv/certs/server-key.pem")
        assert mode == "600 0\n"


def test_keys_are_in_no_argument_environment_or_label(shared_user: User, two: tuple[str, str]) -> None:
    with shared_user.engine() as engine:
        assert "PRIVATE KEY" not in str(engine.containers.inspect(f"dinv-{two[0]}"))
    debug = shared_user.dinv("--debug", "status", two[0])
    assert "PRIVATE" not in debug.stderr
    assert "/containers/json" in debug.stderr


@pytest.mark.parametrize(("which", "purpose"), [("server", "sslserver"), ("cert", "sslclient")])
def test_openssl_verifies_strictly(shared_user: User, two: tuple[str, str], which: str, purpose: str) -> None:
    for name in two:
        directory = shared_user.machine(name).directory
        subprocess.run(
            (
                *("openssl", "verify", "-x509_strict", "-purpose", purpose),
                *("-CAfile", f"{directory}/ca.pem", f"{directory}/{which}.pem"),
            ),
            check=True,
            capture_output=True,
            timeout=20,
        )


def test_each_machine_has_a_ca_of_its_own(shared_user: User, two: tuple[str, str]) -> None:
    one, other = (_content(f"{shared_user.machine(name).directory}/ca.pem") for name in two)
    assert one != other


def test_the_store_may_be_moved(shared_user: User, two: tuple[str, str], tmp_path: Path) -> None:
    """Paths in it are relative: a copy elsewhere works as it is (docker-machine#1407)."""
    moved = tmp_path / "moved"
    shutil.copytree(shared_user.store, moved)
    elsewhere = {"MACHINE_STORAGE_PATH": str(moved)}
    assert str(moved) in shared_user.dinv("env", "--shell", "sh", two[0], env=elsewhere).stdout
    assert shared_user.dinv("version", two[0], env=elsewhere).stdout.strip()
    assert str(shared_user.store) not in shared_user.dinv("inspect", two[0], env=elsewhere).stdout


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
