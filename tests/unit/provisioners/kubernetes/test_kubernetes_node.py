"""What goes into a machine: the service's script, secrets by standard input; what is read out of it."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.provisioners.kubernetes import kubeconfigs
from dinv.provisioners.kubernetes.node import AGENT, Inside, Node, script

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.channel import Channel

PEM = b"-----BEGIN X-----\nQUJD\n-----END X-----\n"


class Here:
    """A channel into this computer."""

    def __init__(self) -> None:
        self.argv: list[tuple[str, ...]] = []

    def run(self, argv: Any, *, stdin: Any, stdout: Any, stderr: Any, timeout: float) -> int:
        self.argv.append(tuple(argv))
        content = stdin.read() if stdin else None
        done = subprocess.run(argv, input=content, capture_output=True, timeout=timeout, check=False)
        stdout(done.stdout)
        stderr(done.stderr)
        return done.returncode


def test_a_secret_is_never_an_argument_and_nobody_elses_to_read(tmp_path: Path) -> None:
    here = Here()
    inside = Inside("k1", cast("Channel", here))
    path = tmp_path / "state" / "ticket"
    assert inside.write_secret(str(path), b"K10abc::server:Hush")
    assert inside.read(str(path)) == b"K10abc::server:Hush"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "Hush" not in str(here.argv)
    assert inside.read(str(tmp_path / "none")) == b""
    assert not inside.write_secret("/proc/none/ticket", b"x")


def test_what_it_says_has_bounds_and_a_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside("k1", cast("Channel", Here()))
    assert inside.run("sh", "-c", "echo a; echo b >&2; echo c >&2; exit 3") == (3, b"a\n", "c")


def node(state: str) -> Node:
    return Node("k1", AGENT, "i", state, server="https://k:1")


def test_the_service_removes_what_other_machines_left_and_runs_the_program(tmp_path: Path) -> None:
    state = tmp_path / "kubernetes" / "mine"
    other = tmp_path / "kubernetes" / "theirs" / "var"
    other.mkdir(parents=True)
    text = script(node(str(state)), [], f"exec touch {tmp_path}/ran\n", "0123456789abcdef0")
    assert "Configuration: 0123456789abcdef\n" in text
    for _ in range(2):
        subprocess.run(["sh", "-c", text], check=True, timeout=10)
    assert (tmp_path / "ran").exists()
    assert state.stat().st_mode & 0o777 == 0o700
    assert not other.parent.exists()


def test_directories_lie_on_the_volume() -> None:
    text = script(node("/var/lib/docker/.dinv/kubernetes/i"), ["/var/lib/rancher"], "exec k3s\n", "x")
    assert "for place in /var/lib/rancher; do" in text
    assert 'mount --bind "$state$place" "$place"' in text
    subprocess.run(["sh", "-n", "-c", text], check=True)


def kubeconfig(*values: bytes) -> bytes:
    ca, certificate, key = (base64.b64encode(each).decode() for each in values)
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://127.0.0.1:6443
  name: default
users:
- name: default
  user:
    client-certificate-data: {certificate}
    client-key-data: "{key}"
""".encode()


def test_the_credentials_in_a_servers_kubeconfig() -> None:
    assert kubeconfigs.read(kubeconfig(PEM, PEM + b"2", PEM + b"3")) == (PEM, PEM + b"2", PEM + b"3")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        kubeconfig(PEM, PEM, b"no pem"),
        kubeconfig(PEM, PEM, PEM) * 2,  # half written, or not a server's own
        kubeconfig(PEM, PEM, PEM).replace(b"client-key-data", b"client-key"),
        kubeconfig(PEM, PEM, PEM).replace(b'key-data: "', b'key-data: "=='),
        b"\xff",
    ],
)
def test_what_has_none(content: bytes) -> None:
    assert kubeconfigs.read(content) is None


@given(st.binary(max_size=200))
def test_no_kubeconfig_is_too_odd(content: bytes) -> None:
    assert kubeconfigs.read(b"client-key-data: " + content) is None
