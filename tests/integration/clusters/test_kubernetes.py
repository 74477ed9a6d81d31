"""Machines that are nodes of a Kubernetes cluster: made, joined, left. k3s is a stand-in, kubectl is not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import k3s_stand_in
import pytest
from needs import program
from users import LS

from dinv.endpoints import contexts
from dinv.image_building.machine_images import MachineImages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Dinv

    from dinv.engine import Engine
    from dinv.machines import Machines

IMAGE = "dinv-test-k3s"


@pytest.fixture(scope="module")
def image(
    tmp_path_factory: pytest.TempPathFactory, session_engine: Engine, machine_image: str
) -> Iterator[str]:
    """A machine image with the stand-in, as `image build --with k3s=FILE` makes it."""
    path = k3s_stand_in.build(str(tmp_path_factory.mktemp("k3s") / "k3s"))
    images = MachineImages(session_engine)
    built = images.build(base=machine_image, features=[f"k3s={path}"], tag=IMAGE)
    yield IMAGE
    session_engine.images.remove(built.id, force=True)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's, with somebody else's cluster in it."""
    path = tmp_path / "kube" / "config"
    path.parent.mkdir()
    path.write_text("# mine\nclusters:\n- name: prod # careful\n  cluster: {server: https://prod.test}\n")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def nodes(*words: str) -> dict[str, bool]:
    """Names of nodes, and whether each is Ready, as kubectl sees them."""
    command = [program("kubectl"), *words, "get", "nodes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for node in json.loads(done.stdout)["items"]:
        [ready] = [each for each in node["status"]["conditions"] if each["type"] == "Ready"]
        found[node["metadata"]["name"]] = ready["status"] == "True"
    return found


def test_a_cluster_from_its_first_node_to_its_last(
    kubeconfig: Path, image: str, dinv: Dinv, machines: Machines, engine: Engine
) -> None:
    mine = kubeconfig.read_text()
    made = dinv("create", "--provisioner", "kubernetes", "--image", image, "k1", check=True)
    assert "node k1 (server)" in made.stdout + made.stderr
    assert nodes("--context", "k1") == {"k1": True}
    # An entry of somebody else's, and a comment, are as they were.
    assert "prod # careful" in kubeconfig.read_text()

    joining = ["create", "--provisioner", "kubernetes", "--image", image, "--join", "k1", "k2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dinv", *joining],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    record = Path(machines.path) / "machines" / "k2" / "config.json"
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        # Killed as soon as the cluster may have heard of it.
        if record.exists() and '"Node"' in record.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    dinv("provision", "k2", check=True)
    assert nodes("--context", "k1") == {"k1": True, "k2": True}
    listed = dinv(*LS, "--format", "{{.Name}} {{.Swarm}}", check=True).stdout
    assert listed.splitlines() == ["k1 k1 (server, ready)", "k2 k1 (agent, ready)"]

    # What `env` says is enough for kubectl; no token has come into the open.
    variables = dinv("env", "k2", check=True).stdout
    own = f"{machines.path}/machines/k2/kubeconfig"
    assert f'KUBECONFIG="{own}"' in variables
    assert nodes("--kubeconfig", own) == {"k1": True, "k2": True}
    with machines.get("k1") as first:
        token = first.run(["cat", "/var/lib/rancher/k3s/server/token"], check=True).text
    secret = token.split("::")[1].strip()
    for name in machines.names():
        assert secret not in json.dumps(engine.containers.inspect(f"dinv-{name}"))
        assert secret not in Path(f"{machines.path}/machines/{name}/config.json").read_text()
        assert secret not in dinv("logs", name, check=True).stdout

    # Of two members of etcd both have to agree to the removal of one.
    dinv(
        "create",
        "--provisioner",
        "kubernetes",
        "--image",
        image,
        "--join",
        "k1",
        "--role",
        "server",
        "k3",
        check=True,
    )
    assert nodes("--context", "k3") == {"k1": True, "k2": True, "k3": True}
    dinv("rm", "-y", "k3", check=True)
    assert nodes("--context", "k1") == {"k1": True, "k2": True}

    refused = dinv("rm", "-y", "k1")
    assert refused.returncode == 1
    assert "k2 would be without a server" in refused.stderr
    dinv("rm", "-y", "k2", check=True)
    assert nodes("--context", "k1") == {"k1": True}
    dinv("rm", "-y", "k1", check=True)
    assert machines.names() == []
    assert kubeconfig.read_text().startswith(mine.rstrip("\n"))
    assert "k1" not in kubeconfig.read_text()
    assert contexts.read("k1") is None


def test_an_image_without_k3s_is_said_what_to_do_and_nothing_is_left(
    kubeconfig: Path, dinv: Dinv, machines: Machines
) -> None:
    before = kubeconfig.read_text()
    done = dinv("create", "--provisioner", "kubernetes", "k1")
    assert done.returncode != 0
    assert "/usr/local/bin/k3s" in done.stderr
    assert "dinv image build --with k3s=FILE" in done.stderr
    assert machines.names() == []
    assert kubeconfig.read_text() == before
