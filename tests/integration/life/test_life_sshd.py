"""Real SSH into a machine whose image has a server: by dinv's verbs, by plain ssh, and by nobody else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from users import says

if TYPE_CHECKING:
    from pathlib import Path

    from users import User

BY_SSH = "echo ${SSH_CONNECTION:-exec}"
KEY = "/etc/dinv/ssh/ssh_host_ed25519_key"


class Plain:
    """The system's ssh, with what `dinv ssh-config` prints of a machine and nothing else."""

    def __init__(self, user: User, name: str, path: Path) -> None:
        path.write_text(user.dinv("ssh-config", name).stdout)
        self._words = ["ssh", "-F", str(path), "-o", "BatchMode=yes"]

    def __call__(self, *words: str, status: int | None = 0) -> str:
        done = subprocess.run(
            [*self._words, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
        assert status is None or done.returncode == status, done.stderr
        return done.stdout or done.stderr


def check_by_ssh(user: User, name: str) -> None:
    """Fail unless dinv gets in by the server once that listens, a little after the daemon perhaps."""
    says(lambda: user.dinv("ssh", name, BY_SSH, status=None).stdout, r" 22\n\Z")


def check_by_exec(user: User, name: str) -> None:
    assert user.dinv("ssh", name, BY_SSH).stdout == "exec\n"


@pytest.fixture
def name(user: User, example_image: str) -> str:
    return user.name("ssh")


def test_a_machine_with_an_ssh_server(user: User, name: str, example_image: str, tmp_path: Path) -> None:
    user.dinv("create", "--memory", "400m", "--image", example_image, name)
    directory = os.path.join(user.store, "machines", name)
    plain = Plain(user, name, tmp_path / "config")

    # Plain ssh, with no question asked; dinv's verbs by the same server.
    says(lambda: plain(name, BY_SSH, status=None), r" 22\n\Z")
    assert plain(f"docker@{name}", "docker version -f '{{.Server.Os}}'") == "linux\n"
    check_by_ssh(user, name)
    assert user.dinv("ssh", f"docker@{name}", "id -un").stdout == "docker\n"
    assert user.dinv("ssh", name, "exit 7", status=7).stdout == ""
    (tmp_path / "file").write_text("content")
    user.dinv("scp", "-q", str(tmp_path / "file"), f"docker@{name}:there")
    user.dinv("scp", "-q", f"{name}:/home/docker/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "content"
    kept = user.kept(name)
    assert (kept["SSHUser"], kept["SSHPort"]) == ("root", 22)
    assert kept["SSHKeyPath"] == os.path.join(directory, "id_ed25519")
    assert plain("-i", os.path.join(directory, "id_rsa"), name, "id -u") == "0\n"
    # Not without the key; and that is not in the machine.
    assert "Permission denied" in plain("-o", "PubkeyAuthentication=no", name, "true", status=255)
    assert user.inside(name, "ls", "/etc/dinv/ssh").split() == [
        "authorized_keys",
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
    ]

    # Somebody else's server at its address is not trusted.
    user.inside(name, "sh", "-c", f"rm {KEY}* && ssh-keygen -q -t ed25519 -N '' -f {KEY}")
    user.inside(name, "/usr/local/lib/dinv/services", "restart", "sshd")
    says(lambda: plain(name, "true", status=None), "verification failed")
    assert "verification failed" in user.dinv("ssh", name, "true", status=255).stderr
    # Where no server answers, commands go in as into any other machine.
    user.inside(name, "sh", "-c", "mkdir -p /etc/dinv/services && : >/etc/dinv/services/sshd")
    user.inside(name, "/usr/local/lib/dinv/services", "reload")
    check_by_exec(user, name)

    # Made anew, it has the same keys.
    known = _read(os.path.join(directory, "known_hosts"))
    user.dinv("set", "--publish-ports", "28211:28211", name)
    check_by_ssh(user, name)
    assert plain(name, "id -u") == "0\n"
    assert _read(os.path.join(directory, "known_hosts")) == known
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_where_only_published_ports_are_reached(
    user: User, name: str, example_image: str, machine_image: str, tmp_path: Path
) -> None:
    user.dinv("create", "--memory", "400m", "--image", example_image, "--publish", "127.0.0.1", name)
    port = user.kept(name)["SSHPort"]
    assert port not in (22, 0)
    plain = Plain(user, name, tmp_path / "config")
    says(lambda: plain(name, BY_SSH, status=None), r" 22\n\Z")
    user.dinv("stop", name)
    assert "not running" in user.fails("ssh", name, "true")
    user.dinv("start", name)
    check_by_ssh(user, name)
    assert user.kept(name)["SSHPort"] == port
    # An image without one: exec, as ever, and nothing of it is left in the record.
    user.dinv("upgrade", "--image", machine_image, name)
    check_by_exec(user, name)
    assert user.kept(name)["SSHKeyPath"] == ""
    assert "no SSH server" in user.fails("ssh-config", name)
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
