"""The stand-in for k3s is as strict as k3s: what it refuses, and to whom. Real kubectl works with it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import needs
import pytest
import yaml
from k3s_stand_in.program import (
    api,
    certificates,
    client,
    flags,
    kubelet,
    machine,
    membership,
    server,
    state,
    tokens,
)
from k3s_stand_in.program.cluster import STALL_SECONDS, Cluster
from k3s_stand_in.program.logs import FatalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def served(directory: Path, *arguments: str, name: str = "k1") -> Iterator[Cluster]:
    """A server in this process, on a free port, without what it needs of a machine."""
    data = str(directory / "data")
    written = str(directory / "k3s.yaml")
    options = flags.read("server", ["--data-dir", data, "--write-kubeconfig", written, *arguments])
    options.values["https-listen-port"] = 0
    cluster = Cluster(options, name, "127.0.0.1")
    server._users(cluster, {})
    with contextlib.ExitStack() as stack:
        key = os.path.join(cluster.tls, "serving.key")
        pem = cluster.server_ca.server(
            "k3s", ["127.0.0.1", *options["tls-san"]], certificates.kept_key(key).public_key()
        )
        certificates.write(os.path.join(cluster.tls, "serving.crt"), pem)
        context = api.context(cluster, os.path.join(cluster.tls, "serving.crt"), key)
        listener = api.Listener("127.0.0.1", 0, cluster, context)
        options.values["https-listen-port"] = listener.server_address[1]
        api.serve(listener)
        stack.callback(listener.server_close)
        stack.callback(listener.shutdown)
        cluster.ready = True
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(server, "KUBECONFIG", str(tmp_path / "k3s.yaml"))
    monkeypatch.setattr(kubelet, "PASSWORD_FILE", str(tmp_path / "password"))
    with served(tmp_path, "--tls-san", "k1.test") as made:
        server._write_tokens(made)
        server._write_kubeconfig(made)
        yield made


def admin(cluster: Cluster, directory: Path) -> client.Server:
    user = yaml.safe_load((directory / "k3s.yaml").read_text(encoding="ascii"))["users"][0]["user"]
    for name in ("certificate", "key"):
        (directory / name).write_bytes(base64.b64decode(user[f"client-{name}-data"]))
    identity = (str(directory / "certificate"), str(directory / "key"))
    return client.Server(cluster.own_url, ca=cluster.server_ca.pem, identity=identity)


def status(asked: client.Server, path: str, **call: Any) -> int:
    try:
        asked.call(path, **call)
    except client.Refused as refused:
        return refused.status
    return 200


# Flags


@pytest.mark.parametrize(
    ("command", "words", "reason"),
    [
        ("server", ["--tls-sans", "x"], "flag provided but not defined: -tls-sans"),
        ("agent", ["--tls-san", "x"], "flag provided but not defined: -tls-san"),
        ("server", ["--tls-san"], "flag needs an argument"),
        ("server", ["--cluster-init=maybe"], "invalid boolean value"),
        ("server", ["--disable", "everything"], "is not one of"),
        ("agent", [], ""),
    ],
)
def test_only_real_flags_are_taken(command: str, words: list[str], reason: str) -> None:
    if not reason:
        assert flags.read(command, words)["snapshotter"] == "overlayfs"
        return
    with pytest.raises(FatalError, match=reason):
        flags.read(command, words)


def test_the_configuration_file_has_the_names_of_flags(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "tls-san: [a, b]\ncluster-init: true\nkubelet-arg: feature-gates=A=true,B=true\n", encoding="ascii"
    )
    options = flags.read("server", ["--config", str(file), "--tls-san", "c"])
    assert options["tls-san"] == ["a", "b", "c"]
    assert options["cluster-init"] is True
    assert options.gate("B")
    file.write_text("tls_san: a\n", encoding="ascii")
    with pytest.raises(FatalError, match="Unknown flag --tls_san"):
        flags.read("server", ["--config", str(file)])


# Tokens, and who may do what


def test_a_token_pins_the_ca(cluster: Cluster) -> None:
    with open(os.path.join(cluster.directory, "token"), encoding="ascii") as file:
        token = tokens.parsed(file.read().strip())
    tokens.check_ca(token, cluster.server_ca.pem)
    with pytest.raises(FatalError, match="does not match the Cluster CA"):
        tokens.check_ca(token, b"another")
    for wrong in ("", "K10abc::server:x", "K10" + "0" * 64 + "::server:", "K10x"):
        with pytest.raises(FatalError):
            tokens.parsed(wrong)
    assert os.stat(os.path.join(cluster.directory, "token")).st_mode & 0o777 == 0o600
    assert os.readlink(os.path.join(cluster.directory, "node-token")).endswith("/token")


def test_the_anonymous_get_ping_and_the_ca(cluster: Cluster) -> None:
    anybody = client.Server(cluster.own_url)
    assert anybody.call("/ping") == b"pong"
    assert anybody.call("/cacerts") == cluster.server_ca.pem
    for path in ("/readyz", "/version", "/api/v1/nodes"):
        assert status(anybody, path) == 401
    assert status(anybody, "/v1-k3s/config") == 403
    assert status(anybody, "/v1-k3s/config", basic=("server", "wrong")) == 401
    assert status(anybody, "/v1-k3s/config", basic=("node", cluster.users["node"])) == 200
    # A token joins machines, and opens nothing of the API.
    assert status(anybody, "/api/v1/nodes", basic=("server", cluster.users["server"])) == 401
    # etcd is what other servers could join.
    assert status(anybody, "/v1-k3s/server-bootstrap", basic=("server", cluster.users["server"])) == 400
    assert status(anybody, "/v1-k3s/server-bootstrap", basic=("node", cluster.users["node"])) == 403


def test_its_names_are_those_of_its_start(cluster: Cluster) -> None:
    port = cluster.options["https-listen-port"]
    with pytest.raises(OSError, match="certificate verify failed"):
        client.Server(f"https://localhost:{port}", ca=cluster.server_ca.pem).call("/ping")
    assert client.Server(f"https://127.0.0.1:{port}", ca=cluster.server_ca.pem).call("/ping") == b"pong"


def test_a_node_joins_by_the_token_and_gets_ready(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.Event()

    def check_network(_options: object) -> str:
        before.wait(30)  # so that it is seen without
        return ""

    monkeypatch.setattr(kubelet, "_NETWORK_SECONDS", 0)
    monkeypatch.setattr(machine, "check_network", check_network)
    token = tokens.written(cluster.server_ca.pem, "server", cluster.users["server"])
    options = flags.read("agent", ["--data-dir", str(tmp_path / "node"), "--node-ip", "192.0.2.9"])
    joining = kubelet.Kubelet(options, "k2", cluster.own_url, token, ())
    threading.Thread(target=joining.run, daemon=True).start()
    asked = admin(cluster, tmp_path)
    seen = []
    deadline = time.monotonic() + 30
    while "True" not in seen and time.monotonic() < deadline:
        nodes = json.loads(asked.call("/api/v1/nodes"))["items"]
        seen += [one["status"]["conditions"][0]["status"] for one in nodes if "conditions" in one["status"]]
        if seen:
            before.set()
        time.sleep(0.02)
    assert seen[0] == "False"
    assert seen[-1] == "True"
    joining.ended.set()
    # As itself it may do little.
    api_of_node = joining._joined()
    assert status(api_of_node, "/api/v1/nodes/k2", method="DELETE") == 403
    assert status(api_of_node, "/api/v1/nodes/k1", method="PATCH", body={}) == 403
    # Another machine of its name has not its password.
    (tmp_path / "password").write_text("of another\n", encoding="ascii")
    headers = {"k3s-Node-Name": "k2", "k3s-Node-Password": "of another"}
    body = certificates.request(certificates.kept_key(str(tmp_path / "another.key")))
    call = {"method": "POST", "body": body, "headers": headers, "basic": ("node", cluster.users["node"])}
    assert status(client.Server(cluster.own_url), "/v1-k3s/client-kubelet.crt", **call) == 403
    # Once it is deleted it has.
    asked.call("/api/v1/nodes/k2", method="DELETE")
    assert status(client.Server(cluster.own_url), "/v1-k3s/client-kubelet.crt", **call) == 200


@contextlib.contextmanager
def member_of_etcd(directory: Path, name: str = "k1") -> Iterator[Cluster]:
    """A server whose database is etcd, with itself as its only member."""
    with served(directory, "--cluster-init", name=name) as made:
        os.makedirs(os.path.join(made.directory, "db", "etcd"))
        made.etcd = True
        made.state.set_member(name, made.own_url)
        yield made


def test_without_a_majority_etcd_answers_nothing(tmp_path: Path) -> None:
    with member_of_etcd(tmp_path) as alone:
        asked = alone.peer(alone.own_url)
        assert status(asked, "/readyz") == 200
        alone.state.set_member("k2", "https://127.0.0.1:1")
        assert status(asked, "/readyz") == 500
        assert status(asked, "/api/v1/nodes") == 500
        alone.state.members.pop("k2", None)
        assert status(asked, "/api/v1/nodes") == 200
        # A member that was taken out answers nothing either, and does not come back by itself.
        alone.state.members.pop("k1")
        assert alone.removed()
        assert status(asked, "/api/v1/nodes") == 500
        certificates.write(os.path.join(alone.directory, "db", "etcd", membership.TOMBSTONE), b"")
        with pytest.raises(FatalError, match="tombstone file has been detected but --server is empty"):
            membership.bury(alone.options, os.path.join(alone.directory, "db"))


def test_a_server_that_joins_learns_before_it_votes(tmp_path: Path) -> None:
    (tmp_path / "k2").mkdir()
    with member_of_etcd(tmp_path) as first, served(tmp_path / "k2", "--cluster-init", name="k2") as second:
        second.state.adopt(first.state.exported(), joining=True)
        second.etcd, second.options.values["server"], second.users = True, first.own_url, first.users
        second.server_ca = first.server_ca
        membership.join(second)
        assert os.path.isdir(membership.write_ahead_log(second.directory))
        assert second.state.learners == ["k2"]
        # It is no part of the majority, and answers nothing.
        assert first.voters().keys() == {"k1"}
        assert status(first.peer(first.own_url), "/readyz") == 200
        assert second.no_quorum() == "etcdserver: rpc not supported for learner"
        # One at a time; the same one again is let in.
        body = {"name": "k3", "url": "https://127.0.0.1:1", "critical": first.critical()}
        call: dict[str, Any] = {"method": "POST", "basic": ("server", first.users["server"])}
        with pytest.raises(client.Refused) as caught:
            client.Server(first.own_url).call("/v1-k3s/stand-in-join", body=body, **call)
        assert json.loads(caught.value.body)["message"] == membership.TOO_MANY_LEARNERS
        membership.join(second)
        assert first.state.learners == ["k2"]
        first.manage_learners(0.0)
        assert first.state.learners == ["k2"]  # it has not been heard of
        first._caught_up.add("k2")
        first.manage_learners(1.0)
        assert first.voters().keys() == {"k1", "k2"}


@pytest.mark.parametrize("caught_up", [True, False])
def test_a_learner_that_is_gone_votes_if_it_had_caught_up_and_else_is_taken_out(
    tmp_path: Path, *, caught_up: bool
) -> None:
    with member_of_etcd(tmp_path) as first:
        first.state.set_member("k2", "https://127.0.0.1:1", learner=True)
        if caught_up:
            first._caught_up.add("k2")
        first.manage_learners(0.0)
        first.manage_learners(STALL_SECONDS + 1)
        if not caught_up:
            assert first.state.members.keys() == {"k1"}
            return
        # As in etcd: the cluster has lost its majority by that.
        asked = first.peer(first.own_url)
        assert status(asked, "/readyz") == 500
        assert status(asked, "/api/v1/nodes/k2", method="DELETE") == 500


def test_a_member_is_taken_out_by_an_annotation_of_its_node(tmp_path: Path) -> None:
    with member_of_etcd(tmp_path) as first:
        first.state.set_member("k2", "https://127.0.0.1:1")
        about = {"name": "k2", "annotations": {state.MEMBER: "k2-ab", state.ADDRESS: "192.0.2.2"}}
        first.state.put({"metadata": about}, create=True)
        asked, path = first.peer(first.own_url), "/api/v1/nodes/k2"
        call: dict[str, Any] = {
            "method": "PATCH",
            "body": {"metadata": {"annotations": {state.REMOVE: "true"}}},
            "headers": {"Content-Type": "application/merge-patch+json"},
        }
        assert status(asked, path, **call) == 500  # of two members one is not there
        first.state.members["k2"] = first.own_url
        assert status(asked, path, **call) == 200
        assert first.state.members.keys() == {"k1"}
        node = first.state.node("k2")
        assert node is not None
        assert node["metadata"]["annotations"] == {state.REMOVE: "true", state.REMOVED: "k2-ab"}


# Clients


@needs.programs("kubectl")
def test_real_kubectl_works_with_it(cluster: Cluster, tmp_path: Path) -> None:
    node: dict[str, Any] = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "k2"}}
    cluster.state.put(node, create=True)
    environment = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "k3s.yaml")}

    def kubectl(*words: str) -> str:
        command = ["kubectl", "--request-timeout=20s", *words]
        ended = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, timeout=60
        )
        return ended.stdout

    assert kubectl("get", "nodes").splitlines()[1].split()[:2] == ["k2", "NotReady"]
    kubectl("cordon", "k2")
    assert "NotReady,SchedulingDisabled" in kubectl("get", "nodes")
    assert (
        json.loads(kubectl("get", "node", "k2", "-o", "json"))["spec"]["taints"][0]["effect"] == "NoSchedule"
    )
    kubectl("uncordon", "k2")
    assert kubectl("get", "--raw=/readyz") == "ok"
    assert "deleted" in kubectl("delete", "node", "k2")
    assert kubectl("get", "nodes", "-o", "name") == ""


def test_a_silent_client_holds_up_nobody(cluster: Cluster) -> None:
    connections = [
        http.client.HTTPConnection("127.0.0.1", cluster.options["https-listen-port"], timeout=5)
        for _ in range(3)
    ]
    for connection in connections:
        connection.connect()
    assert client.Server(cluster.own_url).call("/ping", timeout=5) == b"pong"
    for connection in connections:
        connection.close()
