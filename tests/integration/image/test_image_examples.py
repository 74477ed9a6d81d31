"""Images of one's own: the examples in one image, used and found to keep the contract; some that do not."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

from example_image import EXAMPLES, REGISTRY
from users import says

if TYPE_CHECKING:
    from pathlib import Path

    from harness import Dinv

    from dinv.engine import Engine
    from dinv.machine import Machine
    from dinv.machines import Machines

BAD = """\
ARG BASE=dinv:latest
FROM ${BASE}
VOLUME /data
HEALTHCHECK NONE
ENTRYPOINT ["/bin/false"]
"""


def test_the_examples_in_one_image_keep_the_contract(dinv: Dinv, example_image: str) -> None:
    done = dinv("image", "check", "--format", "json", example_image, timeout=170)
    found = {row["Check"]: row["State"] for row in json.loads(done.stdout)}
    assert set(found.values()) == {"ok"}, done.stdout
    assert {"reload", "revocation", "services", "SIGHUP", "waiting", "mount"} <= set(found)
    assert done.returncode == 0


def test_a_machine_of_the_examples(
    machines: Machines, example_image: str, tmp_path: Path, engine: Engine
) -> None:
    with machines.create("own", image=example_image) as machine:
        preloaded(machine)
        registry_ca(machine)
        sshd(machine, tmp_path)
        # Once in the life of the cache, and not at each start.
        with machine.engine() as daemon:
            daemon.images.remove("hello")
        key = machine.run(["cat", "/etc/dinv/ssh/ssh_host_ed25519_key.pub"], check=True).text
        machine.restart()
        with machine.engine() as daemon:
            assert not [
                image for image in daemon.images.list() if "hello:latest" in (image["RepoTags"] or ())
            ]
        assert machine.run(["cat", "/etc/dinv/ssh/ssh_host_ed25519_key.pub"], check=True).text == key
    # The key of a machine is not in its image.
    config = engine.images.inspect(example_image)["Config"]
    assert config["Labels"]["io.dinv.image.features"] == f"activity,services,{','.join(EXAMPLES)}"
    assert not config.get("Volumes")


def preloaded(machine: Machine) -> None:
    with machine.engine() as daemon:  # there as soon as the machine is ready
        assert any("hello:latest" in image["RepoTags"] for image in daemon.images.list())
    done = machine.run(["docker", "run", "--rm", "--network", "none", "hello"], check=True)
    assert done.text == "Hello from a container"


def registry_ca(machine: Machine) -> None:
    path = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"
    assert (
        machine.run(["openssl", "x509", "-noout", "-subject", "-in", path], check=True).text == "subject=CN=x"
    )


def sshd(machine: Machine, directory: Path) -> None:
    key = str(directory / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    def ssh(user: str, *words: str) -> subprocess.CompletedProcess[str]:
        known = f"UserKnownHostsFile={directory}/known"
        options = ["BatchMode=yes", "StrictHostKeyChecking=accept-new", known, "LogLevel=ERROR"]
        given = [word for option in options for word in ("-o", option)]
        return subprocess.run(
            ["ssh", "-F", "/dev/null", "-i", key, *given, f"{user}@{machine.own_ip()}", *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    # It may listen a little later than the daemon.
    says(lambda: ssh("root", "true").stderr, r"Permission denied \(publickey\)")
    with open(f"{key}.pub", "rb") as public:
        put = "umask 077; cat >/etc/dinv/ssh/authorized_keys"
        machine.run(["sh", "-c", put], input=public.read(), check=True)
    assert ssh("root", "id", "-u").stdout == "0\n"
    assert ssh("docker", "docker", "version", "-f", "{{.Server.Os}}").stdout == "linux\n"
    assert ssh("docker", "sudo", "-n", "id", "-u").stdout == "0\n"
    assert "Permission denied" in ssh("daemon", "true").stderr
    assert ssh("root", "grep", "SigIgn", "/proc/self/status").stdout.split()[1] == "0" * 16


def test_what_keeps_no_contract(dinv: Dinv, machines: Machines, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "Dockerfile").write_text(BAD)
    dinv("image", "build", str(tmp_path / "bad"), "--tag", "dinv-bad", check=True)
    try:
        done = dinv("image", "check", "dinv-bad")
        assert done.returncode == 1
        assert "lacks     volumes: it declares VOLUME /data\n" in done.stdout
        assert "remark    health check: it has none\n" in done.stdout
        assert "lacks     serves: " in done.stdout
        assert "dinv-bad lacks 2 of what the contract dinv needs." in done.stdout
        assert machines.names() == []
    finally:
        engine.images.remove("dinv-bad")


def test_sources_without_what_they_need(dinv: Dinv, engine: Engine, tmp_path: Path) -> None:
    directory = str(tmp_path / "own")
    dinv("image", "init", directory, "--with", "registry-ca", check=True)
    done = dinv("image", "build", directory)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(
        "has no REGISTRY:PORT/ca.crt: put the certificate of the registry's CA there"
    )
    (tmp_path / "own" / "registry-ca" / "certs.d" / REGISTRY).mkdir()
    (tmp_path / "own" / "registry-ca" / "certs.d" / REGISTRY / "ca.crt").write_text("no certificate")
    assert f"{REGISTRY}/ca.crt is not a certificate in PEM" in dinv("image", "build", directory).stderr


def test_a_base_without_a_shell(dinv: Dinv, engine: Engine, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    with open(tmp_path / "empty.tar", "rb") as archive:
        engine.images.import_(archive, repo="no-shell", tag="1")
    try:
        directory = str(tmp_path / "own")
        dinv("image", "init", directory, "--base", "no-shell:1", check=True)
        done = dinv("image", "build", directory)
        assert done.returncode == 1
        assert "has no shell (/bin/sh)" in done.stderr
        assert not os.path.exists(os.path.join(directory, "machine", "machine"))
    finally:
        engine.images.remove("no-shell:1")
